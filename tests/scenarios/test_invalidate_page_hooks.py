"""Which callback, and when: under the page-table lock, at the end, or not at all."""

import pytest

from mmviz.engine import ModelError, Verdict, at_end, explore, replay
from mmviz.scenarios import find, load
from mmviz.scenarios.invalidate_page import (
    callback_after_unlock,
    new_page_before_notify,
    told_under_ptl,
)
from mmviz.scenarios.invalidate_page.worlds.mirror import BAD, VA

from .mutation import HELD, broken, effects, forgetting, steps_of

UNDER = "invalidate_page/told_under_ptl"
COPY = "invalidate_page/new_page_before_notify"
HOOK = "invalidate_page/hook_not_implemented"
ALL = {bad_state.__name__ for bad_state in BAD}
NOT_OWNER = {"unlock_not_owner"}


@at_end
def device_has_a_page(k):
    """The device got what it asked for."""
    return k.gpu.pte[VA] is not None


LOOKED_FOR = {"good": (device_has_a_page,)}


def what_breaks(case, function):
    return [found for _, found in effects(case, function, **LOOKED_FOR)]


@pytest.mark.parametrize("name", [UNDER, COPY, HOOK])
def test_each_named_run_of_a_case_that_fails_violates_it(name):
    for case in load(name).cases:
        fails = {
            bad_state for bad_state, verdict in case.expect.items() if verdict != Verdict.NEVER
        }
        for schedule in case.schedules.values():
            assert set(replay(case, schedule).violated) <= fails
            assert bool(replay(case, schedule).violated) == bool(fails)


def test_an_unmapping_alone_sleeps_in_the_callback():
    case = find(UNDER, "MN-G/G5")

    assert explore(case).counterexamples["sleeps_in_atomic"].preemptions == 0


def test_a_sequence_is_enough_where_the_callback_comes_after_the_clear():
    case = find(UNDER, "MN-G/G2")
    run = replay(case, case.schedules["the fault has to try again"])

    answers = [f.answer for f in run.frames if f.label.startswith("mmu_invalidate_seq_changed")]
    assert answers == [True, False]
    assert run.tip.world.gpu.pte[VA].name == "page 8"


def test_each_line_of_the_callback_with_the_sequence_is_for_something():
    case = find(UNDER, "MN-G/G2")

    assert broken(case, **LOOKED_FOR) == set()
    assert what_breaks(case, callback_after_unlock.invalidate_page) == [
        ALL | NOT_OWNER,
        ALL,
        ALL,
        {"deadlock", "no device_has_a_page"} | HELD,
    ]


def test_each_line_of_mapping_under_the_page_table_lock_is_for_something():
    case = find(UNDER, "MN-G/G4")

    assert broken(case, **LOOKED_FOR) == set()
    assert what_breaks(case, told_under_ptl.LookupUnderPageTableLock.fault) == [
        ALL | NOT_OWNER,
        {"no device_has_a_page"},
        {"no device_has_a_page"},
        {"deadlock"} | HELD,
    ]


def test_the_store_reaches_the_copy_before_the_device_has_let_go_of_the_original():
    case = find(COPY, "MN-G/G6")
    world = replay(case, case.schedules["stored before the device is told"]).tip.world

    assert (world.cpu.pte[VA].data, world.gpu.pte[VA].data) == ("new", "old")


OLD = {"device_reads_freed_page", "device_keeps_stale_entry", "device_reads_old_data"}


@pytest.mark.parametrize(
    ("text", "breaks"),
    [
        ("await k.cpu.ptep_clear_flush(VA)", OLD),  # a walk brings the old page back
        ("await driver.invalidate_range(k)", OLD),
        ("await k.cpu.ptl.spin_unlock()", {"deadlock"} | HELD),
        ("await k.page.put_page()", {"page_refs_out_of_balance"}),
    ],
    ids=["clear", "notify", "unlock", "put"],
)
def test_the_lines_of_clear_notify_set_are_for_something(text, breaks):
    case, function = find(COPY, "MN-G/G7"), new_page_before_notify.wp_page_copy
    (line,) = [at for at, written in steps_of(function) if written == text]

    assert broken(case, **LOOKED_FOR) == set()
    assert broken(forgetting(case, function, line), **LOOKED_FOR) == breaks


def test_without_the_lock_a_fault_slips_in_between_clear_and_set():
    case, function = find(COPY, "MN-G/G7"), new_page_before_notify.wp_page_copy
    (line,) = [at for at, written in steps_of(function) if "spin_lock" in written]

    with pytest.raises(ModelError, match="page 8 is handed out"):
        explore(forgetting(case, function, line))


def test_a_callback_that_is_not_implemented_leaves_the_page_to_the_guest():
    case = find(HOOK, "MN-H/H0")
    run = replay(case, case.schedules["the guest is never notified"])

    assert not any(f.label.startswith("unmap") for f in run.frames)
    assert run.tip.world.gpu.pte[VA].is_free
    assert explore(case).counterexamples["device_reads_freed_page"].preemptions == 0


@pytest.mark.parametrize(
    ("variant", "callback", "breaks"),
    [
        ("MN-H/H2", "invalidate_range_start", ALL),
        ("MN-H/H2", "invalidate_range_end", {"livelock"}),
        ("MN-H/H2 (range)", "invalidate_range(", ALL),
    ],
    ids=["start", "end", "range"],
)
def test_each_listener_needs_the_callback_it_has(variant, callback, breaks):
    case, function = find(HOOK, variant), told_under_ptl.try_to_unmap_one
    (line,) = [at for at, text in steps_of(function) if f"driver.{callback}" in text]

    assert broken(case) == set()
    assert broken(forgetting(case, function, line)) == breaks


def test_a_walk_that_is_not_flushed_keeps_the_page():
    case = find(UNDER, "MN-G/G0")

    assert what_breaks(case, told_under_ptl.HardwareWalks.invalidate_range) == [ALL]


def test_who_is_told_at_the_end_loses_the_page_only_to_a_full_batch():
    freed = {case.id: case.expect["device_reads_freed_page"] for case in load(HOOK).cases}

    assert freed["MN-H/H1"] == Verdict.NEVER
    assert freed["MN-H/H1 (full batch)"] == Verdict.SOMETIMES
