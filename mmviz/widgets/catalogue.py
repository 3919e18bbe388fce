"""The catalogue as an index: look for cases, and open one on a stage."""

from collections.abc import Callable, Mapping
from typing import Any

from mmviz.engine import Case, ModelError, UnknownName, Verdict, explore, nearest
from mmviz.engine.scenario import scenario_of
from mmviz.engine.text import expected, index, printable, quoted
from mmviz.kernel.provenance import provenance
from mmviz.survey.catalogue import Catalogue, catalogue, kind, thread_of
from mmviz.survey.debate import Row, unlike
from mmviz.widgets.cases import CaseIndex, part
from mmviz.widgets.driver import Driver
from mmviz.widgets.player import Player
from mmviz.widgets.stage import Stage

WATCH, DRIVE = "watch", "drive"
OPENS: dict[str, Callable[[Case], Stage]] = {WATCH: Player, DRIVE: Driver}
HEAD = ("case", "id", "era", "kind", "what the search finds", "open")


class Index(CaseIndex):
    """An index of cases: by words, by thread, by bad state and by kernel release.

    Each case is searched when the index is made, so that its verdict is today's.

    Args:
        found: the cases to choose from.
    """

    def __init__(self, found: Catalogue) -> None:
        self.found = found
        threads = sorted({thread_of(case.scenario) for case in found} - {""})
        bad_states = sorted({bad_state for case in found for bad_state in case.bad_states})
        super().__init__(
            asked=printable(found.headline),
            small_print="".join(f"Not read: {printable(each)}. " for each in found.lost)
            + "Words are looked for in the steps of a case too: a function finds the "
            "cases that run it. Verdicts are over all runs of the model, searched now.",
            head=list(HEAD),
            rows=[_as_data(case) for case in found],
            filters=[
                {"name": "words", "label": "Words", "hint": "mmu_notifier_put"},
                {"name": "thread", "label": "Thread", "options": ["", *threads]},
                {"name": "bad_state", "label": "Bad state", "options": ["", *bad_states]},
                {"name": "kernel", "label": "Kernel", "hint": "5.3"},
            ],
        )

    def find(self, sought: Mapping[str, str]) -> None:
        """Show the rows that fit everything that is looked for.

        Args:
            sought: what `catalogue` takes, by name.

        Raises:
            MmvizError: the kernel is not a release.
        """
        given = expected(sought, dict, "what is looked for", 'write {"words": "mmu_notifier"}')
        known = {each["name"]: each["name"] for each in self.table.filters}
        sought = {nearest(known, name, "filter"): text for name, text in given.items()}
        fit = {id(case) for case in catalogue(**sought, among=self.found)} if self.found else {}
        self.table.shown = [number for number, case in enumerate(self.found) if id(case) in fit]
        self.table.status = f"{len(self.table.shown)} of {len(self.found)} cases"

    def stage(self, number: int, what: str) -> Stage:
        """Return a player or a driver of a case.

        Raises:
            UnknownName: there is no such row, or `what` is neither "watch" nor "drive".
        """
        row, last = index(number, "a row"), len(self.found) - 1
        if not 0 <= row <= last:
            raise UnknownName(f"there is no row {quoted(row)}; there are rows 0 to {last}")
        return nearest(OPENS, what, "button")(self.found.cases[row])

    def still(self) -> str:
        """Return the table as HTML."""
        return self.found._repr_html_()

    def __str__(self) -> str:
        return str(self.found)


def _as_data(case: Case) -> dict[str, Any]:
    """Return a case as the browser draws it."""
    lead = ""
    try:
        row = Row(case, explore(case, partial=False))
        wrong = [
            part(f"{each.sign} {each}", "mm-bad" * (each.sign == "✗"))
            for each in row.findings
            if each.verdict != Verdict.NEVER
        ]
        lead = f"{'✓' if row.report.safe else '?'} {row.report.headline}"
        wrong += [part(unlike(each), "mm-bad") for each in row.report.surprises]
    except ModelError as error:  # one case's mistake hides no other case
        wrong = [part(f"✗ breaks a rule of models: {error}", "mm-bad")]
    return {
        "group": printable(" · ".join(filter(None, (scenario_of(case).title, case.scenario)))),
        "name": printable(case.name),
        "cells": [
            [part(case.name, "mm-name"), part(case.title)],
            [part(case.id)],
            [part(provenance(case).era)],
            [part(kind(case))],
            wrong or [part(lead)],
            [part(what, "", what) for what in OPENS],
        ],
    }
