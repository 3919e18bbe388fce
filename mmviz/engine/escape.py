"""Escapes: until which step a run could have avoided a violation, and how.

The search starts where the run went wrong and walks back along it, so it visits few states:
those that can be reached from the last choices.  A state that was found to have no escape is not
visited again.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mmviz.engine.learn import Model
from mmviz.engine.report import DEADLOCK as DEADLOCK
from mmviz.engine.run import Run

MAX_STATES = 15_000  # for each question; about a second for all of them


class Sibling(NamedTuple):
    """A run that shares its first steps with another, differs in one choice, and is safe.

    Attributes:
        run: the run.
        step: the number of the step in which the two first differ.
        breaks: the bad states that it violates nevertheless; empty if that is possible.
    """

    run: Run
    step: int
    breaks: tuple[str, ...]


class Escape(NamedTuple):
    """How a violation could have been avoided.

    Attributes:
        no_return: the step after which it is unavoidable; 0 means that it always was, None that
            the search was cut off.
        sibling: the nearest safe run; None when there is none, or none was found.
        cut: why the search stopped early, "" when it did not.
    """

    no_return: int | None
    sibling: Sibling | None
    cut: str


class _Limit(Exception):
    """There are more states to visit than allowed."""


def escape(run: Run, bad_state: str, at: int, max_states: int = MAX_STATES) -> Escape:
    """Return the last chance to avoid a violation, and the nearest run that violates nothing.

    The nearest is the one that parts from this run latest.  From there on the actors take the
    turns they had in this run, as far as possible.

    Args:
        run: a run in which something goes wrong.
        bad_state: the bad state it violates, or `DEADLOCK`.
        at: the step in which it does so.
        max_states: how many states to visit before giving up, for each of the two questions.
    """
    cut = ""
    no_return: int | None = None
    try:
        no_return = _no_return(run, bad_state, at, max_states)
    except _Limit:
        cut = f"not known: looked at {max_states:,} states"
    violated = run.model.violated
    wishes: list[Callable[[int], bool]] = [
        lambda state: not violated(state),
        lambda state: (
            bad_state == DEADLOCK or bad_state not in violated(state)
        ),  # spared this at least
    ]
    for wish in wishes:
        try:
            found = _sibling(run, at, wish, max_states)
        except _Limit:
            return Escape(no_return, None, f"not known: looked at {max_states:,} states")
        if found is not None:
            return Escape(no_return, found, cut)
    return Escape(no_return, None, cut)


def _no_return(run: Run, bad_state: str, at: int, limit: int) -> int:
    """Return the first step after which every continuation violates the bad state.

    As in `Graph.fate`: a run that completes, deadlocks or goes round a loop avoids it.
    """
    model, frames = run.model, run.frames
    lost: set[int] = set()
    for k in range(at, -1, -1):
        if _avoids(model, frames[k].state, bad_state, lost, limit):
            return k + 1
    return 0


def _avoids(model: Model, start: int, bad_state: str, lost: set[int], limit: int) -> bool:
    """Tell whether some continuation of a state never violates the bad state.

    Args:
        model: the learned case.
        start: where to begin.
        bad_state: the bad state.
        lost: states from which every continuation violates it; new ones are added.
        limit: how large `lost` may become.
    """
    threads = model.threads()

    def opened(state: int) -> bool | list[int]:
        """Return the next states, or whether the run ends well here."""
        nexts = {
            p: after
            for p in range(len(model.actors))
            if (after := model.successor(state, p)) is not None
        }
        if bad_state == DEADLOCK:
            if model.is_complete(state):
                return True
            return list(nexts.values())
        if bad_state in model.violated(state):
            return False
        if not nexts.keys() & set(threads):
            return True
        return list(nexts.values())

    path: list[tuple[int, Iterator[int]]] = []
    on_path: set[int] = set()
    state: int | None = start
    while True:
        if state is not None and state not in lost:
            if state in on_path and bad_state != DEADLOCK:
                return True  # a loop, and no violation in it
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
    """Return the run that parts from this one latest, completes, and stays in accepted states."""
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
    """Return the movers on a path of accepted states to the end of a completed run."""
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
    """Return all actors: those with turns left in order, the last mover, devices at the end."""
    daemons = set(range(len(model.actors))) - set(model.threads())
    rest = sorted(range(len(model.actors)), key=lambda p: (p in daemons, p != last))
    return list(dict.fromkeys([*turns, *rest]))


def _less(turns: list[int], mover: int) -> list[int]:
    """Return the turns that are left after an actor has taken one."""
    if mover not in turns:
        return turns
    at = turns.index(mover)
    return turns[:at] + turns[at + 1 :]


def deadlocks(run: Run) -> bool:
    """Tell whether the threads of a run wait forever, even if its devices go on."""
    model, tip = run.model, run.tip
    if run.finished or set(tip.enabled) - set(run.case.daemons):
        return False
    try:
        return not _avoids(model, tip.state, DEADLOCK, set(), MAX_STATES)
    except _Limit:
        return False
