"""How far a search is, below a cell: with a stand-in for the notebook, and a clock of its own."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

import mmviz
from mmviz.engine import Progress
from mmviz.engine.search import Search
from mmviz.widgets import progress as progress_module
from mmviz.widgets.progress import SearchDisplay
from tests.engine.toys import case


class Page:
    """What a cell has displayed; `shown` is what is on screen now, `drawings` how it came there."""

    def __init__(self):
        self.shown, self.drawings = None, 0

    def display(self, what, raw=False, display_id=None):
        assert display_id is True
        self.update(what, raw)
        return self

    def update(self, what, raw=False):
        self.shown = what["text/plain"] if raw else what
        self.drawings += 1


@pytest.fixture
def page(monkeypatch, request):
    """Run in a Jupyter kernel; with `subshells=False` one that answers after the cell only."""
    page, clock = Page(), [0.0]
    kernel = SimpleNamespace(_supports_kernel_subshells=getattr(request, "param", True))
    python = SimpleNamespace(
        get_ipython=lambda: SimpleNamespace(kernel=kernel),
        display=SimpleNamespace(display=page.display),
    )
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setattr(progress_module.time, "perf_counter", lambda: clock[0])
    page.clock = clock
    return page


def now(seconds, states=1000):
    return Progress(states, 2 * states, seconds)


def test_a_short_search_shows_nothing(page):
    assert mmviz.explore(case()).headline == "goes wrong: lost_update Sometimes"

    assert page.drawings == 0


def test_a_long_search_shows_states_rate_seconds_and_a_button(page):
    shown = SearchDisplay()
    shown.show(now(2.0))

    button, line, _ = page.shown.children
    assert button.description == "Stop"
    assert line.value.startswith("1,000 states, 1,000 transitions/s, 2 s. ")
    assert "Kernel > Interrupt" in line.value
    assert not shown.stopped

    button.click()
    assert shown.stopped


def test_the_line_is_redrawn_a_few_times_a_second(page):
    shown = SearchDisplay()
    for tick in range(100):
        page.clock[0] = tick / 50
        shown.show(now(page.clock[0], states=tick))
    assert page.drawings == 1  # the widget itself
    values = []
    shown.line.observe(lambda change: values.append(change.new), "value")
    for tick in range(100, 200):
        page.clock[0] = tick / 50
        shown.show(now(page.clock[0], states=tick))
    assert 7 <= len(values) <= 9


@pytest.mark.parametrize("page", [False], indirect=True)
def test_where_messages_wait_for_the_cell_the_text_names_interrupt(page):
    shown = SearchDisplay()
    shown.show(now(2.0))

    assert page.shown == (
        "1,000 states, 1,000 transitions/s, 2 s. "
        "Kernel > Interrupt stops it and shows what was found so far."
    )


@pytest.mark.parametrize("page", [True, False], indirect=True)
def test_when_it_is_done_one_line_stays_and_no_widget(page):
    shown = SearchDisplay()
    shown.show(now(2.0))

    shown.close("1,000 states in 2.0 s")

    assert page.shown == "1,000 states in 2.0 s"
    assert shown.button.comm is None
    assert shown.line.comm is None


def test_a_press_on_stop_ends_the_search_with_what_was_found(page, monkeypatch):
    monkeypatch.setattr(mmviz, "SHOWN_AFTER", -1.0)
    made = []
    real = SearchDisplay.show

    def show(self, progress):
        made.append(self)
        real(self, progress)
        self.button.click()

    monkeypatch.setattr(SearchDisplay, "show", show)
    report = mmviz.explore(case())

    assert report.cut == "stopped by hand"
    assert report.headline == "not decided: the search was stopped by hand"
    assert len(set(map(id, made))) == 1
    assert page.shown.endswith(" s")


def test_a_search_that_fails_takes_its_display_away(page, monkeypatch):
    monkeypatch.setattr(mmviz, "SHOWN_AFTER", -1.0)

    def fails(_search):
        raise mmviz.MmvizError("a case is wrong")

    monkeypatch.setattr(Search, "some_run_completes", fails)
    with pytest.raises(mmviz.MmvizError):
        mmviz.explore(case())

    assert isinstance(page.shown, str)


def test_a_caller_who_brings_callbacks_gets_no_display(page, monkeypatch):
    monkeypatch.setattr(mmviz, "SHOWN_AFTER", -1.0)
    seen = []

    mmviz.explore(case(), progress=seen.append)

    assert seen
    assert page.drawings == 0


def test_outside_of_a_notebook_no_widget_is_imported():
    code = (
        "import sys, mmviz; mmviz.explore('iommu_group/release_order', 'DelistThenRelease');"
        "print('ipywidgets' in sys.modules, 'IPython' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_searches_of_a_family_say_which_member_and_stop_keeps_the_others(page, monkeypatch):
    monkeypatch.setattr("mmviz.widgets.family.SHOWN_AFTER", -1.0)
    lines = []

    def show(self, progress, what=""):
        lines.append(what)
        self.stopped = what == "number 3"

    monkeypatch.setattr(SearchDisplay, "show", show)
    plot = mmviz.family({1: case(), 3: case(), 4: case()})

    assert list(dict.fromkeys(lines)) == ["number 1", "number 3"]
    assert list(plot.reports) == [1]
    assert "4 (not searched: the search was ended by hand)" in plot.found.small_print
    assert page.shown.endswith("s of searching")


def test_a_line_says_what_is_searched_where_there_is_more_than_one_search(page):
    shown = SearchDisplay()
    shown.show(now(2.0), "faults 4")
    assert shown.line.value.startswith("faults 4: 1,000 states")
