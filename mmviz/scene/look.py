"""Pictures of single states, made of parts that each depend on few fields.

A part is a pure function of the fields that it reads, so it is drawn once for each combination of
their values, and all states share what it drew.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mmviz.engine import Model
from mmviz.engine.location import Location
from mmviz.engine.witness import Witnesses
from mmviz.scene.marks import Mark

Drawing = tuple[Mark, ...]
LEAKED = "leaked"  # the question whether some fields are wrong at the end


class Look(Mapping[str, Any]):
    """One state as a part reads it, which notes what it read.

    Args:
        model: the learned case.
        state: the packed state.
        witnesses: of the case; without them no object is seen to be leaked.
    """

    def __init__(self, model: Model, state: int, witnesses: Witnesses | None = None) -> None:
        self._model, self._state, self._witnesses = model, state, witnesses
        self._leaked: frozenset[str] | None = None
        self._cells = model.cells(state)
        self._at = {path: slot for slot, path in enumerate(model.ledger.paths)}
        self.noted: list[tuple[str, Any]] = []

    def __getitem__(self, path: str) -> Any:
        """Return the value of a field."""
        value = self.answer(path)
        self.noted.append((path, value))
        return value

    def get(self, path: str, default: Any = None) -> Any:
        """Return the value of a field, or `default` if the case has no such field."""
        return self[path] if path in self._at else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)

    def inside(self, actor: str) -> tuple[str, ...]:
        """Return the functions that an actor is in, outermost first; () once it has finished."""
        question = f"inside {actor}"
        value = self.answer(question)
        self.noted.append((question, value))
        return tuple(value)

    def at(self, actor: str) -> Location:
        """Return where an actor is: its next step, and the steps and answers before that."""
        question = f"at {actor}"
        value: Location = self.answer(question)
        self.noted.append((question, value))
        return value

    def leaks(self, paths: Iterable[str]) -> bool:
        """Tell whether a run ends here with a bad state that one of these fields witnesses.

        The bad state is judged at the end of a run: nothing is going to change the field.
        """
        if not self._model.judge.ends:
            return False
        question = "\n".join((LEAKED, *paths))
        value = bool(self.answer(question))
        self.noted.append((question, value))
        return value

    def _at_the_end(self) -> frozenset[str]:
        """Return the fields that witness what is violated at the end of a run."""
        if self._leaked is None:
            model, found = self._model, set[int]()
            if self._witnesses is not None and model.is_complete(self._state):
                found = self._witnesses.of_state(self._state, model.judge.end(self._state))
            self._leaked = frozenset(model.ledger.paths[slot] for slot in found)
        return self._leaked

    def answer(self, question: str) -> Any:
        """Return what `self[path]`, `inside`, `at` or `leaks` would, without a note."""
        if question in self._at:
            return self._cells[self._at[question]]
        if question.startswith(LEAKED):
            return not self._at_the_end().isdisjoint(question.split("\n"))
        if question.startswith("at "):
            return self._model.location(self._state, self._model.index[question[3:]])
        number = self._model.index[question.removeprefix("inside ")]
        return tuple(line.function for line in self._model.location(self._state, number).lines)


class Part:
    """A part of a picture.

    Args:
        key: what it shows, "object:page 7".
        draw: draws it in one state; depends on nothing but what it reads from the look.

    Attributes:
        drawn: each of its different drawings, in the order in which they were first met.
    """

    def __init__(self, key: str, draw: Callable[[Look], Iterable[Mark]]) -> None:
        self.key, self._draw = key, draw
        self.drawn: list[Drawing] = []
        self._numbers: dict[Drawing, int] = {}
        self._tree: Any = None  # a number in `drawn`; or a question, and a tree for each answer

    def number(self, look: Look) -> int:
        """Return the number of the drawing of a state."""
        node = self._tree
        while isinstance(node, tuple):
            question, branches = node
            answer = look.answer(question)
            node = branches.get((answer.__class__, answer))
        return self._learn(look) if node is None else int(node)

    def _learn(self, look: Look) -> int:
        """Draw a state that is new to this part, and remember on what the drawing depends."""
        look.noted = []
        drawing = tuple(self._draw(look))
        number = self._numbers.setdefault(drawing, len(self.drawn))
        if number == len(self.drawn):
            self.drawn.append(drawing)
        asked = dict(look.noted)
        tree: Any = number
        rest = [(question, (answer.__class__, answer)) for question, answer in asked.items()]
        node = self._tree
        while rest and isinstance(node, tuple):
            question, key = rest.pop(0)
            assert node[0] == question, "what a part reads depends on more than what it has read"
            if key not in node[1]:
                for other, answer in reversed(rest):
                    tree = (other, {answer: tree})
                node[1][key] = tree
                return number
            node = node[1][key]
        for other, answer in reversed(rest):
            tree = (other, {answer: tree})
        self._tree = tree
        return number
