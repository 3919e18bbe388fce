"""SVA's bind and unbind: the facts of the stories, and what each line of a fix is for."""

import pytest

from mmviz.engine import explore, replay
from mmviz.scenarios import find

from .mutation import breaks, mutant

BIND = "sva/bind_during_exit"
PUT = "sva/put_before_clear"
TWICE = "sva/release_runs_twice"
REUSE = "sva/pasid_reused"
READER = "sva/free_under_reader"
UNLOAD = "sva/unload_before_callback"
BONDS = "sva/two_drivers_bind"
LATE = "sva/late_initialisation"
FREED, PGD = "device_reads_freed_page", "iommu_walks_freed_pgd"
MIXED, LOST = "device_mixes_processes", "process_loses_translation"
LEFT, LEAKED, UAF = "entry_left_behind", "reference_leaked", "use_after_free"
UNDERFLOW, UNINIT = "refcount_underflow", "uses_uninitialised_field"
LOCK = ("mutex_lock", "mutex_unlock")
READ = ("srcu_read_lock", "srcu_read_unlock")


def last_of(scenario, name, bad_state):
    case = find(scenario, name)
    return replay(case, explore(case).counterexamples[bad_state].shortest).frames[-1]


def test_a_late_bind_writes_the_pgd_over_the_dummy():
    case = find(BIND, "Unpinned")
    run = replay(case, case.schedules["the pgd over the dummy"])
    over = next(f for f in run.frames if f.actor == "CPU0" and "write_ctx" in f.label)
    assert [(c.old.name, c.new.name) for c in over.writes] == [("dummy pgd", "pgd")]
    assert (run.frames[-1].label, run.frames[-1].violated) == ("exit_mmap(mm)", (FREED,))


def test_a_pinned_bind_may_run_the_teardown_itself():
    run = replay(find(BIND, "CallerPins"), "CPU0*3 CPU1 CPU0*10")
    assert {f.actor for f in run.frames if f.label.startswith("exit_mmap")} == {"CPU0"}
    assert run.violated == ()


def test_after_the_put_an_exit_calls_no_release():
    run = replay(find(PUT, "PutClear"), "CPU0*2 CPU1*2")
    assert run.frames[-1].label.startswith("mmu_notifier_release")
    assert run.frames[-1].answer is False


def test_both_paths_call_release_before_either_unlinks():
    last = last_of(TWICE, "PutsEachTime", UNDERFLOW)
    assert last.label.startswith("io_mm_put")
    assert last.world.srcu.readers == frozenset({"CPU0", "CPU1"})


def test_leftover_work_of_p1_writes_the_page_of_p2():
    case = find(REUSE, "FreeInMmput")
    last = replay(case, case.schedules["the leftover work"]).frames[-1]
    assert (last.actor, last.violated) == ("OLD", (MIXED,))
    assert last.world.old.inflight.pfn == 8


def test_with_a_reference_of_the_bond_the_number_outlives_the_process():
    run = replay(find(REUSE, "FreeInMmdrop"), "CPU0*12")
    assert run.frames[-1].world.ioasid.owner == "P1"
    assert run.blocked()["CPU2"]


def test_a_slot_that_is_taken_refuses_without_fault_of_the_second_process():
    last = last_of(REUSE, "RefuseTakenSlot", "bind_refused")
    assert last.actor == "CPU2"
    assert last.world.new.stopped


def test_only_what_the_reader_follows_decides_which_object_is_used_freed():
    assert "bond" in last_of(READER, "BondAtOnce", UAF).log[0]
    assert "io_mm" in last_of(READER, "NotifierAtOnce", UAF).log[0]


def test_a_notifier_that_was_never_put_is_called_by_the_exit():
    last = last_of(UNLOAD, "NeverPut", "calls_unloaded_code")
    assert (last.actor, last.label) == ("CPU0", "release(module)")


def test_a_grace_period_alone_does_not_wait_for_the_callback():
    run = replay(find(UNLOAD, "SynchronizeOnly"), "CPU1*5 SRCU")
    assert run.violated == ("calls_unloaded_code",)
    assert not run.frames[-1].world.module.loaded


def test_callbacks_of_one_list_run_before_the_grace_period_ends():
    run = replay(find(UNLOAD, "SynchronizeInOrder"), "CPU1*3")
    assert "CPU1" in run.blocked()


def test_which_releases_waited_for_a_callback():
    """Per-CPU lists from v5.4, where synchronize_srcu() came, to v5.18; one list since."""
    eras = {name: find(UNLOAD, name).source for name in ("SynchronizeOnly", "SynchronizeInOrder")}
    assert [eras["SynchronizeOnly"].behaved_in(v) for v in ("v5.3", "v5.4", "v5.18", "v5.19")] == [
        False,
        True,
        True,
        False,
    ]
    assert eras["SynchronizeInOrder"].behaved_in("v5.19")
    assert not eras["SynchronizeInOrder"].behaved_in("v5.18")


def test_the_entry_comes_back_on_a_pasid_that_is_free():
    last = last_of(BONDS, "ReleaseClearsUnlocked", LEFT)
    assert last.world.io_mm.bonds == ()
    assert last.world.smmu.entry.name == "dummy pgd"


def test_the_lock_does_not_keep_the_callback_out():
    last = last_of(LATE, "BondBeforeInit", UNINIT)
    assert last.actor == "CPU2"
    assert last.world.lock.owner in ("CPU0", "CPU1")


MUTANTS = [
    # scenario, case, actor, lines left out, what breaks
    (BIND, "CallerPins", "CPU0", ("list_add",), {FREED}),
    (BIND, "AttachPins", "CPU1", ("arm_smmu_write_ctx_desc",), {FREED}),
    (BIND, "RefuseIfCleared", "CPU0", ("is_cleared",), {FREED}),
    (BIND, "RefuseIfCleared", "CPU0", LOCK, {FREED}),
    (BIND, "RefuseIfCleared", "CPU1", ("set_cleared",), {FREED}),
    (BIND, "RefuseIfCleared", "CPU1", LOCK, {FREED}),
    (PUT, "StopPutClear", "CPU0", ("stop_queue",), {FREED, PGD}),
    (PUT, "StopPutClear", "CPU0", ("drain_queue",), {FREED}),
    (PUT, "StopClearPut", "CPU0", ("stop_queue", "arm_smmu_write_ctx_desc"), {FREED, PGD}),
    (PUT, "StopClearPut", "CPU0", ("stop_queue",), set()),  # "Simplified:" says why
    (TWICE, "PutsOnce", "CPU0", LOCK, {UNDERFLOW}),
    (TWICE, "PutsOnce", "CPU0", ("is_cleared",), {UNDERFLOW}),
    (TWICE, "PutsOnce", "CPU1", ("set_cleared",), {UNDERFLOW}),
    (TWICE, "PutsOnce", "CPU0", ("synchronize_srcu",), {UAF}),
    (TWICE, "PutsOnce", "CPU1", READ, {UAF}),
    (REUSE, "FreeInUnbind", "CPU1", ("stop_queue",), {MIXED}),
    (REUSE, "FreeInUnbind", "CPU1", ("list_del",), {LOST}),
    (REUSE, "FreeInUnbind", "CPU1", LOCK, {LOST}),
    (REUSE, "FreeInUnbind", "CPU1", ("arm_smmu_tlb_inv_asid",), {MIXED, FREED}),
    (REUSE, "FreeInMmdrop", "CPU1", ("mmdrop",), {"deadlock"}),
    (READER, "BothLater", "CPU0", READ, {UAF}),
    (READER, "BothLater", "CPU1", ("list_del",), {UAF}),
    (READER, "BothLater", "CPU1", ("mmu_notifier_put",), {UAF}),
    (UNLOAD, "Barrier", "CPU1", ("srcu_barrier",), {"calls_unloaded_code"}),
    (UNLOAD, "Barrier", "CPU1", ("mmu_notifier_put",), {"calls_unloaded_code"}),
    (UNLOAD, "SynchronizeInOrder", "CPU1", ("synchronize_srcu",), {"calls_unloaded_code"}),
    (BONDS, "ReleaseDetaches", "CPU0", ("forget_io_mm",), {UNDERFLOW}),
    (BONDS, "ReleaseDetaches", "CPU0", LOCK, {UNDERFLOW, UAF}),
    (BONDS, "ReleaseClears", "CPU0", LOCK, {UAF, LEFT}),
    (BONDS, "ReleaseClears", "CPU1", ("list_del",), {UAF, LEFT}),
    (BONDS, "ReleaseClears", "CPU1", ("io_mm_put",), {LEAKED}),
    (BONDS, "BindTwice", "CPU1", ("io_mm_get",), {UNDERFLOW}),
    (LATE, "LateUnderLock", "CPU0", LOCK, {UNINIT}),
    (LATE, "PrivateData", "CPU0", ("init_ctx",), {UNINIT}),
    (LATE, "RegisterUnderLock", "CPU0", LOCK, {"two_notifiers_for_one_process"}),
]


@pytest.mark.parametrize(("scenario", "name", "actor", "lines", "broken"), MUTANTS)
def test_each_line_of_a_fix_matters(scenario, name, actor, lines, broken):
    case = find(scenario, name)
    assert breaks(explore(mutant(case, actor, *lines))) == broken
