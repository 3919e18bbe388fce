"""Plots of a run and of a case: what one looks at rather than reads. They need bqplot.

A plot of a stage stands below it, and its cursor follows the stage's in the browser.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets
from ipywidgets import Widget, widget_serialization

from mmviz.engine import Case, MmvizError, Race, Report, Run, Scenario, spoken
from mmviz.engine.html import escape
from mmviz.engine.text import quoted
from mmviz.scenarios import one_case
from mmviz.scene import theme
from mmviz.scene.cards import wordings
from mmviz.scene.statemap import Fated, StateMap, state_map_of
from mmviz.widgets.closing import close_parts
from mmviz.widgets.keyboard import PRESENT
from mmviz.widgets.shows import PutAway
from mmviz.widgets.stage import Stage
from mmviz.widgets.walk import Walk

MOST_COUNTERS = 12
MOST_STATES = 3_000  # of a map
ROW, BAND = 46, 0.5  # pixels of a counter's row; how much of it its curve may take
LETTER, SHORT = 7.6, 10  # pixels of a letter, at most; letters of a value beside its curve
INK = "var(--mm-plain-text)"
MARGINS = {"top": 6, "bottom": 42, "left": 30, "right": 16}
LOOKS: dict[Fated, tuple[str, str, str]] = {  # the role whose colour a state has, and its shape
    Fated.SAFE: ("good", "circle", "●"),
    Fated.OPEN: ("held", "diamond", "◆"),
    Fated.LOST: ("written", "triangle-up", "▲"),
    Fated.DEADLOCK: ("blocked", "square", "■"),
    Fated.BAD: ("bad", "cross", "✚"),
    Fated.AFTER: ("bad", "triangle-down", "▼"),
}


def bqplot() -> Any:
    """Return bqplot, which is imported when a plot is made.

    Raises:
        MmvizError: it is not installed.
    """
    try:
        return importlib.import_module("bqplot")
    except ImportError:
        raise MmvizError(
            "plots need bqplot, and it is not installed here: install bqplot, or read the same in "
            "the stage and in the report"
        ) from None


class Follow(anywidget.AnyWidget):
    """Lets a mark of a plot follow the cursor of a stage, in the browser."""

    _esm = (Path(__file__).parent / "follow.js").read_text("utf-8")

    stage = traitlets.Instance(Widget).tag(sync=True, **widget_serialization)
    mark = traitlets.Instance(Widget).tag(sync=True, **widget_serialization)
    #: For each frame of the run, the mark's x and y.
    places: Any = traitlets.List().tag(sync=True)


class Look(anywidget.AnyWidget):
    """A style sheet for what stands beside it."""

    _esm = PRESENT + (Path(__file__).parent / "look.js").read_text("utf-8")

    value = traitlets.Unicode().tag(sync=True)


class Plot(PutAway, ipywidgets.VBox):
    """A plot of a run; of a stage's, its cursor follows the stage.

    Args:
        stage: the stage, None for a run by itself.
    """

    children: Any  # the style, the figure, and what it shows in words

    def __init__(self, stage: Stage | None) -> None:
        self.stage = stage
        self.library = bqplot()
        self.scales: dict[str, Any] = {}
        super().__init__()
        self.add_class("mm-plot")
        self.add_class("mm-theme")

    def _put(self, figures: Sequence[Any], words: str) -> None:
        """Show figures side by side, and below them what they show, as HTML."""
        self.figures = tuple(figures)
        self.reporter = style = Look(value=theme.css(".mm-theme"))
        row = self.figures[0] if len(self.figures) == 1 else ipywidgets.HBox(self.figures)
        self.children = (style, row, ipywidgets.HTML(words))

    def _axis(self, name: str, label: str, form: str, **more: Any) -> Any:
        """Return an axis of a scale."""
        scale = self.scales[name]
        look = {"grid_lines": "none"} | more
        return self.library.Axis(
            scale=scale, label=label, label_color=INK, tick_format=form, **look
        )

    def _figure(self, marks: Sequence[Any], axes: Sequence[Any], high: int, **more: Any) -> Any:
        """Return a figure of `high` pixels, as wide as there is room."""
        layout = {"width": "100%", "height": f"{high}px", "margin": "0"}
        look = {"fig_margin": MARGINS, "layout": layout} | more
        return self.library.Figure(
            marks=list(marks),
            axes=list(axes),
            title_style={"fill": INK, "font-size": "14px"},
            animation_duration=0,
            display_toolbar=False,
            min_aspect_ratio=0.01,
            max_aspect_ratio=100,
            **look,
        )

    def _follow(self, mark: Any, places: list[Any]) -> None:
        """Let a mark follow the stage; redraw when the stage shows another run."""
        if self.stage is not None:
            self.link = Follow(stage=self.stage, mark=mark, places=places)
            self.unseen = (self.link,)
            self.stage.observe(self._moved, "at")

    def _moved(self, _change: Any) -> None:
        """Draw the run that the stage shows now."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Add what a page shows where no widget runs: what the plot shows, in words."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if isinstance(bundle, dict):
            _style, _figures, *words = self.children
            told = (escape(w.value) if isinstance(w, Walk) else w.value for w in words)
            bundle["text/html"] = "<br>".join(told)
        return bundle

    def put_away(self) -> None:
        """Take the plot off every page until it is shown again."""
        if self.stage is not None:
            self.stage.unobserve(self._moved, "at")
        super().put_away()

    def bring_back(self) -> None:
        """Open a plot again that was put away, with the run that its stage shows now."""
        if self._away and self.stage is not None:
            self.stage.observe(self._moved, "at")
            self._moved(None)
        super().bring_back()

    def close(self) -> None:
        """Take the plot off every page, with all that it is made of."""
        if self.comm is not None:
            if self.stage is not None:
                self.stage.unobserve(self._moved, "at")
                close_parts(self.link)
                self.link.close()
            parts = [*self.scales.values()]
            for figure in self.figures:
                parts += [*figure.marks, *figure.axes, figure.scale_x, figure.scale_y]
            close_parts(self)
            for part in parts:
                part.close()
        super().close()


class Counters(Plot):
    """The numbers that a run changes, step by step: references, sequence numbers, pins."""

    def __init__(self, run: Run, stage: Stage | None = None) -> None:
        super().__init__(stage)
        lib = self.library
        self.scales = {"x": lib.LinearScale(min=0.0), "y": lib.LinearScale(reverse=True, min=0.0)}
        self.curves = self._lines("link", 2.0)
        self.cursor = self._lines("now", 2.5)
        self.names = self._label("end", "bold")
        self.values = self._label("start", "normal")
        self.values.y_offset = -9  # above the curve
        steps = self._axis("x", "step", "d")
        self.shown: dict[str, list[int]] = {}
        self.worded: dict[str, list[str]] = {}
        marks = [self.cursor, self.curves, self.names, self.values]
        self.figure = self._figure(marks, [steps], 0)
        places = self._draw(run)
        self._put([self.figure], escape(self._words()))
        self._follow(self.cursor, places)

    def _lines(self, role: str, wide: float) -> Any:
        return self.library.Lines(
            x=[0.0, 0.0],
            y=[0.0, 0.0],
            scales=self.scales,
            colors=[f"var(--mm-{role}-stroke)"],
            stroke_width=wide,
            interpolation="step-after",
            apply_clip=False,
        )

    def _label(self, align: str, weight: str) -> Any:
        return self.library.Label(
            x=[0.0],
            y=[0.0],
            text=[""],
            scales=self.scales,
            align=align,
            font_weight=weight,
            default_size=12,
            colors=[INK],
            apply_clip=False,
        )

    def _draw(self, run: Run) -> list[Any]:
        """Draw a run; return where the cursor stands in each frame."""
        self.shown = counted(run)
        wording = wordings(run.model)
        self.worded = {
            path: [wording.get(path, spoken)(value) for value in values]
            for path, values in self.shown.items()
        }
        steps = len(run.schedule)
        rows = list(self.shown.values()) or [[0] * (steps + 1)]
        xs, ys, texts = [], [], []
        worded = list(self.worded.values()) or [[""] * (steps + 1)]
        for row, (values, words) in enumerate(zip(rows, worded, strict=True)):
            low, high = min(values), max(values)
            for k, value in enumerate(values):
                y = row + 0.9 - BAND * (value - low) / max(high - low, 1)
                ys.append(y)
                if k == 0 or value != values[k - 1]:
                    word = words[k] if len(words[k]) <= SHORT else str(value)
                    texts.append((k + 0.06, y, word))
            xs.append([float(k) for k in range(steps + 1)])
        wide = steps + 1
        self.scales["x"].max, self.scales["y"].max = float(steps) + 0.4, float(len(rows))
        self.curves.x = xs
        self.curves.y = [ys[at : at + wide] for at in range(0, len(ys), wide)]
        self.names.x, self.names.text = [-0.1] * len(self.shown), list(self.shown)
        self.names.y = [row + 0.6 for row in range(len(self.shown))]
        if texts:
            self.values.x, self.values.y, self.values.text = map(list, zip(*texts, strict=True))
        left = max(map(len, self.shown), default=0)
        right = max((len(word) for x, _, word in texts if x > steps), default=0)
        self.figure.fig_margin = MARGINS | {
            side: int(LETTER * letters) + 16 for side, letters in (("left", left), ("right", right))
        }
        self.figure.layout.height = f"{60 + ROW * len(rows)}px"
        places = [[[float(k)] * 2, [0.0, float(len(rows))]] for k in range(wide)]
        self.cursor.x, self.cursor.y = places[-1]
        return places

    def _moved(self, _change: Any) -> None:
        assert self.stage is not None
        self.link.places = self._draw(self.stage.the_run)
        self.children[-1].value = escape(self._words())

    def _words(self) -> str:
        """Return what the plot shows as a sentence."""
        if not self.shown:
            return "This run changes no number."
        return "; ".join(f"{path}: {' → '.join(turns(each))}" for path, each in self.worded.items())


def counted(run: Run) -> dict[str, list[int]]:
    """Return the values of each field that is a number and changes, frame by frame."""
    frames = [frame.values for frame in run.frames]
    found = {}
    for path in frames[0]:
        values = [each[path] for each in frames]
        numbers = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
        if numbers and len(set(values)) > 1:
            found[path] = values
    kept = sorted(found, key=lambda path: -len(turns(found[path])))[:MOST_COUNTERS]
    return {path: values for path, values in found.items() if path in kept}


def turns(values: Sequence[object]) -> list[str]:
    """Return the values that a counter takes, one after the other."""
    return [str(v) for k, v in enumerate(values) if not k or v != values[k - 1]]


class Map(Plot):
    """Every state of a case, by its distance from the start, and the run that goes through them.

    Attributes:
        schedule: a shortest schedule to the state that was clicked last.
    """

    def __init__(self, case: Case, stage: Stage | None = None) -> None:
        super().__init__(stage)
        lib = self.library
        self.map: StateMap = state_map_of(case, MOST_STATES)
        self.schedule: tuple[str, ...] = ()
        deep, broad = self.map.size
        self.scales = {
            "x": lib.LinearScale(min=-0.5, max=deep + 0.5),
            "y": lib.LinearScale(min=-1.0, max=float(broad), reverse=True),
        }
        edges = self._lines(*self.map.edges(), "rail", 1.0)
        self.path = self._lines([0.0], [0.0], "now", 3.0)
        self.here = self._points([0], "now", "circle", 220)
        groups = [self._group(each) for each in Fated if each in self.map.fates]
        steps = self._axis("x", "steps from the start", "d")
        places = self._draw(None if stage is None else stage.the_run)
        self.ring = self._points([0], "read", "circle", 260)
        self.ring.fill, self.ring.stroke_width, self.ring.visible = False, 2.5, False
        marks = [edges, self.path, self.here, *groups, self.ring]
        self._put([self._figure(marks, [steps], 320)], self._legend())
        stands = [self.map.place(state) for state in range(len(self.map.fates))]
        self.status = Walk(self.ring, stands, self.map.tells, self.go)
        self.children = (*self.children, self.status)
        self._follow(self.here, places)

    def _lines(self, xs: Any, ys: Any, role: str, wide: float) -> Any:
        return self.library.Lines(
            x=xs,
            y=ys,
            scales=self.scales,
            colors=[f"var(--mm-{role}-stroke)"],
            stroke_width=wide,
            apply_clip=False,
        )

    def _points(self, states: Sequence[int], role: str, shape: str, size: int) -> Any:
        places = [self.map.place(state) for state in states]
        return self.library.Scatter(
            x=[x for x, _ in places],
            y=[y for _, y in places],
            scales=self.scales,
            colors=[f"var(--mm-{role}-stroke)"],
            marker=shape,
            default_size=size,
            apply_clip=False,
        )

    def _group(self, fate: Fated) -> Any:
        """Return the states of one fate as a mark; a click on one goes there."""
        role, shape, _ = LOOKS[fate]
        states = [state for state, each in enumerate(self.map.fates) if each is fate]
        points = self._points(states, role, shape, 45)
        points.on_element_click(lambda _mark, told: self.go(states[int(told["data"]["index"])]))
        return points

    def _legend(self) -> str:
        """Return what each shape means, and how many there are, as HTML."""
        counts = {fate: self.map.fates.count(fate) for fate in Fated}
        parts = [f"{len(self.map.fates)} states"]
        if self.stage is not None:
            parts.append(f"{_sign('now', '⬤')} the step on the stage")
        for fate, (role, _, sign) in LOOKS.items():
            if counts[fate]:
                parts.append(f"{_sign(role, sign)} {counts[fate]}: {escape(fate)}")
        whole = 'style="display: inline-block; margin-right: 1.5em; line-height: 1.5"'
        return " ".join(f"<span {whole}>{part}</span>" for part in parts)

    def _draw(self, run: Run | None) -> list[Any]:
        """Draw the run through the map; return where the cursor stands in each frame."""
        states = [0] if run is None else self.map.along(run)
        places = [self.map.place(state) for state in states]
        self.path.x, self.path.y = [x for x, _ in places], [y for _, y in places]
        return [[[x], [y]] for x, y in places]

    def _moved(self, _change: Any) -> None:
        assert self.stage is not None
        self.link.places = self._draw(self.stage.the_run)

    def go(self, state: int) -> tuple[str, ...]:
        """Show the way to a state, by its number in breadth-first order; on the stage, if any.

        Raises:
            MmvizError: the map has no state of that number.
        """
        if not 0 <= state < len(self.map.fates):
            raise MmvizError(f"the map has states 0 to {len(self.map.fates) - 1}, not {state}")
        self.schedule = self.map.schedule(state)
        self.status.state, self.status.value = state, self.map.tells(state)
        if self.stage is not None:
            run = self.stage.the_run
            along = self.map.along(run)
            if state in along:
                self.stage.cursor = along.index(state)
            else:
                self.stage.visit(self.schedule)
        return self.schedule


def _sign(role: str, sign: str) -> str:
    """Return a sign of a legend in the colour of a role, as HTML."""
    return f'<span style="color: var(--mm-{role}-stroke)">{sign}</span>'


def counters(what: Stage | Run) -> Counters:
    """Plot the numbers that a run changes: references, sequence numbers, active counts, pins.

    Args:
        what: a `Player` or a `Driver`, whose run is plotted and whose cursor the plot follows; or
            a run, as `mmviz.replay` returns it.

    Raises:
        MmvizError: it is neither, or bqplot is not installed.
    """
    if isinstance(what, Stage):
        return Counters(what.the_run, what)
    if isinstance(what, Run):
        return Counters(what)
    raise MmvizError(
        f"{quoted(what)} has no run to plot: give a Player, a Driver or a run, "
        "mmviz.counters(mmviz.replay(case, 'CPU0*3'))"
    )


def state_map(what: Stage | Report | Case | Race | Scenario | str, case: str = "") -> Map:
    """Draw the map of all states of a case: how far from the start, and what can still happen.

    Args:
        what: a `Player` or a `Driver`, whose run is drawn through the map and which a click moves;
            or a report, a case, or what `mmviz.explore` takes.
        case: of a race or a scenario, the case's name or id.

    Raises:
        UnknownName: there is no such scenario or case; the nearest is suggested.
        MmvizError: the case has too many states for a map, or bqplot is not installed.
    """
    if isinstance(what, Stage):
        return Map(what.case, what)
    if isinstance(what, Report):
        return Map(what.case)
    return Map(one_case(what, case, first=True))
