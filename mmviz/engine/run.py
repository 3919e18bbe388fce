"""Runs: the one place where a step happens, forwards, backwards and sideways."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mmviz.engine.case import Case, name_of
from mmviz.engine.errors import ScheduleError
from mmviz.engine.learn import Line, Model
from mmviz.engine.report import replay_line, spoken, table
from mmviz.engine.step import Task


@dataclass(frozen=True)
class Change:
    """One field that a step gave another value.

    Attributes:
        field: its path, "cpu.pte[0x1000]".
        old, new: the values; references are to the model's own objects.
    """

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.field}: {spoken(self.old)} -> {spoken(self.new)}"


@dataclass(frozen=True)
class Next:
    """The step an actor would do.

    Attributes:
        label: the function and its arguments.
        cite: the kernel file that has it.
        doc: what it does, in one line.
        lines: where the actor's code waits, outermost call first.
    """

    label: str
    cite: str
    doc: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Blocked:
    """Why an actor cannot move.

    Attributes:
        reason: a sentence for people.
        by: (actor, number of the step since which it blocks us); 0 means from the start.
    """

    reason: str
    by: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return self.reason


class Frame:
    """What the world looked like after a step, and what that step read and wrote.

    Attributes:
        index: how many steps led here; 0 is the start.
        actor: who moved; "" at the start.
        label, cite, doc: the step: function and arguments, kernel file, one line of meaning.
        answer: what the actor heard.
        reads: the fields the step read.
        writes: the fields it changed.
        violated: the properties that became violated with this step.
        log: the sentences the kernel complained with.
    """

    def __init__(
        self,
        run: "Run",
        index: int,
        actor: str = "",
        step: Any = None,
        answer: Any = None,
        reads: tuple[str, ...] = (),
        writes: tuple[Change, ...] = (),
        violated: tuple[str, ...] = (),
        log: tuple[str, ...] = (),
    ) -> None:
        self.index, self.actor, self.answer = index, actor, answer
        self.label = step.label if step is not None else ""
        self.cite = step.cite if step is not None else ""
        self.doc = step.doc if step is not None else ""
        self.reads, self.writes, self.violated, self.log = reads, writes, violated, log
        self._model, self._state = run.model, run.states[index]
        self._schedule = run.schedule[:index]
        self._states = tuple(run.states[: index + 1])

    @cached_property
    def _copy(self) -> tuple[Any, dict[str, Task]]:
        return self._model.copy(self._state)

    @property
    def world(self) -> Any:
        """A free-standing copy of the world after the step."""
        return self._copy[0]

    @property
    def tasks(self) -> dict[str, Task]:
        """A copy of each actor's task: the locks and sections it is in."""
        return self._copy[1]

    @cached_property
    def values(self) -> dict[str, Any]:
        """Every field's path and value after the step."""
        cells = self._model.cells(self._state)
        return dict(zip(self._model.ledger.paths, cells, strict=True))

    @cached_property
    def enabled(self) -> tuple[str, ...]:
        """Who can move now."""
        model = self._model
        return tuple(
            n for p, n in enumerate(model.actors) if model.successor(self._state, p) is not None
        )

    @cached_property
    def done(self) -> tuple[str, ...]:
        """Who has finished."""
        model = self._model
        return tuple(n for p, n in enumerate(model.actors) if model.is_done(self._state, p))

    @cached_property
    def next(self) -> dict[str, Next]:
        """The step each unfinished actor would do."""
        found = {}
        for p, name in enumerate(self._model.actors):
            position = self._model.position(self._state, p)
            if position.step is not None:
                step = position.step
                found[name] = Next(step.label, step.cite, step.doc, position.lines)
        return found

    @cached_property
    def blocked(self) -> dict[str, Blocked]:
        """Why each actor that has not finished cannot move."""
        return {
            name: self._why(p)
            for p, name in enumerate(self._model.actors)
            if name not in self.enabled and name not in self.done
        }

    def _why(self, p: int) -> Blocked:
        """Find who last changed what the guard looked at; a lock's holder is named in it."""
        model, state = self._model, self._state
        if model.is_dead(state):
            return Blocked("the machine has stopped", ())
        step = model.position(state, p).step
        assert step is not None
        looked = sorted(model.execute(state, p, step).reads)
        own = model.ledger.paths
        by: dict[str, int] = {}
        unchanged = []
        for slot in looked:
            if own[slot].endswith(".held"):
                continue
            names = _names(self.values[own[slot]], model.actors)
            writers = self._writers(slot)
            if names:
                for name in names:
                    by[name] = max((k for k, who in writers if who == name), default=0)
            elif writers:
                last, who = writers[-1]
                by.setdefault(who, last)
            else:
                unchanged.append(own[slot])
        me = model.actors[p]
        waits = ", ".join(
            f"{'itself' if who == me else who} since step {k}" if k else f"{who} from the start"
            for who, k in sorted(by.items(), key=lambda pair: pair[1])
        )
        if waits:
            return Blocked(f"{step.label} waits for {waits}", tuple(sorted(by.items())))
        what = ", ".join(unchanged) or "something that has not happened"
        return Blocked(f"{step.label} waits for a change of {what}", ())

    def _writers(self, slot: int) -> list[tuple[int, str]]:
        """Return (step, actor) of each step so far that changed a slot."""
        bits = self._model.bits[slot]
        states = self._states
        return [
            (k, self._schedule[k - 1])
            for k in range(1, len(states))
            if (states[k] ^ states[k - 1]) & bits.mask
        ]


def _names(value: Any, actors: Sequence[str]) -> list[str]:
    """Return the actors a lock's value names: its owner, or its readers."""
    if isinstance(value, str):
        return [value] if value in actors else []
    if isinstance(value, tuple | frozenset):
        return sorted({name for part in value for name in _names(part, actors)})
    return []


class Run:
    """One run of a case, as far as it has come.

    Args:
        case: what to run.

    Attributes:
        case: what is run.
        schedule: who moved, in order; enough to rebuild everything.
        model: the learned case; forks share it.
        states: the packed state after each step.
    """

    def __init__(self, case: Case, model: Model | None = None) -> None:
        self.case = case
        self.model = model or Model(case)
        self.schedule: tuple[str, ...] = ()
        self.states = [self.model.start]
        self._frames: list[Frame] = []

    def step(self, actor: str) -> Frame:
        """Let an actor do its next step.

        Raises:
            ScheduleError: it cannot move; the message says why, and who can.
        """
        after = None
        if actor in self.model.index:
            after = self.model.successor(self.states[-1], self.model.index[actor])
        if after is None:
            raise self._refusal(actor)
        self.schedule = (*self.schedule, actor)
        self.states.append(after)
        return self.frames[-1]

    def undo(self) -> None:
        """Take the last step back; at the start nothing happens."""
        if self.schedule:
            self.schedule = self.schedule[:-1]
            self.states.pop()
            del self._frames[len(self.states) :]

    def fork(self, at: int | None = None) -> "Run":
        """Return a new run that shares this one's first `at` steps (all of them by default)."""
        keep = len(self.schedule) if at is None else at
        if not 0 <= keep <= len(self.schedule):
            raise IndexError(f"a run of {len(self.schedule)} steps has no step {keep}")
        twin = Run(self.case, self.model)
        twin.schedule, twin.states = self.schedule[:keep], self.states[: keep + 1]
        return twin

    def enabled(self) -> tuple[str, ...]:
        """Return who can move."""
        state, model = self.states[-1], self.model
        return tuple(n for p, n in enumerate(model.actors) if model.successor(state, p) is not None)

    def blocked(self) -> dict[str, Blocked]:
        """Return why each unfinished actor that cannot move has to wait."""
        return self.frames[-1].blocked

    def describe(self, actor: str) -> Next | None:
        """Return the step an actor would do, None when it has finished."""
        return self.frames[-1].next.get(actor)

    @property
    def finished(self) -> bool:
        """Whether every actor that must finish has finished, or the machine has stopped."""
        return self.model.is_complete(self.states[-1]) or self.model.is_dead(self.states[-1])

    @property
    def stuck(self) -> bool:
        """Whether nobody can move though somebody has not finished."""
        return not self.finished and not self.enabled()

    @property
    def violated(self) -> tuple[str, ...]:
        """The properties violated so far, in the order they broke."""
        return tuple(prop for frame in self.frames for prop in frame.violated)

    @property
    def frames(self) -> list[Frame]:
        """What happened: frames[0] is the start, frames[k] the world after step k."""
        for index in range(len(self._frames), len(self.states)):
            self._frames.append(self._frame(index))
        return self._frames

    def _frame(self, index: int) -> Frame:
        model = self.model
        state = self.states[index]
        broken = {prop for frame in self._frames for prop in frame.violated}
        order = [name_of(prop) for prop in self.case.bad]
        news = sorted(
            model.violated(state) - broken,
            key=lambda prop: order.index(prop) if prop in order else len(order),
        )
        if not index:
            return Frame(self, 0, violated=tuple(news))
        before, actor = self.states[index - 1], self.schedule[index - 1]
        p = model.index[actor]
        step = model.position(before, p).step
        assert step is not None
        effect = model.execute(before, p, step)
        was, paths = model.cells(before), model.ledger.paths
        engine = {model.splats, model.dead}
        return Frame(
            self,
            index,
            actor,
            step,
            effect.answer,
            tuple(paths[slot] for slot in sorted(effect.reads - engine)),
            tuple(
                Change(paths[slot], was[slot], value)
                for slot, value in sorted(effect.writes.items())
                if value != was[slot] and slot not in engine
            ),
            tuple(news),
            tuple(self._blame(text, prop, before, index) for prop, text in effect.said),
        )

    def _blame(self, text: str, prop: str, before: int, index: int) -> str:
        """Add to a use after free who freed the object, and when."""
        if prop != "use_after_free":
            return text
        for k in range(index - 1, 0, -1):
            for change in self._frames[k].writes:
                gone = change.field.removesuffix(".freed")
                if change.field.endswith(".freed") and change.new and f"{gone} was freed" in text:
                    return f"{text} by {self.schedule[k - 1]} in step {k}"
        return text

    def _refusal(self, actor: str) -> ScheduleError:
        number = len(self.schedule) + 1
        can = ", ".join(self.enabled()) or "nobody"
        if actor not in self.model.index:
            known = ", ".join(self.model.actors)
            why = f"there is no actor {actor!r} here (actors: {known})"
        elif actor in self.frames[-1].done:
            why = f"{actor} has finished"
        else:
            why = f"{actor} cannot go: {self.blocked()[actor].reason}"
        return ScheduleError(f"step {number}: {why}. Can go: {can}.", number, actor)

    def __str__(self) -> str:
        return table(self)

    def __repr__(self) -> str:
        return replay_line(self.case, self.schedule)


def parse_schedule(case: Case, schedule: str | Sequence[str]) -> tuple[str, ...]:
    """Return the actors of a schedule in order.

    Args:
        case: whose actors they are.
        schedule: names parted by spaces or commas, "CPU0 CPU1*2, GPU", or a sequence of names.

    Raises:
        ScheduleError: a word is not an actor, or a count is not a number.
    """
    words = re.split(r"[\s,]+", schedule.strip()) if isinstance(schedule, str) else schedule
    folded = {name.lower(): name for name in case.actors}
    names: list[str] = []
    for word in words:
        name, star, count = word.partition("*")
        if not word:
            continue
        if name.lower() not in folded or (star and not (count.isdigit() and int(count) <= 10_000)):
            known = ", ".join(case.actors)
            raise ScheduleError(
                f"step {len(names) + 1}: {word!r} is not an actor of {case.name} "
                f"(actors: {known}; write CPU0 or CPU0*3)",
                len(names) + 1,
                word,
            )
        names += [folded[name.lower()]] * (int(count) if star else 1)
    return tuple(names)


def replay(case: Case, schedule: str | Sequence[str]) -> Run:
    """Run a schedule from the start.

    Args:
        case: what to run.
        schedule: as `parse_schedule` takes it.

    Raises:
        ScheduleError: a step cannot happen; the message names the step, the actor, why it
            cannot go and who can.
    """
    run = Run(case)
    for actor in parse_schedule(case, schedule):
        run.step(actor)
    return run
