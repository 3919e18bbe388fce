"""Every scenario is held to what it declares."""

import random
import subprocess
import sys

import pytest

from mmviz.engine import Run, Verdict, explore, replay, table
from mmviz.engine.conformance import walk
from mmviz.scenarios import every_case, load, names

CASES = list(every_case())
BY_NAME = pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.scenario}:{c.name}")


@BY_NAME
def test_a_case_gets_the_verdicts_and_the_count_it_declares(case):
    report = explore(case)

    assert report.differences() == []
    assert case.states > 0
    assert report.livelock_checked


@BY_NAME
def test_each_counterexample_replays_to_its_violation_and_no_sooner(case):
    report = explore(case)
    for prop, example in report.counterexamples.items():
        for schedule in (example.shortest, example.fewest_preemptions):
            run = replay(case, schedule)
            assert prop in run.tip.violated
        assert len(example.shortest) <= len(example.fewest_preemptions)
    if report.stuck is not None:
        assert replay(case, report.stuck.shortest).stuck


@BY_NAME
def test_no_random_run_meets_a_state_that_never_happens(case):
    dice = random.Random(case.name)
    never = {prop for prop, verdict in case.expect.items() if verdict == Verdict.NEVER}
    run = Run(case)
    for _ in range(20):
        run = run.fork(0)
        while run.enabled() and run.tip.index < 120:
            run.step(dice.choice(run.enabled()))
        assert not never & set(run.violated)


@BY_NAME
def test_the_marks_of_the_actors_forget_nothing_they_need(case):
    assert walk(case, walks=30, steps=120) > 0


@BY_NAME
def test_every_step_says_what_it_does_and_where_it_comes_from(case):
    dice = random.Random(1)
    run = Run(case)
    while run.enabled() and run.tip.index < 60:
        frame = run.step(dice.choice(run.enabled()))
        assert frame.doc.endswith("."), f"{frame.label} needs a docstring of one sentence"
        assert frame.cite in ("driver", "hardware") or "/" in frame.cite, frame.label


@BY_NAME
def test_named_schedules_replay(case):
    for title, schedule in case.schedules.items():
        run = replay(case, schedule)
        assert run.tip.index > 0, title
        assert table(run)


def test_ids_and_names_are_unique_within_a_scenario():
    for name in names():
        cases = load(name).cases
        assert len({c.name for c in cases}) == len(cases)
        assert len({c.id for c in cases}) == len(cases)


def test_every_scenario_has_a_bug_and_a_fix_and_the_same_properties_throughout():
    for name in names():
        scenario = load(name)
        assert len({frozenset(c.properties) for c in scenario.cases}) == 1, name
        safe = [set(c.expect.values()) == {Verdict.NEVER} and not c.stuck for c in scenario.cases]
        assert any(safe), f"{name} has no case that is safe"
        assert not all(safe), f"{name} has no case that fails"


def test_every_scenario_names_a_message_or_a_kernel_file_among_its_sources():
    for name in names():
        sources = load(name).sources
        assert "@" in sources or "/" in sources, name


def test_the_small_print_names_the_memory_model_of_the_scenario():
    for case in CASES:
        assert 5 < len(case.memory) < 50, case.scenario
    strong, weak = load("exclusive/store_buffer_hides_clear").cases[:2]

    assert "memory: sequentially consistent" in explore(strong).small_print
    assert "memory: total store order" in explore(weak).small_print


def test_every_bad_state_says_more_than_its_name():
    bare = {
        f"{case.scenario}: {prop}"
        for case in CASES
        for prop in case.properties
        if case.sentence(prop).casefold() == prop.replace("_", " ")
        or " " not in case.sentence(prop)
    }
    assert bare == set()


MEASURED = """
import resource
from mmviz.engine import explore
from mmviz.scenarios import every_case
seconds = {f"{case.scenario}:{case.name}": explore(case).seconds for case in every_case()}
slowest = max(seconds, key=seconds.get)
spent = resource.getrusage(resource.RUSAGE_SELF)
print(spent.ru_utime + spent.ru_stime, spent.ru_maxrss, seconds[slowest], slowest)
"""
MOST_SECONDS, MOST_KILOBYTES, MOST_SECONDS_A_CASE = 20, 600_000, 3


def test_all_cases_are_searched_in_a_short_time_and_little_memory():
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True
    )
    seconds, kilobytes, longest, name = done.stdout.split()

    assert float(seconds) <= MOST_SECONDS
    assert int(kilobytes) <= MOST_KILOBYTES
    assert float(longest) <= MOST_SECONDS_A_CASE, name
