"""What led to what: happens-before, races, and the conflict behind a violation.

Two steps conflict when they touch a field in common and one of them writes it.  A step
happens before another when a chain of conflicts and of one actor's own order leads from it
to the other.  Two conflicting steps of different actors are a race when nothing else orders
them and the later one could have gone first.

Source: Lamport, "Time, clocks, and the ordering of events in a distributed system" (1978);
Flanagan and Godefroid, "Dynamic partial-order reduction" (2005), for races that can be turned.
"""

from typing import NamedTuple

from mmviz.engine.run import Run


class Race(NamedTuple):
    """Two steps whose order was left to chance.

    Attributes:
        first, second: the numbers of the steps, first < second.
        fields: what both touch and one writes.
    """

    first: int
    second: int
    fields: tuple[str, ...]


def happens_before(run: Run) -> list[frozenset[int]]:
    """Return, for each step of a run, the steps that happen before it.

    Returns:
        A list with one set of step numbers a frame; the set of frame 0 is empty.
    """
    frames = run.frames
    past: list[frozenset[int]] = [frozenset()]
    for k in range(1, len(frames)):
        before: set[int] = set()
        for i in range(k - 1, 0, -1):
            if i not in before and (frames[i].actor == frames[k].actor or _shared(run, i, k)):
                before |= past[i] | {i}
        past.append(frozenset(before))
    return past


def races(run: Run) -> list[Race]:
    """Return the pairs of steps that only chance has ordered, in the order they happened.

    Two critical sections race at their locks: whoever comes first keeps the other out.
    """
    past, frames, found = happens_before(run), run.frames, []
    for j in range(1, len(frames)):
        for i in sorted(past[j]):
            between = {frames[k].actor for k in past[j] if i in past[k]}
            if frames[i].actor != frames[j].actor and between <= {frames[i].actor}:
                fields = _shared(run, i, j)
                if fields and _earlier(run, past, i, j) is not None:
                    found.append(Race(i, j, fields))
    return found


def turned(run: Run, race: Race) -> Run:
    """Return the run with a race decided the other way, and all else as nearly as can be.

    The later step of the race goes first; then everybody takes the turns it had, waiting where
    it has to, and what is left runs to its end.
    """
    twin = _earlier(run, happens_before(run), race.first, race.second)
    if twin is None:
        raise ValueError(f"steps {race.first} and {race.second} cannot change places")
    turns = list(run.schedule)
    for name in twin.schedule:
        turns.remove(name)
    while ready := twin.enabled():
        name = next((turn for turn in turns if turn in ready), "")
        if name:
            turns.remove(name)
        else:
            threads = [n for n in ready if n not in run.case.daemons]
            if twin.finished or not threads:
                break
            name = threads[0]
        twin.step(name)
        if twin.tip.index > 2 * len(run.schedule) + 100:
            break
    return twin


def conflict(run: Run, prop: str) -> Race | None:
    """Return the race that decides whether a property is violated.

    It is the last race before the violation that, turned round, leads to a run without one;
    if there is none such, the last race before the violation.

    Args:
        run: a run in which `prop` is violated.
        prop: the property.

    Returns:
        The race, or None when there is none (an ordering bug, not a race).

    Raises:
        ValueError: the run does not violate the property.
    """
    at = next((frame.index for frame in run.frames if prop in frame.violated), None)
    if at is None:
        raise ValueError(f"this run does not violate {prop}")
    found = [race for race in races(run) if race.second <= at][::-1]
    deciding = (race for race in found if prop not in turned(run, race).violated)
    return next(deciding, found[0] if found else None)


def _shared(run: Run, i: int, k: int) -> tuple[str, ...]:
    """Return the fields two steps touch of which one writes them."""
    mine, theirs = run.frames[i].touched, run.frames[k].touched
    both = (mine[1] & (theirs[0] | theirs[1])) | (mine[0] & theirs[1])
    return tuple(run.model.ledger.paths[slot] for slot in sorted(both))


def _earlier(run: Run, past: list[frozenset[int]], i: int, j: int) -> Run | None:
    """Return the run up to step j done before step i; None when that cannot be."""
    frames, twin = run.frames, run.fork(i - 1)
    wanted = frames[j].step
    for k in (*(k for k in range(i + 1, j) if i not in past[k]), j):
        if frames[k].actor not in twin.enabled():
            return None
        twin.step(frames[k].actor)
    step = twin.tip.step
    same = step is not None and wanted is not None and step.signature == wanted.signature
    return twin if same else None
