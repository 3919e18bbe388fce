"""Step through, break, fix and prove the races kernel developers argue about.

    import mmviz

    mmviz.Driver("iommu_group/release_order", case="DelistThenRelease")
    case = mmviz.find("iommu_group/release_order", "DelistThenRelease")
    print(mmviz.table(mmviz.replay(case, "CPU0*3 CPU1*4")))
    print(mmviz.explore(case))
    mmviz.entry(0xF7FFFFFFFDB97400, kernel="6.15")

The search and the scenarios are imported at once, and are standard library only; runs, the
widgets (`Player`, `Driver`, `Debate`, `Entry`), the tables of cases (`debate`, `catalogue`,
`mutations`) and `entry` are imported when first used.
"""

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmviz import engine as _engine
from mmviz.engine import (
    Case,
    Counterexample,
    MmvizError,
    Race,
    Report,
    Scenario,
    ScheduleError,
    UnknownName,
    Verdict,
)
from mmviz.scenarios import every_case, find, load, names

if TYPE_CHECKING:
    from mmviz.engine import Frame, Run, replay, table
    from mmviz.engine.redundant import code
    from mmviz.survey.catalogue import Catalogue
    from mmviz.survey.debate import debate
    from mmviz.survey.mutations import mutations
    from mmviz.widgets import Debate, Driver, Entry, Player

    # Any: an mmviz.scene.entry_shown.EntryPicture, which this layer does not import.
    def entry(
        value: int | str,
        kernel: str = "6.15",
        *,
        after: int | str | None = None,
        levels: int = 4,
        pte_marker: bool = False,
    ) -> Any:
        """Explain the 64 bits of an x86-64 page-table entry: mmviz/scene/entry_shown.py."""


__version__ = "0.2.0"
__all__ = [
    "Case",
    "Counterexample",
    "Debate",
    "Driver",
    "Entry",
    "Frame",
    "MmvizError",
    "Player",
    "Race",
    "Report",
    "Run",
    "Scenario",
    "ScheduleError",
    "UnknownName",
    "Verdict",
    "catalogue",
    "code",
    "debate",
    "entry",
    "every_case",
    "explore",
    "find",
    "load",
    "mutations",
    "names",
    "replay",
    "table",
]

_LATE = {
    **dict.fromkeys(("Frame", "Run", "replay", "table"), "mmviz.engine"),
    **dict.fromkeys(("Debate", "Driver", "Entry", "Player"), "mmviz.widgets"),
    "code": "mmviz.engine.redundant",
    "debate": "mmviz.survey.debate",
    "mutations": "mmviz.survey.mutations",
    "entry": "mmviz.scene.entry_shown",
}


def explore(what: Case | Scenario | str, case: str | None = None, **options: Any) -> Report:
    """Judge every interleaving of a case.

    Args:
        what: a case; or a scenario, or its name, "iommu_group/release_order".
        case: with a scenario, the case's name or id.
        options: limits and callbacks, as `mmviz.engine.explore` takes them.

    Returns:
        Verdicts, counts and counterexamples; it shows itself as a table.

    Raises:
        UnknownName: there is no such scenario or case; the nearest is suggested.
    """
    if isinstance(what, str):
        what = load(what)
    if isinstance(what, Scenario):
        if case is None:
            known = ", ".join(each.name for each in what.cases)
            raise UnknownName(f"explore() judges one case; {what.name} has {known}")
        what = what.case(case)
    return _engine.explore(what, **options)


def catalogue(
    words: str = "", bad_state: str = "", thread: str = "", kernel: str = ""
) -> "Catalogue":
    """Return the cases that match every argument; all of them without arguments.

    It is a sequence of cases, and prints as a table; in Jupyter it is a searchable index whose
    buttons open a case on a stage.

    Args:
        words: each must occur in the steps of the case ("mmu_notifier_put"), or in what is
            written about it or its scenario; case does not matter.
        bad_state: a bad state the case is judged by, "use_after_free".
        thread: the mail thread, "hmm".
        kernel: a release that is known to behave like the case, "5.3".

    Raises:
        UnknownName: no thread or bad state has that name; the nearest is suggested.
        MmvizError: the kernel is not a release.
    """
    look = importlib.import_module("mmviz.survey.catalogue").catalogue
    found: Catalogue = look(words, bad_state=bad_state, thread=thread, kernel=kernel)
    return replace(found, display=_index)


def _index(found: "Catalogue") -> Any:
    """Return the widget that shows a catalogue; widgets are imported when one is shown."""
    return importlib.import_module("mmviz.widgets.catalogue").Index(found)


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module 'mmviz' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})
