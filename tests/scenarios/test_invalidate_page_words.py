"""The two words of a driver, one by one: which of them, in which order, and for what."""

import pytest

from mmviz.engine import Verdict, at_end, replay
from mmviz.scenarios import find, load
from mmviz.scenarios.invalidate_page.one_number_alone import OddWhileBusy
from mmviz.scenarios.invalidate_page.order_of_the_words import CounterDroppedFirst
from mmviz.scenarios.invalidate_page.order_of_the_words import SequenceBumpedFirst as BumpedFirst
from mmviz.scenarios.invalidate_page.worlds.mirror import BAD, VA

from .mutation import broken, effects

ALONE = "invalidate_page/one_number_alone"
ORDER = "invalidate_page/order_of_the_words"
LATE = "invalidate_page/unmapped_at_the_end"
ALL = {bad_state.__name__ for bad_state in BAD}


@at_end
def device_has_a_page(k):
    """The device got what it asked for."""
    return k.gpu.pte[VA] is not None


def what_breaks(case, function):
    return [found for _, found in effects(case, function, good=(device_has_a_page,))]


@pytest.mark.parametrize("name", [ALONE, ORDER, LATE])
def test_each_named_run_of_a_case_that_fails_violates_it(name):
    for case in load(name).cases:
        fails = {
            bad_state for bad_state, verdict in case.expect.items() if verdict != Verdict.NEVER
        }
        for schedule in case.schedules.values():
            assert set(replay(case, schedule).violated) <= fails
            assert bool(replay(case, schedule).violated) == bool(fails)


def test_two_starts_make_the_number_even_again():
    case = find(ALONE, "MN-E/E5")
    run = replay(case, case.schedules["even while both run"])

    (sampled,) = [f for f in run.frames if f.label.startswith("read_seqcount_begin")]
    assert sampled.answer == 2
    assert sampled.world.mm.active_invalidate_ranges == 2


def test_an_odd_number_keeps_a_fault_waiting_for_the_cpu_that_made_it_odd():
    run = replay(find(ALONE, "MN-E/E4"), "CPU0*5")

    assert [by for by, _ in run.blocked()["GPU"].by] == ["CPU0"]


def test_between_two_quiet_moments_an_invalidation_has_come_and_gone():
    case = find(ALONE, "MN-E/E7")
    run = replay(case, case.schedules["quiet twice"])

    looks = [f for f in run.frames if f.label.startswith(("wait_until", "read_mmu"))]
    assert [f.answer for f in looks] == [0, 0]


@pytest.mark.parametrize(
    ("variant", "run", "words"),
    [
        ("MN-E/E10", "in neither word", (0, 0)),
        ("MN-E/E11", "in both words", (1, 1)),
    ],
    ids=["counter first", "sequence first"],
)
def test_what_the_words_say_in_the_middle_of_range_end(variant, run, words):
    case = find(ORDER, variant)
    world = replay(case, case.schedules[run]).frames[9].world

    assert (
        world.notifier.mmu_invalidate_in_progress,
        world.notifier.mmu_invalidate_seq,
    ) == words


def test_unmapping_at_the_end_frees_the_page_under_the_device_only_from_a_full_batch():
    verdicts = {case.id: case.expect["device_reads_freed_page"] for case in load(LATE).cases}

    assert verdicts["MN-E/E13"] == Verdict.NEVER
    assert verdicts["MN-E/E13 (full batch)"] == Verdict.SOMETIMES
    assert verdicts["MN-E/E0 (full batch)"] == Verdict.NEVER


def test_each_line_of_the_seqcount_is_for_something():
    case = find(ALONE, "MN-E/E4")

    assert broken(case, good=(device_has_a_page,)) == set()
    assert what_breaks(case, OddWhileBusy.invalidate_range_start) == [
        ALL | {"unlock_not_owner"},
        ALL | {"deadlock"},  # write_seqcount_begin
        ALL,  # unmap
        {"deadlock", "no device_has_a_page"},
    ]
    assert what_breaks(case, OddWhileBusy.invalidate_range_end)[1] == {
        "deadlock",  # the number stays odd
        "no device_has_a_page",
    }


def test_each_line_of_the_order_that_is_right_is_for_something():
    case = find(ORDER, "MN-E/E11")

    assert broken(case, good=(device_has_a_page,)) == set()
    assert what_breaks(case, BumpedFirst.invalidate_range_end) == [
        ALL,  # nothing tells that one has come and gone
        {"livelock", "no device_has_a_page"},
    ]
    assert what_breaks(case, CounterDroppedFirst.must_retry) == [
        ALL,  # the counter
        ALL,  # the sequence
    ]
