"""Where each object stands in the picture of memory: in columns, in the order of an access.

Devices, processors and processes stand on the left, what they go through in the middle, what they
reach on the right; a device's own table stands on the other side of the pages it points at. The
columns follow from the classes of the objects, and where a class says nothing from the pointers.
"""

from collections.abc import Mapping, Sequence
from functools import singledispatch
from itertools import groupby
from typing import NamedTuple

from mmviz.engine import Struct
from mmviz.scene.cards import ROW, TITLE, Card
from mmviz.scene.layout import Route
from mmviz.scene.marks import Point

WIDTH, HEIGHT = 80.0, 18.0  # cells of the sheet, unless a case needs more
MARGIN, DOCK = 0.8, 1.9  # cells at the sides; lines at the top, for what the actors hold
WIDEST, HIGHEST = 92.0, 21.0  # cells and lines of a sheet that is still legible
FITTING = 84.0  # cells of a sheet whose words are not small yet
GAP, NARROW = 7.0, 3.0  # cells between two columns, with arrows and without
LEAST, LEAST_NARROW = 5.0, 2.0  # the same on a sheet that would be too wide
BETWEEN = 0.9  # lines between two cards of a column
MOST_COLUMNS = 4


class Spot(NamedTuple):
    """The place of a card: its upper left corner, and the number of its column."""

    x: float
    y: float
    column: int


class Places(NamedTuple):
    """A place for every card, and a path for every arrow, on one sheet."""

    width: float
    height: float
    spots: Mapping[str, Spot]
    routes: Mapping[Route, tuple[Point, ...]]


@singledispatch
def rank(struct: Struct) -> float | None:
    """Return where along the path of an access an object stands; None: where its pointers say.

    0 is who makes the access, 1 what it goes through first, 2 a second table, 3 what it reaches,
    and 4 the tables of a device, which reach the same pages from the other side.
    """
    return None


def places(cards: Sequence[Card], routes: Sequence[Route], top: float = 0.5) -> Places:
    """Place cards in columns below `top`, and lead the arrows between them."""
    lines = HIGHEST - top - 0.4
    columns = _ordered(_narrowed(_columns(cards, routes, lines), routes, lines), routes)
    widths = [max(card.width for card in column) for column in columns]
    gaps = [GAP if _joined(columns, n, routes) else NARROW for n in range(len(columns) - 1)]
    need = _wide(columns, routes)
    slack = [gap - (LEAST if gap == GAP else LEAST_NARROW) for gap in gaps]
    if need > FITTING and slack:
        less = min(1.0, (need - FITTING) / sum(slack))
        gaps = [gap - less * most for gap, most in zip(gaps, slack, strict=True)]
        need -= less * sum(slack)
    width = max(WIDTH, need)
    spare = (width - need) / max(1, len(gaps)) if gaps else 0.0
    tallest = max((_tall(column) for column in columns), default=0.0)
    height = max(HEIGHT, top + tallest + 0.4)
    spots: dict[str, Spot] = {}
    x = MARGIN if gaps else (width - need) / 2 + MARGIN
    for number, column in enumerate(columns):
        room = height - top - 0.4 - sum(card.height for card in column)
        air = room / (len(column) + 1)
        y = top + (air if len(column) > 1 or room > 0 else 0)
        for card in column:
            spots[card.name] = Spot(x + (widths[number] - card.width) / 2, y, number)
            y += card.height + air
        x += widths[number] + (gaps[number] + spare if number < len(gaps) else 0)
    return Places(width, height, spots, led(cards, routes, spots, (top, height)))


def _wide(columns: Sequence[Sequence[Card]], routes: Sequence[Route]) -> float:
    """Return the cells that columns and the gaps between them take."""
    gaps = [GAP if _joined(columns, n, routes) else NARROW for n in range(len(columns) - 1)]
    loops = len(columns) == 1 and any(route.card != route.target for route in routes)
    widths = sum(max(card.width for card in column) for column in columns)
    return widths + sum(gaps) + 2 * MARGIN + 4 * loops


def _narrowed(columns: list[list[Card]], routes: Sequence[Route], most: float) -> list[list[Card]]:
    """Put neighbouring columns into one where the sheet would be too wide and `most` lines do.

    Columns with an arrow between them share one only if the sheet is not legible else.
    """
    while (wide := _wide(columns, routes)) > WIDTH and len(columns) > 1:
        tall = [_tall(columns[n] + columns[n + 1]) for n in range(len(columns) - 1)]
        fit = [n for n, lines in enumerate(tall) if lines <= most]
        free = [n for n in fit if tall[n] <= HEIGHT - DOCK and not _joined(columns, n, routes)]
        if not fit or (not free and wide <= WIDEST):
            break
        at = min(free or fit, key=lambda n: (_joined(columns, n, routes), tall[n]))
        columns[at : at + 2] = [columns[at] + columns[at + 1]]
    return columns


def _tall(column: Sequence[Card]) -> float:
    """Return the lines that a column takes."""
    return sum(card.height for card in column) + BETWEEN * (len(column) - 1)


def _columns(cards: Sequence[Card], routes: Sequence[Route], most: float) -> list[list[Card]]:
    """Return the cards of each column, from the left; a column of `most` lines may stay one."""
    sources = {route.card for route in routes}
    targets = {route.target for route in routes}

    def along(card: Card) -> float:
        said = rank(card.struct)
        if said is not None:
            return said
        return 3.0 if card.name in targets - sources else 1.0 if card.name in sources else 0.5

    by_rank = sorted(cards, key=along)
    columns = [list(group) for _, group in groupby(by_rank, key=along)]
    while len(columns) > MOST_COLUMNS:  # the two that are shortest together share one

        def together(n: int) -> tuple[bool, float]:
            return _joined(columns, n, routes), _tall(columns[n] + columns[n + 1])

        at = min(range(len(columns) - 1), key=together)
        columns[at : at + 2] = [columns[at] + columns[at + 1]]
    while columns and len(columns) < MOST_COLUMNS:
        at = max(range(len(columns)), key=lambda n: _tall(columns[n]))
        if _tall(columns[at]) <= HEIGHT - DOCK - 0.4 or len(columns[at]) < 2:
            break
        half = _half(columns[at])
        split = [*columns[:at], columns[at][:half], columns[at][half:], *columns[at + 1 :]]
        if _wide(split, routes) > WIDEST and _tall(columns[at]) <= most:
            break
        columns = split
    return columns


def _half(column: Sequence[Card]) -> int:
    """Return where to cut a column into two of about the same height."""
    return min(range(1, len(column)), key=lambda at: abs(_tall(column[:at]) - _tall(column[at:])))


def _joined(columns: Sequence[Sequence[Card]], left: int, routes: Sequence[Route]) -> bool:
    """Tell whether an arrow passes between a column and the next."""
    column = {card.name: n for n, cards in enumerate(columns) for card in cards}
    last = len(columns) - 1
    ends = [sorted((column[route.card], column[route.target])) for route in routes]
    return any(
        low <= left < high or low == high == (left + 1 if left + 1 == last else left)
        for low, high in ends
    )


def _ordered(columns: list[list[Card]], routes: Sequence[Route]) -> list[list[Card]]:
    """Sort each column so that few arrows cross: by the mean place of what they join."""
    for way in (1, -1, 1):
        numbers = range(len(columns)) if way > 0 else range(len(columns) - 1, -1, -1)
        for number in numbers:
            place = {
                card.name: (at + 0.5) / len(column)
                for other, column in enumerate(columns)
                if other != number
                for at, card in enumerate(column)
            }

            def mean(card: Card, place: Mapping[str, float] = place) -> float:
                ends = [
                    place[name]
                    for route in routes
                    if card.name in (route.card, route.target)
                    for name in (route.card, route.target)
                    if name in place
                ]
                return sum(ends) / len(ends) if ends else 0.5

            columns[number] = sorted(columns[number], key=mean)
    return columns


def row_at(card: Card, path: str, spot: Spot) -> float:
    """Return the middle of a field's row."""
    index = next((n for n, row in enumerate(card.rows) if row.path == path), 0)
    return spot.y + TITLE + ROW * (index + 0.5)


def led(
    cards: Sequence[Card], routes: Sequence[Route], spots: Mapping[str, Spot], room: Point
) -> dict[Route, tuple[Point, ...]]:
    """Return the path of each arrow: two curves, whatever it points at."""
    by_name = {card.name: card for card in cards}
    sides: dict[tuple[str, bool], list[Route]] = {}
    for route in routes:
        sides.setdefault((route.target, _from_left(route, spots)), []).append(route)
    ports: dict[Route, float] = {}
    for (target, _), there in sides.items():
        there.sort(key=lambda route: row_at(by_name[route.card], route.path, spots[route.card]))
        tall = by_name[target].height
        for at, route in enumerate(there):
            ports[route] = spots[target].y + tall * (at + 1) / (len(there) + 1)
    return {route: lead(route, by_name, spots, ports[route], room) for route in routes}


def _from_left(route: Route, spots: Mapping[str, Spot]) -> bool:
    """Tell whether an arrow arrives at the left side of its target."""
    return spots[route.card].column < spots[route.target].column


def lead(
    route: Route,
    cards: Mapping[str, Card],
    spots: Mapping[str, Spot],
    port: float,
    room: Point,
) -> tuple[Point, ...]:
    """Lead one arrow; past the columns between its ends, through a gap between their cards."""
    source, target = spots[route.card], spots[route.target]
    y0 = row_at(cards[route.card], route.path, source)
    if source.column == target.column:
        is_last = source.column == max(spot.column for spot in spots.values()) > 0
        way = -1 if is_last else 1  # round the side where there is room
        x0 = source.x + (0 if is_last else cards[route.card].width)
        x1 = target.x + (0 if is_last else cards[route.target].width)
        out = (min(x0, x1) if is_last else max(x0, x1)) + 3.5 * way
        turn = ((out, y0), (out, (y0 + port) / 2), (out, port))
        return ((x0, y0), (x0 + 2 * way, y0), *turn, (x1 + 2 * way, port), (x1, port))
    right = source.column < target.column
    x0 = source.x + (cards[route.card].width if right else 0)
    x1 = target.x + (0 if right else cards[route.target].width)
    between = sorted((source.column, target.column))
    skipped = [
        (spot, cards[name]) for name, spot in spots.items() if between[0] < spot.column < between[1]
    ]
    if not skipped:
        middle_x, middle = (x0 + x1) / 2, (y0 + port) / 2
        quarter = (x1 - x0) / 4
        first = (
            (x0, y0),
            (x0 + quarter, y0),
            (middle_x - quarter * 0.5, middle - (port - y0) * 0.2),
        )
        last = (
            (middle_x + quarter * 0.5, middle + (port - y0) * 0.2),
            (x1 - quarter, port),
            (x1, port),
        )
        return (*first, (middle_x, middle), *last)
    lane = _lane([(spot.y, spot.y + card.height) for spot, card in skipped], (y0 + port) / 2, room)
    left = min(spot.x for spot, _ in skipped) - 1.0
    end = max(spot.x + card.width for spot, card in skipped) + 1.0
    enter, leave = (left, end) if right else (end, left)
    if abs(lane - y0) > abs(lane - port):  # the longer climb is outside the columns
        near, beyond = (x0 + enter) / 2, (leave + x1) / 2
        climb = ((x0, y0), (near, y0), (near, lane), (enter, lane))
        return (*climb, (beyond, lane), (beyond, port), (x1, port))
    near, beyond = (x0 + enter) / 2, (leave + x1) / 2
    climb = ((leave, lane), (beyond, lane), (beyond, port), (x1, port))
    return ((x0, y0), (near, y0), (near, lane), *climb)


def _lane(taken: Sequence[tuple[float, float]], wanted: float, room: Point) -> float:
    """Return the middle of the gap between cards that is nearest to where an arrow wants to be."""
    gaps, low = [], room[0] - 0.4
    for top, end in sorted(taken):
        if top - low >= 0.5:
            gaps.append((low, top))
        low = max(low, end)
    gaps.append((low, max(room[1], low + 0.6)))
    middles = []
    for top, end in gaps:
        air = min(0.7, (end - top) / 2)
        middles.append(min(max(wanted, top + air), end - air))
    return min(middles, key=lambda middle: abs(middle - wanted))
