"""What Player and Driver share: pictures of a run, and the controls that step through it."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from threading import Lock
from typing import Any, SupportsIndex

import ipywidgets

from mmviz.engine import Case, Frame, MmvizError, Run, UnknownName, short, table
from mmviz.engine.scenario import scenario_of
from mmviz.engine.text import index, quoted
from mmviz.scene.searched import SearchedCase
from mmviz.scene.svg import svg
from mmviz.scene.tips import step_tip, tips
from mmviz.scene.views import TITLES, VIEWS, View, every, known, picture, usual
from mmviz.scene.words import caption, ending, promises
from mmviz.widgets.controls import Controls, complaint
from mmviz.widgets.frames import FrameStore, FrameTraits
from mmviz.widgets.panes import CodePane, Pane, ScenePane

AROUND = 40  # frames on either side of the cursor that a stage opens with
MOST_ASKED = 16  # frames that the browser may ask for at a time
MOST_WAITING = 16  # messages that wait for their answer
WORDS = "words"  # the store of what is said of each frame


class Stage(ipywidgets.VBox):
    """Views of one run of a case, over one row of controls.

    Its state is the run it shows and the traits of its parts; `cursor` is the frame.

    Attributes:
        views: every view that has something to show of the case, by name.
        panes: those that have been opened, by name; open or not.
        on_screen: the names of those on screen, in their order.
    """

    def __init__(
        self,
        case: Case,
        run: Run,
        searched: SearchedCase,
        wanted: str | Sequence[str] | None,
        k: int = 0,
    ) -> None:
        asked = None if wanted is None else known(wanted)
        self.case = case
        self.searched = searched
        self._cursor = k
        self._turn, self._waiting = Lock(), 0
        self.the_run = run
        self.actors = tuple(case.actors)
        self.views = self.made_views()
        self.panes: dict[str, Pane] = {}
        self.stores = {WORDS: FrameStore(self._words, looks_ahead=True)}
        scenario = scenario_of(case)
        self.controls = Controls(
            title=scenario.title,
            subtitle=case.title,
            memory=f"memory: {case.memory_model}; what the model leaves out",
            limits=scenario.simplified or "The case does not say.",
            views=[
                {"name": name, "title": TITLES[name], "there": name in self.views} for name in VIEWS
            ],
            tips=tips(searched.reach, case, self.views.values()),
        )
        self.house = ipywidgets.Box()
        self.house.add_class("mm-views")
        self.on_screen: list[str] = []
        self.show_views(usual(searched, self.views) if asked is None else asked, k)
        self.refresh(k)
        self.controls.on_msg(self._heard)
        super().__init__([self.controls, self.house])
        self.add_class("mm-stage")
        self.add_class("mm-theme")

    def made_views(self) -> dict[str, View]:
        """Return every view that has something to show of the case."""
        return every(self.searched)

    def show_views(self, names: str | Sequence[str], k: int = 0) -> None:
        """Show the views of these names, in this order, and hide the others.

        Args:
            names: which; those that have nothing to show of this case are named on the stage.
            k: the frame that is shown, for those seen the first time.

        Raises:
            UnknownName: there is no view of that name; the message suggests the nearest.
        """
        names = known(names)
        self.on_screen = [name for name in names if name in self.views]
        for name in self.on_screen:
            if name not in self.panes:
                view = self.views[name]
                make = CodePane if name == "code" else ScenePane
                self.panes[name] = make(view, self.the_run, k)
                self.stores[name] = FrameStore(partial(self._draw, name), view.looks_ahead)
        absent = [f"“{TITLES[name]}”" for name in names if name not in self.views]
        self.controls.note = f"This case has nothing for {', '.join(absent)}." if absent else ""
        self.controls.targets = {
            f"{name}.{mark}": target
            for name, pane in self.panes.items()
            for mark, target in pane.targets.items()
        }
        self.controls.on_screen = self.on_screen
        self.house.children = [
            *(self.panes[name] for name in self.on_screen),
            *(pane for name, pane in self.panes.items() if name not in self.on_screen),
        ]

    def refresh(self, k: int, kept: int = 0, around: int = AROUND) -> None:
        """Show the run as it is now, at frame `k`.

        Args:
            k: the frame.
            kept: how many frames the run has in common with the one shown before.
            around: how many frames before and after `k` are made at once.
        """
        frames = self.the_run.frames
        controls = self.controls
        self._cursor = k
        with controls.hold_sync():
            for store in self.stores.values():
                store.cut(kept)
            controls.last = len(frames) - 1
            if kept:
                self.send(range(k - around, k + around + 1), kept)
            else:
                self.make(range(k - around, k + around + 1))
                controls.pictures = {}
                controls.pictures = {name: store.data for name, store in self.stores.items()}
            report = self.searched.report
            fared = promises(self.case, frames, report.livelock, report.doubt)
            controls.promises = [promise._asdict() for promise in fared]
            controls.stops = [promise.broken for promise in fared if promise.broken >= 0]
            self.direct(frames)
            controls.k = -1  # the browser may be elsewhere; two changes are surely sent
            controls.k = k

    def make(self, wanted: Iterable[int], names: Iterable[str] = ()) -> dict[str, Any]:
        """Return the frames wanted of these stores, by default of all on screen."""
        there = [k for k in wanted if 0 <= k <= self.controls.last]
        return {name: self.stores[name].piece(there) for name in names or (WORDS, *self.on_screen)}

    def send(self, wanted: Iterable[int], kept: int = -1, names: Iterable[str] = ()) -> None:
        """Send frames to the browser; with `kept` it forgets those it has from that one on."""
        made = self.make(wanted, names)
        self.controls.pictures.update({name: self.stores[name].data for name in made})
        self.controls.piece = {
            "number": self.controls.piece.get("number", 0) + 1,
            "kept": kept,
            "stores": made,
        }

    def direct(self, frames: list[Frame]) -> None:
        """Set what only one kind of stage shows; called with each refresh."""

    def offered(self, frame: Frame) -> list[dict[str, Any]]:
        """Return a button for each actor that may be chosen after a frame."""
        return []

    def show(self, k: int) -> None:
        """Set the parts to frame `k` from Python, as the browser does by itself."""
        self._cursor = k
        self.controls.k = k
        for name in self.on_screen:
            self.panes[name].apply(self.stores[name].drawn(k))

    @property
    def schedule(self) -> tuple[str, ...]:
        """The schedule of the run on stage; enough to rebuild it."""
        return self.the_run.schedule

    @property
    def cursor(self) -> int:
        """The number of the frame shown; set it to show another, a negative one from the end.

        The browser moves through a run without a message to Python; what is read is the frame that
        Python set, or that the reader's latest choice, of a view, a run or an actor, was made at.

        Raises:
            IndexError: set to a frame that the run does not have.
            MmvizError: set to what is not an integer.
        """
        return self._cursor

    @cursor.setter
    def cursor(self, k: SupportsIndex) -> None:
        self.show(self.frame_at(k))

    def frame_at(self, k: SupportsIndex) -> int:
        """Return the number of a frame of the run, a negative one counted from the end.

        Raises:
            IndexError: the run has no such frame.
            MmvizError: `k` is not an integer.
        """
        last, number = self.the_run.tip.index, index(k, "the number of a frame")
        if not -last - 1 <= number <= last:
            raise IndexError(f"there is no frame {quoted(number)}: this run has frames 0 to {last}")
        return number if number >= 0 else last + 1 + number

    def hear(self, message: Mapping[str, Any]) -> None:
        """Answer what the reader asked of the kernel."""

    def _heard(self, _widget: Any, message: Any, _buffers: Any) -> None:
        """Answer a message; what goes wrong is told to the reader.

        Messages are answered one at a time, whatever thread they come in; those that arrive while
        many wait are not answered.
        """
        if self._waiting >= MOST_WAITING:
            self.controls.answers += 1
            return
        self._waiting += 1
        try:
            with self._turn, self.controls.hold_sync():
                self._answer(message)
        finally:
            self._waiting -= 1

    def _answer(self, message: Any) -> None:
        try:
            if not isinstance(message, Mapping):
                raise MmvizError(f"{quoted(message)} is not a message of a stage")
            if "pictures" in message:
                self.send(_numbers(message["pictures"]))
                return
            self.controls.error = ""
            if "open" in message:
                k = min(max(asked(message, "k"), 0), self.controls.last)
                before = set(self.on_screen)
                self.show_views(message["open"], k)
                self._cursor = k
                fresh = [name for name in self.on_screen if name not in before]
                if fresh:
                    self.send(range(k - AROUND, k + AROUND + 1), names=fresh)
            else:
                self.hear(message)
        except Exception as wrong:
            self.controls.error = complaint(self, wrong)
        self.controls.answers += 1

    def _draw(self, name: str, k: int) -> FrameTraits:
        """Return what a view sets in frame `k`, and what it says."""
        drawn = self.panes[name].drawn(self.the_run, k)
        text = self.views[name].text(self.the_run, k)
        return drawn | {"twin": {"lines": text.split("\n")}}

    def _words(self, k: int) -> FrameTraits:
        """Return what is said of frame `k`."""
        frame = self.the_run.frames[k]
        tip = step_tip(frame) if k else ""
        said = {"caption": self._caption(frame), "choices": self.offered(frame), "tip": tip}
        return {WORDS: said}

    def _caption(self, frame: Frame) -> str:
        end = ending(self.case, frame)
        return caption(frame, self.the_run.tip.index) + (f". {end}." if end else "")

    def __str__(self) -> str:
        return table(self.the_run)

    def __repr__(self) -> str:
        case, schedule = self.case, short(self.the_run.schedule)
        if case.expression.startswith("mmviz.find("):
            where, which = repr(case.scenario), f", case={case.name!r}"
        else:
            where, which = case.expression or case.name, ""
        return f"{type(self).__name__}({where}, {schedule!r}{which})"

    def svg(
        self,
        k: SupportsIndex = -1,
        theme: str = "light",
        views: str | Sequence[str] | None = None,
    ) -> str:
        """Return a frame in several views as the text of an SVG file; the last by default.

        Args:
            k: the number of the frame; negative ones count from the end.
            theme: "light" or "dark".
            views: their names; by default those on screen.

        Raises:
            IndexError: the run has no such frame.
            MmvizError: `k` is not an integer, or `views` is not a list of names.
            UnknownName: there is no view or theme of that name, or the case has nothing for it.
        """
        frame = self.the_run.frames[self.frame_at(k)]
        names = self.on_screen if views is None else known(views)
        absent = [name for name in names if name not in self.views]
        if absent:
            there = ", ".join(self.views)
            raise UnknownName(f"{self.case.name} has nothing for {absent[0]!r}; it has {there}")
        shown = [self.views[name] for name in names]
        drawn = picture(shown, self.the_run, frame.index)
        return svg(drawn, theme, f"{self.case.title}. {self._caption(frame)}")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Add what a page shows where no widget runs: a still picture, or a text."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if isinstance(bundle, dict):
            bundle["text/plain"] = str(self)
            bundle["image/svg+xml"] = self.svg()
        return bundle


def asked(message: Mapping[str, Any], name: str) -> int:
    """Return a number in a message.

    Raises:
        MmvizError: the message has none.
    """
    return index(message.get(name), f"{name!r} in a message of a stage")


def _numbers(wanted: Any) -> list[int]:
    """Return the first numbers of a list in a message.

    Raises:
        MmvizError: it is not a list of integers.
    """
    if not isinstance(wanted, list):
        raise MmvizError(f"'pictures' in a message of a stage is a list, not {quoted(wanted)}")
    return [index(k, "the number of a frame") for k in wanted[:MOST_ASKED]]
