"""The layout of a case's tables: three columns, and arrows from entries to pages."""

from collections.abc import Sequence
from typing import NamedTuple

from mmviz.kernel.mm.page import Page
from mmviz.scene.cards import ROW, SHORT, TITLE, WIDEST, Card, Row, can_be_freed, cards, sized
from mmviz.scene.entries import Side, Table, maps_at_start
from mmviz.scene.layout import MARGIN, ROOM, Plan, Route
from mmviz.scene.marks import Point
from mmviz.scene.peers import room
from mmviz.scene.reach import Reach, pointee, structs_in

CHAIN, DOWN = 1.2, 0.6  # lines of the levels above a table, and of the arrow below them
BETWEEN = 2.0  # cells from level to level
GAP = 1.0  # lines from card to card
NARROW, LOOSE = 3.0, 10.0  # cells from column to column
SLIM = 28  # the most characters of a value if the sheet is full
STEPS = 16  # pieces of an arrow
BULGE = 1.5  # cells by which an arrow within a column curves
STUB = 1.3  # straight cells at the end of an arrow, as long as its head


class Placed(NamedTuple):
    """A card of the picture, its upper left corner, and the table that it shows, if any."""

    card: Card
    at: Point
    column: int
    table: Table | None


def table_plan(tables: Sequence[Table], reach: Reach) -> tuple[list[Placed], Plan]:
    """Lay out the tables of a case and the pages they refer to, once for all runs."""
    placed, width, height = _placed(_columns(tables, reach))
    if width > ROOM:  # then fewer values show their change
        placed, width, height = _placed(_columns(tables, reach, tight=True))
    return placed, Plan(
        tuple(each.card for each in placed),
        {each.card.name: each.at for each in placed},
        _routes(placed, reach),
        width,
        height,
    )


def _columns(
    tables: Sequence[Table], reach: Reach, tight: bool = False
) -> list[list[tuple[Card, Table | None]]]:
    """Sort tables and pages into the three columns.

    A process that maps nothing at the start, a child, is on the other side of the pages.
    """
    of: dict[Side, list[Table]] = {side: [] for side in Side}
    for table in tables:
        of[table.side].append(table)
    first = {table.struct.name for table in of[Side.CPU] if maps_at_start(table, reach)}
    near = first or {table.struct.name for table in of[Side.CPU]}
    left = of[Side.ROOT] + [table for table in of[Side.CPU] if table.struct.name in near]
    right = [table for table in of[Side.CPU] if table.struct.name not in near] + of[Side.DEVICE]
    middle = of[Side.TARGET]
    if not left:
        left, middle = middle, []
    made = [
        [(_card(table, reach, tight), table) for table in column]
        for column in (left, middle, right)
    ]
    columns: list[list[tuple[Card, Table | None]]] = [list(column) for column in made]
    named = dict.fromkeys(
        target.name
        for column in made
        for _, table in column
        for entry in table.entries
        if not entry.folded
        for value in reach.values[entry.path]
        for target in structs_in(value)
        if isinstance(target, Page)
    )
    pages = {card.struct.name: card for card in cards(reach) if isinstance(card.struct, Page)}
    columns[1] += [(_sized(pages[name], reach, tight), None) for name in named]
    return columns


def _card(table: Table, reach: Reach, tight: bool) -> Card:
    """Make the card of a table."""
    rows = []
    for entry in table.entries:
        values = reach.values[entry.path]
        goes = any(can_be_freed(target) for value in values for target in structs_in(value))
        rows.append(Row(entry.path, entry.label, entry.wording, goes or len(values) > 1))
    return _sized(Card(table.name, table.kind, table.struct, tuple(rows)), reach, tight)


def _sized(card: Card, reach: Reach, tight: bool) -> Card:
    """Return a card wide enough for its values and, unless tight, for the change of short ones."""
    widest, short = (SLIM, 0) if tight else (WIDEST, SHORT)
    return sized(card, reach, widest, short, freed_too=True)


def _placed(
    columns: Sequence[Sequence[tuple[Card, Table | None]]],
) -> tuple[list[Placed], float, float]:
    """Place every card: each column is as wide as its widest card, and centred."""
    widths = [
        max([0.0, *(max(card.width, _chain_width(table)) for card, table in column)])
        for column in columns
    ]
    flags = [
        max([0.0, *(float(room(entry)) for _, table in column if table for entry in table.entries)])
        for column in columns
    ]
    flags = [flag + 2.5 if flag else 0.0 for flag in flags]
    used = sum(widths) + flags[0] + flags[2] + 2 * MARGIN
    gaps = sum(bool(width) for width in widths) - 1
    gutter = min(max((ROOM - used) / gaps, NARROW), LOOSE) if gaps else 0.0
    heights = [sum(_height(*each) + GAP for each in column) - GAP for column in columns]
    tall = max(heights)
    placed: list[Placed] = []
    x = MARGIN + flags[0]
    for number, column in enumerate(columns):
        y = MARGIN / 2 + (tall - heights[number]) / 2
        for card, table in column:
            top = y + _height(card, table) - card.height
            wide = card._replace(
                value_width=int(widths[number]) - 4 - card.label_width,
            )
            placed.append(Placed(wide, (x, top), number, table))
            y += _height(card, table) + GAP
        x += widths[number] + (gutter if widths[number] else 0)
    return placed, used + gutter * gaps, tall + MARGIN


def _chain_width(table: Table | None) -> float:
    """Return the cells that the levels above a table take."""
    levels = table.levels if table else ()
    return sum(len(level.words) + 1 + BETWEEN for level in levels) - BETWEEN


def _height(card: Card, table: Table | None) -> float:
    """Return the lines that a card takes, with the levels above it."""
    return card.height + (CHAIN + DOWN if table and table.levels else 0)


def _routes(placed: Sequence[Placed], reach: Reach) -> dict[Route, tuple[Point, ...]]:
    """Return an arrow for every object that an entry may refer to in a neighbouring column."""
    by_name = {each.card.struct.name: each for each in placed if each.column == 1}
    by_name |= {
        each.card.struct.name: each
        for each in placed
        if each.table is not None and each.table.side is Side.TARGET
    }
    found: dict[Route, tuple[Placed, int, Placed]] = {}
    for each in placed:
        for index, entry in enumerate(each.table.entries if each.table is not None else ()):
            for value in reach.values[entry.path] if not entry.folded else ():
                struct = pointee(value)
                to = by_name.get(struct.name) if struct is not None else None
                if to is not None and to is not each and abs(each.column - to.column) < 2:
                    found[Route(each.card.name, entry.path, to.card.name)] = each, index, to
    ends: dict[tuple[str, bool], list[Route]] = {}
    for route, (each, _, to) in found.items():
        ends.setdefault((to.card.name, each.column >= to.column), []).append(route)
    share = {
        route: (place + 1) / (len(many) + 1)
        for many in ends.values()
        for place, route in enumerate(many)
    }
    return {route: _arrow(*between, share[route]) for route, between in found.items()}


def _arrow(source: Placed, index: int, target: Placed, share: float) -> tuple[Point, ...]:
    """Return the curve from a row to the title of a card: an S between columns, a C within one."""
    (x0, y0), (x1, y1) = source.at, target.at
    y0, y1 = y0 + TITLE + ROW * (index + 0.5) + 0.05, y1 + TITLE * share
    within = source.column == target.column
    if source.column <= target.column:
        x0 += source.card.width
    if source.column >= target.column:
        x1 += target.card.width
    stub = STUB if source.column >= target.column else -STUB
    way = [(x0, y0)]
    for step in range(STEPS + 1):
        t = step / STEPS
        out = BULGE * (1 - (2 * t - 1) ** 4) if within else 0.0
        way.append((x0 + (x1 + stub - x0) * t + out, y0 + (y1 - y0) * t * t * (3 - 2 * t)))
    return (*way, (x1, y1))
