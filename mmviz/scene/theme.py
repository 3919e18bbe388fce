"""The colours of each role in the light and in the dark theme. No other file contains a colour.

The hues are those of Okabe and Ito, which readers with any colour vision can distinguish: amber
for a field that the last step wrote, blue for one that it read, vermilion for a violation, bluish
green for a promise that holds. A colour always comes with a word, a sign, a dash or a place.

A widget sees the name of a CSS variable, `var(--mm-now-fill)`, and never the values, so that one
picture serves both themes and follows a switch between them at once.
"""

from functools import cache
from typing import NamedTuple


class Style(NamedTuple):
    """The colours of a role: its fill, its outline, and its text."""

    fill: str
    stroke: str
    text: str
    dash: bool = False
    heavy: bool = False


PAPER = {"light": "#ffffff", "dark": "#111111"}

THEMES: dict[str, dict[str, Style]] = {
    "light": {
        "plain": Style("#f5f6f8", "#8b949e", "#1b1f24"),
        "head": Style("#dde3ea", "#8b949e", "#1b1f24"),
        "quiet": Style("#ffffff", "#b4bcc5", "#57606a"),
        "past": Style("#e9eef4", "#93a3b5", "#1b1f24"),
        "now": Style("#ffd24d", "#7d5a00", "#1b1f24", heavy=True),
        "future": Style("#ffffff", "#c3cad2", "#57606a"),
        "written": Style("#ffd24d", "#7d5a00", "#1b1f24", heavy=True),
        "read": Style("#d9ebfc", "#0b66b3", "#1b1f24"),
        "good": Style("#d5f2e5", "#00704d", "#004d35"),
        "bad": Style("#ffd8ca", "#b3300c", "#7a1f06", heavy=True),
        "broken": Style("#b3300c", "#7a1f06", "#ffffff", heavy=True),
        "leaked": Style("#ffffff", "#b3300c", "#1b1f24", dash=True, heavy=True),
        "witness": Style("#ffd8ca", "#b3300c", "#7a1f06", heavy=True),
        "witnessdash": Style("#ffd8ca", "#b3300c", "#7a1f06", dash=True, heavy=True),
        "witnessbar": Style("#b3300c", "#b3300c", "#ffffff", heavy=True),
        "witnessnow": Style("#ffd24d", "#b3300c", "#7a1f06", heavy=True),
        "ghost": Style("#ffffff", "#6e7781", "#57606a", dash=True),
        "dangling": Style("#ffd8ca", "#b3300c", "#7a1f06", dash=True, heavy=True),
        "blocked": Style("#f5f6f8", "#6e7781", "#57606a", dash=True),
        "held": Style("#dfe0fb", "#4b4ea8", "#26296e"),
        "message": Style("#4b4ea8", "#26296e", "#ffffff", heavy=True),
        "window": Style("#ebecfd", "#7b7fd0", "#26296e"),
        "link": Style("#57606a", "#57606a", "#1b1f24"),
        "hatch": Style("#dde1e6", "#dde1e6", "#57606a"),
        "rail": Style("#d5dae0", "#d5dae0", "#57606a"),
        "card": Style("#ffffff", "#7d8893", "#1b1f24"),
        "tile": Style("#dfe7f0", "#ffffff", "#1b1f24"),
        "value": Style("#ffffff", "#7d8893", "#1b1f24"),
        "label": Style("#ffffff", "#b4bcc5", "#57606a"),
        "arrow": Style("#1b1f24", "#1b1f24", "#1b1f24", heavy=True),
        "excl": Style("#1b1f24", "#1b1f24", "#1b1f24", dash=True, heavy=True),
        "note": Style("#5b6570", "#5b6570", "#57606a", dash=True),
        "bar": Style("#1b1f24", "#1b1f24", "#1b1f24", heavy=True),
        "brace": Style("#5b6570", "#5b6570", "#57606a", heavy=True),
        "wire": Style("#b4bcc5", "#b4bcc5", "#57606a"),
        "pad": Style("#4b4ea8", "#4b4ea8", "#26296e"),
        "padoff": Style("#b4bcc5", "#b4bcc5", "#57606a"),
        "padline": Style("#4b4ea8", "#4b4ea8", "#26296e", heavy=True),
        "padoffline": Style("#b4bcc5", "#b4bcc5", "#57606a", heavy=True),
        "dma": Style("#00704d", "#00704d", "#004d35"),
        "cpu": Style("#4b4ea8", "#4b4ea8", "#26296e"),
    },
    "dark": {
        "plain": Style("#22262c", "#6b7580", "#e8ebef"),
        "head": Style("#363d46", "#6b7580", "#f2f4f7"),
        "quiet": Style("#111111", "#4b535c", "#a3adb8"),
        "past": Style("#2a333e", "#62748a", "#e8ebef"),
        "now": Style("#f0bf2f", "#ffe08a", "#16130a", heavy=True),
        "future": Style("#111111", "#434b54", "#a3adb8"),
        "written": Style("#f0bf2f", "#ffe08a", "#16130a", heavy=True),
        "read": Style("#123a5c", "#5fb0f2", "#e8f3fd"),
        "good": Style("#0c3d2c", "#2fbf8f", "#b9f2dc"),
        "bad": Style("#5c1f0d", "#ff8a5f", "#ffe1d6", heavy=True),
        "broken": Style("#ff9670", "#ffc4ae", "#2b0c02", heavy=True),
        "leaked": Style("#22262c", "#ff8a5f", "#eceff2", dash=True, heavy=True),
        "witness": Style("#5c1f0d", "#ff8a5f", "#ffe1d6", heavy=True),
        "witnessdash": Style("#5c1f0d", "#ff8a5f", "#ffe1d6", dash=True, heavy=True),
        "witnessbar": Style("#ff8a5f", "#ff8a5f", "#2b0c02", heavy=True),
        "witnessnow": Style("#f0bf2f", "#ff8a5f", "#5c1f0d", heavy=True),
        "ghost": Style("#111111", "#8b949e", "#a3adb8", dash=True),
        "dangling": Style("#5c1f0d", "#ff8a5f", "#ffe1d6", dash=True, heavy=True),
        "blocked": Style("#22262c", "#8b949e", "#a3adb8", dash=True),
        "held": Style("#2b2d5e", "#9a9df0", "#e2e3ff"),
        "message": Style("#a9acff", "#e2e3ff", "#15173a", heavy=True),
        "window": Style("#23254f", "#5d60b8", "#e2e3ff"),
        "link": Style("#a3adb8", "#a3adb8", "#e8ebef"),
        "hatch": Style("#2c3138", "#2c3138", "#a3adb8"),
        "rail": Style("#343a42", "#343a42", "#a3adb8"),
        "card": Style("#22262c", "#7b8794", "#eceff2"),
        "tile": Style("#2d3947", "#22262c", "#eceff2"),
        "value": Style("#22262c", "#7b8794", "#eceff2"),
        "label": Style("#22262c", "#4b535c", "#a3adb8"),
        "arrow": Style("#eceff2", "#eceff2", "#eceff2", heavy=True),
        "excl": Style("#eceff2", "#eceff2", "#eceff2", dash=True, heavy=True),
        "note": Style("#a3adb8", "#a3adb8", "#a3adb8", dash=True),
        "bar": Style("#eceff2", "#eceff2", "#eceff2", heavy=True),
        "brace": Style("#a3adb8", "#a3adb8", "#a3adb8", heavy=True),
        "wire": Style("#4b535c", "#4b535c", "#a3adb8"),
        "pad": Style("#a9acff", "#a9acff", "#e2e3ff"),
        "padoff": Style("#4b535c", "#4b535c", "#a3adb8"),
        "padline": Style("#a9acff", "#a9acff", "#e2e3ff", heavy=True),
        "padoffline": Style("#4b535c", "#4b535c", "#a3adb8", heavy=True),
        "dma": Style("#2fbf8f", "#2fbf8f", "#b9f2dc"),
        "cpu": Style("#a9acff", "#a9acff", "#e2e3ff"),
    },
}

SHAPES = frozenset(  # roles of marks on which no text stands
    {"link", "hatch", "rail", "tile", "arrow", "excl", "note", "bar", "brace", "wire"}
    | {"pad", "padoff", "padline", "padoffline", "dma", "cpu"}
)
FAINT = frozenset({"plain", "head", "quiet", "past", "future", "hatch", "rail", "tile"}) | {
    *("label", "value", "wire", "padoff", "padoffline")
}  # roles whose outline carries no information
WITNESS = frozenset({"witness", "witnessdash", "witnessbar", "witnessnow"})  # what is wrong
CLEAR = "clear"  # the role of an invisible mark
CELL = "cell"  # of the box behind a value, which is invisible until something lights it
ROLES = frozenset({*THEMES["light"], CLEAR, CELL})

DARK = (  # how the element around a page says that the page is dark
    '[data-jp-theme-light="false"]',  # JupyterLab, Notebook, Voilà, nbconvert
    '[data-theme="dark"]',  # Jupyter Book 1, Sphinx
    ".dark",  # Jupyter Book 2, marimo
    ".theme--dark",  # Solara
    ".vscode-dark",
    ".vscode-high-contrast:not(.vscode-high-contrast-light)",
    'html[theme="dark"]',  # Colab
)

ALIKE = {  # what has the colour of a role
    "ink": ("card", "text"),
    "edge": ("card", "stroke"),
    "card": ("card", "fill"),
    "dim": ("label", "text"),
    "tile": ("tile", "fill"),
    "held": ("pad", "fill"),
    "read": ("read", "stroke"),
    "bad": ("bad", "stroke"),
    "good": ("dma", "fill"),
    "nowedge": ("now", "stroke"),
}
OWN = {  # what has a colour of its own, in the light and in the dark theme
    "pane": ("#f5f6f8", "#1a1d21"),
    "rule": ("#b4bcc5", "#444c55"),
    "now": ("#ffd24d", "#e9b824"),
    "nowink": ("#16130a", "#16130a"),
    "badfill": ("#ffe0d4", "#54200f"),
    "badnow": ("#a02806", "#8a2306"),
    "key": ("#1b1f24", "#eceff2"),
    "keyink": ("#ffffff", "#111315"),
}
INK: dict[str, dict[str, str]] = {  # of the stage around the marks: `--mm-pane`, …
    theme: {name: getattr(styles[role], part) for name, (role, part) in ALIKE.items()}
    | {name: colours[number] for name, colours in OWN.items()}
    for number, (theme, styles) in enumerate(THEMES.items())
}

PLAIN = Style("Canvas", "CanvasText", "CanvasText")
LIT = Style("Highlight", "Highlight", "HighlightText")
WRONG = Style("Canvas", "LinkText", "LinkText")
SOLID = Style("CanvasText", "CanvasText", "Canvas")
PALE = Style("Canvas", "GrayText", "CanvasText")
FORCED: dict[str, Style] = {  # the system's colours, where the reader has chosen all colours
    **dict.fromkeys(THEMES["light"], PLAIN),
    **dict.fromkeys(("future", "hatch", "rail", "tile"), PALE),
    **dict.fromkeys(("wire", "padoff", "padoffline"), Style("GrayText", "GrayText", "CanvasText")),
    **dict.fromkeys(SHAPES - FAINT, Style("CanvasText", "CanvasText", "CanvasText")),
    **dict.fromkeys(("now", "written"), LIT),
    **dict.fromkeys(("bad", "dangling", "witness", "witnessdash"), WRONG),
    "witnessnow": Style("Highlight", "LinkText", "HighlightText"),
    "broken": Style("LinkText", "LinkText", "Canvas"),
    "read": Style("Canvas", "LinkText", "CanvasText"),
    "message": SOLID,
}
FORCED_OWN = {
    "pane": "Canvas",
    "rule": "CanvasText",
    "now": "Highlight",
    "nowink": "HighlightText",
    "badfill": "Canvas",
    "badnow": "HighlightText",
    "key": "CanvasText",
    "keyink": "Canvas",
}


@cache
def style(role: str) -> Style:
    """Return the style of a role, its colours as CSS variables that follow the theme."""
    if role in (CLEAR, CELL):
        return Style("transparent", "transparent", "transparent")
    known = THEMES["light"][role]
    return Style(
        f"var(--mm-{role}-fill)",
        f"var(--mm-{role}-stroke)",
        f"var(--mm-{role}-text)",
        known.dash,
        known.heavy,
    )


def css(selector: str = ".mm-theme") -> str:
    """Return the style sheet that gives the variables of `style` their values.

    What it colours has a ground of its own, `--mm-paper`: a page that says in none of the ways in
    `DARK` that it is dark gets the light theme, and can be read. Where the reader has chosen all
    colours, both give way to the system's.
    """
    forced = f":is({selector}, #stronger)"  # than what says that the page is dark
    return (
        f"{selector} {{{_variables('light')}}}\n"
        f":is({', '.join(DARK)}) {selector} {{{_variables('dark')}}}\n"
        f"@media (forced-colors: active) {{ {forced} {{{_forced()}}} "
        f"{forced} svg {{ forced-color-adjust: none; }} }}\n"
    )


def own_css(selector: str = "svg") -> str:
    """Return the style sheet of a file that stands alone, an image in a page for instance.

    It follows the `color-scheme` of what shows it.
    """
    light, dark = _variables("light"), _variables("dark")
    return f"{selector} {{{light}}} @media (prefers-color-scheme: dark) {{{selector} {{{dark}}}}}"


def rules(within: str = ".mm-stage svg") -> str:
    """Return the style sheet that gives each role's shapes, lines and texts its colours.

    The specificity is that of one element, so that the stage's own sheet can say otherwise.
    """
    lines = []
    for role, known in THEMES["light"].items():
        look = style(role)
        dash = " stroke-dasharray: 5 3;" if known.dash else ""
        at = f":where({within})"
        mark = f":where(.mm-{role})"
        pen = f"stroke: {look.stroke};{dash}"
        lines += [
            f"{at} rect{mark} {{ fill: {look.fill}; {pen} }}",
            f"{at} text{mark} {{ fill: {look.text}; }}",
            f"{at} path{mark}, {at} polyline{mark} {{ fill: none; {pen} }}",
            f"{at} polygon{mark} {{ fill: {look.stroke}; }}",
        ]
    return "\n".join(lines) + "\n"


def _variables(theme: str) -> str:
    """Write one theme as CSS variables."""
    return f"color-scheme: {theme}; " + _written(PAPER[theme], INK[theme], THEMES[theme])


def _forced() -> str:
    """Write the system's colours as CSS variables."""
    alike = {name: getattr(FORCED[role], part) for name, (role, part) in ALIKE.items()}
    return "color-scheme: light dark; " + _written("Canvas", alike | FORCED_OWN, FORCED)


def _written(paper: str, ink: dict[str, str], styles: dict[str, Style]) -> str:
    """Write colours as CSS variables."""
    colours = [f"--mm-paper: {paper};"]
    colours += [f"--mm-{name}: {colour};" for name, colour in ink.items()]
    for role, drawn in styles.items():
        for part in ("fill", "stroke", "text"):
            colours.append(f"--mm-{role}-{part}: {getattr(drawn, part)};")
    return " ".join(colours)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours `#rrggbb`, from 1 (equal) to 21.

    Source: WCAG 2.2, "contrast ratio" and "relative luminance". Text needs at least 4.5.
    """
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb`."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
