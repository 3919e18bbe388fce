"""The layout: dot places the cards once, for all runs of a case.

The `graphviz` package writes the DOT source. Sizes are counted in characters, so the fonts of the
machine do not matter.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import graphviz

from mmviz.scene.cards import ROW, TITLE, Card, cards, drawn_and_still, trimmed
from mmviz.scene.dot import Placed, best
from mmviz.scene.marks import CELL_HEIGHT, CELL_WIDTH, Point
from mmviz.scene.reach import Reach, leads_to
from mmviz.scene.words import omitted

EM = 12.0  # points; only ratios matter
CHAR, LINE = CELL_WIDTH * EM, CELL_HEIGHT * EM  # width and height of a cell in points
MARGIN, GAP = 1.0, 2.0
ROOM = 124.0  # cells that fit across a notebook
PANE = 89.0  # cells that the stage's pane shows of a picture at once, in a window of 1280 pixels
LOOSE, TIGHT, TIGHTEST = 0.55, 0.25, 0.19  # inches between ranks; less if the sheet is too wide
NEVER = "which no step changes"


class Route(NamedTuple):
    """An arrow that some frame shows: from a row of a card to a card."""

    card: str
    path: str
    target: str


class Plan(NamedTuple):
    """A place for every card and a path for every arrow, on one sheet.

    The notes at the bottom name the objects without a card and the fields without a row.
    """

    cards: tuple[Card, ...]
    at: dict[str, Point]
    routes: dict[Route, tuple[Point, ...]]
    width: float
    height: float
    notes: tuple[str, ...] = ()


# The upper left corner of each card, the path of each arrow, width and height.
Sheet = tuple[dict[str, Point], dict[Route, tuple[Point, ...]], float, float]


def plan(reach: Reach) -> Plan:
    """Lay out every object of a case, and every possible reference.

    Raises:
        NoGraphviz: the layout is not known, and there is no Graphviz.
    """
    whole, still = drawn_and_still(cards(reach), reach)
    notes = omitted([card.name for card in still], "object", NEVER, 64)
    shown = []
    for one in whole:
        card, left_out = trimmed(one)
        shown.append(card)
        notes += omitted(left_out, f"row of {card.name}", NEVER, 64)
    by_name = {card.struct.name: card for card in shown}
    order = {card.name: number for number, card in enumerate(shown)}
    structs = [card.struct for card in shown]
    arrows = []
    for card in shown:
        for row in card.rows:
            leads = (leads_to(value, structs) for value in reach.values[row.path])
            targets = {by_name[to.name].name for to in leads if to and to.name in by_name}
            ends = sorted(targets - {card.name}, key=order.__getitem__)
            arrows += [Route(card.name, row.path, target) for target in ends]
    tied = {arrow.card for arrow in arrows} | {arrow.target for arrow in arrows}
    drawn = [card for card in shown if card.name in tied]
    at: dict[str, Point] = {}
    routes: dict[Route, tuple[Point, ...]] = {}
    width = height = 0.0
    if drawn:
        at, routes, width, height = _narrowest(drawn, arrows)
    loose = [card for card in shown if card.name not in tied]
    placed, width, height = _shelved(loose, width, height)
    width = max([width, *(len(note) + 2 * MARGIN for note in notes)])
    return Plan(tuple(shown), at | placed, routes, width, height + len(notes), tuple(notes))


def in_columns(columns: Sequence[Sequence[Card]], arrows: Sequence[Route]) -> Plan:
    """Lay cards out in columns from left to right; no column is empty.

    Raises:
        NoGraphviz: the layout is not known, and there is no Graphviz.
    """
    drawn = [card for column in columns for card in column]
    order = {card.name: index for index, card in enumerate(drawn)}
    arrows = sorted(arrows, key=lambda one: (order[one.card], one.path, order[one.target]))
    place = {card.name: number for number, column in enumerate(columns) for card in column}
    back = [arrow for arrow in arrows if place[arrow.card] > place[arrow.target]]
    gaps = LOOSE, TIGHT, TIGHTEST
    texts = [source(drawn, arrows, "LR", back, gap, columns) for gap in gaps]
    _, placed = best(texts, lambda one: max(_across(one), ROOM))
    at, routes, width, _ = _read(placed, drawn, arrows, back)
    drawn_at = [y for _, y in at.values()] + [y for way in routes.values() for _, y in way]
    up = min(drawn_at) - MARGIN / 2  # dot leaves room for the edges that only keep the order
    low = max([at[card.name][1] + card.height for card in drawn] + drawn_at) - up + MARGIN / 2
    return Plan(
        tuple(drawn),
        {name: (x, y - up) for name, (x, y) in at.items()},
        {arrow: tuple((x, y - up) for x, y in way) for arrow, way in routes.items()},
        width,
        low,
    )


def _sides(drawn: Sequence[Card], arrows: Iterable[Route]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield ways to rank the cards: top down, left to right, and with some sources on the right.

    A card without incoming arrows can be on either side of its targets, which saves height.
    """
    yield "TB", frozenset()
    targets = {arrow.target for arrow in arrows}
    sources = [card.name for card in drawn if card.name not in targets]
    for split in range(len(sources) + 1):
        yield "LR", frozenset(sources[split:])
        yield "LR", frozenset(sources[:split])
    yield "LR", frozenset(sources[::2])
    yield "LR", frozenset(sources[1::2])


def _narrowest(drawn: Sequence[Card], arrows: Sequence[Route]) -> Sheet:
    """Let dot place the cards that arrows connect: in the lowest way that fits, if one does."""
    ways = [
        (ranks, frozenset(arrow for arrow in arrows if arrow.card in right))
        for ranks, right in _sides(drawn, arrows)
    ]

    def cost(placed: Placed) -> tuple[float, float]:
        return max(_across(placed), ROOM), placed.height

    found = []
    for gap in (LOOSE, TIGHT):
        number, placed = best([source(drawn, arrows, *way, gap) for way in ways], cost)
        found.append((cost(placed), _read(placed, drawn, arrows, ways[number][1])))
        if _across(placed) <= ROOM:
            break
    return min(found, key=lambda pair: pair[0])[1]


def _across(placed: Placed) -> float:
    """Return the width of a sheet in cells."""
    return placed.width / CHAR + 2 * MARGIN


def _read(
    placed: Placed, drawn: Sequence[Card], arrows: Sequence[Route], back: Collection[Route]
) -> Sheet:
    """Return the sheet that dot laid out; see `source`."""

    def cell(x: float, y: float) -> Point:
        return (x / CHAR + MARGIN, y / LINE + MARGIN / 2)

    at = {}
    for name, centre in placed.nodes.items():
        card = drawn[int(name)]
        x, y = cell(*centre)
        at[card.name] = (x - card.width / 2, y - card.height / 2)
    routes = {}
    for number, points in placed.edges.items():
        arrow = arrows[int(number)]
        way = tuple(cell(x, y) for x, y in points)
        routes[arrow] = way[::-1] if arrow in back else way
    return at, routes, _across(placed), placed.height / LINE + MARGIN


def source(
    drawn: Sequence[Card],
    arrows: Sequence[Route],
    ranks: str = "LR",
    back: Collection[Route] = (),
    apart: float = LOOSE,
    columns: Sequence[Sequence[Card]] = (),
) -> str:
    """Return the DOT source: one table for each card, so that arrows leave from their rows.

    Arrows in `back` are given to dot in reverse; the cards of a column get one rank.
    """
    graph = graphviz.Digraph(
        graph_attr={"rankdir": ranks, "nodesep": "0.2", "ranksep": str(apart)},
        node_attr={"shape": "plain"},
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
        ends = [f"{number[arrow.card]}:{ports[arrow.path]}", f"{number[arrow.target]}:t"]
        if arrow in back:
            ends.reverse()
        graph.edge(*ends, id=str(index), dir="none")
    for column in columns:
        with graph.subgraph(graph_attr={"rank": "same"}) as rank:
            for card in column:
                rank.node(number[card.name])
    for column, after in pairwise(columns):
        graph.edge(number[column[0].name], number[after[0].name], style="invis")
    return str(graph.source)


def _cell(port: str, width: float, height: float) -> str:
    """Return one empty cell of a table, of a size in character cells."""
    return (
        f'<TD PORT="{port}" FIXEDSIZE="TRUE" WIDTH="{round(width * CHAR)}" '
        f'HEIGHT="{round(height * LINE)}"></TD>'
    )


def _shelved(
    loose: Sequence[Card], width: float, height: float
) -> tuple[dict[str, Point], float, float]:
    """Place the cards without arrows in rows: beside the others if they fit, else below."""
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
