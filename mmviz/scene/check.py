"""Check that a scene is legible: arithmetic on character cells, without font or browser.

Each function returns one sentence for each fault; an empty list means that there is none.
"""

from functools import cache, lru_cache
from itertools import pairwise

from mmviz.scene.marks import Box, Scene, Text
from mmviz.scene.theme import CELL, CLEAR, PAPER, ROLES, THEMES, contrast

READABLE = 4.5  # the contrast WCAG asks of text
BLOCKS = ("tile", "hatch")  # the roles of a block's tiles, whole and crumbled


def problems(scene: Scene) -> list[str]:
    """Return every fault of a scene."""
    return [
        *unknown_roles(scene),
        *off_paper(scene),
        *touching_texts(scene),
        *overflowing_texts(scene),
        *struck_texts(scene),
        *unreadable_texts(scene),
    ]


def unknown_roles(scene: Scene) -> list[str]:
    """Name roles that the theme lacks."""
    used = {box.role for box in scene.boxes} | {line.role for line in scene.lines}
    used |= {text.role for text in scene.texts}
    return [f"role {role!r} is not in the theme" for role in sorted(used - ROLES)]


def off_paper(scene: Scene) -> list[str]:
    """Name marks that leave the sheet."""
    wrong = []
    for box in scene.boxes:
        if not _inside(box.x, box.y, box.w, box.h, scene):
            wrong.append(f"box {box.key or box.role!r} at {box.x:g},{box.y:g} leaves the sheet")
    for text in scene.texts:
        if not _inside(text.x, text.y, len(text.text), 1, scene):
            wrong.append(f"text {text.text!r} at {text.x:g},{text.y:g} leaves the sheet")
    for line in scene.lines:
        if not all(_inside(x, y, 0, 0, scene) for x, y in line.points):
            wrong.append(f"line {line.key or line.role!r} leaves the sheet")
    return wrong


def touching_texts(scene: Scene) -> list[str]:
    """Name pairs of texts that share a cell or follow each other without a gap."""
    wrong = []
    seen = (text for text in scene.texts if text.text and text.role != CLEAR)
    texts = sorted(seen, key=lambda text: text.y)
    for index, one in enumerate(texts):
        for other in texts[index + 1 :]:
            if other.y >= one.y + 1 - SLACK:
                break
            if other.x < one.x + len(one.text) + 0.5 and one.x < other.x + len(other.text) + 0.5:
                wrong.append(f"text {one.text!r} touches {other.text!r}")
    return wrong


def overflowing_texts(scene: Scene) -> list[str]:
    """Name texts that begin inside a box and end outside it."""
    wrong = []
    for text, box in _grounds(scene):
        if box and box.role in BLOCKS:
            continue  # words may span the tiles of a block
        if box and text.x + len(text.text) > box.x + box.w + SLACK:
            wrong.append(f"text {text.text!r} is wider than its box")
        if box and text.y + 1 > box.y + box.h + 0.25:
            wrong.append(f"text {text.text!r} is lower than its box")
    return wrong


def struck_texts(scene: Scene) -> list[str]:
    """Name texts crossed by a horizontal or vertical line that is not meant to strike them out."""
    wrong = []
    rows: dict[int, list[Text]] = {}
    for text in scene.texts:
        if text.role != CLEAR:
            rows.setdefault(int(text.y), []).append(text)
    for line in scene.lines:
        if line.role in ("hatch", "ghost", CLEAR):
            continue  # meant to strike out
        for (x0, y0), (x1, y1) in pairwise(line.points):
            if x0 != x1 and y0 != y1:
                continue
            left, right, top, low = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
            near = (rows.get(row, ()) for row in range(int(top) - 1, int(low) + 2))
            for text in (text for row in near for text in row):
                end = text.x + len(text.text)
                level = y0 == y1 and text.y + 0.2 < y0 < text.y + 0.8
                upright = x0 == x1 and text.x + 0.2 < x0 < end - 0.2
                if level and left < end and text.x < right:
                    wrong.append(f"a line runs through text {text.text!r}")
                if upright and top < text.y + 0.8 and text.y + 0.2 < low:
                    wrong.append(f"a line runs through text {text.text!r}")
    return wrong


def unreadable_texts(scene: Scene) -> list[str]:
    """Name texts whose colour is too close to their background, in either theme."""
    wrong = []
    for text, box in _grounds(scene):
        if text.role not in THEMES["light"] or not text.text.strip():
            continue
        for theme in THEMES:
            ratio = _contrast(theme, text.role, box.role if box else "")
            if ratio < READABLE:
                wrong.append(f"text {text.text!r} has contrast {ratio:.1f} in the {theme} theme")
    return wrong


@cache
def _contrast(theme: str, ink: str, ground: str) -> float:
    """Return the contrast of a role's text on the fill of another, or on paper."""
    styles = THEMES[theme]
    fill = styles[ground].fill if ground in styles else PAPER[theme]
    return contrast(styles[ink].text, fill)


SLACK = 1e-6


def _inside(x: float, y: float, w: float, h: float, scene: Scene) -> bool:
    """Tell whether a rectangle lies on the sheet."""
    return (
        x >= -SLACK
        and y >= -SLACK
        and x + w <= scene.width + SLACK
        and y + h <= scene.height + SLACK
    )


@lru_cache(maxsize=1)
def _grounds(scene: Scene) -> list[tuple[Text, Box | None]]:
    """Return each text and the topmost box under its first character."""
    rows: dict[int, list[Box]] = {}
    for box in reversed(scene.boxes):
        if box.role not in (CLEAR, CELL):
            for row in range(int(box.y), int(box.y + box.h) + 1):
                rows.setdefault(row, []).append(box)

    def ground(x: float, y: float) -> Box | None:
        for box in rows.get(int(y), ()):
            if box.x <= x + SLACK < box.x + box.w and box.y <= y < box.y + box.h:
                return box
        return None

    seen = (text for text in scene.texts if text.role != CLEAR)
    return [(text, ground(text.x, text.y + 0.5)) for text in seen]
