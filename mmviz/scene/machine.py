"""The parts that the picture of memory of any world is made of, and the forms that classes add.

An object is a card, a pointer an arrow, a lock a padlock that goes to its holder; a freed object
crumbles. A class with a form of its own registers it with `adorned`; `places.rank` says where its
objects stand, `worded` how a row reads.

What the last step did, and what is wrong, is not part of the picture of a state: `lit` adds it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any, NamedTuple

from mmviz.engine import Model, Struct, spoken
from mmviz.scene.cards import (
    ROW,
    TITLE,
    Card,
    Row,
    can_be_freed,
    card,
    cards,
    gone,
)
from mmviz.scene.layout import Route
from mmviz.scene.lives import counts
from mmviz.scene.look import Look, Part
from mmviz.scene.marks import Box, Line, Mark, Point, Text, shorten
from mmviz.scene.padlocks import Docks, docks, padlocks
from mmviz.scene.places import FITTING, Places, Spot, places, row_at
from mmviz.scene.reach import Reach, pointee, structs_in
from mmviz.scene.rooms import Rooms, gathered
from mmviz.scene.shapes import Form, Shapes, stroke, unused

FLAT = 19.0  # lines of a sheet that may have more than it needs
COMMON = 10  # characters of a label before its value begins later than those above it
WIDEST = 18  # characters of a value in a row
DEAD = " ✗"  # after a pointer to freed memory
LEAK = " ✗ leak"  # after the name of memory that is never freed
TILES = (
    (-0.3, 0.1, -9),
    (0.1, 0.35, 5),
    (0.4, 0.1, 11),
    (-0.4, 0.5, 8),
    (0.2, 0.7, -6),
    (0.6, 0.4, -13),
)


@dataclass
class Picture:
    """What the parts of one case's picture are drawn from.

    Attributes:
        shapes: what the classes of the objects change about the cards.
        actors: the names of the actors.
        cards: the objects that have a place, by name.
        places: where they stand.
        docks: where the locks that an actor holds are shown.
        by_form: the names of cards, and the fields of arrows, that a form draws itself.
        drawn: draws them; nothing where no form arranges the whole picture.
        rooms: what the cards have beside their rows.
    """

    shapes: Shapes
    actors: tuple[str, ...]
    cards: dict[str, Card]
    places: Places
    docks: Docks
    by_form: frozenset[str] = frozenset()
    drawn: "Callable[[Picture], Iterable[Part]]" = lambda _picture: ()
    rooms: Rooms = field(default_factory=Rooms)

    @property
    def reach(self) -> Reach:
        """The values that fields may have."""
        return self.shapes.reach

    def card(self, struct: Struct) -> Card | None:
        """Return the card that shows an object, its own or that of the object it lies in."""
        return self.cards.get(self.rooms.within.get(struct.name, struct.name))

    def foot(self, name: str, key: str) -> Point:
        """Return where lines below the rows of a card begin; see `rooms.FEET`."""
        spot = self.places.spots[name]
        return (spot.x, spot.y + self.rooms.low(self.cards[name], key))

    def home(self, path: str) -> Point:
        """Return where a lock is when no actor holds it: at the end of its row, or of a title."""
        for each in self.cards.values():
            if any(row.path == path for row in each.rows):
                spot = self.places.spots[each.name]
                return (spot.x + each.width - 2.2, row_at(each, path, spot) - 0.5)
        for each in self.cards.values():
            if path in self.shapes.titles.get(each.struct.name, ()):
                spot = self.places.spots[each.name]
                return (spot.x + each.width - 2.2, spot.y + 0.05)
        for each in self.cards.values():
            if path == each.struct.path("locked"):
                spot = self.places.spots[each.name]
                return (spot.x + each.width - 2.2, spot.y + 0.12)
        return (self.places.width - 3, self.places.height - 1.4)

    def spot(self, struct: Struct) -> tuple[Card, Spot] | None:
        """Return the card of an object and its place; None if it has none."""
        card = self.card(struct)
        return None if card is None else (card, self.places.spots[card.name])


@singledispatch
def adorned(struct: Struct, picture: Picture) -> Iterator[Part]:
    """Yield the parts that an object's class adds to its card; none by default."""
    return iter(())


@singledispatch
def worded(struct: Struct) -> Mapping[str, str | None]:
    """Return labels of an object's fields in this picture; None hides the row of a field."""
    return {}


BACKDROPS: list[Callable[[Picture], Iterable[Part]]] = []  # what lies below the cards: brackets
OVERLAYS: list[Callable[[Picture], Iterable[Part]]] = []  # what moves from card to card
ACCESSES: list[Callable[[Picture], Iterable[Part]]] = []  # paths of CPU and DMA accesses


class Arranged(NamedTuple):
    """The places that a form chose for all objects of a case; the rest as in `Picture`."""

    cards: dict[str, Card]
    places: Places
    by_form: frozenset[str]
    drawn: Callable[[Picture], Iterable[Part]]


ARRANGERS: list[Callable[[Shapes, dict[str, Card], float], Arranged | None]] = []
"""Each places all objects of a case below a line, or returns None; the first that can, does."""


# -- what is shown, and where ------------------------------------------------------------------


def picture(reach: Reach, actors: tuple[str, ...], model: Model | None = None) -> Picture:
    """Choose the objects that some step changes or a changing field points at, and place them.

    A pointer that never changes has a row and an arrow if one of its ends is freed in some run,
    unless the sheet has no room for them.
    """
    shapes = Shapes(reach)
    whole = _picture(shapes, actors, model, lasting=True)
    most = (FITTING, FLAT)
    if whole.places.width <= most[0] and whole.places.height <= most[1]:
        return whole
    plain = _picture(shapes, actors, model, lasting=False)
    wider = whole.places.width > max(most[0], plain.places.width)
    return plain if wider or whole.places.height > max(most[1], plain.places.height) else whole


def _picture(
    shapes: Shapes, actors: tuple[str, ...], model: Model | None, lasting: bool
) -> Picture:
    """Place the objects of a case, with or without pointers that never change."""
    reach = shapes.reach
    every, within = gathered([one for each in cards(reach) for one in shapes.apart(each)], reach)
    rooms = Rooms(model, within)
    aimed = {
        struct.name
        for each in every
        for row in each.rows
        if shapes.shown(row.path)
        for value in reach.values[row.path]
        for struct in structs_in(value)
    }
    shown = {}
    for each in every:
        rows = [row for row in each.rows if shapes.shown(row.path)]
        moves = any(reach.varies(each.struct.path(key)) for key, _ in each.struct.fields())
        if rows or moves or each.struct.name in aimed:
            shown[each.struct.name] = each._replace(rows=tuple(rows))
    if lasting:
        leads = set(shapes.lasting(every, shown, within))
        for each in every:
            if each.struct.name in shown:
                rows = [row for row in each.rows if shapes.shown(row.path) or row.path in leads]
                shown[each.struct.name] = each._replace(rows=tuple(rows))
    if not shown:
        shown = {each.struct.name: each for each in every}
    shown = {name: fitted(each, each.rows, shapes) for name, each in shown.items()}
    rooms.fit(shown, reach)
    top = docks(reach, actors, shapes.locks)
    for arrange in ARRANGERS:
        if (made := arrange(shapes, shown, top.height)) is not None:
            drawn, stand, by_form, draw = made
            above = top.spread(stand.width)
            return Picture(shapes, actors, drawn, stand, above, by_form, draw, rooms)
    routes = list(arrows(shown, reach, within))
    stand = places(list(shown.values()), routes, top.height)
    return Picture(shapes, actors, shown, stand, top.spread(stand.width), rooms=rooms)


def fitted(each: Card, rows: Sequence[Row], shapes: Shapes) -> Card:
    """Return a card for this picture: short labels, short values, no field that its form shows."""
    reach = shapes.reach
    called = {each.struct.path(key): label for key, label in worded(each.struct).items()}
    called |= shapes.labels
    kept = [
        shapes.worded(row._replace(label=called.get(row.path) or _label(row, shapes)))
        for row in rows
        if called.get(row.path, "") is not None
    ]
    kept = _told_apart(kept)
    made = card(each.struct, kept, reach)
    widths = {row.path: _width(row, reach, shapes.forms.get(row.path)) for row in kept}
    labels = min(max((len(row.label) for row in kept), default=0), COMMON)
    room = len(each.name) + len(" ✗ freed") * can_be_freed(each.struct) - labels - 2
    wide = [max(len(row.label) - labels, 0) + widths[row.path] for row in kept]
    return shapes.roomy(
        made._replace(
            name=each.name, kind="", label_width=labels, value_width=max([room, *wide, 0])
        )
    )


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """Return rows whose labels are the last part of their names, where that is enough."""
    last = [row.label.rpartition(".")[2] for row in rows]
    return [
        row._replace(label=row.label if last.count(short) > 1 else short)
        for row, short in zip(rows, last, strict=True)
    ]


def _label(row: Row, shapes: Shapes) -> str:
    """Return the label of a row; a lock's is the lock's name."""
    if row.path not in shapes.locks:
        return row.label
    return row.label.rpartition(".")[0] or row.label


def _width(row: Row, reach: Reach, form: Form | None) -> int:
    """Return the cells that a row's values take."""
    if form is not None:
        return int(form.width + 0.99)
    values = reach.values[row.path]
    frees = any(can_be_freed(struct) for value in values for struct in structs_in(value))
    return min(max(len(words(row, value)) for value in values) + len(DEAD) * frees, WIDEST)


def words(row: Row, value: Any) -> str:
    """Return a value as its row shows it; a pointer begins with an arrow, a list is its names."""
    if row.wording is not spoken:
        return row.wording(value)
    if isinstance(value, Struct):
        return f"→ {called(value)}"
    if isinstance(value, tuple | frozenset) and value and not hasattr(value, "_fields"):
        named = [called(each) if isinstance(each, Struct) else spoken(each) for each in value]
        return " ".join(named if isinstance(value, tuple) else sorted(named))
    return "none" if value in ((), frozenset(), "") else row.wording(value)


def called(struct: Struct) -> str:
    """Return the name of an object without its kind, where the kind is a word of the name."""
    kind, _, rest = struct.name.partition(" ")
    is_kind = type(struct).__name__.lower().endswith(kind.lower())
    return rest if rest and is_kind and not rest[0].isdigit() else struct.name


def arrows(
    shown: Mapping[str, Card], reach: Reach, within: Mapping[str, str] | None = None
) -> Iterator[Route]:
    """Yield every arrow that some state has; to an object `within` another, to the other."""
    inside = within or {}
    for each in shown.values():
        for row in each.rows:
            found = {
                inside.get(target.name, target.name)
                for value in reach.values[row.path]
                if (target := pointee(value)) is not None
            }
            for name in sorted(found & set(shown)):
                if name != each.struct.name:
                    yield Route(each.name, row.path, shown[name].name)


# -- the parts ---------------------------------------------------------------------------------


def parts(picture: Picture) -> Iterator[Part]:
    """Yield the parts of a case's picture, from the bottom to the top."""
    for backdrop in BACKDROPS:
        yield from backdrop(picture)
    plain = [each for each in picture.cards.values() if each.name not in picture.by_form]
    for each in plain:
        yield from _card_parts(each, picture)
    yield from picture.drawn(picture)
    for path, routes in _by_path(picture.places.routes).items():
        if path not in picture.by_form:
            yield _arrow(path, routes, picture)
    for each in plain:
        yield from adorned(each.struct, picture)
    yield from padlocks(picture.reach, picture.shapes.locks, picture.docks, picture.home)
    for overlay in OVERLAYS:
        yield from overlay(picture)
    for access in ACCESSES:
        yield from access(picture)


def _card_parts(each: Card, picture: Picture) -> Iterator[Part]:
    """Yield a card and its rows.

    What is never freed, and is pointed at by nothing that could, has a broken outline at the end.
    What is free at the start is an empty outline, and has not crumbled. Simplified: so it is again
    if it is freed later, because a state does not tell whether it has been in use.
    """
    x, y, _ = picture.places.spots[each.name]
    struct = each.struct
    titles = picture.shapes.titles.get(struct.name, ())
    is_new = can_be_freed(struct) and unused(struct, picture.reach)
    ends = ends_by(struct)

    def body(look: Look) -> Iterator[Mark]:
        is_gone = gone(struct, look)
        if can_be_freed(struct):
            role = "clear" if is_gone and is_new else "tile"
            crumbled = bool(is_gone) and not is_new
            yield from tiles(each.name, x, y, each.width, each.height, crumbled, role)
        leaks = bool(ends) and not is_gone and look.leaks(ends)
        role = "ghost" if is_gone else "leaked" if leaks else "card"
        yield Box(x, y, each.width, each.height, role, f"object:{each.name}", round=0.25)
        freed = struct.path("freed") if hasattr(type(struct), "freed") else ""
        paths = titles or (freed,)
        for number, path in enumerate(paths):  # the others below the title, which shows the first
            low, tall = (0.98, 0.22) if number else (0.1, 1.05)
            key = f"cell:{path or each.name}"
            yield Box(x + 0.3, y + low, each.width - 0.6, tall, "cell", key, path, 0.15)
        end = f"({is_gone})" if is_new else f"✗ {is_gone}"
        title = f"{each.name} {end}" if is_gone else each.name + LEAK * leaks
        yield Text(
            x + 0.8,
            y + 0.12,
            title,
            "ghost" if is_gone else "bad" if leaks else "value",
            True,
            True,
            f"title:{each.name}",
            paths[0],
        )

    yield Part(f"object:{each.name}", body)
    for index, row in enumerate(each.rows):
        yield _row(each, row, (x, y + TITLE + ROW * index), picture)


def _row(each: Card, row: Row, at: Point, picture: Picture) -> Part:
    """Return the part of one field: its label, and its value in a cell."""
    x, y = at
    form = picture.shapes.forms.get(row.path)

    def draw(look: Look) -> Iterator[Mark]:
        value = look[row.path]
        dead = any(gone(target, look) for target in structs_in(value))
        text = shorten(words(row, value) + (DEAD if dead else ""), WIDEST)
        yield Box(
            x + 0.3, y + 0.06, each.width - 0.6, 1.02, "cell", f"cell:{row.path}", row.path, 0.15
        )
        yield Text(x + 0.8, y + 0.08, row.label, "label", key=f"label:{row.path}", field=row.path)
        left = x + 0.8 + max(each.label_width, len(row.label)) + 1
        if form is not None:
            yield from form.draw(look, left, y)
            return
        yield Text(left, y + 0.08, text, "value", False, True, f"field:{row.path}", row.path)

    return Part(f"field:{row.path}", draw)


def _by_path(routes: Mapping[Route, tuple[Point, ...]]) -> dict[str, dict[str, tuple[Point, ...]]]:
    """Return the paths of arrows by their field, and then by the card they point at."""
    found: dict[str, dict[str, tuple[Point, ...]]] = {}
    for route, points in routes.items():
        found.setdefault(route.path, {})[route.target] = points
    return found


def _arrow(path: str, ways: Mapping[str, tuple[Point, ...]], picture: Picture) -> Part:
    """Return the arrow of a field, which swings to what the field points at.

    In freed memory it is only a trace: no step may follow it.
    """
    every = picture.cards.values()
    source = next(each.struct for each in every if any(row.path == path for row in each.rows))

    def draw(look: Look) -> Iterator[Mark]:
        target = pointee(look[path])
        card = picture.card(target) if target is not None else None
        if target is None or card is None or card.name not in ways:
            return
        is_gone = end_of(target, look) or end_of(card.struct, look)
        role = "dangling" if is_gone else stroke(look[path])
        if end_of(source, look):
            role = "ghost"
        yield Line(ways[card.name], role, True, f"arrow:{path}", path, curved=True)

    return Part(f"arrow:{path}", draw)


def tiles(
    name: str, x: float, y: float, w: float, h: float, is_gone: bool, role: str = "tile"
) -> Iterator[Box]:
    """Draw the six tiles that an object crumbles into when it is freed."""
    for index, (dx, dy, turn) in enumerate(TILES):
        column, low = index % 3, index // 3
        left, top = x + column * w / 3, y + low * h / 2
        if is_gone:
            left, top = left + dx, top + dy * 0.6
        yield Box(
            left, top, w / 3, h / 2, role, f"tile:{name}:{index}", turn=turn if is_gone else 0.0
        )


def ends_by(struct: Struct) -> tuple[str, ...]:
    """Return the fields that tell whether an object is freed; none of what cannot be."""
    if not can_be_freed(struct):
        return ()
    keys = {key for key, _ in struct.fields()}
    return tuple(struct.path(key) for key in ("freed", *counts(struct)) if key in keys)


def end_of(struct: Struct, look: Look) -> str:
    """Return "freed" or "free" once the allocator has the object's memory back, else ""."""
    return gone(struct, look)
