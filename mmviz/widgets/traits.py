"""A scene as traits of a few plot marks: plain data, which the browser and Python apply alike.

There is one mark per way of drawing, never one per object: all fills are one mark, all thin
strokes another, all texts three.
"""

from collections.abc import Sequence
from typing import Any

from mmviz.scene.marks import Box, Point, Scene, Text, head
from mmviz.scene.theme import Style, style

Traits = dict[str, Any]
STROKES = (
    *("outline", "outline_heavy", "stroke", "stroke_heavy"),
    *("stroke_dash", "stroke_dash_heavy"),
)
TEXTS = ("text", "text_live", "text_bold")
MARKS = ("fill", *STROKES, "head", *TEXTS)  # from the bottom up
NOTHING = "transparent"


def marks(scene: Scene) -> dict[str, Traits]:
    """Return the traits of every mark that together draw the scene.

    From frame to frame the large marks change only colours, which is what a browser does
    fastest. So every box has a thin and a heavy outline, one of them without colour, and every
    bold text a pale twin; dashes, which seldom change, are drawn in small marks of their own;
    and texts that say something new are a mark apart, as all texts of a mark are drawn anew.
    """
    boxes = [(_outline(box), style(box.role)) for box in scene.boxes]
    lines = [(line.points, style(line.role)) for line in scene.lines]
    dashed = [(points, look) for points, look in (*boxes, *lines) if look.dash]
    arrows = [line for line in scene.lines if line.arrow]
    return {
        "fill": _polygons([(_corners(box), style(box.role).fill) for box in scene.boxes])
        | {"labels": [box.key for box in scene.boxes] + ["", ""]},
        "outline": _polylines([(points, _solid(look)) for points, look in boxes]),
        "outline_heavy": _polylines([(points, _heavy(look)) for points, look in boxes]),
        "stroke": _polylines([(points, _solid(look)) for points, look in lines]),
        "stroke_heavy": _polylines([(line.points, _heavy(style(line.role))) for line in arrows]),
        "stroke_dash": _polylines([(at, look.stroke) for at, look in dashed if not look.heavy]),
        "stroke_dash_heavy": _polylines([(at, look.stroke) for at, look in dashed if look.heavy]),
        "head": _polygons([(head(line.points), style(line.role).stroke) for line in arrows]),
        "text": _labels([text for text in scene.texts if not text.live], bold=False),
        "text_live": _labels([text for text in scene.texts if text.live], bold=False),
        "text_bold": _labels([text for text in scene.texts if text.bold], bold=True),
    }


def _solid(look: Style) -> str:
    """Return the colour of a thin, solid line: none where the look is dashed."""
    return NOTHING if look.dash else look.stroke


def _heavy(look: Style) -> str:
    """Return the colour of a heavy, solid line: none where the look is another."""
    return look.stroke if look.heavy and not look.dash else NOTHING


def _corners(box: Box) -> list[Point]:
    """Return the corners of a box."""
    right, low = box.x + box.w, box.y + box.h
    return [(box.x, box.y), (right, box.y), (right, low), (box.x, low)]


def _outline(box: Box) -> list[Point]:
    """Return the closed line round a box."""
    corners = _corners(box)
    return [*corners, corners[0]]


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
    """Return the traits of a mark of many filled shapes without outlines."""
    traits = _polylines(shapes)
    return traits | {"fill_colors": traits["colors"], "colors": [NOTHING] * len(traits["x"])}


def _labels(texts: Sequence[Text], bold: bool) -> Traits:
    """Return the traits of a mark of many texts; never none, as for lines."""
    return {
        "x": [*(round(text.x, 3) for text in texts), 0.0],
        "y": [*(round(text.y + 0.5, 3) for text in texts), 0.0],
        "text": [*(text.text for text in texts), ""],
        "colors": [
            *(style(text.role).text if text.bold == bold else NOTHING for text in texts),
            NOTHING,
        ],
    }
