"""Closing a widget with all that it is made of: ipywidgets closes only what it is told to."""

from collections.abc import Iterator
from typing import Any

from ipywidgets import Widget

PARTS = ("layout", "style")  # each widget has its own


def close_parts(widget: Widget) -> None:
    """Close what a widget is made of: its layout, its style, its children and theirs.

    The widget itself stays open; its own `close` is to follow.
    """
    for part in _parts(widget):
        part.close()


def _parts(widget: Widget) -> Iterator[Any]:
    for child in getattr(widget, "children", ()):
        yield from _parts(child)
        yield child
    for name in PARTS:
        part = getattr(widget, name, None)
        if isinstance(part, Widget):
            yield part
