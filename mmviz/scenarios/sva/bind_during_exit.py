"""A driver binds a process that is exiting.

CPU0 binds a process to a device: it records the device, then writes the process's pgd into the
PASID's entry, and starts the device.  CPU1 exits that process meanwhile: release() looks which
devices are bound and makes their entries lead nowhere.  If release() comes between the record and
the entry, the pgd is installed over the dummy.  No later call takes it away before the pages go.

Promise: A pgd is installed only in a process that still has a user, or release() removes it.

Memory model: sequentially consistent; the caches of the IOMMU and of the device are modelled.

Simplified:
    As exit_during_dma, without an unbind.
    The notifier is registered already, for another device.
    The device is started when it is bound: a DMA before that would be a driver's bug.
    When a pinned process is bound, the driver's own mmput() may be the last, and then runs
    release() there.  So it must hold no lock that release() takes; sva/release_takes_lock shows
    that.
    RefuseIfCleared: the pgd may be written after mm_users is zero, since release() has yet to come.

Sources:
    <20200306130919.GJ31668@ziepe.ca> 2020-03-06, Gunthorpe: no mmget() past release()
    be51b1d6bbff (v6.2) drivers/iommu/iommu-sva.c: iommu_sva_bind_device(): "caller must hold a
    reference to mm_users"; before, the comment did not say which reference
    d38c28dbefee (v6.11) drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-sva.c:
    arm_smmu_sva_set_dev_pasid() does mmget_not_zero() itself
    drivers/iommu/iommu-sva.c of the SVA series v4 (2020-02-24): io_mm_attach() drops its lock
    between the record and the entry; v5 (2020-04-14) keeps it
"""

from functools import partial
from typing import Protocol

from mmviz.engine import Race, field
from mmviz.kernel.iommu.io_mm import IoMm, SvaBond
from mmviz.kernel.iommu.pasid import NOT_PRESENT, Smmu, SvaDevice
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.sva.exit_during_dma import DummyPgd
from mmviz.scenarios.sva.worlds import BAD, Bond, device_reads_freed_page, dma, mmput


class Binding(Bond):
    """A process, and a device that is about to be bound to it."""

    io_mm: IoMm = field(default_factory=IoMm)
    bond: SvaBond = field(default_factory=SvaBond)


def binding(mm_users: int = 1) -> Binding:
    """Before the bind: the process runs, the device is stopped."""
    mm = MmStruct(pgd=Pgd(Page(7), name="pgd"), mm_users=mm_users, mm_count=2, subscribed=True)
    smmu = Smmu(NOT_PRESENT)
    return Binding(mm, smmu, SvaDevice(smmu, stopped=True, name="device"))


class Driver(Protocol):
    async def bind(self, k: Binding) -> None: ...
    async def release(self, k: Binding) -> None: ...


async def iommu_sva_bind_device(k: Binding, driver: Driver) -> None:
    """Bind the device to the process, and start it."""
    await driver.bind(k)


async def attach(k: Binding) -> None:
    """Record the device, install the pgd, start."""
    await k.io_mm.list_add(k.bond)
    await k.smmu.arm_smmu_write_ctx_desc(k.mm.pgd)
    await k.dev.start_queue()


race = Race(
    "A8",
    world=binding,
    actors={"CPU0": iommu_sva_bind_device, "CPU1": mmput, "DEV": dma},
    daemons=("DEV",),
    bad=BAD,
)


@race.case(
    "h1",
    "the process is not pinned",
    sometimes=[device_reads_freed_page],
    states=121,
    schedules={"the pgd over the dummy": "CPU0 CPU1*8 CPU0*2 DEV CPU1*2"},
    source=constructed("what the rule that bind's caller holds mm_users prevents"),
)
class Unpinned:
    """Nothing keeps the process from ending while it is bound."""

    async def bind(self, k: Binding) -> None:
        await attach(k)

    async def release(self, k: Binding) -> None:
        if not await k.io_mm.list_is_empty():
            await DummyPgd().release(k)


@race.case(
    "h5",
    "tempting: check whether the process has a user, and take no reference",
    sometimes=[device_reads_freed_page],
    states=134,
    source=constructed("a test without a reference may be stale at once"),
)
class LookAtUsers(Unpinned):
    """A look at mm_users, which may drop to zero right after."""

    async def bind(self, k: Binding) -> None:
        if await k.mm.has_users():  # it may lose the last one right now
            await attach(k)


@race.case(
    "h2",
    "the rule of iommu_sva_bind_device(): its caller is a user of the process",
    world=partial(binding, mm_users=2),
    states=77,
    source=shipped("v6.2", where="be51b1d6bbff", checked=("v6.16", "2026-11-28")),
)
class CallerPins(Unpinned):
    """The caller is a user of the address space until the bind is done."""

    async def bind(self, k: Binding) -> None:
        await attach(k)
        # redundant: without the last put the process is never torn down
        await mmput(k, self)


@race.case(
    "h3",
    "SMMUv3 (v6.11): mmget_not_zero() while it attaches",
    states=90,
    source=shipped("v6.11", where="d38c28dbefee", checked=("v6.18", "2026-11-28")),
)
class AttachPins(Unpinned):
    """The attach itself becomes a user, or fails."""

    async def bind(self, k: Binding) -> None:
        if await k.mm.mmget_not_zero():
            await attach(k)
            # redundant: without the last put the process is never torn down
            await mmput(k, self)


@race.case(
    "h4",
    "under the lock that release() takes, refused once it has run",
    states=86,
    source=constructed("a lock does without a pin: series v5's lock, and a refusal it lacks"),
)
class RefuseIfCleared(Unpinned):
    """Bind and release() take one lock, and release() leaves a flag."""

    async def bind(self, k: Binding) -> None:
        await k.io_mm.lock.mutex_lock()
        if not await k.io_mm.is_cleared():
            await attach(k)
        await k.io_mm.lock.mutex_unlock()

    async def release(self, k: Binding) -> None:
        await k.io_mm.lock.mutex_lock()
        await k.io_mm.set_cleared()
        await super().release(k)
        await k.io_mm.lock.mutex_unlock()
