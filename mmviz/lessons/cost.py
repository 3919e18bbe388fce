"""What a right answer costs: its steps, what runs under locks, and how long others wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmviz.engine.places import spot_of
from mmviz.engine.search import Search
from mmviz.engine.text import printable, several
from mmviz.lessons.exercise import Bounds

UNBOUNDED = 1_000_000
Moves = Mapping[int, list[tuple[int, int]]]  # packed state -> (actor, state after) of each move


@dataclass(frozen=True)
class Cost:
    """What a case costs.

    Attributes:
        steps: steps of a shortest run that completes; -1 where none does.
        under: a lock -> places in the code that run while it is held, the one that drops it left
            out.
        waits: an actor -> steps that others take while it is blocked, in the worst run; -1 where
            there is no bound.
        sleeps: locks whose holder is blocked in some run.
        blocked: states in which some actor is blocked, of `states`.
        states: reachable states.
    """

    steps: int
    under: Mapping[str, int] = field(default_factory=dict)
    waits: Mapping[str, int] = field(default_factory=dict)
    sleeps: tuple[str, ...] = ()
    blocked: int = 0
    states: int = 0

    @property
    def wait(self) -> int:
        """The longest wait of any actor in steps of others; -1 where there is no bound."""
        return -1 if -1 in self.waits.values() else max(self.waits.values(), default=0)

    @property
    def rank(self) -> tuple[int, int, int]:
        """What is compared: lines under locks, the longest wait, steps; less is cheaper."""
        wait = self.wait if self.wait >= 0 else UNBOUNDED
        return sum(self.under.values()), wait, self.steps

    @property
    def short(self) -> str:
        """The cost in a few words, for a comparison."""
        parts = [several(self.steps, "step")]
        parts += [f"{several(number, 'line')} under {lock}" for lock, number in self.under.items()]
        wait = "without bound" if self.wait < 0 else several(self.wait, "step")
        return printable(", ".join([*parts, f"longest wait {wait}"]))

    def exceeds(self, most: Bounds) -> list[str]:
        """Return a sentence for each bound that is not kept."""
        found = []
        if most.steps is not None and self.steps > most.steps:
            found.append(f"a run takes {self.steps} steps, and {most.steps} are enough")
        if most.wait is not None and not 0 <= self.wait <= most.wait:
            who = max(self.waits, key=lambda name: self.waits[name], default="an actor")
            long = "without bound" if self.wait < 0 else f"while others take {self.wait} steps"
            found.append(f"{who} may wait {long}, and {most.wait} are enough")
        for lock, number in most.under.items():
            if self.under.get(lock, 0) > number:
                enough = (
                    f"{number} {'is' if number == 1 else 'are'} enough" if number else "none need"
                )
                found.append(f"{self.under[lock]} lines run under {lock}, and {enough}")
        return found

    def __str__(self) -> str:
        parts = [
            f"{self.steps} steps in the shortest run" if self.steps >= 0 else "no run completes"
        ]
        parts += [f"{several(number, 'line')} under {lock}" for lock, number in self.under.items()]
        for name, number in self.waits.items():
            if number:
                long = (
                    "without bound"
                    if number < 0
                    else f"for up to {several(number, 'step')} of others"
                )
                parts.append(f"{name} waits {long}")
        parts += [f"the holder of {lock} may itself wait" for lock in self.sleeps]
        if self.blocked:
            parts.append(f"some actor is blocked in {self.blocked} of {self.states} states")
        return printable("; ".join(parts))


def moves_of(search: Search) -> dict[int, list[tuple[int, int]]]:
    """Return the moves from every state that a search has found."""
    model, found = search.model, {}
    numbers = range(len(model.actors))
    for state in search.parent:
        here = []
        if not model.is_dead(state):
            for p in numbers:
                after = model.successor(state, p)
                if after is not None:
                    here.append((p, after))
        found[state] = here
    return found


def cost_of(search: Search, moves: Moves) -> Cost:
    """Return what a case costs whose states were all found."""
    model = search.model
    complete = (s for s in search.parent if model.is_complete(s) and not model.is_dead(s))
    first = next(complete, None)
    threads = model.threads()
    stuck: dict[int, set[int]] = {p: set() for p in threads}
    places: dict[str, set[object]] = {}  # of the code, by the lock that is held there
    sleeps: set[str] = set()
    blocked = 0
    slots = [task._at["held"] for task in model.tasks]
    for state, here in moves.items():
        if model.is_dead(state):
            continue
        can = {p for p, _ in here}
        cells = model.cells(state)
        waiting = False
        for p, slot in enumerate(slots):
            location = model.location(state, p)
            if location.step is None:
                continue
            names = {s.__dict__["name"] for s in cells[slot] if s is not location.step.on}
            for name in names:
                places.setdefault(name, set()).add(spot_of(location.lines, location.step))
            if p in stuck and p not in can:
                waiting = True
                stuck[p].add(state)
                sleeps |= names
        blocked += waiting
    return Cost(
        steps=-1 if first is None else len(search.run_to(first)),
        under={name: len(found) for name, found in sorted(places.items())},
        waits={model.actors[p]: _longest(stuck[p], moves) for p in threads},
        sleeps=tuple(sorted(sleeps)),
        blocked=blocked,
        states=len(search.parent),
    )


def _longest(inside: set[int], moves: Moves) -> int:
    """Return the length of a longest path within some states; -1 if one goes round a loop."""
    length: dict[int, int] = {}
    for start in inside:
        if start in length:
            continue
        stack = [(start, iter(moves[start]))]
        length[start] = -2  # on the path
        while stack:
            state, left = stack[-1]
            for _, after in left:
                if after not in inside:
                    continue
                if length.get(after) == -2:
                    return -1
                if after not in length:
                    length[after] = -2
                    stack.append((after, iter(moves[after])))
                    break
            else:
                stack.pop()
                length[state] = max(
                    (1 + length[after] if after in inside else 1 for _, after in moves[state]),
                    default=0,
                )
    return max(length.values(), default=0)


def loop_of(search: Search, moves: Moves) -> tuple[tuple[str, ...], tuple[str, ...], int] | None:
    """Return a loop that one thread goes round while all others rest.

    Returns:
        The schedule to the loop, the loop, and the state in which it begins; None for no loop.
    """
    model = search.model
    for p in model.threads():
        done: set[int] = set()
        for start in search.parent:
            path: dict[int, int] = {}
            state: int | None = start
            while state is not None and state not in done and state not in path:
                path[state] = len(path)
                state = next((after for q, after in moves[state] if q == p), None)
            if state is not None and state in path:
                length = len(path) - path[state]
                return search.run_to(state), (model.actors[p],) * length, state
            done |= path.keys()
    return None
