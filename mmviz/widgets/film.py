"""A scene as traits of a few plot marks, and a row of scenes as a film.

Both are plain data: the browser and Python apply the same thing. There is one mark per way of
drawing, never one per object: all fills are one mark, all thin strokes another, all texts two.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import hypot
from typing import Any

from mmviz.scene.marks import CELL_HEIGHT, CELL_WIDTH, Box, Point, Scene, Text
from mmviz.scene.theme import style

Traits = dict[str, Any]
STROKES = ("stroke", "stroke_dash", "stroke_heavy", "stroke_dash_heavy")
MARKS = ("fill", *STROKES, "head", "text", "text_bold")  # from the bottom up
HEAD_LENGTH, HEAD_HALF_WIDTH = 0.8, 0.32  # of an arrow head, in em
NOTHING = "transparent"


def marks(scene: Scene) -> dict[str, Traits]:
    """Return the traits of every mark that together draw the scene."""
    strokes: dict[str, list[tuple[Sequence[Point], str]]] = {name: [] for name in STROKES}
    heads: list[tuple[Sequence[Point], str]] = []
    for box in scene.boxes:
        strokes[_stroke_of(box.role)].append((_outline(box), style(box.role).stroke))
    for line in scene.lines:
        strokes[_stroke_of(line.role)].append((line.points, style(line.role).stroke))
        if line.arrow:
            heads.append((_head(line.points), style(line.role).stroke))
    fills = [(_corners(box), style(box.role).fill) for box in scene.boxes]
    return {
        "fill": _polygons(fills) | {"labels": [box.key for box in scene.boxes] + ["", ""]},
        **{name: _polylines(lines) for name, lines in strokes.items()},
        "head": _polygons(heads),
        "text": _labels([text for text in scene.texts if not text.bold]),
        "text_bold": _labels([text for text in scene.texts if text.bold]),
    }


def film(shots: Sequence[Mapping[str, Traits]]) -> dict[str, dict[str, dict[str, list[Any]]]]:
    """Pack one set of traits per frame, each different value stored once.

    Returns:
        `film[mark][trait] = {"values": [...], "at": [...]}`: in frame k the trait has
        the value `values[at[k]]`. So a browser jumps from any frame to any other and sets
        only what differs.
    """
    packed: dict[str, dict[str, dict[str, list[Any]]]] = {}
    for shot in shots:
        for mark, traits in shot.items():
            for trait, value in traits.items():
                reel = packed.setdefault(mark, {}).setdefault(trait, {"values": [], "at": []})
                values = reel["values"]
                if value not in values:
                    values.append(value)
                reel["at"].append(values.index(value))
    return packed


def _corners(box: Box) -> list[Point]:
    """Return the corners of a box."""
    right, low = box.x + box.w, box.y + box.h
    return [(box.x, box.y), (right, box.y), (right, low), (box.x, low)]


def _outline(box: Box) -> list[Point]:
    """Return the closed line round a box."""
    corners = _corners(box)
    return [*corners, corners[0]]


def _stroke_of(role: str) -> str:
    """Return the name of the mark that strokes lines of this role."""
    drawn = style(role)
    return "stroke" + "_dash" * drawn.dash + "_heavy" * drawn.heavy


def _head(points: Sequence[Point]) -> list[Point]:
    """Return the triangle at the end of a line, in its last direction."""
    (x0, y0), (x1, y1) = next(
        (pair for pair in reversed(list(pairwise(points))) if pair[0] != pair[1]),
        (points[0], points[-1]),
    )
    dx, dy = (x1 - x0) * CELL_WIDTH, (y1 - y0) * CELL_HEIGHT
    length = hypot(dx, dy) or 1
    dx, dy = dx / length, dy / length
    foot_x, foot_y = -dx * HEAD_LENGTH, -dy * HEAD_LENGTH
    side_x, side_y = -dy * HEAD_HALF_WIDTH, dx * HEAD_HALF_WIDTH
    return [
        (x1, y1),
        (x1 + (foot_x + side_x) / CELL_WIDTH, y1 + (foot_y + side_y) / CELL_HEIGHT),
        (x1 + (foot_x - side_x) / CELL_WIDTH, y1 + (foot_y - side_y) / CELL_HEIGHT),
    ]


def _polylines(lines: Sequence[tuple[Sequence[Point], str]]) -> Traits:
    """Return the traits of a mark of many lines.

    Two more, of no length and no colour, are always there: bqplot takes one line alone for
    a list of numbers, and none at all for "not drawn yet".
    """
    longest = max((len(points) for points, _ in lines), default=2)
    rows = [[*points, *([points[-1]] * (longest - len(points)))] for points, _ in lines]
    rows += [[(0.0, 0.0)] * longest] * 2
    return {
        "x": [[round(x, 3) for x, _ in row] for row in rows],
        "y": [[round(y, 3) for _, y in row] for row in rows],
        "colors": [*(colour for _, colour in lines), NOTHING, NOTHING],
    }


def _polygons(shapes: Sequence[tuple[Sequence[Point], str]]) -> Traits:
    """Return the traits of a mark of many filled shapes."""
    traits = _polylines(shapes)
    return traits | {"fill_colors": traits["colors"]}


def _labels(texts: Sequence[Text]) -> Traits:
    """Return the traits of a mark of many texts; never none, as for lines."""
    return {
        "x": [*(round(text.x, 3) for text in texts), 0.0],
        "y": [*(round(text.y + 0.5, 3) for text in texts), 0.0],
        "text": [*(text.text for text in texts), ""],
        "colors": [*(style(text.role).text for text in texts), NOTHING],
    }
