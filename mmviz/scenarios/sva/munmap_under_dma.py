"""A process unmaps a page that a device works on.

Nothing keeps user space from unmapping memory under its own device; an exit is no different, all
goes at once.  The order saves the kernel: the entry goes first, then what was copied of it, and
only then the page.  What the device meets afterwards is an error.  It is the user's own error, so
the queue may learn of it; the kernel's log may not, or any user could fill it.

Promise: A page is freed when no DMA can reach it any more, and a user's mistake is the user's to
    hear of.

Memory model: sequentially consistent; the caches of the IOMMU and of the device are modelled.

Simplified:
    As exit_during_dma; the process lives, one page is unmapped.
    Until the invalidation is done the device may use the old translation: the page is not free yet.

Sources:
    Jason Gunthorpe, 2020-03-13, <20200313191324.GG31668@ziepe.ca>: munmap() as the comparison
    mm/mmu_gather.c: tlb_finish_mmu(); mm/memory.c: unmap_vmas()
    include/linux/mmu_notifier.h: arch_invalidate_secondary_tlbs() (v6.6), invalidate_range() before
"""

from typing import Protocol

from mmviz.engine import Case, Verdict, expecting, field, mark
from mmviz.kernel.mm_struct import MmStruct, Pgd
from mmviz.kernel.page import Page
from mmviz.kernel.pasid import Smmu, SvaDevice
from mmviz.kernel.report import ErrorReport
from mmviz.scenarios.sva.exit_during_dma import SOMETIMES, Bond, device_reads_freed_page


class Unmapping(Bond):
    """A process bound to a device, and somebody to tell of errors."""

    report: ErrorReport = field(default_factory=ErrorReport)


def unmapping() -> Unmapping:
    """The page is mapped, the device may use it."""
    mm = MmStruct(pgd=Pgd(Page(7), name="pgd"), mm_count=2, subscribed=True)
    smmu = Smmu(mm.pgd)
    return Unmapping(mm, smmu, SvaDevice(smmu, name="device"))


class Order(Protocol):
    async def munmap(self, k: Unmapping) -> None: ...
    async def failed(self, k: Unmapping) -> None: ...


async def arch_invalidate_secondary_tlbs(k: Unmapping) -> None:
    """IOTLB and the device's cache forget the page, and what used them has landed."""
    await k.smmu.arm_smmu_tlb_inv_asid()
    await k.dev.arm_smmu_atc_inv_domain()
    await k.dev.arm_smmu_cmdq_issue_sync()


async def dma(k: Unmapping, order: Order) -> None:
    """The device works; an address that is not mapped is an error."""
    while True:
        mark("next DMA")
        if await k.dev.translate() is not None:
            await k.dev.access()
        else:
            await order.failed(k)


class ClearInvalidateFree:
    """The order of mmu_gather; the queue's owner sees the error."""

    async def munmap(self, k: Unmapping) -> None:
        page = await k.mm.zap_pte_range()
        await arch_invalidate_secondary_tlbs(k)
        if page is not None:
            await page.put_page()

    async def failed(self, k: Unmapping) -> None:
        await k.report.fail_queue()


class Unreported(ClearInvalidateFree):
    """The same, and nobody is told."""

    async def failed(self, k: Unmapping) -> None:
        pass


class Printed(ClearInvalidateFree):
    async def failed(self, k: Unmapping) -> None:
        await k.report.dev_err()


class ClearFreeInvalidate(ClearInvalidateFree):
    async def munmap(self, k: Unmapping) -> None:
        page = await k.mm.zap_pte_range()
        if page is not None:
            await page.put_page()
        await arch_invalidate_secondary_tlbs(k)


class InvalidateClearFree(ClearInvalidateFree):
    async def munmap(self, k: Unmapping) -> None:
        await arch_invalidate_secondary_tlbs(k)
        page = await k.mm.zap_pte_range()
        if page is not None:
            await page.put_page()


BAD = (device_reads_freed_page, "user_fills_kernel_log")


def case(
    order: Order,
    variant: str,
    title: str,
    *,
    states: int,
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the munmap against the device."""
    return Case(
        name=type(order).__name__,
        id=f"A13/{variant}",
        title=title,
        proposed=proposed,
        world=unmapping,
        actors={"CPU0": order.munmap, "DEV": lambda k: dma(k, order)},
        daemons=("DEV",),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        schedules=schedules or {},
    )


CASES = (
    case(
        ClearFreeInvalidate(),
        "m2",
        "the page is freed, then the caches are told",
        states=32,
        schedules={"freed under the IOTLB": "DEV*2 CPU0*2 DEV"},
        device_reads_freed_page=SOMETIMES,
    ),
    case(
        InvalidateClearFree(),
        "m3",
        "tempting: the caches first, so that nothing is stale",
        states=36,
        device_reads_freed_page=SOMETIMES,
    ),
    case(
        Printed(),
        "m4",
        "tempting: the right order, and each error is printed",
        states=31,
        user_fills_kernel_log=SOMETIMES,
    ),
    case(
        Unreported(),
        "m1",
        "the right order: entry, caches, page",
        states=18,
        proposed=("2020-03-13", "<20200313191324.GG31668@ziepe.ca>"),
    ),
    case(
        ClearInvalidateFree(),
        "m5",
        "the same, and the queue's owner learns of the error",
        states=31,
    ),
)
