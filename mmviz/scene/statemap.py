"""The map of a case's states: a column for each distance from the start."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from mmviz.engine import Case, Graph, MmvizError, Run, short
from mmviz.engine.graph import Fate

SWEEPS = 3  # over the columns, to bring states near to those before them


class Fated(StrEnum):
    """What happens in a state, before it or after it."""

    SAFE = "no run from here breaks the promise"
    OPEN = "some runs from here break the promise"
    LOST = "every run from here breaks the promise"
    DEADLOCK = "no actor can step"
    BAD = "the promise is broken here"
    AFTER = "the promise was broken on every way here"


class StateMap:
    """Every state of a case with its place and its fate.

    Attributes:
        graph: the states and moves.
        depth: of each state, its distance from the start in steps.
        fates: of each state.
        size: the largest distance, and the most states of one distance.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        count = len(graph.states)
        self.depth = [graph.depth(state) for state in range(count)]
        columns: list[list[int]] = [[] for _ in range(max(self.depth) + 1)]
        for state, depth in enumerate(self.depth):
            columns[depth].append(state)
        self.size = (len(columns) - 1, max(map(len, columns)))
        self._row = self._ordered(columns)
        self.fates = [self._fate(state) for state in range(count)]
        kept = self._kept()
        for state, fate in enumerate(self.fates):
            if state not in kept and fate is not Fated.BAD:
                self.fates[state] = Fated.AFTER

    def _moves(self) -> Iterator[tuple[int, int, int]]:
        """Yield each move: from which state, of which actor, to which."""
        for state in range(len(self.graph.states)):
            for p, target in self.graph.moves(state):
                yield state, p, target

    def _ordered(self, columns: Sequence[list[int]]) -> list[float]:
        """Return the row of each state: near to the states that lead to it."""
        middle = (self.size[1] - 1) / 2
        row = [0.0] * len(self.depth)
        before: list[list[int]] = [[] for _ in row]
        for state, _, target in self._moves():
            if self.depth[target] == self.depth[state] + 1:
                before[target].append(state)
        for _ in range(SWEEPS):
            for column in columns:
                column.sort(
                    key=lambda state: (
                        sum(row[each] for each in before[state]) / (len(before[state]) or 1),
                        state,
                    )
                )
                for place, state in enumerate(column):
                    row[state] = middle + place - (len(column) - 1) / 2
        return row

    def _kept(self) -> set[int]:
        """Return the states to which a way leads on which the promise is not broken."""
        graph, found, waiting = self.graph, {0}, [0]
        while waiting:
            state = waiting.pop()
            if self.fates[state] is not Fated.BAD:
                after = graph.target[graph.offset[state] : graph.offset[state + 1]]
                new = {*after} - found
                found |= new
                waiting += new
        return found

    def _fate(self, state: int) -> Fated:
        graph, model = self.graph, self.graph.model
        packed = graph.states[state]
        if model.violated(packed):
            return Fated.BAD
        if graph.offset[state] == graph.offset[state + 1] and not model.is_complete(packed):
            return Fated.BAD if model.is_dead(packed) else Fated.DEADLOCK
        worst = max((graph.fate(name)[state] for name in self._ever), default=0)
        if worst == Fate.UNAVOIDABLE:
            return Fated.LOST
        return Fated.OPEN if worst else Fated.SAFE

    @property
    def _ever(self) -> list[str]:
        if not hasattr(self, "_found"):
            model = self.graph.model
            self._found = sorted({b for state in self.graph.states for b in model.violated(state)})
        return self._found

    def place(self, state: int) -> tuple[float, float]:
        """Return where a state stands: its distance from the start, and its row."""
        return float(self.depth[state]), self._row[state]

    def edges(self) -> tuple[list[float], list[float]]:
        """Return all moves as one line with gaps."""
        xs, ys = [], []
        for state, _, target in self._moves():
            (x0, y0), (x1, y1) = self.place(state), self.place(target)
            xs += [x0, x1, float("nan")]
            ys += [y0, y1, float("nan")]
        return xs[:-1] or [0.0], ys[:-1] or [0.0]  # bqplot labels the last point: it is a place

    def along(self, run: Run) -> list[int]:
        """Return the number of each frame's state."""
        model = self.graph.model
        state, found = model.start, [0]
        for actor in run.schedule:
            after = model.successor(state, model.index[actor])
            if after is None:
                raise MmvizError(f"a step of {actor} is not possible in {model.case.name}")
            state = after
            found.append(self.graph.index[state])
        return found

    def schedule(self, state: int) -> tuple[str, ...]:
        """Return a shortest schedule to a state."""
        return self.graph.run_to(state)

    def tells(self, state: int) -> str:
        """Return a sentence on a state."""
        steps, fate = self.depth[state], self.fates[state]
        way = short(self.schedule(state)) or "the start"
        return f"{steps} steps from the start: {way}. {fate.capitalize()}."


def state_map_of(case: Case, most: int) -> StateMap:
    """Return the map of a case.

    Raises:
        MmvizError: the case has more than `most` states.
    """
    try:
        graph = Graph(case, most)
    except MmvizError as error:
        if "more than" not in str(error):
            raise
        raise MmvizError(
            f"{case.name} has more than {most:,} states, too many for a map; its report says "
            "what can go wrong"
        ) from None
    return StateMap(graph)
