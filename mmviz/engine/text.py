"""How values and schedules are printed as plain text."""

from collections.abc import Sequence
from typing import Any

from mmviz.engine.case import Case


def replay_line(case: Case, schedule: Sequence[str]) -> str:
    """Return the one line of Python that replays a schedule."""
    where = f"find({case.scenario!r}, {case.name!r})" if case.scenario else case.name
    return f"replay({where}, {short(schedule)!r})"


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
    """Return a field's value as displayed."""
    if value is None:
        return "none"
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, tuple | frozenset) and not hasattr(value, "_fields"):
        words = list(map(spoken, value))
        if isinstance(value, tuple):
            return f"({', '.join(words)})"
        return f"{{{', '.join(sorted(words))}}}"
    return str(value)
