"""Step through, break, fix and prove the races kernel developers argue about.

    import mmviz

    mmviz.Driver("iommu_group/release_order", case="DelistThenRelease")
    case = mmviz.find("iommu_group/release_order", "DelistThenRelease")
    print(mmviz.table(mmviz.replay(case, "CPU0*3 CPU1*4")))
    print(mmviz.explore(case))
    mmviz.entry(0xF7FFFFFFFDB97400, kernel="6.15")

The search and the scenarios are imported at once, and are standard library only, as are the
command line and the tables of cases; what draws needs more packages, and says which. Runs, the
widgets (`Player`, `Driver`, `Predict`, `Debate`, `Entry`, `Dial`), the plots (`counters`,
`state_map`, `family`), the tables of cases (`debate`, `catalogue`, `mutations`) and `entry` are
imported when first used.
"""

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, SupportsIndex

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
from mmviz.engine.version import VERSION
from mmviz.lessons.card import Card
from mmviz.reading.shown import Brought
from mmviz.scenarios import broken, every_case, find, load, names, one_case

if TYPE_CHECKING:
    from mmviz.engine import Frame, Run, table
    from mmviz.engine.opened import opened
    from mmviz.engine.possible import Answer
    from mmviz.engine.redundant import code
    from mmviz.lessons.exercise import exercise
    from mmviz.lessons.grading import grade
    from mmviz.lessons.judge import judge
    from mmviz.lessons.progress import progress
    from mmviz.reading.litmus import litmus
    from mmviz.reading.lock_report import lockdep
    from mmviz.reading.recognise import diagram
    from mmviz.survey.catalogue import Catalogue
    from mmviz.survey.debate import debate
    from mmviz.survey.mutations import mutations
    from mmviz.widgets import Debate, Dial, Driver, Entry, Player, Predict, defend
    from mmviz.widgets.family import family
    from mmviz.widgets.plots import counters, state_map

    # Any: an mmviz.scene.entry_shown.EntryPicture, which this layer does not import.
    def entry(
        value: int | str,
        kernel: str = "",
        *,
        level: str = "",
        space: str = "",
        arch: str = "",
        after: int | str | None = None,
        paging: int = 4,
        pte_marker: bool = False,
        physical_bits: int = 0,
        encryption_bit: int = 0,
    ) -> Any:
        """Explain the bits of a page-table entry, or of a log: mmviz/scene/entry_shown.py."""


__version__ = VERSION
__all__ = [
    "Case",
    "Counterexample",
    "Debate",
    "Dial",
    "Driver",
    "Entry",
    "Frame",
    "MmvizError",
    "Player",
    "Predict",
    "Race",
    "Report",
    "Run",
    "Scenario",
    "ScheduleError",
    "UnknownName",
    "Verdict",
    "broken",
    "catalogue",
    "code",
    "counters",
    "debate",
    "defend",
    "diagram",
    "entry",
    "every_case",
    "exercise",
    "explore",
    "family",
    "find",
    "grade",
    "judge",
    "link",
    "litmus",
    "load",
    "lockdep",
    "mutations",
    "names",
    "opened",
    "possible",
    "progress",
    "replay",
    "state_map",
    "table",
]

SHOWN_AFTER = 1.0  # seconds
_LATE = {
    **dict.fromkeys(("Frame", "Run", "table"), "mmviz.engine"),
    **dict.fromkeys(
        ("Debate", "Dial", "Driver", "Entry", "Player", "Predict", "defend"), "mmviz.widgets"
    ),
    "opened": "mmviz.engine.opened",
    **dict.fromkeys(("counters", "state_map"), "mmviz.widgets.plots"),
    "family": "mmviz.widgets.family",
    "code": "mmviz.engine.redundant",
    "debate": "mmviz.survey.debate",
    "diagram": "mmviz.reading.recognise",
    "litmus": "mmviz.reading.litmus",
    "lockdep": "mmviz.reading.lock_report",
    "mutations": "mmviz.survey.mutations",
    "entry": "mmviz.scene.entry_shown",
    "grade": "mmviz.lessons.grading",
    "progress": "mmviz.lessons.progress",
    "exercise": "mmviz.lessons.exercise",
    "judge": "mmviz.lessons.judge",
}
_DRAWN_WITH = ("anywidget", "bqplot", "graphviz", "ipywidgets", "segno")


class NotInstalled(MmvizError, ImportError):
    """Something was asked for whose packages are not installed; the message says which."""


def _can_draw() -> bool:
    """Tell whether the packages are installed that widgets are made of; plots need bqplot, too."""
    return all(importlib.util.find_spec(name) for name in _DRAWN_WITH if name != "bqplot")


def explore(what: Case | Race | Scenario | str, case: str = "", **options: Any) -> Report:
    """Judge every interleaving of a case.

    Args:
        what: a case; or a race or a scenario, or a scenario's name, "iommu_group/release_order",
            or the path of a file with a race, "my_race.py".
        case: of a race or a scenario with several cases, the case's name or id.
        options: limits and callbacks, as `mmviz.engine.explore` takes them. In a notebook, and
            without callbacks, a search that takes longer than a second shows how far it is, and
            a Stop button.

    Returns:
        Verdicts, counts and counterexamples; it shows itself as a table.

    Raises:
        UnknownName: there is no such scenario or case; the nearest is suggested.
        MmvizError: `what` is nothing of this.
    """
    chosen = one_case(what, case)
    if _in_notebook() and _can_draw() and not options.keys() & {"progress", "stop"}:
        return _explore_in_notebook(chosen, options)
    return _engine.explore(chosen, **options)


def _in_notebook() -> bool:
    """Tell whether this is a kernel of Jupyter."""
    python = sys.modules.get("IPython")
    return hasattr(python and python.get_ipython(), "kernel")


def _explore_in_notebook(case: Case, options: dict[str, Any]) -> Report:
    """Search, and show how far the search is once it has taken longer than a second."""
    shown: list[Any] = []
    last = ""

    def progress(now: Any) -> None:
        nonlocal last
        if not shown and now.seconds > SHOWN_AFTER:
            shown.append(importlib.import_module("mmviz.widgets.progress").SearchDisplay())
        for display in shown:
            display.show(now)
            last = f"{now.states:,} states in {now.seconds:.1f} s"

    try:
        return _engine.explore(
            case, progress=progress, stop=lambda: any(each.stopped for each in shown), **options
        )
    finally:
        for display in shown:
            display.close(last)


def replay(case: Case | Race | Scenario | str, schedule: str | Iterable[str] = "") -> "Run":
    """Run a schedule from the start.

    Args:
        case: a case; a race or a scenario is enough where it has only one. Or a link, as
            `mmviz.link` returns it: then its run is returned, with a warning if that has changed
            since the link was written.
        schedule: "CPU0 CPU1*2", or a list of actors.

    Raises:
        UnknownName: a race or a scenario has several cases.
        ScheduleError: a step cannot happen; the message names the step, the actor, why it is
            blocked and which actors are enabled.
    """
    if isinstance(case, str) and isinstance(schedule, str) and not schedule:
        from mmviz.scenarios.link import is_link, opened

        if is_link(case):
            found = opened(case)
            if found.remark:
                warnings.warn(found.remark, stacklevel=2)
            return found.run
    run: Run = _engine.replay(one_case(case), schedule)
    return run


def link(
    case: Case | Race | Scenario | str, schedule: str | Iterable[str] = "", at: SupportsIndex = 0
) -> str:
    """Return a run as one short line of text, which survives a mail.

        mmviz.link("iommu_group/release_order:DelistThenRelease", "CPU0*3 CPU1*4", at=5)

    It names the case, the schedule, the step to look at and the version. `mmviz replay`,
    `mmviz.replay`, `Player` and whatever takes the name of a race take a link, wrapped and quoted
    as it may be; one that is damaged is refused.

    Args:
        case: a case of the catalogue; a race or a scenario is enough where it has only one.
        schedule: "CPU0 CPU1*2", or a list of actors.
        at: the step to look at; 0 is the start.

    Raises:
        UnknownName: a race or a scenario has several cases.
        ScheduleError: a step cannot happen; the message says which, and why.
        MmvizError: the run has no step `at`, or the case is not of the catalogue.
    """
    text: str = importlib.import_module("mmviz.engine.link").link_to(one_case(case), schedule, at)
    return text


def possible(
    case: Case | Race | Scenario | str, want: Any, max_states: int = 1_000_000
) -> "Answer":
    """Tell whether some run reaches a state with a property, and by which shortest run.

        mmviz.possible(case, "page 7.refs == 0 and CPU0 is done")

    Args:
        case: a case; a race or a scenario is enough where it has only one.
        want: a condition on fields (as displayed), actors and bad states; or the path of each
            field -> its value; or a function of the world that returns True or False.
        max_states: look at no more states than this.

    Returns:
        The verdict, a shortest run and a sentence; it is true if there is such a run.

    Raises:
        UnknownName: a race or a scenario has several cases.
        MmvizError: `want` cannot be read, or names what the case does not have; the message says
            where, and what is near.
    """
    answer = importlib.import_module("mmviz.engine.possible").possible
    found: Answer = answer(one_case(case), want, max_states)
    return found


def catalogue(
    words: str | Case | Iterable[Case] = "",
    bad_state: str = "",
    thread: str = "",
    kernel: str = "",
    among: str | Case | Iterable[Case] | None = None,
) -> "Catalogue":
    """Return the cases that match every argument; all of them without arguments.

    It is a sequence of cases, and prints as a table; in Jupyter it is a searchable index whose
    buttons open a case on a stage.

    Args:
        words: each must occur in the steps of the case ("mmu_notifier_put"), or in what is
            written about it or its scenario; case does not matter. Cases, or a race, are taken
            as `among`.
        bad_state: a bad state the case is judged by, "use_after_free".
        thread: the mail thread, "hmm".
        kernel: a release that is known to behave like the case, "5.3".
        among: the cases to choose from: a list, a race or a scenario; by default the catalogue.

    Raises:
        UnknownName: no thread or bad state has that name; the nearest is suggested.
        MmvizError: the kernel is not a release, or an argument is nothing that can be looked for.
    """
    look = importlib.import_module("mmviz.survey.catalogue").catalogue
    found: Catalogue = look(words, bad_state, thread, kernel, among)
    return replace(found, display=_index if _can_draw() else None)


def _index(found: "Catalogue") -> Any:
    """Return the widget that shows a catalogue; widgets are imported when one is shown."""
    return importlib.import_module("mmviz.widgets.catalogue").Index(found)


def _on_a_stage(found: Brought) -> bool:
    """Show what was read in a text on a stage; tell whether that could be done."""
    return _can_draw() and bool(importlib.import_module("mmviz.widgets.brought").show(found))


def _card_on_a_stage(card: Card) -> bool:
    """Show a card with its failing run on a stage; tell whether that could be done."""
    return _can_draw() and bool(importlib.import_module("mmviz.widgets.card").show(card))


Brought.display = staticmethod(_on_a_stage)
Card.display = staticmethod(_card_on_a_stage)


def __getattr__(name: str) -> Any:
    if name in _LATE:
        try:
            return getattr(importlib.import_module(_LATE[name]), name)
        except ModuleNotFoundError as missing:
            if (missing.name or "mmviz").partition(".")[0] == "mmviz":
                raise
            raise NotInstalled(
                f"mmviz.{name} needs the package {missing.name}, which is not installed here: "
                f"pip install {' '.join(_DRAWN_WITH)}"
            ) from None
    raise AttributeError(f"module 'mmviz' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})
