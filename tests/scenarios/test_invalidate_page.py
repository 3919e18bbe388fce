"""The invalidate_page thread: the facts of its stories, and what each line of a fix is for."""

import dataclasses
import functools

import pytest

from mmviz.engine import Verdict, at_end, explore, replay
from mmviz.scenarios import find, load
from mmviz.scenarios.invalidate_page.callback_after_unlock import CallbackUnderLock
from mmviz.scenarios.invalidate_page.faults_and_invalidators import family
from mmviz.scenarios.invalidate_page.range_start_only import SequenceAndCounter
from mmviz.scenarios.invalidate_page.worlds.mirror import VA
from mmviz.scenarios.invalidate_page.worlds.sequence_alone import invalidate_page
from mmviz.scenarios.invalidate_page.worlds.unmapping import zap_full_batch

from .mutation import HELD, broken, effects

LATE = "invalidate_page/callback_after_unlock"
START = "invalidate_page/range_start_only"
WORDS = "invalidate_page/sequence_and_counter"

FREED, STALE, DISAGREE = (
    "device_reads_freed_page",
    "device_keeps_stale_entry",
    "cpu_and_device_disagree",
)
ALL = {FREED, STALE, DISAGREE}


@at_end
def device_has_a_page(k):
    """The device got what it asked for."""
    return k.gpu.pte[VA] is not None


LOOKED_FOR = {"good": (device_has_a_page,)}
NO_PAGE = {"no device_has_a_page"}
NOT_OWNER = {"unlock_not_owner"}


def what_breaks(case, function, **more):
    return [found for _, found in effects(case, function, **LOOKED_FOR, **more)]


# -- the stories ---------------------------------------------------------------------------


def breaks_at(run):
    """Return {bad state: (step, actor)} of a run."""
    return {bad_state: (f.index, f.actor) for f in run.frames for bad_state in f.violated}


def test_a_fresh_page_appears_beside_the_old_one_before_the_late_callback():
    case = find(LATE, "MN-A/A0")
    run = replay(case, case.schedules["a fresh page in between"])

    assert breaks_at(run) == {DISAGREE: (5, "CPU1")}
    assert run.frames[5].world.page.refs == 1  # reclaim still has it: memory is safe
    assert run.finished


def test_a_page_put_before_the_callback_is_freed_under_the_device_in_every_run():
    case = find(LATE, "MN-A/A0b")

    assert explore(case).verdicts[FREED] == Verdict.ALWAYS
    assert breaks_at(replay(case, "CPU0*5"))[FREED] == (5, "CPU0")


def test_under_the_page_table_lock_the_cpu_that_faults_has_to_wait():
    run = replay(find(LATE, "MN-A/A1"), "CPU0*2")

    assert "CPU1" not in run.enabled()
    assert ("CPU0", 1) in run.blocked()["CPU1"].by


def test_a_fault_undoes_what_range_start_did_before_the_cpu_clears_its_entry():
    case = find(START, "MN-D/D0")
    run = replay(case, case.schedules["undone before the CPU clears"])

    assert breaks_at(run) == {STALE: (7, "CPU0"), FREED: (8, "CPU0")}
    assert run.frames[2].world.gpu.pte[VA] is None
    assert run.frames[5].world.gpu.pte[VA].name == "page 7"


def test_the_references_of_get_user_pages_put_off_the_free_but_not_for_good():
    case = find(START, "MN-D/D0")
    run = replay(case, case.schedules["looked up before and mapped after"])

    assert breaks_at(run) == {STALE: (7, "GPU"), FREED: (8, "GPU")}


def test_a_pin_saves_the_memory_and_nothing_else():
    case = find(START, "MN-D/D1")
    run = replay(case, case.schedules["safe memory and a stale entry"])

    assert breaks_at(run) == {STALE: (7, "CPU0"), DISAGREE: (9, "CPU1")}
    assert run.finished
    assert run.tip.world.page.refs == 1


def test_the_counter_misses_what_has_come_and_gone():
    case = find(WORDS, "MN-E/E6")
    run = replay(case, case.schedules["it has come and gone"])

    assert breaks_at(run)[STALE][1] == "GPU"
    assert breaks_at(run)[FREED] == (18, "GPU")  # when the fault puts the last reference
    (looked,) = [f for f in run.frames if f.label.startswith("read_mmu_invalidate_in_progress")]
    assert looked.answer == 0


def test_a_sample_taken_after_the_bump_looks_fresh():
    case = find(WORDS, "MN-E/E1")
    run = replay(case, case.schedules["sampled after the bump"])

    (checked,) = [f for f in run.frames if f.label.startswith("mmu_invalidate_retry")]
    assert (checked.label, checked.answer) == ("mmu_invalidate_retry(1)", False)
    assert breaks_at(run)[FREED][1] == "CPU0"


def test_an_answer_heard_outside_the_lock_gets_old():
    case = find(WORDS, "MN-E/E8")
    run = replay(case, case.schedules["the answer gets old"])

    (checked,) = [f for f in run.frames if f.label.startswith("mmu_invalidate_retry")]
    assert checked.answer is False
    assert "update" not in {held.name for held in checked.tasks["GPU"].held}


def test_both_words_send_the_same_fault_round_again():
    case = find(WORDS, "MN-E/E0")
    run = replay(case, case.schedules["it has come and gone"])

    answers = [f.answer for f in run.frames if f.label.startswith("mmu_invalidate_retry")]
    assert answers == [True, False]
    assert run.tip.world.gpu.pte[VA].name == "page 8"
    assert run.finished


def test_the_counter_is_needed_while_a_second_invalidation_runs():
    case = find(WORDS, "MN-E/E0 (2 INV)")
    run = replay(case, case.schedules["the second still runs"])

    (checked,) = [f for f in run.frames if f.label.startswith("mmu_invalidate_retry")]
    assert (checked.label, checked.answer) == ("mmu_invalidate_retry(1)", True)
    assert checked.world.notifier.mmu_invalidate_seq == 1  # the sequence alone says go


@pytest.mark.parametrize("name", [LATE, START, WORDS])
def test_each_named_run_of_a_case_that_fails_violates_it(name):
    for case in load(name).cases:
        fails = {
            bad_state for bad_state, verdict in case.expect.items() if verdict != Verdict.NEVER
        }
        for schedule in case.schedules.values():
            assert bool(replay(case, schedule).violated) == bool(fails)


# -- each line of the fixes ----------------------------------------------------------------


def test_nothing_breaks_while_no_line_is_forgotten():
    for name, case in (
        (LATE, "MN-A/A1"),
        (START, "MN-D/D4"),
        (WORDS, "MN-E/E0"),
        (WORDS, "MN-E/E0 (2 INV)"),
    ):
        assert broken(find(name, case), **LOOKED_FOR) == set()


def test_each_line_of_the_sequence_and_the_counter_is_for_something():
    case = find(WORDS, "MN-E/E0 (2 INV)")

    assert what_breaks(case, SequenceAndCounter.invalidate_range_start) == [
        ALL | NOT_OWNER,  # mutex_lock
        ALL,  # kvm_mmu_invalidate_begin
        ALL,  # unmap
        {"deadlock"} | NO_PAGE,  # mutex_unlock: range_end waits for its own lock
    ]
    assert what_breaks(case, SequenceAndCounter.invalidate_range_end) == [
        {FREED, STALE} | NOT_OWNER,
        {"livelock"} | NO_PAGE,  # kvm_mmu_invalidate_end: the fault retries without end
        {"deadlock"} | HELD | NO_PAGE,
    ]
    assert what_breaks(
        case, SequenceAndCounter.fault, answers={"seq = await self.sample(k)": 0}
    ) == [
        {"livelock"} | NO_PAGE,  # sampled once and for all
        NO_PAGE,  # get_user_pages
        ALL | NOT_OWNER,
        ALL,  # mmu_invalidate_retry
        {"deadlock"} | HELD,
        {"endless"},  # put_page: one more reference with every turn
        NO_PAGE,  # map
        {"deadlock"} | HELD,
        {"page_refs_out_of_balance"},
    ]


def test_each_line_of_the_callback_under_the_lock_is_for_something():
    case = find(LATE, "MN-A/A1")

    assert what_breaks(case, CallbackUnderLock.try_to_unmap_one) == [
        {DISAGREE} | NOT_OWNER,  # spin_lock
        {FREED, "refcount_resurrected", "page_refs_out_of_balance"},  # ptep_clear_flush
        ALL,
        {"page_refs_out_of_balance"},
        {"deadlock"} | HELD | NO_PAGE,
        {"page_refs_out_of_balance"},
    ]
    assert what_breaks(case, invalidate_page) == [
        ALL | NOT_OWNER,
        ALL,
        ALL,
        {"deadlock"} | HELD | NO_PAGE,
    ]


@pytest.mark.parametrize("variant", ["MN-E/E0", "MN-E/E1", "MN-E/E6", "MN-E/E8"])
def test_freeing_the_page_before_range_end_changes_no_verdict(variant):
    case = find(WORDS, variant)
    driver = case.actors["GPU"].variant
    zap = functools.partial(zap_full_batch, driver=driver)

    early = dataclasses.replace(case, actors={**case.actors, "CPU0": zap}, states=0)
    assert explore(early).verdicts == dict(case.expect)


# -- the family ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "states", "with_symmetry"),
    [
        ((1, 1, 1), 60, 60),
        ((2, 2, 1), 2204, 696),
        ((2, 2, 2), 2698, 2698),  # no two faults or two invalidations share a page
        ((3, 2, 1), 11298, 1626),
    ],
    ids=str,
)
def test_the_family_has_as_many_states_as_the_reference(size, states, with_symmetry):
    case = family(*size)
    every_order = explore(dataclasses.replace(case, interchangeable=()))
    one_order = explore(case)

    assert every_order.states == states  # Spin counts as many
    assert one_order.states == with_symmetry
    assert every_order.verdicts == one_order.verdicts == {FREED: Verdict.NEVER}


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 2, 1), (2, 2, 2)], ids=str)
def test_a_sequence_alone_fails_in_every_size_with_one_preemption(size):
    report = explore(family(*size, check="sequence"))

    assert report.verdicts == {FREED: Verdict.SOMETIMES}
    assert report.counterexamples[FREED].preemptions == 1
