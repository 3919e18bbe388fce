"""The plot of a family: how states and seconds grow with a number of the case. It needs bqplot."""

import sys
import time
from collections.abc import Iterable, Sequence
from math import ceil, floor, log10
from typing import Any

from mmviz.engine import Progress, Report
from mmviz.engine.html import escape, html_table
from mmviz.engine.report import Outcome
from mmviz.survey.family import Growth, family_of, grow
from mmviz.widgets.plots import Plot, bqplot
from mmviz.widgets.progress import SearchDisplay

SHOWN_AFTER = 1.0  # seconds
SECONDS = 20.0
HIGH = 280  # pixels
MARGINS = {"top": 28, "bottom": 44, "left": 76, "right": 16}
GRID = {"grid_lines": "solid", "grid_color": "var(--mm-rail-stroke)"}
STEEP = 20  # from this ratio of the largest to the smallest on, the scale is logarithmic
LOOKS: dict[Outcome, tuple[str, str, str]] = {  # the role whose colour it has, and its shape
    Outcome.SAFE: ("good", "circle", "●"),
    Outcome.GOES_WRONG: ("bad", "cross", "✚"),
    Outcome.DEADLOCKS: ("blocked", "square", "■"),
    Outcome.LIVELOCKS: ("held", "diamond", "◆"),
    Outcome.NOT_DECIDED: ("written", "triangle-up", "▲"),
}


class FamilyPlot(Plot):
    """States and seconds of each member of a family, against its number.

    Attributes:
        found: the reports, and which members were left out.
    """

    def __init__(self, found: Growth) -> None:
        super().__init__(None)
        self.found = found
        reports = found.reports.values()
        states = [float(each.states) for each in reports]
        seconds = [each.seconds for each in reports]
        self.scales["x"] = self.library.LinearScale(
            min=min(found.reports, default=0) - 0.5, max=max(found.reports, default=1) + 0.5
        )
        figures = [self._panel("states", states, ","), self._panel("seconds", seconds, "~g")]
        self._put(figures, self._words())

    def _panel(self, what: str, values: Sequence[float], form: str) -> Any:
        """Return the figure of one quantity; the colour of a point is the member's verdict."""
        lib, (low, high, ticks) = self.library, spread(values)
        kind = lib.LogScale if low else lib.LinearScale
        self.scales[what] = scale = kind(min=low, max=high)
        scales, numbers = {"x": self.scales["x"], "y": scale}, [*map(float, self.found.reports)]
        line = lib.Lines(
            x=numbers or [0.0],
            y=values or [low],
            scales=scales,
            colors=["var(--mm-rail-stroke)"],
            stroke_width=1.5,
        )
        axes = [
            self._axis(
                "x", self.found.family.counts, "d", tick_values=numbers, label_offset="2.6em"
            ),
            self._axis(what, "", form, side="left", tick_values=ticks, **GRID),
        ]
        by_outcome: dict[Outcome, list[int]] = {}
        for at, report in enumerate(self.found.reports.values()):
            by_outcome.setdefault(report.outcome, []).append(at)
        points = [
            lib.Scatter(
                x=[numbers[at] for at in places],
                y=[values[at] for at in places],
                scales=scales,
                colors=[f"var(--mm-{LOOKS[outcome][0]}-stroke)"],
                marker=LOOKS[outcome][1],
                default_size=70,
                apply_clip=False,
            )
            for outcome, places in by_outcome.items()
        ]
        title = what if not low else f"{what}, logarithmic"
        return self._figure([line, *points], axes, HIGH, fig_margin=MARGINS, title=title)

    def _words(self) -> str:
        """Return what the shapes mean, and the same as a table, as HTML."""
        parts = []
        outcomes = [report.outcome for report in self.found.reports.values()]
        for outcome, (role, _, sign) in LOOKS.items():
            if outcome in outcomes:
                ink = f'<span style="color: var(--mm-{role}-stroke)">{sign}</span>'
                parts.append(f"{ink} {escape(outcome)}")
        table = html_table(self.found.head, self.found.rows)
        said = f"{' &emsp; '.join(parts)}{table}<p>{escape(self.found.small_print)}</p>"
        return f'<div style="line-height: 1.4">{said}</div>'

    @property
    def reports(self) -> dict[int, Report]:
        """The report of each member that was searched to its end, by its number."""
        return self.found.reports

    def __str__(self) -> str:
        return str(self.found)

    def __repr__(self) -> str:
        return str(self)


def spread(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Return the ends of the scale of some values, and its ticks; from above 0: logarithmic."""
    least, most = min(values, default=0.0), max(values, default=1.0)
    if least > 0 and most / least >= STEEP:
        first, last = floor(log10(least)), ceil(log10(most))
        return 10.0**first, 10.0**last, [10.0**each for each in range(first, last + 1)]
    most = most or 1.0
    step = 10.0 ** floor(log10(most))
    step = next(part * step for part in (0.2, 0.5, 1.0, 2.0) if most <= 5 * part * step)
    count = ceil(most / step)
    return 0.0, count * step, [each * step for each in range(count + 1)]


def family(
    what: Any, numbers: Iterable[int] | None = None, *, seconds: float = SECONDS, **sizes: Any
) -> FamilyPlot:
    """Search each member of a family of cases now, and plot states and seconds by its number.

        mmviz.family("invalidate_page/faults_and_invalidators", faults=range(1, 6), pages=2)
        mmviz.family(lambda n: mine.build("…", of=Fix, actors=actors(n)), range(1, 5))
        mmviz.family({1: one_cpu, 2: two_cpus})

    Points have the colour and the shape of the verdict; a table below has the same as text. Ctrl-C,
    or Stop in a notebook, ends the searches: what was found until then is plotted.

    Args:
        what: a scenario that has a family, or its name, as `mmviz check … --set faults=3` takes
            it; a function that returns the case of a number; or number -> case.
        numbers: for a function, those of the members; by default 1 to 9.
        seconds: the time limit of all searches together; members that it leaves out are named.
        sizes: for a scenario, its sizes: one of them a list of numbers, the others numbers. By
            default the first that is not given is 1 to 9.

    Raises:
        UnknownName: there is no such scenario, it has no sizes, or none of that name.
        MmvizError: `what` is none of these, a number or a size is wrong, a member cannot be made,
            or bqplot is not installed.
        ModelError: a member breaks a rule of the engine.
    """
    wanted = family_of(what, numbers, **sizes)
    bqplot()
    shown: list[SearchDisplay] = []
    started = time.perf_counter()

    def progress(n: int, now: Progress) -> None:
        if not shown and is_notebook and time.perf_counter() - started > SHOWN_AFTER:
            shown.append(SearchDisplay())
        for display in shown:
            display.show(now, f"{wanted.counts} {n}")

    python = sys.modules.get("IPython")
    is_notebook = hasattr(python and python.get_ipython(), "kernel")
    try:
        found = grow(wanted, seconds, progress, lambda: any(each.stopped for each in shown))
    finally:
        for display in shown:
            display.close(f"{time.perf_counter() - started:.1f} s of searching")
    return FamilyPlot(found)
