"""The keyboard's way through the states of a map."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from ipywidgets import Widget, widget_serialization

from mmviz.engine import MmvizError
from mmviz.widgets.keyboard import KEEP
from mmviz.widgets.received import number

INVITES = "Click a state to go there; or come here with Tab, move by the arrows, and press Enter."


class Walk(anywidget.AnyWidget):
    """What is said of a state of a map; focused, the arrows go from state to state.

    Its state is its traits; a state that is not of the map is refused.

    Args:
        ring: the mark of the plot that shows where the reader is.
        places: of each state, where it stands.
        tells: returns a sentence on a state.
        go: shows the way to a state.
    """

    _esm = KEEP + (Path(__file__).parent / "walk.js").read_text("utf-8")
    _css = (
        ".mm-walk { padding: 2px 4px; border-radius: 4px; min-height: 1.5em; } "
        ".mm-walk:focus-visible { outline: 2px solid var(--mm-read); outline-offset: -2px; }"
    )

    ring = traitlets.Instance(Widget).tag(sync=True, **widget_serialization)
    places: Any = traitlets.List().tag(sync=True)
    state = traitlets.Int(0).tag(sync=True)
    value = traitlets.Unicode(INVITES).tag(sync=True)

    def __init__(
        self,
        ring: Any,
        places: Sequence[tuple[float, float]],
        tells: Callable[[int], str],
        go: Callable[[int], object],
    ) -> None:
        self._tells, self._go = tells, go
        super().__init__(ring=ring, places=[list(place) for place in places])
        self.on_msg(self._heard)

    @traitlets.validate("state")
    def _known(self, proposal: Any) -> int:
        try:
            return number(proposal["value"], "a state of the map", len(self.places) - 1)
        except MmvizError as wrong:
            raise traitlets.TraitError(str(wrong)) from None

    @traitlets.observe("state")
    def _moved(self, change: Any) -> None:
        self.value = self._tells(change["new"])

    def _heard(self, _widget: Any, message: Any, _buffers: Any) -> None:
        wanted = message.get("go") if isinstance(message, dict) else None
        try:
            self._go(number(wanted, "a state of the map", len(self.places) - 1))
        except MmvizError as wrong:
            self.value = str(wrong)
