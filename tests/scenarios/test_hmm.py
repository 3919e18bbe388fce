"""The hmm thread: the facts of its story, and what each line of the fix is for."""

import pytest

from mmviz.engine import explore, replay
from mmviz.kernel.notifier.walk import walk_notifiers
from mmviz.scenarios import find
from mmviz.scenarios.hmm.free_under_callback import FreedAfterGracePeriod

from .mutation import HELD, effects

RACE = "hmm/free_under_callback"


def run_of(case_id, schedule):
    case = find(RACE, case_id)
    return replay(case, case.schedules[schedule])


def test_the_last_put_clears_the_pointer_that_the_callback_is_about_to_load():
    run = run_of("HMM-01/01a", "the pointer is cleared")

    assert run.frames[7].label == "read_once_hmm(mm)"
    assert run.frames[7].answer is None
    assert run.tip.violated == ("null_dereference",)
    assert run.finished


def test_a_loaded_pointer_outlives_the_memory():
    run = run_of("HMM-01/01a", "the memory is gone")

    assert run.tip.violated == ("use_after_free",)
    assert run.tip.actor == "CPU1"
    assert "freed by CPU0 in step 8" in run.tip.log[0]


def test_asking_the_count_is_of_no_use_when_the_count_is_in_the_memory():
    run = run_of("HMM-01/01b", "the count was in the memory")

    assert run.tip.label == "kref_get_unless_zero(hmm)"
    assert run.tip.violated == ("use_after_free",)


def test_a_count_raised_from_zero_frees_twice():
    run = run_of("HMM-01/01e", "freed twice")

    raised, freed = [frame for frame in run.frames if frame.violated]
    assert (raised.actor, raised.violated) == ("CPU1", ("refcount_resurrected",))
    assert (freed.actor, freed.violated) == ("kworker", ("use_after_free",))
    assert "frees hmm again" in freed.log[0]


def test_the_last_put_inside_a_callback_waits_for_its_own_read_section():
    run = run_of("HMM-01/01g", "waits for itself")

    assert run.deadlock
    assert run.blocked()["CPU1"].by[0][0] == "CPU1"
    assert explore(find(RACE, "HMM-01/01g")).deadlock is not None


@pytest.mark.parametrize(
    ("schedule", "last"),
    [("the callback puts last", "CPU1"), ("the callback is too late", "CPU0")],
)
def test_the_last_put_hands_the_memory_over_and_the_worker_frees_it(schedule, last):
    run = run_of("HMM-01/01h", schedule)

    (handed,) = [frame for frame in run.frames if frame.label == "call_srcu(hmm)"]
    assert handed.actor == last
    assert run.tip.actor == "kworker"
    assert run.tip.world.hmm.freed
    assert run.finished


def test_the_worker_waits_for_the_callback_that_was_inside():
    run = replay(find(RACE, "HMM-01/01h"), "CPU1*2 CPU0*5")

    assert "kworker" not in run.enabled()
    run.step("CPU1")  # kref_get_unless_zero: the memory is still there to ask
    run.step("CPU1")  # srcu_read_unlock
    assert "kworker" in run.enabled()


IN_FULL = {  # what breaks without each line of the merged fix, in the order of the code
    FreedAfterGracePeriod.hmm_invalidate_range_start: [
        {"use_after_free", "refcount_underflow"},  # kref_get_unless_zero, taken for granted
        set(),  # what the mirrors do is not modelled, as "Simplified:" says
        {"deadlock"},  # the worker waits for memory to free, in vain
    ],
    FreedAfterGracePeriod.hmm_put: [{"deadlock"}, {"deadlock"}],
    FreedAfterGracePeriod.hmm_free: [
        {"use_after_free"},  # still on the list, found by the next callback
        set(),  # no step reads mm->hmm here, as "Simplified:" says
        {"deadlock"},
    ],
    FreedAfterGracePeriod.free_memory: [{"deadlock"}],
    walk_notifiers: [
        {"use_after_free", "unlock_not_owner"},
        set(),  # no callback is called
        set(),
        {"deadlock"} | HELD,
    ],
}


@pytest.mark.parametrize("function", IN_FULL, ids=lambda function: function.__name__)
def test_each_line_of_the_merged_fix_is_for_something(function):
    answers = {"if not await hmm.kref_get_unless_zero():": True}
    found = effects(find(RACE, "HMM-01/01h"), function, answers)

    assert [broken for _, broken in found] == IN_FULL[function]
