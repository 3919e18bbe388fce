"""What came of the review: release, get and put, interval notifiers.  Facts, and lines."""

import pytest

from mmviz.engine import at_end, replay
from mmviz.kernel.notifier.walk import walk_notifiers
from mmviz.scenarios import find
from mmviz.scenarios.hmm import interval_removed_early, put_is_no_fence, release_meets_unregister
from mmviz.scenarios.hmm.count_and_list_under_one_lock import OneSection
from mmviz.scenarios.hmm.interval_removed_early import LookUnderLock
from mmviz.scenarios.hmm.release_meets_unregister import DropForRelease, OwnCount, ReadLock
from mmviz.scenarios.hmm.wait_is_no_proof import WaitAndCompare
from mmviz.scenarios.invalidate_page.worlds.mirror import BAD

from .mutation import HELD, effects

RELEASE, GET_PUT = "hmm/release_meets_unregister", "hmm/count_and_list_under_one_lock"
PUT, PROOF, REMOVED = "hmm/put_is_no_fence", "hmm/wait_is_no_proof", "hmm/interval_removed_early"
STALE = {bad_state.__name__ for bad_state in BAD}


def run_of(scenario, case_id, schedule):
    case = find(scenario, case_id)
    return replay(case, case.schedules[schedule])


LAST_STEPS = [
    (RELEASE, "X-6/6a", "freed before the callback", "CPU0", "release(mirror)"),
    (GET_PUT, "X-5/5b", "found without a user", "CPU1", "use(notifier)"),
    (REMOVED, "X-4/4d", "between number and tree", "CPU0", "interval_tree_remove(subs)"),
    (REMOVED, "X-4/4c", "freed under the callback", "CPU0", None),
]


@pytest.mark.parametrize(("scenario", "case_id", "schedule", "actor", "label"), LAST_STEPS)
def test_the_named_run_touches_what_is_gone(scenario, case_id, schedule, actor, label):
    run = run_of(scenario, case_id, schedule)

    assert "use_after_free" in run.tip.violated
    assert run.tip.actor == actor
    assert label in (None, run.tip.label)


@pytest.mark.parametrize(
    ("scenario", "case_id", "actor"), [(RELEASE, "X-6/6c", "CPU0"), (REMOVED, "X-4/4f", "CPU0")]
)
def test_to_unregister_in_the_callback_is_to_wait_for_oneself(scenario, case_id, actor):
    run = run_of(scenario, case_id, "waits for itself")

    assert actor in run.blocked()
    while run.enabled():
        run.step(run.enabled()[0])
    assert run.deadlock


def test_a_notifier_without_users_is_found():
    run = run_of(GET_PUT, "X-5/5b", "found without a user")

    raised = next(frame for frame in run.frames if frame.violated)
    assert (raised.actor, raised.violated) == ("CPU1", ("refcount_resurrected",))


def test_the_worker_calls_a_function_of_a_module_that_is_gone():
    run = run_of(PUT, "X-5/5c", "the worker comes too late")

    assert run.tip.violated == ("calls_unloaded_code",)
    assert "free_notifier()" in run.tip.log[0]


def test_a_grace_period_does_not_wait_for_a_callback_in_another_list():
    run = run_of(PUT, "X-5/5a (list per CPU)", "the callback is in another list")

    assert run.frames[-2].label == "free_module(module)"
    assert run.tip.violated == ("calls_unloaded_code",)


@pytest.mark.parametrize("case_id", ["X-5/5a", "X-5/5a (srcu_barrier)"])
def test_one_list_or_a_barrier_does(case_id):
    run = replay(find(PUT, case_id), "CPU0*6")
    while "CPU0" in run.enabled():
        run.step("CPU0")

    assert run.tip.world.module.loaded
    run.step("kworker")
    assert "CPU0" in run.enabled()


def test_nobody_is_told_once_the_driver_has_put():
    run = run_of(PUT, "X-5/5d", "no driver is notified")

    assert set(run.violated) == {"device_keeps_stale_entry", "device_reads_freed_page"}


@pytest.mark.parametrize(
    ("case_id", "schedule"),
    [("X-4/4b", "begun in the middle"), ("HMM-06/06g", "it has come and gone")],
)
def test_the_device_maps_what_has_been_freed(case_id, schedule):
    run = run_of(PROOF, case_id, schedule)

    assert "device_reads_freed_page" in run.violated


@at_end
def notifier_is_freed(k):
    """The first notifier is gone."""
    return k.notifier.freed


@at_end
def interval_is_freed(k):
    """The interval is gone."""
    return k.interval.freed


FREED = {"good": (notifier_is_freed,)}
LOCK = {"refcount_resurrected", "unlock_not_owner", "use_after_free"}
IN_FULL = [
    (
        RELEASE,
        "X-6/6b",
        ReadLock.hmm_release,
        {},
        [
            {"unlock_not_owner", "use_after_free"},
            set(),  # no notifier is called
            set(),
            {"deadlock"} | HELD,
        ],
    ),
    (
        RELEASE,
        "X-6/6b",
        release_meets_unregister.hmm_mirror_unregister,
        {},
        [{"unlock_not_owner", "use_after_free"}, {"use_after_free"}, {"deadlock"} | HELD],
    ),
    (RELEASE, "X-6/6b", DropForRelease.close, {}, [{"use_after_free"}, {"mirror_is_leaked"}]),
    (
        RELEASE,
        "X-6/6d",
        OwnCount.put,
        {},
        [{"mirror_is_leaked"}, {"mirror_is_leaked"}],
    ),
    (
        GET_PUT,
        "X-5/5a",
        OneSection.mmu_notifier_put,
        FREED,
        [
            LOCK,
            {"no notifier_is_freed"},
            {"deadlock"} | HELD,
            {"refcount_resurrected", "use_after_free"},
            {"deadlock"} | HELD,
            {"no notifier_is_freed"},
        ],
    ),
    (
        GET_PUT,
        "X-5/5a",
        walk_notifiers,
        FREED,
        [{"unlock_not_owner", "use_after_free"}, set(), set(), HELD],
    ),
    (
        PUT,
        "X-5/5a",
        put_is_no_fence.close,
        {},
        [
            {"device_keeps_stale_entry", "device_reads_freed_page"},
            {"calls_unloaded_code", "deadlock"},
            {"calls_unloaded_code"},
            set(),  # the module stays
        ],
    ),
    (
        PROOF,
        "X-4/4a",
        WaitAndCompare.invalidate_range_start,
        {},
        [STALE, STALE | {"unlock_not_owner"}, STALE, STALE, {"deadlock"} | HELD],
    ),
    (
        REMOVED,
        "X-4/4e",
        LookUnderLock.mmu_interval_notifier_remove,
        {},
        [
            {"unlock_not_owner", "use_after_free"},
            {"use_after_free"},
            {"deadlock"} | HELD,
            {"use_after_free"},
        ],
    ),
    (
        REMOVED,
        "X-4/4e",
        LookUnderLock.close,
        {"good": (interval_is_freed,)},
        [{"use_after_free"}, {"no interval_is_freed"}],
    ),
    (
        REMOVED,
        "X-4/4e",
        interval_removed_early.invalidate_range,
        {},
        [
            {"unlock_not_owner", "use_after_free"},
            set(),  # no callback is called
            {"deadlock"} | HELD,
            set(),  # the same
            {"unlock_not_owner", "use_after_free"},
            {"deadlock"},
            set(),  # it stays in the tree, where no invalidation looks any more
            {"deadlock"} | HELD,
        ],
    ),
]


@pytest.mark.parametrize(("scenario", "case_id", "function", "looked_for", "breaks"), IN_FULL)
def test_each_line_of_the_fix_is_for_something(scenario, case_id, function, looked_for, breaks):
    found = effects(find(scenario, case_id), function, **looked_for)

    assert [broken for _, broken in found] == breaks
