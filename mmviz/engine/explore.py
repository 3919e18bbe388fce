"""The one search: every reachable state, every bad state, in one pass.

Breadth first, so the run to the first violation of each bad state is a shortest one.  A
second, small search finds the run with the fewest preemptions.  Never: no run reaches the bad
state.  Always: every completed run does, one in which each actor that must finish has finished.
Sometimes: anything between.
"""

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from mmviz.engine.case import Case, Verdict
from mmviz.engine.learn import Model
from mmviz.engine.livelock import find_livelock
from mmviz.engine.preemption import DEADLOCK, fewest_preemptions
from mmviz.engine.report import Counterexample, Lasso, Report

MAX_STATES = 5_000_000
MAX_BYTES = 2_000_000_000
CHUNK = 20_000  # states between two looks at the clock, the limits and the stop button
LIVELOCK_STATES = 400_000


class Progress(NamedTuple):
    """How far a search is.

    Attributes:
        states: found so far.
        transitions: taken so far.
        seconds: since the start.
    """

    states: int
    transitions: int
    seconds: float

    @property
    def rate(self) -> float:
        """Transitions a second."""
        return self.transitions / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        return f"{self.states:,} states, {self.rate:,.0f} transitions/s"


def explore(
    case: Case,
    *,
    max_states: int = MAX_STATES,
    max_bytes: int = MAX_BYTES,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Report:
    """Judge every interleaving of a case.

    Args:
        case: what to search.
        max_states: give up above this many states.
        max_bytes: give up above this much memory for the states (an estimate, in bytes).
        progress: called every few thousand states, from the same thread.
        stop: asked as often; True ends the search.

    Returns:
        The verdicts, counts and counterexamples.  A search that was cut off says so and never
        says Never.

    Raises:
        ModelError: the case breaks a rule of the engine.
    """
    return Search(case, max_states, max_bytes, progress, stop).report()


class Search:
    """One search over one case.

    Attributes:
        model: the case, learned on the way.
        parent: state -> the state it was first reached from; -1 for the start.
        transitions: moves taken.
        first: bad state -> the first state that violates it.
        deadlock: the first state in which no actor can step, and not all have finished.
        cut: why the search ended early, "" when it did not.
    """

    learns = Model

    def __init__(
        self,
        case: Case,
        max_states: int,
        max_bytes: int,
        progress: Callable[[Progress], None] | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self.case, self.model = case, self.learns(case)
        self.max_states, self.max_bytes = max_states, max_bytes
        self.progress, self.stop = progress, stop
        self.parent: dict[int, int] = {self.model.start: -1}
        self.transitions = 0
        self.first: dict[str, int] = {}
        self.deadlock: int | None = None
        self.cut = ""
        self.judges_ends = any(getattr(bad_state, "at_end", False) for bad_state in case.bad)
        self.started = time.perf_counter()
        self.search()

    # -- the search ------------------------------------------------------------------------

    def search(self) -> None:
        """Visit every reachable state, level by level."""
        level = [self.model.start]
        self.judge(level)
        while level and not self.cut:
            below: list[int] = []
            for at in range(0, len(level), CHUNK):
                self.expand(level[at : at + CHUNK], below)
                self.check_limits()
                if self.cut:
                    break
            self.judge(below)
            level = below

    def expand(self, states: list[int], below: list[int]) -> None:
        """Add the successors of some states that were not seen before to `below`.

        This loop is nearly the whole cost of a search: one table look-up per move, no call.
        """
        model, parent = self.model, self.parent
        table, learn, dead = model.table, model.learn, model.bits[model.dead]
        moves = 0
        for state in states:
            if state & dead.mask:
                continue
            moved = 0
            for mask, rows, p in table:
                touched, deltas = rows[state & mask]
                try:
                    delta = deltas[state & touched]
                except KeyError:
                    delta = learn(state, p)
                if delta is not None:
                    moved += 1
                    after = state + delta
                    if after not in parent:
                        parent[after] = state
                        below.append(after)
            if moved:
                moves += moved
            elif self.deadlock is None and not model.is_complete(state):
                self.deadlock = state
        self.transitions += moves
        if self.judges_ends:
            for state in filter(model.is_complete, states):
                for bad_state in model.judge.end(state):
                    self.first.setdefault(bad_state, state)

    def judge(self, states: list[int]) -> None:
        """Note the first state that violates each bad state."""
        judge, first = self.model.judge, self.first
        row = judge.row
        for state in states:
            found = row[1].get(state & row[0])
            if found is None:
                found = judge(state)
            if found:
                for bad_state in found:
                    first.setdefault(bad_state, state)

    def check_limits(self) -> None:
        """Report progress, and end the search at a limit or at the stop button."""
        states = len(self.parent)
        if self.progress is not None:
            self.progress(Progress(states, self.transitions, time.perf_counter() - self.started))
        if states > self.max_states:
            self.cut = f"stopped above the limit of {self.max_states:,} states"
        elif self.size() > self.max_bytes:
            self.cut = f"stopped above the limit of {self.max_bytes:,} bytes for states"
        elif self.stop is not None and self.stop():
            self.cut = "stopped by hand"

    def size(self) -> int:
        """Return an estimate of the bytes the states take, trace links included."""
        return sys.getsizeof(self.parent) + len(self.parent) * sys.getsizeof(1 << self.model.width)

    # -- runs ------------------------------------------------------------------------------

    def run_to(self, state: int) -> tuple[str, ...]:
        """Return a shortest schedule that reaches a state."""
        model, names = self.model, []
        while (before := self.parent[state]) != -1:
            mover = next(p for p in range(len(model.actors)) if model.successor(before, p) == state)
            names.append(model.actors[mover])
            state = before
        return tuple(reversed(names))

    def completes_without(self, bad_state: str) -> bool:
        """Return whether some run completes and never violates `bad_state`."""
        model = self.model
        stack, seen = [model.start], {model.start}
        while stack:
            state = stack.pop()
            if bad_state in model.violated(state) or model.is_dead(state):
                continue
            if model.is_complete(state):
                return True
            for p in range(len(model.actors)):
                after = model.successor(state, p)
                if after is not None and after not in seen:
                    seen.add(after)
                    stack.append(after)
        return False

    # -- the results ----------------------------------------------------------------------

    def report(self) -> Report:
        """Return what the search found, in words and numbers."""
        found = set(self.first)
        deadlock = self.deadlock
        livelock: Lasso | None = None
        looked = not self.cut and len(self.parent) <= LIVELOCK_STATES
        if looked:
            livelock, waits = find_livelock(self.model, self.parent)
            deadlock = deadlock if deadlock is not None else waits
        # that search has no limits of its own
        calm = {} if self.cut else fewest_preemptions(self.model, found, deadlock)
        counterexamples = {
            bad_state: Counterexample(
                self.run_to(state), *calm.get(bad_state, (self.run_to(state), -1))
            )
            for bad_state, state in sorted(self.first.items())
        }
        ending = None
        if deadlock is not None:
            run = self.run_to(deadlock)
            ending = Counterexample(run, *calm.get(DEADLOCK, (run, -1)))
        names = [*self.case.bad_states, *sorted(found - set(self.case.bad_states))]
        if livelock is not None:
            livelock = Lasso(self.run_to(livelock.state), livelock.cycle, livelock.state)
        return Report(
            case=self.case,
            verdicts={bad_state: self.verdict(bad_state) for bad_state in names},
            states=len(self.parent),
            transitions=self.transitions,
            seconds=time.perf_counter() - self.started,
            size=self.size(),
            cut=self.cut,
            deadlock=ending,
            livelock=livelock,
            livelock_checked=looked,
            counterexamples=counterexamples,
        )

    def verdict(self, bad_state: str) -> Verdict:
        """Return Never, Sometimes or Always; Unknown when the search was cut off."""
        if bad_state not in self.first:
            return Verdict.UNKNOWN if self.cut else Verdict.NEVER
        if self.cut:
            return Verdict.UNKNOWN
        return Verdict.SOMETIMES if self.completes_without(bad_state) else Verdict.ALWAYS
