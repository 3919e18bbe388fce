"""Scenes as plain data for the browser: one list of marks, each with a key of its own.

The unit is a pixel at a type of 13 pixels. In the list, later marks lie over earlier ones.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from mmviz.scene.marks import CELL_HEIGHT, CELL_WIDTH, Box, Flow, Line, Mark, Point, Scene, head
from mmviz.scene.theme import CLEAR, WITNESS

TYPE = 13.0  # pixels
WIDE, HIGH = CELL_WIDTH * TYPE, CELL_HEIGHT * TYPE  # pixels of a cell
BASELINE = 0.72  # of a line, from its top

Plain = dict[str, Any]


def size(scene: Scene) -> tuple[float, float]:
    """Return the width and height of a scene in pixels."""
    return round(scene.width * WIDE, 1), round(scene.height * HIGH, 1)


def of_scene(scene: Scene) -> list[Plain]:
    """Return the marks of a scene, boxes below lines below texts."""
    return plain(marks_of(scene))


def marks_of(scene: Scene) -> list[Mark]:
    """Return the marks of a scene in the order in which they are drawn."""
    return [*scene.boxes, *scene.lines, *scene.texts, *scene.flows]


def plain(marks: Iterable[Mark]) -> list[Plain]:
    """Return marks in their order, as the browser draws them.

    Each has `k`, unique in the list; `t`, its type; `c`, its role; `s`, what it stands for; and
    `f`, the path of the field it shows, if there is one. An invisible mark has the opacity 0.
    """
    return [part for mark, key in with_keys(marks) for part in plain_parts(mark, key)]


def with_keys(marks: Iterable[Mark]) -> Iterator[tuple[Mark, str]]:
    """Yield each mark with a key that is unique in the list."""
    used: dict[str, int] = {}
    for mark in marks:
        kind = type(mark).__name__.lower()
        key = mark.key or kind
        number = used.get(key, 0)
        used[key] = number + 1
        yield mark, key if mark.key and not number else f"{key}:{kind}{number}"


def subject(mark: Mark) -> str:
    """Return what a mark stands for: the field that it shows, or else what its key names."""
    field = getattr(mark, "field", "")
    return f"field:{field}" if field else mark.key


def plain_parts(mark: Mark, key: str) -> Iterator[Plain]:
    """Yield what draws one mark: a line is its glow, its body and its head."""
    base: Plain = {"k": key, "s": subject(mark), "c": mark.role}
    if field := getattr(mark, "field", ""):
        base["f"] = field
    if mark.role == CLEAR:
        base["o"] = 0
    if mark.role in WITNESS:
        base["l"] = "bad"
    if isinstance(mark, Box):
        x, y = _at((mark.x, mark.y))
        w, h = _at((mark.w, mark.h))
        shape = {"t": "rect", "x": x, "y": y, "w": w, "h": h}
        yield base | shape | {"rx": _px(mark.round * HIGH), "rot": _px(mark.turn)}
    elif isinstance(mark, Flow):
        at = round(mark.at, 3)
        yield base | {"t": "flow", "p": _points(mark.points), "end": mark.end, "at": at}
    elif isinstance(mark, Line):
        points = _points(mark.points)
        if mark.arrow and mark.curved:
            yield base | {"k": f"{key}:glow", "t": "glow", "p": points}
        yield base | {"t": "curve" if mark.curved else "line", "p": points}
        if mark.arrow:
            ends = mark.points[-4:] if mark.curved else mark.points
            yield base | {"k": f"{key}:tip", "t": "poly", "p": _points(head(ends[-2:]))}
    else:
        x, y = _at((mark.x, mark.y + BASELINE))
        yield base | {"t": "text", "x": x, "y": y, "w": mark.text, "b": int(mark.bold)}


def _px(number: float) -> float:
    """Return a number rounded to a tenth, whole ones as integers."""
    rounded = round(number, 1)
    return int(rounded) if rounded == int(rounded) else rounded


def _at(point: Point) -> tuple[float, float]:
    return _px(point[0] * WIDE), _px(point[1] * HIGH)


def _points(points: Iterable[Point]) -> list[float]:
    return [part for point in points for part in _at(point)]
