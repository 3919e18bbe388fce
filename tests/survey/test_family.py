"""Families: their members, and what is searched of them in the time that there is."""

import time

import pytest

import mmviz
from mmviz.engine import MmvizError, UnknownName
from mmviz.survey.family import family_of, grow, rounded
from tests.scene.toys import TOY

SIZED = "invalidate_page/faults_and_invalidators"


def test_a_scenarios_family_varies_in_one_size_and_keeps_the_others():
    found = family_of(SIZED, faults=range(1, 4), invalidators=1)

    assert (found.counts, list(found.cases)) == ("faults", [1, 2, 3])
    assert [len(case.actors) for case in found.cases.values()] == [2, 3, 4]
    assert all(case.promise for case in found.cases.values())
    assert list(family_of(mmviz.load(SIZED), faults=2, pages=1).cases) == list(range(1, 10))
    assert family_of(SIZED, faults=2, pages=1).counts == "invalidators"


def test_a_family_is_also_a_function_of_a_number_or_cases_by_their_number():
    member = mmviz.load(SIZED).module.family

    made = family_of(lambda n: member(n, check="sequence"), [3, 1])
    assert list(made.cases) == [1, 3]
    assert list(family_of({7: TOY}).cases.values()) == [TOY]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: family_of("hmm/eagain_leaves_count"), "has no sizes to set"),
        (lambda: family_of(SIZED, fault=range(3)), "did you mean faults"),
        (lambda: family_of(SIZED, [1, 2]), "takes its sizes by name"),
        (lambda: family_of(SIZED, faults=[1], pages=[1]), "faults and pages: only one size"),
        (lambda: family_of(SIZED, faults=1, invalidators=1, pages=1), "one size .* is a list"),
        (lambda: family_of(SIZED, faults=range(12)), "faults=0: a size is a number from 1 to 9"),
        (lambda: family_of([TOY]), "is no family; give a scenario"),
        (lambda: family_of({}), "a family has 1 to 100 members"),
        (lambda: family_of({-1: TOY}), "not below 0"),
        (lambda: family_of({1: TOY}, [1]), "given already"),
        (lambda: family_of({1: TOY}, faults=1), "only a scenario's family has sizes"),
        (lambda: family_of(lambda n: 1 / (n - 2), [2]), "member 2 cannot be made: ZeroDivision"),
        (lambda: family_of(lambda n: n, [2]), "member 2 is 2, and no case"),
        (lambda: family_of(lambda n: TOY, range(10**9)), "1 to 100 members"),
    ],
)
def test_what_is_no_family_is_answered_with_a_sentence(call, said):
    with pytest.raises(MmvizError, match=said):
        call()


def test_an_unknown_scenario_is_not_a_family():
    with pytest.raises(UnknownName, match="did you mean"):
        family_of(SIZED + "s")


def test_each_member_is_searched():
    found = grow(family_of(SIZED, faults=range(1, 4), invalidators=1), 60)
    alone = mmviz.explore(family_of(SIZED, faults=[2], invalidators=1).cases[2])

    assert not found.left_out
    assert found.reports[2].states == alone.states
    assert found.rows[1][:3] == ("2", "SequenceAndCounter2x1x1", f"{alone.states:,}")
    assert str(found).splitlines()[-1] == "Every member was searched, within 60 s."


def test_at_the_time_limit_it_stops_and_names_the_members_left_out():
    started = time.perf_counter()
    found = grow(family_of(SIZED, faults=range(1, 10), invalidators=4, pages=4), 0.5)

    assert time.perf_counter() - started < 5
    assert list(found.reports) == list(range(1, 1 + len(found.reports)))
    numbers = [*found.reports, *found.left_out]
    assert numbers == list(range(1, 10))
    first, *others = found.left_out.values()
    assert first == "not searched to the end: 0.5 s were over"
    assert set(others) == {"not searched: 0.5 s were over"}
    assert f"faults {len(found.reports) + 1} (not searched to the end" in found.small_print
    assert "9 (not searched: 0.5 s were over)." in found.small_print


def test_a_press_on_stop_keeps_what_was_found():
    seen = []
    sized = family_of(SIZED, faults=range(1, 4))
    found = grow(sized, 60, lambda n, _: seen.append(n), lambda: 2 in seen)

    assert list(found.reports) == [1]
    assert found.left_out[2] == "not searched to the end: the search was ended by hand"
    assert found.left_out[3] == "not searched: the search was ended by hand"


@pytest.mark.parametrize("wrong", [0, -1, True, "5", None, float("nan")])
def test_the_time_limit_is_a_number_of_seconds(wrong):
    with pytest.raises(MmvizError, match="is not a number of seconds above 0"):
        grow(family_of({1: TOY}), wrong)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0004, "under 0.01"), (0.012345, "0.012"), (1.26, "1.3"), (128.4, "130")],
)
def test_seconds_have_two_significant_digits(seconds, words):
    assert rounded(seconds) == words
