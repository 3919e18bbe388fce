"""Callbacks that sleep where they must not, and callers that must not wait."""

from mmviz.engine import at_end, explore, replay
from mmviz.scenarios import find
from mmviz.scenarios.invalidate_page.reaper_must_not_wait import TryingCallback
from mmviz.scenarios.invalidate_page.sleep_under_spinlock import (
    MutexBeforePageTableLock,
    MutexUnderPageTableLock,
    SpinlockUnderPageTableLock,
)
from mmviz.scenarios.invalidate_page.worlds.mirror import VA

from .mutation import HELD, broken, effects

SLEEP = "invalidate_page/sleep_under_spinlock"
REAPER = "invalidate_page/reaper_must_not_wait"


@at_end
def page_not_reclaimed(k):
    """The page is still mapped, or still counted."""
    return k.cpu.pte[VA] is k.page or k.page.refs > 0


@at_end
def driver_got_its_page(k):
    """The allocation was answered with the page that was reaped."""
    return k.cpu.pte[VA] is None and k.page.refs == 1


def what_breaks(case, function, **looked_for):
    return [found for _, found in effects(case, function, **looked_for)]


def test_one_thread_alone_sleeps_under_the_spinlock():
    case = find(SLEEP, "MN-B/B0")
    run = replay(case, case.schedules["alone and wrong already"])

    assert run.violated == ("sleeps_in_atomic",)
    assert "holds cpu.ptl" in run.tip.log[0]
    assert explore(case).counterexamples["sleeps_in_atomic"].preemptions == 0


def test_the_mutex_and_the_page_table_lock_are_waited_for_crosswise():
    case = find(SLEEP, "MN-B/B0")
    blocked = replay(case, case.schedules["each waits for the other"]).blocked()

    assert {actor: [by for by, _ in b.by] for actor, b in blocked.items()} == {
        "CPU0": ["CPU1"],
        "CPU1": ["CPU0"],
    }


def test_a_driver_that_looks_up_under_its_mutex_waits_for_itself():
    case = find(SLEEP, "MN-B/B2x")
    run = replay(case, case.schedules["waits for itself"])

    assert run.deadlock
    assert [by for by, _ in run.blocked()["CPU1"].by] == ["CPU1"]
    assert explore(case).deadlock.preemptions == 0


def test_each_line_of_the_callback_before_the_lock_is_for_something():
    case, looked_for = find(SLEEP, "MN-B/B2"), {"bad": (page_not_reclaimed,)}

    assert broken(case, **looked_for) == set()
    assert what_breaks(case, MutexUnderPageTableLock.callback, **looked_for) == [
        {"unlock_not_owner"},  # who holds it for what is another race
        {"device_reads_freed_page"},
        {"deadlock"} | HELD,
    ]
    assert what_breaks(case, MutexBeforePageTableLock.try_to_unmap_one, **looked_for) == [
        {"device_reads_freed_page"},
        {"unlock_not_owner"},
        {"page_not_reclaimed", "refcount_resurrected"},
        {"deadlock"} | HELD,
        {"page_not_reclaimed"},
    ]


def test_each_line_of_the_spinlock_under_the_lock_is_for_something():
    case, looked_for = find(SLEEP, "MN-B/B1"), {"bad": (page_not_reclaimed,)}

    assert broken(case, **looked_for) == set()
    assert what_breaks(case, SpinlockUnderPageTableLock.callback, **looked_for) == [
        {"unlock_not_owner"},
        {"device_reads_freed_page"},
        {"deadlock"} | HELD,
    ]


def test_the_reaper_and_the_driver_wait_for_each_other():
    case = find(REAPER, "MN-B/B3")
    run = replay(case, case.schedules["each waits for the other"])

    assert run.deadlock
    assert [by for by, _ in run.blocked()["oom_reaper"].by] == ["CPU0"]


def test_a_reaper_that_only_tries_reaps_when_it_can_and_gives_up_when_it_cannot():
    case = find(REAPER, "MN-B/B4")
    gave_up = replay(case, case.schedules["given up after two attempts"]).tip.world

    assert gave_up.gpu.pte[VA] is gave_up.cpu.pte[VA] is gave_up.page
    assert broken(case, good=(driver_got_its_page,)) == set()


def test_each_line_of_the_callback_that_tries_is_for_something():
    case, looked_for = find(REAPER, "MN-B/B4"), {"good": (driver_got_its_page,)}

    assert what_breaks(case, TryingCallback.invalidate_range_start, **looked_for) == [
        {"no driver_got_its_page"},  # it never dares
        {"device_reads_freed_page"},
        {"deadlock", "no driver_got_its_page"} | HELD,
    ]
    assert what_breaks(case, TryingCallback.oom_reap_task, **looked_for) == [
        {"no driver_got_its_page"},  # the attempts
        {"deadlock"},  # giving up
    ]
