"""How values, schedules and a reader's own words are printed as plain text."""

import operator
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from reprlib import Repr
from typing import Any, Protocol, TypeVar

from mmviz.engine.errors import MmvizError

T = TypeVar("T")
LONGEST = 60  # characters of an input that a message repeats
MOST_WRITTEN, MOST_MEMBERS = 1_000_000, 100_000  # characters of a text, and members of a list
OURS = ("mmviz", "numpy")  # the packages, besides Python's own, whose objects print themselves
EMPTY = "none"  # an empty field's value as displayed: None, "", (), frozenset()


class Named(Protocol):
    """The part of a case that a replay line needs."""

    @property
    def name(self) -> str:
        """The case's name."""

    @property
    def expression(self) -> str:
        """Python that stands for the case; "" where there is none."""


def replay_line(case: Named, schedule: Sequence[str], remark: bool = True) -> str:
    """Return the one line of Python that replays a schedule.

    It can be pasted where the reader works. Where no variable is known to hold the case, it says
    `case` and a comment names it, unless there is no need of a remark.
    """
    named = f"  # case: {case.name}" if remark and not case.expression else ""
    return f"mmviz.replay({case.expression or 'case'}, {short(schedule)!r}){named}"


def short(schedule: Sequence[str]) -> str:
    """Return a schedule as text, equal neighbours counted: "CPU0*3 CPU1"."""
    words: list[tuple[str, int]] = []
    for name in schedule:
        if words and words[-1][0] == name:
            words[-1] = (name, words[-1][1] + 1)
        else:
            words.append((name, 1))
    return " ".join(name if count == 1 else f"{name}*{count}" for name, count in words)


def several(number: int, what: str, plural: str = "") -> str:
    """Return how many there are: "1 step", "2 steps"; `plural` is for what takes no "s"."""
    return f"{number} {what if number == 1 else plural or what + 's'}"


def listed(names: Sequence[str]) -> str:
    """Return names as a list: "CPU0", "CPU0 and CPU1", "CPU0, CPU1 and GPU"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def spoken(value: Any) -> str:
    """Return a field's value as displayed; one that is empty is "none"."""
    if value is None or value in ("", (), frozenset()):
        return EMPTY
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, tuple | frozenset) and not hasattr(value, "_fields"):
        words = list(map(spoken, value))
        if isinstance(value, tuple):
            return f"({', '.join(words)})"
        return f"{{{', '.join(sorted(words))}}}"
    return printable(str(value))


class _Quote(Repr):
    """Python for a value; what a reader's own class writes about itself is not asked for."""

    def repr_instance(self, x: Any, level: int) -> str:
        """Return an object as its class writes it, or its class alone."""
        home = str(getattr(type(x), "__module__", "")).partition(".")[0]
        if home in OURS or home in sys.stdlib_module_names:
            return super().repr_instance(x, level)
        return f"<{type(x).__name__}>"


def quoted(value: Any, most: int = LONGEST) -> str:
    """Return what a reader wrote as a message repeats it: in quotes, on one line, shortened.

    Control characters, marks that change the direction of text, and lone surrogates are escaped.
    A value that cannot be printed, or that prints itself, is named by its class.

    Args:
        value: anything.
        most: characters to show at most, the quotes included.
    """
    quote = _Quote()
    quote.maxstring = quote.maxother = quote.maxlong = most
    try:
        if isinstance(value, str):
            value = str.__str__(value)
        text = printable(" ".join(quote.repr(value).splitlines()))
    except Exception:  # its own __repr__ fails, or an integer has too many digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= most else f"{text[: most - 2]}…{text[-1]}"


def left_out(value: Any) -> bool:
    """Tell whether an optional argument is left out: "" or None."""
    return value is None or (isinstance(value, str) and not value)


def expected(value: Any, kind: type[T], what: str, instead: str) -> T:
    """Return a value that is of the class expected.

    Args:
        value: the value.
        kind: its class.
        what: what it is, for the message, "what is run".
        instead: what to write, for the message.

    Raises:
        MmvizError: it is of another class.
    """
    if isinstance(value, kind):
        return value
    raise MmvizError(f"{what} is a {kind.__name__}, not {quoted(value)}; {instead}")


def written(value: Any, what: str) -> str:
    """Return a text.

    Args:
        value: the text.
        what: what it is, for the message, "the title of a case".

    Raises:
        MmvizError: it is not text, or has more than a million characters.
    """
    if not isinstance(value, str):
        raise MmvizError(f"{what} is text, not {quoted(value)}; write it in quotes")
    if len(value) > MOST_WRITTEN:
        raise MmvizError(
            f"{what} has {len(value):,} characters, {quoted(value)}; write at most {MOST_WRITTEN:,}"
        )
    return value


def members(value: Any, what: str, instead: str, most: int = MOST_MEMBERS) -> list[Any]:
    """Return the members of a list, a generator or the like.

    Args:
        value: the list; a text or a mapping is none.
        what: what it is, for the message, "a schedule".
        instead: what to write, for the message.
        most: how many there may be.

    Raises:
        MmvizError: it is no list, cannot be read, or has more members.
    """
    is_other = isinstance(value, str | bytes | bytearray | memoryview | Mapping)
    if is_other or not isinstance(value, Iterable):
        raise MmvizError(f"{what} is a list, not {quoted(value)}; {instead}")
    try:
        found = list(islice(value, most + 1))
    except Exception as error:
        raise MmvizError(
            f"{what} cannot be read from {quoted(value)}, which raised {type(error).__name__}; "
            f"{instead}"
        ) from None
    if len(found) > most:
        raise MmvizError(f"{what} has at most {most:,} members, and this one has more; {instead}")
    return found


def callback(value: Any, name: str) -> None:
    """Check a function to be called; None is none.

    Raises:
        MmvizError: it cannot be called.
    """
    if value is not None and not callable(value):
        raise MmvizError(
            f"{name}={quoted(value)} cannot be called; write a function, or leave it out"
        )


def index(value: Any, what: str) -> int:
    """Return an integer, one of numpy included.

    Args:
        value: the integer; a bool is none.
        what: what it is, for the message, "a raw entry".

    Raises:
        MmvizError: it is not an integer.
    """
    if not isinstance(value, bool | type) and hasattr(type(value), "__index__"):
        try:
            return operator.index(value)
        except Exception:
            pass  # an array, for example
    raise MmvizError(f"{what} is an integer, not {quoted(value)}")


def check_limit(name: str, limit: Any) -> float:
    """Return a limit of a search: an integer, one of numpy included, or a float.

    Raises:
        MmvizError: it is not a number above 0.
    """
    try:
        found = float(limit) if isinstance(limit, float) else index(limit, name)
    except MmvizError:
        found = 0
    if not found > 0:
        raise MmvizError(
            f"{name}={quoted(limit)} is not a number above 0; write {name}=1_000_000, or leave "
            "it out"
        )
    return found


def printable(text: str) -> str:
    r"""Return a text whose control characters are escaped, so that a terminal shows them.

    Newlines and tabs stay. Escape sequences, marks that change the direction of text, and lone
    surrogates become what Python writes for them: "\x1b", "\u202e", "\ud800".
    """
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t\xa0" else ascii(char)[1:-1] for char in text
    )
