"""What cases, runs and reports look like, as text and in a notebook."""

from mmviz.engine import explore, replay
from mmviz.engine.html import html_table
from mmviz.scenarios import load

from .toys import case


def test_a_run_is_a_table_with_a_column_for_each_actor():
    assert (
        str(replay(case(), "A B A B"))
        == """\
A                                     B
-                                     -
load()
                                      load()
store(1)
  value: 0 -> 1
                                      store(1)
                                        !! lost_update: An increment got lost

mmviz.replay(case, 'A B A B')  # case: Toy"""
    )


def test_a_report_says_what_it_rests_on():
    report = explore(case())

    lines = str(report).splitlines()

    assert lines[:3] == [
        "goes wrong: lost_update Sometimes",
        "Toy (Toy): a toy",
        "  lost_update  Sometimes   shortest run 4 steps; fewest preemptions 1, in 4 steps",
    ]
    assert "12 states and 14 transitions" in lines[-1]
    assert "nothing cut off; actors: A, B; memory: sequentially consistent" in lines[-1]
    assert repr(report) == str(report)
    html = report._repr_html_()
    assert html.startswith('<div class="mm-report ')
    assert "<strong>goes wrong: lost_update Sometimes<" in html


def test_a_counterexample_shows_both_its_schedules():
    assert repr(explore(case()).counterexamples["lost_update"]) == (
        "shortest, 4 steps: A B A B\nfewest preemptions, 1: A B*2 A"
    )


def test_everything_shown_in_a_notebook_is_escaped():
    toy = case(name="<b>", bad=())

    shown = [toy._repr_html_(), explore(toy)._repr_html_(), replay(toy, "A")._repr_html_()]

    assert all("<b>" not in html for html in shown)
    assert "&lt;b&gt;" in shown[0]
    assert html_table(("<",), [('&\n"',)]).count("&lt;") == 1


def test_a_case_declares_that_some_run_deadlocks_and_not_how_many():
    html = case(deadlock=True, livelock=True)._repr_html_()

    assert html.count(">some run<") == 2
    assert "Sometimes" not in html


def test_a_run_in_a_notebook_has_a_row_for_each_step():
    html = replay(case(), "A B A B")._repr_html_()

    assert html.count("<tr>") == 5
    assert "!! lost_update: An increment got lost" in html


def test_a_scenario_shows_its_story_its_promise_and_its_cases():
    scenario = load("iommu_group/release_order")

    for shown in (str(scenario), scenario._repr_html_()):
        assert "DelistThenRelease" in shown
        assert "B1/n5" in shown
        assert "Promise: " in shown
