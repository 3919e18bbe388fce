"""An address space whose page may be exclusive to a device, and the calls that change that."""

from mmviz.engine import Struct, field
from mmviz.kernel.mm.fault import remove_device_exclusive_entry
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.vma import VM_READ, Vma
from mmviz.kernel.notifier.interval import (
    MMU_NOTIFY_CLEAR,
    MMU_NOTIFY_EXCLUSIVE,
    MMU_NOTIFY_PROTECTION_VMA,
    IntervalSubscriptions,
)
from mmviz.kernel.sync.locks import RwSemaphore


class ExclusiveMm(Struct):
    """A process with one anonymous page, and the drivers that are notified of its changes.

    Attributes:
        vma: where the page is mapped.
        mmap_lock: fork, munmap and mprotect write-lock it, faults read-lock it.
        notifiers: the drivers' notifiers, and how many invalidations are open.
        copy: the page the allocator gives for a copy on write.

    Source: include/linux/mm_types.h; mm/memory.c, mm/rmap.c, mm/gup.c, v5.14 to v6.14.
    Simplified: a fault that finds the page locked sleeps with mmap_lock held; the kernel may drop
    it and retry.  What is done under one hold of the page-table lock is one step.
    """

    vma: Vma = field(default_factory=Vma)
    mmap_lock: RwSemaphore = field(default_factory=RwSemaphore)
    notifiers: IntervalSubscriptions = field(default_factory=IntervalSubscriptions)
    copy: Page | None = None

    @property
    def restore_event(self) -> str:
        """How a fault announces that it takes the page back: as a conversion without an owner."""
        return MMU_NOTIFY_EXCLUSIVE

    async def remove_device_exclusive_entry(self, page: Page) -> None:
        """Take the page back from the device, with the reference that 7c7b962938dd added."""
        await remove_device_exclusive_entry(
            self.vma,
            page,
            lambda: self.notifiers.invalidate_range_start(self.restore_event),
            self.notifiers.mmu_notifier_invalidate_range_end,
            reference=True,
        )

    async def wp_page_copy(self, copy: Page) -> None:
        """Break the sharing of a page, and notify the drivers.

        Source: mm/memory.c, wp_page_copy().
        """
        await self.notifiers.invalidate_range_start(MMU_NOTIFY_CLEAR)
        await self.vma.do_wp_page(copy)
        await self.notifiers.mmu_notifier_invalidate_range_end()

    async def handle_mm_fault(self) -> bool:
        """Answer a write fault under mmap_lock; return whether the access may be retried."""
        entry = await self.vma.handle_pte_fault()
        if entry is None:
            return False
        if entry.exclusive:
            await self.remove_device_exclusive_entry(entry.page)
        elif not entry.write and self.copy is not None:
            await self.wp_page_copy(self.copy)
        return True

    async def write(self) -> None:
        """Write to the page as user code does, until it works or the process gets a SIGSEGV."""
        while True:
            if await self.vma.cpu_write():
                return
            if not await self.fixup_user_fault():
                return

    async def read(self) -> None:
        """Read the page as user code does; this also takes an exclusive page back."""
        while True:
            # redundant in Userfaultfd: the page comes back read-only, or does not come back
            if await self.vma.cpu_read():
                return
            # redundant in Userfaultfd: the page comes back read-only, or does not come back
            await self.mmap_lock.down_read()
            # redundant in Userfaultfd: the page comes back read-only, or does not come back
            entry = await self.vma.handle_pte_fault("read")
            if entry is not None and entry.exclusive:
                await self.remove_device_exclusive_entry(entry.page)
            await self.mmap_lock.up_read()
            if entry is None:
                return

    async def fixup_user_fault(self) -> bool:
        """Fault once, for writing, with mmap_lock held for reading.

        Source: mm/gup.c, fixup_user_fault(); arch/x86/mm/fault.c does the same for the CPU.
        """
        # redundant in retry_loop: mmap_lock does not decide whether the loop ends
        await self.mmap_lock.down_read()
        # redundant in retry_loop: without an answer the loop ends, or the page stays as it is
        answered = await self.handle_mm_fault()
        await self.mmap_lock.up_read()
        return answered

    async def get_user_pages(self) -> Page | None:
        """Take a reference on the page for writing, faulting until the entry allows it.

        Source: mm/gup.c, get_user_pages_remote(); the caller holds mmap_lock.
        """
        while True:
            page = await self.vma.follow_page_pte()
            if page is not None:
                return page
            # redundant in Userfaultfd: the page comes back read-only, or does not come back
            if not await self.handle_mm_fault():
                return None

    async def make_device_exclusive_range(self, owner: str) -> Page | None:
        """Hide the page from the CPU; return it locked and referenced, None if that failed.

        Source: mm/rmap.c, make_device_exclusive_range(); the caller holds mmap_lock.
        """
        page = await self.get_user_pages()
        if page is None:
            return None
        # redundant in Userfaultfd: the page comes back read-only, or does not come back
        if not await page.trylock_page():
            # redundant: only exclusive/retry_loop judges a reference that is not put
            await page.put_page()
            return None
        # redundant in Userfaultfd: the page comes back read-only, or does not come back
        if await self.page_make_device_exclusive(page, owner):
            return page
        await page.unlock_page()
        # redundant: only exclusive/retry_loop judges a reference that is not put
        await page.put_page()
        return None

    async def page_make_device_exclusive(self, page: Page, owner: str) -> bool:
        """Replace the entry in a notifier bracket with the owner; return whether that worked."""
        await self.notifiers.invalidate_range_start(MMU_NOTIFY_EXCLUSIVE, owner)
        # redundant in Userfaultfd: the page comes back read-only, or does not come back
        converted = await self.vma.page_make_device_exclusive_one(page)
        await self.notifiers.mmu_notifier_invalidate_range_end()
        return converted

    async def madvise_dontneed(self) -> None:
        """Discard the page: MADV_DONTNEED, which read-locks mmap_lock.

        Source: mm/madvise.c, madvise_dontneed_single_vma(); mm/memory.c, zap_pte_range().
        """
        # redundant: it keeps the mapping itself, which no actor takes away
        await self.mmap_lock.down_read()
        await self.notifiers.invalidate_range_start(MMU_NOTIFY_CLEAR)
        page = await self.vma.zap_pte_range()
        if page is not None:
            # redundant: only exclusive/retry_loop judges a reference that is not put
            await page.put_page()
        await self.notifiers.mmu_notifier_invalidate_range_end()
        await self.mmap_lock.up_read()

    async def mprotect(self, flag: str = VM_READ) -> None:
        """Make the mapping read-only, or writable again.

        Source: mm/mprotect.c, mprotect_fixup(), change_protection().
        """
        # redundant in retry_loop: mmap_lock does not decide whether the loop ends
        await self.mmap_lock.down_write()
        # redundant: a mapping that stays writable may be written
        await self.vma.mprotect_fixup(flag)
        await self.notifiers.invalidate_range_start(MMU_NOTIFY_PROTECTION_VMA)
        # redundant in retry_loop: an entry that stays writable disturbs the driver less
        await self.vma.change_pte_range()
        # redundant in MmapLockAgainstMprotect, MmapLockAgainstMprotectFolio: no driver waits for it
        await self.notifiers.mmu_notifier_invalidate_range_end()
        await self.mmap_lock.up_write()

    async def clear_refs(self) -> None:
        """Announce a change that leaves the entry as it is.

        Source: fs/proc/task_mmu.c, clear_refs_write(); many announced ranges are wider than needed.
        """
        await self.notifiers.invalidate_range_start(MMU_NOTIFY_CLEAR)
        await self.notifiers.mmu_notifier_invalidate_range_end()


class RestoreClears(ExclusiveMm):
    """A process whose fault announces MMU_NOTIFY_CLEAR when it takes the page back.

    Source: mm/memory.c, remove_device_exclusive_entry(), up to v9 of the patch and since v6.15
    (720ba85040a6).
    """

    @property
    def restore_event(self) -> str:
        """How a fault announces that it takes the page back: as any other change."""
        return MMU_NOTIFY_CLEAR


class FolioWalk(RestoreClears):
    """A process with make_device_exclusive() of v6.15, which sleeps for the lock and retries.

    Source: mm/rmap.c, make_device_exclusive(), v6.15 (438354724f69, b8932ca8b924).
    Simplified: a folio is the one page; no fatal signal ends the sleep.
    """

    async def make_device_exclusive_range(self, owner: str) -> Page | None:
        """Hide the page from the CPU; return it locked and referenced: make_device_exclusive()."""
        while True:
            page = await self.get_user_pages()
            if page is None:
                return None
            await page.lock_page()
            await self.notifiers.invalidate_range_start(MMU_NOTIFY_EXCLUSIVE, owner)
            converted = await self.vma.make_device_exclusive(page)
            await self.notifiers.mmu_notifier_invalidate_range_end()
            if converted:
                return page
            await page.unlock_page()
            # redundant: only exclusive/retry_loop judges a reference that is not put
            await page.put_page()
