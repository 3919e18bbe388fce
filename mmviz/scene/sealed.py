"""The film of a run up to a question: nothing that comes after it is in the tables.

It has no state beyond the question, no fates, no reason why an actor waits, no complaint that only
the search knows, and nothing that is said of a step which has not run.
"""

from collections.abc import Iterable
from typing import Any

from mmviz.engine.scenario import scenario_of
from mmviz.engine.text import printable
from mmviz.scene.film import Film
from mmviz.scene.film_rows import Memory, Rows
from mmviz.scene.searched import SearchedCase

UNSAID = 2  # columns of a row of `steps` that are code; what is said of it follows


class SealedRows(Rows):
    """Rows that do not tell which actor can go."""

    def __init__(self, searched: SearchedCase, memory: Memory | None = None) -> None:
        super().__init__(searched, memory)
        self.bads = list(searched.case.bad_states)
        self._bad_numbers = {name: number for number, name in enumerate(self.bads)}

    def state(self, state: int) -> list[Any]:
        """Return the row of a packed state, without how a run that is there ends."""
        *row, _end = super().state(state)
        return [*row, ""]

    def _block(self, state: int, p: int, is_dead: bool) -> int:
        return -1


class SealedFilm(Film):
    """The film of one run, up to where a question is asked.

    Args:
        searched: the case.
        memory: its picture of memory.
        schedule: the run; each step is possible.
    """

    made_of = SealedRows

    def __init__(
        self, searched: SearchedCase, memory: Memory | None, schedule: Iterable[str]
    ) -> None:
        super().__init__(searched, memory, most=0)
        model, state, ran = self.model, self.model.start, set()
        for actor in schedule:
            p, number = model.index[actor], self.numbers[state]
            after = model.successor(state, p)
            assert after is not None, "a run up to a question is possible"
            ran.add(self.tables["states"][number][1][p])
            move = [number, p, self._number(after), *self.rows.deed(state, p)]
            if move not in self.tables["moves"]:
                self.tables["moves"].append(move)
            state = after
        self.tables["opened"].extend(range(len(self.packed)))
        for number, step in enumerate(self.tables["steps"]):
            if number not in ran:
                step[UNSAID:] = [""] * len(step[UNSAID:])

    def whole(self) -> bool:
        """Film nothing more."""
        return False

    def open(self, number: int) -> None:
        """Film nothing more."""

    def along(self, schedule: Iterable[str]) -> list[int]:
        """Film nothing more; return the numbers of the states of a run that are here."""
        del schedule
        return list(range(len(self.packed)))

    def find_fates(self) -> None:
        """Tell nothing of what is still possible."""

    def head(self) -> dict[str, Any]:
        """Return what is true of the whole case and no answer; the case's own note may be one."""
        left_out = printable(scenario_of(self.searched.case).simplified)
        return super().head() | {
            "sealed": True,
            "title": printable(self.searched.case.name),
            "subtitle": "",
            "goal": "",
            "limits": left_out or "The case does not say.",
        }
