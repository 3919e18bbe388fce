"""A text as a QR code: what a slide shows so that the room has the run on its phones.

It is dark on light in both themes, because many readers of codes see no other.
"""

from io import BytesIO
from typing import Any, NamedTuple

from mmviz.engine import MmvizError
from mmviz.engine.html import escape
from mmviz.scene.theme import PAPER, THEMES

BORDER = 4  # modules around a code, as the standard has it
LONGEST = 1_200  # characters; more make modules that a phone cannot tell apart on a slide
PIXELS = 8  # of a module
HALVES = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}
CORRECTED = "m"  # 15 of 100 modules may be lost


class Code(NamedTuple):
    """A QR code.

    Attributes:
        size: its width and height in modules, the border included.
        path: the dark modules, as the `d` of an SVG path, one module a unit.
    """

    size: int
    path: str


def _made(text: str) -> Any:
    import segno

    if not 0 < len(text) <= LONGEST:
        raise MmvizError(
            f"a QR code of {len(text):,} characters cannot be read from a slide; it has 1 to "
            f"{LONGEST:,}: link a shorter run"
        )
    return segno.make(text, error=CORRECTED, micro=False)


def code(text: str) -> Code:
    """Return a text as a QR code.

    Raises:
        MmvizError: the text is empty or too long.
        ImportError: segno is not installed.
    """
    made = _made(text)
    path = []
    for y, row in enumerate(made.matrix_iter(border=BORDER)):
        dark = [x for x, module in enumerate(row) if module]
        starts = [x for x in dark if x - 1 not in dark]
        ends = [x + 1 for x in dark if x + 1 not in dark]
        path += [f"M{x} {y}h{end - x}v1h{x - end}z" for x, end in zip(starts, ends, strict=True)]
    return Code(y + 1, "".join(path))


def qr(text: str, label: str = "") -> str:
    """Return a text as a QR code in SVG, which scales to what it is put into.

    Args:
        text: the text, a link for example.
        label: what the code is, for who cannot see it; by default the text itself.

    Raises:
        MmvizError: the text is empty or too long.
        ImportError: segno is not installed.
    """
    size, path = code(text)
    paper, ink = PAPER["light"], THEMES["light"]["arrow"].fill
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" role="img" '
        f'shape-rendering="crispEdges" aria-label="{escape(label or text)}">'
        f'<path fill="{paper}" d="M0 0h{size}v{size}h-{size}z"/>'
        f'<path fill="{ink}" d="{path}"/></svg>'
    )


def png(text: str) -> bytes:
    """Return a text as a QR code in pixels, dark on light.

    Raises:
        MmvizError: the text is empty or too long.
        ImportError: segno is not installed.
    """
    file = BytesIO()
    _made(text).save(file, kind="png", scale=PIXELS, border=BORDER)
    return file.getvalue()


def blocks(text: str, dark: bool = False) -> str:
    """Return a text as a QR code of half blocks, two modules one above the other a character.

    Args:
        text: the text, a link for example.
        dark: whether it is shown light on dark, as on most terminals: then the light modules are
            drawn.

    Raises:
        MmvizError: the text is empty or too long.
        ImportError: segno is not installed.
    """
    rows = [[bool(module) != dark for module in row] for row in _made(text).matrix_iter(border=2)]
    rows += [[dark] * len(rows[0])] * (len(rows) % 2)
    return "".join(
        "".join(HALVES[upper, lower] for upper, lower in zip(*pair, strict=True)).rstrip() + "\n"
        for pair in zip(rows[::2], rows[1::2], strict=True)
    )
