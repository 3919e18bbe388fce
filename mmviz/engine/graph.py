"""The whole reachable graph: fates of states, the point of no return, livelocks."""

from array import array
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from mmviz.engine.case import Case
from mmviz.engine.learn import Model, Position

if TYPE_CHECKING:
    from mmviz.engine.run import Run


class Fate(IntEnum):
    """What can still become of a property from a state on."""

    IMPOSSIBLE = 0
    POSSIBLE = 1
    UNAVOIDABLE = 2


@dataclass(frozen=True)
class Lasso:
    """A run that never ends though every actor gets its turns.

    Attributes:
        prefix: the schedule that leads to the loop.
        cycle: the schedule that goes round once.
        state: where the loop begins.
    """

    prefix: tuple[str, ...]
    cycle: tuple[str, ...]
    state: int


class Graph:
    """Every state a case can reach and every move between them.

    Args:
        case: what to build; its search must fit into memory (about 60 bytes a move).

    Attributes:
        model: the case, learned.
        states: the packed states, in the order a breadth-first search meets them.
        index: packed state -> its number.
        offset: moves of state i are target[offset[i]:offset[i + 1]].
        target, mover: the state a move leads to, and the number of the actor that moves.
    """

    def __init__(self, case: Case) -> None:
        self.model = Model(case)
        model = self.model
        self.states = [model.start]
        self.index = {model.start: 0}
        self.offset, self.target, self.mover = array("q", [0]), array("q"), array("b")
        states, index, target, mover = self.states, self.index, self.target, self.mover
        table, miss, dead = model.table, model.miss, model.bits[model.dead]
        for state in states:  # grows while we walk it
            if not state & dead.mask:
                for mask, rows, p in table:
                    touched, deltas = rows[state & mask]
                    try:
                        delta = deltas[state & touched]
                    except KeyError:
                        delta = miss(state, p)
                    if delta is not None:
                        after = state + delta
                        number = index.get(after)
                        if number is None:
                            number = index[after] = len(states)
                            states.append(after)
                        target.append(number)
                        mover.append(p)
            self.offset.append(len(target))
        self._fates: dict[str, bytearray] = {}

    def fate(self, prop: str) -> bytearray:
        """Return the fate of every state, one byte a state, values of `Fate`.

        A state that violates the property counts as the end of its run.  A fate is
        unavoidable when every way on leads to a violation: a run that completes, gets stuck
        or goes round a loop without one avoids it, and a device may always idle.
        """
        if prop not in self._fates:
            self._fates[prop] = self._backwards(prop)
        return self._fates[prop]

    def _backwards(self, prop: str) -> bytearray:
        model, states, offset, target = self.model, self.states, self.offset, self.target
        count = len(states)
        judge_end = any(getattr(p, "at_end", False) for p in model.case.bad)
        threads = set(model.threads())
        fates = bytearray(count)
        ahead = array("q", bytes(8 * count))
        bad = []
        for i, state in enumerate(states):
            found = model.violated(state) if judge_end else model.judge(state)
            if prop in found:
                bad.append(i)
        backwards: list[list[int]] = [[] for _ in range(count)]
        for i in range(count):
            first, last = offset[i], offset[i + 1]
            ahead[i] = last - first
            for j in target[first:last]:
                backwards[j].append(i)
        if len(threads) < len(model.actors):
            for i in range(count):
                if not any(self.mover[m] in threads for m in range(offset[i], offset[i + 1])):
                    ahead[i] = count + 1  # only devices can move here, and they may idle
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

    def fates_along(self, run: "Run", prop: str) -> list[Fate]:
        """Return the fate of each frame's state of a run of this case."""
        fates = self.fate(prop)
        return [Fate(fates[self._number(run, k)]) for k in range(len(run.schedule) + 1)]

    def point_of_no_return(self, run: "Run", prop: str) -> int | None:
        """Return the first step after which `prop` can no longer be avoided, None if none."""
        for k, fate in enumerate(self.fates_along(run, prop)):
            if fate is Fate.UNAVOIDABLE:
                return k
        return None

    def _number(self, run: "Run", k: int) -> int:
        state = self.model.start
        for name in run.schedule[:k]:
            after = self.model.successor(state, self.model.index[name])
            if after is None:
                raise ValueError(f"{name} cannot move here: the run is of another case")
            state = after
        return self.index[state]


def find_livelock(model: Model, states: Mapping[int, int]) -> tuple[Lasso | None, int | None]:
    """Look for a fair run that never ends.

    Only actors whose own code can come back to where it was can go round for ever, so only
    their moves are looked at.  A loop is fair when every actor that must finish moves in it,
    or is somewhere in it unable to move.

    Args:
        model: the case, completely learned.
        states: every reachable state.

    Returns:
        The first livelock in the order of states, and the first state from which only
        devices ever move while somebody waits for good (which is a deadlock).
    """
    loopers = [p for p, known in enumerate(model.positions) if _has_loop(known.values())]
    if not loopers:
        return None, None
    threads = model.threads()
    waits: int | None = None
    for component in _components(model, states, loopers):
        inside = set(component)
        moved, held = set(), set()
        left = False
        for state in component:
            for p in range(len(model.actors)):
                after = model.successor(state, p)
                if after is None:
                    held.add(p)
                elif after in inside:
                    moved.add(p)
                else:
                    left = True
        if not moved or all(model.is_done(component[0], p) for p in threads):
            continue
        if moved & set(threads):
            if all(p in moved or p in held for p in threads):
                return Lasso((), _cycle(model, inside, component[0]), component[0]), waits
        elif not left and waits is None:
            waits = component[0]
    return None, waits


def _has_loop(positions: Iterable[Position]) -> bool:
    """Return whether an actor's code can come back to a position."""
    ahead = {position: set(position.after) for position in positions}
    back: dict[Position, list[Position]] = {position: [] for position in ahead}
    for position, nexts in ahead.items():
        for after in nexts:
            back[after].append(position)
    ends = [position for position, nexts in ahead.items() if not nexts]
    for end in ends:
        for before in back[end]:
            ahead[before].discard(end)
            if not ahead[before]:
                ends.append(before)
    return len(ends) < len(ahead)


def _components(model: Model, states: Iterable[int], movers: list[int]) -> list[list[int]]:
    """Return the strongly connected parts that hold a move, by Tarjan's algorithm."""
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    on: set[int] = set()
    stack: list[int] = []
    found = []
    for root in states:
        if root in number:
            continue
        work = [(root, iter(_moves(model, root, movers)))]
        number[root] = low[root] = len(number)
        stack.append(root)
        on.add(root)
        while work:
            state, moves = work[-1]
            for after in moves:
                if after not in number:
                    number[after] = low[after] = len(number)
                    stack.append(after)
                    on.add(after)
                    work.append((after, iter(_moves(model, after, movers))))
                    break
                if after in on:
                    low[state] = min(low[state], number[after])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[state])
                if low[state] == number[state]:
                    part = []
                    while True:
                        part.append(stack.pop())
                        on.discard(part[-1])
                        if part[-1] == state:
                            break
                    if len(part) > 1 or state in _moves(model, state, movers):
                        found.append(part[::-1])
    return found


def _moves(model: Model, state: int, movers: list[int]) -> list[int]:
    nexts = (model.successor(state, p) for p in movers)
    return [after for after in nexts if after is not None]


def _cycle(model: Model, inside: set[int], start: int) -> tuple[str, ...]:
    """Return a shortest schedule from a state of a component back to itself."""
    queue: deque[tuple[int, tuple[str, ...]]] = deque([(start, ())])
    seen: set[int] = set()
    while queue:
        state, names = queue.popleft()
        for p, name in enumerate(model.actors):
            after = model.successor(state, p)
            if after == start:
                return (*names, name)
            if after is not None and after in inside and after not in seen:
                seen.add(after)
                queue.append((after, (*names, name)))
    return ()
