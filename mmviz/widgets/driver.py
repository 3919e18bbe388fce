"""Be the scheduler."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, SupportsIndex

from mmviz.engine import Case, Frame, ScheduleError, UnknownName, short
from mmviz.engine.text import index, quoted
from mmviz.scenarios import Named, one_case
from mmviz.scene.marks import shorten
from mmviz.scene.searched import SearchedCase
from mmviz.scene.views import Timeline, View
from mmviz.scene.words import blocked_by, goal, victory
from mmviz.widgets.stage import Stage, asked

ROOMS = (7, 12, 18)  # rows of the timeline


class Driver(Stage):
    """Choose which actor steps next, and try to break the promise, or see that you cannot.

    Stepping back and choosing something else begins another run; the first stays on the list.

    Args:
        scenario: a case; or a race, a scenario, or its name, "thread/race", or the path of a file.
        schedule: steps that have been taken already: the name of one of the case's schedules, or
            a schedule such as "CPU0*3 CPU1", or a list of actors.
        case: the case's name or id; by default the scenario's first.
        views: the names of the views to show, in this order; as for `Player`.

    Raises:
        UnknownName: nothing has that name; the message suggests the nearest.
        ScheduleError: the schedule cannot happen; the message says at which step and why.

    Example:
        mmviz.Driver("iommu_group/release_order", case="DelistThenRelease")
    """

    def __init__(
        self,
        scenario: Named | Case,
        schedule: str | Iterable[str] = "",
        case: str = "",
        views: str | Sequence[str] | None = None,
    ) -> None:
        chosen = one_case(scenario, case, first=True)
        searched = SearchedCase(chosen)
        run = searched.run(searched.schedule(schedule) if schedule != "" else ())
        self.branches = [run]
        super().__init__(chosen, run, searched, views, len(run.schedule))

    @property
    def run(self) -> int:
        """The number of the run on stage, counted from 0; set it to show another of `branches`.

        Raises:
            UnknownName: set to a number that no run has.
            MmvizError: set to what is not an integer.
        """
        return self.branches.index(self.the_run)

    @run.setter
    def run(self, number: SupportsIndex) -> None:
        wanted = index(number, "the number of a run")
        if not 0 <= wanted < len(self.branches):
            last = len(self.branches) - 1
            raise UnknownName(f"there is no run {quoted(wanted)}; there are runs 0 to {last}")
        before = self.the_run.schedule
        self.the_run = self.branches[wanted]
        after = self.the_run.schedule
        self.refresh(len(after), _shared(before, after), around=0)

    def choose(self, actor: str, k: SupportsIndex | None = None) -> None:
        """Let an actor do its next step after frame `k` (by default the last).

        Raises:
            ScheduleError: it is blocked there; the message says why, and which actors are enabled.
            IndexError: the run has no such frame.
            MmvizError: `k` is not an integer.
        """
        k = self.frame_at(-1 if k is None else k)
        wanted = (*self.the_run.schedule[:k], actor)
        known = [run for run in self.branches if run.schedule[: k + 1] == wanted]
        before = self.the_run.schedule
        if known:
            self.the_run = self.the_run if self.the_run in known else known[0]
        elif k == len(self.the_run.schedule):
            self.the_run.step(actor)
        else:
            fresh = self.the_run.fork(k)
            fresh.step(actor)
            self.branches.append(fresh)
            self.the_run = fresh
        self.refresh(k + 1, _shared(before, self.the_run.schedule), around=0)

    def made_views(self) -> dict[str, View]:
        """Return the views, with a timeline that grows seldom: what is below it stays put."""
        return super().made_views() | {"timeline": Timeline(self.searched, ROOMS)}

    def hear(self, message: Mapping[str, Any]) -> None:
        """Let the chosen actor go, or go back to another run."""
        if "choose" in message:
            k = asked(message, "k")
            if not 0 <= k <= len(self.the_run.schedule):
                raise ScheduleError(f"this run has no step {quoted(k)}", k)
            self.choose(message["choose"], k)
        else:
            self.run = asked(message, "run")

    def direct(self, frames: list[Frame]) -> None:
        """Set the choices, the goal and the list of runs."""
        controls = self.controls
        controls.goal = goal(self.case)
        controls.won, controls.victory = victory(self.case, frames)
        controls.runs = [
            f"run {number}: {shorten(short(run.schedule) or 'the start', 48)}"
            for number, run in enumerate(self.branches, 1)
        ]
        controls.run = self.run

    def offered(self, frame: Frame) -> list[dict[str, Any]]:
        """Return a button for each actor: what it would do, or why it cannot."""
        offered = []
        for actor in self.actors:
            step, blocked = frame.next.get(actor), frame.blocked.get(actor)
            why = blocked_by(actor, blocked) if blocked else "" if step else "has finished"
            offered.append(
                {
                    "actor": actor,
                    "does": step.label if step else "",
                    "why": why,
                    "enabled": actor in frame.enabled,
                }
            )
        return offered


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many frames two runs have in common, the start among them."""
    return 1 + sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    )
