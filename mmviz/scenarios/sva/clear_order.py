"""In which order the entry and three caches must be emptied.

To make a PASID fail, release() writes a dummy pgd into the PASID's entry.  But the IOMMU keeps a
copy of the entry and a copy of what it found by walking, and the device keeps one more.  Each is
filled from the one before.  If a cache is emptied before the thing it is filled from, one DMA fills
it again with what was meant to go.

Promise: When release() returns, no DMA can find the process's pages.

Memory model: sequentially consistent; the three caches are modelled.

Simplified:
    As exit_during_dma: one page, one PASID; the device asks and the IOMMU walks in one step.
    The command queue is in order: to wait for the last command is to wait for all.
    Where release() waits, it waits for the DMA in flight, which is what a completed invalidation
    means.

Sources:
    <20200306145245.GK31668@ziepe.ca> 2020-03-06, Gunthorpe: switch and invalidate, said as one
    drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c: arm_smmu_write_ctx_desc(), arm_smmu_sync_cd(),
    arm_smmu_tlb_inv_asid(), arm_smmu_atc_inv_domain(), arm_smmu_cmdq_issue_sync()
    32784a9562fb (v5.11) SMMUv3 bind and unbind
"""

from mmviz.engine import Race
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.sva.worlds import (
    BAD,
    Bond,
    bond,
    device_reads_freed_page,
    dma,
    iommu_sva_unbind_device,
    mmput,
)

race = Race(
    "A2",
    world=bond,
    actors={"CPU0": mmput, "CPU1": iommu_sva_unbind_device, "DEV": dma},
    daemons=("DEV",),
    bad=BAD,
)


@race.case(
    "b2",
    "the entry is switched, no cache is emptied",
    sometimes=[device_reads_freed_page],
    states=214,
    source=constructed("what the caches hold when only the entry changes"),
)
class EntryOnly:
    """All three caches keep what they have."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.dev.arm_smmu_cmdq_issue_sync()


@race.case(
    "b3",
    "tempting: all but the IOMMU's copy of the entry",
    sometimes=[device_reads_freed_page],
    states=290,
    source=constructed("what CFGI_CD is for"),
)
class NoEntrySync:
    """The IOMMU's copy of the entry stays, and the next walk begins there."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()


@race.case(
    "b4",
    "the caches first, then the entry",
    sometimes=[device_reads_freed_page],
    states=345,
    source=constructed("why the entry is switched before the flush"),
)
class EntryLast:
    """Between the flush and the switch a DMA fills the caches again."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_sync_cd()
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)


@race.case(
    "b5",
    "the IOMMU's copy of the entry last",
    sometimes=[device_reads_freed_page],
    states=304,
    source=constructed("why CFGI_CD comes before TLBI"),
)
class EntrySyncLast:
    """A DMA walks from the copy of the entry and fills the caches again."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()
        await k.smmu.arm_smmu_sync_cd()


@race.case(
    "b6",
    "tempting: the IOMMU is flushed, the device's cache is not",
    sometimes=[device_reads_freed_page],
    states=278,
    source=constructed("what the ATC invalidation is for"),
)
class NoDeviceCache:
    """What the device keeps is used without asking the IOMMU."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_sync_cd()
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_cmdq_issue_sync()


@race.case(
    "b7",
    "the IOTLB stays",
    sometimes=[device_reads_freed_page],
    states=300,
    source=constructed("what the TLBI by ASID is for"),
)
class NoIotlb:
    """The device asks again, and the IOMMU answers from its IOTLB."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_sync_cd()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()


@race.case(
    "b8",
    "tempting: the device's cache before the IOTLB",
    sometimes=[device_reads_freed_page],
    states=337,
    schedules={"the device asks between the flushes": "DEV*2 CPU0*6 DEV*2 CPU0*4 DEV"},
    source=constructed("why TLBI comes before the ATC invalidation"),
)
class DeviceCacheBeforeIotlb:
    """Every flush is there, in an order that looks as good."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_sync_cd()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()
        await k.smmu.arm_smmu_tlb_inv_asid()  # until here the device may ask again
        await k.dev.arm_smmu_cmdq_issue_sync()


@race.case(
    "b9",
    "the right order, without waiting for completion",
    sometimes=[device_reads_freed_page],
    states=242,
    source=constructed("what the last CMD_SYNC is for"),
)
class NoCompletion:
    """A DMA that is under way may land after the pages are freed."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_sync_cd()
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_atc_inv_domain()


@race.case(
    "b1",
    "the right order, as SMMUv3 since v5.11: entry, copy, IOTLB, device",
    states=257,
    source=shipped("v5.11", where="32784a9562fb", checked=("v6.18", "2026-11-28")),
)
class EachAfterItsSource:
    """Each cache is emptied after the thing it is filled from."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await k.smmu.arm_smmu_sync_cd()
        await k.smmu.arm_smmu_tlb_inv_asid()
        await k.dev.arm_smmu_atc_inv_domain()
        await k.dev.arm_smmu_cmdq_issue_sync()
