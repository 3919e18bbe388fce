"""In which order the entry and three caches must be emptied.

To make a PASID fail, release() writes a dummy pgd into the PASID's entry.  But the IOMMU keeps a
copy of the entry, a copy of what it found by walking, and the device keeps one more: each is
filled from the one before.  Empty a cache before the thing it is filled from, and one DMA fills it
again with what was meant to go.

Promise: When release() returns, no DMA finds the process's pages any more.

Memory model: sequentially consistent; the three caches are modelled.

Simplified:
    As exit_during_dma: one page, one PASID, the device asks and the IOMMU walks in one step.
    The command queue is in order: to wait for the last command is to wait for all.
    Where release() waits, it waits for the DMA in flight, which is what a completed invalidation
    means.

Sources:
    Jason Gunthorpe, 2020-03-13, <20200313191324.GG31668@ziepe.ca>: switch and invalidate as one
    drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c: arm_smmu_write_ctx_desc(), arm_smmu_sync_cd(),
    arm_smmu_tlb_inv_asid(), arm_smmu_atc_inv_domain(), arm_smmu_cmdq_issue_sync()
    32784a9562fb (v5.11) SMMUv3 bind and unbind
"""

from dataclasses import replace

from mmviz.engine import Case
from mmviz.scenarios.sva.exit_during_dma import SOMETIMES, Bond, Driver
from mmviz.scenarios.sva.exit_during_dma import case as exit_case


class EntryOnly:
    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.dev.arm_smmu_cmdq_issue_sync()


class NoEntrySync:
    """The IOMMU's copy of the entry is forgotten about."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()


class EntryLast:
    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_sync_cd()
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)


class EntrySyncLast:
    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()
        await k.smmu.arm_smmu_sync_cd()


class NoDeviceCache:
    """What the device keeps is used without asking the IOMMU."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_sync_cd()
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_cmdq_issue_sync()


class NoIotlb:
    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_sync_cd()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()


class DeviceCacheBeforeIotlb:
    """All is there, in an order that looks as good."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_sync_cd()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()
        await k.smmu.arm_smmu_tlb_inv_asid()  # until here the device may ask again
        await k.dev.arm_smmu_cmdq_issue_sync()


class NoCompletion:
    """Nobody waits for the DMA that is on its way."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_sync_cd()
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_atc_inv_domain()


class EachAfterItsSource:
    """Each cache is emptied after the thing it is filled from."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_sync_cd()
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()


def fails(driver: Driver, variant: str, title: str, states: int) -> Case:
    """An order that leaves a way to the page."""
    return exit_case(driver, f"A2/{variant}", title, states, device_reads_freed_page=SOMETIMES)


CASES = (
    fails(EntryOnly(), "b2", "the entry is switched, no cache is emptied", 220),
    fails(NoEntrySync(), "b3", "tempting: all but the IOMMU's copy of the entry", 296),
    fails(EntryLast(), "b4", "the caches first, then the entry", 351),
    fails(EntrySyncLast(), "b5", "the IOMMU's copy of the entry last", 310),
    fails(NoDeviceCache(), "b6", "tempting: the IOMMU is clean, the device is not asked", 284),
    fails(NoIotlb(), "b7", "the IOTLB stays", 306),
    replace(
        fails(DeviceCacheBeforeIotlb(), "b8", "tempting: the device's cache before the IOTLB", 343),
        schedules={"the device asks between the flushes": "DEV*2 CPU0*6 DEV*2 CPU0*4 DEV"},
    ),
    fails(NoCompletion(), "b9", "the right order, and no waiting at its end", 248),
    exit_case(
        EachAfterItsSource(),
        "A2/b1",
        "the right order, as SMMUv3 since v5.11: entry, copy, IOTLB, device",
        263,
        shipped=("v5.11", ""),
    ),
)
