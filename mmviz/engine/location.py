"""Locations: where an actor is (its program counter), identified by the results it received."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mmviz.engine.step import Step


class Line(NamedTuple):
    """A line of the actors' code."""

    file: str
    function: str
    number: int


@dataclass(eq=False)
class Location:
    """Where an actor is: all results it has received, and the step it takes next.

    Attributes:
        key: the last mark and the results since; equal keys are the same location.
        step: the next step, None when the actor has finished.
        parent, answer: the location before and the result that led here.
        depth: number of results since the start.
        lines: where its code is, outermost call first.
        after: the locations known to follow.
        touched: the slots that its step is known to touch.
        row: [mask of those slots, {their packed values: delta, or None when blocked}].
    """

    key: Any
    step: Step[Any] | None
    parent: "Location | None"
    answer: Any
    depth: int
    lines: tuple[Line, ...]
    after: "set[Location]" = field(default_factory=set)
    touched: set[int] = field(default_factory=set)
    row: list[Any] = field(default_factory=lambda: [0, {}])


def lines_of(coroutine: Any) -> tuple[Line, ...]:
    """Return where a waiting coroutine is, outermost call first."""
    found = []
    inner = coroutine
    while inner is not None and getattr(inner, "cr_frame", None) is not None:
        code = inner.cr_code
        found.append(Line(code.co_filename, code.co_name, inner.cr_frame.f_lineno))
        inner = inner.cr_await
    return tuple(found)
