"""Locations: where an actor is (its program counter), and when two histories lead to one."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from mmviz.engine.bits import token
from mmviz.engine.errors import BadMark, LoopWithoutMark
from mmviz.engine.liveness import Frame, Unreadable, continuation, live
from mmviz.engine.step import Mark, Step


class Line(NamedTuple):
    """A line of the actors' code."""

    file: str
    function: str
    number: int


ENGINE_CODE: set[Any] = set()
"""Functions of the engine that actors await; a reader sees the line that calls them instead."""


@dataclass(eq=False)
class Location:
    """Where an actor is, and the step it takes next.

    Attributes:
        step: the next step, None when the actor has finished.
        parent, answer: the location before and the result that led here first.
        depth: number of results since the start.
        lines: where its code is, outermost call first.
        nexts: token of a result -> the location that it leads to.
        touched: the slots that its step is known to touch.
        row: [mask of those slots, {their packed values: delta, or None when blocked}].
        others: (key, delta, slots in the key) of `row` before it was widened, and of situations
            that end in an Oops, without a delta.
        kept: a coroutine that waits here, and the last mark it passed; saves one replay.
    """

    step: Step[Any] | None
    parent: "Location | None" = None
    answer: Any = None
    depth: int = 0
    lines: tuple[Line, ...] = ()
    nexts: "dict[Any, Location]" = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    row: list[Any] = field(default_factory=lambda: [0, {}])
    others: set[tuple[int, int | None, tuple[int, ...]]] = field(default_factory=set)
    kept: "tuple[Any, Mark] | None" = None

    @property
    def after(self) -> "set[Location]":
        """The locations known to follow."""
        return set(self.nexts.values())


@dataclass
class Waiting:
    """What is known of an actor that waits, before its location is.

    Attributes:
        step: the step it waits to take.
        lines: where its code is.
        frames: its functions and their variables; None where they cannot be read.
        mark: the last mark.
    """

    step: Step[Any]
    lines: tuple[Line, ...]
    frames: tuple[Frame, ...] | None
    mark: Mark

    @property
    def place(self) -> Any:
        """The place in the code, one for each function."""
        if self.frames is None:
            return self.lines
        return tuple(frame.place for frame in self.frames)

    @cached_property
    def key(self) -> Any:
        """What tells locations at one place apart."""
        step = token(self.step.signature)
        if self.frames is not None:
            try:
                return step, continuation(self.frames)
            except Unreadable:
                pass
        return step, self.mark.key


MOST_RESULTS = 500  # on the way to a new location; no race needs more


class Place:
    """The locations at one place of the code, told apart by the step and the live variables.

    A second location is rare, so the values of the first are compared only when there is one.
    """

    def __init__(self) -> None:
        self.first: tuple[Waiting, Location] | None = None
        self.known: dict[Any, Location] = {}
        self.marked: dict[Any, tuple[Waiting, Location]] = {}

    def find(self, waiting: Waiting) -> Location | None:
        """Return the location of an actor that waits here, None if it is new.

        Raises:
            BadMark: a mark leaves out a variable that the code below still uses.
        """
        if self.first is None:
            return None
        if not self.known:
            self.known[self.first[0].key] = self.first[1]
        found = self.known.get(waiting.key)
        if found is None and waiting.mark.code is not None:
            before = self.marked.get(waiting.mark.key)
            if before is not None:
                _check_mark(before[0], waiting)
        return found

    def add(self, waiting: Waiting, location: Location) -> None:
        """Keep a new location."""
        if self.first is None:
            self.first = waiting, location
        else:
            self.known[waiting.key] = location
            if location.depth > MOST_RESULTS:
                raise _endless(self.first[0], waiting)
        if waiting.mark.code is not None:
            self.marked.setdefault(waiting.mark.key, (waiting, location))


def _check_mark(before: Waiting, now: Waiting) -> None:
    """Complain if the function that called `mark()` still uses a variable that has changed."""
    for was, after in zip(before.frames or (), now.frames or (), strict=False):
        if after.function.code is not now.mark.code:
            continue
        values = dict(live(was))
        for name, value in live(after):
            if name in values and not _same(values[name], value):
                label, *given = now.mark.values
                words = ", ".join([repr(label), *map(repr, given), name])
                raise BadMark(
                    f"mark({label!r}, …) in line {now.mark.number} leaves out {name}, which the "
                    f"code below still uses: it was {values[name]!r} at one time round and "
                    f"{value!r} at another. Write mark({words}), or leave the mark out: the "
                    "engine finds the variables that are still used by itself."
                )


def _same(one: Any, other: Any) -> bool:
    return bool(one is other or one == other)


def _endless(first: Waiting, latest: Waiting) -> LoopWithoutMark:
    """Return the complaint about a loop that never comes back to a location."""
    line = latest.lines[-1]
    names: list[str] = []
    for was, now in zip(first.frames or (), latest.frames or (), strict=False):
        values = dict(live(was))
        names += [name for name, value in live(now) if not _same(values.get(name), value)]
    if names:
        why = (
            f"{' and '.join(names)} had another value each time. Bound it, or do not carry it "
            "from one turn of the loop to the next."
        )
    else:
        why = (
            "it counts its turns, or holds something that the engine cannot compare. Write "
            "`while True:`, or give the loop fewer turns."
        )
    return LoopWithoutMark(
        f"after {MOST_RESULTS} steps a loop is in line {line.number} of {line.function}(), and "
        f"still at a new location: {why}"
    )


def lines_of(coroutine: Any) -> tuple[Line, ...]:
    """Return where a waiting coroutine is, outermost call first."""
    found: list[Line] = []
    inner = coroutine
    while inner is not None and getattr(inner, "cr_frame", None) is not None:
        code = inner.cr_code
        if code in ENGINE_CODE and found:
            break
        found.append(Line(code.co_filename, code.co_name, inner.cr_frame.f_lineno))
        inner = inner.cr_await
    return tuple(found)
