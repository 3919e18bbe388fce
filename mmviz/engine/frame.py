"""Frames: what the world looked like after a step, and what that step did.

A frame refers to the frame before it and computes the rest on demand, so stepping, going
back and branching cost the same at any length.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from mmviz.engine.case import name_of
from mmviz.engine.choose import pending
from mmviz.engine.errors import ModelError
from mmviz.engine.learn import Model
from mmviz.engine.location import Line
from mmviz.engine.step import Effect, Step, Task
from mmviz.engine.struct import Allocated
from mmviz.engine.text import spoken

OWNERS = ("owner", "writer", "readers", "locked")
"""Fields of locks that name who holds them."""


class Change(NamedTuple):
    """One field whose value a step changed.

    Attributes:
        field: its path, "cpu.pte[0x1000]".
        old, new: the values; references are to the model's own objects.
    """

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.field}: {spoken(self.old)} -> {spoken(self.new)}"


class Next(NamedTuple):
    """The step that an actor takes next.

    Attributes:
        label: the function and its arguments.
        cite: the kernel file that has it.
        doc: what it does, in one line.
        lines: where the actor's code is, outermost call first.
    """

    label: str
    cite: str
    doc: str
    lines: tuple[Line, ...]


class Blocked(NamedTuple):
    """Why an actor is blocked.

    Attributes:
        reason: a sentence for readers.
        by: (actor, number of the step since which it blocks this one); 0 means from the start.
    """

    reason: str
    by: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return self.reason


class Frame:
    """What the world looked like after a step, and what that step read and wrote.

    Args:
        model: the learned case.
        state: the packed state after the step.
        actor: the one that stepped; "" at the start.
        before: the frame before, None at the start.

    Attributes:
        index: how many steps led here; 0 is the start.
        actor: the one that stepped; "" at the start.
        before: the frame before.
        state: the packed state.
    """

    def __init__(
        self, model: Model, state: int, actor: str = "", before: "Frame | None" = None
    ) -> None:
        self.model, self.state, self.actor, self.before = model, state, actor, before
        self.index: int = before.index + 1 if before is not None else 0
        self._broken: frozenset[str] | None = None

    def back(self) -> "Iterator[Frame]":
        """Yield this frame and those before it, the start last."""
        frame: Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.before

    # -- the step ----------------------------------------------------------------------------

    @cached_property
    def step(self) -> Step[Any] | None:
        """The step that led here; None at the start."""
        if self.before is None:
            return None
        return self.model.location(self.before.state, self.model.index[self.actor]).step

    @cached_property
    def _effect(self) -> Effect:
        if self.before is None or self.step is None:
            return Effect(set(), {})
        return self.model.execute(self.before.state, self.model.index[self.actor], self.step)

    @property
    def label(self) -> str:
        """The function and its arguments; "" at the start."""
        if self.before is None or self.step is None:
            return ""
        return label_in(self.model, self.before.state, self.actor, self.step)

    @property
    def cite(self) -> str:
        """The kernel file that has the function; "" at the start."""
        return self.step.cite if self.step is not None else ""

    @property
    def doc(self) -> str:
        """What the step does, in one line; "" at the start."""
        return self.step.doc if self.step is not None else ""

    @property
    def answer(self) -> Any:
        """The result that the actor received."""
        return self._effect.answer

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """The fields the step read."""
        slots = sorted(self._effect.reads - self.model.internal)
        return tuple(self.model.ledger.paths[slot] for slot in slots)

    @cached_property
    def writes(self) -> tuple[Change, ...]:
        """The fields whose value the step changed."""
        if self.before is None:
            return ()
        model, was = self.model, self.model.cells(self.before.state)
        return tuple(
            Change(model.ledger.paths[slot], was[slot], value)
            for slot, value in sorted(self._effect.writes.items())
            if value != was[slot] and slot not in model.internal
        )

    @cached_property
    def touched(self) -> tuple[set[int], set[int]]:
        """The slots the step read, and those it wrote."""
        return self._effect.reads, set(self._effect.writes)

    @property
    def broken(self) -> frozenset[str]:
        """The bad states violated so far in the run."""
        if self._broken is None:
            waiting = [frame for frame in self.back() if frame._broken is None]
            for frame in reversed(waiting):
                earlier = frame.before.broken if frame.before is not None else frozenset()
                try:
                    frame._broken = earlier | self.model.violated(frame.state)
                except ModelError as error:
                    raise frame._placed(error) from None
        assert self._broken is not None
        return self._broken

    @cached_property
    def violated(self) -> tuple[str, ...]:
        """The bad states that became violated with this step, for the first time in the run."""
        earlier = self.before.broken if self.before is not None else frozenset()
        order = [name_of(bad_state) for bad_state in self.model.case.bad]
        return tuple(
            sorted(
                self.broken - earlier,
                key=lambda bad_state: (
                    order.index(bad_state) if bad_state in order else len(order),
                    bad_state,
                ),
            )
        )

    @property
    def complaints(self) -> tuple[tuple[str, str], ...]:
        """The complaints that this step raised, each with its sentence."""
        return self._effect.said

    @cached_property
    def log(self) -> tuple[str, ...]:
        """The sentences the kernel complained with; a use after free names the actor that freed."""
        return tuple(self._blame(bad_state, text) for bad_state, text in self.complaints)

    def _blame(self, bad_state: str, text: str) -> str:
        """Add the actor that freed what the step used, and when.

        A use of an object that has been freed begins with a look at whether it has been.
        """
        if bad_state != "use_after_free" or self.before is None:
            return text
        lives = (each for each in self.model.ledger.structs if isinstance(each, Allocated))
        looked = {each._at["freed"] for each in lives} & self._effect.reads
        gone = {slot for slot in looked if self.model.cells(self.before.state)[slot] is True}
        for frame in self.before.back():
            if gone & {slot for slot, now in frame._effect.writes.items() if now is True}:
                return f"{text} by {frame.actor} in step {frame.index}"
        return text

    # -- the world after it ------------------------------------------------------------------

    @cached_property
    def _copy(self) -> tuple[Any, dict[str, Task]]:
        return self.model.copy(self.state)

    @property
    def world(self) -> Any:
        """An independent copy of the world after the step."""
        return self._copy[0]

    @property
    def tasks(self) -> dict[str, Task]:
        """A copy of each actor's task: the locks and sections it is in."""
        return self._copy[1]

    @cached_property
    def values(self) -> dict[str, Any]:
        """Every field's path and value after the step."""
        return dict(zip(self.model.ledger.paths, self.model.cells(self.state), strict=True))

    @cached_property
    def enabled(self) -> tuple[str, ...]:
        """The actors that can take a step now."""
        model, state = self.model, self.state
        actors = enumerate(model.actors)
        try:
            return tuple(name for p, name in actors if model.successor(state, p) is not None)
        except ModelError as error:
            raise self._placed(error) from None

    def _placed(self, error: ModelError) -> ModelError:
        """Return an error with the schedule that leads to it."""
        names = [frame.actor for frame in self.back()][-2::-1]
        schedule = (*names, *filter(None, (error.mover,)))
        return error.add(schedule=schedule).with_traceback(None)

    @cached_property
    def done(self) -> tuple[str, ...]:
        """The actors that have finished."""
        model = self.model
        return tuple(n for p, n in enumerate(model.actors) if model.is_done(self.state, p))

    @cached_property
    def next(self) -> dict[str, Next]:
        """The step that each unfinished actor takes next."""
        found = {}
        for p, name in enumerate(self.model.actors):
            location = self.model.location(self.state, p)
            if location.step is not None:
                step = location.step
                label = label_in(self.model, self.state, name, step)
                found[name] = Next(label, step.cite, step.doc, location.lines)
        return found

    @cached_property
    def blocked(self) -> dict[str, Blocked]:
        """Why each actor that is neither finished nor enabled is blocked."""
        waiting = set(self.model.actors) - set(self.enabled) - set(self.done)
        return {name: self._why(name) for name in self.model.actors if name in waiting}

    def _why(self, name: str) -> Blocked:
        """Find the holders of what the guard read, or else the last actor that changed it."""
        model, p = self.model, self.model.index[name]
        step = model.location(self.state, p).step
        if model.is_dead(self.state) or step is None:
            return Blocked("the machine has stopped", ())
        if name in model.case.environment:
            return Blocked("no actor leaves anything open now", ())
        paths = model.ledger.paths
        looked = [
            slot
            for slot in sorted(model.execute(self.state, p, step).reads)
            if slot not in model.internal
        ]
        holders: dict[str, int] = {}
        changers: dict[str, int] = {}
        kept = held(model, self.state, looked)
        act = acting(model, self.state, p, looked) if kept.is_less else []
        for slot in looked:
            writers = self._writers(slot)
            for who in kept.by[slot]:
                since = next((k for k, actor in writers if actor == who), 0)
                known = [k for k in (since, holders.get(who, 0)) if k]
                holders[who] = min(known, default=0)
            if writers:
                changers[writers[0][1]] = writers[0][0]
        if set(holders) - {name}:
            holders.pop(name, None)  # a waiter that is recorded beside the holders
        by = holders or changers
        if act and not holders:
            since = max(changers.values(), default=0)
            waited = tuple((who, since) for who in act)
            return Blocked(f"{step.label} waits for {' and '.join(act)}", waited)
        if by:
            how, when = ("held by", "since") if holders else ("last changed by", "in")
            waits = " and ".join(
                ("itself" if who == name else who)
                + (f" {when} step {k}" if k else " from the start")
                + (", which has finished" if holders and who in self.done else "")
                for who, k in sorted(by.items(), key=lambda pair: pair[1])
            )
            return Blocked(f"{step.label} waits: {how} {waits}", tuple(by.items()))
        what = ", ".join(paths[slot] for slot in looked) or "nothing that can change"
        return Blocked(f"{step.label} waits for a change of {what}", ())

    def _writers(self, slot: int) -> list[tuple[int, str]]:
        """Return (step, actor) of each step so far that changed a slot, latest first."""
        mask = self.model.bits[slot].mask
        return [
            (frame.index, frame.actor)
            for frame in self.back()
            if frame.before is not None and (frame.state ^ frame.before.state) & mask
        ]


def label_in(model: Model, state: int, actor: str, step: Step[Any]) -> str:
    """Return the step's label; of the environment, what it decides in this state."""
    if actor not in model.case.environment:
        return step.label
    cells = model.cells(state)
    asked = pending(cells[task._at["asked"]] for task in model.tasks)
    return step.label if asked is None else str(asked.otherwise)


class Held(NamedTuple):
    """Who holds what a waiting actor looked at.

    Attributes:
        by: slot -> the actors that hold it.
        is_less: whether the values name others, who cannot let go: they have finished, or were
            only asked to answer.
    """

    by: dict[int, set[str]]
    is_less: bool


def held(model: Model, state: int, slots: Sequence[int]) -> Held:
    """Return the actors that hold what some slots stand for.

    An actor that has finished holds nothing but a lock that it is recorded to own.
    """
    cells, by, is_less = model.cells(state), {}, False
    for slot in slots:
        value = cells[slot]
        names = kept = named(value) & set(model.actors)
        if model.ledger.paths[slot].rpartition(".")[2] not in OWNERS:
            is_asked = isinstance(value, frozenset) and any(isinstance(v, tuple) for v in value)
            done = {name for name in names if model.is_done(state, model.index[name])}
            kept = set() if is_asked else names - done
        by[slot] = kept
        is_less = is_less or kept != names
    return Held(by, is_less)


def acting(model: Model, state: int, p: int, slots: Sequence[int]) -> list[str]:
    """Return the other actors whose next step changes one of some slots."""
    found = []
    for other, name in enumerate(model.actors):
        step = model.location(state, other).step
        if other == p or step is None or model.successor(state, other) is None:
            continue
        if set(model.execute(state, other, step).writes) & set(slots):
            found.append(name)
    return found


def named(value: Any) -> set[str]:
    """Return the names in a lock's value: its owner, or its readers."""
    if isinstance(value, str):
        return {value} - {""}
    if isinstance(value, tuple | frozenset):
        return {name for part in value for name in named(part)}
    return set()
