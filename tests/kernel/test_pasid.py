"""An mm that ends, a PASID's entry, and the caches filled from it."""

import pytest

from mmviz.engine import Case, Verdict, World, explore
from mmviz.kernel.iommu.pasid import NOT_PRESENT, NOT_PRESENT_QUIET, Smmu, SvaDevice
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.page import Page


def wired():
    mm = MmStruct(pgd=Pgd(Page(7), name="pgd"), mm_count=2, subscribed=True, name="mm")
    smmu = Smmu(mm.pgd)
    return mm, smmu, SvaDevice(smmu)


def test_a_first_dma_fills_each_cache_from_the_one_before():
    mm, smmu, dev = wired()
    page = dev.translate().do()
    assert page is mm.pgd.page
    assert (smmu.cached_entry, smmu.iotlb, dev.atc, dev.inflight) == (mm.pgd, page, page, page)


def test_a_device_with_a_cached_translation_does_not_ask_the_iommu():
    _, smmu, dev = wired()
    page = dev.translate().do()
    smmu.arm_smmu_write_ctx_desc(NOT_PRESENT).do()
    smmu.arm_smmu_sync_cd().do()
    smmu.arm_smmu_tlb_inv_asid().do()
    assert dev.translate().do() is page


def test_the_iotlb_answers_without_a_walk():
    _, smmu, dev = wired()
    page = dev.translate().do()
    smmu.arm_smmu_write_ctx_desc(Pgd()).do()
    smmu.arm_smmu_sync_cd().do()
    dev.arm_smmu_atc_inv_domain().do()
    assert dev.translate().do() is page


def test_a_walk_uses_the_cached_entry():
    mm, smmu, dev = wired()
    dev.translate().do()
    smmu.arm_smmu_write_ctx_desc(Pgd()).do()
    smmu.arm_smmu_tlb_inv_asid().do()
    dev.arm_smmu_atc_inv_domain().do()
    assert dev.translate().do() is mm.pgd.page


def test_with_empty_caches_a_walk_of_a_dummy_pgd_finds_no_page():
    _, smmu, dev = wired()
    dev.translate().do()
    smmu.arm_smmu_write_ctx_desc(Pgd()).do()
    smmu.arm_smmu_sync_cd().do()
    smmu.arm_smmu_tlb_inv_asid().do()
    dev.arm_smmu_atc_inv_domain().do()
    assert dev.translate().do() is None


def test_a_completion_waits_for_the_dma_in_flight():
    _, _, dev = wired()
    sync = dev.arm_smmu_cmdq_issue_sync()
    dev.translate().do()
    assert not sync.when(dev)
    dev.access().do()
    assert sync.when(dev)


def test_a_stopped_device_starts_no_dma():
    _, _, dev = wired()
    dev.stop_queue().do()
    assert not dev.translate().when(dev)


def test_an_exit_frees_the_page_and_leaves_the_pgd_to_the_last_reference():
    mm, _, dev = wired()
    page = mm.pgd.page
    assert mm.mmput().do()
    mm.exit_mmap().do()
    assert page.is_free
    assert dev.translate().do() is None
    mm.mmdrop().do()
    assert not mm.pgd.freed
    mm.mmdrop().do()
    assert mm.pgd.freed


def test_an_mm_with_another_user_does_not_end():
    mm = MmStruct(pgd=Pgd(Page(7)), mm_users=2)
    assert not mm.mmput().do()


def test_a_subscriber_is_found_until_it_is_unlinked():
    mm, *_ = wired()
    assert mm.mmu_notifier_release().do()
    mm.mn_hlist_release().do()
    assert not mm.mmu_notifier_release().do()


class OneMm(World):
    mm: MmStruct
    smmu: Smmu
    dev: SvaDevice


@pytest.mark.parametrize(
    ("entry", "found"), [(NOT_PRESENT, Verdict.ALWAYS), (NOT_PRESENT_QUIET, Verdict.NEVER)]
)
def test_only_one_kind_of_not_present_is_reported(entry, found):
    async def dma(k):
        await k.dev.translate()

    def world():
        smmu = Smmu(entry)
        return OneMm(MmStruct(pgd=Pgd(Page(7))), smmu, SvaDevice(smmu))

    assert judged("user_fills_kernel_log", world, dma) == found


def test_one_mmdrop_too_many_is_reported():
    async def drops(k):
        await k.mm.mmdrop()
        await k.mm.mmdrop()

    def world():
        smmu = Smmu(NOT_PRESENT)
        return OneMm(MmStruct(pgd=Pgd(Page(7))), smmu, SvaDevice(smmu))

    assert judged("refcount_underflow", world, drops) == Verdict.ALWAYS


def judged(bad_state, world, actor):
    case = Case(
        name="Toy",
        id="toy",
        title="toy",
        world=world,
        actors={"DEV": actor},
        bad=(bad_state,),
        expect={bad_state: Verdict.NEVER},
    )
    return explore(case).verdicts[bad_state]
