"""Replay a run."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmviz.engine import Case, UnknownName, parse_schedule
from mmviz.scene.words import readable
from mmviz.widgets.rehearsal import Rehearsal
from mmviz.widgets.stage import Stage, the_case


class Player(Stage):
    """Wind through a run of a case, forwards and back.

    Args:
        scenario: "thread/race", or a case.
        schedule: the run to show: the name of one of the case's schedules, or a schedule such
            as "CPU0*3 CPU1", or a list of actors. By default the violation that takes
            the fewest preemptions; of a case in which nothing breaks, a run that ends.
        case: the case's name or id; by default the scenario's first.

    Raises:
        UnknownName: no scenario or case has that name; the message suggests the nearest.
        ScheduleError: the schedule cannot happen; the message says at which step and why.

    Example:
        mmviz.Player("iommu_group/release_order", case="NoLock")
    """

    def __init__(
        self,
        scenario: str | Case,
        schedule: str | Sequence[str] | None = None,
        case: str = "",
    ) -> None:
        chosen = the_case(scenario, case)
        rehearsal = Rehearsal(chosen)
        runs = self._offered(chosen, rehearsal)
        if schedule is None:
            wanted = next(iter(runs))
        elif isinstance(schedule, str) and schedule in runs:
            wanted = schedule
        else:
            wanted = "your run"
            runs = {wanted: parse_schedule(chosen, schedule)} | runs
        self.schedules = runs
        self.shown = wanted
        super().__init__(chosen, rehearsal.run(runs[wanted]), rehearsal)
        self.controls.runs = list(runs)
        self.controls.run = list(runs).index(wanted)

    @staticmethod
    def _offered(case: Case, rehearsal: Rehearsal) -> dict[str, tuple[str, ...]]:
        """Return the runs that the reader may pick, the one that tells most first."""
        runs: dict[str, tuple[str, ...]] = {}
        found = rehearsal.report.counterexamples
        for prop, example in found.items():
            runs[f"{readable(prop)}: fewest preemptions"] = example.fewest_preemptions
            if example.shortest != example.fewest_preemptions:
                runs[f"{readable(prop)}: shortest"] = example.shortest
        if rehearsal.report.stuck is not None:
            runs["stuck: nobody can move"] = rehearsal.report.stuck.fewest_preemptions
        for name, text in case.schedules.items():
            runs[name] = parse_schedule(case, text)
        good = rehearsal.good()
        if good:
            named = {"a run that goes well": good}
            runs = runs | named if found or rehearsal.report.stuck else named | runs
        return runs or {"a run": rehearsal.long()}

    def hear(self, message: Mapping[str, Any]) -> None:
        """Show another of the runs offered."""
        names = list(self.schedules)
        if not 0 <= int(message["run"]) < len(names):
            raise UnknownName(f"there is no run {message['run']}")
        self.shown = names[int(message["run"])]
        self.the_run = self.rehearsal.run(self.schedules[self.shown])
        self.controls.run = int(message["run"])
        self.refresh(0)
