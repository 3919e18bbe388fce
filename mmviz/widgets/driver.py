"""Be the scheduler."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, SupportsIndex

from mmviz.engine import Case, UnknownName
from mmviz.engine.text import index, left_out, quoted
from mmviz.scenarios import Named, one_case
from mmviz.scene.goalfilm import OWN
from mmviz.scene.searched import SearchedCase
from mmviz.widgets.goal import Goal, goal_of
from mmviz.widgets.runs import offered
from mmviz.widgets.stage import HEIGHT, Stage


class Driver(Stage):
    """Choose which actor steps next, and try to break the promise, or see that you cannot.

    Stepping back and choosing something else begins another run; the first stays in the tree of
    the runs tried. What gives the answer away is offered when the goal is reached or given up. Of a
    case that no run breaks, the goal is to attack the fix: after five runs, or when asked, the
    stage says what the search covered, and shows the nearest miss. Two people can share a stage,
    each as one actor: the digits are theirs.

    Args:
        scenario: a case; or a race, a scenario, or its name, "thread/race", or the path of a file.
        schedule: steps that have been taken already: the name of one of the case's schedules, or
            a schedule such as "CPU0*3 CPU1", or a list of actors.
        case: the case's name or id; by default the scenario's first.
        views: the names of the views to open; as for `Player`.
        goal: what to reach: a bad state's name, a condition on the world as text, or a function
            of the world. By default what the case says goes wrong.
        height: of the stage in pixels.

    Raises:
        UnknownName: nothing has that name; the message suggests the nearest.
        ScheduleError: the schedule cannot happen; the message says at which step and why.

    Example:
        mmviz.Driver("iommu_group/release_order", case="DelistThenRelease")
    """

    remembers = True

    def __init__(
        self,
        scenario: Named | Case,
        schedule: str | Iterable[str] = "",
        case: str = "",
        views: str | Sequence[str] | None = None,
        *,
        goal: str | Callable[[Any], bool] | None = None,
        height: int = HEIGHT,
    ) -> None:
        chosen = one_case(scenario, case, first=True)
        searched = SearchedCase(chosen)
        self.goal: Goal = goal_of(searched, goal)
        steps = () if left_out(schedule) else searched.schedule(schedule)
        searched.run(steps)  # raises where the schedule cannot happen
        super().__init__(
            chosen,
            searched,
            runs=[steps],
            k=len(steps),
            views=views,
            named=offered(searched, searched.runs(), sealed=True),
            height=height,
            own_goal=self.goal.holds,
            mode="driver",
        )
        film = self.prepared.film
        wanted = OWN if self.goal.holds is not None else self.goal.bad_state
        if not film.complete:
            film.along(self.goal.miss)
        miss = self.prepared.numbers(self.goal.miss)
        self.game = self.goal.data(film.rows.bads.index(wanted) if wanted else -1, miss)
        self.prepared.game = self.game

    @property
    def run(self) -> int:
        """The number of the run on stage, counted from 0; set it to show another of `branches`.

        Raises:
            UnknownName: set to a number that no run has.
            MmvizError: set to what is not an integer.
        """
        return int(self.at["run"])

    @run.setter
    def run(self, number: SupportsIndex) -> None:
        wanted, runs = index(number, "the number of a run"), self.at["runs"]
        if not 0 <= wanted < len(runs):
            last = len(runs) - 1
            raise UnknownName(f"there is no run {quoted(wanted)}; there are runs 0 to {last}")
        self._show(runs, wanted, len(runs[wanted]))

    def choose(self, actor: str, k: SupportsIndex | None = None) -> None:
        """Let an actor take its next step after frame `k` (by default the last).

        Raises:
            ScheduleError: it is blocked there; the message says why, and which actors are enabled.
            IndexError: the run has no such frame.
            MmvizError: `k` is not an integer.
        """
        with self._turn:
            k = self.frame_at(-1 if k is None else k)
            shown, runs = self.at["run"], [list(run) for run in self.at["runs"]]
            run = self.searched.run(self.schedule[:k])
            run.step(actor)
            wanted = list(self.prepared.numbers(run.schedule))
            known = [number for number, each in enumerate(runs) if each[: k + 1] == wanted]
            if shown in known:
                which = shown
            elif known:
                which = known[0]
            elif k == len(runs[shown]):
                runs[shown], which = wanted, shown
            else:
                runs.append(wanted)
                which = len(runs) - 1
            self._show(runs, which, k + 1)

    @property
    def won(self) -> int:
        """The step of the run on stage that reached the goal, up to the cursor; -1: none has."""
        return self.goal.reached(self.the_run, self.cursor)
