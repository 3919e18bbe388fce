"""Replay a run."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsIndex

from mmviz.engine import Case, MmvizError, nearest
from mmviz.engine.condition import Holds
from mmviz.engine.text import left_out, quoted
from mmviz.scenarios import Named, one_case
from mmviz.scenarios.link import is_link, opened
from mmviz.scene.searched import SearchedCase
from mmviz.scene.views import FIRST
from mmviz.widgets.prepared import Prepared, Sealed
from mmviz.widgets.runs import offered
from mmviz.widgets.stage import HEIGHT, Stage, frame_of, named_run

OWN = "your run"  # the name of a run that the reader brings
MOST_MOMENTS = 100


class Player(Stage):
    """Wind through a run of a case, forwards and back.

    Args:
        scenario: a case; or a race, a scenario, or its name, "thread/race", or the path of a file.
            Or a link, as `mmviz.link` returns it: then its run is shown, at its step, with a
            warning if the run has changed since the link was written.
        schedule: the run to show: the name of one of the case's schedules, or a schedule such
            as "CPU0*3 CPU1", or a list of actors. By default the violation that takes
            the fewest preemptions; of a case in which nothing breaks, a run that ends.
        case: the case's name or id; by default the scenario's first.
        views: the names of the views to open, "memory", "timeline", "objects", "pagetable", …: the
            first is seen, the others are pinned beside it. By default memory.
        start: the frame to begin at; a negative one is counted from the end.
        moments: situations to go to with Shift and a digit: by name, a schedule that leads there.
        height: of the stage in pixels.
        others: False shows this run in memory, and nothing else that can happen: no other run, no
            title, no verdict. So it answers no question that the reader has yet to be asked.

    Raises:
        IndexError: the run has no frame `start`.
        UnknownName: nothing has that name; the message suggests the nearest.
        ScheduleError: the schedule cannot happen; the message says at which step and why.

    Example:
        mmviz.Player("iommu_group/release_order", case="DelistThenRelease")
    """

    remembers = True
    seals = False  # whether the list of runs waits until the promise is broken, or a run asked for

    def __init__(
        self,
        scenario: Named | Case,
        schedule: str | Iterable[str] | None = None,
        case: str = "",
        views: str | Sequence[str] | None = None,
        start: SupportsIndex = 0,
        *,
        moments: Mapping[str, str | Iterable[str]] | None = None,
        height: int = HEIGHT,
        others: bool = True,
    ) -> None:
        if schedule is None and left_out(case) and isinstance(scenario, str) and is_link(scenario):
            found = opened(scenario)
            start = found.at if isinstance(start, int) and not start else start
            scenario, schedule = found.case, found.schedule
            if found.remark:
                warnings.warn(found.remark, stacklevel=2)
        chosen = one_case(scenario, case, first=True)
        searched = SearchedCase(chosen)
        runs = searched.runs() if others or schedule is None else {}
        if schedule is None:
            wanted = next(iter(runs))
        else:
            own = searched.schedule(schedule)
            same = [name for name, run in runs.items() if run == own]
            named = [name for name in same if name.lower() == str(schedule).strip().lower()]
            wanted = (*named, *same, OWN)[0]
            runs = runs if named else {wanted: own} | runs
        self._only = None if others else runs[wanted]
        self.remembers = others
        if not others:
            runs, wanted, views = {OWN: runs[wanted]}, OWN, FIRST
        for each in runs.values():
            searched.run(each)  # raises where a schedule cannot happen
        self.schedules = runs
        self._shown = wanted
        marked = [
            named_run(name, _moment(searched, name, where), "moment")
            for name, where in _moments(moments).items()
        ]
        super().__init__(
            chosen,
            searched,
            runs=[runs[wanted]],
            k=frame_of(start, len(runs[wanted])),
            views=views,
            named=[*marked, *(offered(searched, runs, self.seals) if others else [])],
            height=height,
        )

    def _prepare(
        self,
        searched: SearchedCase,
        runs: Iterable[Sequence[str]] = (),
        own_goal: Holds | None = None,
    ) -> Prepared:
        if self._only is not None:
            return Sealed(searched, self._only)
        return super()._prepare(searched, runs, own_goal)

    @property
    def run(self) -> str:
        """The name of the run on stage; set it to show another of `schedules`.

        A run that has none is "your run".

        Raises:
            UnknownName: set to a name that no run has; the nearest is suggested.
        """
        shown = self.schedule
        names = (self._shown, *self.schedules)
        return next((name for name in names if self.schedules.get(name) == shown), OWN)

    @run.setter
    def run(self, name: str) -> None:
        self._shown = nearest({known: known for known in self.schedules}, name, "run")
        self.visit(self.schedules[self._shown], 0)


class OpenedStage(Player):
    """A stage after an answer: it goes on, and does not answer what is asked later.

    The case's other runs are offered once the reader has broken the promise, or has asked for them.
    """

    seals = True


def _moments(moments: Any) -> Mapping[str, Any]:
    """Return the moments a reader has named.

    Raises:
        MmvizError: it is not a mapping from names to schedules.
    """
    if moments is None:
        return {}
    if not isinstance(moments, Mapping) or not all(isinstance(name, str) for name in moments):
        raise MmvizError(
            f"moments={quoted(moments)} is not a mapping from names to schedules: write "
            'moments={"both wait": "CPU0*3 CPU1"}'
        )
    if len(moments) > MOST_MOMENTS:
        raise MmvizError(f"a stage has at most {MOST_MOMENTS} moments, not {len(moments)}")
    return moments


def _moment(searched: SearchedCase, name: str, where: Any) -> tuple[str, ...]:
    """Return the schedule that leads to a moment; raises if a step of it is not possible."""
    if not name.strip() or len(name) > 100:
        raise MmvizError(f"{quoted(name)} is not the name of a moment: write 1 to 100 characters")
    schedule = searched.schedule(where)
    searched.run(schedule)
    return schedule
