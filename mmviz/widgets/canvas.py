"""A scene on a bqplot figure."""

from collections.abc import Mapping
from math import ceil
from typing import Any

import bqplot
import numpy as np

from mmviz.scene.marks import CELL_HEIGHT, CELL_WIDTH, Scene
from mmviz.widgets.traits import STROKES, TEXTS, Traits, marks

NUMBERS = ("x", "y")  # traits that are arrays in Python and typed arrays in the browser


class Canvas(bqplot.Figure):
    """A figure of a fixed few marks that shows one scene at a time.

    Its size is counted in `em` of the font around it: a larger font makes a larger picture,
    and no text ever outgrows its box.

    Example:
        canvas = Canvas(scene)
        canvas.show(other_scene)
    """

    def __init__(self, scene: Scene) -> None:
        scales = {
            "x": bqplot.LinearScale(min=0.0, max=float(scene.width), allow_padding=False),
            "y": bqplot.LinearScale(
                min=0.0, max=float(scene.height), reverse=True, allow_padding=False
            ),
        }
        self.by_name = {name: _mark(name, scales, traits) for name, traits in marks(scene).items()}
        self.x_scale, self.y_scale = scales["x"], scales["y"]
        self.shown = scene
        super().__init__(
            marks=list(self.by_name.values()),
            fig_margin={"top": 0, "bottom": 0, "left": 0, "right": 0},
            min_aspect_ratio=0.01,
            max_aspect_ratio=100.0,
            padding_y=0.0,
            animation_duration=0,
            display_toolbar=False,
            layout=size(scene),
        )
        self.add_class("mm-canvas")

    def show(self, scene: Scene) -> None:
        """Draw another scene, from Python."""
        self.fit(scene)
        self.apply(marks(scene))

    def fit(self, scene: Scene) -> None:
        """Make the sheet as large as that of `scene`."""
        if (scene.width, scene.height) != (self.shown.width, self.shown.height):
            self.x_scale.max, self.y_scale.max = float(scene.width), float(scene.height)
            for name, value in size(scene).items():
                setattr(self.layout, name, value)
            self.shown = scene

    def apply(self, drawn: Mapping[str, Traits]) -> None:
        """Set the marks' traits, as the browser does with the same values."""
        for name, traits in drawn.items():
            with self.by_name[name].hold_sync():
                for trait, value in traits.items():
                    setattr(
                        self.by_name[name], trait, np.array(value) if trait in NUMBERS else value
                    )


def size(scene: Scene) -> dict[str, str]:
    """Return the layout of a figure as large as the scene."""
    width, height = scene.width * CELL_WIDTH, scene.height * CELL_HEIGHT
    return {
        "width": f"{width:.2f}em",
        "height": f"{height:.2f}em",
        "min_width": f"{width:.2f}em",
        "min_height": f"{height:.2f}em",
        "flex": "0 0 auto",
    }


def _mark(name: str, scales: dict[str, Any], traits: Traits) -> Any:
    """Make the mark of this name with its first traits."""
    traits = {
        trait: np.array(value) if trait in NUMBERS else value for trait, value in traits.items()
    }
    if name in TEXTS:
        return bqplot.Label(
            scales=scales,
            default_size=1.0,
            font_unit="em",
            font_weight="bold" if name == "text_bold" else "normal",
            apply_clip=False,
            **traits,
        )
    filled = name not in STROKES
    return bqplot.Lines(
        scales=scales,
        close_path=filled,
        fill="inside" if filled else "none",
        stroke_width=0.0 if filled else 2.5 if "heavy" in name else 1.2,
        line_style="dashed" if "dash" in name else "solid",
        apply_clip=False,
        **traits,
    )


WIDTHS = 4  # sheets are told apart by every so many cells of width
WIDEST = 160


def fitted() -> str:
    """Return the style sheet that lets a figure shrink a little before its pane must scroll."""
    rules = []
    for cells in range(WIDTHS, WIDEST, WIDTHS):
        across = cells * CELL_WIDTH
        pane, canvas = f".mm-stage .mm-wide-{cells}", f".mm-stage .mm-wide-{cells} .mm-canvas"
        rules.append(f"{pane} {{ flex: 1 1 {across + 1.5:.1f}em; }}")
        rules.append(
            f"{canvas} {{ font-size: max(0.8em, min(1em, (100cqw - 1em) / {across:.2f})); }}"
        )
    return "\n".join(rules) + "\n"


def wide(scene: Scene) -> str:
    """Return the CSS class of a pane for a scene: how wide the scene is."""
    return f"mm-wide-{min(ceil(scene.width / WIDTHS) * WIDTHS, WIDEST - WIDTHS)}"
