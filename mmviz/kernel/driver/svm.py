"""A GPU driver that shares a process's memory and lets its GPU do atomics there."""

from mmviz.engine import field
from mmviz.kernel.driver.atomic_access import AtomicAccess
from mmviz.kernel.mm.exclusive_mm import ExclusiveMm
from mmviz.kernel.notifier.interval import MMU_NOTIFY_EXCLUSIVE, MmuIntervalNotifier
from mmviz.kernel.sync.locks import Mutex


class Svmm(MmuIntervalNotifier):
    """A process's memory as one GPU's driver keeps it, with its interval notifier.

    Attributes:
        cookie: what the driver calls itself when it causes an invalidation. Never changes.
        mutex: guards the GPU's page table.
        gpu: that table's entry for the page.

    Source: drivers/gpu/drm/nouveau/nouveau_svm.c, struct nouveau_svmm, struct svm_notifier.
    Simplified: nouveau unmaps in a second, process-wide notifier that runs later; one callback does
    both here.  An operation under way during the unmap is in exclusive/atomic_loses_update.
    """

    cookie: str = "nouveau"
    mutex: Mutex = field(default_factory=Mutex)
    gpu: AtomicAccess = field(default_factory=AtomicAccess)

    def ignores(self, event: str, owner: str) -> bool:
        """Return whether the callback returns at once: for the driver's own conversion."""
        return event == MMU_NOTIFY_EXCLUSIVE and owner == self.cookie

    async def invalidate(self, event: str, owner: str) -> None:
        """Break the driver's read sections and clear the GPU's entry, unless the driver caused it.

        Source: nouveau_svm_range_invalidate(), nouveau_svmm_invalidate_range_start().
        """
        if self.ignores(event, owner):
            return
        # redundant in owner_filter: the mutex guards a single step here
        await self.mutex.mutex_lock()
        # redundant in EventOnlyRestoreClears: the page lock keeps this CPU out as well
        await self.mmu_interval_set_seq()
        await self.gpu.unmap()
        await self.mutex.mutex_unlock()


async def nouveau_atomic_range_fault(mm: ExclusiveMm, svmm: Svmm, prefault: bool = False) -> None:
    """Let the GPU do atomics on the page: read section, conversion, check under the mutex, map.

    Args:
        mm: the process.
        svmm: what the driver keeps of it.
        prefault: fault the page in before each read section, which the kernel does not do.

    Source: drivers/gpu/drm/nouveau/nouveau_svm.c, nouveau_atomic_range_fault(), with the unlock and
    put of 2025 before a retry.
    Simplified: nouveau gives up after a second; here it retries without a limit.
    """
    while True:
        # redundant in FaultInFirst: the page is present at first, and only CPU1 brings it back
        if prefault and not await mm.fixup_user_fault():
            return
        # redundant: without it the driver retries until it cannot get the page, which is safe
        await svmm.mmu_interval_read_begin()
        # redundant: it keeps the mapping itself, which no actor takes away
        await mm.mmap_lock.down_read()
        page = await mm.make_device_exclusive_range(svmm.cookie)
        await mm.mmap_lock.up_read()
        if page is None:
            return
        await svmm.mutex.mutex_lock()
        retry = await svmm.mmu_interval_read_retry()
        if not retry:
            # redundant: a driver that never maps the page cannot do harm
            await svmm.gpu.map_atomic(page)
        await svmm.mutex.mutex_unlock()
        await page.unlock_page()
        # redundant: only exclusive/retry_loop judges a reference that is not put
        await page.put_page()
        if not retry:
            return
