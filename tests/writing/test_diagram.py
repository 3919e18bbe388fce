"""A run that is written as a diagram is read back as the same run."""

import random

import pytest

from mmviz.engine import Run, replay
from mmviz.reading.recognise import diagram
from mmviz.scenarios import every_case, find
from mmviz.scene.searched import SearchedCase
from mmviz.writing.diagram import drawn

CASES = list(every_case())
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
        "CPU0                                CPU1",
        "----                                ----",
        "mutex_lock(group.mutex)",
        "  // race: group.mutex.owner",
        "list_del(device a)",
        "mutex_unlock(group.mutex)",
        "                                    mutex_lock(group.mutex)",
        "                                      // race: group.mutex.owner",
        "                                    iommu_group_set_core_domain(...)",
        "                                    mutex_unlock(group.mutex)",
        "                                    iommu_domain_free(domain V)",
        "                                      // device_attached_to_freed_domain",
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
