"""The debate of a thread as a table whose failing cases play their runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

from mmviz.engine import MmvizError, UnknownName
from mmviz.scenarios.debate import HEAD, Row, debate
from mmviz.widgets.controls import STYLE
from mmviz.widgets.player import Player

HERE = Path(__file__).parent


class DebateTable(anywidget.AnyWidget):
    """The table in the browser: one button a failing case, which asks for its run."""

    _esm = HERE / "debate.js"
    _css = STYLE + (HERE / "debate.css").read_text("utf-8")

    #: What is argued about, and what the verdicts rest on.
    asked = traitlets.Unicode().tag(sync=True)
    small_print = traitlets.Unicode().tag(sync=True)
    #: The heads of the columns, and for each case `{"cells", "findings", "name", "fails"}`; a
    #: finding is `{"text", "bad"}`, and what fails by contract is not bad.
    head = traitlets.List(traitlets.Unicode()).tag(sync=True)
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    #: The row whose run is on the stage below, -1 for none.
    opened = traitlets.Int(-1).tag(sync=True)
    #: How many messages have been answered.
    answers = traitlets.Int(0).tag(sync=True)
    #: What went wrong in a callback; shown to the reader.
    error = traitlets.Unicode().tag(sync=True)


class Debate(ipywidgets.VBox):
    """Every proposal of a mail thread, judged here and now; what fails plays on a stage below.

    Args:
        thread: "iommu_group".
        kernel: only what this kernel release is known to do, "5.3".

    Raises:
        UnknownName: there is no such thread; the nearest is suggested.
        MmvizError: the kernel is not a release.

    Example:
        mmviz.Debate("iommu_group")
    """

    def __init__(self, thread: str, kernel: str = "") -> None:
        self.debate, self.kernel = debate(thread, kernel=kernel), kernel
        self.players: dict[int, Player] = {}
        self.table = DebateTable(
            asked=self.debate.asked,
            small_print=self.debate.small_print,
            head=list(HEAD),
            rows=[_as_data(row) for row in self.debate],
        )
        self.table.on_msg(self._heard)
        super().__init__([self.table])
        self.add_class("mm-debate")
        self.add_class("mm-theme")

    def play(self, number: int) -> Player:
        """Put the run of a failing case on the stage below the table.

        Args:
            number: its row, counted from 0.

        Raises:
            UnknownName: there is no such row, or nothing goes wrong in it.
        """
        rows = self.debate.rows
        if not 0 <= number < len(rows) or not rows[number].failing:
            raise UnknownName(f"row {number} of {self.debate.asked} has no run that fails")
        if number not in self.players:
            self.players[number] = _player(rows[number])
            self.players[number].add_class(f"mm-row-{number}")
        self.children = (self.table, self.players[number])
        self.table.opened = number
        return self.players[number]

    def _heard(self, _widget: Any, message: Mapping[str, Any], _buffers: Any) -> None:
        """Open what the reader asked for; what goes wrong is told to the reader."""
        with self.table.hold_sync():
            try:
                self.table.error = ""
                self.play(int(message["open"]))
            except Exception as wrong:
                kind = "" if isinstance(wrong, MmvizError) else f"{type(wrong).__name__}: "
                self.table.error = f"Debate: {kind}{wrong}"
            self.table.answers += 1

    def __str__(self) -> str:
        return str(self.debate)

    def __repr__(self) -> str:
        return f"Debate({self.debate.thread!r}{self.kernel and f', kernel={self.kernel!r}'})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if isinstance(bundle, dict):
            bundle["text/plain"] = str(self)
        return bundle


def _player(row: Row) -> Player:
    """Return a stage on which the run plays that the row's first failing cell stands for."""
    first = row.failing[0]
    if first.what == "livelock":  # the stage looks for no livelocks by itself
        return Player(row.case, first.schedule)
    return Player(row.case)


def _as_data(row: Row) -> dict[str, Any]:
    """Return a row as the browser draws it."""
    return {
        "cells": list(row.cells),
        "findings": [
            {"text": f"{each.sign} {each}", "bad": each.sign == "✗"} for each in row.findings
        ],
        "name": row.case.name,
        "fails": bool(row.failing),
    }
