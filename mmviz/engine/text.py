"""How values, schedules and a reader's own words are printed as plain text."""

import operator
from collections.abc import Sequence
from reprlib import Repr
from typing import Any, Protocol, TypeVar

from mmviz.engine.errors import MmvizError

T = TypeVar("T")
LONGEST = 80  # characters of an input that a message repeats
EMPTY = "none"  # an empty field's value as displayed: None, "", (), frozenset()


class Named(Protocol):
    """The part of a case that a replay line needs."""

    @property
    def name(self) -> str:
        """The case's name."""

    @property
    def expression(self) -> str:
        """Python that stands for the case; "" where there is none."""


def replay_line(case: Named, schedule: Sequence[str]) -> str:
    """Return the one line of Python that replays a schedule.

    It can be pasted where the reader works. Where no variable is known to hold the case, it says
    `case` and a comment names it.
    """
    remark = "" if case.expression else f"  # case: {case.name}"
    return f"mmviz.replay({case.expression or 'case'}, {short(schedule)!r}){remark}"


def short(schedule: Sequence[str]) -> str:
    """Return a schedule as text, equal neighbours counted: "CPU0*3 CPU1"."""
    words: list[tuple[str, int]] = []
    for name in schedule:
        if words and words[-1][0] == name:
            words[-1] = (name, words[-1][1] + 1)
        else:
            words.append((name, 1))
    return " ".join(name if count == 1 else f"{name}*{count}" for name, count in words)


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
    return str(value)


def quoted(value: Any, most: int = LONGEST) -> str:
    """Return what a reader wrote as a message repeats it: in quotes, on one line, shortened.

    Control characters, marks that change the direction of text, and lone surrogates are escaped.
    A value that cannot be printed is named by its class.

    Args:
        value: anything.
        most: characters to show at most, the quotes included.
    """
    quote = Repr()
    quote.maxstring = quote.maxother = quote.maxlong = most
    try:
        text = printable(" ".join(quote.repr(value).splitlines()))
    except Exception:  # its own __repr__ fails, or an integer has too many digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= most else f"{text[: most - 2]}…{text[-1]}"


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


def index(value: Any, what: str) -> int:
    """Return an integer, one of numpy included.

    Args:
        value: the integer; a bool is none.
        what: what it is, for the message, "a raw entry".

    Raises:
        MmvizError: it is not an integer.
    """
    if isinstance(value, bool | type) or not hasattr(value, "__index__"):
        raise MmvizError(f"{what} is an integer, not {quoted(value)}")
    return operator.index(value)


def check_limit(name: str, limit: Any) -> None:
    """Check a limit of a search.

    Raises:
        MmvizError: it is not a number above 0.
    """
    is_number = isinstance(limit, int | float) or hasattr(limit, "__index__")
    if isinstance(limit, bool | type) or not is_number or not limit > 0:
        raise MmvizError(
            f"{name}={quoted(limit)} is not a number above 0; write {name}=1_000_000, or leave "
            "it out"
        )


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
