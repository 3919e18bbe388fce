"""Replay a run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsIndex

from mmviz.engine import Case, UnknownName, nearest
from mmviz.engine.text import quoted
from mmviz.scenarios import Named, one_case
from mmviz.scene.searched import SearchedCase
from mmviz.widgets.stage import Stage, asked

OWN = "your run"  # the name of a run that the reader brings


class Player(Stage):
    """Wind through a run of a case, forwards and back.

    Args:
        scenario: a case; or a race, a scenario, or its name, "thread/race", or the path of a file.
        schedule: the run to show: the name of one of the case's schedules, or a schedule such
            as "CPU0*3 CPU1", or a list of actors. By default the violation that takes
            the fewest preemptions; of a case in which nothing breaks, a run that ends.
        case: the case's name or id; by default the scenario's first.
        views: the names of the views to show, in this order: "timeline", "code", "objects",
            "pagetable", …; by default those that tell most of the case.
        start: the frame to begin at; a negative one is counted from the end.

    Raises:
        IndexError: the run has no frame `start`.
        UnknownName: nothing has that name; the message suggests the nearest.
        ScheduleError: the schedule cannot happen; the message says at which step and why.

    Example:
        mmviz.Player("iommu_group/release_order", case="DelistThenRelease")
    """

    def __init__(
        self,
        scenario: Named | Case,
        schedule: str | Iterable[str] | None = None,
        case: str = "",
        views: str | Sequence[str] | None = None,
        start: SupportsIndex = 0,
    ) -> None:
        chosen = one_case(scenario, case, first=True)
        searched = SearchedCase(chosen)
        runs = searched.runs()
        if schedule is None:
            wanted = next(iter(runs))
        else:
            own = searched.schedule(schedule)
            same = [name for name, run in runs.items() if run == own]
            named = [name for name in same if name.lower() == str(schedule).strip().lower()]
            wanted = (*named, *same, OWN)[0]
            runs = runs if named else {wanted: own} | runs
        self.schedules = runs
        self.shown = wanted
        run = searched.run(runs[wanted])
        super().__init__(chosen, run, searched, views)
        self.refresh(self.frame_at(start))
        self.controls.runs = list(runs)
        self.controls.run = list(runs).index(wanted)

    @property
    def run(self) -> str:
        """The name of the run on stage; set it to show another of `schedules`.

        Raises:
            UnknownName: set to a name that no run has; the nearest is suggested.
        """
        return self.shown

    @run.setter
    def run(self, name: str) -> None:
        self.shown = nearest({known: known for known in self.schedules}, name, "run")
        self.the_run = self.searched.run(self.schedules[self.shown])
        self.controls.run = list(self.schedules).index(self.shown)
        self.refresh(0)

    def hear(self, message: Mapping[str, Any]) -> None:
        """Show another of the runs offered."""
        number, names = asked(message, "run"), list(self.schedules)
        if not 0 <= number < len(names):
            raise UnknownName(f"there is no run {quoted(number)}; there are 0 to {len(names) - 1}")
        self.run = names[number]
