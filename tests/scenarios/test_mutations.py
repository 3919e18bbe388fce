"""Every line of every safe case is for something, or the scenario records why it is not."""

import re

import pytest

import mmviz
from mmviz.engine.mutation import goes_wrong
from mmviz.scenarios import find, names
from mmviz.scenarios.mutations import BOTH, BREAKS, RACE, SPARE, UNEXPLAINED, mutations_of, stale
from tests.scenarios.mutation import mutant

ORDER, OWNER = "iommu_group/release_order", "iommu_group/kernel_or_user"


def unexplained(scenario):
    return [
        f"{each.case.name}: {entry.text}"
        for each in mutations_of(scenario)
        for entry in each.those(UNEXPLAINED)
    ]


@pytest.mark.parametrize("scenario", names())
def test_each_line_of_a_safe_case_is_for_something_or_a_reason_is_recorded(scenario):
    assert unexplained(scenario) == []


@pytest.mark.parametrize("scenario", names())
def test_no_reason_is_recorded_for_a_line_that_is_for_something(scenario):
    assert stale(scenario) == []


def test_there_are_as_many_tables_as_safe_cases():
    for scenario in (ORDER, OWNER):
        safe = [case.name for case in mmviz.load(scenario).cases if not goes_wrong(case)]
        assert [each.case.name for each in mutations_of(scenario)] == safe


def test_the_race_s_own_lines_are_what_a_failing_case_needs_to_fail():
    """The same said by step instead of by line: without the step nothing is at stake."""
    found = mmviz.mutations(OWNER, "OwnershipUnderMutex")
    own = {entry.omission.spot.step: entry for entry in found.those(RACE)}
    entry = own["start_kernel_driver"]
    failing = find(OWNER, entry.why)
    forgetful = mutant(failing, "CPU0", "start_kernel_driver")

    assert goes_wrong(failing) - goes_wrong(forgetful)


def test_what_is_in_both_makes_no_difference_to_the_failing_case_either():
    found = mmviz.mutations(OWNER, "OwnershipUnderMutex")
    both = {entry.omission.spot.step: entry for entry in found.those(BOTH)}
    entry = both["release_dma_owner"]
    failing = find(OWNER, entry.why)

    assert goes_wrong(failing)
    assert goes_wrong(failing) <= goes_wrong(mutant(failing, "CPU1", "release_dma_owner"))


def test_every_standing_has_what_it_says():
    for each in mutations_of(ORDER):
        for entry in each:
            assert (entry.standing == BREAKS) == bool(entry.omission.breaks)
            assert bool(entry.why) == (entry.standing != BREAKS)
            if entry.standing in (RACE, BOTH):
                assert goes_wrong(find(ORDER, entry.why))
            if entry.standing == SPARE:
                assert entry.why.endswith(".")


def test_a_case_that_goes_wrong_is_refused():
    with pytest.raises(mmviz.MmvizError, match=r"goes wrong as it is \(.*use_after_free"):
        mmviz.mutations(ORDER, "DelistThenRelease")
    with pytest.raises(mmviz.UnknownName, match="ReleaseUnderMutex"):
        mmviz.mutations(ORDER, "ReleaseUnderMutx")


def test_text_markdown_and_html_say_the_same():
    found = mmviz.mutations(ORDER, "ReleaseUnderMutex")
    lines = [line for line in found.markdown().splitlines() if line.startswith("|")]

    assert len(lines) == len(found) + 2
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {6}
    for entry in found:
        assert entry.text in str(found)
        for prop in entry.omission.breaks:
            assert prop in str(found)
            assert prop in found._repr_html_()
    assert found._repr_html_().count("<tr>") == len(found) + 1
    assert found.headline in str(found)


def test_each_reason_is_one_sentence():
    for scenario in names():
        for each in mutations_of(scenario):
            for entry in each.those(SPARE):
                assert entry.why.endswith("."), f"{scenario}: {entry.text}"
