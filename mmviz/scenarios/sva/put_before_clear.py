"""The driver drops its notifier before it has cleared the entry.

A driver unbinds while the process may exit.  As long as its notifier is on the process's list, an
exit calls its release(); once it is put, an exit does not.  If the PASID's entry still is the
process's pgd then, the exit frees pages and tables under the device, and release() never runs.  The
API says so: after mmu_notifier_put() it is not guaranteed that release() is called.

Promise: As long as a device can reach a process's pages, an exit of that process calls release().

Memory model: sequentially consistent; the caches of the IOMMU and of the device are modelled.

Simplified:
    As exit_during_dma, with the quiet entry, so that no DMA is reported; sva/report_policy is about
    reports.
    The notifier's reference on the mm is put right after it is unlinked; the grace period between
    is left out, sva/free_under_reader shows it.
    A table entry that leads to a freed pgd is bad only while the device works.
    StopClearPut is right for two reasons: for the process's memory either to stop the device or to
    clear entry and caches is enough, as long as it comes before the put.

Sources:
    <20200306130919.GJ31668@ziepe.ca> 2020-03-06, Gunthorpe: get/put does not guarantee release();
    the caller must fence everything before the put
    mm/mmu_notifier.c: mmu_notifier_put(), whose comment says the same; 2c7933f53f6b (v5.4)
    drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-sva.c: arm_smmu_mmu_notifier_put() (v5.11),
    arm_smmu_sva_domain_free() (v6.11)
"""

from typing import Protocol

from mmviz.engine import Race
from mmviz.kernel.iommu.pasid import NOT_PRESENT_QUIET
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.sva import INVALIDATE_ALL, worlds
from mmviz.scenarios.sva.exit_during_dma import DummyPgd
from mmviz.scenarios.sva.worlds import Bond, bond, device_reads_freed_page, dma, flush, mmput


def iommu_walks_freed_pgd(k: Bond) -> bool:
    """The device works, and the IOMMU walks a pgd that was given back: DMA may land anywhere."""
    return not k.dev.stopped and worlds.iommu_walks_freed_pgd(k)


class Order(Protocol):
    async def iommu_sva_unbind_device(self, k: Bond) -> None: ...


async def unbind(k: Bond, order: Order) -> None:
    """The driver ends its use."""
    await order.iommu_sva_unbind_device(k)


async def exit_task(k: Bond) -> None:
    """The process ends; its notifier, if it is told, installs the dummy pgd."""
    await mmput(k, DummyPgd())


async def stop(k: Bond) -> None:
    """The device starts no more DMA, and none is on its way."""
    await k.dev.stop_queue()
    await k.dev.drain_queue()


async def clear(k: Bond) -> None:
    """The entry leads nowhere, and no cache remembers where it led."""
    await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT_QUIET)
    await flush(k)


async def put(k: Bond) -> None:
    """Take the notifier off the list and put its reference: no more callbacks."""
    await k.mm.mmu_notifier_put()
    await k.mm.mmdrop()


race = Race(
    "A9",
    world=bond,
    actors={"CPU0": unbind, "CPU1": exit_task, "DEV": dma},
    daemons=("DEV",),
    bad=(device_reads_freed_page, iommu_walks_freed_pgd),
)


@race.case(
    "i2",
    "put, then clear, while the device works",
    sometimes=[device_reads_freed_page, iommu_walks_freed_pgd],
    states=368,
    schedules={"put, then the exit, then a DMA": "DEV*2 CPU0*2 CPU1*5 DEV"},
    source=constructed("what the rule for mmu_notifier_put() prevents"),
)
class PutClear:
    """The device is not stopped at all."""

    async def iommu_sva_unbind_device(self, k: Bond) -> None:
        await put(k)
        await clear(k)


@race.case(
    "i4",
    "tempting: put, then stop and clear",
    sometimes=[device_reads_freed_page, iommu_walks_freed_pgd],
    states=349,
    source=constructed("to stop the device after the put is too late"),
)
class PutStopClear:
    """Between put and stop an exit may free the pages."""

    async def iommu_sva_unbind_device(self, k: Bond) -> None:
        await put(k)
        await stop(k)
        await clear(k)


@race.case(
    "i3",
    "stop, put, clear: right only if no DMA and no page request is left",
    states=297,
    source=constructed("to stop the device before the put is enough for memory"),
)
class StopPutClear:
    """Right as long as no DMA is left at all."""

    async def iommu_sva_unbind_device(self, k: Bond) -> None:
        await stop(k)
        await put(k)
        # redundant: the device is stopped and uses no entry; sva/pasid_reused has its next user
        await clear(k)


@race.case(
    "i1",
    "the right order, as SMMUv3 since v5.11: stop, clear, put",
    states=257,
    source=shipped("v5.11", said=INVALIDATE_ALL, checked=("v6.18", "2026-11-28")),
)
class StopClearPut:
    """The subscription goes last."""

    async def iommu_sva_unbind_device(self, k: Bond) -> None:
        await stop(k)
        # redundant: the device is stopped and uses no entry; sva/pasid_reused has its next user
        await clear(k)
        await put(k)
