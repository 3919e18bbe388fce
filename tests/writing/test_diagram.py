"""A run that is written as a diagram is read back as the same run."""

import html
import random
import re
from pathlib import Path

import pytest

import mmviz
from mmviz.cli import main
from mmviz.engine import Run, replay
from mmviz.reading.recognise import diagram
from mmviz.scenarios import every_case, find
from mmviz.scene.searched import SearchedCase
from mmviz.writing.brought import written
from mmviz.writing.diagram import drawn, titled

CASES = list(every_case())
REPORTS = Path(__file__).parents[1] / "reading" / "reports"
MOST_STEPS = 25


def some_run(case, seed):
    rnd, run = random.Random(seed), Run(case)
    while len(run.schedule) < MOST_STEPS and run.enabled():
        run.step(rnd.choice(run.enabled()))
    return run


@pytest.mark.parametrize("part", range(8))
def test_what_is_written_reads_back(part):
    asked = 0
    for number in range(part, len(CASES), 24):
        run = some_run(CASES[number], number)
        text = drawn(run, tabs=number % 2 == 1)
        found = diagram(text, run.case)

        assert max(map(len, text.expandtabs(8).splitlines())) <= 75
        assert found.refused == ""
        assert found.match.schedule == run.schedule, text
        assert found.match.filled == ()
        assert found.match.unmatched == ()
        asked += bool(found.questions)
    assert asked == 0


def test_a_violation_and_a_deadlock_are_remarks():
    broken = replay(find("iommu_group/release_order", "DelistThenRelease"), "CPU0*3 CPU1*4")

    assert drawn(broken).splitlines() == [
        "CPU0                           CPU1",
        "----                           ----",
        "mutex_lock(group.mutex)",
        "  // race: group.mutex.owner",
        "list_del(device a)",
        "mutex_unlock(group.mutex)",
        "                               mutex_lock(group.mutex)",
        "                                 // race: group.mutex.owner",
        "                               iommu_group_set_core_domain(domain D, iommu)",
        "                               mutex_unlock(group.mutex)",
        "                               iommu_domain_free(domain V)",
        "                                 // device_attached_to_freed_domain",
    ]


def test_an_actor_that_takes_no_step_keeps_its_column():
    run = replay(find("iommu_group/release_order", "DelistThenRelease"), "CPU0*2")
    found = diagram(drawn(run), run.case)

    assert found.columns == ["CPU0", "CPU1"]
    assert [step.column for step in found.steps] == [1, 1]


@pytest.mark.parametrize("number", range(0, len(CASES), 40))
def test_a_brief_diagram_has_what_goes_wrong(number):
    searched = SearchedCase(CASES[number])
    run = searched.run(next(iter(searched.runs().values())))
    text = drawn(run, brief=True)
    found = diagram(text, run.case)

    assert len(text.splitlines()) <= len(drawn(run).splitlines())
    assert all(f"// {name}" in text for name in run.violated)
    assert (found.refused, found.match.verdict == "infeasible", found.questions) == ("", False, [])


def test_brief_leaves_out_what_led_to_nothing():
    run = replay(find("iommu_group/release_order", "DelistThenRelease"), "CPU0*3 CPU1*4")
    rows = [row.strip() for row in drawn(run, brief=True).splitlines()]

    assert rows.count("...") == 2
    assert "mutex_unlock(group.mutex)" not in rows
    assert diagram(drawn(run, brief=True), run.case).match.schedule == run.schedule


LEFT, RIGHT = "mutex_lock(&a->lock)", "mutex_lock(&b->lock)"
TABLE = """
       CPU0                    CPU1
       ----                    ----
  lock(&a->lock);
                               lock(&b->lock);
                               lock(&a->lock);
  lock(&b->lock);
"""


@pytest.mark.parametrize("form", ["txt", "md", "mmd", "tex"])
def test_a_deadlock_says_what_each_actor_waits_for(form):
    text = written(mmviz.lockdep(TABLE), form).decode()
    for sign in ("\\", "{", "}", "$", "/*", "*/"):
        text = text.replace(sign, " " if "*" in sign else "")
    plain = " ".join(html.unescape(text.replace("#", "&#").replace("<br/>", " ")).split())

    for row in (f"{RIGHT} waits, CPU1 holds it", f"{LEFT} waits, CPU0 holds it"):
        assert row in plain.replace("-textgreater", "->").replace("`", "")


def test_a_lock_report_that_is_written_reads_back():
    found = diagram(written(mmviz.lockdep(TABLE), "txt").decode())

    assert (found.refused, found.columns) == ("", ["CPU0", "CPU1"])
    assert [step.text for step in found.steps] == [LEFT, RIGHT]


def test_a_report_in_markdown_says_how_its_case_is_made():
    text = written(mmviz.lockdep(TABLE), "md").decode()
    scope = {"mmviz": mmviz, "text": TABLE}
    exec(text.partition("```python\n")[2].partition("```")[0], scope)

    assert mmviz.replay(scope["case"], "CPU0 CPU1").deadlock


DRAWN = """
CPU0                              CPU1
----                              ----
egret_zap()
                                  egg = egret_look(nest)
                                  if (egg_val(egg) != egg_val(egret_peek(nest)))
"""


@pytest.mark.parametrize("form", ["txt", "md", "mmd", "tex"])
def test_of_a_diagram_that_is_no_case_nothing_is_claimed(form):
    text = written(diagram(DRAWN), form).decode()

    assert "Nothing is claimed" in text
    assert not re.search("safe|No bad state|[Dd]eadlock|interleaving|replay", text)


def test_names_stay_where_there_is_room_for_them():
    text = written(diagram(DRAWN), "txt").decode()

    assert "if (egg_val(egg) != egg_val(egret_peek(nest)))" in text
    assert max(map(len, text.splitlines()[:-1])) <= 75


def test_a_step_that_is_too_wide_is_wrapped():
    call = "egret_remap(nest, the_first_of_all_eggs, the_second_of_all_eggs, the_third_egg)"
    mine = diagram(
        f"CPU0                CPU1\n----                ----\n{call}\n" + " " * 20 + "go()"
    )
    text = written(mine, "txt").decode()

    assert "..." not in text
    assert [step.text for step in diagram(text).steps] == [call, "go()"]


def test_a_grace_period_has_the_name_of_the_reports_function():
    report = (REPORTS / "srcu_by_its_functions.txt").read_text("utf-8")
    found = mmviz.lockdep(report)
    text = written(found, "txt").decode()

    assert re.search(r"synchronize_srcu\w*\(", text)
    assert "start_poll" not in text


def test_the_case_below_a_diagram_is_no_row_of_it():
    case = mmviz.find("sva/pasid_reused", "DrainAfterFree")
    begin = "CPU0*2 CPU1*2 OLD*2 CPU1 OLD*2 CPU1*2 OLD CPU1*2 CPU0 OLD*2 CPU0 CPU1*3"
    run = mmviz.replay(case, f"{begin} CPU2 CPU0 CPU2 CPU0")
    text = titled(run)
    below = text.rpartition("\n\n")[2].splitlines()
    found = diagram(text)

    assert len(below) == 2
    assert max(map(len, below)) <= 72
    assert found.match.schedule == run.schedule
    assert not found.match.unmatched


def test_a_race_of_ones_own_reads_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine.py"]) == 0
    (case, *_) = mmviz.scenarios.cases_of("mine.py")
    run = mmviz.replay(case, mmviz.explore(case).counterexamples.popitem()[1].shortest)

    assert diagram(titled(run), f"mine.py:{case.name}").match.schedule == run.schedule
