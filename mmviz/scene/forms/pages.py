"""Entries as glyphs: a socket, an arrow, and a barrier as tall as what it keeps out."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mmviz.kernel.mm.swap import SwapEntry, SwapInfo
from mmviz.scene.cards import ROW, TITLE, Card, walk
from mmviz.scene.forms.entries import Entry, Kind, all_entries, kind_of
from mmviz.scene.forms.ways import Way, long, on
from mmviz.scene.layout import Route
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import OVERLAYS, Picture
from mmviz.scene.marks import Box, Line, Mark, Point
from mmviz.scene.places import Spot, lead, row_at
from mmviz.scene.reach import pointee

BAR, MOST = 2.3, 0.42  # em of an arrow before its barrier, and the most of its length
LOW, TALL = 0.3, 0.72  # half the height of a barrier: for writes only, for all
SOCKET = (0.96, 0.39)  # a round socket, in cells


class Port(NamedTuple):
    """Where an entry stands, and where it may lead.

    Attributes:
        entry: the entry.
        card, spot: the card that has its row, and its place.
        at: the end of the row from which the arrow leaves.
        out: 1 if the arrow leaves to the right, -1 to the left.
        ways: the name of a card, or a swap entry -> the arrow there.
    """

    entry: Entry
    card: Card
    spot: Spot
    at: Point
    out: int
    ways: Mapping[str, Way]

    def way(self, value: Any) -> Way | None:
        """Return the arrow of a value; None if it leads nowhere that is shown."""
        if isinstance(value, SwapEntry):
            return self.ways.get(str(value))
        target = pointee(value)
        return None if target is None else self.ways.get(target.name)

    @property
    def foot(self) -> float:
        """The middle of the line below the rows."""
        return self.spot.y + TITLE + ROW * (len(self.card.rows) + 0.5)


def ports(picture: Picture) -> dict[str, Port]:
    """Return where the entries of a case stand; those that have no row are left out."""
    entries = all_entries(picture.reach)
    return {
        row.path: _port(entries[row.path], card, picture)
        for card in picture.cards.values()
        if card.name not in picture.by_form
        for row in card.rows
        if row.path in entries
    }


def _port(entry: Entry, card: Card, picture: Picture) -> Port:
    spot = picture.places.spots[card.name]
    ways = {
        route.target: points
        for route, points in picture.places.routes.items()
        if route.path == entry.path and route.card == card.name
    }
    ways |= _to_slots(entry, card, picture)
    starts = {points[0][0] > spot.x + card.width / 2 for points in ways.values()}
    is_right = starts.pop() if len(starts) == 1 else entry.side == "cpu"
    at = (spot.x + (card.width if is_right else 0), row_at(card, entry.path, spot))
    return Port(entry, card, spot, at, 1 if is_right else -1, ways)


def _to_slots(entry: Entry, source: Card, picture: Picture) -> dict[str, Way]:
    """Return the arrows to the slots of a swap device that an entry may name."""
    named = [v for v in picture.reach.values[entry.path] if isinstance(v, SwapEntry)]
    devices = [each for each in walk(picture.reach.world) if isinstance(each, SwapInfo)]
    room = (picture.docks.height, picture.places.height)
    found: dict[str, Way] = {}
    for value in named:
        for info in devices:
            if value.offset in info.swap_map and (place := picture.spot(info)) is not None:
                card, spot = place
                fields = [
                    slots.path(value.offset) for slots in (info.swap_map, info.has_cache, info.data)
                ]
                row = next((row.path for row in card.rows if row.path in fields), "")
                route = Route(source.name, entry.path, card.name)
                spots, y = picture.places.spots, row_at(card, row, spot)
                found[str(value)] = lead(route, picture.cards, spots, y, room)
    return found


def glyphs(picture: Picture) -> Iterator[Part]:
    """Yield, for each entry, its socket and its barrier, and an arrow to a slot."""
    for port in ports(picture).values():
        yield Part(f"entry:{port.entry.path}", _glyph(port))


def _glyph(port: Port) -> Callable[[Look], Iterator[Mark]]:
    path = port.entry.path

    def draw(look: Look) -> Iterator[Mark]:
        value = look[path]
        kind, way = kind_of(value), port.way(value)
        if isinstance(value, SwapEntry) and way is not None:
            yield Line(way, "excl", True, f"arrow:{path}", path, curved=True)
        w, h = SOCKET
        x, y = port.at
        role = "card" if kind is Kind.NONE else "bar"
        yield Box(x - w / 2, y - h / 2, w, h, role, f"socket:{path}", path, h / 2)
        half = {Kind.NONE: 0.0, Kind.WRITABLE: 0.0, Kind.READ_ONLY: LOW}.get(kind, TALL)
        x, y = on(way, bar_at(way)) if way else port.at
        yield _bar(f"bar:{path}", path, x, y, half)
        second = TALL if kind is Kind.PRIVATE else 0.0
        yield _bar(f"bar:{path}:2", path, x + 0.9 * port.out, y, second)

    return draw


def bar_at(way: Way) -> float:
    """Return at what part of an arrow its barrier stands."""
    return min(MOST, BAR / long(way))


def _bar(key: str, path: str, x: float, y: float, half: float) -> Box:
    """Return a barrier across an arrow; one of no height lets all pass."""
    return Box(x - 0.22, y - half, 0.44, 2 * half, "bar", key, path, 0.08)


OVERLAYS.append(glyphs)
