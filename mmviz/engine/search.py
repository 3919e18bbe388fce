"""The one search: every reachable state, every bad state, in one pass.

Breadth first, so the run to the first violation of each bad state is a shortest one.  Later phases
walk the states that were found: how runs end, livelocks, the runs with the fewest preemptions.
`mmviz.engine.case.Verdict` says what Never, Sometimes and Always mean.

Limits, the stop button and Ctrl-C hold in every phase (`mmviz.engine.watch`).  The report of a
search that was cut has what was found until then, and names the answers that are missing.
"""

import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

from mmviz.engine.case import Case, Verdict
from mmviz.engine.errors import ModelError
from mmviz.engine.learn import Model
from mmviz.engine.livelock import find_livelock, find_waits, loopers
from mmviz.engine.preemption import fewest_preemptions
from mmviz.engine.relearn import find_difference
from mmviz.engine.report import COMPLETES, DEADLOCK, LIVELOCK, OOPS, Counterexample, Lasso, Report
from mmviz.engine.watch import (
    INTERRUPTED,
    MOST,
    OFTEN,
    STOPPED,
    Ended,
    Interrupt,
    Pace,
    Progress,
    Watch,
)

MAX_STATES = 100_000_000
MAX_BYTES = 2_000_000_000
CHUNK = 20_000  # states between two looks at `check_limits`
CUT_SECONDS = 1.0  # the least time for the phases that follow a search that was cut
LOCATION_BYTES = 1_500  # of a location: its key, its results, its step
SOME_ROWS = 500  # too few to measure their memory anew
STATE_BYTES = 180  # of a state that a phase has visited

RARELY = 0x3F  # rows that are learned again between two looks at the limits

T = TypeVar("T")


class Search:
    """One search over one case.

    Attributes:
        model: the case, learned on the way.
        parent: state -> the state it was first reached from; -1 for the start.
        transitions: moves taken.
        first: bad state -> the first state that violates it.
        deadlock: the first state in which no actor can step, and not all have finished.
        cut: why the search ended early, "" when it did not.
        found_all: every reachable state was found and judged.
        missing: a sentence for each answer that a limit left out.
    """

    learns = Model

    def __init__(
        self,
        case: Case,
        max_states: int,
        max_bytes: int,
        progress: Callable[[Progress], None] | None,
        stop: Callable[[], bool] | None,
        interrupt: Interrupt | None = None,
    ) -> None:
        self.watch = Watch(max_bytes, progress, stop, interrupt)
        self.case, self.model = case, self.learns(case)
        self.max_states, self.interrupt = max_states, interrupt
        self.paces = Pace(), Pace()  # of finding states, and of judging them
        self.waiting = 0  # states in the lists at hand
        self.counted, self.rows = 0, 0  # steps learned when the rows were last measured
        self.parent: dict[int, int] = {self.model.start: -1}
        self.transitions = 0
        self.first: dict[str, int] = {}
        self.deadlock: int | None = None
        self.cut = ""
        self.judges_ends = any(getattr(bad_state, "at_end", False) for bad_state in case.bad)
        self.found_all = False
        self.missing: list[str] = []
        try:
            self.search()
        except KeyboardInterrupt:
            self.interrupted()
        except ModelError as error:
            if error.state in self.parent:
                error.add(schedule=(*self.run_to(error.state), *filter(None, (error.mover,))))
            raise error.with_traceback(None) from None

    # -- the search ------------------------------------------------------------------------

    def search(self) -> None:
        """Visit every reachable state, level by level."""
        level = [self.model.start]
        self.judge_all(level)
        while level and not self.cut:
            below: list[int] = []
            for at in range(0, len(level), CHUNK):
                for states in self.paces[0].slices(level[at : at + CHUNK]):
                    self.expand(states, below)
                    self.waiting = len(level) + len(below)
                    self.look()
                    if self.cut:
                        break
                else:
                    self.check_limits()
                if self.cut:
                    break
            if not self.by_hand:
                self.judge_all(below)
            level = below
        self.found_all = not self.cut

    def judge_all(self, states: list[int]) -> None:
        """Note the first state that violates each bad state; end early only if stopped by hand."""
        for some in self.paces[1].slices(states):
            self.judge(some)
            if len(some) < len(states):
                self.look()
            if self.by_hand:
                return

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
        self.judge_ends(states)

    def judge_ends(self, states: list[int]) -> None:
        """Note the first complete state that violates each bad state that is judged at the end."""
        if self.judges_ends:
            for state in filter(self.model.is_complete, states):
                for bad_state in self.model.judge.end(state):
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

    @property
    def by_hand(self) -> bool:
        """Whether the stop button or Ctrl-C ended the search: then it answers at once."""
        return self.cut in (INTERRUPTED, STOPPED)

    def check_limits(self) -> None:
        """End the search at the limit of states; called after every `CHUNK` states of a level."""
        if len(self.parent) > self.max_states:
            self.cut = f"stopped at {self.max_states:,} states"

    def look(self) -> None:
        """Report progress; end the search at the limit of memory, at the stop button or Ctrl-C."""
        watch = self.watch
        watch.states, watch.transitions = len(self.parent), self.transitions
        watch.size = self.size(ahead=True)
        why = watch.why()
        if why and (not self.cut or why in (INTERRUPTED, STOPPED)):
            self.cut = why

    def size(self, ahead: bool = False) -> int:
        """Return an estimate of the bytes that the process has grown by.

        Args:
            ahead: as a limit needs it: if the table of states is about to grow, with the old table
                and the new one, which then exist at the same time. CPython doubles a table when
                two thirds of its slots are used, and takes 20 bytes a slot.
        """
        count, table = len(self.parent), sys.getsizeof(self.parent)
        if ahead and count + MOST * len(self.model.actors) > table // 20 * 2 // 3:
            table *= 3
        lists = 9 * self.waiting
        return table + count * int_bytes(self.model.width) + lists + self.learned_bytes()

    def learned_bytes(self) -> int:
        """Return an estimate of the bytes that the learned rows take, those of the judge too."""
        model, each = self.model, int_bytes(self.model.width)
        if model.learned > 1.1 * self.counted + SOME_ROWS:
            self.counted = model.learned
            self.rows = sum(
                LOCATION_BYTES + sys.getsizeof(location.row[1])
                for known in model.locations
                for location in known.values()
            )
        judged = model.judge.row[1]
        return self.rows + 2 * each * model.learned + sys.getsizeof(judged) + each * len(judged)

    def interrupted(self) -> None:
        """Note a KeyboardInterrupt; raise it if there is no caller who wants a report instead."""
        if self.interrupt is None or self.interrupt.again:
            raise KeyboardInterrupt
        self.interrupt.asked = True
        self.cut = INTERRUPTED

    # -- runs ------------------------------------------------------------------------------

    def run_to(self, state: int) -> tuple[str, ...]:
        """Return a shortest schedule that reaches a state."""
        model, names = self.model, []
        while (before := self.parent[state]) != -1:
            mover = next(p for p in range(len(model.actors)) if model.successor(before, p) == state)
            names.append(model.actors[mover])
            state = before
        return tuple(reversed(names))

    def successor(self, state: int, p: int) -> int | None:
        """Return the state after actor `p` moves, None when it is blocked or finished."""
        return self.model.successor(state, p)

    def each(self, states: Mapping[int, int]) -> Mapping[int, int]:
        """Return the states for which some states of the search stand."""
        return states

    # -- later phases ----------------------------------------------------------------------

    def later(self, phase: str, missing: str, find: Callable[[], T], otherwise: T) -> T:
        """Return the answer of a later phase; note that it is missing if the phase has to end.

        Args:
            phase: what is looked for now, as progress is reported.
            missing: the sentence for the report, without the reason.
            find: the phase.
            otherwise: the answer if the phase has to end.
        """
        why = self.cut
        if not self.by_hand:
            self.watch.phase = phase
            try:
                self.watch.ask()
                return find()
            except Ended as end:
                why = str(end)
            except KeyboardInterrupt:
                self.interrupted()
                why = self.cut
            if why in (INTERRUPTED, STOPPED):
                self.cut = why
        self.missing.append(f"{missing} ({why})")
        return otherwise

    def some_run_completes(self) -> bool:
        """Return whether a state was found in which a run is complete."""
        model = self.model
        for asked, state in enumerate(reversed(self.parent)):  # the last states complete first
            if not asked & OFTEN:
                self.watch.ask()
            if model.is_complete(state) and not model.is_dead(state):
                return True
        return False

    def loop(self) -> Lasso | None:
        """Return a livelock among the states found; note if none was looked for."""
        if not loopers(self.model):
            return None
        found = find_livelock(self.model, self.each(self.parent), self.watch)
        if found is None and not self.found_all:
            raise Ended(self.cut)
        return found and Lasso(self.run_to(found.state), found.cycle, found.state)

    def avoids(self, bad_state: str, waits: Mapping[int, int]) -> bool:
        """Return whether some maximal run never violates `bad_state`.

        Args:
            bad_state: its name.
            waits: the states from which only devices move, while a thread waits.
        """
        model, violated = self.model, self.model.violated
        if bad_state in violated(model.start):
            return False
        stack, seen, safe = [model.start], {model.start}, {model.start: -1}
        asked = 0
        while stack:
            state = stack.pop()
            if not asked & OFTEN:
                self.watch.ask(STATE_BYTES * len(seen))
            asked += 1
            if state in waits or model.is_dead(state) or model.is_complete(state):
                return True
            nexts = [self.successor(state, p) for p in range(len(model.actors))]
            if not any(after is not None for after in nexts):
                return True
            for after in nexts:
                if after is not None and after not in seen:
                    seen.add(after)
                    if bad_state not in violated(after):
                        safe[after] = -1
                        stack.append(after)
        return find_livelock(model, self.each(safe), self.watch) is not None

    # -- the results ----------------------------------------------------------------------

    def report(self) -> Report:
        """Return what the search found, in words and numbers."""
        if self.cut:
            self.watch.until = self.watch.seconds + max(CUT_SECONDS, self.watch.seconds)
        found = set(self.first)
        calm: dict[str, tuple[tuple[str, ...], int]] = {}
        none: dict[int, int] = {}
        waits = self.later(
            "waits for devices",
            "waits for devices were not looked for",
            lambda: find_waits(self.model, self.each(self.parent), self.watch),
            none,
        )
        deadlock = self.deadlock if self.deadlock is not None else next(iter(waits), None)
        known = len(self.missing)
        livelock = self.later(
            "livelocks", "livelocks were not looked for everywhere", self.loop, None
        )
        looked = len(self.missing) == known
        ends = {
            OOPS: bool(self.model.bits[self.model.dead].mask),
            DEADLOCK: deadlock is not None,
            LIVELOCK: livelock is not None,
            COMPLETES: self.later(
                "completed runs",
                "whether a run completes was not looked for",
                self.some_run_completes,
                False,
            ),
        }
        names = [*self.case.bad_states, *sorted(found - set(self.case.bad_states))]
        verdicts = {bad_state: self.verdict(bad_state, waits) for bad_state in names}

        def calmest() -> None:
            wanted = found | ({DEADLOCK} if deadlock is not None else set())
            others = waits if self.deadlock is None else none
            calm.update(fewest_preemptions(self.model, wanted, others, self.watch))

        self.later(
            "the fewest preemptions", "the fewest preemptions were not looked for", calmest, None
        )
        seconds = self.watch.seconds
        undecided = self.later(
            "differences", "the model was not learned a second time", self.difference, ""
        )
        return Report(
            case=self.case,
            verdicts=verdicts,
            states=len(self.parent),
            transitions=self.transitions,
            seconds=seconds,
            again_seconds=self.watch.seconds - seconds,
            size=self.size(),
            cut=self.cut,
            deadlock=None if deadlock is None else self.example(deadlock, calm.get(DEADLOCK)),
            livelock=livelock,
            livelock_checked=looked,
            counterexamples={
                bad_state: self.example(state, calm.get(bad_state))
                for bad_state, state in sorted(self.first.items())
            },
            ends=frozenset(end for end, is_known in ends.items() if is_known),
            devices_go_on=self.deadlock is None and deadlock is not None,
            undecided=undecided,
            missing=tuple(self.missing),
        )

    def example(self, state: int, calm: tuple[tuple[str, ...], int] | None) -> Counterexample:
        """Return a shortest run to a state beside the run with the fewest preemptions, if known."""
        run = self.run_to(state)
        return Counterexample(run, *(calm or (run, -1)))

    def difference(self) -> str:
        """Return how the model differs when it is learned a second time, "" if it does not."""
        asked = 0

        def ask() -> None:
            nonlocal asked
            asked += 1
            if not asked & RARELY:
                self.watch.ask()

        return find_difference(self.model, ask)

    def verdict(self, bad_state: str, waits: Mapping[int, int]) -> Verdict:
        """Return Never, Sometimes or Always; Unknown where a search that was cut found nothing."""
        if bad_state not in self.first:
            return Verdict.NEVER if self.found_all else Verdict.UNKNOWN
        if not self.found_all:
            return Verdict.SOMETIMES
        avoided = self.later(
            f"runs without {bad_state}",
            f"whether every run violates {bad_state} was not looked for",
            lambda: self.avoids(bad_state, waits),
            True,
        )
        return Verdict.SOMETIMES if avoided else Verdict.ALWAYS


def int_bytes(width: int) -> int:
    """Return the bytes of a state of so many bits: a sum, which CPython makes a digit too long."""
    digit = sys.int_info.bits_per_digit
    return (sys.getsizeof(1 << (width + digit)) + 15) // 16 * 16
