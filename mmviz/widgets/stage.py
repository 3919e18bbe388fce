"""What Player and Driver share: a picture of a run, and the controls that wind through it."""

from collections.abc import Mapping
from typing import Any

import ipywidgets

from mmviz.engine import Case, Frame, MmvizError, Run, short, table
from mmviz.scenarios import find, load
from mmviz.scene.layout import ROOM, plan
from mmviz.scene.marks import CELL_HEIGHT, stacked
from mmviz.scene.objects import objects
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.source import codes, lit
from mmviz.scene.svg import svg
from mmviz.scene.timeline import columns, timeline
from mmviz.scene.words import caption, ending, promises
from mmviz.widgets.canvas import Canvas
from mmviz.widgets.controls import Controls, Listing
from mmviz.widgets.film import Traits, film, marks

Shot = dict[str, Traits]
BESIDE, LOW = 46, 16  # cells across that code needs to stand beside, and lines down


class Stage(ipywidgets.VBox):
    """Timeline, code, promise and objects of one run of a case, over one row of controls.

    Its state is the run it shows and the traits of its parts; `controls.k` is the frame.
    """

    def __init__(self, case: Case, run: Run, rehearsal: Rehearsal) -> None:
        self.case = case
        self.rehearsal = rehearsal
        self.the_run = run
        self.actors = tuple(case.actors)
        self.plan = plan(rehearsal.reach)
        self.columns = columns(rehearsal.reach)
        self.codes = codes(rehearsal.reach)
        self.shots: dict[Any, Shot] = {}
        start = self.the_run.frames[0]
        self.timeline = Canvas(timeline(self.the_run.frames, 0, self.columns, self.room()))
        self.objects = Canvas(objects(start, self.plan, self.actors))
        self.listing = Listing(
            listings=[{"actor": code.actor, "lines": list(code.lines)} for code in self.codes],
            lit=self._lit(start),
        )
        story = load(case.scenario).title if case.scenario else case.name
        self.controls = Controls(title=story, subtitle=case.title, targets=self._targets())
        self.refresh(0)
        self.controls.on_msg(self._heard)
        history, code = _pane(self.timeline), _pane(self.listing, "mm-grow")
        world = _pane(self.objects)
        if self.columns.width + BESIDE <= ROOM:  # the code has room beside the timeline
            beside = ipywidgets.HBox([history, code])
            beside.add_class("mm-beside")
            self.listing.layout.height = f"{max(self.timeline.shown.height, LOW) * CELL_HEIGHT}em"
            parts = [beside, world]
        else:
            parts = [history, world, code]
        super().__init__([self.controls, *parts])
        self.add_class("mm-stage")
        self.add_class("mm-theme")

    def refresh(self, k: int) -> None:
        """Show the run as it is now, at frame `k`."""
        frames = self.the_run.frames
        controls = self.controls
        self.timeline.fit(timeline(frames, k, self.columns, self.room()))
        with controls.hold_sync():
            controls.film = film([self._shot(frames, index) for index in range(len(frames))])
            controls.captions = [self._caption(frame) for frame in frames]
            controls.promises = [promise._asdict() for promise in promises(self.case, frames)]
            controls.stops = [frame.index for frame in frames if frame.violated]
            controls.twin = str(self)
            self.direct(frames)
            controls.k = -1  # the browser may be elsewhere; two changes are surely sent
            controls.k = k

    def room(self) -> int:
        """Return how many rows the timeline has room for, however few steps there are."""
        return 0

    def direct(self, frames: list[Frame]) -> None:
        """Set what only one kind of stage shows; called with each refresh."""

    def show(self, k: int) -> None:
        """Set the parts to frame `k` from Python, as the browser does by itself."""
        shot = self._shot(self.the_run.frames, k)
        self.controls.k = k
        for name, traits in shot.items():
            if name == "code":
                self.listing.lit = traits["lit"]
            else:
                canvas = self.timeline if name.startswith("timeline.") else self.objects
                canvas.apply({name.partition(".")[2]: traits})

    def hear(self, message: Mapping[str, Any]) -> None:
        """Answer what the reader asked of the kernel."""

    def _heard(self, _widget: Any, message: Mapping[str, Any], _buffers: Any) -> None:
        """Answer a message; what goes wrong is told to the reader."""
        with self.controls.hold_sync():
            try:
                self.controls.error = ""
                self.hear(message)
            except Exception as wrong:
                kind = "" if isinstance(wrong, MmvizError) else f"{type(wrong).__name__}: "
                self.controls.error = f"{type(self).__name__}: {kind}{wrong}"
            self.controls.answers += 1

    def _caption(self, frame: Frame) -> str:
        last = len(self.the_run.schedule)
        end = ending(self.case, frame)
        return caption(frame, last) + (f". {end}." if end else "")

    def _targets(self) -> dict[str, Any]:
        """Return everything that a frame sets traits of, by the name the film uses."""
        return {
            **{f"timeline.{name}": mark for name, mark in self.timeline.by_name.items()},
            **{f"objects.{name}": mark for name, mark in self.objects.by_name.items()},
            "code": self.listing,
        }

    def _shot(self, frames: list[Frame], k: int) -> Shot:
        """Return the traits of every part in frame `k`."""
        frame = frames[k]
        drawn = marks(timeline(frames, k, self.columns, self.room()))
        kept = self.the_run.schedule[:k]
        if kept not in self.shots:
            world = marks(objects(frame, self.plan, self.actors))
            self.shots[kept] = {
                **{f"objects.{name}": traits for name, traits in world.items()},
                "code": {"lit": self._lit(frame)},
            }
        return {
            **{f"timeline.{name}": traits for name, traits in drawn.items()},
            **self.shots[kept],
        }

    def _lit(self, frame: Frame) -> list[dict[str, Any]]:
        return [lit(code, frame)._asdict() for code in self.codes]

    def __str__(self) -> str:
        return table(self.the_run)

    def __repr__(self) -> str:
        case, schedule = self.case, short(self.the_run.schedule)
        where = repr(case.scenario) if case.scenario else case.name
        return f"{type(self).__name__}({where}, {schedule!r}, case={case.name!r})"

    def svg(self, k: int = -1, theme: str = "light") -> str:
        """Return a frame's timeline and objects as the text of an SVG file; the last by default.

        Args:
            k: the number of the frame; negative ones count from the end.
            theme: "light" or "dark".

        Raises:
            IndexError: the run has no such frame.
        """
        frames = self.the_run.frames
        frame = frames[k]
        drawn = (
            timeline(frames, frame.index, self.columns),
            objects(frame, self.plan, self.actors),
        )
        return svg(stacked(drawn), theme, f"{self.case.title}. {self._caption(frame)}")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Add what a page shows where no widget runs: a still picture, or a text."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if isinstance(bundle, dict):
            bundle["text/plain"] = str(self)
            bundle["image/svg+xml"] = self.svg()
        return bundle


def the_case(scenario: str | Case, case: str = "") -> Case:
    """Return the case that a reader names; of a scenario alone, its first.

    Raises:
        UnknownName: there is none of that name; the nearest is suggested.
    """
    if isinstance(scenario, Case):
        return scenario
    return find(scenario, case) if case else load(scenario).cases[0]


def _pane(widget: Any, *classes: str) -> Any:
    """Put a widget in a box that scrolls when it is too narrow."""
    box = ipywidgets.Box([widget])
    for name in ("mm-pane", *classes):
        box.add_class(name)
    return box
