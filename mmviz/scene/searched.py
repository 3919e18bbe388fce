"""A case with the result of its search, and the runs worth offering."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, permutations

from mmviz.engine import Case, Run, ScheduleError, conflict, parse_schedule, turned
from mmviz.engine.causes import COMPLETES
from mmviz.engine.search import Search
from mmviz.engine.witness import Witnesses
from mmviz.scene.reach import reach
from mmviz.scene.words import readable

MOST_STATES, MOST_BYTES = 300_000, 200_000_000  # a second or two, the longest a stage may take
MOST_ORDERS, MOST_STEPS = 24, 80


class SearchedCase:
    """A case that has been searched, so that the stage can reserve room for every run.

    Attributes:
        case: the case.
        report: what the search found.
        model: the learned case; all runs share it.
        reach: the values and steps that a run of the case may show.
        witnesses: finds the fields that every picture of the case marks as wrong.
    """

    def __init__(self, case: Case) -> None:
        search = Search(case, MOST_STATES, MOST_BYTES, None, None)
        self.case, self.report, self.model = case, search.report(), search.model
        self.reach = reach(search.model)
        self.witnesses = Witnesses(search.model)

    def run(self, schedule: Sequence[str] = ()) -> Run:
        """Return the run of a schedule.

        Raises:
            ScheduleError: a step is not possible; the message says which, and why.
        """
        run = Run(self.case, self.model)
        for actor in schedule:
            run.step(actor)
        return run

    def schedule(self, wanted: str | Iterable[str]) -> tuple[str, ...]:
        """Return the schedule that a reader names.

        Args:
            wanted: the label of one of `runs()`, or a schedule as `parse_schedule` takes it.

        Raises:
            ScheduleError: it is neither; the message names the labels.
        """
        runs = self.runs() if isinstance(wanted, str) else {}
        folded = {label.lower(): schedule for label, schedule in runs.items()}
        if isinstance(wanted, str) and wanted.strip().lower() in folded:
            return folded[wanted.strip().lower()]
        try:
            return parse_schedule(self.case, wanted)
        except ScheduleError as error:
            if error.actor in self.case.actors or not runs:
                raise
            labels = ", ".join(map(repr, runs))
            raise ScheduleError(f"{error}; or the name of a run: {labels}") from None

    def runs(self) -> dict[str, tuple[str, ...]]:
        """Return the schedules to offer, by label, the most instructive first.

        First the counterexamples (fewest preemptions, then shortest), a deadlock and a livelock;
        then the schedules that the scenario names; then safe runs: the one with the deciding race
        reversed, and any other. In a case that never fails, the safe runs come first. Where the
        search does not know everything, such a run is not called safe.
        """
        failing: dict[str, tuple[str, ...]] = {}
        found = self.report.counterexamples
        for bad_state in sorted(found, key=self._rank):
            example = found[bad_state]
            if example.preemptions >= 0:  # -1: a limit ended the search for it
                failing[f"{readable(bad_state)}: fewest preemptions"] = example.fewest_preemptions
            if example.preemptions < 0 or example.shortest != example.fewest_preemptions:
                failing[f"{readable(bad_state)}: shortest"] = example.shortest
        if self.report.deadlock is not None:
            which = "only devices" if self.report.devices_go_on else "no actor"
            failing[f"deadlock: {which} can step"] = self.report.deadlock.fewest_preemptions
        loop = self.report.livelock
        if loop is not None:
            failing["livelock: one round of the loop"] = loop.prefix + loop.cycle
        named = {
            name: parse_schedule(self.case, text) for name, text in self.case.schedules.items()
        }
        in_order = self._safe_in_order()
        safe = self._reversed_race() | ({self._spared: in_order} if in_order else {})
        if self.case.is_drawing:
            return named  # of which nothing is claimed
        runs = failing | named | safe if failing else safe | named
        return runs or {"one actor after another": max(self._in_order(), key=len)}

    def _reversed_race(self) -> dict[str, tuple[str, ...]]:
        """Return the first counterexample with its deciding race reversed, if that run is safe."""
        found = self.report.counterexamples
        for bad_state in sorted(found, key=self._rank):
            run = self.run(found[bad_state].fewest_preemptions)
            race = conflict(run, bad_state)
            if race is None or race.reversed != COMPLETES:
                continue
            twin = turned(run, race)
            if not twin.violated:
                first = run.frames[race.second]
                function = first.label.partition("(")[0]
                label = f"{self._spared}: {first.actor} runs {function}() first"
                return {label: twin.schedule}
        return {}

    @property
    def _spared(self) -> str:
        """What a run is called that violates nothing."""
        return "run without a violation" if self.report.doubt else "safe run"

    def _rank(self, bad_state: str) -> int:
        """Return the place of a bad state in the case, which lists the most important first."""
        order = self.case.bad_states
        return order.index(bad_state) if bad_state in order else len(order)

    def _safe_in_order(self) -> tuple[str, ...]:
        """Return a safe schedule in which the actors run one after another, () for none."""
        for schedule in self._in_order():
            run = self.run(schedule)
            if run.finished and not run.violated:
                return schedule
        return ()

    def _in_order(self) -> Iterator[tuple[str, ...]]:
        """Yield schedules in which the actors run one after another, each as far as it can."""
        for order in islice(permutations(self.case.actors), MOST_ORDERS):
            run = self.run()
            while len(run.schedule) < MOST_STEPS:
                able = [actor for actor in order if actor in run.enabled()]
                if not able or (run.finished and set(able) <= set(self.case.daemons)):
                    break
                run.step(able[0])
            yield run.schedule
