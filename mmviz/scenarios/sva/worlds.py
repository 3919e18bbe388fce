"""What several races of this thread share: a process bound to a device, its DMA, and its end."""

from typing import Any, Protocol

from mmviz.engine import World, field
from mmviz.kernel.iommu.pasid import NOT_PRESENT, Smmu, SvaDevice
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.mm_struct import mmput as put_user
from mmviz.kernel.mm.page import Page


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


BAD = (device_reads_freed_page, iommu_walks_freed_pgd, "user_fills_kernel_log")


class Driver(Protocol):
    async def release(self, k: Any) -> None: ...


async def mmput(k: Bond, driver: Driver) -> None:
    """A user leaves; the last one runs exit_mmap() with its notifier calls, then mmdrop()."""
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
        if await k.dev.translate() is not None:
            await k.dev.access()
