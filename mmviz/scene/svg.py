"""A scene as an SVG picture, for slides, papers and pages without widgets.

Python writes it without a browser; it refers to no file and fetches nothing. It has the boxes,
lines and texts of the stage in the same places, in the colours of one theme.
"""

from collections.abc import Sequence
from html import escape

from mmviz.engine import nearest
from mmviz.scene.marks import CELL_HEIGHT, CELL_WIDTH, Box, Line, Point, Scene, Text, head
from mmviz.scene.theme import CLEAR, PAPER, THEMES, style

FONT_SIZE = 14  # pixels; everything else follows from it
HEAVY, THIN = 2.4, 1.0
PAGE = "page"  # the theme of the page around the picture
FONTS = "DejaVu Sans Mono, Menlo, Consolas, monospace"


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
    wide, high = _at((scene.width, scene.height))
    marks: tuple[Box | Line | Text, ...] = (*scene.boxes, *scene.lines, *scene.texts)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" '
        f'viewBox="0 0 {wide} {high}" font-family="{FONTS}" font-size="{FONT_SIZE}" role="img" '
        'style="max-width:100%;height:auto">',  # on a narrow page it shrinks
        f"<title>{escape(title)}</title>" if title else "",
        f'<rect width="{wide}" height="{high}" fill="{paper}"/>',
    ]
    for mark in marks:
        if mark.role == CLEAR or (isinstance(mark, Text) and not mark.text.strip()):
            continue
        look = looks[mark.role]
        pen = f'stroke="{look.stroke}" stroke-width="{HEAVY if look.heavy else THIN}"' + (
            ' stroke-dasharray="5 3"' if look.dash else ""
        )
        if isinstance(mark, Box):
            x, y = _at((mark.x, mark.y))
            w, h = _at((mark.w, mark.h))
            parts.append(
                f'<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="{look.fill}" {pen}/>'
            )
        elif isinstance(mark, Line):
            parts.append(f'<polyline points="{_points(mark.points)}" fill="none" {pen}/>')
            if mark.arrow:
                tip = _points(head(mark.points))
                parts.append(f'<polygon points="{tip}" fill="{look.stroke}"/>')
        else:
            parts.append(_text(mark, look.text))
    return "\n".join(part for part in [*parts, "</svg>"] if part) + "\n"


def _text(text: Text, colour: str) -> str:
    """Return a text as wide as its cells, in any font."""
    x, y = _at((text.x, text.y + 0.5))
    wide = round(len(text.text) * CELL_WIDTH * FONT_SIZE, 2)
    bold = ' font-weight="bold"' if text.bold else ""
    return (
        f'<text x="{x}" y="{y}" fill="{colour}"{bold} dominant-baseline="central" '
        f'textLength="{wide}" xml:space="preserve">{escape(text.text)}</text>'
    )


def _at(point: Point) -> Point:
    """Return a place in pixels."""
    x, y = point
    return round(x * CELL_WIDTH * FONT_SIZE, 2), round(y * CELL_HEIGHT * FONT_SIZE, 2)


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x},{y}" for x, y in map(_at, points))
