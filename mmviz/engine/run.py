"""Runs: stepping forwards, going back, and branching."""

import re
from collections.abc import Iterable, Mapping, Set
from typing import Any, SupportsIndex

from mmviz.engine.case import Case, nearest
from mmviz.engine.errors import MmvizError, ModelError, ScheduleError
from mmviz.engine.frame import Blocked, Frame, Next
from mmviz.engine.learn import Model
from mmviz.engine.run_table import columns, table
from mmviz.engine.text import expected, index, members, quoted, replay_line

MOST_TIMES, MOST_DIGITS = 10_000, 10  # of a count, "CPU0*3"
MOST_STEPS = 100_000  # of a schedule
LEFT_OUT = "leave it out, and the case is learned"
CASE = "write mmviz.find('thread/race', 'NameOfTheCase')"


class Run:
    """One run of a case, up to its latest step.

    Args:
        case: what to run.
        model: the case, learned; forks of a run share it.

    Attributes:
        case: what is run.
        model: the learned case.
        tip: the latest frame; all earlier ones are reached from it.
    """

    def __init__(self, case: Case, model: Model | None = None) -> None:
        self.case = expected(case, Case, "what is run", CASE)
        self.model = Model(case) if model is None else expected(model, Model, "a model", LEFT_OUT)
        self.tip = Frame(self.model, self.model.start)

    def step(self, actor: str) -> Frame:
        """Let an actor take its next step.

        Raises:
            ScheduleError: it is no actor, or is blocked or finished; the message says why, and
                which actors can step.
        """
        p = self._number(actor)
        try:
            after = None if p is None else self.model.successor(self.tip.state, p)
        except ModelError as error:
            schedule = (*self.schedule, *filter(None, (error.mover,)))
            raise error.add(schedule=schedule).with_traceback(None) from None
        if after is None:
            raise self._refusal(actor)
        self.tip = Frame(self.model, after, actor, self.tip)
        return self.tip

    def undo(self) -> None:
        """Take the last step back; at the start nothing happens."""
        if self.tip.before is not None:
            self.tip = self.tip.before

    def fork(self, at: SupportsIndex | None = None) -> "Run":
        """Return a new run that shares this one's first `at` steps (all of them by default).

        Raises:
            IndexError: this run has no such step.
            MmvizError: `at` is not an integer.
        """
        keep = self.tip.index if at is None else index(at, "the step at which a run forks")
        if not 0 <= keep <= self.tip.index:
            raise IndexError(f"a run of {self.tip.index} steps has no step {quoted(keep)}")
        twin = Run(self.case, self.model)
        twin.tip = next(frame for frame in self.tip.back() if frame.index == keep)
        return twin

    @property
    def frames(self) -> list[Frame]:
        """What happened: frames[0] is the start, frames[k] the world after step k."""
        return list(self.tip.back())[::-1]

    @property
    def schedule(self) -> tuple[str, ...]:
        """Which actor took each step, in order; enough to rebuild everything."""
        return tuple(frame.actor for frame in self.frames[1:])

    def enabled(self) -> tuple[str, ...]:
        """Return the actors that can take a step."""
        return self.tip.enabled

    def blocked(self) -> dict[str, Blocked]:
        """Return why each unfinished actor that is not enabled has to wait."""
        return self.tip.blocked

    def describe(self, actor: str) -> Next | None:
        """Return the step that an actor takes next, None when it has finished.

        Raises:
            UnknownName: there is no such actor; the nearest is suggested.
        """
        return self.tip.next.get(nearest({name: name for name in self.case.actors}, actor, "actor"))

    @property
    def finished(self) -> bool:
        """Whether every actor that must finish has finished, or the machine has stopped."""
        return self.model.is_complete(self.tip.state) or self.model.is_dead(self.tip.state)

    @property
    def deadlock(self) -> bool:
        """Whether no actor can take a step, and not all have finished."""
        return self.model.is_deadlock(self.tip.state)

    @property
    def loop(self) -> tuple[int, int] | None:
        """The step after which the state was the same as at the end, and the last step.

        A run that has returned to an earlier state, with a move of a thread in between, may repeat
        that part forever; None if there is no such part.
        """
        threads = set(self.case.actors) - set(self.case.daemons)
        moved = False
        for frame in self.tip.back():
            if moved and frame.state == self.tip.state:
                return frame.index, self.tip.index
            moved = moved or frame.actor in threads
        return None

    @property
    def violated(self) -> tuple[str, ...]:
        """The bad states violated so far, in order."""
        return tuple(bad_state for frame in self.frames for bad_state in frame.violated)

    def _number(self, actor: Any) -> int | None:
        """Return the number of an actor; None if there is none of that name."""
        return self.model.index.get(actor) if isinstance(actor, str) else None

    def _refusal(self, actor: str) -> ScheduleError:
        number = self.tip.index + 1
        can = ", ".join(self.enabled()) or "no actor"
        if self._number(actor) is None:
            known = ", ".join(self.model.actors)
            why = f"there is no actor {quoted(actor)} here (actors: {known})"
        elif actor in self.tip.done:
            why = f"{actor} has finished"
        else:
            why = f"{actor} is blocked: {self.blocked()[actor].reason}"
        return ScheduleError(f"step {number}: {why}. Enabled: {can}.", number, actor)

    def __str__(self) -> str:
        return table(self)

    def __repr__(self) -> str:
        return replay_line(self.case, self.schedule)

    def _repr_html_(self) -> str:
        return columns(self)


def parse_schedule(case: Case, schedule: str | Iterable[str]) -> tuple[str, ...]:
    """Return the actors of a schedule in order.

    Args:
        case: the case that has the actors.
        schedule: names separated by spaces or commas, "CPU0 CPU1*2, GPU", or a list of such words.

    Raises:
        ScheduleError: the schedule is not text or a list of words, a word is not an actor, a count
            is not a number from 0 to 10,000, or there are more than 100,000 steps.
    """
    one, other = (*case.actors, "CPU0", "CPU1")[:2]
    folded = {name.lower(): name for name in case.actors}
    names: list[str] = []
    for word in _words(schedule, f'write "{one}*3 {other}" or ["{one}", "{other}"]'):
        step = len(names) + 1
        if not isinstance(word, str):
            raise ScheduleError(
                f"step {step}: {quoted(word)} is not text; a schedule in a list is a list of "
                f'actors, ["{one}", "{other}"]',
                step,
            )
        name, star, count = word.partition("*")
        actor = folded.get(name.lower(), "")
        if not actor:
            known = ", ".join(case.actors)
            raise ScheduleError(
                f"step {step}: {quoted(word)} is not an actor of {case.name} "
                f"(actors: {known}; write {one} or {one}*3)",
                step,
                word,
            )
        times = _number(count) if star else 1
        if times is None:
            raise ScheduleError(
                f"step {step}: in {quoted(word)} the count is not a number from 0 to "
                f"{MOST_TIMES:,}; write {actor}*3",
                step,
                actor,
            )
        names += [actor] * times
        if len(names) > MOST_STEPS:
            raise ScheduleError(
                f"a schedule has at most {MOST_STEPS:,} steps, and this one has more; "
                "write a shorter one",
                MOST_STEPS + 1,
                actor,
            )
    return tuple(names)


def _words(schedule: Any, instead: str) -> Iterable[Any]:
    """Return the words of a schedule; `instead` says what to write when it has none."""
    if isinstance(schedule, str):
        return filter(None, re.split(r"[\s,]+", schedule))
    if isinstance(schedule, bytes | bytearray | Mapping | Set) or not isinstance(
        schedule, Iterable
    ):
        raise ScheduleError(
            f"a schedule is text or a list of actors, not {quoted(schedule)}; {instead}"
        )
    try:
        words = members(schedule, "a schedule", instead, MOST_STEPS)
    except MmvizError as error:
        raise ScheduleError(str(error)) from None
    return [word for word in words if not (isinstance(word, str) and not word)]


def _number(count: str) -> int | None:
    """Return how often an actor steps; None if the count is not a number or is too large."""
    if not (count.isascii() and count.isdigit() and len(count) <= MOST_DIGITS):
        return None
    return int(count) if int(count) <= MOST_TIMES else None


def replay(case: Case, schedule: str | Iterable[str]) -> Run:
    """Run a schedule from the start.

    Args:
        case: what to run.
        schedule: as `parse_schedule` takes it.

    Raises:
        ScheduleError: a step cannot happen; the message names the step, the actor, why it
            is blocked and which actors are enabled.
    """
    run = Run(case)
    for actor in parse_schedule(case, schedule):
        run.step(actor)
    return run
