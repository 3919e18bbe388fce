"""A diagram beside a case: can its rows happen in their order, and what do they break?

A row of the diagram that names a function stands for the step by which its actor enters that
function, or does it. Between rows any actor may take other steps: a shortest run fills them in.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cached_property
from itertools import pairwise, permutations
from typing import Any

from mmviz.engine import Case, Fate, Graph, Line, MmvizError, Run
from mmviz.engine.explore import uncollected
from mmviz.engine.frame import label_in
from mmviz.engine.learn import Model
from mmviz.engine.location import Location
from mmviz.engine.possible import first_state
from mmviz.reading.diagram import (
    FEASIBLE,
    HARMLESS,
    INFEASIBLE,
    UNKNOWN,
    Diagram,
    Match,
    Step,
    Unmatched,
)

MOST_NODES = 300_000  # states, each with the number of rows that have happened
MOST_FATES = 100_000
DEADLOCK = "deadlock"
MOST_ACTORS = 6  # of a case that are tried for the columns
NOTHING: frozenset[str] = frozenset()
BEST_FIRST = (FEASIBLE, HARMLESS, INFEASIBLE, UNKNOWN)


def match(diagram: Diagram, case: Case) -> Match | None:
    """Return what a case says of a diagram; None if it has none of its functions.

    Raises:
        ModelError: the case breaks a rule of the engine.
    """
    with uncollected():
        code = _Code(case)
        found = []
        for actors in _assignments(diagram, code):
            best = _Fit(diagram, code, actors).judged()
            if best.verdict in (INFEASIBLE, UNKNOWN) and not best.waits:
                lenient = _Fit(diagram, code, actors, lenient=True).judged()
                best = best if lenient.verdict == INFEASIBLE else lenient
            found.append(best)
    return min(found, key=lambda each: BEST_FIRST.index(each.verdict), default=None)


# -- the functions of a case -------------------------------------------------------------------


def function_of(location: Location) -> str:
    """Return the name of the function that the step of a location does."""
    return "" if location.step is None else location.step.label.partition("(")[0]


class _Code:
    """The functions that each actor of a case may be in."""

    def __init__(self, case: Case) -> None:
        self.model = model = Model(case)
        _, states = first_state(model, lambda _: False, MOST_NODES)  # learns every location
        #: For each actor, the functions that it may be in, and from how many places of its code;
        #: a place in a loop counts twice.
        self.functions: dict[str, dict[str, int]] = {}
        for name, locations in zip(model.actors, model.locations, strict=True):
            places: dict[str, set[Any]] = {}
            for location in locations.values():
                if location.step is None:
                    continue
                lines, again = location.lines, _comes_again(location)
                at = [(line.function, lines[:depth]) for depth, line in enumerate(lines)]
                for function, place in [*at, (function_of(location), lines)]:
                    places.setdefault(function, set()).add(place)
                    if again:
                        places[function].add((place, "again"))
            self.functions[name] = {function: len(at) for function, at in places.items()}
            if name in case.environment:
                p = model.index[name]
                can = (state for state in states if model.successor(state, p) is not None)
                decided = {decision(model, state, p) for state in can}
                self.functions[name] |= dict.fromkeys(decided, 2)

    @cached_property
    def graph(self) -> Graph | None:
        """All states and what can still happen in them; None where there are too many."""
        try:
            return Graph(self.model.case, MOST_FATES, model=self.model)
        except MmvizError:
            return None

    def named(self, step: Step, actor: str) -> str:
        """Return what a step of the diagram names in an actor's code, "" for nothing."""
        own = self.functions.get(actor, {})
        words = step.text.rstrip("; ")
        return next((name for name in (step.function, words) if name and name in own), "")


def decision(model: Model, state: int, p: int) -> str:
    """Return what the environment decides by its step in a state, in words."""
    step = model.location(state, p).step
    return "" if step is None else label_in(model, state, model.actors[p], step)


def _comes_again(location: Location) -> bool:
    """Tell whether an actor may take the step of a location more than once."""
    seen, ahead = set(), [*location.after]
    while ahead:
        here = ahead.pop()
        if here is location:
            return True
        if here not in seen:
            seen.add(here)
            ahead += here.after
    return False


def _assignments(diagram: Diagram, code: _Code) -> list[tuple[str, ...]]:
    """Return the actors that the columns may be: those whose functions the columns name most."""
    asked: list[list[Step]] = [[] for _ in diagram.columns]
    for step in diagram.steps:
        asked[step.column - 1].append(step)
    actors = [*code.model.actors[:MOST_ACTORS]]
    actors += [""] * max(0, len(asked) - len(actors))
    best = 0.0
    found: list[tuple[str, ...]] = []
    for chosen in dict.fromkeys(permutations(actors, len(asked))):
        has = [
            sum(bool(code.named(step, actor)) for step in steps)
            for actor, steps in zip(chosen, asked, strict=True)
        ]
        same = sum(
            _plain(actor) == _plain(name)
            for actor, name in zip(chosen, diagram.columns, strict=True)
        )
        score = sum(has) + same / 10
        if sum(has) and score >= best:
            found = [*found, chosen] if score == best else [chosen]
            best = score
    return found[:4]


def _plain(name: str) -> str:
    return "".join(sign for sign in name.lower() if sign.isalnum())


# -- one assignment ----------------------------------------------------------------------------

Node = tuple[int, int, tuple[Location | None, ...]]
"""A packed state, how many rows have happened, and where each actor took its last step."""


class _Fit:
    """A diagram whose columns are certain actors of a case."""

    def __init__(
        self, diagram: Diagram, code: _Code, actors: tuple[str, ...], lenient: bool = False
    ) -> None:
        self.diagram, self.code, self.actors = diagram, code, actors
        self.model = code.model
        self.unmatched: list[Unmatched] = []
        self.rows: list[tuple[int, int, str]] = []  # (number of the step, actor, function)
        for number, step in enumerate(diagram.steps, 1):
            actor = actors[step.column - 1]
            if named := code.named(step, actor):
                self.rows.append((number, self.model.index[actor], named))
            else:
                self.unmatched.append(self._missing(number, step, actor))
        self.parent: dict[Node, tuple[Node, int] | None] = {}
        #: For each number of rows that have happened, what may not be filled in, because a later
        #: row of the same actor draws it. A lenient fit allows what its code does in several
        #: places: the diagram may draw only the last of them.
        self.kept = [self._kept(done, lenient) for done in range(len(self.rows) + 1)]

    def _kept(self, done: int, lenient: bool) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        for _, p, function in self.rows[done:]:
            if not lenient or self.code.functions[self.model.actors[p]][function] == 1:
                found.setdefault(p, set()).add(function)
        return found

    def _missing(self, number: int, step: Step, actor: str) -> Unmatched:
        if not step.function:
            return Unmatched(number, "names no function")
        near = get_close_matches(step.function, self.code.functions.get(actor, ()), 3, 0.6)
        if not actor:
            return Unmatched(number, "the case has no actor for its column")
        who = [name for name, own in self.code.functions.items() if step.function in own]
        if who:
            return Unmatched(number, f"{' and '.join(who)} does it, not {actor}", tuple(near))
        return Unmatched(number, f"{actor} does not do it", tuple(near))

    def judged(self) -> Match:
        """Return the verdict."""
        ends, cut = self._ends()
        if not ends and cut:
            return self._match(UNKNOWN, None, f"not decided: more than {MOST_NODES:,} states", None)
        if not ends:
            return self._stuck()
        wrong = [node for node in ends if self._broken(node)]
        if wrong:
            end = wrong[0]
            names = self._broken(end)
            why = f"it can happen in this order, and ends in {_listed(names)}"
            return self._match(FEASIBLE, None, why, end, names)
        end = ends[0]
        bound = self._unavoidable(end[0])
        if bound:
            then = f"after its last row {_listed(bound)} is unavoidable"
            why = f"it can happen in this order, and {then}"
            return self._match(FEASIBLE, None, why, end, bound)
        return self._match(
            HARMLESS, None, "it can happen in this order, and breaks nothing by its last row", end
        )

    def _unavoidable(self, state: int) -> list[str]:
        graph = self.code.graph
        if graph is None:
            return []
        at, names = graph.index[state], sorted(self.model.case.bad_states)
        return [name for name in names if graph.fate(name)[at] == Fate.UNAVOIDABLE]

    # -- the search ------------------------------------------------------------------------

    def _ends(self) -> tuple[list[Node], bool]:
        """Return the nearest nodes in which all rows have happened, and whether it was cut.

        The first is the nearest. Unless its rows are the whole run, the search goes on for one
        in which something is violated.
        """
        model = self.model
        start: Node = (model.start, 0, (None,) * len(model.actors))
        self.parent = {start: None}
        queue, ends = deque([start]), []
        while queue:
            node = queue.popleft()
            if node[1] == len(self.rows):
                ends.append(node)
                if self._broken(node) or self._fills_nothing(node):
                    return ends, False
                continue
            for p, after in self._moves(node):
                if after not in self.parent:
                    self.parent[after] = (node, p)
                    queue.append(after)
            if len(self.parent) > MOST_NODES:
                return ends, True
        return ends, False

    def _broken(self, node: Node) -> list[str]:
        """Return what a node has come to: the bad states violated, or a deadlock."""
        found = sorted(self.model.violated(node[0]))
        return found or ([DEADLOCK] if self._is_deadlock(node[0]) else [])

    def _is_deadlock(self, state: int) -> bool:
        model = self.model
        if model.is_dead(state) or model.is_complete(state):
            return False
        return all(model.successor(state, p) is None for p in range(len(model.actors)))

    def _fills_nothing(self, node: Node) -> bool:
        """Tell whether the rows are the whole run."""
        return all(here[1] < after[1] for here, after in pairwise(self._path(node)))

    def _moves(self, node: Node) -> Iterator[tuple[int, Node]]:
        state, done, last = node
        if self.model.is_dead(state):
            return
        for p in range(len(self.model.actors)):
            location = self.model.location(state, p)
            if location.step is None:
                continue
            after = self.model.successor(state, p)
            if after is None:
                continue
            where = (*last[:p], location, *last[p + 1 :])
            events = self._events(state, p, last[p], location)
            most = self._happening(p, done, events)
            if most > done:
                yield p, (after, most, where)
            if self.kept[done].get(p, NOTHING).isdisjoint(events):
                yield p, (after, done, where)

    def _events(self, state: int, p: int, before: Location | None, location: Location) -> list[str]:
        if self.model.actors[p] in self.model.case.environment:
            return [decision(self.model, state, p)]
        return _events(before, location)

    def _happening(self, p: int, done: int, events: list[str]) -> int:
        """Return how many rows have happened once an actor has done something."""
        for event in events:
            if done < len(self.rows) and self.rows[done][1:] == (p, event):
                done += 1
        return done

    # -- the verdict -----------------------------------------------------------------------

    def _stuck(self) -> Match:
        """Return the verdict where no run has all rows: the furthest that one gets, and why."""
        model = self.model
        most = max(done for _, done, _ in self.parent)
        there = [node for node in self.parent if node[1] == most]
        number, p, function = self.rows[most]
        step = self.diagram.steps[number - 1]
        line, actor = step.rows[0], model.actors[p]
        dead = [node for node in there if model.is_dead(node[0])]
        waits = [node for node in there if self._waits_for(node, p, most)]
        stuck = next((node for node in waits if self._is_deadlock(node[0])), None)
        if stuck is not None and self._is_last(most):
            text = f"it can happen in this order, and {actor} waits at line {line}: deadlock"
            return self._match(FEASIBLE, line, text, stuck, [DEADLOCK])
        if waits:
            why = self._run(waits[0]).blocked()[actor].reason
            text = f"infeasible at line {line}, {step.text}: {actor} is blocked there, {why}"
            return self._match(INFEASIBLE, line, text, waits[0], waits=True)
        if dead:
            broken = sorted(model.violated(dead[0][0]))
            text = (
                f"it can happen in this order up to line {line}: before it {_listed(broken)} "
                "stops the machine"
            )
            return self._match(FEASIBLE, line, text, dead[0])
        done = all(model.is_done(node[0], p) for node in there)
        why = "it has finished by then" if done else f"no run enters {function}() there"
        text = f"infeasible at line {line}, {step.text}: {actor} cannot take it, {why}"
        return self._match(INFEASIBLE, line, text, there[0])

    def _is_last(self, most: int) -> bool:
        """Tell whether the rows that have not happened are the last of their actors."""
        rest = [p for _, p, _ in self.rows[most:]]
        return len(set(rest)) == len(rest)

    def _waits_for(self, node: Node, p: int, done: int) -> bool:
        state, _, last = node
        location = self.model.location(state, p)
        if location.step is None or self.model.is_dead(state):
            return False
        comes = self._happening(p, done, self._events(state, p, last[p], location)) > done
        return comes and self.model.successor(state, p) is None

    def _path(self, node: Node) -> list[Node]:
        """Return the nodes on the way to a node, the start first."""
        found = [node]
        while (before := self.parent[found[-1]]) is not None:
            found.append(before[0])
        return found[::-1]

    def _run(self, node: Node) -> Run:
        """Return the run to a node."""
        run = Run(self.model.case, self.model)
        for each in self._path(node)[1:]:
            before = self.parent[each]
            assert before is not None
            run.step(self.model.actors[before[1]])
        return run

    def _match(
        self,
        verdict: str,
        line: int | None,
        reason: str,
        node: Node | None,
        violated: Sequence[str] = (),
        waits: bool = False,
    ) -> Match:
        at = [0] * len(self.diagram.steps)
        filled: list[tuple[int, str, str]] = []
        schedule: tuple[str, ...] = ()
        if node is not None:
            run = self._run(node)
            schedule = run.schedule
            for k, (here, after) in enumerate(pairwise(self._path(node)), 1):
                for row in range(here[1], after[1]):
                    at[self.rows[row][0] - 1] = k
                if here[1] == after[1]:
                    filled.append((k, run.frames[k].actor, run.frames[k].label))
            violated = violated or sorted(self.model.violated(node[0]))
        return Match(
            self.model.case,
            self.actors,
            verdict,
            line,
            reason,
            schedule,
            tuple(at),
            tuple(violated),
            tuple(self.unmatched),
            tuple(filled),
            waits,
        )


def _events(before: Location | None, location: Location) -> list[str]:
    """Return the functions that an actor enters by a step, the outermost first, and does by it."""
    inside: tuple[Line, ...] = () if before is None else before.lines
    lines = location.lines
    same = 0
    while same < min(len(inside), len(lines)) and inside[same][:2] == lines[same][:2]:
        if inside[same].number != lines[same].number:
            same += 1
            break
        same += 1
    again = bool(inside) and inside[: len(lines)] >= lines and same == len(lines) == len(inside)
    entered = lines[same:] if not again or inside[-1].number < lines[-1].number else lines[-1:]
    found = [line.function for line in entered]
    function = function_of(location)
    return found if function in found else [*found, function]


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
