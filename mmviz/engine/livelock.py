"""Livelocks: runs that never end though everybody gets turns."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from mmviz.engine.learn import Model
from mmviz.engine.position import Position

if TYPE_CHECKING:
    from mmviz.engine.run import Run


class Lasso(NamedTuple):
    """A run that never ends though every actor gets its turns.

    Attributes:
        prefix: the schedule that leads to the loop.
        cycle: the schedule that goes round once.
        state: where the loop begins.
    """

    prefix: tuple[str, ...]
    cycle: tuple[str, ...]
    state: int


def find_livelock(model: Model, states: Mapping[int, int]) -> tuple[Lasso | None, int | None]:
    """Look for a fair run that never ends.

    Only actors whose own code can come back to where it was can go round for ever, so only
    their moves are looked at.  A loop is fair when every actor that must finish moves in it,
    or can nowhere in it move: who gets its chance again and again takes it in the end, as the
    kernel's locks are handed over to who waits.

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
    parts = _components(model, states, loopers)
    for component in parts:
        inside = set(component)
        moved: set[int] = set()
        left: set[int] = set()
        for state in component:
            for p in range(len(model.actors)):
                after = model.successor(state, p)
                if after is not None:
                    (moved if after in inside else left).add(p)
        if not moved or all(model.is_done(component[0], p) for p in threads):
            continue
        if moved & set(threads):
            starved = (left - moved) & set(threads)
            if not starved:
                cycle = _cycle(model, inside, component[0], moved & set(threads))
                return Lasso((), cycle, component[0]), waits
            without = {
                state: -1
                for state in component
                if all(model.successor(state, p) is None for p in starved)
            }
            parts += _components(model, without, loopers)
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


def _components(model: Model, states: Mapping[int, int], movers: list[int]) -> list[list[int]]:
    """Return the strongly connected parts of `states` that hold a move, by Tarjan's algorithm."""
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    on: set[int] = set()
    stack: list[int] = []
    found = []
    for root in states:
        if root in number:
            continue
        work = [(root, iter(_moves(model, root, movers, states)))]
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
                    work.append((after, iter(_moves(model, after, movers, states))))
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
                    if len(part) > 1 or state in _moves(model, state, movers, states):
                        found.append(part[::-1])
    return found


def _moves(model: Model, state: int, movers: list[int], within: Mapping[int, int]) -> list[int]:
    nexts = (model.successor(state, p) for p in movers)
    return [after for after in nexts if after is not None and after in within]


def _cycle(model: Model, inside: set[int], start: int, movers: set[int]) -> tuple[str, ...]:
    """Return a schedule from a state of a component back to itself in which all `movers` move."""
    names: tuple[str, ...] = ()
    state = start
    for mover in sorted(movers):
        if model.actors[mover] not in names:
            more, state = _way(model, inside, state, mover=mover)
            names += more
    if state != start or not names:
        names += _way(model, inside, state, goal=start)[0]
    return names


def _way(
    model: Model, inside: set[int], start: int, mover: int = -1, goal: int = -1
) -> tuple[tuple[str, ...], int]:
    """Return a shortest schedule within a component, and where it ends.

    Its last move is one of actor `mover`, or leads to the state `goal`.
    """
    queue: deque[tuple[int, tuple[str, ...]]] = deque([(start, ())])
    seen = {start}
    while queue:
        state, names = queue.popleft()
        for p, name in enumerate(model.actors):
            after = model.successor(state, p)
            if after is None or after not in inside:
                continue
            if p == mover or after == goal:
                return (*names, name), after
            if after not in seen:
                seen.add(after)
                queue.append((after, (*names, name)))
    return (), start


def goes_round(run: "Run") -> tuple[int, int] | None:
    """Return the step after which all was as it is at a run's end, and the run's last step.

    A run that has come back to where it was, and in between a thread has moved, may go on so
    for ever; None when it has not.
    """
    threads = set(run.case.actors) - set(run.case.daemons)
    moved = False
    for frame in run.tip.back():
        if moved and frame.state == run.tip.state:
            return frame.index, run.tip.index
        moved = moved or frame.actor in threads
    return None
