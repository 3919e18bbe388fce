"""A process unmaps a page that a device works on.

Nothing keeps user space from unmapping memory under its own device; an exit is no different, all
goes at once.  The order protects the kernel: the entry goes first, then what was copied of it, and
only then the page.  What the device meets afterwards is an error.  It is the user's own error.  So
the queue may learn of it, but the kernel's log may not: otherwise any user could fill it.

Promise: A page is freed when no DMA can reach it any more, and a user's mistake is reported to that
    user only.

Memory model: sequentially consistent; the caches of the IOMMU and of the device are modelled.

Simplified:
    As exit_during_dma; the process lives, one page is unmapped.
    Until the invalidation is done the device may use the old translation: the page is not free yet.

Sources:
    <20200306145245.GK31668@ziepe.ca> 2020-03-06, Gunthorpe: munmap() as the comparison; the PASID
    takes errors, and the device and its driver run their error flow
    <20200306174239.GM31668@ziepe.ca> 2020-03-06, Gunthorpe: an unprivileged user must not be able
    to make the kernel print
    mm/mmu_gather.c: tlb_finish_mmu(); mm/memory.c: unmap_vmas()
    include/linux/mmu_notifier.h: arch_invalidate_secondary_tlbs() (v6.6), invalidate_range() before
"""

from typing import Protocol

from mmviz.engine import Race, field
from mmviz.kernel.iommu.fault_report import ErrorReport
from mmviz.kernel.iommu.pasid import Smmu, SvaDevice
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.sva import ALL_FAIL_PGD
from mmviz.scenarios.sva.worlds import Bond, device_reads_freed_page


class Unmapping(Bond):
    """A process bound to a device, and the places where an error can be reported."""

    report: ErrorReport = field(default_factory=ErrorReport)


def unmapping() -> Unmapping:
    """The page is mapped, the device may use it."""
    mm = MmStruct(pgd=Pgd(Page(7), name="pgd"), mm_count=2, subscribed=True)
    smmu = Smmu(mm.pgd)
    return Unmapping(mm, smmu, SvaDevice(smmu, name="device"))


class Order(Protocol):
    async def munmap(self, k: Unmapping) -> None: ...
    async def failed(self, k: Unmapping) -> None: ...


async def munmap(k: Unmapping, order: Order) -> None:
    """The process unmaps the page."""
    await order.munmap(k)


async def arch_invalidate_secondary_tlbs(k: Unmapping) -> None:
    """IOTLB and the device's cache forget the page, and what used them has landed."""
    await k.smmu.arm_smmu_tlb_inv_asid()
    await k.dev.arm_smmu_atc_inv_domain()
    await k.dev.arm_smmu_cmdq_issue_sync()


async def dma(k: Unmapping, order: Order) -> None:
    """The device works; an address that is not mapped is an error."""
    while True:
        if await k.dev.translate() is not None:
            await k.dev.access()
        else:
            await order.failed(k)


race = Race(
    "A13",
    world=unmapping,
    actors={"CPU0": munmap, "DEV": dma},
    daemons=("DEV",),
    bad=(device_reads_freed_page, "user_fills_kernel_log"),
)


@race.case(
    "m2",
    "the page is freed, then the caches are invalidated",
    sometimes=[device_reads_freed_page],
    states=32,
    schedules={"freed under the IOTLB": "DEV*2 CPU0*2 DEV"},
    source=constructed("why mmu_gather frees last"),
)
class ClearFreeInvalidate:
    """The page is free while the caches still lead to it."""

    async def munmap(self, k: Unmapping) -> None:
        page = await k.mm.zap_pte_range()
        if page is not None:
            await page.put_page()
        await arch_invalidate_secondary_tlbs(k)

    async def failed(self, k: Unmapping) -> None:
        await k.report.fail_queue()


@race.case(
    "m3",
    "tempting: the caches first, so that nothing is stale",
    sometimes=[device_reads_freed_page],
    states=36,
    source=constructed("why the entry goes before the caches: a walk fills them again"),
)
class InvalidateClearFree(ClearFreeInvalidate):
    """Between the invalidation and the clearing a walk fills the caches again."""

    async def munmap(self, k: Unmapping) -> None:
        await arch_invalidate_secondary_tlbs(k)
        page = await k.mm.zap_pte_range()
        if page is not None:
            await page.put_page()


@race.case(
    "m5",
    "the right order, and the queue's owner learns of the error",
    states=31,
    source=ALL_FAIL_PGD,
)
class ClearInvalidateFree(ClearFreeInvalidate):
    """The order of mmu_gather; the queue's owner sees the error."""

    async def munmap(self, k: Unmapping) -> None:
        page = await k.mm.zap_pte_range()
        await arch_invalidate_secondary_tlbs(k)
        if page is not None:
            await page.put_page()


@race.case(
    "m4",
    "tempting: the right order, and each error is printed",
    sometimes=["user_fills_kernel_log"],
    states=31,
    source=constructed("the prints that the mail of 2020-03-06 forbids"),
)
class Printed(ClearInvalidateFree):
    """Each failed DMA prints a line."""

    async def failed(self, k: Unmapping) -> None:
        await k.report.dev_err()


@race.case(
    "m1",
    "the same order: entry, caches, page; and no report",
    states=18,
    source=ALL_FAIL_PGD,
)
class Unreported(ClearInvalidateFree):
    """The same order, and the error is not reported."""

    async def failed(self, k: Unmapping) -> None:
        pass
