"""The SVA thread: the facts of its stories, and what each line of a fix is for."""

import pytest

from mmviz.engine import at_end, explore, replay
from mmviz.scenarios import find

from .mutation import breaks, mutant

EXIT = "sva/exit_during_dma"
ORDER = "sva/clear_order"
FREED, LOG = "device_reads_freed_page", "user_fills_kernel_log"


def test_a_walk_after_the_flush_brings_the_page_back_into_the_caches():
    case = find(EXIT, "FlushOnly")
    run = replay(case, case.schedules["a walk between the flush and the free"])

    bad = next(frame for frame in run.frames if frame.violated)
    assert (bad.actor, bad.label, bad.violated) == ("CPU0", "exit_mmap(mm)", (FREED,))
    assert run.frames[2].world.dev.atc is not None
    assert run.frames[9].world.dev.atc is None
    assert bad.world.dev.atc.is_free


def test_a_page_table_walk_after_the_exit_is_a_plain_fault():
    """With the pgd still installed and the tables gone a fresh walk finds nothing: no bug."""
    run = replay(find(EXIT, "ReleaseNothing"), "CPU0*4 DEV")
    assert run.frames[-1].answer is None
    assert run.violated == ()


def test_a_cleared_entry_lets_the_user_fill_the_log():
    case = find(EXIT, "ClearEntry")
    example = explore(case).counterexamples[LOG]
    last = replay(case, example.fewest_preemptions).frames[-1]
    assert (last.actor, last.violated) == ("DEV", (LOG,))
    assert last.world.dev.stopped is False


def test_a_dummy_pgd_lets_the_same_dma_fail_quietly():
    run = replay(find(EXIT, "DummyPgd"), "CPU0*6 DEV")
    assert run.frames[-1].answer is None
    assert run.frames[-1].world.smmu.cached_entry.name == "dummy pgd"
    assert run.violated == ()


def test_the_device_fills_its_cache_again_from_the_iotlb():
    case = find(ORDER, "DeviceCacheBeforeIotlb")
    run = replay(case, case.schedules["the device asks between the flushes"])

    refill = run.frames[9]
    assert {change.field for change in refill.writes} == {"device.atc", "device.inflight"}
    assert (run.frames[-1].actor, run.frames[-1].violated) == ("DEV", (FREED,))
    assert run.frames[-1].world.smmu.iotlb is None


def test_without_waiting_the_page_is_freed_under_a_dma_in_flight():
    case = find(ORDER, "NoCompletion")
    example = explore(case).counterexamples[FREED]
    last = replay(case, example.shortest).frames[-1]
    assert (last.actor, last.label) == ("CPU0", "exit_mmap(mm)")
    assert last.world.dev.inflight.is_free
    assert last.world.dev.atc is None


@at_end
def pgd_leaked(k):
    """The process is gone and unbound, and its pgd is still there."""
    return not k.mm.pgd.freed


PGD = "iommu_walks_freed_pgd"
WAITS = ("drain_queue", "arm_smmu_cmdq_issue_sync")
MUTANTS = [
    # case, actor, lines left out, what breaks
    ("DummyPgd", "CPU0", ("arm_smmu_write_ctx_desc",), {FREED}),
    ("DummyPgd", "CPU0", ("arm_smmu_sync_cd",), {FREED}),
    ("DummyPgd", "CPU0", ("arm_smmu_tlb_inv_asid",), {FREED}),
    ("DummyPgd", "CPU0", ("arm_smmu_atc_inv_domain",), {FREED}),
    ("DummyPgd", "CPU0", ("arm_smmu_cmdq_issue_sync",), {FREED}),
    ("DummyPgd", "CPU0", ("mmdrop",), {"pgd_leaked"}),
    ("DummyPgd", "CPU1", ("mmdrop",), {"pgd_leaked"}),
    ("DummyPgd", "CPU1", ("stop_queue",), {LOG}),
    ("DummyPgd", "CPU1", ("arm_smmu_write_ctx_desc",), {PGD}),
    ("DummyPgd", "CPU1", ("arm_smmu_sync_cd",), {PGD}),
    ("DummyPgd", "CPU1", WAITS, {FREED}),
    ("ClearEntryQuietly", "CPU0", ("arm_smmu_write_ctx_desc",), {FREED}),
    ("ClearEntryQuietly", "CPU0", ("arm_smmu_sync_cd",), {FREED}),
    ("ClearEntryQuietly", "CPU0", ("arm_smmu_cmdq_issue_sync",), {FREED}),
]
HIDDEN = [
    # lines of unbind that the model cannot tell from nothing; "Simplified:" says why
    ("DummyPgd", "CPU1", ("arm_smmu_tlb_inv_asid",)),
    ("DummyPgd", "CPU1", ("arm_smmu_atc_inv_domain",)),
    ("DummyPgd", "CPU1", ("drain_queue",)),
    ("DummyPgd", "CPU1", ("arm_smmu_cmdq_issue_sync",)),
    ("DummyPgd", "CPU1", ("mmu_notifier_put",)),
]


@pytest.mark.parametrize(("name", "actor", "lines", "broken"), MUTANTS, ids=lambda v: str(v))
def test_each_line_of_a_fix_matters(name, actor, lines, broken):
    case = find(EXIT, name)
    assert breaks(explore(mutant(case, actor, extra=pgd_leaked))) == set()
    assert breaks(explore(mutant(case, actor, *lines, extra=pgd_leaked))) == broken


@pytest.mark.parametrize(("name", "actor", "lines"), HIDDEN, ids=lambda v: str(v))
def test_what_the_model_hides_is_known(name, actor, lines):
    case = find(EXIT, name)
    assert breaks(explore(mutant(case, actor, *lines, extra=pgd_leaked))) == set()
