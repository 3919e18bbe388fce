"""A view on screen: a heading, and below it the picture, or the code, in a box that scrolls."""

from typing import Any

import ipywidgets

from mmviz.engine import Run
from mmviz.scene.listing import Listing
from mmviz.scene.source import lit
from mmviz.scene.views import View
from mmviz.widgets.canvas import Canvas, wide
from mmviz.widgets.controls import ListingPanel
from mmviz.widgets.frames import FrameTraits
from mmviz.widgets.traits import marks


class Pane(ipywidgets.VBox):
    """One view of a run.

    Attributes:
        view: what it shows.
        targets: the widgets whose traits a frame sets, by the names its frames have for
            them; and "pane", the layout that hides the pane.
    """

    targets: dict[str, Any]

    def __init__(self, view: View, inside: Any) -> None:
        self.view = view
        heading = ipywidgets.Label(view.title)
        heading.add_class("mm-pane-title")
        body = ipywidgets.Box([inside])
        body.add_class("mm-pane")
        super().__init__([heading, body])
        self.add_class("mm-view")
        self.add_class(f"mm-view-{view.name}")

    def drawn(self, run: Run, k: int) -> FrameTraits:
        """Return what frame `k` of a run sets, by the names of `targets`."""
        raise NotImplementedError

    def apply(self, drawn: FrameTraits) -> None:
        """Set what a frame shows from Python, as the browser does by itself."""
        raise NotImplementedError


class ScenePane(Pane):
    """A view as a figure."""

    def __init__(self, view: View, run: Run, k: int) -> None:
        scene = view.scene(run, k)
        self.canvas = Canvas(scene)
        super().__init__(view, self.canvas)
        self.add_class(wide(scene))
        self.targets = {**self.canvas.by_name, "pane": self.layout}

    def drawn(self, run: Run, k: int) -> FrameTraits:
        """Return the traits of each mark of the figure."""
        scene = self.view.scene(run, k)
        self.canvas.fit(scene)
        return marks(scene)

    def apply(self, drawn: FrameTraits) -> None:
        """Set the marks of the figure."""
        self.canvas.apply({name: drawn[name] for name in self.canvas.by_name})


class CodePane(Pane):
    """The code of the actors as text that scrolls."""

    def __init__(self, view: View, run: Run, k: int) -> None:
        assert isinstance(view, Listing)
        self.codes = view.codes
        lines = [{"actor": code.actor, "lines": list(code.lines)} for code in self.codes]
        self.panel = ListingPanel(listings=lines, lit=self._lit(run, k))
        super().__init__(view, self.panel)
        self.targets = {"listing": self.panel, "pane": self.layout}

    def drawn(self, run: Run, k: int) -> FrameTraits:
        """Return what is lit."""
        return {"listing": {"lit": self._lit(run, k)}}

    def apply(self, drawn: FrameTraits) -> None:
        """Light the lines that a frame lights."""
        self.panel.lit = drawn["listing"]["lit"]

    def _lit(self, run: Run, k: int) -> list[dict[str, Any]]:
        return [lit(code, run.frames[k])._asdict() for code in self.codes]
