"""`import mmviz`: what a notebook can say in one line, and how soon it can."""

import subprocess
import sys
import time

import pytest

import mmviz

RACE, FIX = "iommu_group/release_order", "ReleaseUnderMutex"
SECONDS_TO_IMPORT = 0.15  # over a bare interpreter


def test_a_case_is_judged_by_any_of_its_names():
    reports = [
        mmviz.explore(RACE, FIX),
        mmviz.explore(RACE, case="B1/n5"),
        mmviz.explore(mmviz.load(RACE), FIX),
        mmviz.explore(mmviz.find(RACE, FIX)),
    ]
    assert len({(report.case.name, report.states) for report in reports}) == 1
    assert set(reports[0].verdicts.values()) == {mmviz.Verdict.NEVER}


def test_limits_reach_the_search():
    assert mmviz.explore(RACE, FIX, max_states=10).cut


def test_a_scenario_without_a_case_is_answered_with_its_cases():
    with pytest.raises(mmviz.UnknownName, match=FIX):
        mmviz.explore(RACE)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Plyer"):
        _ = mmviz.Plyer


def best_of(code, runs=7):
    """Return the seconds of the fastest of some runs of a fresh interpreter."""
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        found.append(time.perf_counter() - start)
    return min(found)


def test_importing_mmviz_is_quick():
    assert best_of("import mmviz") - best_of("pass") <= SECONDS_TO_IMPORT


def test_a_case_has_one_name_wherever_a_race_is_taken():
    name = "iommu_group/release_order:DelistThenRelease"
    case = mmviz.find("iommu_group/release_order", "DelistThenRelease")

    assert mmviz.replay(name, "CPU0").case is case
    assert mmviz.Driver(name).case is case
    assert mmviz.explore(name).case is case
    with pytest.raises(mmviz.UnknownName, match="did you mean DelistThenRelease"):
        mmviz.explore(f"{name}d")
