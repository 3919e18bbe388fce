"""A driver binds a process that is exiting.

CPU0 binds a process to a device: it notes the device, then writes the process's pgd into the
PASID's entry, and starts the device.  CPU1 exits that process meanwhile: release() looks which
devices are bound and makes their entries lead nowhere.  If release() comes between the note and
the entry, the pgd is installed over the dummy.  Nobody will take it away before the pages go.

Promise: A pgd is installed only in a process that somebody still uses, or release() removes it.

Memory model: sequentially consistent; the caches of the IOMMU and of the device are modelled.

Simplified:
    As exit_during_dma, without an unbind.  The notifier is registered already, for another device.
    The device is started when it is bound: a DMA before that would be a driver's bug.
    When a pinned process is bound, the driver's own mmput() may be the last, and then runs
    release() there; so it must hold no lock that release() takes, which sva/release_takes_lock
    shows.
    RefuseIfCleared: the pgd may be written after mm_users is zero, since release() has yet to come.

Sources:
    Jason Gunthorpe, 2020-03-13, <20200313191324.GG31668@ziepe.ca>: no mmget() past release()
    drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-sva.c: arm_smmu_sva_set_dev_pasid(), v6.11
    d38c28dbefee (v6.11) attach does mmget_not_zero() itself
    drivers/iommu/iommu-sva.c: iommu_sva_bind_device(): the caller must have the mm pinned
"""

from functools import partial
from typing import Protocol

from mmviz.engine import Case, Verdict, expecting, field
from mmviz.kernel.io_mm import IoMm, SvaBond
from mmviz.kernel.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm_struct import mmput as put_user
from mmviz.kernel.page import Page
from mmviz.kernel.pasid import NOT_PRESENT, Smmu, SvaDevice
from mmviz.scenarios.sva.exit_during_dma import BAD, SOMETIMES, Bond, DummyPgd, dma


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


async def mmput(k: Binding, driver: Driver) -> None:
    """A user leaves; the last one runs exit_mmap() with release()."""
    await put_user(k.mm, lambda: driver.release(k))


async def iommu_sva_bind_device(k: Binding, driver: Driver) -> None:
    """Bind the device to the process, and start it."""
    await driver.bind(k)


async def attach(k: Binding) -> None:
    """Note the device, install the pgd, start."""
    await k.io_mm.list_add(k.bond)
    await k.smmu.arm_smmu_write_ctx_desc(k.mm.pgd)
    await k.dev.start_queue()


class Unpinned:
    """Nothing keeps the process from ending while it is bound."""

    async def bind(self, k: Binding) -> None:
        await attach(k)

    async def release(self, k: Binding) -> None:
        if not await k.io_mm.list_is_empty():
            await DummyPgd().release(k)


class LookAtUsers(Unpinned):
    async def bind(self, k: Binding) -> None:
        if await k.mm.has_users():  # it may lose the last one right now
            await attach(k)


class CallerPins(Unpinned):
    """The caller is a user of the address space until the bind is done."""

    async def bind(self, k: Binding) -> None:
        await attach(k)
        await mmput(k, self)


class AttachPins(Unpinned):
    async def bind(self, k: Binding) -> None:
        if await k.mm.mmget_not_zero():
            await attach(k)
            await mmput(k, self)


class RefuseIfCleared(Unpinned):
    """Bind and release() take one lock, and release() leaves a note."""

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


def case(
    driver: Driver,
    variant: str,
    title: str,
    mm_users: int = 1,
    *,
    states: int,
    shipped: tuple[str, str] | None = None,
    schedules: dict[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the bind against the exit and the device's DMA."""
    return Case(
        name=type(driver).__name__,
        id=f"A8/{variant}",
        title=title,
        world=partial(binding, mm_users),
        actors={
            "CPU0": lambda k: iommu_sva_bind_device(k, driver),
            "CPU1": lambda k: mmput(k, driver),
            "DEV": dma,
        },
        daemons=("DEV",),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        shipped=shipped,
        schedules=schedules or {},
    )


CASES = (
    case(
        Unpinned(),
        "h1",
        "nobody pins the process",
        states=134,
        schedules={"the pgd over the dummy": "CPU0 CPU1*8 CPU0*2 DEV CPU1*2"},
        device_reads_freed_page=SOMETIMES,
    ),
    case(
        LookAtUsers(),
        "h5",
        "tempting: look whether the process has a user, and take no reference",
        states=147,
        device_reads_freed_page=SOMETIMES,
    ),
    case(
        CallerPins(),
        "h2",
        "the rule of iommu_sva_bind_device(): its caller is a user of the process",
        mm_users=2,
        states=77,
    ),
    case(
        AttachPins(),
        "h3",
        "SMMUv3 (v6.11): mmget_not_zero() while it attaches",
        states=90,
        shipped=("v6.11", ""),
    ),
    case(
        RefuseIfCleared(),
        "h4",
        "under the lock that release() takes, refused once it has run",
        states=86,
    ),
)

SPARE = {
    "await mmput(k, self)": (
        "Without it the process is never torn down, and there is nothing to be late for."
    ),
}
