"""What keeps struct hmm, mm_struct and the address space: facts, and what each line is for."""

import pytest

from mmviz.engine import Verdict, at_end, explore, replay
from mmviz.scenarios import find
from mmviz.scenarios.hmm import armed_after_release, range_without_mirror
from mmviz.scenarios.hmm.armed_after_release import RangeHoldsUser
from mmviz.scenarios.hmm.create_meets_dying import RegisterThenPublish
from mmviz.scenarios.hmm.mm_without_grab import GrabUntilCallback
from mmviz.scenarios.hmm.worlds.registration import hmm_mirror_register

from .mutation import HELD, effects

GRAB, CREATE, CALLBACK = (
    "hmm/mm_without_grab",
    "hmm/create_meets_dying",
    "hmm/mmap_sem_in_callback",
)
CHAIN = "hmm/chain_of_references"
ARMED, ALIVE = "hmm/armed_after_release", "hmm/alive_when_asked"
FREED = "hmm/free_under_callback"
BY_MIRROR, SUCCESSOR = "hmm/range_without_mirror", "hmm/start_booked_on_successor"


def run_of(scenario, case_id, schedule):
    case = find(scenario, case_id)
    return replay(case, case.schedules[schedule])


LAST_STEPS = [
    (FREED, "HMM-01/01c", "the pointer is cleared", "null_dereference", "VM_BUG_ON(hmm == NULL)"),
    (GRAB, "HMM-03/03a", "closed after the exit", "use_after_free", "forget(hmm)"),
    (GRAB, "HMM-03/03e", "the callback comes last", "use_after_free", "forget(hmm)"),
    (CREATE, "HMM-04/04a", "the count is gone", "use_after_free", "kref_get_unless_zero(old hmm)"),
    (CREATE, "HMM-04/04c", "found before it fails", "use_after_free", None),
    (ARMED, "HMM-05/05a", "the mappings go", "use_after_free", "find_vma(mm)"),
    (ARMED, "HMM-05/05c", "the mappings go", "use_after_free", "find_vma(mm)"),
    (ARMED, "HMM-05/05e", "the process exits twice", "use_after_free", "exit_mmap(mm)"),
    (ALIVE, "HMM-07/07a", "it dies after the answer", "use_after_free", "find_vma(mm)"),
    (ALIVE, "HMM-07/07d", "the mirror leads nowhere", "use_after_free", "read_dead(hmm)"),
    (BY_MIRROR, "HMM-02/02b", "gone after the load", "use_after_free", None),
    (BY_MIRROR, "HMM-02/02d", "gone before the call", "use_after_free", "kref_get(hmm)"),
]


@pytest.mark.parametrize(("scenario", "case_id", "schedule", "bad_state", "label"), LAST_STEPS)
def test_the_named_run_ends_in_the_step_that_touches_what_is_gone(
    scenario, case_id, schedule, bad_state, label
):
    run = run_of(scenario, case_id, schedule)

    assert bad_state in run.tip.violated
    assert label in (None, run.tip.label)


def test_the_mm_struct_goes_with_the_notifier_and_no_race_is_needed():
    run = run_of(GRAB, "HMM-03/03a", "closed after the exit")

    freeing = [frame for frame in run.frames if any(c.field == "mm.freed" for c in frame.writes)]
    assert [frame.label for frame in freeing] == ["mmu_notifier_unregister_no_release(hmm)"]
    assert find(GRAB, "HMM-03/03a").kind == "ordering"


def test_a_user_where_a_reference_would_do_keeps_the_process_for_ever():
    report = explore(find(GRAB, "HMM-03/03g"))

    assert report.verdicts["mm_struct_is_leaked"] == Verdict.ALWAYS
    assert report.verdicts["use_after_free"] == Verdict.NEVER


def test_a_dying_hmm_makes_a_registration_fail():
    run = run_of(CREATE, "HMM-04/04a", "the dying one is in the way")

    assert "create_fails_by_timing" not in run.violated  # it has only just given up
    run.step("CPU1")
    assert run.violated == ("create_fails_by_timing",)


def test_the_callback_and_the_one_who_waits_for_it_stop_each_other():
    run = run_of(CALLBACK, "HMM-04/04d (synchronize_srcu)", "each waits for the other")

    assert run.deadlock
    assert run.blocked()["kworker"].by[0][0] == "CPU2"


def test_a_range_listed_after_the_release_stays_valid():
    run = run_of(ARMED, "HMM-05/05a", "listed after the release")

    assert run.tip.violated == ("range_is_valid_on_dead_mm",)
    assert run.tip.actor == "kworker"


def test_the_last_user_leaves_under_the_lock_that_its_own_exit_needs():
    run = run_of(ARMED, "HMM-05/05g", "release needs the lock")

    assert run.deadlock
    assert run.blocked()["kworker"].by[0][0] == "kworker"


def test_the_worker_may_be_the_last_user_and_ends_the_address_space_itself():
    run = run_of(ARMED, "HMM-05/05f", "the worker is the last user")

    assert run.finished
    assert run.tip.world.mm.vma.freed
    (ended,) = [frame for frame in run.frames if frame.label == "exit_mmap(mm)"]
    assert ended.actor == "kworker"


def test_reclaim_finds_no_mirror_to_tell():
    run = run_of(BY_MIRROR, "HMM-02/02a", "there is no mirror to tell")

    assert set(run.violated) == {"device_keeps_stale_entry", "device_reads_freed_page"}
    assert run.tip.world.gpu.pte["0x1000"].is_free


def test_the_start_is_booked_where_no_end_will_come():
    run = run_of(SUCCESSOR, "HMM-01/01d", "booked on the new one")

    assert run.tip.violated == ("invalidation_never_ends",)
    assert run.tip.world.fresh.notifiers == 1


@at_end
def old_hmm_is_freed(k):
    """The old struct hmm is gone."""
    return k.old.freed


@at_end
def hmm_is_freed(k):
    """The struct hmm is gone."""
    return k.hmm.freed


IN_FULL = [
    (
        GRAB,
        "HMM-03/03d",
        GrabUntilCallback.hmm_free,
        {},
        [{"mm_names_freed_hmm"}, {"mm_struct_is_leaked"}, {"deadlock"}],
    ),
    (
        GRAB,
        "HMM-03/03d",
        GrabUntilCallback.hmm_free_rcu,
        {},
        [{"mm_struct_is_leaked"}, {"hmm_is_leaked"}],
    ),
    (
        CREATE,
        "HMM-04/04f",
        RegisterThenPublish.hmm_free,
        {"good": (old_hmm_is_freed,)},
        [{"use_after_free"}, {"no old_hmm_is_freed"}],
    ),
    (
        CREATE,
        "HMM-04/04f",
        hmm_mirror_register,
        {},
        [
            {"mm_has_two_hmms", "unlock_not_owner"},
            {"unused_hmm_is_leaked"},  # the driver is told of an error, and there is none
            set(),
            {"deadlock"} | HELD,
        ],
    ),
    (
        ARMED,
        "HMM-05/05f",
        RangeHoldsUser.fault,
        {},
        [
            {"range_is_valid_on_dead_mm", "refcount_underflow", "use_after_free"},
            set(),  # nothing is listed, nothing is looked up
            {"address_space_is_leaked"},
        ],
    ),
    (
        ARMED,
        "HMM-05/05f",
        armed_after_release.hmm_vma_fault,
        {},
        [
            set(),  # not listed, not valid: nothing is looked up
            set(),  # nothing is looked up
            set(),  # no step reads the list any more, as "Simplified:" says
        ],
    ),
    (
        BY_MIRROR,
        "HMM-02/02c",
        range_without_mirror.close,
        {"good": (hmm_is_freed,)},
        [
            {"device_keeps_stale_entry", "device_reads_freed_page"},
            set(),  # struct hmm goes with it
            {"no hmm_is_freed"},
        ],
    ),
    (
        BY_MIRROR,
        "HMM-02/02c",
        range_without_mirror.by_mirror_locked,
        {},
        [
            {
                "device_keeps_stale_entry",
                "device_reads_freed_page",
                "refcount_resurrected",
                "unlock_not_owner",
                "use_after_free",
            },
            {"use_after_free"},
            set(),  # nothing is filled
            {"deadlock"} | HELD,
        ],
    ),
    (
        ARMED,
        "HMM-05/05f",
        armed_after_release.hmm_range_snapshot,
        {},
        [set(), set(), {"unlock_not_owner"}, set(), {"deadlock"} | HELD],  # nothing is mapped here
    ),
]


@pytest.mark.parametrize(("scenario", "case_id", "function", "looked_for", "breaks"), IN_FULL)
def test_each_line_of_the_fix_is_for_something(scenario, case_id, function, looked_for, breaks):
    answers = {
        "if not await k.mm.mmget_not_zero():": True,
        "if await k.file.is_registered():": True,
        "if not await k.range.hmm_range_valid():": True,
    }
    found = effects(find(scenario, case_id), function, answers, **looked_for)

    assert [broken for _, broken in found] == breaks


MISSED_BY = [
    ("L1", "hmm_range_unregister(range)"),
    ("L2", "forget(hmm)"),
    ("L3", "find_vma(mm)"),
    ("L4", "kref_get_unless_zero(hmm)"),
    ("L5", "list_del(hmm)"),
    ("L6", "hmm_release(hmm)"),
]


@pytest.mark.parametrize(("link", "label"), MISSED_BY)
def test_a_missing_link_is_missed_by_whom_the_rules_name(link, label):
    case = find(CHAIN, f"HMM-00/{link}")
    assert replay(case, explore(case).counterexamples["use_after_free"].shortest).tip.label == label
