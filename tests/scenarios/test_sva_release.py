"""What release() may do: the facts of the stories, and what each line of a fix is for."""

import pytest

from mmviz.engine import explore, replay
from mmviz.scenarios import find

from .mutation import breaks, mutant

SLEEPS = "sva/release_sleeps"
LOCKS = "sva/release_takes_lock"
ENTRY = "sva/entry_after_exit"
UNMAP = "sva/munmap_under_dma"
REPORT = "sva/report_policy"
PIN = "sva/pin_until_unbind"
FREED, KEPT = "device_reads_freed_page", "device_keeps_freed_page"
LOG, MASKED = "user_fills_kernel_log", "driver_bug_unreported"


def test_the_worker_sleeps_in_p1s_release_while_p2_waits():
    case = find(SLEEPS, "WaitUntilIdle")
    example = explore(case).counterexamples["innocent_process_waits"]
    last = replay(case, example.shortest).frames[-1]
    assert (last.actor, last.label) == ("CPU0", "prepare_to_wait(device of P1)")
    assert last.world.queue.faults == ("P2",)


def test_no_actor_moves_where_the_device_needs_the_worker():
    case = find(SLEEPS, "WaitNeedsFault")
    run = replay(case, explore(case).deadlock.shortest)
    assert "CPU0" in run.blocked()
    assert run.frames[-1].world.device.busy


@pytest.mark.parametrize("name", ["ReleaseTakesLock", "ReleaseFlushesWork", "BindUnderLock"])
def test_the_last_mmput_waits_for_its_own_caller(name):
    case = find(LOCKS, name)
    run = replay(case, explore(case).deadlock.shortest)
    assert "CPU0" in {actor for actor, _ in run.blocked()["CPU0"].by}


def test_a_fence_is_as_good_as_the_lock_its_signaller_needs():
    case = find(LOCKS, "ReleaseWaitsForFence")
    run = replay(case, explore(case).deadlock.shortest)
    assert run.frames[-1].world.mutex.owner == "CPU0"
    assert {"CPU0", "CPU2"} <= set(run.blocked())


def test_an_entry_appears_after_release_has_cleared_the_table():
    case = find(ENTRY, "StructOnly")
    run = replay(case, explore(case).counterexamples[KEPT].shortest)
    labels = [f.label.partition("(")[0] for f in run.frames]
    assert "map" in labels
    assert run.frames[-1].world.dev.pte["0x1000"].is_free


def test_success_without_a_process_keeps_the_device_asking():
    assert explore(find(ENTRY, "SuccessAfterExit")).livelock is not None
    assert explore(find(ENTRY, "UserOrNothing")).livelock is None


def test_a_translation_that_is_stale_but_not_free_is_legal():
    run = replay(find(UNMAP, "ClearInvalidateFree"), "DEV*2 CPU0 DEV")
    assert run.frames[-1].world.dev.inflight is not None
    assert run.violated == ()


def test_a_rate_limit_bounds_the_log_and_does_not_close_it():
    limited = explore(find(REPORT, "RateLimited")).counterexamples[LOG].shortest
    plain = explore(find(REPORT, "NotPresentAtExit")).counterexamples[LOG].shortest
    assert limited == plain


def test_a_mapped_queue_and_a_pin_keep_each_other():
    case = find(PIN, "PinnedMappedQueue")
    last = replay(case, "CPU0*2").frames[-1]
    assert (last.world.file.refs, last.world.mm.mm_users) == (1, 1)
    assert last.violated == ("memory_kept_for_ever",)


MUTANTS = [
    # scenario, case, actor, lines left out, what breaks
    (ENTRY, "UserOrNothing", "CPU1", ("unmap",), {KEPT}),
    (ENTRY, "UserOrNothing", "CPU1", ("mmu_notifier_release",), {KEPT}),
    (ENTRY, "UserOrNothing", "DEV", ("request",), {"livelock"}),
    (UNMAP, "ClearInvalidateFree", "CPU0", ("arm_smmu_tlb_inv_asid",), {FREED}),
    (UNMAP, "ClearInvalidateFree", "CPU0", ("arm_smmu_atc_inv_domain",), {FREED}),
    (UNMAP, "ClearInvalidateFree", "CPU0", ("arm_smmu_cmdq_issue_sync",), {FREED}),
    (REPORT, "DummyThenNotPresent", "CPU1", ("arm_smmu_write_ctx_desc",), {MASKED}),
    (REPORT, "DummyThenNotPresent", "CPU1", ("arm_smmu_sync_cd",), {MASKED}),
    (REPORT, "DummyThenNotPresent", "CPU1", ("list_del",), {LOG, MASKED}),
    (REPORT, "QuietThenNotPresent", "CPU1", ("mutex_lock", "mutex_unlock"), {MASKED}),
    (REPORT, "DummyForEverStopped", "CPU1", ("stop_queue",), {MASKED}),
    (LOCKS, "ReleaseFlushesWorkPutAsync", "CPU0", ("work_done",), {"deadlock"}),
]


@pytest.mark.parametrize(("scenario", "name", "actor", "lines", "broken"), MUTANTS)
def test_each_line_of_a_fix_matters(scenario, name, actor, lines, broken):
    case = find(scenario, name)
    assert breaks(explore(mutant(case, actor, *lines))) == broken


def test_to_unmap_without_clearing_the_entry_is_to_invalidate_nothing():
    """Where the entry stays nothing is freed: the order matters, not the line alone."""
    case = mutant(find(UNMAP, "ClearInvalidateFree"), "CPU0", "zap_pte_range")
    assert breaks(explore(case)) == set()
