"""A diagram that no case of the catalogue has, as a stage: its steps in its order, no claim.

A step of the drawing changes nothing but how far its column has come. Nothing of the text is run:
an actor is a function whose lines only say "do the next step", see `lines.py`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from mmviz.engine import Case, Map, Struct, World, atomic, field
from mmviz.engine.text import printable
from mmviz.reading.diagram import Cell, Diagram, Step
from mmviz.reading.lines import Line, actor

MOST_STEPS = 250  # of a diagram on a stage
MOST_COLUMNS = 12
MOST_ORDERS = 20_000  # states of a diagram without an order
MOST_LETTERS = 160  # of a step on a stage
DIAGRAM = "diagram"
AS_DRAWN = "as it is drawn"
CLAIM = "Nothing is claimed: no case of the catalogue is recognised in this diagram"
NOTE = "There is no machine: a step of the diagram changes nothing but how far its column is."
BESIDE = ("remark", "state")


class Sheet(NamedTuple):
    """What stands in a diagram: its cells, and the heading of each column that takes steps."""

    cells: tuple[Cell, ...] = ()
    headings: Mapping[int, str] = MappingProxyType({})


class Place(NamedTuple):
    """The step that an actor took last, and its line; 0 before the first."""

    step: int = 0
    line: int = 0


class DrawnColumn(Struct):
    """A column of a diagram.

    Attributes:
        at: how far its actor is.
    """

    at: Place = Place()


class DrawnDiagram(World):
    """The columns of a diagram by number.

    Attributes:
        sheet: what is drawn, a part of the class: no state.
    """

    sheet: ClassVar[Sheet] = Sheet()
    columns: Map[int, DrawnColumn] = field(default_factory=lambda: Map({}))


def too_long(diagram: Diagram) -> str:
    """Say why a diagram gets no stage, "" if it gets one."""
    steps, columns = len(diagram.steps), len({step.column for step in diagram.steps})
    if diagram.refused or not steps:
        return "nothing of it was read"
    if steps > MOST_STEPS or columns > MOST_COLUMNS:
        return f"a stage has at most {MOST_STEPS} steps and {MOST_COLUMNS} columns"
    return ""


def drawn_case(diagram: Diagram) -> Case:
    """Return the case of a diagram that gets a stage: a column an actor, a step a step.

    What the text gives an order can be stepped through in that order only; else in every order.
    """
    steps = dict(enumerate(diagram.steps, 1))
    own = {
        column: [number for number, step in steps.items() if step.column == column]
        for column in sorted({step.column for step in steps.values()})
    }
    called = actor_names([diagram.columns[column - 1] for column in own])
    names = dict(zip(own, called, strict=True))
    is_free = not diagram.ordered and prod(len(each) + 1 for each in own.values()) <= MOST_ORDERS
    cells = tuple(_short(cell) for cell in diagram.rows if cell.kind != "blank")
    headings = {number: _plain(heading) for number, heading in enumerate(diagram.columns, 1)}
    drawn = type("DrawnDiagram", (DrawnDiagram,), {"sheet": Sheet(cells, headings)})

    def world() -> DrawnDiagram:
        made: DrawnDiagram = drawn(
            columns=Map({column: DrawnColumn(name=f"column {column}") for column in own})
        )
        return made

    def line(number: int) -> Line:
        before = number - 1 if number > 1 and not is_free else 0
        after = steps[before].column if before else 0
        return _line(number, steps[number], after, cells)

    order = [names[step.column] for step in steps.values()]
    return Case(
        name="Diagram",
        world=world,
        actors={
            names[column]: actor(names[column], [line(number) for number in numbers], DIAGRAM)
            for column, numbers in own.items()
        },
        bad=(),
        title="The diagram as it is drawn" if diagram.ordered else "It gives no order: choose one",
        promise=CLAIM,
        kind=DIAGRAM,
        note=NOTE,
        memory=AS_DRAWN,
        schedules={AS_DRAWN: " ".join(order)},
        declares=False,
    )


def _line(number: int, step: Step, before: int, cells: Sequence[Cell]) -> Line:
    """Return a step as a line of an actor; it waits for the step before it, of column `before`."""
    words, mine, here = _plain(step.text), step.column, Place(number, step.rows[0])

    def body(k: DrawnDiagram) -> None:
        k.columns[mine].at = here

    def turn(k: DrawnDiagram) -> bool:
        return k.columns[before].at.step >= number - 1

    body.__name__, body.__qualname__ = words, f"step {number}"
    body.__doc__ = "  ".join(beside(number, cells))
    body.__dict__["label"] = words
    describe: Callable[[Any], Any] = atomic(
        f"line {step.rows[0]} of the diagram", when=turn if before and before != mine else None
    )(body)
    return Line(words, lambda k: describe(k))


def beside(number: int, cells: Sequence[Cell]) -> Iterator[str]:
    """Yield the remarks and states that belong to a step."""
    for cell in cells:
        if cell.step == number and cell.kind in BESIDE and cell.text.strip():
            yield _plain(cell.text)


def _plain(text: str) -> str:
    return " ".join(printable(text).split())[:MOST_LETTERS]


def _short(cell: Cell) -> Cell:
    return cell._replace(text=_plain(cell.text))


def actor_names(headings: Sequence[str]) -> list[str]:
    """Return names for actors, as schedules write them: one word each, no two alike."""
    found: list[str] = []
    for number, heading in enumerate(headings):
        word = re.sub(r"\W+", "", heading.partition("(")[0], flags=re.A)[:20]
        is_call = "(" in heading and not heading[heading.index("(") - 1 :].startswith(" ")
        if not word or word[0].isdigit() or is_call:
            word = f"column{number + 1}"
        while word in found:
            word += f"_{number + 1}"
        found.append(word)
    return found
