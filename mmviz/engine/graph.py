"""The whole reachable graph: the fate of every state, and the point of no return."""

from array import array
from collections.abc import Iterable, Iterator
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING

from mmviz.engine.case import Case, nearest
from mmviz.engine.errors import MmvizError
from mmviz.engine.learn import Model

if TYPE_CHECKING:
    from mmviz.engine.run import Run


class Fate(IntEnum):
    """Whether a bad state can, must or cannot happen from a state on."""

    IMPOSSIBLE = 0
    POSSIBLE = 1
    UNAVOIDABLE = 2


class Graph:
    """Every state a case can reach and every move between them.

    Args:
        case: what to build.
        max_states: give up above this many states (a state and its moves take about 300 bytes).
        model: the case, learned; by default it is learned anew.

    Attributes:
        model: the case, learned.
        states: the packed states, in the order a breadth-first search meets them.
        index: packed state -> its number.
        offset: moves of state i are target[offset[i]:offset[i + 1]].
        target, mover: the state a move leads to, and the number of the actor that moves.

    Raises:
        MmvizError: there are too many states.
    """

    def __init__(self, case: Case, max_states: int = 1_000_000, model: Model | None = None) -> None:
        model = self.model = model or Model(case)
        self.states = [model.start]
        self.index = {model.start: 0}
        self.offset, self.target, self.mover = array("q", [0]), array("q"), array("b")
        states, index, target, mover = self.states, self.index, self.target, self.mover
        table, learn, dead = model.table, model.learn, model.bits[model.dead]
        for state in states:  # grows while we walk it
            if not state & dead.mask:
                for mask, rows, p in table:
                    touched, deltas = rows[state & mask]
                    try:
                        delta = deltas[state & touched]
                    except KeyError:
                        delta = learn(state, p)
                    if delta is not None:
                        after = state + delta
                        number = index.get(after)
                        if number is None:
                            number = index[after] = len(states)
                            states.append(after)
                            if number >= max_states:
                                raise MmvizError(
                                    f"{case.name} has more than {max_states:,} states; "
                                    "its graph would not fit into memory. Use explore()."
                                )
                        target.append(number)
                        mover.append(p)
            self.offset.append(len(target))
        self._fates: dict[str, bytearray] = {}

    def moves(self, number: int) -> Iterator[tuple[int, int]]:
        """Yield the number of the actor that moves, and of the state it leads to, for each move."""
        for at in range(self.offset[number], self.offset[number + 1]):
            yield self.mover[at], self.target[at]

    @cached_property
    def _shortest(self) -> "tuple[array[int], array[int], array[int]]":
        """The state before each on a shortest run, the actor that moves there, and its length."""
        count = len(self.states)
        parent, mover = array("q", [-1]) * count, array("b", [-1]) * count
        depth = array("q", [0]) * count
        for number in range(count):  # they are numbered in the order of their distance
            for p, after in self.moves(number):
                if parent[after] < 0 < after:
                    parent[after], mover[after], depth[after] = number, p, depth[number] + 1
        return parent, mover, depth

    def depth(self, number: int) -> int:
        """Return the length of a shortest run from the start to a state."""
        return self._shortest[2][number]

    def run_to(self, number: int) -> tuple[str, ...]:
        """Return a shortest schedule from the start to a state."""
        parent, mover, _ = self._shortest
        names: list[str] = []
        while number:
            names.append(self.model.actors[mover[number]])
            number = parent[number]
        return tuple(reversed(names))

    def fate(self, bad_state: str) -> bytearray:
        """Return the fate of every state, one byte a state, values of `Fate`.

        A state that violates the bad state counts as the end of its run.  A fate is
        unavoidable when every continuation leads to a violation: a run that completes, deadlocks
        or goes round a loop without one avoids it, and a device may always idle.

        Raises:
            UnknownName: the case is not judged by it, and no step complains of it; the nearest
                is suggested.
        """
        if bad_state not in self._fates:
            fates, known = self._backwards(bad_state), self.model.case.bad_states
            if not any(fates):
                nearest({each: each for each in known}, bad_state, "bad state")
            self._fates[bad_state] = fates
        return self._fates[bad_state]

    def _backwards(self, bad_state: str) -> bytearray:
        model = self.model
        judge_end = any(getattr(p, "at_end", False) for p in model.case.bad)
        bad = []
        for i, state in enumerate(self.states):
            found = model.violated(state) if judge_end else model.judge(state)
            if bad_state in found:
                bad.append(i)
        return self.fates_before(bad)

    def fates_before(self, bad: list[int]) -> bytearray:
        """Return the fate of every state with regard to reaching one of some states.

        Args:
            bad: the numbers of these states.
        """
        offset, target, count = self.offset, self.target, len(self.states)
        threads = set(self.model.threads())
        fates = bytearray(count)
        ahead = array("q", bytes(8 * count))
        backwards: list[list[int]] = [[] for _ in range(count)]
        for i in range(count):
            first, last = offset[i], offset[i + 1]
            ahead[i] = last - first
            for j in target[first:last]:
                backwards[j].append(i)
        if len(threads) < len(self.model.actors):
            for i in range(count):
                if not any(self.mover[m] in threads for m in range(offset[i], offset[i + 1])):
                    ahead[i] += 1  # only devices can move here, and they may idle
        queue = list(bad)
        for i in bad:
            fates[i] = Fate.UNAVOIDABLE
        for i in queue:
            for before in backwards[i]:
                ahead[before] -= 1
                if not ahead[before] and not fates[before]:
                    fates[before] = Fate.UNAVOIDABLE
                    queue.append(before)
        for i in queue:
            for before in backwards[i]:
                if not fates[before]:
                    fates[before] = Fate.POSSIBLE
                    queue.append(before)
        return fates

    def fates_along(self, run: "Run", bad_state: str) -> list[Fate]:
        """Return the fate of each frame's state of a run of this case."""
        fates = self.fate(bad_state)
        return [Fate(fates[self.index[each]]) for each in along(self.model, run.schedule)]

    def point_of_no_return(self, run: "Run", bad_state: str) -> int | None:
        """Return the first step after which `bad_state` is unavoidable, None if there is none."""
        for k, fate in enumerate(self.fates_along(run, bad_state)):
            if fate is Fate.UNAVOIDABLE:
                return k
        return None


def along(model: Model, schedule: Iterable[str]) -> list[int]:
    """Return the states that a schedule passes, the start first.

    Raises:
        KeyError: there is no such actor.
        ValueError: a step of it is not possible.
    """
    found = [model.start]
    for name in schedule:
        after = model.successor(found[-1], model.index[name])
        if after is None:
            raise ValueError(f"{name} cannot move here: the run is of another case")
        found.append(after)
    return found
