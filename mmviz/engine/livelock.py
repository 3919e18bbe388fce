"""Runs that never complete: loops of threads (livelocks), and waits that no device ends."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

from mmviz.engine.bits import token
from mmviz.engine.learn import Model
from mmviz.engine.report import Lasso
from mmviz.engine.watch import OFTEN, Watch

STATE_BYTES = 180  # of a state that the search for loops has visited
WAIT_BYTES = 300  # of a state in which no thread can step

T = TypeVar("T")
Loops = dict[int, dict[int, int]]


def loopers(model: Model) -> Loops:
    """Return the actors whose own code can come back to a location it has left.

    Without one there is no livelock, however many states there are.

    Returns:
        number of the actor -> {packed location -> the number of the loop it is in}.
    """
    found: Loops = {}
    for p, known in enumerate(model.locations):
        if all(after.depth > each.depth for each in known.values() for after in each.after):
            continue  # every step leads further from the start
        loops = _components(known.values(), lambda location: list(location.after))
        place = {id(location): n for n, loop in enumerate(loops) for location in loop}
        if place:
            values = model.location_bits[p].values
            found[p] = {
                packed: place[id(location)]
                for packed, location in values.items()
                if id(location) in place
            }
    return found


def find_livelock(
    model: Model, states: Mapping[int, int], watch: Watch | None = None
) -> Lasso | None:
    """Look for a run that never completes under strong fairness.

    Only moves within a loop of an actor's own code can be part of a loop of states, so only those
    are looked at.  *Strong fairness*: an actor that is enabled infinitely often eventually runs,
    just as a fair lock is eventually handed to each waiter.  So a loop counts when each actor that
    must finish either moves in it or is enabled nowhere in it.

    Args:
        model: the case, learned as far as `states` go.
        states: where to look, in the order in which a breadth-first search meets them.
        watch: is asked whether to go on.

    Returns:
        Of all livelocks the one whose loop can be entered first; None when there is none. The
        order of the actors does not matter. Its prefix is empty: the caller knows the way.

    Raises:
        Ended: by the watch.
    """
    watch = watch or Watch()
    loops = loopers(model)
    if not loops:
        return None
    states = spinning(model, states, watch)
    threads = set(model.threads())
    fair: dict[int, tuple[set[int], set[int]]] = {}  # state -> its loop, the threads that move
    watch.ask(STATE_BYTES * len(states))  # nothing is begun that cannot be ended
    parts = _components(states, _moves(model, loops, states), watch)
    for asked, component in enumerate(parts):
        if not asked & OFTEN:
            watch.ask()
        if all(model.is_done(component[0], p) for p in threads):
            continue
        inside = set(component)
        moved: set[int] = set()
        left: set[int] = set()
        for state in component:
            for p in range(len(model.actors)):
                after = model.successor(state, p)
                if after is not None:
                    (moved if after in inside else left).add(p)
        if moved & threads:
            starved = (left - moved) & threads
            if not starved:
                fair |= dict.fromkeys(component, (inside, moved & threads))
                continue
            without = {
                state: -1
                for state in component
                if all(model.successor(state, p) is None for p in starved)
            }
            parts += _components(without, _moves(model, loops, without), watch)
    first = next((state for state in states if state in fair), None) if fair else None
    if first is None:
        return None
    return Lasso((), _cycle(model, fair[first][0], first, fair[first][1]), first)


def spinning(model: Model, states: Mapping[int, int], watch: Watch) -> Mapping[int, int]:
    """Return the states among which all livelocks are, far fewer where that can be told.

    In a loop of states each actor's location, and each field, returns to its value.  So each move
    of the loop is by a *turning* row of the learned tables: it lies on a cycle of the locations of
    its actor, and of the values of each field that it changes, of turning rows alone.  Where no
    turning row changes a field, the world stands still in a livelock, and each thread has one way
    to go: it has finished, is blocked, or turns.
    """
    while True:
        learned = model.learned
        rows, stands = turning(model)
        if not any(rows.values()):
            found: dict[int, int] = {}
        elif stands:
            found = _all_turn(model, rows, states, watch)
        else:
            return states
        if model.learned == learned:  # or the rows were not all
            return found


Rows = dict[int, dict[int, set[int]]]


class Turn(NamedTuple):
    """A row of a learned table that may be part of a loop of states.

    Attributes:
        p: the number of its actor.
        here, there: the packed locations before and after.
        key: the row's.
        reads: slot -> its packed value before, of each slot that the row looks at.
        changes: slot -> its packed values before and after.
    """

    p: int
    here: int
    there: int
    key: int
    reads: dict[int, int]
    changes: dict[int, tuple[int, int]]


def turning(model: Model) -> tuple[Rows, bool]:
    """Return the rows that can be part of a loop of states, and whether none changes a field.

    Returns:
        number of the actor -> {packed location -> keys of its rows}.
    """
    turns = list(_rows(model))
    while True:
        kept = _that_return(turns)
        changed = {slot for turn in kept for slot in turn.changes}
        kept = [
            turn
            for p in range(len(model.actors))
            for turn in _that_agree([turn for turn in kept if turn.p == p], changed)
        ]
        if len(kept) == len(turns):
            break
        turns = kept
    rows: Rows = {p: {} for p in range(len(model.actors))}
    for turn in turns:
        rows[turn.p].setdefault(turn.here, set()).add(turn.key)
    return rows, not changed


def _rows(model: Model) -> Iterator[Turn]:
    for p, known in enumerate(model.locations):
        bits = model.location_bits[p]
        for location in known.values():
            here = bits.codes[token(location)]
            learned = [(key, delta, location.touched) for key, delta in location.row[1].items()]
            for key, delta, slots in (*learned, *location.others):
                if delta is not None:
                    masks = {slot: model.bits[slot].mask for slot in slots}
                    before = key & ~bits.mask | here
                    after = before + delta
                    reads = {slot: before & mask for slot, mask in masks.items()}
                    changes = {
                        slot: (before & mask, after & mask)
                        for slot, mask in masks.items()
                        if (before ^ after) & mask
                    }
                    yield Turn(p, here, after & bits.mask, key, reads, changes)


def _that_return(turns: list[Turn]) -> list[Turn]:
    """Return the rows after which the location, and each field changed, can return to its value."""
    loops = _on_loops({(turn.p, turn.here, turn.there) for turn in turns})
    slots = _on_loops({(slot, *values) for turn in turns for slot, values in turn.changes.items()})
    return [
        turn
        for turn in turns
        if (turn.p, turn.here, turn.there) in loops
        and all((slot, *values) in slots for slot, values in turn.changes.items())
    ]


def _that_agree(turns: list[Turn], changed: set[int]) -> list[Turn]:
    """Return the rows of an actor on a loop of rows that see one value of a field that stays."""
    for slot in {slot for turn in turns for slot in turn.reads} - changed:
        values = {turn.reads[slot] for turn in turns if slot in turn.reads}
        if len(values) > 1:
            agreed: set[int] = set()
            for value in values:
                some = [turn for turn in turns if turn.reads.get(slot, value) == value]
                loops = _on_loops({(turn.p, turn.here, turn.there) for turn in some})
                agreed |= {id(t) for t in some if (t.p, t.here, t.there) in loops}
            turns = [turn for turn in turns if id(turn) in agreed]
    return turns


def _on_loops(edges: set[tuple[int, int, int]]) -> set[tuple[int, int, int]]:
    """Return the edges (of which graph, from, to) that lie on a loop of their graph."""
    nexts: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for graph, before, after in edges:
        nexts.setdefault((graph, before), []).append((graph, after))
    loop: dict[tuple[int, int], int] = {}
    for number, part in enumerate(_components(nexts, partial(_after, nexts))):
        loop.update(dict.fromkeys(part, number))
    return {
        (graph, before, after)
        for graph, before, after in edges
        if loop.get((graph, before), -1) == loop.get((graph, after), -2)
    }


def _after(nexts: dict[T, list[T]], node: T) -> list[T]:
    return nexts.get(node, [])


def _all_turn(model: Model, rows: Rows, states: Mapping[int, int], watch: Watch) -> dict[int, int]:
    """Return the states in which each thread has finished, is blocked or turns, and one turns."""
    threads = set(model.threads())
    table = [(mask, known, p, rows[p]) for mask, known, p in model.table if p in threads]
    learn, dead = model.learn, model.bits[model.dead]
    found: dict[int, int] = {}
    for asked, state in enumerate(states):
        if not asked & OFTEN:
            watch.ask(STATE_BYTES * len(found))
        if state & dead.mask:
            continue
        turns = False
        for mask, known, p, turn in table:
            touched, deltas = known[state & mask]
            key = state & touched
            delta = deltas[key] if key in deltas else learn(state, p)
            if delta is not None:
                if key not in turn.get(state & mask, ()):
                    break
                turns = True
        else:
            if turns:
                found[state] = -1
    return found


def find_waits(
    model: Model, states: Mapping[int, int], watch: Watch | None = None
) -> dict[int, int]:
    """Look for states from which only devices move, however long, while a thread waits.

    No thread can step in such a state, not all threads have finished, and no steps of devices lead
    to a state in which a thread can step, all have finished, or the machine has stopped.  A state
    in which no actor can step is one of them.

    Args:
        model: the case, learned as far as `states` go.
        states: where to look, in the order in which a breadth-first search meets them.
        watch: is asked whether to go on.

    Returns:
        The states, in the order of `states`; none where a case has no devices.

    Raises:
        Ended: by the watch.
    """
    watch = watch or Watch()
    threads = set(model.threads())
    if len(threads) == len(model.actors):
        return {}
    rows = [row for row in model.table if row[2] in threads]
    learn, dead = model.learn, model.bits[model.dead]
    waits: dict[int, int] = {}
    for asked, state in enumerate(states):
        if not asked & OFTEN:
            watch.ask(WAIT_BYTES * len(waits))
        if state & dead.mask:
            continue
        for mask, known, p in rows:
            touched, deltas = known[state & mask]
            key = state & touched
            if (deltas[key] if key in deltas else learn(state, p)) is not None:
                break
        else:
            if not model.is_complete(state):
                waits[state] = -1
    before: dict[int, list[int]] = {}
    ended: list[int] = []
    devices = [p for p in range(len(model.actors)) if p not in threads]
    for asked, state in enumerate(waits):
        if not asked & OFTEN:
            watch.ask(WAIT_BYTES * len(waits))
        for p in devices:
            after = model.successor(state, p)
            if after is not None and after in waits:
                before.setdefault(after, []).append(state)
            elif after is not None:
                ended.append(state)
    while ended:
        state = ended.pop()
        if waits.pop(state, 0):
            ended += before.get(state, ())
    return waits


def _components(
    nodes: Iterable[T], nexts: Callable[[T], list[T]], watch: Watch | None = None
) -> list[list[T]]:
    """Return the strongly connected components that contain a move (Tarjan)."""
    number: dict[T, int] = {}
    low: list[int] = []
    on = bytearray()
    stack: list[T] = []
    repeats: set[T] = set()  # nodes with a move to themselves
    found = []

    def enter(node: T, after: list[T]) -> tuple[T, int, Iterator[T]]:
        number[node] = here = len(low)
        low.append(here)
        on.append(1)
        stack.append(node)
        if watch is not None and not here & OFTEN:
            watch.ask(STATE_BYTES * here)
        return node, here, iter(after)

    for asked, root in enumerate(nodes):
        if watch is not None and not asked & OFTEN:
            watch.ask(STATE_BYTES * len(low))
        if root in number or not (first := nexts(root)):
            continue
        work = [enter(root, first)]
        while work:
            node, here, moves = work[-1]
            for after in moves:
                there = number.get(after)
                if there is None:
                    work.append(enter(after, nexts(after)))
                    break
                if there == here:
                    repeats.add(node)
                elif on[there] and there < low[here]:
                    low[here] = there
            else:
                work.pop()
                if work and low[here] < low[work[-1][1]]:
                    low[work[-1][1]] = low[here]
                if low[here] == here:
                    part: list[T] = []
                    while not part or part[-1] is not node:
                        part.append(stack.pop())
                        on[number[part[-1]]] = 0
                    if len(part) > 1 or node in repeats:
                        found.append(part[::-1])
    return found


def _moves(model: Model, loops: Loops, within: Mapping[int, int]) -> Callable[[int], list[int]]:
    """Return a function from a state to the states that follow within a loop of an actor's code."""
    rows = [(mask, rows, p, loops[p]) for mask, rows, p in model.table if p in loops]
    learn, dead = model.learn, model.bits[model.dead]

    def moves(state: int) -> list[int]:
        found: list[int] = []
        if state & dead.mask:
            return found
        for mask, known, p, loop in rows:
            at = loop.get(state & mask)
            if at is not None:
                touched, deltas = known[state & mask]
                key = state & touched
                delta = deltas[key] if key in deltas else learn(state, p)
                if delta is not None:
                    after = state + delta
                    if loop.get(after & mask) == at and after in within:
                        found.append(after)
        return found

    return moves


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
