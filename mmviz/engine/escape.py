"""Ways out: until when a run could still have gone well, and how it would have.

The search starts where the run went wrong and walks back along it, so it looks at few states:
those that can be reached from the last choices.  What was once found to be without a way out is
not looked at again.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mmviz.engine.learn import Model
from mmviz.engine.run import Run

MAX_STATES = 15_000  # for each question; a second or so for all of them
STUCK = "stuck"


class Sibling(NamedTuple):
    """A run that shares its first steps with another, differs in one choice, and goes well.

    Attributes:
        run: the run.
        step: the number of the step in which the two first differ.
        breaks: what it violates all the same; empty where it can be.
    """

    run: Run
    step: int
    breaks: tuple[str, ...]


class Escape(NamedTuple):
    """What could have been done about a violation.

    Attributes:
        no_return: the step after which it could no longer be avoided; 0 means that it never
            could, None that it was not found out.
        sibling: the nearest run that goes well; None when there is none, or none was found.
        cut: why something was not found out, "" when everything was.
    """

    no_return: int | None
    sibling: Sibling | None
    cut: str


class _Limit(Exception):
    """There are more states to look at than are allowed."""


def escape(run: Run, prop: str, at: int, max_states: int = MAX_STATES) -> Escape:
    """Return until when a violation could be avoided, and the nearest run that is fine.

    The nearest is the one that parts from this run latest.  From there on everybody takes the
    turns it had in this run as nearly as can be.

    Args:
        run: a run in which something goes wrong.
        prop: the property it violates, or `STUCK`.
        at: the step in which it does so.
        max_states: how many states to look at before giving up, for each of the questions.
    """
    cut = ""
    no_return: int | None = None
    try:
        no_return = _no_return(run, prop, at, max_states)
    except _Limit:
        cut = f"not known: looked at {max_states:,} states"
    violated = run.model.violated
    wishes: list[Callable[[int], bool]] = [
        lambda state: not violated(state),
        lambda state: prop == STUCK or prop not in violated(state),  # spared this at least
    ]
    for wish in wishes:
        try:
            found = _sibling(run, at, wish, max_states)
        except _Limit:
            return Escape(no_return, None, f"not known: looked at {max_states:,} states")
        if found is not None:
            return Escape(no_return, found, cut)
    return Escape(no_return, None, cut)


def _no_return(run: Run, prop: str, at: int, limit: int) -> int:
    """Return the first step after which every way on violates the property.

    As in `Graph.fate`: a run that completes, gets stuck or goes round a loop avoids it.
    """
    model, frames = run.model, run.frames
    lost: set[int] = set()
    for k in range(at, -1, -1):
        if _avoids(model, frames[k].state, prop, lost, limit):
            return k + 1
    return 0


def _avoids(model: Model, start: int, prop: str, lost: set[int], limit: int) -> bool:
    """Tell whether some way on from a state never violates the property.

    Args:
        model: the learned case.
        start: where to begin.
        prop: the property.
        lost: states from which none does; those found are added.
        limit: how large `lost` may become.
    """
    threads = model.threads()

    def opened(state: int) -> bool | list[int]:
        """Return the states that come next, or whether it ends well here."""
        nexts = {
            p: after
            for p in range(len(model.actors))
            if (after := model.successor(state, p)) is not None
        }
        if prop == STUCK:
            if model.is_complete(state):
                return True
            return list(nexts.values())
        if prop in model.violated(state):
            return False
        if not nexts.keys() & set(threads):
            return True
        return list(nexts.values())

    path: list[tuple[int, Iterator[int]]] = []
    on_path: set[int] = set()
    state: int | None = start
    while True:
        if state is not None and state not in lost:
            if state in on_path and prop != STUCK:
                return True  # round and round, and nothing happens
            if state not in on_path:
                found = opened(state)
                if found is True:
                    return True
                if len(lost) + len(path) > limit:
                    raise _Limit
                path.append((state, iter(found or ())))
                on_path.add(state)
        if not path:
            return False
        state = next(path[-1][1], None)
        if state is None:
            done, _ = path.pop()
            on_path.discard(done)
            lost.add(done)


def _sibling(run: Run, at: int, wish: Callable[[int], bool], limit: int) -> Sibling | None:
    """Return the run that parts from this one latest, completes, and is always as wished."""
    model, frames = run.model, run.frames
    lost: set[int] = set()
    whole = [wish(frame.state) for frame in frames[:at]]
    for k in range(at - 1, -1, -1):
        if not all(whole[: k + 1]):
            continue
        turns = [model.index[frame.actor] for frame in frames[k + 1 :]]
        taken = model.index[frames[k + 1].actor] if k + 1 < len(frames) else -1
        for p in _order(model, turns, taken):
            after = model.successor(frames[k].state, p) if p != taken else None
            if after is None:
                continue
            way = _way(model, after, p, _less(turns, p), wish, lost, limit)
            if way is not None:
                twin = run.fork(k)
                for mover in (p, *way):
                    twin.step(model.actors[mover])
                return Sibling(twin, k + 1, twin.violated)
    return None


def _way(
    model: Model,
    start: int,
    mover: int,
    turns: list[int],
    wish: Callable[[int], bool],
    lost: set[int],
    limit: int,
) -> list[int] | None:
    """Return who moves on a way to a completed run on which every state is as wished."""
    path: list[tuple[list[int], Iterator[int], int]] = []
    movers: list[int] = []
    state, left, last = start, turns, mover
    while True:
        if state not in lost and wish(state):
            if model.is_complete(state) and not model.is_dead(state):
                return movers
            if len(lost) > limit:
                raise _Limit
            lost.add(state)
            path.append((left, iter(_order(model, left, last)), state))
        elif movers:
            movers.pop()
        while path:
            left, order, here = path[-1]
            able = next((p for p in order if model.successor(here, p) is not None), None)
            if able is not None:
                break
            path.pop()
            if movers:
                movers.pop()
        else:
            return None
        after = model.successor(here, able)
        assert after is not None
        movers.append(able)
        state, left, last = after, _less(left, able), able


def _order(model: Model, turns: list[int], last: int) -> list[int]:
    """Return all actors: who has turns left, in their order; who went last; devices at the end."""
    daemons = set(range(len(model.actors))) - set(model.threads())
    rest = sorted(range(len(model.actors)), key=lambda p: (p in daemons, p != last))
    return list(dict.fromkeys([*turns, *rest]))


def _less(turns: list[int], mover: int) -> list[int]:
    """Return the turns that are left when somebody has taken one."""
    if mover not in turns:
        return turns
    at = turns.index(mover)
    return turns[:at] + turns[at + 1 :]


def gets_stuck(run: Run) -> bool:
    """Tell whether the threads of a run wait for good, whatever its devices still do."""
    model, tip = run.model, run.tip
    if run.finished or set(tip.enabled) - set(run.case.daemons):
        return False
    try:
        return not _avoids(model, tip.state, STUCK, set(), MAX_STATES)
    except _Limit:
        return False
