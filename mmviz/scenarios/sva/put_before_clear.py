"""The driver drops its notifier before it has cleared the entry.

A driver unbinds while the process may exit.  As long as its notifier is on the process's list, an
exit will tell it; once it is put, nobody will.  If the PASID's entry still is the process's pgd
then, the exit frees pages and tables under the device without a word: release() is not called at
all.  The API says so: with mmu_notifier_put() it may be that release() never runs.

Promise: As long as a device can reach a process's pages, an exit of that process is told to it.

Memory model: sequentially consistent; the caches of the IOMMU and of the device are modelled.

Simplified:
    As exit_during_dma, with the quiet entry, so that no DMA is reported; reports are
    sva/report_policy's matter.
    The notifier's reference on the mm is put right after it is unlinked; the grace period between
    is left out, sva/free_under_reader shows it.
    A table entry that leads to a freed pgd is bad only while the device works.
    StopClearPut is right twice over: for the process's memory either to stop the device or to clear
    entry and caches would do, as long as it comes before the put.

Sources:
    Jason Gunthorpe, 2020-02-28, in the thread of <20200313191324.GG31668@ziepe.ca>: release() is
    unusual and may be called more than once
    mm/mmu_notifier.c: mmu_notifier_put(), mmu_notifier_unregister(); 2c7933f53f6b (v5.4)
"""

from typing import Protocol

from mmviz.engine import Case, Verdict, expecting
from mmviz.kernel.pasid import NOT_PRESENT_QUIET
from mmviz.scenarios.sva import exit_during_dma
from mmviz.scenarios.sva.exit_during_dma import (
    SOMETIMES,
    Bond,
    DummyPgd,
    bond,
    device_reads_freed_page,
    dma,
    flush,
    mmput,
)


def iommu_walks_freed_pgd(k: Bond) -> bool:
    """The device works, and the IOMMU walks a pgd that was given back: DMA may land anywhere."""
    return not k.dev.stopped and exit_during_dma.iommu_walks_freed_pgd(k)


class Order(Protocol):
    async def iommu_sva_unbind_device(self, k: Bond) -> None: ...


async def stop(k: Bond) -> None:
    """No DMA is begun any more, and none is on its way."""
    await k.dev.stop_queue()
    await k.dev.drain_queue()


async def clear(k: Bond) -> None:
    """The entry leads nowhere, and nobody remembers where it led."""
    await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT_QUIET)
    await flush(k)


async def put(k: Bond) -> None:
    """The driver is not told any more, and its reference goes."""
    await k.mm.mmu_notifier_put()
    await k.mm.mmdrop()


class PutClear:
    """The device is not stopped at all."""

    async def iommu_sva_unbind_device(self, k: Bond) -> None:
        await put(k)
        await clear(k)


class PutStopClear:
    async def iommu_sva_unbind_device(self, k: Bond) -> None:
        await put(k)
        await stop(k)
        await clear(k)


class StopPutClear:
    """Right as long as really no DMA is left."""

    async def iommu_sva_unbind_device(self, k: Bond) -> None:
        await stop(k)
        await put(k)
        await clear(k)


class StopClearPut:
    """The subscription goes last."""

    async def iommu_sva_unbind_device(self, k: Bond) -> None:
        await stop(k)
        await clear(k)
        await put(k)


BAD = (device_reads_freed_page, iommu_walks_freed_pgd)


def case(
    order: Order,
    variant: str,
    title: str,
    *,
    states: int,
    schedules: dict[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race an order of unbind against the exit and the device's DMA."""
    return Case(
        name=type(order).__name__,
        id=f"A9/{variant}",
        title=title,
        world=bond,
        actors={
            "CPU0": order.iommu_sva_unbind_device,
            "CPU1": lambda k: mmput(k, DummyPgd()),
            "DEV": dma,
        },
        daemons=("DEV",),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        schedules=schedules or {},
    )


CASES = (
    case(
        PutClear(),
        "i2",
        "put, then clear, while the device works",
        states=383,
        schedules={"put, then the exit, then a DMA": "DEV*2 CPU0*2 CPU1*5 DEV"},
        device_reads_freed_page=SOMETIMES,
        iommu_walks_freed_pgd=SOMETIMES,
    ),
    case(
        PutStopClear(),
        "i4",
        "tempting: put, then stop and clear",
        states=364,
        device_reads_freed_page=SOMETIMES,
        iommu_walks_freed_pgd=SOMETIMES,
    ),
    case(
        StopPutClear(),
        "i3",
        "stop, put, clear: right only if no DMA and no page request is left",
        states=312,
    ),
    case(StopClearPut(), "i1", "the right order: stop, clear, put", states=263),
)

SPARE = {
    "await clear(k)": (
        "The device is stopped by then and uses no entry; whoever gets the PASID next would notice."
    ),
}
