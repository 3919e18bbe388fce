"""Be the scheduler."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from mmviz.engine import Case, Frame, ScheduleError, parse_schedule, short
from mmviz.scene.marks import shorten
from mmviz.scene.searched import SearchedCase
from mmviz.scene.views import Timeline, View
from mmviz.scene.words import blocked_by, goal, victory
from mmviz.widgets.stage import Stage, the_case

ROOMS = (7, 12, 18)  # rows of the timeline


class Driver(Stage):
    """Choose which actor steps next, and try to break the promise, or see that you cannot.

    Stepping back and choosing something else begins another run; the first stays on the list.

    Args:
        scenario: "thread/race", or a case.
        schedule: steps already taken when the curtain rises.
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
        scenario: str | Case,
        schedule: str = "",
        case: str = "",
        views: Sequence[str] | None = None,
    ) -> None:
        chosen = the_case(scenario, case)
        searched = SearchedCase(chosen)
        run = searched.run(parse_schedule(chosen, schedule))
        self.branches = [run]
        super().__init__(chosen, run, searched, views, len(run.schedule))

    @property
    def schedule(self) -> tuple[str, ...]:
        """The schedule of the run on stage; enough to rebuild it."""
        return self.the_run.schedule

    def choose(self, actor: str, k: int | None = None) -> None:
        """Let an actor do its next step after frame `k` (by default the last).

        Raises:
            ScheduleError: it is blocked there; the message says why, and which actors are enabled.
        """
        k = len(self.the_run.schedule) if k is None else k
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
            k = int(message["k"])
            if not 0 <= k <= len(self.the_run.schedule):
                raise ScheduleError(f"this run has no step {k}", k, str(message["choose"]))
            self.choose(str(message["choose"]), k)
        else:
            before = self.the_run.schedule
            self.the_run = self.branches[int(message["run"])]
            after = self.the_run.schedule
            self.refresh(len(after), _shared(before, after), around=0)

    def direct(self, frames: list[Frame]) -> None:
        """Set the choices, the goal and the list of runs."""
        controls = self.controls
        controls.goal = goal(self.case)
        controls.won, controls.victory = victory(self.case, frames)
        controls.runs = [
            f"run {number}: {shorten(short(run.schedule) or 'the start', 48)}"
            for number, run in enumerate(self.branches, 1)
        ]
        controls.run = self.branches.index(self.the_run)

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
