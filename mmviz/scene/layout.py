"""Where everything lies: dot lays the cards out once, for all runs of a case.

The `graphviz` package writes the DOT source. One engine is declared: the Graphviz that
pygraphviz carries, which lays out in this very process; `dot` on PATH stands in for it.
Sizes come from characters, so the fonts of the machine do not matter.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

import graphviz

from mmviz.engine import Frame
from mmviz.scene.cards import ROW, TITLE, Card, cards, structs_in
from mmviz.scene.marks import CELL_HEIGHT, CELL_WIDTH, Point

EM = 12.0  # points; any number would do, as only ratios count
CHAR, LINE = CELL_WIDTH * EM, CELL_HEIGHT * EM  # points that a cell is wide and high
MARGIN, GAP = 1.0, 2.0
ROOM = 122.0  # cells that fit across a notebook
SAMPLES = 10  # points on each piece of a spline


class Route(NamedTuple):
    """An arrow that some frame draws: from a row of a card to a card."""

    card: str
    path: str
    target: str


class Plan(NamedTuple):
    """A place for every card and a way for every arrow, on one sheet."""

    cards: tuple[Card, ...]
    at: dict[str, Point]
    routes: dict[Route, tuple[Point, ...]]
    width: float
    height: float


class NoGraphviz(RuntimeError):
    """There is no engine to lay objects out with."""


def plan(frames: Sequence[Frame]) -> Plan:
    """Lay out the union of all objects and references in `frames`.

    Args:
        frames: of as many runs of one case as may be shown; what they share keeps its place.

    Raises:
        NoGraphviz: neither pygraphviz nor `dot` is there.
    """
    shown = cards(frames)
    by_name = {card.struct.name or card.name: card for card in shown}
    arrows: dict[Route, None] = {}
    for card in shown:
        for row in card.rows:
            for frame in frames:
                for target in structs_in(frame.values[row.path]):
                    if target.name in by_name and by_name[target.name] is not card:
                        arrows[Route(card.name, row.path, by_name[target.name].name)] = None
    tied = {arrow.card for arrow in arrows} | {arrow.target for arrow in arrows}
    drawn = [card for card in shown if card.name in tied]
    at, routes, width, height = _dotted(drawn, list(arrows)) if drawn else ({}, {}, 0.0, 0.0)
    loose = [card for card in shown if card.name not in tied]
    placed, width, height = _shelved(loose, width, height)
    return Plan(tuple(shown), at | placed, routes, width, height)


def _dotted(
    drawn: Sequence[Card], arrows: Sequence[Route]
) -> tuple[dict[str, Point], dict[Route, tuple[Point, ...]], float, float]:
    """Let dot place the cards that arrows tie together."""
    picture = json.loads(_dot(source(drawn, arrows)))
    _, _, right, top = map(float, picture["bb"].split(","))

    def cell(x: float, y: float) -> Point:
        return (x / CHAR + MARGIN, (top - y) / LINE + MARGIN / 2)

    at = {}
    for node in picture["objects"]:
        card = drawn[int(node["name"])]
        x, y = cell(*map(float, node["pos"].split(",")))
        at[card.name] = (x - card.width / 2, y - card.height / 2)
    routes = {}
    for edge in picture["edges"]:
        routes[arrows[int(edge["id"])]] = tuple(cell(x, y) for x, y in _sampled(edge["pos"]))
    return at, routes, right / CHAR + 2 * MARGIN, top / LINE + MARGIN


def source(drawn: Sequence[Card], arrows: Sequence[Route]) -> str:
    """Return the DOT source: a table a card, so that arrows leave from their rows."""
    graph = graphviz.Digraph(
        graph_attr={"rankdir": "LR", "nodesep": "0.2", "ranksep": "0.55"},
        node_attr={"shape": "plain"},
        edge_attr={"arrowsize": "0.1"},
    )
    number = {card.name: str(index) for index, card in enumerate(drawn)}
    ports = {row.path: f"r{index}" for card in drawn for index, row in enumerate(card.rows)}
    for card in drawn:
        cells = [_cell("t", card.width, TITLE)]
        cells += [_cell(ports[row.path], card.width, ROW) for row in card.rows]
        cells.append(_cell("foot", card.width, card.height - TITLE - ROW * len(card.rows)))
        table = "".join(f"<TR>{each}</TR>" for each in cells)
        graph.node(
            number[card.name],
            label='<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">'
            f"{table}</TABLE>>",
        )
    for index, arrow in enumerate(arrows):
        graph.edge(
            f"{number[arrow.card]}:{ports[arrow.path]}",
            f"{number[arrow.target]}:t",
            id=str(index),
        )
    return str(graph.source)


def _cell(port: str, width: float, height: float) -> str:
    """Return one empty cell of a table, of a size in character cells."""
    return (
        f'<TD PORT="{port}" FIXEDSIZE="TRUE" WIDTH="{round(width * CHAR)}" '
        f'HEIGHT="{round(height * LINE)}"></TD>'
    )


def _dot(text: str) -> str:
    """Run dot on a DOT source and return its JSON."""
    try:
        import pygraphviz
    except ImportError:
        return _dot_on_path(text)
    graph = pygraphviz.AGraph(string=text)
    try:
        return str(graph.draw(format="json", prog="dot").decode("utf-8"))
    finally:
        graph.close()


def _dot_on_path(text: str) -> str:
    """Run the machine's own dot."""
    found = shutil.which("dot")
    if found is None:
        raise NoGraphviz(
            "no Graphviz to lay the objects out with: pygraphviz cannot be imported and there "
            "is no `dot` on PATH. Install one: pip install pygraphviz"
        )
    done = subprocess.run(
        [found, "-Tjson"], input=text, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def _sampled(spline: str) -> list[Point]:
    """Return points along one of dot's splines, "e,x,y x,y x,y …"; the tip comes last."""
    points, tip = [], None
    for word in spline.split(";")[0].split():
        mark, _, rest = word.partition(",")
        if mark in ("e", "s"):
            tip = _point(rest) if mark == "e" else tip
        else:
            points.append(_point(word))
    found = [points[0]]
    for index in range(0, len(points) - 3, 3):
        found += [_on_curve(points[index : index + 4], n / SAMPLES) for n in range(1, SAMPLES + 1)]
    return [*found, tip] if tip else found


def _point(text: str) -> Point:
    x, _, y = text.partition(",")
    return (float(x), float(y))


def _on_curve(controls: Sequence[Point], t: float) -> Point:
    """Return the point at `t`, from 0 to 1, of a cubic Bezier curve."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    return (
        sum(w * x for w, (x, _) in zip(weights, controls, strict=True)),
        sum(w * y for w, (_, y) in zip(weights, controls, strict=True)),
    )


def _shelved(
    loose: Sequence[Card], width: float, height: float
) -> tuple[dict[str, Point], float, float]:
    """Put cards without arrows in rows: beside the others where there is room, else below."""
    at: dict[str, Point] = {}
    widest = max((card.width for card in loose), default=0.0)
    beside = bool(width) and width + GAP + widest <= ROOM
    left, y = (width + GAP - MARGIN, MARGIN / 2) if beside else (MARGIN, height + MARGIN / 2)
    x, shelf = left, 0.0
    for card in loose:
        if x > left and x + card.width + MARGIN > ROOM:
            x, y, shelf = left, y + shelf + GAP / 2, 0.0
        at[card.name] = (x, y)
        x += card.width + GAP
        shelf = max(shelf, card.height)
        width = max(width, at[card.name][0] + card.width + MARGIN)
    return at, width, max(height, y + shelf + MARGIN / 2) if loose else height
