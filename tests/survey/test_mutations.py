"""Every mutant of every safe case is killed, or the line says why it survives."""

import re

import pytest

import mmviz
from mmviz.engine.mutation import goes_wrong
from mmviz.engine.redundant import comments
from mmviz.scenarios import find
from mmviz.survey.mutations import (
    KILLED,
    RACE,
    REDUNDANT,
    UNDECIDED,
    mutations_of,
    stale_comments,
)
from tests.scenarios.mutation import mutant

pytestmark = pytest.mark.xdist_group("mutants")  # each scenario's mutants are searched once
ORDER, OWNER = "iommu_group/release_order", "iommu_group/kernel_or_user"


def test_no_comment_explains_a_line_whose_mutants_are_all_killed():
    assert stale_comments() == []


def test_there_are_as_many_tables_as_safe_cases():
    for scenario in (ORDER, OWNER):
        safe = [case.name for case in mmviz.load(scenario).cases if not goes_wrong(case)]
        assert [each.case.name for each in mutations_of(scenario)] == safe


def test_the_lines_of_the_race_itself_are_what_a_failing_case_needs_to_fail():
    """The same said by step instead of by line: without the step nothing is at stake."""
    found = mmviz.mutations(OWNER, "OwnershipUnderMutex")
    own = {entry.omission.spot.step: entry for entry in found.those(RACE)}
    entry = own["start_kernel_driver"]
    failing = find(OWNER, entry.why)
    forgetful = mutant(failing, "CPU0", "start_kernel_driver")

    assert goes_wrong(failing) - goes_wrong(forgetful)


def test_what_is_not_decisive_makes_no_difference_to_the_failing_case_either():
    found = mmviz.mutations(OWNER, "OwnershipUnderMutex")
    both = {entry.omission.spot.step: entry for entry in found.those(UNDECIDED)}
    entry = both["release_dma_owner"]
    failing = find(OWNER, entry.why)

    assert goes_wrong(failing)
    assert goes_wrong(failing) <= goes_wrong(mutant(failing, "CPU1", "release_dma_owner"))


def test_every_standing_has_what_it_says():
    for each in mutations_of(ORDER):
        for entry in each:
            assert (entry.standing == KILLED) == bool(entry.omission.breaks)
            assert bool(entry.why) == (entry.standing != KILLED)
            if entry.standing in (RACE, UNDECIDED):
                assert goes_wrong(find(ORDER, entry.why))
            assert (entry.said is None) == (entry.standing != REDUNDANT)


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
        for bad_state in entry.omission.breaks:
            assert bad_state in str(found)
            assert bad_state in found._repr_html_()
    assert found._repr_html_().count("<tr>") == len(found) + 1
    assert found.headline in str(found)


def test_a_comment_belongs_to_the_statement_that_it_ends_or_stands_above(tmp_path):
    path = tmp_path / "race.py"
    path.write_text(
        "async def actor(k):\n"
        "    # redundant in Late, Early: the page stays\n"
        "    await k.put_page()\n"
        "    await k.lock()  # redundant: one thread\n"
        "    if await k.look(\n"
        "        1,  # redundant: it never looks away\n"
        "    ):\n"
        "        await k.go()\n"
    )

    assert [(each.number, each.cases, each.why) for each in comments(str(path))] == [
        (3, ("Late", "Early"), "the page stays"),
        (4, (), "one thread"),
        (5, (), "it never looks away"),
    ]
