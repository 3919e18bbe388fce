"""The parts of a case and of a race, checked before anything is run."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from mmviz.engine.errors import MmvizError, ModelError
from mmviz.engine.text import index, members, quoted, written

T = TypeVar("T")
MOST_NAMED = 1_000  # daemons, bad states, groups
KINDS = ("race", "ordering", "contract", "diagram")
OPENS = 'write opens=["get"]'
GROUPS = 'write interchangeable=[("CPU0", "CPU1")]'


def checked(where: str, check: Callable[..., T], *given: Any) -> T:
    """Return what a check returns; what it refuses is a fault of the case or race called `where`.

    Raises:
        ModelError: it refuses what it was given.
    """
    try:
        return check(*given)
    except MmvizError as error:
        raise ModelError(f"{where}: {error}") from None


def texts(where: str, given: Mapping[str, Any]) -> None:
    """Check what is written about a case, by the name of the attribute.

    Raises:
        ModelError: one is not text.
    """
    for name, text in given.items():
        checked(where, written, text, f"{name}=")


def names(
    where: str, given: Any, what: str, known: Collection[str], instead: str
) -> tuple[str, ...]:
    """Return names, each of which is known.

    Raises:
        ModelError: they are not a list, or one is not known.
    """
    listed = list(given) if isinstance(given, Mapping) else given
    found = checked(where, members, listed, what, instead, MOST_NAMED)
    for name in found:
        if not isinstance(name, str) or name not in known:
            has = ", ".join(known)
            raise ModelError(f"{where}: {what} names {quoted(name)}, which is none of {has}")
    return tuple(found)


def by_name(where: str, given: Any, what: str, instead: str) -> dict[str, Any]:
    """Return a mapping whose keys are text.

    Raises:
        ModelError: it is none.
    """
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ModelError(f"{where}: {what}={quoted(given)} is not by name; {instead}")
    return dict(given)


def steps(where: str, given: Any) -> tuple[str, ...]:
    """Return the names of steps.

    Raises:
        ModelError: they are not a list of names.
    """
    found = checked(where, members, given, "opens=", OPENS, MOST_NAMED)
    for name in found:
        if not isinstance(name, str) or not name.isidentifier():
            raise ModelError(f"{where}: opens= names {quoted(name)}, no step; {OPENS}")
    return tuple(found)


def flag(where: str, given: Any, what: str) -> None:
    """Check what is either True or False.

    Raises:
        ModelError: it is neither.
    """
    if not isinstance(given, bool):
        raise ModelError(
            f"{where}: {what}={quoted(given)} is neither True nor False; write {what}=True"
        )


def count(where: str, given: Any) -> int:
    """Return a declared number of states.

    Raises:
        ModelError: it is not an integer from 0 on.
    """
    found = checked(where, index, given, "states=")
    if found < 0:
        raise ModelError(
            f"{where}: states={quoted(found)} is below 0; write 0 where it is not known"
        )
    return found


def kind(where: str, given: Any) -> None:
    """Check the kind of a case.

    Raises:
        ModelError: there is no such kind.
    """
    if not isinstance(given, str) or given not in KINDS:
        raise ModelError(f"{where}: kind {quoted(given)} is none of {', '.join(KINDS)}")


def groups(where: str, given: Any) -> tuple[tuple[str, ...], ...]:
    """Return groups of interchangeable actors.

    Raises:
        ModelError: they are not lists of words.
    """
    found = []
    for group in checked(where, members, given, "interchangeable=", GROUPS, MOST_NAMED):
        words = checked(where, members, group, "a group in interchangeable=", GROUPS, MOST_NAMED)
        for word in words:
            checked(where, written, word, "a member in interchangeable=")
        found.append(tuple(words))
    return tuple(found)
