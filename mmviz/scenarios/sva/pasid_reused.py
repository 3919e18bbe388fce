"""A PASID is given to the next process while the device still uses it for the last.

A process exits; its PASID leads nowhere from then on, but the device goes on working with that
number until its driver unbinds.  When may the number be given to another process?  If it is free as
soon as the process is gone, a second process may get it, bind the same device, and put its pgd in
the entry: then the first one's leftover work writes the second one's memory.

Promise: Work begun for one process never reaches another's memory, and a bound process keeps its
    translation.

Memory model: sequentially consistent; the IOMMU's caches are modelled.

Simplified:
    One number is left, so the second process waits until it is free, and gets it.
    Each process has a queue on the one device, which has no cache but the IOTLB.
    NoFlush: what stays in the IOTLB leads to a page that may be free by then, too.
    The quiet entry is used, so that no DMA is reported.
    P2 stays bound, or is refused: that is what the refusal costs.
    release() and unbind take the lock of sva/two_drivers_bind.  Without it a late release() would
    write P1's dummy over P2's pgd.  FreeInMmdrop alone would not need it: there the exit's
    reference keeps the number until release() is through.

Sources:
    <20200313191324.GG31668@ziepe.ca> 2020-03-13, Gunthorpe: not present only when the PASID is
    fully destroyed
    701fac40384f (v5.18-rc1) frees the PASID in __mmput(); 2667ed10d9f0 (v5.18-rc6) in __mmdrop()
    <YllADL6uMoLllzQo@fyu1.sc.intel.com> 2022-04-15, Yu: how the number is freed while in use
    66ac4db36f4c (v5.8) VT-d drains page requests at unbind
    drivers/iommu/iommu.c: iommu_attach_device_pasid(), group->pasid_array (v6.2)
"""

from collections.abc import Coroutine
from functools import partial
from typing import Any

from mmviz.engine import Race, World, field
from mmviz.kernel.iommu.io_mm import IoMm, SvaBond
from mmviz.kernel.iommu.pasid import (
    NOT_PRESENT_QUIET,
    DmaQueue,
    DropsPasid,
    Ioasid,
    PasidArray,
    Smmu,
)
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.mm_struct import mmput as put_user
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import candidate, constructed, shipped
from mmviz.scenarios.sva import SERIES_V4


class Reuse(World):
    """Process P1 is bound to a device, process P2 is about to bind it; there is one PASID."""

    p1: MmStruct
    p2: MmStruct
    smmu: Smmu
    old: DmaQueue
    new: DmaQueue
    ioasid: Ioasid
    pasid_array: PasidArray
    io_mm: IoMm
    bond: SvaBond
    dummy: Pgd = field(default_factory=lambda: Pgd(name="dummy pgd"))


def reuse(drops_pasid: bool = False) -> Reuse:
    """P1 is bound and its notifier counted, P2 just runs."""
    ioasid = Ioasid("P1")
    pgd = Pgd(Page(7), name="pgd of P1")
    if drops_pasid:
        p1: MmStruct = DropsPasid(pgd=pgd, mm_count=2, subscribed=True, ioasid=ioasid, name="P1")
    else:
        p1 = MmStruct(pgd=pgd, mm_count=2, subscribed=True, name="P1")
    p2 = MmStruct(pgd=Pgd(Page(8), name="pgd of P2"), name="P2")
    smmu = Smmu(p1.pgd)
    old = DmaQueue(smmu, name="queue of P1")
    new = DmaQueue(smmu, stopped=True, name="queue of P2")
    bond = SvaBond()
    return Reuse(p1, p2, smmu, old, new, ioasid, PasidArray(p1), IoMm(bonds=(bond,)), bond)


def device_mixes_processes(k: Reuse) -> bool:
    """A DMA that was started for one process is about to reach the memory of another one."""
    pages = (k.old.inflight, k.new.inflight)
    return any(
        page is not None and page.pfn != own for page, own in zip(pages, (7, 8), strict=True)
    )


def device_reads_freed_page(k: Reuse) -> bool:
    """A DMA is on its way to a page that was given back: its next owner's data are overwritten."""
    return any(q.inflight is not None and q.inflight.is_free for q in (k.old, k.new))


def process_loses_translation(k: Reuse) -> bool:
    """The second process is bound, and its PASID leads elsewhere: its DMA fails or strays."""
    return not k.new.stopped and k.smmu.entry is not k.p2.pgd


async def flush(k: Reuse) -> None:
    """The IOMMU forgets what it copied, and what is in flight lands."""
    await k.smmu.arm_smmu_sync_cd()
    await k.smmu.arm_smmu_tlb_inv_asid()
    await k.old.arm_smmu_cmdq_issue_sync()


async def mmput(k: Reuse, driver: Any) -> None:
    """P1's last user leaves."""
    await driver.mmput(k)


async def iommu_sva_unbind_device(k: Reuse, driver: Any) -> None:
    """P1's driver ends its work."""
    await driver.unbind(k)


async def iommu_sva_bind_device(k: Reuse, driver: Any) -> None:
    """P2 gets a PASID and binds the device."""
    await k.ioasid.ioasid_alloc("P2")
    await driver.bind(k)


async def dma(queue: DmaQueue) -> None:
    """The device works on one queue until it is told to stop."""
    while True:
        if await queue.translate() is not None:
            await queue.access()


def old_queue(k: Reuse) -> Coroutine[Any, Any, None]:
    """The device works for the process that had the number."""
    return dma(k.old)


def new_queue(k: Reuse) -> Coroutine[Any, Any, None]:
    """The device works for the process that has the number now."""
    return dma(k.new)


race = Race(
    "A11",
    world=reuse,
    actors={
        "CPU0": mmput,
        "CPU1": iommu_sva_unbind_device,
        "CPU2": iommu_sva_bind_device,
        "OLD": old_queue,
        "NEW": new_queue,
    },
    daemons=("OLD", "NEW"),
    bad=(
        device_mixes_processes,
        device_reads_freed_page,
        process_loses_translation,
        "bind_refused",
    ),
)


class Library:
    """What the variants share; they differ in when the number is freed."""

    async def mmput(self, k: Reuse) -> None:
        await put_user(k.p1, lambda: self.release(k))

    async def release(self, k: Reuse) -> None:
        await k.io_mm.lock.mutex_lock()
        if not await k.io_mm.list_is_empty():
            await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
            await flush(k)
        await k.io_mm.lock.mutex_unlock()

    async def clear(self, k: Reuse) -> None:
        await k.io_mm.lock.mutex_lock()
        await k.io_mm.list_del(k.bond)
        await self.clear_entry(k)
        await k.io_mm.lock.mutex_unlock()

    async def clear_entry(self, k: Reuse) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT_QUIET)
        await flush(k)

    async def stop(self, k: Reuse) -> None:
        await k.old.stop_queue()
        await k.old.drain_queue()

    async def bind(self, k: Reuse) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.p2.pgd)
        await k.new.start_queue()


@race.case(
    "k1",
    "as in v5.18-rc1: the number is free when the process is gone",
    sometimes=[device_mixes_processes, process_loses_translation],
    states=323,
    schedules={"the leftover work": "CPU0*13 CPU2*3 OLD"},
    source=candidate("v5.18", "701fac40384f", "2022-02-07"),
)
class FreeInMmput(Library):
    """The number is freed when the last user of the process has gone."""

    async def mmput(self, k: Reuse) -> None:
        await super().mmput(k)
        await k.ioasid.ioasid_free()

    async def unbind(self, k: Reuse) -> None:
        await self.stop(k)
        await self.clear(k)
        await k.p1.mmdrop()


@race.case(
    "k2",
    "tempting: the same, and a slot that is taken refuses the next process",
    sometimes=["bind_refused"],
    states=257,
    source=constructed("a refusal, as by group->pasid_array (v6.2), hits the next process"),
)
class RefuseTakenSlot(FreeInMmput):
    """The core does not attach a process to a slot that another still has."""

    async def unbind(self, k: Reuse) -> None:
        await self.stop(k)
        await self.clear(k)
        await k.pasid_array.iommu_detach_device_pasid()
        await k.p1.mmdrop()

    async def bind(self, k: Reuse) -> None:
        if await k.pasid_array.iommu_attach_device_pasid(k.p2):
            await super().bind(k)


@race.case(
    "k3",
    "as in v5.18: freed with the last reference on the mm, and the bond holds one",
    world=partial(reuse, drops_pasid=True),
    states=189,
    source=shipped("v5.18", where="2667ed10d9f0", checked=("v6.18", "2026-11-28")),
)
class FreeInMmdrop(Library):
    """The number is freed with the last reference on the mm, and the bond holds one."""

    async def unbind(self, k: Reuse) -> None:
        await self.stop(k)
        await self.clear(k)  # redundant: release() has cleared the entry when the number is free
        await k.p1.mmdrop()


@race.case(
    "k4",
    "freed in unbind, when the device is quiet (v4 and v5 of the series)",
    states=283,
    source=SERIES_V4,
)
class FreeInUnbind(Library):
    """The number is freed last: device stopped, entry cleared, caches empty."""

    async def unbind(self, k: Reuse) -> None:
        await self.stop(k)
        await self.clear(k)
        await k.ioasid.ioasid_free()
        await k.p1.mmdrop()


@race.case(
    "k5",
    "freed in unbind, and the device drained afterwards",
    sometimes=[device_mixes_processes],
    states=432,
    source=constructed("why the device is drained before its number is free (66ac4db36f4c)"),
)
class DrainAfterFree(FreeInUnbind):
    """The device still works when the number is free."""

    async def unbind(self, k: Reuse) -> None:
        await self.clear(k)
        await k.ioasid.ioasid_free()
        await self.stop(k)  # too late
        await k.p1.mmdrop()


@race.case(
    "k6",
    "freed in unbind, and the IOTLB is not flushed",
    sometimes=[device_mixes_processes, device_reads_freed_page],
    states=394,
    source=constructed("why the caches are emptied before the number is free"),
)
class NoFlush(FreeInUnbind):
    """The IOTLB still has a translation under the number that is given away."""

    async def clear_entry(self, k: Reuse) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT_QUIET)
