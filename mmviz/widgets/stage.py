"""The stage: one widget that shows the runs of a case. What is drawn and moves is in the browser.

The browser has the graph of the case, or of a large one a part of it, and steps through it without
a message. It asks for what it lacks, and writes back, at rest, which runs were tried.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import Any, SupportsIndex

import anywidget
import traitlets

from mmviz.browser import css, esm
from mmviz.engine import Case, MmvizError, Run, UnknownName, nearest, short, table
from mmviz.engine.condition import Holds
from mmviz.engine.text import index, quoted
from mmviz.scene import theme
from mmviz.scene.searched import SearchedCase
from mmviz.scene.svg import svg
from mmviz.scene.views import FIRST, STILL, TITLES, View, known, picture
from mmviz.scene.words import caption, ending
from mmviz.widgets.answers import answer
from mmviz.widgets.closing import close_parts
from mmviz.widgets.kept import Kept, kept_runs
from mmviz.widgets.prepared import Prepared
from mmviz.widgets.received import CHECKS, LONGEST_NAME, number
from mmviz.widgets.saving import pictured, saved_as
from mmviz.widgets.shows import Places, displayed, reported
from mmviz.widgets.still import picture as picture_of
from mmviz.widgets.still import shown
from mmviz.widgets.subshell import answered_in_any_shell
from mmviz.writing.files import file_of, form_of, write
from mmviz.writing.forms import FORMS

MOST_WAITING = 16  # messages that wait for their answer
SMALLEST, LARGEST = 320, 2_000  # pixels of a stage's height
HEIGHT = 560
STYLE = theme.css(".mm-theme") + theme.rules() + css()
CODE = esm()
LARGE = ("film", "code", "look")  # of what the browser gets
VERSION = sha256((CODE + STYLE).encode()).hexdigest()[:16]
LOADER = esm(entry="loader.js").replace('VERSION")', f'{VERSION}")')

NamedRun = dict[str, Any]


def complaint(widget: Any, wrong: Exception) -> str:
    """Say in which widget something went wrong, and what; a mistake of ours by its kind, too."""
    kind = "" if isinstance(wrong, MmvizError) else f"{type(wrong).__name__}: "
    return f"{type(widget).__name__}: {kind}{wrong}"


class Stage(anywidget.AnyWidget):
    """The runs of a case on one screen.

    Its state is its traits. The browser moves through a run, and chooses, without a message to
    Python; `at` has what it wrote back when it came to rest.

    Args:
        case: the case.
        searched: the case as it was searched.
        runs: the schedules of the runs on the stage.
        run: which of them is shown.
        k: the frame that it opens at.
        views: the names of the views to open: the first is seen, the others are pinned beside it.
        named: runs to offer.
        height: pixels.
        own_goal: whether a packed state is what the reader is to reach, if not a bad state.
    """

    remembers = False  # whether the runs tried come back in another kernel
    _esm = CODE
    _is_opening = False
    _css = STYLE

    #: The film as JSON, all of it: `{"head", "tables"}`. In Python it is empty, see `prepared`.
    film = traitlets.Unicode().tag(sync=True, to_json=lambda _text, stage: stage._film_text())
    #: `{"runs": [[actor's number, …], …], "run", "k", "by": "python" or "browser", "n"}`.
    at = traitlets.Dict().tag(sync=True)
    #: Runs to offer: `{"name", "schedule", "sealed", "kind": "bad", "safe", "named" or "moment"}`.
    named = traitlets.List(traitlets.Dict()).tag(sync=True)
    #: "player" or "driver", and the goal of a driver.
    mode = traitlets.Unicode("player").tag(sync=True)
    game = traitlets.Dict().tag(sync=True)
    #: Pixels; and the size of the type in hundredths of the usual.
    height = traitlets.Int(HEIGHT).tag(sync=True)
    zoom = traitlets.Int(100).tag(sync=True)
    #: The view that is open, and those pinned beside it.
    pane = traitlets.Unicode(FIRST).tag(sync=True)
    pinned = traitlets.List(traitlets.Unicode()).tag(sync=True)
    #: What the reader has written on steps, hidden, and brought into focus: fields by their path,
    #: actors as "actor:name".
    notes = traitlets.Dict().tag(sync=True)
    hidden = traitlets.List(traitlets.Unicode()).tag(sync=True)
    focus = traitlets.List(traitlets.Unicode()).tag(sync=True)
    #: What went wrong; shown to the reader.
    error = traitlets.Unicode().tag(sync=True)
    #: The frame on screen, for plots in the browser; not kept up to date in Python.
    k = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        case: Case,
        searched: SearchedCase,
        *,
        runs: Sequence[Sequence[str]],
        run: int = 0,
        k: int = 0,
        views: str | Sequence[str] | None = None,
        named: Sequence[NamedRun] = (),
        height: int = HEIGHT,
        own_goal: Holds | None = None,
        **traits: Any,
    ) -> None:
        asked = None if views is None else known(views)
        high = stage_height(height)
        self.case = case
        self._turn, self._waiting = RLock(), 0
        self.places = Places()
        offered = [each["schedule"] for each in named]
        # a driver's runs are the reader's own, even one that it offers to others
        shown = runs if traits.get("mode") == "driver" else [*runs, *offered]
        self._offered = [tuple(each) for each in shown]
        if self.remembers:
            runs = [*runs, *kept_runs(searched, runs)]
        self._prepared: Prepared | None = self._prepare(searched, [*runs, *offered], own_goal)
        self._keeps = own_goal is not None  # which is about states of this very model
        self._is_away = False
        there = self.prepared.views
        self.asked = None if asked is None else [name for name in asked if name in there]
        absent = [f"“{TITLES[name]}”" for name in asked or () if name not in there]
        first, *rest = self.asked or [FIRST]
        super().__init__(
            at=_by_python([self.prepared.numbers(each) for each in runs], run, k, 1),
            named=[
                each | {"schedule": list(self.prepared.numbers(each["schedule"]))} for each in named
            ],
            height=high,
            pane=first,
            pinned=rest,
            error=f"This case has nothing for {', '.join(absent)}." if absent else "",
            k=k,
            **traits,
        )
        self.add_class("mm-theme")
        self.on_msg(self._heard)
        answered_in_any_shell(self)

    def _prepare(
        self,
        searched: SearchedCase,
        runs: Iterable[Sequence[str]] = (),
        own_goal: Holds | None = None,
    ) -> Prepared:
        return Prepared(searched, runs, own_goal)

    @property
    def prepared(self) -> Prepared:
        """What the stage shows.

        Raises:
            MmvizError: the stage has been closed.
        """
        if self._prepared is None and self._is_away:
            with self._turn:
                if self._prepared is None:
                    self._prepared = self._prepared_again()
        if self._prepared is None:
            raise MmvizError("this stage has been closed: make a new one")
        return self._prepared

    def _prepared_again(self) -> Prepared:
        """Search a case anew that was forgotten when the stage was put away."""
        made = self._prepare(SearchedCase(self.case))
        made.game = self.game or None
        if not made.film.complete:
            for run in (*self.at["runs"], *(each["schedule"] for each in self.named)):
                made.film.along(made.names(run))
            made.film.piece()
        return made

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return the traits as the browser gets them: code and style, which a page has once, apart.

        anywidget would load both anew for each stage.
        """
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        if "_esm" in state:
            state |= {"code": state["_esm"], "_esm": LOADER}
        if "_css" in state:
            state |= {"look": state["_css"], "_css": ""}
        return state | dict.fromkeys(LARGE, "") if self._is_opening else state

    def open(self) -> None:
        """Tell the page of the stage, and then of what is large.

        JupyterLab keeps the message that opens a widget as long as the kernel runs.
        """
        if self.comm is None:
            self._is_opening = True
            try:
                super().open()
            finally:
                self._is_opening = False
            self.send_state(["film", "_esm", "_css"])

    def put_away(self) -> None:
        """Take the stage off every page until it is shown again; nothing of it is lost."""
        with self._turn:
            self.layout.close()
            super().close()
            self.__dict__.pop("_repr_mimebundle_", None)  # which ipywidgets takes with the rest
            self._is_away = True
            if not self._keeps:
                self._prepared = None

    def bring_back(self) -> None:
        """Open a stage again that was put away."""
        if self._is_away:
            self.layout.open()
            self.open()
            self._is_away = False

    def _film_text(self) -> str:
        return self.prepared.first_piece() if hasattr(self, "_prepared") else ""

    @property
    def searched(self) -> SearchedCase:
        """The case, searched."""
        return self.prepared.searched

    @property
    def views(self) -> dict[str, View]:
        """Every view that has something to show of the case, by name."""
        return self.prepared.views

    @property
    def on_screen(self) -> list[str]:
        """The names of the views that are open: the one seen, and those pinned."""
        return list(dict.fromkeys((self.pane, *self.pinned)))

    # -- the run and the cursor --------------------------------------------------------------

    @property
    def branches(self) -> tuple[tuple[str, ...], ...]:
        """The schedules of the runs tried, as the browser wrote them back last."""
        return tuple(self.prepared.names(run) for run in self.at["runs"])

    @property
    def schedule(self) -> tuple[str, ...]:
        """The schedule of the run on stage; enough to rebuild it."""
        return self.branches[self.at["run"]]

    @property
    def the_run(self) -> Run:
        """The run on stage."""
        with self._turn:
            return self.prepared.run(self.at["runs"][self.at["run"]])

    @property
    def cursor(self) -> int:
        """The number of the frame shown; set it to show another, a negative one from the end.

        The browser writes back where it is when it comes to rest: two seconds after a step, or
        when the reader leaves the stage.

        Raises:
            IndexError: set to a frame that the run does not have.
            MmvizError: set to what is not an integer.
        """
        return int(self.at["k"])

    @cursor.setter
    def cursor(self, k: SupportsIndex) -> None:
        self._show(self.at["runs"], self.at["run"], self.frame_at(k))

    def frame_at(self, k: SupportsIndex) -> int:
        """Return the number of a frame of the run, a negative one counted from the end.

        Raises:
            IndexError: the run has no such frame.
            MmvizError: `k` is not an integer.
        """
        last = len(self.at["runs"][self.at["run"]])
        return frame_of(k, last)

    def _show(self, runs: Sequence[Sequence[int]], run: int, k: int) -> None:
        """Put a run on the stage from Python, and set the cursor."""
        with self._turn:
            film = self.prepared.film
            if not film.complete:
                film.along(self.prepared.names(runs[run]))
                self.send({"id": None, "piece": self.prepared.piece()})
            self.at = _by_python(runs, run, k, self.at.get("n", 0) + 1)

    def visit(self, schedule: str | Iterable[str], k: SupportsIndex = -1) -> None:
        """Put a run on the stage; the runs tried before stay.

        Args:
            schedule: the name of a run, a schedule as text, or a list of actors.
            k: the frame to show; by default the last.

        Raises:
            ScheduleError: the schedule cannot happen; the message says at which step and why.
            IndexError: the run has no such frame.
        """
        with self._turn:
            names = self.searched.schedule(schedule)
            self.searched.run(names)
            wanted, runs = list(self.prepared.numbers(names)), [*self.at["runs"]]
            if wanted not in runs:
                runs.append(wanted)
            self._show(runs, runs.index(wanted), frame_of(k, len(wanted)))

    # -- the browser -------------------------------------------------------------------------

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """Take what the browser writes back; what is wrong is refused, and corrected there."""
        with self._turn:
            if self.comm is None or self._prepared is None:
                return
            taken: dict[str, Any] = {}
            refused: list[str] = []
            said = ""
            for name, value in sync_data.items():
                check = CHECKS.get(name)
                if check is None:
                    continue  # the film among them, which is known here
                try:
                    taken[name] = check(value, self._prepared)
                except Exception as wrong:
                    refused.append(name)
                    said = complaint(self, wrong)
            super().set_state(taken)
            if "at" in taken and self.remembers:
                self._note_runs()
            if "at" in refused:
                self._show(self.at["runs"], self.at["run"], self.at["k"])
            for name in refused:
                self.send_state(name)
            if said:
                self.error = ""  # so that the same words are sent once more
                self.error = said

    def _note_runs(self) -> None:
        """Keep the runs tried for another kernel; they are written later."""
        prepared = self.prepared
        if prepared.kept is None:
            prepared.kept = Kept(prepared.searched, self._offered)
        prepared.kept.note(self.branches, self.at["run"], self.at["k"])

    def _heard(self, _widget: Any, message: Any, _buffers: Any) -> None:
        """Answer a message; what goes wrong is told to the reader.

        Messages are answered one at a time, whatever thread they come in; of those that arrive
        while many wait, each is told so.
        """
        asked = message.get("id") if isinstance(message, Mapping) else None
        told: dict[str, Any] = {"id": asked if isinstance(asked, int | float) else None}
        page = message.get("page") if isinstance(message, Mapping) else None
        if isinstance(page, str) and len(page) <= LONGEST_NAME:
            told["page"] = page  # that asked: all of them hear the answer
        if reported(self, message):
            return
        if self._waiting >= MOST_WAITING:
            self.send(told | {"error": "Too many questions at once: wait for the answers."})
            return
        self._waiting += 1
        try:
            with self._turn:
                try:
                    told |= answer(message, self.prepared)
                except Exception as wrong:
                    told["error"] = complaint(self, wrong)
                data = told.pop("bytes", None)  # of a file, which travels as it is
                self.send(told, *([] if data is None else [[data]]))
        finally:
            self._waiting -= 1

    def _send(self, msg: Any, buffers: Any = None) -> None:
        """Send a message, and leave it to the page which shell answers are for."""
        super()._send(msg, buffers)
        answered_in_any_shell(self)

    def close(self) -> None:
        """Take the stage off every page, and let go of what it shows."""
        if hasattr(self, "_prepared") and (self._prepared is not None or self._is_away):
            with self._turn:
                self._prepared, self._is_away = None, False
                self.on_msg(self._heard, remove=True)
                self.unobserve_all()
                close_parts(self)
        super().close()

    # -- elsewhere -----------------------------------------------------------------------------

    def _caption(self, k: int) -> str:
        frame = self.the_run.frames[k]
        end = ending(self.case, frame)
        return caption(frame, self.the_run.tip.index) + (f". {end}." if end else "")

    def __str__(self) -> str:
        return table(self.the_run)

    def __repr__(self) -> str:
        kind, case = type(self).__name__, self.case
        if self._prepared is None and not self._is_away:
            return f"<{kind} of {case.name}, closed>"
        schedule = short(self.schedule)
        if case.expression.startswith("mmviz.find("):
            where, which = repr(case.scenario), f", case={case.name!r}"
        else:
            where, which = case.expression or case.name, ""
        return f"{kind}({where}, {schedule!r}{which})"

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
            views: their names; by default those the stage was made with, or the timeline and
                memory.

        Raises:
            IndexError: the run has no such frame.
            MmvizError: `k` is not an integer, or `views` is not a list of names.
            UnknownName: there is no view or theme of that name, or the case has nothing for it.
        """
        at = self.frame_at(k)
        names = self._there((self.asked or list(STILL)) if views is None else known(views))
        with self._turn:
            drawn = picture([self.views[name] for name in names], self.the_run, at)
            return svg(drawn, theme, f"{self.case.title}. {self._caption(at)}")

    def save(
        self,
        path: "str | PathLike[str]",
        form: str | None = None,
        at: SupportsIndex | None = None,
        *,
        theme: str = "light",
        views: str | Sequence[str] | None = None,
    ) -> Path:
        """Save the run and the moment that the stage shows; return the path of the file.

        A file that is there is replaced. A `Driver` saved as a page is a `Driver` again.

        Args:
            path: the file; the end of its name says the form: "run.html", ".svg", ".png", ".pdf",
                ".gif", ".txt", ".md", ".mmd", ".tex" or ".pml".
            form: the form, of a file whose name ends otherwise.
            at: the step of a picture, or with which a page begins: by default the one shown. A
                negative one counts from the end.
            theme: of a picture, "light" or "dark"; a page follows the reader's system.
            views: the names of the views of a picture; by default the timeline, memory, and what
                else is open.

        Raises:
            MmvizError: there is no such form, a package for it is missing, or the file cannot be
                written; the message says what to write or to install.
            IndexError: the run has no such step.
            UnknownName: there is no such view or theme, or the case has nothing for it.

        Example:
            mmviz.Player("iommu_group/release_order").save("race.html")
        """
        file = file_of(path, 'save("run.svg")')
        if form is None:
            wanted = form_of(file, "; else write form=")
        else:
            wanted = nearest({name: name for name in FORMS}, form, "form")
        look = nearest({"light": "light", "dark": "dark"}, theme, "theme")
        with self._turn:
            names = (
                pictured(self.on_screen, self.views) if views is None else self._there(known(views))
            )
            data = saved_as(
                self.prepared,
                self.schedule,
                wanted,
                at=self.cursor if at is None else self.frame_at(at),
                look=look,
                views=names,
            )
        return write(file, data)

    def _there(self, names: Sequence[str]) -> Sequence[str]:
        """Return names of views; raises if the case has nothing for one of them."""
        there = self.views
        absent = [name for name in names if name not in there]
        if absent:
            has = ", ".join(there)
            raise UnknownName(f"{self.case.name} has nothing for {absent[0]!r}; it has {has}")
        return names

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Add what a page shows where no widget runs: a still picture, or a text."""
        made = super()._repr_mimebundle_(**kwargs)
        bundle = made[0] if isinstance(made, tuple) else made
        if isinstance(bundle, dict):
            bundle["text/plain"] = str(self)
            bundle["image/svg+xml"] = self.svg()
            bundle["text/html"] = picture_of(self.svg(theme="page"), self._caption(-1))
        return made

    def _ipython_display_(self) -> None:
        self.bring_back()
        displayed(self)
        shown(self)


def _by_python(runs: Iterable[Iterable[int]], run: int, k: int, turn: int) -> dict[str, Any]:
    return {"runs": [list(each) for each in runs], "run": run, "k": k, "by": "python", "n": turn}


def frame_of(k: SupportsIndex, last: int) -> int:
    """Return the number of a frame of a run of `last` steps; a negative one counts from the end.

    Raises:
        IndexError: the run has no such frame.
        MmvizError: `k` is not an integer.
    """
    wanted = index(k, "the number of a frame")
    if not -last - 1 <= wanted <= last:
        raise IndexError(f"there is no frame {quoted(wanted)}: this run has frames 0 to {last}")
    return wanted if wanted >= 0 else last + 1 + wanted


def stage_height(height: Any) -> int:
    """Return the height of a stage in pixels.

    Raises:
        MmvizError: it is no integer, or too low or too high.
    """
    high = number(height, "the height of a stage", LARGEST)
    if high < SMALLEST:
        raise MmvizError(f"the height of a stage is at least {SMALLEST} pixels, not {high}")
    return high


def named_run(name: str, schedule: Iterable[str], kind: str, sealed: bool = False) -> NamedRun:
    """Return a run to offer.

    Args:
        name: as the reader sees it.
        schedule: its actors.
        kind: "bad", "safe", "named" or "moment".
        sealed: not offered before the reader has won or given up.
    """
    return {"name": name, "schedule": tuple(schedule), "sealed": sealed, "kind": kind}
