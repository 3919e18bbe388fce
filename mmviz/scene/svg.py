"""A scene as an SVG picture, for slides, papers and pages without widgets.

Python writes it without a browser; it refers to no file and fetches nothing. It has the boxes,
lines and texts of the stage in the same places, in the colours of one theme.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import hypot

from mmviz.engine import nearest
from mmviz.engine.html import escape
from mmviz.scene.marks import (
    CELL_HEIGHT,
    CELL_WIDTH,
    Box,
    Flow,
    Mark,
    Point,
    Scene,
    Text,
    head,
)
from mmviz.scene.theme import CELL, CLEAR, PAPER, THEMES, Style, style

FONT_SIZE = 9 / CELL_WIDTH  # pixels: a cell is 9 wide, because CairoSVG rounds it to whole pixels
ADVANCE = 0.60205  # em from a character to the next in DejaVu Sans Mono
TYPE = round(FONT_SIZE * CELL_WIDTH / ADVANCE, 2)  # so that it fills its cells by itself
HEAVY, THIN = 2.4, 1.0
BASELINE = 0.72  # of a line, from its top
BEAD, APART, SAMPLES = 3.2, 1.5, 40  # radius in pixels, distance in em, points of a curve
FALL, LOST = "fall", "bad"  # an access that is lost, and the role of its last dot
PAGE = "page"  # the theme of the page around the picture
FONTS = "DejaVuSansMono, DejaVu Sans Mono, Menlo, Consolas, monospace"  # svglib splits at blanks


def svg(scene: Scene, theme: str = "light", title: str = "") -> str:
    """Return a scene as the text of an SVG file.

    Args:
        scene: what to draw.
        theme: "light" or "dark"; or "page" for a picture within a page that has `theme.css()`,
            whose colours follow it.
        title: a description for readers who cannot see the picture.

    Raises:
        UnknownName: there is no such theme; the nearest is suggested.
    """
    theme = nearest({name: name for name in (*THEMES, PAGE)}, theme, "theme")
    page = theme == PAGE
    looks = {role: style(role) for role in THEMES["light"]} if page else THEMES[theme]
    paper = "var(--mm-paper)" if page else PAPER[theme]
    wide, high = pixels(scene)
    marks: tuple[Mark, ...] = (*scene.boxes, *scene.lines, *scene.flows, *scene.texts)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" '
        f'viewBox="0 0 {wide} {high}" font-family="{FONTS}" font-size="{TYPE}" role="img" '
        'style="max-width:100%">',  # on a narrow page it shrinks
        f"<title>{escape(title)}</title>" if title else "",
        f'<rect width="{wide}" height="{high}" fill="{paper}"/>',
    ]
    for mark in marks:
        if mark.role not in (CLEAR, CELL):
            parts += _drawn(mark, looks)
    return "\n".join(part for part in [*parts, "</svg>"] if part) + "\n"


def pixels(scene: Scene) -> Point:
    """Return the width and the height of a scene's picture in pixels."""
    return _at((scene.width, scene.height))


def _drawn(mark: Mark, looks: dict[str, Style]) -> Iterator[str]:
    """Yield what draws one mark."""
    look = looks[mark.role]
    pen = f'stroke="{look.stroke}" stroke-width="{HEAVY if look.heavy else THIN}"' + (
        ' stroke-dasharray="5 3"' if look.dash else ""
    )
    if isinstance(mark, Box):
        if mark.w and mark.h:
            yield _box(mark, look.fill, pen)
    elif isinstance(mark, Flow):
        dots = [*map(_at, beads(mark))]
        fills = [look.fill] * len(dots)
        if mark.end == FALL:  # as on the stage: one that a check turns back keeps its colour
            fills[-1:] = [looks[LOST].stroke] * bool(dots)
        yield from (
            f'<circle cx="{x}" cy="{y}" r="{BEAD}" fill="{fill}"/>'
            for (x, y), fill in zip(dots, fills, strict=True)
        )
    elif isinstance(mark, Text):
        if mark.text.strip():
            yield _text(mark, look.text)
    else:
        if mark.curved:
            yield f'<path d="{_curve(mark.points)}" fill="none" {pen}/>'
        else:
            yield f'<polyline points="{_points(mark.points)}" fill="none" {pen}/>'
        if mark.arrow:
            end = mark.points[-2:] if mark.curved else mark.points
            yield f'<polygon points="{_points(head(end))}" fill="{look.stroke}"/>'


def _box(box: Box, fill: str, pen: str) -> str:
    """Return a box, with round corners and turned about its middle where it is."""
    x, y = _at((box.x, box.y))
    w, h = _at((box.w, box.h))
    corner = f' rx="{_at((0, box.round))[1]}"' if box.round else ""
    middle = f"{round(x + w / 2, 2)} {round(y + h / 2, 2)}"
    turn = f' transform="rotate({box.turn:g} {middle})"' if box.turn else ""
    return f'<rect x="{x}" y="{y}" width="{w}" height="{h}"{corner} fill="{fill}" {pen}{turn}/>'


def beads(flow: Flow) -> list[Point]:
    """Return where an access stands still along its path: evenly, up to where it ends."""
    dots = [flow.points[0]]
    for at in range(0, len(flow.points) - 3, 3):
        dots += [
            _bezier(flow.points[at : at + 4], step / SAMPLES) for step in range(1, SAMPLES + 1)
        ]
    ways = [0.0]
    for (x0, y0), (x1, y1) in pairwise(dots):
        ways.append(ways[-1] + hypot((x1 - x0) * CELL_WIDTH, (y1 - y0) * CELL_HEIGHT))
    last = ways[-1] * flow.at
    wanted = [APART * (number + 0.5) for number in range(int(last / APART + 0.5))]
    return [next(dot for dot, way in zip(dots, ways, strict=True) if way >= w) for w in wanted]


def _bezier(points: Sequence[Point], u: float) -> Point:
    """Return the point of a cubic curve at `u`, from 0 to 1."""
    v = 1 - u
    parts = (v * v * v, 3 * v * v * u, 3 * v * u * u, u * u * u)
    x = sum(part * point[0] for part, point in zip(parts, points, strict=True))
    y = sum(part * point[1] for part, point in zip(parts, points, strict=True))
    return x, y


def _curve(points: Sequence[Point]) -> str:
    """Return cubic curves as the data of an SVG path."""
    first, *rest = [f"{x},{y}" for x, y in map(_at, points)]
    groups = [" ".join(rest[at : at + 3]) for at in range(0, len(rest), 3)]
    return f"M {first} C {' '.join(groups)}"


def _text(text: Text, colour: str) -> str:
    """Return a text as wide as its cells, in any font."""
    x, y = _at((text.x, text.y + BASELINE))
    wide = round(len(text.text) * CELL_WIDTH * FONT_SIZE, 2)
    bold = ' font-weight="bold"' if text.bold else ""
    return (
        f'<text x="{x}" y="{y}" fill="{colour}"{bold} '
        f'textLength="{wide}" xml:space="preserve">{escape(text.text)}</text>'
    )


def _at(point: Point) -> Point:
    """Return a place in pixels."""
    x, y = point
    return round(x * CELL_WIDTH * FONT_SIZE, 2), round(y * CELL_HEIGHT * FONT_SIZE, 2)


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x},{y}" for x, y in map(_at, points))
