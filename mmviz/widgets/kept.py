"""What of a stage is kept between two kernels: the runs tried, and what of the case they show."""

from collections.abc import Iterable, Sequence

from mmviz.engine import Case, Graph, MmvizError, parse_schedule, short
from mmviz.engine.graph import along
from mmviz.engine.learn import Model
from mmviz.lessons import progress
from mmviz.scene.searched import SearchedCase
from mmviz.scene.words import readable

MOST_STATES = 20_000  # of a case whose situations are counted
MOST_STEPS = 20_000  # of all runs that come back


class Situations:
    """The situations of a case: a bad state, an actor that is blocked, a way in which runs end.

    Attributes:
        possible: the names of all.
        final_states: the packed states in which runs end.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        graph = Graph(model.case, MOST_STATES + 1, model=model)
        self.possible: set[str] = set()
        self.final_states: set[int] = set()
        for state in graph.states:
            self.possible |= self.in_state(state)
            if self._is_final(state):
                self.final_states.add(state)

    def in_state(self, state: int) -> set[str]:
        """Return the names of the situations that a packed state has."""
        model = self.model
        violated = model.violated(state)
        found = {readable(name) for name in violated}
        if model.is_dead(state):
            return found
        for p in model.threads():
            if not model.is_done(state, p) and model.successor(state, p) is None:
                found.add(f"{model.actors[p]} is blocked")
        if model.is_complete(state) and not violated:
            found.add("completes without a violation")
        elif model.is_deadlock(state):
            found.add("deadlock")
        return found

    def _is_final(self, state: int) -> bool:
        model = self.model
        return (
            model.is_dead(state)
            or model.is_complete(state)
            or all(model.successor(state, p) is None for p in range(len(model.actors)))
        )

    def shown(self, schedules: Iterable[Sequence[str]]) -> progress.Shown:
        """Return what runs show; one that is not possible shows nothing."""
        seen: set[str] = set()
        ends: set[int] = set()
        for schedule in schedules:
            try:
                states = along(self.model, schedule)
            except (KeyError, ValueError):  # of another version of the case
                continue
            for state in states:
                seen |= self.in_state(state)
            ends |= self.final_states & set(states)
        return progress.Shown(
            frozenset(self.possible), frozenset(seen), len(ends), len(self.final_states)
        )


class Kept:
    """The runs of one stage's case as they are kept.

    Args:
        searched: the case.
        offered: runs that the stage itself put there, or offers: seen as far as they were shown.
    """

    def __init__(self, searched: SearchedCase, offered: Iterable[Sequence[str]]) -> None:
        self._searched, self._offered = searched, {tuple(run) for run in offered}
        self._situations: Situations | None = None

    def note(self, runs: Sequence[Sequence[str]], shown: int, k: int) -> None:
        """Keep runs that a reader tried.

        Args:
            runs: the runs on the stage.
            shown: the number of the one that is shown.
            k: its step that is shown.
        """
        tried = [tuple(run) for run in runs if tuple(run) not in self._offered]
        seen = tuple(runs[shown])
        if seen in self._offered:
            tried.append(seen[:k])
        if any(tried):
            progress.ran(
                progress.name_of(self._searched.case), lambda kept: self._look(kept, tried)
            )

    def _look(
        self, kept: Iterable[str], tried: Iterable[tuple[str, ...]]
    ) -> tuple[list[str], progress.Shown | None]:
        """Return the runs to keep, none the beginning of another, and what they show."""
        case, report = self._searched.case, self._searched.report
        known = {run: read for run in kept for read in schedules(case, [run])}
        every = [*known.values(), *tried]
        starts = {run[:k] for run in every for k in range(len(run))}
        lost = [run for run in kept if run not in known]  # of another version of the case
        runs = [*lost, *(short(run) for run in dict.fromkeys(every) if run not in starts)]
        if report.cut or report.states > MOST_STATES:
            return runs, None
        if self._situations is None:
            self._situations = Situations(self._searched.model)
        return runs, self._situations.shown(every)


def schedules(case: Case, runs: Iterable[str]) -> list[tuple[str, ...]]:
    """Return schedules written as text; one that names no actors of the case is left out."""
    found = []
    for run in runs:
        try:
            found.append(parse_schedule(case, run))
        except MmvizError:
            continue
    return found


def kept_runs(searched: SearchedCase, known: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the runs of a case that an earlier kernel kept, those that are still possible.

    Args:
        searched: the case.
        known: runs that are on the stage already; what they begin with is left out.
    """
    found: list[tuple[str, ...]] = []
    steps = 0
    for schedule in schedules(searched.case, progress.runs_of(progress.name_of(searched.case))):
        steps += len(schedule)
        if steps > MOST_STEPS:
            break
        if any(tuple(run[: len(schedule)]) == schedule for run in (*known, *found)):
            continue
        try:
            searched.run(schedule)
        except MmvizError:
            continue
        found.append(schedule)
    return found
