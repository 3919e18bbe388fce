"""A process exits while a device works on its memory.

The device uses the process's own page table, by its PASID.  The process is killed: exit_mmap()
calls the notifier's release(), unlinks the notifier, and frees pages and tables.  Nobody has told
the device to stop.  What it keeps in its caches, and what it can still walk to, must be gone when
release() returns, for after that nobody tells the IOMMU anything.

Promise: When a page is given back, no DMA can reach it; and an exit never fills the kernel's log.

Memory model: sequentially consistent; what is not coherent, the caches of the IOMMU and of the
    device, is modelled.

Simplified:
    One process, one device, one page; the process has one user, so its last mmput() ends it.
    The driver unbinds at any time, before, during or after the exit, and stops the device first.
    The driver's lock around the entry and SRCU around release() are left out: whatever the order,
    an entry only moves away from the pgd.
    Some lines of unbind show nothing here.  The flushes of IOTLB and device cache: the device has
    stopped, and its PASID is not given to another process.  One of the two waits, drain and sync:
    they wait for the same DMA.  mmu_notifier_put(): the notifier's own memory is left out.
    An address that faults is silent by itself; page requests (PRI) are left out.
    Not judged: release() that sleeps, which is what speaks against stopping the device in it.

Sources:
    Jason Gunthorpe, 2020-03-13, <20200313191324.GG31668@ziepe.ca>
    mm/mmu_notifier.c: __mmu_notifier_release(), mn_hlist_release(), mmu_notifier_put()
    kernel/fork.c: mmput(), mmdrop(); mm/mmap.c: exit_mmap()
    drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-sva.c: arm_smmu_mm_release()
    edcc40d2ab5f (v5.8) iommu_sva_ops::mm_exit goes; 32784a9562fb (v5.11) SMMUv3 bind and unbind
"""

from dataclasses import replace
from functools import partial
from typing import Protocol

from mmviz.engine import Case, Verdict, World, expecting, field, mark
from mmviz.kernel.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm_struct import mmput as put_user
from mmviz.kernel.page import Page
from mmviz.kernel.pasid import NOT_PRESENT, NOT_PRESENT_QUIET, Smmu, SvaDevice


class Bond(World):
    """A process, bound to a device: the PASID's entry is the process's pgd."""

    mm: MmStruct
    smmu: Smmu
    dev: SvaDevice
    dummy: Pgd = field(default_factory=lambda: Pgd(name="dummy pgd"))


def bond(counted: bool = True) -> Bond:
    """Bind; the notifier holds a reference on the mm if it is counted."""
    mm = MmStruct(pgd=Pgd(Page(7), name="pgd"), mm_count=1 + counted, subscribed=True)
    smmu = Smmu(mm.pgd)
    return Bond(mm, smmu, SvaDevice(smmu, name="device"))


def device_reads_freed_page(k: Bond) -> bool:
    """A DMA is on its way to a page that was given back: its next owner's data are overwritten."""
    return k.dev.inflight is not None and k.dev.inflight.is_free


def iommu_walks_freed_pgd(k: Bond) -> bool:
    """The IOMMU walks a pgd that was given back: a device's DMA may land anywhere."""
    return any(isinstance(to, Pgd) and to.freed for to in (k.smmu.entry, k.smmu.cached_entry))


class Driver(Protocol):
    async def release(self, k: Bond) -> None: ...


async def mmput(k: Bond, driver: Driver) -> None:
    """The last user leaves: exit_mmap() with its notifier calls, then the last mmdrop()."""
    await put_user(k.mm, lambda: driver.release(k))


async def iommu_sva_unbind_device(k: Bond, counted: bool = True) -> None:
    """The orderly end: stop, drain, entry away, caches empty, subscription and reference put."""
    await k.dev.stop_queue()
    await k.dev.drain_queue()
    await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
    await flush(k)
    await k.mm.mmu_notifier_put()
    if counted:
        await k.mm.mmdrop()  # by free_notifier(), after a grace period


async def flush(k: Bond) -> None:
    """Empty each cache after the one it is filled from, and wait for what is in flight."""
    await k.smmu.arm_smmu_sync_cd()
    await k.smmu.arm_smmu_tlb_inv_asid()
    await k.dev.arm_smmu_atc_inv_domain()
    await k.dev.arm_smmu_cmdq_issue_sync()


async def dma(k: Bond) -> None:
    """The device works on its queue until it is told to stop."""
    while True:
        mark("next DMA")
        if await k.dev.translate() is not None:
            await k.dev.access()


class ReleaseNothing:
    async def release(self, k: Bond) -> None:
        pass


class FlushOnly:
    """What is enough for a driver with shadow page tables."""

    async def release(self, k: Bond) -> None:
        await flush(k)  # the entry still is the pgd: the next walk fills the caches again


class ClearEntry:
    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
        await flush(k)


class ClearEntryQuietly:
    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT_QUIET)
        await flush(k)


class StopDevice:
    """The device is stopped, which takes as long as the device likes."""

    async def release(self, k: Bond) -> None:
        await k.dev.stop_queue()
        await k.dev.drain_queue()
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
        await flush(k)


class DummyPgd:
    """The PASID stays present and leads nowhere until the driver unbinds."""

    async def release(self, k: Bond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(k.dummy)
        await flush(k)


BAD = (device_reads_freed_page, iommu_walks_freed_pgd, "user_fills_kernel_log")
SOMETIMES = Verdict.SOMETIMES


def case(
    driver: Driver,
    variant: str,
    title: str,
    states: int,
    counted: bool = True,
    shipped: tuple[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the exit against the driver's unbind and the device's DMA."""
    return Case(
        name=type(driver).__name__ + ("" if counted else "Uncounted"),
        id=variant,
        title=title,
        proposed=proposed,
        world=partial(bond, counted),
        actors={
            "CPU0": lambda k: mmput(k, driver),
            "CPU1": lambda k: iommu_sva_unbind_device(k, counted),
            "DEV": dma,
        },
        daemons=("DEV",),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        shipped=shipped,
    )


CASES = (
    case(
        ReleaseNothing(),
        "A1/a1",
        "release() does nothing: the caches stay",
        122,
        device_reads_freed_page=SOMETIMES,
    ),
    case(
        ReleaseNothing(),
        "A1/a2",
        "nor does the notifier hold a reference on the mm",
        113,
        counted=False,
        device_reads_freed_page=SOMETIMES,
        iommu_walks_freed_pgd=SOMETIMES,
    ),
    replace(
        case(
            FlushOnly(),
            "A1/a3",
            "tempting: invalidate everything, as shadow page tables need it",
            256,
            device_reads_freed_page=SOMETIMES,
        ),
        schedules={"a walk between the flush and the free": "DEV*2 CPU0*7 DEV CPU0 DEV"},
        proposed=("2020-03-06", "<20200306130919.GJ31668@ziepe.ca>"),
    ),
    case(
        ClearEntry(),
        "A1/a4",
        "tempting: the entry goes non-present, so each DMA is reported as an error",
        246,
        user_fills_kernel_log=SOMETIMES,
    ),
    case(
        StopDevice(),
        "A1/a7",
        "tempting, as v5.2 allowed: stop the device (safe here; see release_sleeps)",
        192,
        proposed=("2020-03-06", "<20200306161519.GB99609@myrica>"),
    ),
    case(
        ClearEntryQuietly(),
        "A1/a5",
        "VT-d's way (v5.8): non-present with fault processing disabled",
        231,
        shipped=("v5.8", ""),
    ),
    case(
        DummyPgd(),
        "A1/a6",
        "as the thread proposed, and SMMUv3 does (v5.11): a pgd that always fails",
        263,
        shipped=("v5.11", ""),
        proposed=("2020-03-06", "<20200306145245.GK31668@ziepe.ca>"),
    ),
    case(
        DummyPgd(),
        "A1/a8",
        "the same where the notifier holds no reference on the mm",
        241,
        counted=False,
    ),
)

SPARE = {
    "StopDevice: await k.dev.drain_queue()": (
        "The flush waits for the DMA under way as well; each of the two would do."
    ),
    "StopDevice: await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)": (
        "A device that is stopped and drained asks for nothing: the entry may lead anywhere."
    ),
    "StopDevice: await flush(k)": (
        "A device that is stopped and drained uses no cache: they may hold anything."
    ),
}
