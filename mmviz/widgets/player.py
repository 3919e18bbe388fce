"""Replay a run."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmviz.engine import Case, UnknownName, parse_schedule
from mmviz.scene.searched import SearchedCase
from mmviz.widgets.stage import Stage, the_case


class Player(Stage):
    """Wind through a run of a case, forwards and back.

    Args:
        scenario: "thread/race", or a case.
        schedule: the run to show: the name of one of the case's schedules, or a schedule such
            as "CPU0*3 CPU1", or a list of actors. By default the violation that takes
            the fewest preemptions; of a case in which nothing breaks, a run that ends.
        case: the case's name or id; by default the scenario's first.
        views: the names of the views to show, in this order: "timeline", "code", "objects",
            "pagetable", …; by default those that tell most of the case.

    Raises:
        UnknownName: nothing has that name; the message suggests the nearest.
        ScheduleError: the schedule cannot happen; the message says at which step and why.

    Example:
        mmviz.Player("iommu_group/release_order", case="NoLock")
    """

    def __init__(
        self,
        scenario: str | Case,
        schedule: str | Sequence[str] | None = None,
        case: str = "",
        views: Sequence[str] | None = None,
    ) -> None:
        chosen = the_case(scenario, case)
        searched = SearchedCase(chosen)
        runs = searched.runs()
        if schedule is None:
            wanted = next(iter(runs))
        elif isinstance(schedule, str) and schedule in runs:
            wanted = schedule
        else:
            own = parse_schedule(chosen, schedule)
            wanted = next((name for name, run in runs.items() if run == own), "your run")
            runs = {wanted: own} | runs
        self.schedules = runs
        self.shown = wanted
        super().__init__(chosen, searched.run(runs[wanted]), searched, views)
        self.controls.runs = list(runs)
        self.controls.run = list(runs).index(wanted)

    def hear(self, message: Mapping[str, Any]) -> None:
        """Show another of the runs offered."""
        names = list(self.schedules)
        if not 0 <= int(message["run"]) < len(names):
            raise UnknownName(f"there is no run {message['run']}")
        self.shown = names[int(message["run"])]
        self.the_run = self.searched.run(self.schedules[self.shown])
        self.controls.run = int(message["run"])
        self.refresh(0)
