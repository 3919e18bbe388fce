"""Widgets of ipywidgets whose keys are their own.

In JupyterLab a letter that is pressed in a list or on a button edits the notebook: D twice deletes
the cell. ipywidgets has no way to keep a key.
"""

from pathlib import Path
from typing import Any

import anywidget

from mmviz.browser import esm

KEEP = esm(entry="own_keys.js")
PRESENT = esm(entry="presence.js")


class OwnKeys(anywidget.AnyWidget):
    """An empty widget that keeps the keys of the box around it from JupyterLab."""

    _esm = KEEP + PRESENT + (Path(__file__).parent / "keyboard.js").read_text("utf-8")


def keep_keys(box: Any) -> OwnKeys:
    """Keep what is pressed in a box from JupyterLab; return the widget that does it.

    Args:
        box: an `ipywidgets.Box`, before it is shown.
    """
    kept = OwnKeys()
    kept.layout.display = "none"
    box.children = (*box.children, kept)
    box.add_class("mm-own-keys")
    return kept
