"""The debate of a thread as a table whose failing cells play their runs."""

from collections.abc import Iterable
from typing import Any

from mmviz.engine import Case, UnknownName, nearest
from mmviz.engine.text import index, left_out, printable, quoted
from mmviz.survey.debate import HEAD as ROW
from mmviz.survey.debate import Row, debate, unlike
from mmviz.widgets.cases import CaseIndex, part
from mmviz.widgets.player import Player

HEAD = (
    "case",
    "scenario, message, commit or release",
    "era, kind",
    "what the search finds",
    "states",
)


class Debate(CaseIndex):
    """Every proposal of a mail thread, judged here and now; what fails plays on a stage below.

    Args:
        thread: "iommu_group"; or cases of your own, a race or a scenario.
        kernel: only what this kernel release is known to do, "5.3".

    Raises:
        UnknownName: there is no such thread; the nearest is suggested.
        MmvizError: the kernel is not a release.

    Example:
        mmviz.Debate("iommu_group")
    """

    def __init__(self, thread: str | Case | Iterable[Case], kernel: str = "") -> None:
        self.debate, self.kernel = debate(thread, kernel=kernel), kernel
        super().__init__(
            asked=printable(self.debate.asked),
            small_print=printable(self.debate.small_print),
            head=list(HEAD),
            rows=[_as_data(row) for row in self.debate],
        )

    def play(self, number: int, what: str = "") -> Player:
        """Put a failing run of a case on the stage below the table.

        Args:
            number: its row, counted from 0.
            what: what goes wrong, "deadlock" for example; the first thing when left out.

        Raises:
            UnknownName: there is no such row, or that does not go wrong in it.
        """
        stage = self.show(number, self._failing(number)[0] if left_out(what) else what)
        assert isinstance(stage, Player)
        return stage

    def stage(self, number: int, what: str) -> Player:
        """Return a stage on which a shortest run plays in which that goes wrong."""
        failing = self._failing(number)
        what = nearest({each: each for each in failing}, what, f"failure of row {number}")
        row = self.debate.rows[index(number, "a row")]
        (found,) = (finding for finding in row.failing if finding.what == what)
        return Player(row.case, found.schedule)

    def _failing(self, number: int) -> list[str]:
        """Return what goes wrong in a row, the first thing first."""
        rows, wanted = self.debate.rows, index(number, "a row")
        if not 0 <= wanted < len(rows) or not rows[wanted].failing:
            raise UnknownName(f"row {quoted(wanted)} of {self.debate.asked} has no run that fails")
        return [finding.what for finding in rows[wanted].failing]

    def still(self) -> str:
        """Return the table as HTML."""
        return self.debate._repr_html_()

    def __str__(self) -> str:
        return str(self.debate)

    def __repr__(self) -> str:
        what = repr(self.debate.thread) if self.debate.thread else f"[{len(self.debate)} cases]"
        return f"Debate({what}{self.kernel and f', kernel={self.kernel!r}'})"


def _as_data(row: Row) -> dict[str, Any]:
    """Return a row as the browser draws it, under its day; cells that belong together are one."""
    text = dict(zip(ROW, row.cells, strict=True))
    name, title = text["case"].split("\n")
    found = [
        part(
            f"{each.sign} {each}",
            "mm-bad" if each.sign == "✗" else "",
            each.what if each in row.failing else "",
        )
        for each in row.findings
    ]
    found += [part(unlike(each), "mm-bad") for each in row.report.surprises]
    cells = [
        [part(name, "mm-name"), part(title), part(text["id"])],
        [part(text["scenario"]), part(text["message, commit or release"], "mm-wrap")],
        [part(text["era"]), part(text["kind"])],
        found,
        [part(text["states"], "mm-number")],
    ]
    return {"group": printable(row.when), "name": printable(name), "cells": cells}
