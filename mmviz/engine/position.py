"""Positions: where an actor is, told by the answers it has heard."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mmviz.engine.step import Step


class Line(NamedTuple):
    """A place in the actors' code."""

    file: str
    function: str
    number: int


@dataclass(eq=False)
class Position:
    """Where an actor is: all it has heard, and what it wants to do next.

    Attributes:
        key: the last mark and the answers since; equal keys are the same position.
        step: the next step, None when the actor has finished.
        parent, answer: the position before and the answer that led here.
        depth: answers heard since the start.
        lines: where its code waits, outermost call first.
        after: the positions it has been seen to go to.
        touched: the slots its step has been seen to touch.
        row: [mask of those slots, {their packed values: delta, or None when blocked}].
    """

    key: Any
    step: Step[Any] | None
    parent: "Position | None"
    answer: Any
    depth: int
    lines: tuple[Line, ...]
    after: "set[Position]" = field(default_factory=set)
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
