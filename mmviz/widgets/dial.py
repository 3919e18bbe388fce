"""Atomicity as a dial: one step, or a load and a store, and the verdict beside it."""

from typing import Any

import ipywidgets

from mmviz.engine import Case, explore, nearest
from mmviz.engine.html import escape, verbatim
from mmviz.engine.opened import opened, steps_of
from mmviz.engine.report import Report
from mmviz.engine.text import left_out
from mmviz.scenarios import Named, one_case
from mmviz.scene.theme import css
from mmviz.widgets.closing import close_parts
from mmviz.widgets.keyboard import keep_keys
from mmviz.widgets.player import Player
from mmviz.widgets.shows import PutAway
from mmviz.widgets.stage import HEIGHT, stage_height

CLOSED, OPENED = "one step", "load, store"
LOOK = (
    "<style>.mm-dial { background: var(--mm-paper); color: var(--mm-plain-text); "
    "--jp-widgets-label-color: var(--mm-plain-text); "
    "--jp-widgets-readout-color: var(--mm-plain-text); "
    "--jp-widgets-input-color: var(--mm-plain-text); "
    "--jp-widgets-input-background-color: var(--mm-plain-fill) }</style>"
)


class Dial(PutAway, ipywidgets.VBox):
    """Open a step of a case into its load and its store, and see the verdict anew.

    Beside the dial is what the search finds, and why where the race says so; below, the run.

    Args:
        race: a case; or a race, a scenario, or its name, "thread/race", or the path of a file.
        case: the case's name or id; by default the first that the race has a dial for.
        step: the step to open, "kref_put"; by default the one that the race names.
        height: of the stage in pixels.

    Raises:
        UnknownName: nothing has that name; the message suggests the nearest.

    Example:
        mmviz.Dial("hmm/double_unregister")
    """

    children: Any  # the form, the verdict, and the stage

    def __init__(
        self, race: Named | Case, case: str = "", step: str = "", *, height: int = HEIGHT
    ) -> None:
        self.case = _with_dial(race, case)
        known = {name: name for name in steps_of(self.case)}
        said = [name for dial in self.case.dials for name in dial.steps if len(dial.steps) == 1]
        wanted = next(iter([*said, *known])) if left_out(step) else nearest(known, step, "step")
        self._height = stage_height(height)
        self._judged: dict[str, tuple[Case, Report]] = {}
        self._steps = ipywidgets.Dropdown(options=list(known), value=wanted, description="step")
        self._way = ipywidgets.SelectionSlider(options=[CLOSED, OPENED], description="is")
        self._verdict = ipywidgets.HTML()
        form = ipywidgets.HBox([self._steps, self._way])
        form.layout.flex_flow = "row wrap"
        self.reporter = keep_keys(form)
        super().__init__([form, self._verdict])
        for name in ("mm-dial", "mm-theme"):
            self.add_class(name)
        self._steps.observe(self._turned, "value")
        self._way.observe(self._turned, "value")
        self._turned()

    @property
    def step(self) -> str:
        """The name of the step."""
        return str(self._steps.value)

    @property
    def is_open(self) -> bool:
        """Whether it is a load and a store."""
        return bool(self._way.value == OPENED)

    @property
    def shown(self) -> Case:
        """The case as the dial has it."""
        return self._judge()[0]

    @property
    def report(self) -> Report:
        """What the search finds."""
        return self._judge()[1]

    def _judge(self) -> tuple[Case, Report]:
        """Return the case as the dial has it, and what its search finds."""
        key = self.step if self.is_open else ""
        if key not in self._judged:
            case = opened(self.case, self.step) if self.is_open else self.case
            self._judged[key] = case, explore(case)
        return self._judged[key]

    def turn(self, is_open: bool, step: str = "") -> Report:
        """Open the step, or close it, as by the slider; return what the search finds then.

        Raises:
            UnknownName: the case has no such step.
        """
        if not left_out(step):
            known = {name: name for name in self._steps.options}
            self._steps.value = nearest(known, step, "step")
        self._way.value = OPENED if is_open else CLOSED
        return self.report

    def _turned(self, _change: Any = None) -> None:
        """Judge the case as the dial has it, and put its run on the stage."""
        said = self.shown.note if self.is_open and self.shown.declares else ""
        why = f"<p>Why: {escape(said)}.</p>" if said else ""
        style = f"<style>{css('.mm-theme')}</style>{LOOK}"
        self._verdict.value = style + verbatim(self._lines()) + why
        for old in self.children[2:]:
            old.close()
        self.children = (*self.children[:2], Player(self.shown, height=self._height))

    def _lines(self) -> str:
        """Return the verdicts as HTML, with those of the case as it stands."""
        way = OPENED if self.is_open else CLOSED
        return (
            f'<div role="status"><strong>{escape(self.step)}() as {way}: '
            f"{escape(self.report.headline)}</strong></div>"
        )

    def close(self) -> None:
        """Take the dial off every page, with its stage."""
        if self.comm is not None:
            self._steps.unobserve_all()
            self._way.unobserve_all()
            for each in self.children[2:]:
                each.close()
            close_parts(self)
        super().close()

    def __str__(self) -> str:
        way = OPENED if self.is_open else CLOSED
        return f"{self.step}() as {way}\n{self.report}"

    def __repr__(self) -> str:
        return f"<Dial of {self.case.name}: {self.step}() as {OPENED if self.is_open else CLOSED}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if isinstance(bundle, dict):
            bundle["text/plain"] = str(self)
            bundle["text/html"] = verbatim(self._lines()) + self.report._repr_html_()
        return bundle


def _with_dial(race: Any, case: str) -> Case:
    """Return the case that is named, or the first with a dial."""
    first = one_case(race, case, first=True)
    if not left_out(case) or first.dials or isinstance(race, Case):
        return first
    return next((each for each in first.race or () if each.dials), first)
