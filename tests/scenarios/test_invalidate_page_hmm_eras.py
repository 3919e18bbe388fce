"""HMM's flag, its counter, and what -EAGAIN leaves behind (X-1, X-2)."""

import pytest

from mmviz.engine import Verdict, at_end, replay
from mmviz.scenarios import find, load
from mmviz.scenarios.hmm.eagain_leaves_count import CountLeftBehind, CountUndone
from mmviz.scenarios.hmm.flag_is_no_sequence import IntervalNotifier
from mmviz.scenarios.invalidate_page.worlds.mirror import BAD, VA

from .mutation import HELD, broken, effects

FLAG = "hmm/flag_is_no_sequence"
EAGAIN = "hmm/eagain_leaves_count"
ALL = {bad_state.__name__ for bad_state in BAD}
FREED, STALE, DISAGREE = (bad_state.__name__ for bad_state in BAD)
NOT_OWNER = {"unlock_not_owner"}


@at_end
def device_has_a_page(k):
    """The device got what it asked for."""
    return k.gpu.pte[VA] is not None


@at_end
def page_is_reaped(k):
    """The CPU has given the page up."""
    return k.cpu.pte[VA] is None


def what_breaks(case, function, *good):
    return [found for _, found in effects(case, function, good=good)]


@pytest.mark.parametrize("name", [FLAG, EAGAIN])
def test_each_named_run_violates_what_fails_and_only_that(name):
    for case in load(name).cases:
        fails = {
            bad_state for bad_state, verdict in case.expect.items() if verdict != Verdict.NEVER
        }
        for schedule in case.schedules.values():
            run = replay(case, schedule)
            assert set(run.violated) <= fails
            assert bool(run.violated) == bool(fails) or run.deadlock
            assert run.deadlock == case.deadlock


def test_a_range_that_is_valid_again_hides_what_has_come_and_gone():
    case = find(FLAG, "X-1/1c")
    run = replay(case, case.schedules["valid, changed, valid again"])

    valid = [f.answer for f in run.frames if f.label.startswith("hmm_range_valid")]
    assert valid == [True, True]
    assert run.tip.world.gpu.pte[VA].is_free


def test_a_range_registered_in_the_middle_is_valid_at_once():
    case = find(FLAG, "X-1/1b")
    run = replay(case, case.schedules["registered in the middle"])
    (registered,) = [f for f in run.frames if f.label.startswith("hmm_range_register")]

    assert registered.world.mm.active_invalidate_ranges == 1
    assert registered.world.range.valid


def test_each_line_of_the_interval_notifier_is_for_something():
    case = find(FLAG, "X-1/1d")

    assert broken(case, good=(device_has_a_page,)) == set()
    assert what_breaks(case, IntervalNotifier.invalidate_range_start, device_has_a_page) == [
        ALL | NOT_OWNER,
        ALL,
        ALL,
        {"deadlock", "no device_has_a_page"} | HELD,
    ]
    assert what_breaks(case, IntervalNotifier.fault, device_has_a_page) == [
        {"livelock", "no device_has_a_page"},  # no section, so it is never undisturbed
        {"no device_has_a_page"},
        ALL | NOT_OWNER,
        ALL,
        {"deadlock"},  # the next attempt waits for its own lock
        {"no device_has_a_page"},
        {"deadlock"} | HELD,
    ]


def test_who_waits_for_a_valid_range_waits_for_ever():
    case = find(EAGAIN, "X-2/2a")
    run = replay(case, case.schedules["no range is valid again"])

    assert run.tip.world.hmm.notifiers == 1
    assert run.deadlock


def test_a_mirror_that_could_not_let_go_keeps_a_freed_page():
    case = find(EAGAIN, "X-2/2b")
    run = replay(case, case.schedules["still mapped, and freed"])

    (tried,) = [f for f in run.frames if f.label.startswith("mutex_trylock")]
    assert tried.answer is False
    assert run.tip.world.gpu.pte[VA].is_free


def test_each_line_of_the_unwinding_is_for_something():
    case = find(EAGAIN, "X-2/2c")
    left = {"count_is_left_behind"}

    assert broken(case, good=(device_has_a_page, page_is_reaped)) == set()
    assert what_breaks(case, CountUndone.give_up, page_is_reaped) == [left | {"deadlock"}]
    assert what_breaks(case, CountLeftBehind.start, page_is_reaped) == [
        left | {FREED, STALE, "deadlock"},
        {"no page_is_reaped"},
        left | {"deadlock"},
        {"no page_is_reaped"},
        {"deadlock"} | HELD,
        left | {"deadlock"},
    ]
    assert what_breaks(case, CountLeftBehind.end, page_is_reaped) == [
        {FREED, STALE},  # the sequence
        left | {"deadlock"},
    ]
