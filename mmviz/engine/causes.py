"""What led to what: happens-before, races, and the conflict behind a violation.

Two steps conflict when they touch a field in common and one of them writes it.  A step
happens before another when a chain of conflicts and of one actor's own order leads from it
to the other.  Two conflicting steps of different actors are a race when nothing else orders
them and the later one could have gone first.

Source: Lamport, "Time, clocks, and the ordering of events in a distributed system" (1978);
Flanagan and Godefroid, "Dynamic partial-order reduction" (2005), for races that can be reversed.
"""

from collections import deque
from collections.abc import Collection, Iterable
from typing import NamedTuple

from mmviz.engine.run import Run

COMPLETES, STOPS, VIOLATES = "completes", "stops", "violates"
MOST_STATES = 2_000  # in which devices alone move, until a thread can step again


class Conflict(NamedTuple):
    """Two conflicting steps that happens-before does not order.

    Attributes:
        first, second: the numbers of the steps, first < second.
        fields: what both touch and one writes.
        reversed: what the run with the two reversed does, as `conflict` has tried: `COMPLETES`
            without the bad state, `STOPS` without it before every thread has finished, or
            `VIOLATES` it nevertheless, so this race does not decide; "" where it was not tried.
    """

    first: int
    second: int
    fields: tuple[str, ...]
    reversed: str = ""

    @property
    def decides(self) -> bool:
        """Whether the run with this race reversed avoids the bad state."""
        return self.reversed in (COMPLETES, STOPS)


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


def races(run: Run) -> list[Conflict]:
    """Return the racing pairs of steps, in the order in which they happened.

    Two critical sections race at their locks: the first one in keeps the other out.
    """
    past, frames, found = happens_before(run), run.frames, []
    for j in range(1, len(frames)):
        for i in sorted(past[j]):
            between = {frames[k].actor for k in past[j] if i in past[k]}
            if frames[i].actor != frames[j].actor and between <= {frames[i].actor}:
                fields = _shared(run, i, j)
                if fields and _earlier(run, past, i, j) is not None:
                    found.append(Conflict(i, j, fields))
    return found


def turned(run: Run, race: Conflict) -> Run:
    """Return the run with one race reversed, and otherwise as similar as possible.

    The later step of the race goes first; then the actors take their turns in the old order,
    waiting where they must, and those that are left run to their end. Where only devices can
    move, they take the fewest steps after which a thread can; if there are none, the run stops.

    Raises:
        ValueError: the steps of the race cannot change places.
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
        elif twin.finished:
            break
        else:
            threads = [n for n in ready if n not in run.case.daemons]
            name = next(iter(threads or _devices(twin)), "")
            if not name:
                break
        twin.step(name)
        if twin.tip.index > 2 * len(run.schedule) + 100:
            break
    return twin


def _devices(run: Run) -> tuple[str, ...]:
    """Return the fewest steps of devices after which a thread can step; () for none."""
    model, daemons = run.model, [run.model.index[name] for name in run.case.daemons]
    waiting: deque[tuple[int, tuple[str, ...]]] = deque([(run.tip.state, ())])
    seen = {run.tip.state}
    while waiting and len(seen) <= MOST_STATES:
        state, way = waiting.popleft()
        if any(model.successor(state, p) is not None for p in model.threads()):
            return way
        for p in daemons:
            after = model.successor(state, p)
            if after is not None and after not in seen:
                seen.add(after)
                waiting.append((after, (*way, model.actors[p])))
    return ()


def conflict(run: Run, bad_state: str) -> Conflict | None:
    """Return the race that decides whether a bad state is violated.

    It is the last race before the violation whose reversal leads to a run that completes without
    the violation; if there is none, the last whose reversal avoids it. If no single reversal does,
    none decides: it is the last race before the violation, and `decides` is False.

    Args:
        run: a run in which `bad_state` is violated.
        bad_state: the bad state.

    Returns:
        The race, or None when there is none (an ordering bug, not a race).

    Raises:
        ValueError: the run does not violate the bad state.
    """
    at = next((frame.index for frame in run.frames if bad_state in frame.violated), None)
    if at is None:
        raise ValueError(f"this run does not violate {bad_state}")
    best: Conflict | None = None
    for race in [race for race in races(run) if race.second <= at][::-1]:
        twin = turned(run, race)
        how = VIOLATES if bad_state in twin.violated else COMPLETES if twin.finished else STOPS
        if how == COMPLETES:
            return race._replace(reversed=how)
        if best is None or (how == STOPS and not best.decides):
            best = race._replace(reversed=how)
    return best


def _shared(run: Run, i: int, k: int) -> tuple[str, ...]:
    """Return the fields that both steps touch and one of them writes."""
    mine, theirs = run.frames[i].touched, run.frames[k].touched
    both = (mine[1] & (theirs[0] | theirs[1])) | (mine[0] & theirs[1])
    return tuple(run.model.ledger.paths[slot] for slot in sorted(both))


def _earlier(run: Run, past: list[frozenset[int]], i: int, j: int) -> Run | None:
    """Return the run up to step j done before step i; None if that is impossible."""
    frames, twin = run.frames, run.fork(i - 1)
    wanted = frames[j].step
    for k in (*(k for k in range(i + 1, j) if i not in past[k]), j):
        if frames[k].actor not in twin.enabled():
            return None
        twin.step(frames[k].actor)
    step = twin.tip.step
    same = step is not None and wanted is not None and step.signature == wanted.signature
    return twin if same else None


class Link(NamedTuple):
    """A step that led to a violation.

    Attributes:
        step: its number.
        gives: the fields it set that a later link or the violated bad state reads.
        to: the number of that later link; the last link leads to itself.
        told: its result is one on which a later link of the same actor depends.
    """

    step: int
    gives: tuple[str, ...]
    to: int
    told: bool = False


def chain(run: Run, bad_state: str, at: int, leave_out: Collection[str] = ()) -> list[Link]:
    """Return the steps that led to a violation, the first one first.

    Backwards from the fields that the violated bad state reads, or that the failing step touched:
    which step set each last, on what did that step depend, and so on.  A step depends on the
    fields it read and on the last result that its actor received before it.

    Args:
        run: a run that violates the bad state.
        bad_state: the bad state.
        at: the step that violated it.
        leave_out: paths that are not followed: locks, which order steps and carry nothing.

    Source: Weiser, "Program slicing" (1981); on one run, Agrawal and Horgan, "Dynamic program
    slicing" (1990).
    """
    frames, model = run.frames, run.model
    paths, closed = model.ledger.paths, set(leave_out)
    looked = model.judge.reads(frames[at].state, bad_state)
    needed: dict[int, int] = {}  # slot -> the step that needs it

    def need(slots: Iterable[int], by: int) -> None:
        for slot in slots:
            if slot not in model.internal and paths[slot] not in closed:
                needed.setdefault(slot, by)

    need(looked, at)
    links: list[Link] = []
    asked: dict[str, int] = {}  # actor -> its link that depends on the last result it received
    for k in range(at, 0, -1):
        frame = frames[k]
        reads, writes = frame.touched
        before = model.cells(frames[k - 1].state)
        now = model.cells(frame.state)
        given = sorted(slot for slot in writes & needed.keys() if before[slot] != now[slot])
        told = frame.answer is not None and frame.actor in asked
        if not given and not told and k != at:
            continue
        to = needed[given[0]] if given else asked.get(frame.actor, at)
        links.append(Link(k, tuple(paths[slot] for slot in given), to, not given and told))
        for slot in given:
            del needed[slot]
        if frame.actor in asked and told:
            del asked[frame.actor]
        need(sorted(reads), k)
        asked[frame.actor] = k
    return links[::-1]
