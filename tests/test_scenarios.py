"""Every scenario is held to what it declares."""

import random
import subprocess
import sys

import pytest

from mmviz.engine import Verdict, explore, parse_schedule, table
from mmviz.engine.conformance import walk
from mmviz.kernel.provenance import Origin, Provenance
from mmviz.scenarios import every_case, load, names
from tests.searched import searched_cases

CASES = list(every_case())
each_scenario = pytest.mark.parametrize("scenario", names())


@each_scenario
def test_each_case_gets_the_verdicts_and_the_count_it_declares(scenario):
    found = {each.case.name: each.report.differences() for each in searched_cases(scenario)}

    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert all(each.case.states > 0 for each in searched_cases(scenario))
    assert all(each.report.livelock_checked for each in searched_cases(scenario))


@each_scenario
def test_each_counterexample_replays_to_its_violation_and_no_sooner(scenario):
    for each in searched_cases(scenario):
        for bad_state, example in each.report.counterexamples.items():
            for schedule in (example.shortest, example.fewest_preemptions):
                assert bad_state in each.run(schedule).tip.violated, each.case.name
            assert len(example.shortest) <= len(example.fewest_preemptions)
        if each.report.deadlock is not None:
            assert each.run(each.report.deadlock.shortest).deadlock, each.case.name


@each_scenario
def test_no_random_run_meets_a_state_that_never_happens(scenario):
    for each in searched_cases(scenario):
        dice = random.Random(each.case.name)
        never = {
            bad_state for bad_state, verdict in each.case.expect.items() if verdict == Verdict.NEVER
        }
        start = each.run()
        for _ in range(20):
            run = start.fork(0)
            while run.enabled() and run.tip.index < 120:
                run.step(dice.choice(run.enabled()))
            assert not never & set(run.violated), each.case.name


@each_scenario
def test_the_marks_of_the_actors_forget_nothing_they_need(scenario):
    for each in searched_cases(scenario):
        assert walk(each.case, walks=30, steps=120) > 0


@each_scenario
def test_every_step_says_what_it_does_and_where_it_comes_from(scenario):
    for each in searched_cases(scenario):
        steps = {
            (step.body.__qualname__, step.doc, step.cite)
            for known in each.model.locations
            for location in known.values()
            if (step := location.step) is not None
        }
        for name, doc, cite in steps:
            assert doc.endswith("."), f"{name} needs a docstring of one sentence"
            assert cite in ("driver", "hardware") or "/" in cite, name


@each_scenario
def test_named_schedules_replay(scenario):
    for each in searched_cases(scenario):
        for title, schedule in each.case.schedules.items():
            run = each.run(parse_schedule(each.case, schedule))
            assert run.tip.index > 0, title
            assert table(run)


def test_every_case_says_where_it_comes_from():
    unsourced = [
        f"{case.scenario}:{case.name}" for case in CASES if not isinstance(case.source, Provenance)
    ]
    assert unsourced == []


def test_what_was_proposed_or_mistaken_names_its_message_commit_or_document():
    for case in CASES:
        source = case.source
        if source.kind in (Origin.PROPOSED, Origin.ELSEWHERE, Origin.CANDIDATE, Origin.MISTAKE):
            assert any(sign in source.where for sign in "@/") or len(source.where) > 7, case.name


def test_ids_and_names_are_unique_within_a_scenario():
    for name in names():
        cases = load(name).cases
        assert len({c.name for c in cases}) == len(cases)
        assert len({c.id for c in cases}) == len(cases)


def test_every_scenario_has_a_bug_and_a_fix_and_the_same_properties_throughout():
    for name in names():
        scenario = load(name)
        assert len({frozenset(c.bad_states) for c in scenario.cases}) == 1, name
        safe = [
            set(c.expect.values()) == {Verdict.NEVER} and not c.deadlock for c in scenario.cases
        ]
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
        f"{case.scenario}: {bad_state}"
        for case in CASES
        for bad_state in case.bad_states
        if case.sentence(bad_state).casefold() == bad_state.replace("_", " ")
        or " " not in case.sentence(bad_state)
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
