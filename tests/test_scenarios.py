"""Every scenario is held to what it declares."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from mmviz.engine import explore
from mmviz.scenarios import every_case, load, names
from mmviz.survey import rules
from tests.searched import searched_race

MUTANTS = pytest.mark.xdist_group("mutants")  # each scenario's mutants are searched once
each_scenario = pytest.mark.parametrize("scenario", names())


@each_scenario
def test_each_case_gets_the_verdicts_and_the_count_it_declares(scenario):
    assert rules.verdicts(searched_race(scenario)) == []


@each_scenario
def test_each_model_learned_a_second_time_behaves_in_the_same_way(scenario):
    assert rules.second_pass(searched_race(scenario)) == []


@each_scenario
def test_each_counterexample_replays_to_its_violation_and_no_sooner(scenario):
    assert rules.counterexamples(searched_race(scenario)) == []


@each_scenario
def test_no_random_run_meets_a_state_that_never_happens(scenario):
    assert rules.random_runs(searched_race(scenario)) == []


@each_scenario
def test_the_marks_of_the_actors_forget_nothing_they_need(scenario):
    assert rules.marks(searched_race(scenario)) == []


@each_scenario
def test_every_step_says_what_it_does_and_where_it_comes_from(scenario):
    assert rules.steps(searched_race(scenario)) == []


@each_scenario
def test_named_schedules_replay(scenario):
    assert rules.schedules(searched_race(scenario)) == []


@each_scenario
def test_every_case_says_where_it_comes_from(scenario):
    assert rules.provenance(searched_race(scenario)) == []


@each_scenario
def test_every_scenario_has_its_text_a_bug_a_fix_and_a_sentence_for_each_bad_state(scenario):
    assert rules.form(searched_race(scenario)) == []


@MUTANTS
@each_scenario
def test_each_mutant_of_a_safe_case_is_killed_or_explained(scenario):
    assert rules.mutants(searched_race(scenario)) == []


def test_every_rule_is_held_by_a_test():
    """`reasons` looks at one file; of the catalogue, `stale_comments` looks at all of them."""
    written = Path(__file__).read_text("utf-8")
    unheld = {
        rule.__name__ for rule in rules.RULES.values() if f"rules.{rule.__name__}(" not in written
    }
    assert unheld == {"reasons"}


def test_the_small_print_names_the_memory_model_of_the_scenario():
    strong, weak = load("exclusive/store_buffer_hides_clear").cases[:2]

    assert "memory: sequentially consistent" in explore(strong).small_print
    assert "memory: total store order" in explore(weak).small_print


def test_each_case_can_be_pickled_and_is_searched_as_before():
    """So that another process can search it: its world, actors and bad states have names."""
    cases = list(every_case())

    again = [pickle.loads(pickle.dumps(case)) for case in cases]

    parts = [(case.headline, case.bad, tuple(case.actors), case.declared) for case in cases]
    assert [(x.headline, x.bad, tuple(x.actors), x.declared) for x in again] == parts
    (moved,) = [case for case in again if case.name == "ChildExitsFirst"]
    assert moved.world() is not moved.world()
    assert explore(moved).differences() == []


MEASURED = r"""
import re, resource
from mmviz.engine import explore
from mmviz.scenarios import every_case
seconds = {f"{case.scenario}:{case.name}": explore(case).seconds for case in every_case()}
slowest = max(seconds, key=seconds.get)
spent = resource.getrusage(resource.RUSAGE_SELF)
# ru_maxrss would also count the process that started this one
peak = re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]
print(spent.ru_utime + spent.ru_stime, peak, seconds[slowest], slowest)
"""
MOST_SECONDS, MOST_KILOBYTES, MOST_SECONDS_A_CASE = 20, 200_000, 3


def test_all_cases_are_searched_in_a_short_time_and_little_memory():
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True
    )
    seconds, kilobytes, longest, name = done.stdout.split()

    assert float(seconds) <= MOST_SECONDS
    assert int(kilobytes) <= MOST_KILOBYTES
    assert float(longest) <= MOST_SECONDS_A_CASE, name
