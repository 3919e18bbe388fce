"""A buffer of a few anonymous pages, as a selftest maps and uses it."""

from errno import EBUSY, EFAULT, EOPNOTSUPP

from mmviz.engine import Struct, field
from mmviz.kernel.conformance.buffer_vma import (
    VM_NONE,
    BufferVma,
    DevicePage,
    HmmPfn,
    WordPage,
    ZeroPage,
    owner_of,
)
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.exclusive_mm import ExclusiveMm
from mmviz.kernel.mm.page import Page
from mmviz.kernel.notifier.interval import (
    MMU_NOTIFY_CLEAR,
    MMU_NOTIFY_MIGRATE,
    MMU_NOTIFY_PROTECTION_PAGE,
    MMU_NOTIFY_PROTECTION_VMA,
)
from mmviz.kernel.sync.locks import RwSemaphore


class BufferPage(ExclusiveMm):
    """One page of a buffer: its mapping, its notifiers, and its faults.

    Attributes:
        fresh: the page that the allocator gives at the first write.
        zero_page: the page that is mapped if the first access is a read.

    Source: mm/memory.c, handle_pte_fault(); mm/gup.c; mm/hmm.c, hmm_range_fault(), v5.14.
    Simplified: as `ExclusiveMm`; accesses are "read" and "write".  A selftest enters these
    loops often, with few rounds each, so they have no marks.  A write fault on a read-only entry
    notifies the drivers even if the page is reused.
    """

    fresh: WordPage = field(kw_only=True)
    zero_page: ZeroPage = field(kw_only=True)
    vma: BufferVma = field(default_factory=BufferVma)

    async def handle_mm_fault(self, access: str = "write") -> bool:
        """Answer a fault under mmap_lock; return whether the access may be retried."""
        if await self.vma.access_error(access):
            return False
        entry = await self.vma.handle_pte_fault(access)
        if entry is None:
            await self.do_pte_missing(access)
        elif entry.exclusive:
            await self.remove_device_exclusive_entry(entry.page)
        elif entry.private:
            await self.migrate_to_ram(entry)
        elif access == "write" and not entry.write and self.copy is not None:
            await self.wp_page_copy(self.copy)
        return True

    async def do_pte_missing(self, access: str) -> None:
        """Fill an empty entry."""
        await self.vma.do_anonymous_page(access, self.fresh, self.zero_page)

    async def migrate_to_ram(self, entry: Pte) -> None:
        """Migrate the page back from device memory; the device's entry is erased.

        Source: mm/memory.c, do_swap_page(); lib/test_hmm.c, dmirror_devmem_fault().
        """
        assert isinstance(entry.page, DevicePage)
        await self.notifiers.invalidate_range_start(MMU_NOTIFY_MIGRATE, entry.page.owner)
        await entry.page.migrate_to_ram()
        await self.vma.migrate_device_page(self.fresh)
        await self.notifiers.mmu_notifier_invalidate_range_end()

    async def do_user_addr_fault(self, access: str) -> bool:
        """Fault as user code does; return False for a SIGSEGV."""
        await self.mmap_lock.down_read()
        answered = await self.handle_mm_fault(access)
        await self.mmap_lock.up_read()
        return answered

    async def load(self) -> int | None:
        """Read the word as user code does; return None for a SIGSEGV."""
        while True:
            word = await self.vma.cpu_load()
            if word is not None or not await self.do_user_addr_fault("read"):
                return word

    async def store(self, word: int) -> bool:
        """Write the word as user code does; return False for a SIGSEGV."""
        while not await self.vma.cpu_store(word):
            if not await self.do_user_addr_fault("write"):
                return False
        return True

    async def get_user_pages(self) -> Page | None:
        """Take a reference on the page for writing, faulting until the entry allows it."""
        while True:
            page = await self.vma.follow_page_pte()
            if page is not None or not await self.handle_mm_fault():
                return page

    async def pin_user_pages_longterm(self) -> Page | None:
        """Take a long-term reference; a page in device memory is migrated first.

        Source: mm/gup.c, check_and_migrate_movable_pages(), migrate_device_coherent_page() (v6.0).
        """
        while True:
            page = await self.get_user_pages()
            if not isinstance(page, DevicePage):
                return page
            await page.put_page()
            entry = await self.vma.handle_pte_fault()
            if entry is not None and owner_of(entry) is not None:
                await self.migrate_to_ram(entry)

    async def page_make_device_exclusive(self, page: Page, owner: str) -> bool:
        """Replace the entry in a notifier bracket with the owner; return whether that worked.

        Only an anonymous page can be exclusive: other pages have users that are not notified.
        """
        return self.vma.anonymous and await super().page_make_device_exclusive(page, owner)

    async def make_device_exclusive(self, owner: str) -> Page | int:
        """Hide the page from the CPU; return it locked and referenced, or an error.

        Source: mm/rmap.c, make_device_exclusive() (v6.15); the caller holds mmap_lock.
        """
        while True:
            page = await self.get_user_pages()
            if page is None:
                return -EFAULT
            if not self.vma.anonymous:
                await page.put_page()
                return -EOPNOTSUPP
            await page.lock_page()
            if await self.page_make_device_exclusive(page, owner):
                return page
            await page.unlock_page()
            await page.put_page()

    async def hmm_range_fault(self, access: str, owner: str) -> HmmPfn | int:
        """Look the page up for a device, faulting if `access` needs it; "" needs no access."""
        while True:
            found = await self.vma.hmm_vma_handle_pte(access, owner)
            if found != -EBUSY:
                return found
            if not await self.handle_mm_fault(access):
                return -EFAULT


class Buffer(Struct):
    """A process with a buffer, and its system calls on the whole of it.

    Attributes:
        pages: the buffer. Never changes.
        mmap_lock: the process's; the pages share it.

    Source: mm/mprotect.c, mm/mmap.c, kernel/fork.c.
    Simplified: one mapping for each page, in one hold of mmap_lock.
    """

    pages: tuple[BufferPage, ...]
    mmap_lock: RwSemaphore

    async def mprotect(self, flag: str, pages: slice = slice(None)) -> None:
        """Change the rights to the pages: VM_WRITE, VM_READ, VM_NONE."""
        await self.mmap_lock.down_write()
        for page in self.pages[pages]:
            await page.vma.mprotect_fixup(flag)
            await page.notifiers.invalidate_range_start(MMU_NOTIFY_PROTECTION_VMA)
            await page.vma.change_pte_range()
            await page.notifiers.mmu_notifier_invalidate_range_end()
        await self.mmap_lock.up_write()

    async def munmap(self, pages: slice = slice(None)) -> None:
        """Unmap the pages; the last put frees a page."""
        await self.mmap_lock.down_write()
        for page in self.pages[pages]:
            await page.notifiers.invalidate_range_start(MMU_NOTIFY_CLEAR)
            was = await page.vma.zap_pte_range()
            await page.vma.mprotect_fixup(VM_NONE)
            if was is not None:
                await was.put_page()
            await page.notifiers.mmu_notifier_invalidate_range_end()
        await self.mmap_lock.up_write()

    async def dup_mmap(self, child: "Buffer") -> bool:
        """Copy the process's memory to a child; return whether it worked."""
        await self.mmap_lock.down_write()
        copied = True
        for page, to in zip(self.pages, child.pages, strict=True):
            await to.vma.vm_area_dup(page.vma)
            if not await page.vma.vma_needs_copy():
                continue
            await page.notifiers.invalidate_range_start(MMU_NOTIFY_PROTECTION_PAGE)
            copied = copied and await page.vma.copy_pte_range(to.vma, to.fresh)
            await page.notifiers.mmu_notifier_invalidate_range_end()
        await self.mmap_lock.up_write()
        return copied
