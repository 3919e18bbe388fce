"""A diagram as it was drawn: rows down the page, what has happened, and the line that is reached.

It is the picture of memory of a stage that only has a diagram: it has no machine.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from mmviz.reading.diagram import Cell
from mmviz.reading.drawn import DrawnColumn, DrawnDiagram
from mmviz.scene.cards import Card, Wording
from mmviz.scene.cards import rows as rows_of
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import ARRANGERS, Arranged, Picture
from mmviz.scene.marks import Box, Line, Mark, Text, shorten
from mmviz.scene.places import MARGIN, Places, Spot
from mmviz.scene.shapes import Shapes

WIDTH, GUTTER, APART = 88.0, 4.0, 2.0  # cells of the sheet, of the line numbers, between columns
LINE = 0  # of what a cell is, its place: the number of its line
LEAST, MOST = 14, 46  # characters of a column
QUIET = {"remark": "label", "state": "held", "elided": "label", "line": "label"}
BELOW = ("remark", "state")  # what may stand under the step that it belongs to


class Placed(NamedTuple):
    """A cell of the diagram, and where it stands on the sheet."""

    cell: Cell
    x: float
    y: float
    text: str


@rows_of.register
def _(column: DrawnColumn) -> Iterator[tuple[Any, Wording]]:
    yield "at", lambda place: f"line {place.line}" if place.line else "the start"


def arranged(shapes: Shapes, shown: Mapping[str, Card], top: float) -> Arranged | None:
    """Place the rows of a diagram below each other."""
    world = shapes.reach.world
    if not isinstance(world, DrawnDiagram):
        return None
    sheet, columns = world.sheet, dict(world.columns.items())
    edges, width = _edges(sheet.cells, len(sheet.headings))
    placed = list(_placed(sheet.cells, edges, top + 1.4))
    height = max((each.y for each in placed), default=top) + 1.6

    def drawn(_picture: Picture) -> Iterator[Part]:
        yield Part("diagram", lambda _look: _heads(sheet.headings, edges, top, placed, width))
        for number, each in enumerate(placed):
            step = each.cell.step if each.cell.kind in ("step", *BELOW) else None
            yield _part(number, each, columns.get(each.cell.column or 0) if step else None)

    spots = {name: Spot(MARGIN, top, 0) for name in shown}
    return Arranged(dict(shown), Places(width, height, spots, {}), frozenset(shown), drawn)


ARRANGERS.append(arranged)


def _edges(cells: tuple[Cell, ...], last: int) -> tuple[dict[int, tuple[float, int]], float]:
    """Return where each column begins, and its characters; and the width of the sheet."""
    wide = {
        column: max(
            (
                len(_words(cell))
                for cell in cells
                if cell.column == column and cell.kind in ("step", *BELOW)
            ),
            default=LEAST,
        )
        for column in range(1, last + 1)
    }
    room = WIDTH - GUTTER - 2 * MARGIN - APART * (last - 1)
    most = max(LEAST, int(room / max(1, last))) if sum(wide.values()) > room else MOST
    x, edges = MARGIN + GUTTER, {}
    for column, needs in wide.items():
        has = max(LEAST, min(needs + 2, most + 2, MOST))
        edges[column] = (x, has)
        x += has + APART
    return edges, max(WIDTH, x + MARGIN)


def _words(cell: Cell) -> str:
    return " ".join(cell.text.split())


def _placed(
    cells: tuple[Cell, ...], edges: Mapping[int, tuple[float, int]], top: float
) -> Iterator[Placed]:
    """Yield the cells with their places; what has no room beside its step stands under it."""
    y, right = top, max(x + wide for x, wide in edges.values())
    of_step: set[int] = set()
    for _, own in groupby(cells, key=itemgetter(LINE)):
        row = [cell for cell in own if cell.kind not in ("header", "rule")]
        free, under = 0.0, False
        low = y
        for cell in row:
            again = cell.kind == "step" and cell.step in of_step
            words = _words(cell)
            x, wide = edges.get(cell.column or 0, (0.0, 0))
            if not cell.column or not wide:
                x, wide = max(MARGIN + GUTTER, free), int(right - MARGIN - GUTTER)
            if cell.kind in BELOW and x < free:  # behind its step, if it fits there
                if free + len(words) <= x + wide:
                    x, wide = free, len(words)
                else:
                    low, x, wide = low + 1.05, x + 2, max(wide - 2, LEAST)
            yield Placed(cell, x, low if cell.kind in BELOW else y, shorten(words, int(wide)))
            if cell.step and not again:
                of_step.add(cell.step)
            free, under = x + min(len(words), wide) + 1, True
        if under:
            y = low + 1.15


def _heads(
    headings: Mapping[int, str],
    edges: Mapping[int, tuple[float, int]],
    top: float,
    placed: list[Placed],
    width: float,
) -> Iterator[Mark]:
    for number, (x, wide) in edges.items():
        name = shorten(headings.get(number, ""), int(wide))
        yield Text(x, top, name, "value", bold=True, key=f"head:{number}")
    yield Line(((MARGIN, top + 1.15), (width - MARGIN, top + 1.15)), "rail", key="head:rule")
    highest = {each.cell[LINE]: each.y for each in reversed(placed)}
    for line, y in highest.items():
        yield Text(MARGIN, y, f"{line:>3}", "label", key=f"line:{line}")


def _part(number: int, placed: Placed, column: DrawnColumn | None) -> Part:
    """Return the part of one cell; a step's is lit when it is taken."""
    cell, x, y, text = placed
    key = f"cell:{number}"

    def draw(look: Look) -> Iterator[Mark]:
        if column is None or cell.step is None:
            yield Text(x, y, text, QUIET.get(cell.kind, "label"), key=key)
            return
        path = column.path("at")
        done = look[path].step
        is_now, field = done == cell.step, path if done == cell.step else ""
        if cell.kind == "step":
            yield Box(x - 0.5, y, len(text) + 1.0, 1.05, "cell", f"{key}:box", field, 0.15)
            role = "value" if done >= cell.step else "label"
            yield Text(x, y, text, role, is_now, True, key, field)
        else:
            yield Text(x, y, text, "value" if is_now else QUIET[cell.kind], False, True, key)

    return Part(key, draw)
