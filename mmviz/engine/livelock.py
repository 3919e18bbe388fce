"""Livelocks: runs that never complete, although every actor keeps running."""

from collections import deque
from collections.abc import Iterable, Mapping

from mmviz.engine.learn import Model
from mmviz.engine.location import Location
from mmviz.engine.report import Lasso


def find_livelock(model: Model, states: Mapping[int, int]) -> tuple[Lasso | None, int | None]:
    """Look for a run that never completes under strong fairness.

    Only an actor whose own code can return to an earlier location can loop, so only the moves
    of such actors are looked at.  *Strong fairness*: an actor that is enabled infinitely often
    eventually runs, just as a fair lock is eventually handed to each waiter.  So a loop counts when
    each actor that must finish either moves in it or is enabled nowhere in it.

    Args:
        model: the case, completely learned.
        states: every reachable state.

    Returns:
        The first livelock in the order of states, and the first state from which only
        devices move while a thread waits forever (which is a deadlock).
    """
    loopers = [p for p, known in enumerate(model.locations) if _has_loop(known.values())]
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


def _has_loop(locations: Iterable[Location]) -> bool:
    """Return whether an actor's code can come back to a location."""
    ahead = {location: set(location.after) for location in locations}
    back: dict[Location, list[Location]] = {location: [] for location in ahead}
    for location, nexts in ahead.items():
        for after in nexts:
            back[after].append(location)
    ends = [location for location, nexts in ahead.items() if not nexts]
    for end in ends:
        for before in back[end]:
            ahead[before].discard(end)
            if not ahead[before]:
                ends.append(before)
    return len(ends) < len(ahead)


def _components(model: Model, states: Mapping[int, int], movers: list[int]) -> list[list[int]]:
    """Return the strongly connected components of `states` that contain a move (Tarjan)."""
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
