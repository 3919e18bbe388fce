"""Counters over time and the map of all states: numbers first; how they look is for the eye."""

import gc
import sys
import weakref

import numpy as np
import pytest
import traitlets

import mmviz
from mmviz.engine import MmvizError
from mmviz.engine.html import LEFT
from mmviz.scene.statemap import Fated, state_map_of
from mmviz.widgets.plots import LOOKS
from tests.scene.toys import STORY, TOY


def test_the_numbers_that_a_run_changes_are_plotted_step_by_step():
    run = mmviz.replay(TOY, STORY)
    plot = mmviz.counters(run)

    refs = [frame.values["page 7.refs"] for frame in run.frames]
    assert plot.shown["page 7.refs"] == refs
    assert all(len(set(values)) > 1 for values in plot.shown.values())
    row = list(plot.shown).index("page 7.refs")
    curve = np.atleast_2d(plot.curves.y)[row].tolist()
    assert [curve[k] > curve[k - 1] for k in range(1, len(refs))] == [
        refs[k] < refs[k - 1] for k in range(1, len(refs))
    ]
    assert "page 7.refs: 1 → 0" in plot.children[-1].value


def test_counters_have_the_words_of_the_picture_and_room_for_their_names():
    case = mmviz.load("exclusive/copy_at_fork").cases[0]
    plot = mmviz.counters(mmviz.Player(case))

    assert "page 7.refs: 1 + 1 pin → 2 + 1 pin → 1 + 1 pin" in plot.children[-1].value
    assert {"1 + 1 pin", "2 + 1 pin"} <= set(plot.values.text)
    assert plot.figure.fig_margin["left"] > 7 * len("page 7.refs")
    assert plot.figure.fig_margin["right"] > 6 * len("1 + 1 pin")
    assert plot.figure.layout.margin == "0"  # with one, a bar to scroll would come


def test_a_run_without_counters_says_so():
    plot = mmviz.counters(mmviz.replay(TOY, "GPU"))
    assert plot.shown == {}
    assert plot.children[-1].value == "This run changes no number."


def test_the_cursor_of_a_plot_follows_the_stage_in_the_browser_and_the_run_in_python():
    player = mmviz.Player(TOY, STORY)
    plot = mmviz.counters(player)
    assert plot.link.stage is player
    assert [place[0][0] for place in plot.link.places] == list(range(8))
    player.visit("GPU CPU0")
    assert len(plot.link.places) == 3


def test_a_map_has_every_state_at_its_distance_and_its_fate():
    found = state_map_of(TOY, 1000)
    report = mmviz.explore(TOY)

    assert len(found.fates) == report.states
    for state, fate in enumerate(found.fates):
        run = mmviz.replay(TOY, found.schedule(state))
        assert len(run.schedule) == found.depth[state]
        assert found.along(run)[-1] == state
        assert (fate is Fated.BAD) == bool(run.tip.model.violated(run.tip.state))
    assert len({found.place(state) for state in range(len(found.fates))}) == report.states
    example = report.counterexamples["gpu_maps_a_free_page"].shortest
    along = [found.fates[state] for state in found.along(mmviz.replay(TOY, example))]
    assert along[-1] is Fated.BAD
    assert Fated.SAFE not in along


def test_after_a_broken_promise_no_state_of_a_map_looks_safe():
    case = mmviz.load("exclusive/copy_at_fork").cases[0]
    found = state_map_of(case, 1000)

    clean, waiting = {0}, [0]  # states that a way without a violation reaches
    while waiting:
        state = waiting.pop()
        if found.fates[state] is Fated.BAD:
            continue
        after = found.graph.target[found.graph.offset[state] : found.graph.offset[state + 1]]
        waiting += (new := {*after} - clean)
        clean |= new
    late = {state for state, fate in enumerate(found.fates) if fate is Fated.AFTER}
    bad = {state for state, fate in enumerate(found.fates) if fate is Fated.BAD}
    assert late
    assert late == {*range(len(found.fates))} - clean - bad
    legend = mmviz.state_map(mmviz.Player(case)).children[2].value
    assert "the step on the stage" in legend
    assert f"{len(late)}: the promise was broken on every way here" in legend
    assert len({shape for _, shape, _ in LOOKS.values()}) == len(LOOKS) == len(Fated)


def test_a_click_on_the_map_goes_there():
    player = mmviz.Player(TOY, STORY)
    plot = mmviz.state_map(player)
    last = plot.map.along(player.the_run)[-1]
    plot.go(last)
    assert (player.cursor, len(player.branches)) == (len(STORY), 1)
    other = next(s for s in range(len(plot.map.fates)) if s not in plot.map.along(player.the_run))
    schedule = plot.go(other)
    assert (player.schedule, player.cursor) == (schedule, len(schedule))
    assert player.branches[0] == STORY
    assert [list(place) for place in plot.link.places] == [
        [[x], [y]] for x, y in map(plot.map.place, plot.map.along(player.the_run))
    ]
    with pytest.raises(MmvizError, match="the map has states 0 to"):
        plot.go(10_000)


def test_the_keyboard_goes_through_a_map_and_what_it_sends_is_checked():
    player = mmviz.Player(TOY, STORY)
    plot = mmviz.state_map(player)
    walk, last = plot.status, len(plot.map.fates) - 1
    walk.set_state({"state": 2})
    assert walk.value == plot.map.tells(2)
    walk._handle_custom_msg({"go": 2}, [])
    assert player.schedule[: player.cursor] == plot.map.schedule(2)
    for wrong in (last + 1, -1, "2", None, [2]):
        with pytest.raises((MmvizError, traitlets.TraitError)):
            walk.state = wrong
        walk._handle_custom_msg({"go": wrong}, [])
        assert "a state of the map" in walk.value
    assert walk.state == 2


def test_a_map_of_a_report_has_no_stage_and_says_the_way():
    plot = mmviz.state_map(mmviz.explore(TOY))
    assert plot.go(0) == ()
    plot.go(len(plot.map.fates) - 1)
    assert plot.status.value.startswith(f"{len(plot.schedule)} steps from the start: ")


def test_a_case_with_too_many_states_has_no_map(monkeypatch):
    monkeypatch.setattr("mmviz.widgets.plots.MOST_STATES", 10)
    with pytest.raises(MmvizError, match="more than 10 states, too many for a map"):
        mmviz.state_map(TOY)


def test_where_bqplot_is_not_installed_a_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "bqplot", None)
    for make in (mmviz.counters, mmviz.state_map, lambda _: mmviz.family({1: TOY})):
        with pytest.raises(MmvizError, match="plots need bqplot, and it is not installed here"):
            make(mmviz.Player(TOY, STORY))


def test_closed_plots_leave_nothing_behind_and_leave_the_stage_alone():
    player = mmviz.Player(TOY, STORY)
    kept = []
    for make in (mmviz.counters, mmviz.state_map) * 3:
        plot = make(player)
        kept.append(weakref.ref(plot))
        plot.close()
        del plot
    gc.collect()
    assert [ref() for ref in kept if ref() is not None] == []
    player.cursor = 3
    assert player.cursor == 3
    plot = mmviz.counters(player)
    player.close()
    plot.close()


# -- a family ------------------------------------------------------------------------------------

SIZED = "invalidate_page/faults_and_invalidators"


def test_a_family_is_plotted_by_number_in_the_colours_of_its_verdicts():
    sized = mmviz.load(SIZED).module.family
    cases = {n: sized(n, 1, 1, "sequence" if n == 2 else "both") for n in (1, 2, 4)}
    plot = mmviz.family(cases, seconds=60)

    assert [plot.reports[n].states for n in cases] == [
        mmviz.explore(c).states for c in cases.values()
    ]
    states, seconds = plot.figures
    for figure, values in (
        (states, [float(each.states) for each in plot.reports.values()]),
        (seconds, [each.seconds for each in plot.reports.values()]),
    ):
        line, *points = figure.marks
        assert (list(line.x), list(line.y)) == ([1, 2, 4], values)
        looks = {(each.colors[0], each.marker): [*map(int, each.x)] for each in points}
        assert looks == {
            ("var(--mm-good-stroke)", "circle"): [1, 4],
            ("var(--mm-bad-stroke)", "cross"): [2],
        }
    words = plot.children[-1].value
    assert all(f"<td {LEFT}>{cell}</td>" in words for row in plot.found.rows for cell in row)
    assert "Every member was searched, within 60 s." in words
    assert str(plot).splitlines()[0].split() == ["number", "case", "states", "seconds", "result"]


def test_a_family_that_grows_steeply_has_a_logarithmic_scale():
    plot = mmviz.family(SIZED, faults=[1, 9], invalidators=1)
    states = plot.scales["states"]

    assert plot.reports[9].states / plot.reports[1].states > 20
    assert type(states).__name__ == "LogScale"
    assert states.min <= plot.reports[1].states < plot.reports[9].states <= states.max
    assert plot.figures[0].title == "states, logarithmic"
    even = mmviz.family(SIZED, faults=[1, 2], invalidators=1)
    assert type(even.scales["states"]).__name__ == "LinearScale"
    assert even.scales["states"].min == 0


def test_members_that_the_time_limit_leaves_out_are_named_below_the_plot():
    plot = mmviz.family(SIZED, faults=range(1, 10), invalidators=4, pages=4, seconds=0.3)
    left = len(plot.found.left_out)

    assert left
    assert len(plot.figures[0].marks[0].x) in (9 - left, 1)
    assert "9 (not searched: 0.3 s were over)." in plot.children[-1].value
    with pytest.raises(MmvizError, match="seconds=0 is not a number of seconds above 0"):
        mmviz.family(SIZED, seconds=0)


def test_a_closed_plot_of_a_family_leaves_nothing_behind():
    plot = mmviz.family({1: TOY})
    kept = [weakref.ref(each) for each in (plot, *plot.figures, *plot.figures[0].marks)]
    plot.close()
    del plot
    gc.collect()
    assert [ref() for ref in kept if ref() is not None] == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: mmviz.counters(mmviz.replay(TOY, STORY)), "page 7.refs: 1 → 0"),
        (lambda: mmviz.state_map(TOY), "states"),
        (lambda: mmviz.family({1: TOY}), "<table>"),
    ],
)
def test_where_no_widget_runs_a_plot_is_words(make, words):
    assert words in make()._repr_mimebundle_()["text/html"]
