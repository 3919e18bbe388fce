"""Places: the lines at which the actors of a case take steps, and the results there."""

import ast
import linecache
from collections import Counter
from collections.abc import Collection
from functools import cache
from typing import Any, NamedTuple

from mmviz.engine.bits import token
from mmviz.engine.case import Case
from mmviz.engine.learn import Model
from mmviz.engine.location import Line
from mmviz.engine.search import MAX_BYTES, MAX_STATES, Search
from mmviz.engine.step import Effect, Step


class Spot(NamedTuple):
    """A place that can be removed.

    Attributes:
        line: where an actor is.
        step: the step it takes next; "" for everything called from the line.
    """

    line: Line
    step: str

    @property
    def text(self) -> str:
        """The line as written, without a comment."""
        written = linecache.getline(self.line.file, self.line.number)
        return written.partition("  #")[0].strip()

    def covers(self, lines: tuple[Line, ...], step: Step[Any]) -> bool:
        """Tell whether a coroutine that waits for a step at these lines is at this place."""
        if self.step:
            return step.body.__name__ == self.step and lines[-1] == self.line
        return self.line in lines[:-1]


def spot_of(lines: tuple[Line, ...], step: Step[Any]) -> Spot:
    """Return the innermost place at which an actor takes a step."""
    return Spot(lines[-1], step.body.__name__)


class Watched(Model):
    """A model that records the results at each place, and where locks are taken and dropped.

    Attributes:
        heard: the results known from each place, by their token.
        takes, drops: the places whose step takes, or drops, the lock it acts on.
        states: number of reachable states.
    """

    def __init__(self, case: Case) -> None:
        self.heard: dict[Spot, dict[Any, Any]] = {}
        self.takes: set[Spot] = set()
        self.drops: set[Spot] = set()
        self.states = 0
        super().__init__(case)

    def execute(self, state: int, p: int, step: Step[Any]) -> Effect:
        """Run a step, and record its result and what it did to the locks."""
        effect = super().execute(state, p, step)
        if not effect.blocked and not effect.oops:
            at = spot_of(self.location(state, p).lines, step)
            self.heard.setdefault(at, {})[token(effect.answer)] = effect.answer
            slot = self.tasks[p]._at["held"]
            if slot in effect.writes:
                bits = self.bits[slot]
                before = bits.values[state & bits.mask].count(step.on)
                after = effect.writes[slot].count(step.on)
                if before != after:
                    (self.takes if after > before else self.drops).add(at)
        return effect

    def below(self, spot: Spot) -> set[Spot]:
        """Return the innermost places that an actor may be at while it is at this one."""
        return {
            inner
            for known in self.locations
            for location in known.values()
            if location.step is not None
            and (
                (inner := spot_of(location.lines, location.step)) == spot
                or (not spot.step and spot.line in location.lines[:-1])
            )
        }


class WatchedSearch(Search):
    """A whole search that watches its model."""

    learns = Watched


def watched(case: Case) -> Watched:
    """Search a whole case; return its model, with everything recorded on the way."""
    search = WatchedSearch(case, MAX_STATES, MAX_BYTES, None, None)
    model = search.model
    assert isinstance(model, Watched)
    model.states = len(search.parent)
    return model


def passed(model: Watched) -> dict[Spot, set[tuple[int, int]]]:
    """Return each place of a case with the locations that are at it, or below it.

    A location is identified by the number of its actor and its id.
    """
    where: dict[Spot, set[tuple[int, int]]] = {}
    for p, known in enumerate(model.locations):
        for location in known.values():
            # what the environment decides is no line of the case's code
            if location.step is not None and location.step.cite != "environment":
                outer = (Spot(line, "") for line in location.lines[:-1])
                for spot in (*outer, spot_of(location.lines, location.step)):
                    where.setdefault(spot, set()).add((p, id(location)))
    return where


def spots(model: Watched, files: Collection[str] = ()) -> list[Spot]:
    """Return the lines that can be removed from a case, those of the scenario's own file first.

    Lines with the same locations count as one: the innermost in the scenario's own file.

    Args:
        model: the watched model of the case.
        files: the files that stand for the scenario's own; none for the one that most actors are
            written in.
    """
    where = passed(model)
    inner = [here for spot, here in where.items() if spot.step]
    outermost = Counter(model.location(model.start, p).lines[:1] for p in range(len(model.actors)))
    home = files or {line.file for line in outermost.most_common(1)[0][0]}
    named: dict[frozenset[tuple[int, int]], Spot] = {}
    for spot, here in sorted(where.items(), key=lambda pair: -len(pair[1])):  # outermost first
        if spot.step or any(here == part or (here & part and part - here) for part in inner):
            known = named.get(frozenset(here))
            if known is None or spot.line.file in home or known.line.file not in home:
                named[frozenset(here)] = spot
    return sorted(named.values(), key=lambda spot: (spot.line.file not in home, spot))


def uses_answer(line: Line) -> bool:
    """Tell whether the code uses the result of a line."""
    return line.number in _answers_used(line.file)


@cache
def _answers_used(file: str) -> frozenset[int]:
    """Return the numbers of the lines of a file on which a result is used."""
    tree = ast.parse("".join(linecache.getlines(file)))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return frozenset(
        number
        for node in ast.walk(tree)
        if isinstance(node, ast.Await) and id(node) not in alone
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    )
