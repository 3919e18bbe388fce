"""A private anonymous page with a word in it, mapped and counted from the first access on."""

from errno import EBUSY, EFAULT, EPERM
from typing import ClassVar, NamedTuple

from mmviz.engine import ModelError, atomic, field
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.rmap import MappedPage, add_rmap
from mmviz.kernel.mm.vma import VM_WRITE, Vma

VM_NONE = "VM_NONE"


class WordPage(MappedPage):
    """A page with one word in it.

    Attributes:
        word: what is in it.
    """

    word: int = 0


class DevicePage(WordPage):
    """A page of a device's own memory.

    Attributes:
        owner: the device: pgmap->owner. Never changes.
        coherent: CPUs access it as they access RAM (MEMORY_DEVICE_COHERENT, v6.0); otherwise they
            cannot access it (MEMORY_DEVICE_PRIVATE).

    Source: include/linux/memremap.h; mm/migrate_device.c.
    Simplified: a free page has no reference; the kernel counts one more up to v5.18.
    """

    owner: str = field(kw_only=True)
    coherent: ClassVar[bool] = False

    async def migrate_to_ram(self) -> None:
        """Do the driver's part when a CPU faults on the page: pgmap->ops->migrate_to_ram()."""


class ZeroPage(WordPage):
    """The zero page: it has many mappings, and none is counted.

    Source: include/linux/pgtable.h, is_zero_pfn(); mm/memory.c, do_anonymous_page().
    """

    refs: int = 2

    def get(self) -> None:
        """Take no reference: the zero page is never freed."""

    def put(self) -> bool:
        """Put no reference."""
        return False


class HmmPfn(NamedTuple):
    """What hmm_range_fault() finds at one address.

    Attributes:
        page: what is mapped there; None where HMM_PFN_VALID is not set.
        write: HMM_PFN_WRITE.
        error: HMM_PFN_ERROR: the address may not be read.

    Source: include/linux/hmm.h, enum hmm_pfn_flags.
    """

    page: WordPage | None = None
    write: bool = False
    error: bool = False


class BufferVma(Vma):
    """A private anonymous mapping of one page, which counts what it maps.

    Attributes:
        vm_read: its VM_READ flag; without it the page may not be accessed.
        rss: what it adds to the process's resident pages.
        anonymous: its pages are anonymous, not a file's: PageAnon().
        entry_is_mapping: an exclusive entry is in the page's mapcount (since v6.15).

    Source: mm/memory.c, mm/rmap.c, mm/hmm.c, v5.14; f495bd7e0d9b (v6.15).
    Simplified: as `Vma`; the buffer is as many mappings as it has pages.  An unmapped address is a
    mapping without any right: HMM treats the two alike.
    """

    vm_read: bool = True
    rss: int = 0
    anonymous: ClassVar[bool] = True
    entry_is_mapping: ClassVar[bool] = False

    def count(self, page: Page, by: int) -> None:
        """Count a page in or out, inside a step; the zero page does not count."""
        if not isinstance(page, ZeroPage):
            self.rss += by
            add_rmap(page, by)

    @atomic("hardware")
    def cpu_load(self) -> int | None:
        """The CPU reads the word if entry and mapping allow it, and faults otherwise."""
        if self.pte is None or not self.pte.is_present or not self.vm_read:
            return None
        return word_page(self.pte.page).word

    @atomic("hardware")
    def cpu_store(self, word: int) -> bool:
        """The CPU writes the word if entry and mapping allow it, and faults otherwise."""
        if self.pte is None or not self.pte.is_writable or not self.vm_write:
            return False
        word_page(self.pte.page).word = word
        return True

    @atomic("arch/x86/mm/fault.c")
    def access_error(self, access: str) -> bool:
        """Return whether the mapping forbids the access."""
        return not (self.vm_write if access == "write" else self.vm_read)

    @atomic("mm/memory.c")
    def do_anonymous_page(self, access: str, fresh: WordPage, zero_page: ZeroPage) -> None:
        """Map the zero page for a read, a fresh page for a write, unless something is mapped."""
        if self.pte is not None:
            return
        if access == "read":
            self.pte = Pte(zero_page, write=False)
            return
        fresh.alloc()
        fresh.word = 0
        self.count(fresh, 1)
        self.pte = Pte(fresh)

    @atomic("mm/memory.c")
    def do_wp_page(self, copy: Page) -> None:
        """Answer a write to a read-only page: reuse it if it is not shared, else copy it."""
        was = self.pte
        super().do_wp_page(copy).do()
        if was is not None and self.pte is not None and self.pte.page is not was.page:
            word_page(copy).word = word_page(was.page).word
            self.count(was.page, -1)
            self.count(copy, 1)

    @atomic("mm/rmap.c")
    def page_make_device_exclusive_one(self, page: Page) -> bool:
        """Replace the writable entry by an exclusive one; return whether it was still there."""
        converted = super().page_make_device_exclusive_one(page).do()
        if converted and not self.entry_is_mapping:
            add_rmap(page, -1)
        return converted

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Make the exclusive entry of this page present again; return whether there was one."""
        restored = super().restore_exclusive_pte(page).do()
        if restored and not self.entry_is_mapping:
            add_rmap(page, 1)
        return restored

    @atomic("mm/memory.c")
    def copy_nonpresent_pte(self, child: CowMapping) -> int:
        """Make the exclusive entry present again, unless the page lock is held.

        Raises:
            ModelError: the page is in device memory, which this model does not fork.
        """
        was = self.pte
        if was is not None and was.private:
            raise ModelError("a page in device memory is forked, which is not modelled")
        status = super().copy_nonpresent_pte(child).do()
        if was is not None and was != self.pte and not self.entry_is_mapping:
            add_rmap(was.page, 1)
        return status

    @atomic("mm/memory.c")
    def copy_present_page(self, child: CowMapping, copy: Page) -> None:
        """Give the child a copy of its own; the parent's entry stays as it is."""
        super().copy_present_page(child, copy).do()
        if self.pte is not None and isinstance(child, BufferVma):
            word_page(copy).word = word_page(self.pte.page).word
            child.count(copy, 1)

    @atomic("mm/memory.c")
    def copy_present_pte(self, child: CowMapping) -> None:
        """Share the page: both entries become read-only."""
        super().copy_present_pte(child).do()
        if self.pte is not None and isinstance(child, BufferVma):
            child.count(self.pte.page, 1)

    @atomic("mm/memory.c")
    def vma_needs_copy(self) -> bool:
        """Return whether fork must copy the entries because no later fault could find the pages."""
        return self.anonymous

    @atomic("kernel/fork.c")
    def vm_area_dup(self, parent: "BufferVma") -> None:
        """Take over the rights of the parent's mapping."""
        self.vm_read, self.vm_write = parent.vm_read, parent.vm_write

    @atomic("mm/memory.c")
    def zap_pte_range(self) -> Page | None:
        """Clear the entry; return the page it named, which others may still use."""
        was = self.pte
        page = super().zap_pte_range().do()
        if was is not None and not isinstance(was.page, ZeroPage):
            self.rss -= 1
            if not was.exclusive or self.entry_is_mapping:
                add_rmap(was.page, -1)
        return page

    def is_in_ram(self, entry: Pte) -> bool:
        """Return whether an entry maps a page in RAM."""
        return entry.is_present and owner_of(entry) is None

    @atomic("mm/migrate_device.c")
    def migrate_vma_pages(self, to: DevicePage) -> bool | None:
        """Move the mapped page to device memory; return whether it may be written there.

        Return None if it cannot be moved: a shared page, a page in device memory, or a page with
        other references.  An address that was never written gets an empty page.
        """
        was = self.pte
        if not self.anonymous or (was is not None and not self.is_in_ram(was)):
            return None
        page = word_page(was.page) if was and not isinstance(was.page, ZeroPage) else None
        if page is not None and page.refs != page.mapcount:
            return None
        to.alloc()
        to.word = page.word if page is not None else 0
        self.count(to, 1)
        if page is not None:
            self.count(page, -1)
            page.put()
        write = was.write if was is not None and page is not None else self.vm_write
        self.pte = Pte(to, write, private=not to.coherent)
        return write

    @atomic("mm/migrate_device.c")
    def migrate_device_page(self, to: WordPage) -> None:
        """Move the page back from device memory, if it is still there."""
        was = self.pte
        if was is None or owner_of(was) is None:
            return
        to.alloc()
        to.word = word_page(was.page).word
        self.count(to, 1)
        self.count(was.page, -1)
        was.page.put()
        self.pte = Pte(to, was.write)

    @atomic("mm/mprotect.c")
    def mprotect_fixup(self, flag: str) -> None:
        """Set the mapping's rights: write and read, read only, or none."""
        self.vm_write, self.vm_read = flag == VM_WRITE, flag != VM_NONE

    @atomic("mm/hmm.c")
    def hmm_vma_handle_pte(self, access: str, owner: str) -> HmmPfn | int:
        """Read the entry for a device; return -EBUSY if the requested access needs a fault.

        To a device, a page in its own memory counts as present.
        """
        if not self.vm_read:
            return -EFAULT if access else HmmPfn(error=True)
        if self.pte is not None and (self.pte.is_present or owner_of(self.pte) == owner):
            if access != "write" or self.pte.write:
                return HmmPfn(word_page(self.pte.page), self.pte.write)
        elif not access:
            return HmmPfn()
        return -EPERM if access == "write" and not self.vm_write else -EBUSY


def owner_of(entry: Pte) -> str | None:
    """Return the device whose memory holds an entry's page; None if the page is in RAM."""
    return entry.page.owner if isinstance(entry.page, DevicePage) else None


def word_page(page: Page) -> WordPage:
    """Return the page as one with a word."""
    assert isinstance(page, WordPage)
    return page
