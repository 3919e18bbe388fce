"""Drivers and exclusive entries: what each line of a fix is for, and the facts of the stories."""

import dataclasses

import pytest

from mmviz.engine import Verdict, explore, replay
from mmviz.scenarios import find
from mmviz.scenarios.exclusive.restore_at_fork import fork, fork_that_sleeps, unlocked
from mmviz.scenarios.exclusive.worlds.svm import write

from .mutation import HELD, breaks, mutant

GUARD = "exclusive/lock_or_sequence"
FAULT = "exclusive/fault_takes_page_back"
RETRY = "exclusive/retry_loop"
LATE = "exclusive/late_read_begin"
FORK = "exclusive/restore_at_fork"
FILTER = "exclusive/owner_filter"
TWO = "exclusive/two_devices"
PROTECT = "exclusive/mprotect_meets_entry"
BACK = "exclusive/protected_and_back"

BOTH, STALE, WRITES = "cpu_and_device_both_map", "device_keeps_stale_entry", "write_after_mprotect"
CHILDS = "device_writes_childs_page"
MMAP_READ = ("down_read", "up_read")
MUTEX = ("mutex_lock", "mutex_unlock")
ANNOUNCE = ("mmu_notifier_invalidate_range_start", "mmu_interval_set_seq", "unmap")
HIDE = ("page_make_device_exclusive_one",)
PAGE_LOCK = ("lock_page", "unlock_page")
TRYLOCK = ("trylock_page", "unlock_page")
SET_SEQ, READ_RETRY = ("mmu_interval_set_seq",), ("mmu_interval_read_retry",)

MUTANTS = [
    # scenario, case, actor, lines left out, the answer heard instead, what breaks
    (GUARD, "LockAndSequence", "CPU1", MUTEX, None, {STALE, WRITES}),
    (GUARD, "LockAndSequence", "CPU1", READ_RETRY, False, {STALE, WRITES}),
    (GUARD, "LockAndSequence", "CPU1", HIDE, True, {BOTH}),
    (GUARD, "LockAndSequence", "CPU2", SET_SEQ, None, {STALE}),
    (GUARD, "LockAndSequence", "CPU2", ("unmap",), None, {STALE}),
    (GUARD, "LockAndSequence", "CPU3", SET_SEQ, None, {WRITES}),
    (GUARD, "LockAndSequence", "CPU3", ("unmap",), None, {WRITES}),
    (GUARD, "LockAndSequence", "CPU3", ("down_write", "up_write"), None, {WRITES}),
    (GUARD, "MmapLockAgainstMprotect", "CPU1", MMAP_READ, None, {WRITES}),
    (GUARD, "LockAndSequenceFolio", "CPU1", READ_RETRY, False, {STALE, WRITES}),
    (GUARD, "LockAndSequenceFolio", "CPU1", ("make_device_exclusive",), True, {BOTH}),
    (GUARD, "LockAndSequenceFolio", "CPU3", SET_SEQ, None, {WRITES}),
    (GUARD, "MmapLockAgainstMprotectFolio", "CPU1", MMAP_READ, None, {WRITES}),
    (FAULT, "ReferenceAndSecondLook", "CPU0", ("unmap",), None, {BOTH}),
    (
        FAULT,
        "ReferenceAndSecondLook",
        "CPU0",
        ("try_get_page", "put_page"),
        True,
        {"free_page_in_use"},
    ),
    (RETRY, "EndlessTouchingLocked", "CPU1", TRYLOCK, True, {"livelock"}),
    (RETRY, "EndlessTouchingLocked", "CPU1", ("unlock_page",), None, {"page_left_locked"} | HELD),
    (LATE, "BeginLateAndCheck", "CPU1", ("check_device_exclusive_range",), True, {STALE, WRITES}),
    (LATE, "BeginLateAndCheck", "CPU1", READ_RETRY, False, {STALE, WRITES}),
    (FORK, "FaultInFirst", "CPU1", READ_RETRY, False, {BOTH, CHILDS}),
    (FORK, "FaultInFirst", "CPU0", SET_SEQ, None, {BOTH, CHILDS}),
    (FORK, "FaultInFirst", "CPU0", ANNOUNCE, None, {BOTH, CHILDS, "deadlock"}),
    (FORK, "MmapLockHeld", "CPU1", MMAP_READ, None, {BOTH, CHILDS}),
    (FILTER, "EventAndOwner", "CPU0", ("unmap",), None, {BOTH}),
    (FILTER, "EventAndOwner", "CPU1", READ_RETRY, False, {STALE, WRITES}),
    (FILTER, "EventAndOwner", "CPU2", SET_SEQ, None, {STALE}),
    (TWO, "EventAndOwner", "CPU1", ("unmap",), None, {"other_device_maps"}),
    (PROTECT, "Downgrade", "CPU2", ("change_pte_range",), None, {WRITES}),
    (PROTECT, "AskTheMapping", "CPU2", ("change_pte_range",), None, {WRITES}),
    (PROTECT, "AskTheMapping", "CPU2", ("unmap",), None, {WRITES}),
    (BACK, "Userfaultfd", "CPU2", SET_SEQ, None, {"write_past_userfaultfd"}),
    (BACK, "Userfaultfd", "CPU2", ("unmap",), None, {"write_past_userfaultfd"}),
]


@pytest.mark.parametrize(("scenario", "name", "actor", "lines", "answer", "expected"), MUTANTS)
def test_a_line_left_out_of_a_right_fix_breaks_it(scenario, name, actor, lines, answer, expected):
    case = find(scenario, name)

    assert breaks(explore(mutant(case, actor, *lines, answer=answer))) == expected


HARMLESS = [
    # what the scenario says under "Simplified:": another line does the same here
    (GUARD, "LockAndSequence", "CPU1", MMAP_READ, None),
    (GUARD, "LockAndSequence", "CPU1", TRYLOCK, True),
    (GUARD, "LockAndSequence", "CPU0", PAGE_LOCK, None),
    (FAULT, "ReferenceAndSecondLook", "CPU0", PAGE_LOCK, None),
    (FORK, "SleepOnPageLock", "CPU0", PAGE_LOCK, None),
    (FORK, "SleepOnPageLock", "CPU0", ("restore_exclusive_pte",), None),
]


@pytest.mark.parametrize(("scenario", "name", "actor", "lines", "answer"), HARMLESS)
def test_a_line_that_matters_elsewhere_only_changes_nothing(scenario, name, actor, lines, answer):
    assert breaks(explore(mutant(find(scenario, name), actor, *lines, answer=answer))) == set()


BREAKS = [
    # scenario, case, the first violation of its named schedule: bad state, actor, step
    (GUARD, "NoGuard", BOTH, "CPU1", "map_atomic(page 7)"),
    (GUARD, "PageLockAgainstZap", STALE, "CPU1", "map_atomic(page 7)"),
    (GUARD, "PageLockAgainstMprotect", WRITES, "CPU1", "map_atomic(page 7)"),
    (FAULT, "NoReference", "free_page_in_use", "CPU1", "lock_page(page 7)"),
    (LATE, "BeginLate", STALE, "CPU1", "map_atomic(page 7)"),
    (FORK, "PageLockOnly", BOTH, "CPU0", "copy_pte_range(child, page 9)"),
    (FILTER, "EventOnly", BOTH, "CPU0", "restore_exclusive_pte(page 7)"),
    (FILTER, "NoCookie", BOTH, "CPU0", "restore_exclusive_pte(page 7)"),
    (FILTER, "OwnerOnly", STALE, "CPU1", "map(page 7)"),
    (TWO, "SharedCookie", "other_device_maps", "CPU1", "map_atomic(page 7)"),
    (BACK, "AndBackPinned", "pin_lost_its_page", "CPU0", "cpu_write(mm.vma)"),
]


@pytest.mark.parametrize(("scenario", "name", "bad_state", "actor", "label"), BREAKS)
def test_the_story_goes_wrong_at_the_step_it_names(scenario, name, bad_state, actor, label):
    case = find(scenario, name)
    run = replay(case, *case.schedules.values())
    bad = next(frame for frame in run.frames if frame.violated)

    assert (bad_state in bad.violated, bad.actor, bad.label) == (True, actor, label)


@pytest.mark.parametrize(("scenario", "name"), [(RETRY, "RetryKeepsPage"), (FORK, "MergedAndLeak")])
def test_a_driver_that_keeps_the_page_waits_for_itself(scenario, name):
    case = find(scenario, name)
    run = replay(case, *case.schedules.values())

    assert run.deadlock
    assert run.describe("CPU1").label == "lock_page(page 7)"
    assert run.tip.world.page.locked == "CPU1"


def test_fork_and_a_leaking_driver_wait_for_each_other():
    case = find(FORK, "SleepAndLeak")
    run = replay(case, *case.schedules.values())

    assert run.deadlock
    waits = {actor: blocked.by[0][0] for actor, blocked in run.blocked().items()}
    assert waits == {"CPU0": "CPU1", "CPU1": "CPU0"}


@pytest.mark.parametrize("name", ["LeftoverEntry", "LeftoverEntryFolio"])
def test_a_leftover_entry_is_back_after_every_round(name):
    case = find(RETRY, name)
    lasso = explore(case).livelock
    once = replay(case, lasso.prefix)
    twice = replay(case, lasso.prefix + lasso.cycle)

    assert set(lasso.cycle) == {"CPU1"}  # no other actor is needed to keep it going
    assert str(once.tip.world.mm.vma.pte) == str(twice.tip.world.mm.vma.pte)


def test_fork_gives_up_on_a_page_that_the_driver_has_locked():
    case = find(FORK, "FaultInFirst")
    run = replay(case, *case.schedules.values())

    assert next(f for f in run.frames if f.label.startswith("copy_pte_range")).answer is False
    assert run.violated == ()


@pytest.mark.parametrize("name", ["FaultInFirst", "FaultAfterFork"])
def test_with_a_writer_the_loop_is_safe_and_need_not_end(name):
    case = find(FORK, name)
    case = dataclasses.replace(case, actors={**case.actors, "CPU2": write})

    assert breaks(explore(case)) == {"livelock"}


def test_bringing_the_page_in_first_does_not_end_the_loop_against_a_writer():
    case = find(RETRY, "FaultInFirst")
    case = dataclasses.replace(case, actors={"CPU0": write, "CPU1": case.actors["CPU1"]})

    assert breaks(explore(case)) == {"livelock"}


def test_after_a_fork_the_gpu_gets_a_page_that_the_child_does_not_have():
    case = find(FORK, "FaultAfterFork")
    run = replay(case, *case.schedules.values())
    world = run.tip.world

    assert run.finished
    assert str(world.mm.vma.pte) == "exclusive page 8 rw"
    assert str(world.child.pte) == "present page 7 ro"
    assert world.svmm.gpu.page.pfn == 8


def test_a_touching_cpu_makes_every_round_stale_unless_it_has_to_wait():
    case = find(RETRY, "EndlessTouching")
    run = replay(case, *case.schedules.values())
    checks = [f.answer for f in run.frames if f.label.startswith("mmu_interval_read_retry")]

    assert checks == [True, True]
    assert "CPU1" not in run.tip.done


@pytest.mark.parametrize("changed", [{"world": unlocked}, {"fork": fork_that_sleeps}])
def test_no_fork_mends_a_driver_that_trusts_the_page_lock(changed):
    def with_change(name):
        case = find(FORK, name)
        actors = {**case.actors, "CPU0": changed.get("fork", fork)}
        world = changed.get("world", case.world)
        return explore(dataclasses.replace(case, actors=actors, world=world))

    assert with_change("PageLockOnly").verdicts[BOTH] == Verdict.SOMETIMES
    assert breaks(with_change("MmapLockHeld")) == set()


def test_a_fork_that_does_not_sleep_leaves_the_leaking_driver_to_itself():
    case = find(FORK, "SleepAndLeak")
    report = explore(dataclasses.replace(case, actors={**case.actors, "CPU0": fork}))
    run = replay(report.case, report.deadlock.shortest)

    assert run.tip.done == ("CPU0",)
    assert run.tip.world.page.locked == "CPU1"
