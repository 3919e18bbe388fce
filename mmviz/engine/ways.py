"""A few different runs to a violation, and runs that come near without it.

A search finds many runs to the same violation that differ in nothing that matters.  Two are
different here if another step completes the violation, in another place of the other actors, or if
another race decides it.
"""

from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mmviz.engine.case import Case, nearest
from mmviz.engine.causes import conflict
from mmviz.engine.errors import MmvizError
from mmviz.engine.graph import Fate, Graph
from mmviz.engine.learn import Model
from mmviz.engine.possible import possible
from mmviz.engine.preemption import fewest_preemptions
from mmviz.engine.run import Run
from mmviz.engine.text import several

MOST_STATES = 100_000  # of a case whose runs are compared
MOST_COMPARED = 10  # runs to a violation whose deciding race is looked for
LONGEST = 80  # steps of such a run


class Way(NamedTuple):
    """A run worth comparing with others.

    Attributes:
        schedule: its actors.
        text: how it differs.
        violates: whether it reaches the bad state.
    """

    schedule: tuple[str, ...]
    text: str
    violates: bool


def different_runs(what: Case | Model, bad_state: str, most: int = 5) -> list[Way]:
    """Return a few runs to a violation, and runs that come near and complete without it.

    Args:
        what: a case, or its model where it has been searched.
        bad_state: the bad state.
        most: how many runs; about two of five are without the violation. Of a case that never
            violates it, all are. Of one with more than 100,000 states, only a shortest run.

    Raises:
        UnknownName: the case is not judged by it, and no step complains of it.
    """
    model = what if isinstance(what, Model) else Model(what)
    try:
        graph = Graph(model.case, MOST_STATES, model=model)
    except MmvizError:
        found = possible(model, bad_state)  # so many states are not compared
        return [] if found.schedule is None else [Way(found.schedule, "shortest", True)]
    return _Ways(model, graph, bad_state).chosen(most)


class _Ways:
    """The runs of a case with regard to one bad state."""

    def __init__(self, model: Model, graph: Graph, bad_state: str) -> None:
        self.model, self.graph = model, graph
        raised = model.bits[model.complaints].values.values()
        known = {*model.case.bad_states, *(name for names in raised for name in names)}
        self.bad_state = nearest({name: name for name in known}, bad_state, "bad state")
        self.bad = bytearray(self.bad_state in model.violated(state) for state in graph.states)
        self.fates = graph.fates_before([i for i, is_bad in enumerate(self.bad) if is_bad])
        self.parent, self.depth = self._ways_there()

    def _ways_there(self) -> "tuple[array[int], array[int]]":
        """Return the state before each on a shortest way that violates nothing before its end."""
        count = len(self.bad)
        parent, depth = array("q", [-1]) * count, array("q", [-1]) * count
        depth[0] = 0
        queue = [0]
        for number in queue:
            if not self.bad[number]:
                for _, to in self.graph.moves(number):
                    if depth[to] < 0:
                        parent[to], depth[to] = number, depth[number] + 1
                        queue.append(to)
        return parent, depth

    def schedule(self, number: int) -> tuple[int, ...]:
        """Return the actors on the shortest way to a state."""
        actors: list[int] = []
        while self.parent[number] >= 0:
            before = self.parent[number]
            actors.append(next(p for p, to in self.graph.moves(before) if to == number))
            number = before
        return tuple(reversed(actors))

    def names(self, actors: Iterable[int]) -> tuple[str, ...]:
        """Return the names of actors."""
        return tuple(self.model.actors[p] for p in actors)

    def label(self, number: int, p: int) -> str:
        """Return the next step of an actor."""
        step = self.model.location(self.graph.states[number], p).step
        return "" if step is None else step.label

    # -- with the violation ------------------------------------------------------------------

    def entries(self) -> list[tuple[int, int]]:
        """Return (state, actor) of each move that completes the violation, nearest first.

        One for each step that completes it, with each combination of what the others do next.
        """
        found: dict[tuple[int, ...], tuple[int, int]] = {}
        reached = [n for n in range(len(self.bad)) if self.depth[n] >= 0 and not self.bad[n]]
        for number in sorted(reached, key=self.depth.__getitem__):
            state = self.graph.states[number]
            for p, to in self.graph.moves(number):
                if self.bad[to]:
                    places = [
                        state & self.model.location_bits[q].mask
                        for q in range(len(self.model.actors))
                    ]
                    found.setdefault((p, *places), (number, p))
        return list(found.values())

    def violating(self, most: int) -> list[Way]:
        """Return runs to the violation, the calmest first, then those that differ most."""
        if self.bad[0]:
            return [Way((), "it is so at the start", True)]
        entries = self.entries()
        if not entries or most < 1:
            return []
        runs: dict[tuple[str, ...], str] = {}
        calm = dict(fewest_preemptions(self.model, {self.bad_state}))
        if self.bad_state in calm:
            schedule, preemptions = calm[self.bad_state]
            runs[schedule] = f"fewest preemptions, {preemptions or 'none'}"
        number, p = entries[0]
        nearest_run = (*self.names(self.schedule(number)), self.model.actors[p])
        if any(len(run) == len(nearest_run) for run in runs):
            runs = {run: f"{words}, and none is shorter" for run, words in runs.items()}
        else:
            runs[nearest_run] = "shortest"
        runs.update(list(self._differing(entries, runs, most - len(runs))))
        number, p = entries[-1]
        if len(runs) < most:
            late = (*self.names(self.schedule(number)), self.model.actors[p])
            runs.setdefault(late, "it takes longest to come to this")
        return [
            Way(run, f"{several(len(run), 'step')}: {words}", True) for run, words in runs.items()
        ][:most]

    def _differing(
        self, entries: list[tuple[int, int]], runs: Iterable[tuple[str, ...]], most: int
    ) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield runs with another last step, or another deciding race, than those before."""
        lasts, races = set(), set()
        for schedule in list(runs):
            run = self._run(schedule)
            lasts.add((schedule[-1], run.tip.label))
            races.add(self._race(run))
        tried = 0
        for number, p in entries:
            if most < 1 or tried >= MOST_COMPARED:
                return
            actor, label = self.model.actors[p], self.label(number, p)
            is_new_last = (actor, label) not in lasts
            schedule = (*self.names(self.schedule(number)), actor)
            if len(schedule) > LONGEST:
                return
            tried += 1
            race = self._race(self._run(schedule))
            if is_new_last:
                yield schedule, f"the last step is {actor} {label}"
            elif race and race not in races:
                yield schedule, f"another race decides: {race}"
            else:
                continue
            most -= 1
            lasts.add((actor, label))
            races.add(race)

    def _run(self, schedule: Iterable[str]) -> Run:
        run = Run(self.model.case, self.model)
        for actor in schedule:
            run.step(actor)
        return run

    def _race(self, run: Run) -> str:
        """Return the race that decides a run, in words that are equal for equal races."""
        if len(run.schedule) > LONGEST or self.bad_state not in run.violated:
            return ""
        race = conflict(run, self.bad_state)
        if race is None or not race.decides:
            return ""
        one, other = run.frames[race.first], run.frames[race.second]
        return f"{one.actor} {one.label} before {other.actor} {other.label}"

    # -- without it --------------------------------------------------------------------------

    def near(self, runs: list[Way], most: int) -> Iterator[Way]:
        """Yield runs that leave one of these as late as they can, and complete without violation.

        Args:
            runs: runs to the violation.
            most: how many.
        """
        seen: set[tuple[int, int]] = set()
        for run in runs:
            numbers = self._numbers(run.schedule)
            for k in range(len(run.schedule) - 1, -1, -1):
                other = self._spared(numbers[k], seen)
                if other is None:
                    continue
                p, rest = other
                if most < 1:
                    return
                most -= 1
                schedule = (*run.schedule[:k], *self.names((p, *rest)))
                actor, label = self.model.actors[p], self.label(numbers[k], p)
                words = f"in step {k + 1} of a run to it, {actor} {label} goes instead"
                yield Way(schedule, f"{several(len(schedule), 'step')}, without it: {words}", False)
                break

    def _numbers(self, schedule: Iterable[str]) -> list[int]:
        """Return the states of a run."""
        found = [0]
        for actor in schedule:
            p = self.model.index[actor]
            found.append(next(to for q, to in self.graph.moves(found[-1]) if q == p))
        return found

    def _spared(
        self, number: int, seen: set[tuple[int, int]]
    ) -> tuple[int, tuple[int, ...]] | None:
        """Return a move after which a run can complete without the violation, and its rest."""
        options = sorted(self.graph.moves(number), key=lambda move: self.fates[move[1]])
        for p, to in options:
            if self.fates[to] == Fate.UNAVOIDABLE or (number, p) in seen:
                continue
            seen.add((number, p))
            rest = self.completion(to)
            if rest is not None:
                return p, rest
        return None

    def completion(self, number: int) -> tuple[int, ...] | None:
        """Return the fewest moves from a state to an end, without the violation; None for none."""
        model, states = self.model, self.graph.states
        came: dict[int, tuple[int, int]] = {number: (-1, -1)}
        queue = [number]
        for at in queue:
            if self.bad[at]:
                continue
            if model.is_complete(states[at]):
                actors: list[int] = []
                while came[at][0] >= 0:
                    actors.append(came[at][1])
                    at = came[at][0]
                return tuple(reversed(actors))
            for p, to in self.graph.moves(at):
                if to not in came and self.fates[to] != Fate.UNAVOIDABLE:
                    came[to] = (at, p)
                    queue.append(to)
        return None

    def quiet(self, most: int) -> Iterator[Way]:
        """Yield runs that complete without the violation, each begun by another actor."""
        for p, to in self.graph.moves(0):
            rest = self.completion(to)
            if rest is not None and most > 0:
                most -= 1
                schedule = self.names((p, *rest))
                yield Way(
                    schedule,
                    f"{several(len(schedule), 'step')}, without it: {schedule[0]} begins",
                    False,
                )

    def chosen(self, most: int) -> list[Way]:
        """Return the runs to offer."""
        violating = self.violating(max(1, (3 * most + 2) // 5))
        spared = list(self.near(violating, most - len(violating)))
        if not violating:
            spared = list(self.quiet(most))
        unlike = {way.schedule: way for way in reversed([*violating, *spared])}
        return list(reversed(unlike.values()))[:most]
