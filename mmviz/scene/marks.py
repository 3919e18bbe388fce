"""The parts of a picture: boxes, texts and lines, in character cells.

The unit is one character cell of a monospaced font. `x` grows to the right, one unit is
one character wide; `y` grows *downwards*, one unit is one line of text high. So the width
of a text is its number of characters, and no font is needed to see whether two texts touch.

A mark has a *role* ("now", "written", "ghost", …); `theme` gives each role its colours. Its *key*
names what the mark represents, and so the target of a click ("step:3"); in a picture that moves,
keys are unique, and a mark that moves keeps its key. Its *field* is the path of the field it shows.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import hypot
from typing import NamedTuple

CELL_WIDTH = 0.61  # width of a character in em; the usual monospaced fonts are slightly narrower
CELL_HEIGHT = 1.5  # height of a line in em: a character with space above and below
HEAD_LENGTH, HEAD_HALF_WIDTH = 0.8, 0.32  # of an arrow head, in em

Point = tuple[float, float]


class Box(NamedTuple):
    """A rectangle; `x, y` is its upper left corner."""

    x: float
    y: float
    w: float
    h: float
    role: str
    key: str = ""
    field: str = ""
    round: float = 0.0  # radius of the corners, in lines
    turn: float = 0.0  # degrees, about the middle


class Text(NamedTuple):
    """One line of text; it fills the cells from `x, y` to `x + len(text), y + 1`.

    A live text differs between frames; other texts only change colour.
    """

    x: float
    y: float
    text: str
    role: str
    bold: bool = False
    live: bool = False
    key: str = ""
    field: str = ""


class Line(NamedTuple):
    """A line through two or more points, with an arrow head at its end if `arrow`.

    The points of a curved line are those of cubic Bezier curves: an end, two controls, an end, …
    """

    points: tuple[Point, ...]
    role: str
    arrow: bool = False
    key: str = ""
    field: str = ""
    curved: bool = False


class Flow(NamedTuple):
    """The path of an access, along which balls run: a curved line that is not drawn itself.

    `end` is how the access fares: "pass", "bounce" or "fall", the last two at the part `at`, from
    0 to 1, of the path. Its role is "dma" or "cpu".
    """

    points: tuple[Point, ...]
    role: str
    end: str
    key: str
    at: float = 1.0


Mark = Box | Text | Line | Flow


class Scene(NamedTuple):
    """One picture: a sheet of `width` x `height` cells and the marks on it.

    Later boxes lie over earlier ones, lines over boxes, texts over everything.
    """

    width: float
    height: float
    boxes: tuple[Box, ...] = ()
    lines: tuple[Line, ...] = ()
    texts: tuple[Text, ...] = ()
    flows: tuple[Flow, ...] = ()


def sheet(width: float, height: float, marks: Iterable[Mark]) -> Scene:
    """Sort marks of any kind onto a sheet, keeping their order within a kind."""
    marks = tuple(marks)
    return Scene(
        width,
        height,
        boxes=tuple(m for m in marks if isinstance(m, Box)),
        lines=tuple(m for m in marks if isinstance(m, Line)),
        texts=tuple(m for m in marks if isinstance(m, Text)),
        flows=tuple(m for m in marks if isinstance(m, Flow)),
    )


def moved(scene: Scene, dx: float, dy: float) -> Scene:
    """Return the scene shifted by `dx, dy`, on a sheet that is larger by as much."""
    return Scene(
        scene.width + dx,
        scene.height + dy,
        tuple(box._replace(x=box.x + dx, y=box.y + dy) for box in scene.boxes),
        tuple(
            line._replace(points=tuple((x + dx, y + dy) for x, y in line.points))
            for line in scene.lines
        ),
        tuple(text._replace(x=text.x + dx, y=text.y + dy) for text in scene.texts),
        tuple(
            flow._replace(points=tuple((x + dx, y + dy) for x, y in flow.points))
            for flow in scene.flows
        ),
    )


def stacked(scenes: Sequence[Scene], gap: float = 1.0) -> Scene:
    """Return one sheet with several scenes on it, one below the other, `gap` lines apart."""
    width = max(scene.width for scene in scenes)
    marks: list[Mark] = []
    low = 0.0
    for scene in scenes:
        down = moved(scene, 0, low)
        marks += [*down.boxes, *down.lines, *down.texts, *down.flows]
        low = down.height + gap
    return sheet(width, low - gap, marks)


def head(points: Sequence[Point]) -> list[Point]:
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


def shorten(text: str, width: int) -> str:
    """Return a text cut to `width` characters, with an ellipsis where it was cut.

    The end stays too: in a call, the arguments matter as much as the name.
    """
    if len(text) <= width:
        return text
    tail = min(width // 3, 12)
    return text[: width - tail - 1] + "…" + text[len(text) - tail :]
