"""Ctrl-C, the stop button and limits: they hold in every phase, and what was found is kept."""

import signal
import sys
import threading
import tracemalloc

import pytest

from mmviz.engine import Verdict, explore, mark
from mmviz.engine.search import Search
from mmviz.engine.step import atomic
from mmviz.engine.struct import Map, World, field
from mmviz.engine.watch import Pace, Watch

from .toys import case

search_module = sys.modules["mmviz.engine.search"]
PHASES = (
    "",
    "waits for devices",
    "livelocks",
    "completed runs",
    "runs without late",
    "the fewest preemptions",
    "differences",
)


@pytest.fixture(autouse=True)
def heard():
    """Ctrl-C is heard, as in a terminal; what a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def late(k):
    """The number is two or more."""
    return k.value >= 2


async def asks(k):
    while True:
        mark("again")
        if await k.load() >= 1:
            return


async def twice(k):
    await k.store(1)
    await k.store(2)


async def device(k):
    while True:
        mark("again")
        await k.load()


def every_phase():
    """A case whose search has work in every phase."""
    actors = {"A": twice, "B": asks, "DEV": device}
    return case(actors=actors, bad=(late,), daemons=("DEV",))


def press_in(phase, times=1):
    """Return a `progress` that presses Ctrl-C when the search comes to a phase."""

    def progress(now):
        if now.phase == phase:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return progress


def test_every_phase_reports_that_it_has_begun():
    seen = []

    report = explore(every_phase(), progress=seen.append)

    assert tuple(dict.fromkeys(now.phase for now in seen)) == PHASES
    assert report.headline == "goes wrong: late Always"
    assert (report.cut, report.missing) == ("", ())


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_gives_what_was_found_so_far(phase):
    report = explore(every_phase(), progress=press_in(phase))

    assert report.cut == "interrupted"
    assert "the search was interrupted" in report.small_print
    assert all("(interrupted)" in sentence for sentence in report.missing)
    assert len(report.missing) == len(PHASES) - max(1, PHASES.index(phase)) - (phase == "")
    assert not report.as_expected
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if phase:
        assert report.headline.startswith("goes wrong (search cut): late ")
        assert report.counterexamples["late"].shortest == ("A", "A")
    else:
        assert report.headline == "not decided: the search was interrupted"
        assert report.verdicts == {"late": Verdict.UNKNOWN}


@pytest.mark.parametrize("phase", PHASES)
def test_a_second_ctrl_c_raises(phase):
    with pytest.raises(KeyboardInterrupt):
        explore(every_phase(), progress=press_in(phase, times=2))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("phase", PHASES)
def test_the_stop_button_works_in_every_phase_and_is_not_asked_again(phase):
    asked = []
    now = [""]

    def stop():
        asked.append(now[0])
        return now[0] == phase

    report = explore(
        every_phase(), progress=lambda progress: now.__setitem__(0, progress.phase), stop=stop
    )

    assert report.cut == "stopped by hand"
    assert asked.count(phase) == 1


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_ends_a_loop_over_cases(phase):
    with pytest.raises(KeyboardInterrupt):
        explore(every_phase(), progress=press_in(phase), partial=False)


def test_an_interrupt_that_a_callback_raises_is_one_too():
    def progress(now):
        if now.phase == "livelocks":
            raise KeyboardInterrupt

    assert explore(every_phase(), progress=progress).cut == "interrupted"


def test_a_search_within_a_thread_leaves_ctrl_c_alone():
    found = []
    thread = threading.Thread(target=lambda: found.append(explore(case())))
    before = signal.getsignal(signal.SIGINT)

    thread.start()
    thread.join()

    assert found[0].headline == "goes wrong: lost_update Sometimes"
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_that_is_not_pythons_own_is_left_alone():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        report = explore(every_phase(), progress=press_in("livelocks"))
    finally:
        signal.signal(signal.SIGINT, before)

    assert heard
    assert report.cut == ""


class Wide(World):
    cells: Map[int, int] = field(default_factory=lambda: Map(dict.fromkeys(range(8), 0)))

    @atomic("toy")
    def bump(self, i: int) -> None:
        self.cells[i] += 1

    @atomic("toy", when=lambda k, i: k.cells[i] == 5)
    def wait(self, i: int) -> None:
        """Wait until a cell is five."""


def full(k):
    """All cells but the last are five."""
    return all(k.cells[i] == 5 for i in range(5))


def level(k):
    """All cells but the last are three."""
    return all(k.cells[i] == 3 for i in range(5))


def begun(k):
    """Two cells are one."""
    return k.cells[0] == k.cells[1] == 1


def wide(*, actors=6, bad=(full,), back=False):
    """A case of 6 ** actors states; with `back`, one whose first actor may go round."""

    def counts(i):
        async def run(k):
            for _ in range(5):
                await k.bump(i)
            while back and i == 0:
                mark("again")
                await k.wait(0)

        return run

    return case(world=Wide, actors={f"A{i}": counts(i) for i in range(actors)}, bad=bad)


@pytest.mark.parametrize("phase", ["", "livelocks", "runs without full", "the fewest preemptions"])
def test_a_phase_over_many_states_asks_often(phase):
    """Between two looks at the limits there is work of a few milliseconds, whatever the phase."""
    seen = []

    explore(wide(actors=5, bad=(full, level), back=True), progress=seen.append)

    assert len([now for now in seen if now.phase == phase]) >= 6**5 // 2_000


def test_slices_follow_the_pace_of_the_work(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("mmviz.engine.watch.time.perf_counter", lambda: clock[0])
    pace, sizes = Pace(), []
    for some in pace.slices(list(range(20_000))):
        sizes.append(len(some))
        clock[0] += len(some) * 0.001  # a millisecond a state

    assert sizes[0] == 500
    assert set(sizes[1:-1]) == {50}  # the least

    sizes.clear()
    for some in pace.slices(list(range(100_000))):
        sizes.append(len(some))
        clock[0] += len(some) * 1e-6

    assert max(sizes) == 20_000
    assert sum(sizes) == 100_000


def test_what_follows_a_cut_search_ends_soon(monkeypatch):
    """Nothing but time ends the phases that follow a search that was cut."""
    monkeypatch.setattr(search_module, "CUT_SECONDS", 0.0)
    ticks = iter(range(10_000_000))
    monkeypatch.setattr(Watch, "seconds", property(lambda _: float(next(ticks))))

    report = explore(wide(), max_states=2_000)

    assert report.cut == "stopped at 2,000 states"
    assert any("(stopped after " in sentence for sentence in report.missing)


def test_a_search_that_was_cut_uses_what_is_left_of_its_limits():
    report = explore(wide(bad=(begun, full)), max_states=2_000)

    assert report.headline == "goes wrong (search cut): begun Sometimes"
    assert report.verdicts == {"begun": Verdict.SOMETIMES, "full": Verdict.UNKNOWN}
    assert report.counterexamples["begun"] == (("A0", "A1"), ("A0", "A1"), 1)
    assert report.missing == ()


@pytest.mark.parametrize("limit", [3_000_000, 6_000_000])
def test_the_limit_of_memory_is_that_of_the_process(limit):
    """The process grows by at most 1.3 times the limit, and by no less than half of it."""
    tracemalloc.start()
    try:
        search = Search(wide(), 10**9, limit, None, None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert search.cut == f"stopped at {limit:,} bytes"
    assert limit / 2 < peak < 1.3 * limit


@pytest.mark.parametrize("back", [False, True])
def test_the_limit_of_memory_holds_in_the_later_phases(back):
    """Enough for the states, and not for what a later phase keeps of them."""
    whole = Search(wide(back=back), 10**9, 0, None, None)
    limit = whole.size(ahead=True) + 500_000
    tracemalloc.start()
    try:
        report = explore(wide(back=back), max_bytes=limit)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert report.cut == ""
    assert any(f"(stopped at {limit:,} bytes)" in sentence for sentence in report.missing)
    assert peak < 1.3 * limit
    assert report.safe is False
