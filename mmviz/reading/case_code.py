"""What the actors of a case may be in, and enter by a step: the functions of its code."""

from functools import cached_property
from typing import Any

from mmviz.engine import Case, Graph, Line, MmvizError, Run
from mmviz.engine.frame import label_in
from mmviz.engine.learn import Model
from mmviz.engine.location import Location
from mmviz.engine.possible import first_state
from mmviz.engine.text import printable
from mmviz.reading.also_called import also_called
from mmviz.reading.diagram import Step

MOST_LEARNED = 300_000  # states
MOST_FATES = 100_000
MOST_SAID = 100  # characters of a step in words


def function_of(location: Location) -> str:
    """Return the name of the function that the step of a location does."""
    return "" if location.step is None else location.step.label.partition("(")[0]


def sentence(text: str) -> str:
    """Return a step of a diagram as the docstring of a step, by which it is found again."""
    return " ".join(printable(text).split())[:MOST_SAID].rstrip("; .") + "."


class CaseCode:
    """The functions that each actor of a case may be in.

    Attributes:
        model: the learned case.
        functions: for each actor, the functions that it may be in, and from how many places of its
            code; a place in a loop counts twice.
        said: for each actor, the function of a step by the first line of its docstring.
        on: for an actor and the function of a step the objects on which it does that.
    """

    def __init__(self, case: Case, most: int = MOST_LEARNED) -> None:
        self.model = model = Model(case)
        _, states = first_state(model, lambda _: False, most)  # learns every location
        self.functions: dict[str, dict[str, int]] = {}
        self.said: dict[str, dict[str, str]] = {}
        self.on: dict[tuple[str, str], frozenset[str]] = {}
        for name, locations in zip(model.actors, model.locations, strict=True):
            places: dict[str, set[Any]] = {}
            for location in locations.values():
                if location.step is None:
                    continue
                self.said.setdefault(name, {})[location.step.doc] = function_of(location)
                key = name, function_of(location)
                self.on[key] = self.on.get(key, frozenset()) | {location.step.on.name}
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
        """Return what a step of the diagram names in an actor's code, "" for nothing.

        A function that no actor has may go by another name there.
        """
        own = self.functions.get(actor, {})
        words = step.text.rstrip("; ")
        exact = next((name for name in (step.name, words) if name and name in own), "")
        if not exact:
            exact = self.said.get(actor, {}).get(sentence(step.text), "")
        if exact or not step.name or any(step.name in f for f in self.functions.values()):
            return exact
        return next((name for name in also_called(step.name) if name in own), "")


def why_blocked(run: Run, actor: str) -> str:
    """Return why an actor waits at the end of a run: who holds what, since which step."""
    blocked, frames = run.blocked()[actor], run.frames
    if blocked.by and all(name != actor for name, _ in blocked.by):
        return blocked.reason
    step = run.model.location(run.tip.state, run.model.index[actor]).step
    on = "" if step is None else step.on.name
    found = []
    for name in run.model.actors:
        held = [on in [each.name for each in f.values.get(f"{name}.held", ())] for f in frames]
        if name != actor and held[-1]:
            since = len(held) - next((k for k, each in enumerate(held[::-1]) if not each), 0)
            found.append(f"{name} since step {since}")
    if not found or step is None:
        return blocked.reason
    return f"{step.label} waits: held by {' and '.join(found)}"


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


def events(before: Location | None, location: Location) -> list[str]:
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
