"""Objects that come in between, and range_ends that do not come (X-3, X-2)."""

import pytest

from mmviz.engine import Verdict, at_end, explore, replay
from mmviz.scenarios import find, load
from mmviz.scenarios.hmm.flag_is_no_sequence import IntervalNotifier
from mmviz.scenarios.invalidate_page import range_end_unpaired
from mmviz.scenarios.invalidate_page.range_start_only import SequenceAndCounter
from mmviz.scenarios.invalidate_page.registered_in_between import ActivatedLater, IntervalInserted
from mmviz.scenarios.invalidate_page.registration_shut_out import (
    AllLocksTaken,
    HeldStartToEnd,
    rmap_walk,
)
from mmviz.scenarios.invalidate_page.worlds.mirror import BAD, VA

from .mutation import HELD, broken, effects, forgetting, steps_of

BETWEEN = "invalidate_page/registered_in_between"
OUT = "invalidate_page/registration_shut_out"
UNPAIRED = "invalidate_page/range_end_unpaired"
ENTRY = {bad_state.__name__ for bad_state in BAD}
COUNT = {"count_out_of_balance"}
NO_PAGE = {"no device_has_a_page"}
NOT_OWNER = {"unlock_not_owner"}


@at_end
def device_has_a_page(k):
    """The device got what it asked for."""
    return k.gpu.pte[VA] is not None


def what_breaks(case, function):
    return [found for _, found in effects(case, function, good=(device_has_a_page,))]


@pytest.mark.parametrize("name", [BETWEEN, OUT, UNPAIRED])
def test_each_named_run_violates_what_fails_and_only_that(name):
    for case in load(name).cases:
        fails = {
            bad_state for bad_state, verdict in case.expect.items() if verdict != Verdict.NEVER
        }
        for schedule in case.schedules.values():
            run = replay(case, schedule)
            assert set(run.violated) <= fails
            assert bool(run.violated) == bool(fails)
            assert run.deadlock == case.deadlock


def test_an_object_that_hears_only_the_end_counts_below_zero():
    case = find(BETWEEN, "X-3/3a")
    run = replay(case, case.schedules["only the end is heard"])

    assert run.tip.world.notifier.mmu_invalidate_in_progress == -1


def test_a_new_object_looks_as_if_nothing_had_happened():
    case = find(BETWEEN, "X-3/3b")
    run = replay(case, case.schedules["nothing tells that it is new"])

    (looked,) = [f for f in run.frames if f.label.startswith("ib_umem_mmu_notifier_retry")]
    assert (looked.label, looked.answer) == ("ib_umem_mmu_notifier_retry(0)", False)


def test_a_bump_tells_that_it_is_new():
    case = find(BETWEEN, "X-3/3c")
    run = replay(case, case.schedules["the fault has to try again"])

    looked = [f for f in run.frames if f.label.startswith("ib_umem_mmu_notifier_retry")]
    assert looked[0].answer is True


def test_the_lines_of_the_insertions_that_are_right_are_for_something():
    bumped, interval = find(BETWEEN, "X-3/3c"), find(BETWEEN, "X-3/3f")

    assert broken(bumped, good=(device_has_a_page,)) == set()
    assert broken(interval, good=(device_has_a_page,)) == set()
    assert what_breaks(bumped, ActivatedLater.insert) == [{"livelock"} | NO_PAGE]
    assert what_breaks(bumped, ActivatedLater.invalidate_range_start) == [ENTRY | COUNT] * 2
    assert what_breaks(bumped, SequenceAndCounter.invalidate_range_start) == [
        ENTRY | NOT_OWNER,
        ENTRY | COUNT,
        ENTRY,
        {"deadlock"},  # range_end waits for its own lock
    ]
    assert what_breaks(interval, IntervalInserted.fault) == [ENTRY, NO_PAGE]
    assert what_breaks(interval, IntervalNotifier.fault)[0] == {"livelock"} | NO_PAGE
    assert what_breaks(interval, IntervalInserted.invalidate_range_start) == [ENTRY] * 2
    assert what_breaks(interval, IntervalNotifier.invalidate_range_start) == [
        ENTRY | NOT_OWNER,
        ENTRY,
        ENTRY,
        {"deadlock"} | HELD,
    ]


def test_an_invalidation_inside_another_waits_behind_the_writer_that_waits_for_it():
    case = find(OUT, "X-3/3dx")
    blocked = replay(case, case.schedules["behind the writer that waits for it"]).blocked()

    assert [by for by, _ in blocked["CPU0"].by] == ["GPU"]
    assert [by for by, _ in blocked["GPU"].by] == ["CPU0"]


def test_each_line_that_shuts_registrations_out_is_for_something():
    held, locked = find(OUT, "X-3/3d"), find(OUT, "X-3/3e")

    assert broken(held, good=(device_has_a_page,)) == set()
    assert broken(locked, good=(device_has_a_page,)) == set()
    assert what_breaks(held, HeldStartToEnd.insert) == [
        set(),  # queueing up is for fairness, see the next test
        ENTRY | COUNT | NOT_OWNER | {"deadlock"},
        {"livelock"} | NO_PAGE,
        {"deadlock"} | HELD,
    ]
    assert what_breaks(held, HeldStartToEnd.invalidate_range_start)[0] == ENTRY | COUNT | NOT_OWNER
    assert what_breaks(locked, AllLocksTaken.insert) == [
        ENTRY | COUNT | NOT_OWNER,
        {"livelock"} | NO_PAGE,
        {"deadlock"} | HELD,
    ]
    assert what_breaks(locked, rmap_walk)[::2] == [ENTRY | COUNT | NOT_OWNER, {"deadlock"} | HELD]


def test_it_is_the_queue_that_makes_an_invalidation_inside_another_wait():
    case = find(OUT, "X-3/3dx")
    line, text = steps_of(HeldStartToEnd.insert)[0]

    assert "slowpath" in text
    assert explore(case).deadlock is not None
    assert explore(forgetting(case, HeldStartToEnd.insert, line)).deadlock is None


def test_the_first_listener_counts_for_ever_and_its_fault_tries_for_ever():
    case = find(UNPAIRED, "X-2/2e")
    world = replay(case, case.schedules["still counting"]).tip.world

    assert world.notifier.mmu_invalidate_in_progress == 1
    assert explore(case).livelock is not None


def test_the_range_end_after_a_failed_start_is_for_something():
    case = find(UNPAIRED, "X-2/2f")

    assert broken(case, good=(device_has_a_page,)) == set()
    assert what_breaks(case, range_end_unpaired.Paired.give_up) == [
        {"count_is_left_behind", "livelock"} | NO_PAGE
    ]
