"""How far a search is, below the cell that runs it, with a button to stop it."""

import sys
import time
from typing import Any

import ipywidgets

from mmviz.engine import Progress
from mmviz.widgets.keyboard import keep_keys
from mmviz.widgets.subshell import answered_in_any_shell

REDRAW_SECONDS = 0.25
INTERRUPT = "Kernel > Interrupt stops it and shows what was found so far"


class SearchDisplay:
    """The line of a search that takes long, and its Stop button.

    A press on the button reaches Python while the cell runs only where the kernel has subshells
    and the front end sends widget messages there (JupyterLab does, with ipykernel 7). Without
    subshells the line names Kernel > Interrupt instead; with them it names both.

    Attributes:
        stopped: the button was pressed.

    Source: Jupyter Enhancement Proposal 91, "Kernel subshells"; JupyterLab's setting
    commsOverSubshells; ipykernel/comm/comm.py, BaseComm.publish_msg().
    """

    def __init__(self) -> None:
        python = sys.modules["IPython"]
        kernel = getattr(python.get_ipython(), "kernel", None)
        self.stopped = False
        self.drawn = 0.0
        self.line = ipywidgets.Label()
        self.button = ipywidgets.Button(description="Stop", tooltip="Stop the search")
        self.button.on_click(self._stop)
        self.box: ipywidgets.HBox | None = None
        self.handle: Any = None
        self._display = python.display.display
        if getattr(kernel, "_supports_kernel_subshells", False):
            self.box = ipywidgets.HBox([self.button, self.line])
            keep_keys(self.box)
            answered_in_any_shell(self.button)  # while this one runs the cell

    def show(self, progress: Progress, what: str = "") -> None:
        """Say how far the search is, a few times a second at most.

        Args:
            progress: how far it is.
            what: what is searched, "faults 4", where there is more than one search.
        """
        now = time.perf_counter()
        if self.handle is not None and now - self.drawn < REDRAW_SECONDS:
            return
        self.drawn = now
        text = f"{what and what + ': '}{progress}, {progress.seconds:.0f} s"
        if self.box is None:
            self._draw({"text/plain": f"{text}. {INTERRUPT}."})
            return
        self.line.value = f"{text}. If Stop does not answer: {INTERRUPT}."
        if self.handle is None:
            self.handle = self._display(self.box, display_id=True)

    def close(self, last: str) -> None:
        """Take the button away, and leave one line.

        Args:
            last: the line.
        """
        self._draw({"text/plain": last})
        parts = (self.line, self.button) if self.box is None else (*self.box.children, self.box)
        for widget in parts:
            widget.close()

    def _draw(self, bundle: dict[str, str]) -> None:
        if self.handle is None:
            self.handle = self._display(bundle, raw=True, display_id=True)
        else:
            self.handle.update(bundle, raw=True)

    def _stop(self, _button: Any) -> None:
        self.stopped = True
        self.button.description, self.button.disabled = "Stopping", True
