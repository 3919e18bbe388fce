"""A GPU driver that shares a process's memory and lets its GPU do atomics there."""

from mmviz.engine import field, mark
from mmviz.kernel.atomic_access import AtomicAccess
from mmviz.kernel.exclusive_mm import ExclusiveMm
from mmviz.kernel.interval_notifier import MMU_NOTIFY_EXCLUSIVE, MmuIntervalNotifier
from mmviz.kernel.locks import Mutex


class Svmm(MmuIntervalNotifier):
    """A process's memory as one GPU's driver keeps it, with its interval notifier.

    Attributes:
        cookie: what the driver calls itself when it causes an invalidation. Never changes.
        mutex: guards the GPU's page table.
        gpu: that table's entry for the page.

    Source: drivers/gpu/drm/nouveau/nouveau_svm.c, struct nouveau_svmm, struct svm_notifier.
    Simplified: nouveau unmaps in a second, process-wide notifier that runs later; one callback does
    both here.  What the GPU has under way when it is unmapped is in exclusive/atomic_loses_update.
    """

    cookie: str = "nouveau"
    mutex: Mutex = field(default_factory=Mutex)
    gpu: AtomicAccess = field(default_factory=AtomicAccess)

    def ignores(self, event: str, owner: str) -> bool:
        """Return whether the callback returns at once: for the driver's own conversion."""
        return event == MMU_NOTIFY_EXCLUSIVE and owner == self.cookie

    async def invalidate(self, event: str, owner: str) -> None:
        """Break the driver's read sections and clear the GPU's entry, unless it is our own doing.

        Source: nouveau_svm_range_invalidate(), nouveau_svmm_invalidate_range_start().
        """
        if self.ignores(event, owner):
            return
        await self.mutex.mutex_lock()
        await self.mmu_interval_set_seq()
        await self.gpu.unmap()
        await self.mutex.mutex_unlock()


async def nouveau_atomic_range_fault(mm: ExclusiveMm, svmm: Svmm, prefault: bool = False) -> None:
    """Let the GPU do atomics on the page: read section, conversion, check under the mutex, map.

    Args:
        mm: the process.
        svmm: what the driver keeps of it.
        prefault: bring the page in before each read section, which the kernel does not do.

    Source: drivers/gpu/drm/nouveau/nouveau_svm.c, nouveau_atomic_range_fault(), with the unlock and
    put of 2025 before a retry.
    Simplified: nouveau gives up after a second; here it goes on for ever.
    """
    while True:
        mark("again")
        if prefault and not await mm.fixup_user_fault():
            return
        await svmm.mmu_interval_read_begin()
        await mm.mmap_lock.down_read()
        page = await mm.make_device_exclusive_range(svmm.cookie)
        await mm.mmap_lock.up_read()
        if page is None:
            return
        await svmm.mutex.mutex_lock()
        retry = await svmm.mmu_interval_read_retry()
        if not retry:
            await svmm.gpu.map_atomic(page)
        await svmm.mutex.mutex_unlock()
        await page.unlock_page()
        await page.put_page()
        if not retry:
            return
