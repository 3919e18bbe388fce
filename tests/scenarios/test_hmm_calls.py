"""Calling HMM twice, late, or where one must not: the facts, and what each line is for."""

import pytest

from mmviz.engine import Verdict, at_end, explore, replay
from mmviz.scenarios import find
from mmviz.scenarios.hmm import look_then_sleep, range_used_late
from mmviz.scenarios.hmm.double_unregister import CalledOnce
from mmviz.scenarios.hmm.range_used_late import NullPointer
from mmviz.scenarios.hmm.ranges_on_stack import (
    LockedPlainList,
    LocklessGracePeriod,
    LocklessPlainList,
)

from .mutation import HELD, broken, effects, forgetting, steps_of

WAIT, RULE = "hmm/look_then_sleep", "hmm/comment_or_assertion"
TWICE, UNNOTICED = "hmm/double_unregister", "hmm/second_call_unnoticed"
LATE, STACK = "hmm/range_used_late", "hmm/ranges_on_stack"


def run_of(scenario, case_id, schedule):
    case = find(scenario, case_id)
    return replay(case, case.schedules[schedule])


LAST_STEPS = [
    (TWICE, "HMM-09/09a", "both have found it", "use_after_free", "down_write(hmm.mirrors_sem)"),
    (TWICE, "HMM-09/09b", "both have found it", "reference_is_stolen", "kref_put(hmm)"),
    (TWICE, "HMM-09/09d", "the semaphore is gone", "use_after_free", "down_write(hmm.mirrors_sem)"),
    (TWICE, "HMM-09/09e", "the loser frees", "use_after_free", "list_del_init(mirror)"),
    (LATE, "HMM-10/10a", "it goes after the look", "use_after_free", "read_dead(hmm)"),
    (LATE, "HMM-10/10a", "it comes late", "misuse_goes_unnoticed", "is_told(not valid)"),
    (LATE, "HMM-10/10b", "it goes after the look", "use_after_free", "read_dead(hmm)"),
    (LATE, "HMM-10/10b", "it comes late", "follows_poisoned_pointer", "read_dead(POISON_INUSE)"),
    (STACK, "HMM-11/11c", "the stack is gone", "use_after_free", "invalidate(range)"),
    (STACK, "HMM-11/11e", "the stack is gone", "use_after_free", "invalidate(range)"),
    (STACK, "HMM-11/11e", "the link is poisoned", "follows_poisoned_pointer", "list_next(range)"),
    (WAIT, "HMM-06/06d", "nothing to wait for", "misuse_goes_unnoticed", None),
]


@pytest.mark.parametrize(("scenario", "case_id", "schedule", "bad_state", "label"), LAST_STEPS)
def test_the_named_run_ends_in_the_step_that_goes_wrong(
    scenario, case_id, schedule, bad_state, label
):
    run = run_of(scenario, case_id, schedule)

    assert run.tip.violated == (bad_state,)
    assert label in (None, run.tip.label)


@pytest.mark.parametrize(
    ("case_id", "schedule"),
    [
        ("HMM-06/06a", "the wake-up is lost"),
        ("HMM-06/06c", "woken too early"),
        ("HMM-06/06f", "the exit undoes it"),
    ],
)
def test_the_waiter_sleeps_though_all_is_done(case_id, schedule):
    run = run_of(WAIT, case_id, schedule)

    assert run.deadlock
    assert list(run.blocked()) == ["CPU1"]
    assert run.tip.world.wq.waiters == {"CPU1"}


def test_a_wake_up_between_looking_and_sleeping_is_not_lost():
    run = run_of(WAIT, "HMM-06/06e", "the wake-up comes in between")

    assert run.finished


def test_without_a_shortcut_the_misuse_is_found_out_in_every_run():
    shortcut, proper = (
        explore(find(WAIT, id_)) for id_ in ("HMM-06/06d", "HMM-06/06e (in atomic)")
    )

    assert shortcut.verdicts["sleeps_in_atomic"] == Verdict.SOMETIMES
    assert proper.verdicts["sleeps_in_atomic"] == Verdict.ALWAYS


def test_two_first_drivers_under_a_read_lock_are_told_that_there_is_no_memory():
    run = run_of(RULE, "HMM-08/08a (no hmm yet)", "no memory, by timing")

    assert run.violated == ("create_fails_by_timing",)
    assert {driver.ret for driver in run.tip.world.drivers} == {"", "-ENOMEM"}


def test_the_second_call_meets_freed_memory_before_the_poison():
    cases = ["HMM-09/09g (list poison)", "HMM-09/09g (list poison, another holder)"]
    alone, shared = (explore(find(UNNOTICED, id_)).verdicts for id_ in cases)

    assert alone["use_after_free"] == shared["follows_poisoned_pointer"] == Verdict.ALWAYS


@at_end
def hmm_is_freed(k):
    """The struct hmm is gone."""
    return k.hmm.freed


@at_end
def range_is_unlisted(k):
    """The range is on no list."""
    return not k.hmm.ranges


@at_end
def all_is_returned(k):
    """The driver's function has returned."""
    return k.range.freed


POISONED = {"follows_poisoned_pointer", "unlock_not_owner", "use_after_free"}
IN_FULL = [
    (
        WAIT,
        "HMM-06/06e (in atomic)",
        look_then_sleep.wait_event,
        {},
        [
            {"misuse_goes_unnoticed"},  # might_sleep() complains before anything is looked at
            set(),  # it spins, as "Simplified:" says
            {"deadlock"},
            set(),  # the same
            set(),  # a woken waiter is off the queue
        ],
    ),
    (
        WAIT,
        "HMM-06/06e",
        look_then_sleep.hmm_invalidate_range_end,
        {},
        [{"deadlock"}, {"deadlock"}],
    ),
    (
        LATE,
        "HMM-10/10c (NULL)",
        NullPointer.leave,
        {"good": (hmm_is_freed, range_is_unlisted)},
        [{"no range_is_unlisted"}, {"no hmm_is_freed"}, {"no hmm_is_freed"}],
    ),
    (
        STACK,
        "HMM-11/11b",
        LockedPlainList.hmm_range_unregister,
        {"good": (all_is_returned,)},
        [POISONED, {"use_after_free"}, {"deadlock"} | HELD, {"no all_is_returned"}],
    ),
    (
        STACK,
        "HMM-11/11b",
        LockedPlainList.hmm_invalidate_range_start,
        {},
        [POISONED, set(), {"deadlock"} | HELD],  # nothing is walked
    ),
    (
        STACK,
        "HMM-11/11d",
        LocklessGracePeriod.hmm_range_unregister,
        {"good": (all_is_returned,)},
        [
            {"unlock_not_owner"},
            {"use_after_free"},
            HELD,  # one writer, as "Simplified:" says
            {"use_after_free"},
            {"use_after_free"},
            {"no all_is_returned"},
        ],
    ),
    (
        STACK,
        "HMM-11/11d",
        LocklessPlainList.hmm_invalidate_range_start,
        {},
        [{"unlock_not_owner", "use_after_free"}, set(), {"deadlock"} | HELD],
    ),
]


@pytest.mark.parametrize(("scenario", "case_id", "function", "looked_for", "breaks"), IN_FULL)
def test_each_line_of_the_fix_is_for_something(scenario, case_id, function, looked_for, breaks):
    found = effects(find(scenario, case_id), function, **looked_for)

    assert [broke for _, broke in found] == breaks


@pytest.mark.parametrize("function", [range_used_late.once_locked, range_used_late.use_locked])
def test_the_drivers_mutex_keeps_use_and_unregister_apart(function):
    answers = {"if await k.file.is_registered():": True, "if await k.file.must_unregister():": True}
    found = effects(find(LATE, "HMM-10/10c (NULL)"), function, answers)

    assert found[0][1] >= {"unlock_not_owner", "use_after_free"}
    assert found[-1][1] == {"deadlock"} | HELD


def test_the_drivers_mutex_keeps_two_calls_apart():
    case, function = find(TWICE, "HMM-09/09f"), CalledOnce.hmm_mirror_unregister
    lock, *_, unlock = [line for line, _ in steps_of(function)]

    assert broken(forgetting(case, function, lock)) == {"unlock_not_owner", "use_after_free"}
    assert broken(forgetting(case, function, unlock)) == {"deadlock"} | HELD
