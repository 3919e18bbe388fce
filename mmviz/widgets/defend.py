"""Defend a fix: the tool schedules the worst legal run, and says at each step why."""

from typing import Any

from mmviz.engine import Case, table
from mmviz.lessons.attack import Worst, worst
from mmviz.lessons.exercise import exercise_of
from mmviz.scenarios import Named, one_case
from mmviz.scene.searched import SearchedCase
from mmviz.widgets.player import OWN, Player
from mmviz.widgets.stage import HEIGHT

WORST = "the worst run"


class Defence(Player):
    """The worst legal run of a case on a stage; the note on each step says why this actor went.

    Args:
        case: the case.
        height: of the stage in pixels.

    Attributes:
        worst: the run, the reasons, what it reaches, and the nearest miss.
    """

    worst: Worst

    def __init__(self, case: Case, height: int = HEIGHT) -> None:
        searched = SearchedCase(case)
        found = worst(case, searched.report, searched.model)
        super().__init__(case, found.schedule, height=height)
        self.worst = found
        if OWN in self.schedules:
            self.schedules = {WORST if n == OWN else n: run for n, run in self.schedules.items()}
            self.named = [
                each | {"name": WORST} if each["name"] == OWN else each for each in self.named
            ]
            self._shown = WORST
        numbers = [str(number) for number in self.prepared.numbers(found.schedule)]
        told = {",".join(numbers[: k + 1]): why for k, why in enumerate(found.reasons)}
        self.notes = {"": found.text} | told

    def __str__(self) -> str:
        return f"{self.worst}\n\n{table(self.the_run)}"


def defend(fix: Named | Case | type, case: str = "", *, height: int = HEIGHT) -> Defence:
    """Let the tool attack a fix: step through the worst legal run, and see why each actor goes.

    Where the fix holds, the search has covered every state, and the run goes to the nearest miss:
    a state that one field keeps from being bad.

    Args:
        fix: a case; or a race, a scenario, or its name, "thread/race", or the path of a file; or a
            class that derives from an exercise's `given`.
        case: the case's name or id, where there are several.
        height: of the stage in pixels.

    Returns:
        A `Player` with a note on each step; `print` writes the run and the reasons.

    Raises:
        UnknownName: nothing has that name; the message suggests the nearest.
        ModelError: the code breaks a rule of the engine; the message says where, and what to write.

    Example:
        mmviz.defend("iommu_group/release_order", "ReleaseUnderMutex")
    """
    given: Any = fix
    asked = exercise_of(given) if isinstance(given, type) else None
    chosen = one_case(given, case) if asked is None else asked.cast(given, given.__name__)
    return Defence(chosen, height)
