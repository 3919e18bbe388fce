"""A table of cases in the browser, and the stage below it."""

from collections.abc import Mapping
from pathlib import Path
from threading import RLock
from typing import Any

import anywidget
import ipywidgets
import traitlets

from mmviz.engine.text import index, printable
from mmviz.scene import theme
from mmviz.widgets.closing import close_parts
from mmviz.widgets.keyboard import KEEP, PRESENT
from mmviz.widgets.shows import SEEN, UNSEEN, PutAway
from mmviz.widgets.stage import Stage, complaint

HERE = Path(__file__).parent
Part = dict[str, str]


def part(text: str, look: str = "", opens: str = "") -> Part:
    """Return one line of a cell.

    Args:
        text: what it says.
        look: how, in the words of cases.css.
        opens: what a press opens; "" where there is nothing to press.
    """
    return {"text": printable(text), "look": look, "opens": opens}


class CaseTable(anywidget.AnyWidget):
    """The table in the browser."""

    _esm = (
        KEEP
        + PRESENT
        + "".join(
            (HERE / name).read_text("utf-8") for name in ("element.js", "grid.js", "cases.js")
        )
    )
    _css = theme.css(".mm-theme") + (HERE / "cases.css").read_text("utf-8")

    #: What it is a table of, and what it rests on.
    asked = traitlets.Unicode().tag(sync=True)
    small_print = traitlets.Unicode().tag(sync=True)
    #: The heads of the columns.
    head = traitlets.List(traitlets.Unicode()).tag(sync=True)
    #: `{"group", "name", "cells"}` for each case; a cell is a list of parts, see `part`.
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    #: The numbers of the rows to show.
    shown = traitlets.List(traitlets.Int()).tag(sync=True)
    #: What one can look for: `{"name", "label", "hint"}`, or with "options" to choose from.
    filters = traitlets.List(traitlets.Dict()).tag(sync=True)
    #: The row whose run is on the stage below, -1 for none, and what was pressed there.
    opened = traitlets.Int(-1).tag(sync=True)
    opens = traitlets.Unicode().tag(sync=True)
    #: What there is to see, in words.
    status = traitlets.Unicode().tag(sync=True)
    #: How many messages have been answered.
    answers = traitlets.Int(0).tag(sync=True)
    #: What went wrong in a callback; shown to the reader.
    error = traitlets.Unicode().tag(sync=True)


class CaseIndex(PutAway, ipywidgets.VBox):
    """A table of cases over one stage; the stage shows what was pressed last.

    The stage that was open before is closed.

    Args:
        table: what is in the table, as traits of `CaseTable`.
    """

    children: Any  # the table, and the stage that is open

    def __init__(self, **table: Any) -> None:
        self._turn = RLock()
        self.table = CaseTable(shown=list(range(len(table["rows"]))), **table)
        self.table.on_msg(self._heard)
        self.reporter = self.table
        super().__init__([self.table])
        self.add_class("mm-cases")
        self.add_class("mm-theme")

    def stage(self, number: int, what: str) -> Stage:
        """Build the stage that a press in a row asks for.

        Raises:
            UnknownName: there is nothing of that kind to show.
        """
        raise NotImplementedError

    def still(self) -> str:
        """Return the table as HTML, for a page where no widget runs."""
        raise NotImplementedError

    def find(self, sought: Mapping[str, str]) -> None:
        """Show the rows that are looked for; only a table with filters is asked to."""
        raise NotImplementedError

    def show(self, number: int, what: str) -> Stage:
        """Put what a press in a row asks for on the stage below the table.

        Args:
            number: the row, counted from 0.
            what: which of its buttons.

        Raises:
            UnknownName: there is nothing of that kind to show.
        """
        with self._turn:
            number = index(number, "a row")
            stage, before = self.stage(number, what), [*self.children][1:]
            stage.add_class(f"mm-opened-{self.table.answers + 1}")
            self.children = (self.table, stage)
            self.table.opened, self.table.opens = number, what
            self.table.status = f"Below: {self.table.rows[number]['name']}, {what}."
            for old in before:
                old.close()
        return stage

    def _heard(self, _widget: Any, message: Mapping[str, Any], _buffers: Any) -> None:
        """Do what the reader asked for; what goes wrong is told to the reader."""
        if isinstance(message, dict) and message.get("ask") in (SEEN, UNSEEN):
            return  # see `shows`
        with self._turn, self.table.hold_sync():
            try:
                self.table.error = ""
                if "find" in message:
                    self.find({str(name): str(text) for name, text in message["find"].items()})
                else:
                    self.show(index(message["open"], "a row"), str(message["what"]))
            except Exception as wrong:
                self.table.error = complaint(self, wrong)
            self.table.answers += 1

    def close(self) -> None:
        """Take the table and its stage off every page."""
        if self.comm is not None:
            self.table.on_msg(self._heard, remove=True)
            for each in self.children:
                each.close()
            close_parts(self)
        super().close()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if isinstance(bundle, dict):
            bundle["text/plain"] = str(self)
            bundle["text/html"] = self.still()
        return bundle
