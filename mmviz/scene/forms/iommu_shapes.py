"""Shapes of which the pictures of an IOMMU consist: rows, badges, chips, blocks, curves."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from math import hypot

from mmviz.scene.cards import ROW, TITLE, Card, Row, can_be_freed
from mmviz.scene.look import Look, Part
from mmviz.scene.machine import DEAD, TILES, WIDEST, end_of, words
from mmviz.scene.marks import CELL_HEIGHT, CELL_WIDTH, Box, Line, Mark, Point, Text, shorten
from mmviz.scene.reach import structs_in
from mmviz.scene.shapes import Form

Forms = Mapping[str, Form]


def rows(
    each: Card, y: float, left: Callable[[Look], float], locks: Collection[str], forms: Forms
) -> Iterator[Part]:
    """Yield the rows of a card whose left edge moves; its upper edge is at `y`.

    The holder of a lock is not written there, because the padlock goes to it.
    """
    for index, row in enumerate(each.rows):
        at = y + TITLE + ROW * index
        yield _row(each, row, at, left, row.path in locks, forms.get(row.path))


def _row(
    each: Card,
    row: Row,
    y: float,
    left: Callable[[Look], float],
    is_lock: bool,
    form: Form | None,
) -> Part:
    """Return one row: its label, and its value in a cell."""
    path, beside = row.path, 0.8 + max(each.label_width, len(row.label)) + 1

    def drawn(look: Look) -> Iterator[Mark]:
        value, x = look[path], left(look)
        dead = any(end_of(target, look) for target in structs_in(value))
        yield Box(x + 0.3, y + 0.06, each.width - 0.6, 1.02, "cell", f"cell:{path}", path, 0.15)
        yield Text(x + 0.8, y + 0.08, row.label, "label", key=f"label:{path}", field=path)
        if form is not None:
            yield from form.draw(look, x + beside, y)
            return
        text = "" if is_lock else shorten(words(row, value) + (DEAD if dead else ""), WIDEST)
        yield Text(x + beside, y + 0.08, text, "value", False, True, f"field:{path}", path)

    return Part(f"field:{path}", drawn)


def chip(
    key: str, path: str, words: str, x: float, y: float, w: float, is_there: bool
) -> Iterator[Mark]:
    """Draw data that an object has; it tips over, an empty outline, once the object has none."""
    role, turn, down = ("plain", 0.0, 0.0) if is_there else ("ghost", 4.0, 0.12)
    yield Box(x, y + 0.06 + down, w, 1.0, role, key, round=0.3, turn=turn)
    yield Box(x, y + 0.06, w, 1.02, "cell", f"cell:{path}", path, 0.15)
    yield Text(x + 0.7, y + 0.1, words, role, False, True, f"field:{path}", path)


def block(name: str, x: float, y: float, w: float, h: float, is_gone: bool) -> Iterator[Mark]:
    """Draw page tables as a block of six tiles in a frame; freed, it has crumbled."""
    for index, (dx, dy, turn) in enumerate(TILES):
        left, top = x + index % 3 * w / 3, y + index // 3 * h / 2
        if is_gone:
            left, top = left + dx * 1.2, top + dy * 0.8
        role = "hatch" if is_gone else "tile"
        yield Box(left, top, w / 3, h / 2, role, f"tile:{name}:{index}", turn=turn * 0.8 * is_gone)
    ring = ((x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y))
    yield Line(ring, "ghost" if is_gone else "brace", False, f"object:{name}")


def heading(each: Card, look: Look, x: float, y: float, w: float) -> Iterator[Mark]:
    """Draw an object's name, with its end once it is freed."""
    struct = each.struct
    ends = end_of(struct, look) if can_be_freed(struct) else ""
    path = struct.path("freed") if hasattr(type(struct), "freed") else ""
    yield Box(x + 0.3, y + 0.1, w - 0.6, 1.05, "cell", f"cell:{path or each.name}", path, 0.15)
    role, title = ("ghost", f"{each.name}{DEAD} {ends}") if ends else ("value", each.name)
    yield Text(x + 0.8, y + 0.12, title, role, True, True, f"title:{each.name}", path)


def swing(start: Point, end: Point) -> tuple[Point, ...]:
    """Return a path that leaves and arrives level: two curves."""
    (x0, y0), (x1, y1) = start, end
    reach = (x1 - x0) * 0.28
    middle, slope = ((x0 + x1) / 2, (y0 + y1) / 2), ((x1 - x0) * 0.14, (y1 - y0) * 0.27)
    return (
        start,
        (x0 + reach, y0),
        (middle[0] - slope[0], middle[1] - slope[1]),
        middle,
        (middle[0] + slope[0], middle[1] + slope[1]),
        (x1 - reach, y1),
        end,
    )


def straight(start: Point, end: Point) -> tuple[Point, ...]:
    """Return a straight path as one curve."""
    (x0, y0), (x1, y1) = start, end
    dx, dy = (x1 - x0) / 3, (y1 - y0) / 3
    return (start, (x0 + dx, y0 + dy), (x1 - dx, y1 - dy), end)


def bend(start: Point, end: Point, at: float = 0.5) -> tuple[Point, ...]:
    """Return a path that leaves and arrives level, as one curve; it turns at that part."""
    (x0, y0), (x1, y1) = start, end
    middle = x0 + (x1 - x0) * at
    return (start, (middle, y0), (middle, y1), end)


def joined(*ways: Sequence[Point]) -> tuple[Point, ...]:
    """Return curves one after the other, with straight curves between their ends."""
    path = tuple(ways[0])
    for way in ways[1:]:
        if path[-1] != way[0]:
            path += straight(path[-1], way[0])[1:]
        path += tuple(way[1:])
    return path


def length(path: Sequence[Point]) -> float:
    """Return the length of a curved path, in lines, by its control points."""
    return sum(
        hypot((x1 - x0) * CELL_WIDTH / CELL_HEIGHT, y1 - y0)
        for (x0, y0), (x1, y1) in pairwise(path)
    )


def part_of(path: Sequence[Point], whole: Sequence[Point]) -> float:
    """Return which part of a path its beginning is, from 0 to 1."""
    return round(length(path) / (length(whole) or 1), 3)
