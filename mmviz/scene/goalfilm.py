"""A film in which the states that a reader is to reach are marked as bad states are."""

from mmviz.engine.condition import Holds
from mmviz.scene.film import Film
from mmviz.scene.film_rows import Memory
from mmviz.scene.searched import SearchedCase

OWN = "your_goal"


class GoalFilm(Film):
    """The film of a case with one more bad state, which breaks no promise.

    Args:
        searched: the case.
        memory: its picture of memory.
        holds: whether a packed state is the goal.

    Attributes:
        goal: its number among the bad states.
    """

    def __init__(self, searched: SearchedCase, memory: Memory, holds: Holds) -> None:
        self._holds, self.goal = holds, -1
        super().__init__(searched, memory)
        self.goal = self.rows.number_of(OWN)
        self._mark(0)

    def _number(self, state: int) -> int:
        before = len(self.packed)
        number = super()._number(state)
        if number == before and self.goal >= 0:
            self._mark(number)
        return number

    def _mark(self, number: int) -> None:
        """Note in the row of a state that it is the goal, if it is."""
        if self._holds(self.packed[number]):
            self.tables["states"][number][3].append(self.goal)

    def find_fates(self) -> None:
        """Tell of each state what can still happen; of the goal, too."""
        before = len(self.tables["fates"])
        super().find_fates()
        rows, graph, at = self.tables["fates"][before:], self._whole_graph, self.goal
        if not rows or graph is None:
            return
        wanted = [number for number, state in enumerate(graph.states) if self._holds(state)]
        fates = graph.fates_before(wanted)
        for row in rows:
            fate = str(fates[graph.index[self.packed[row[0]]]])
            row[1] = row[1][:at] + fate + row[1][at + 1 :]
