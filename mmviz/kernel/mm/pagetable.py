"""Page tables: the CPU's, guarded by its page-table lock, and a device's mirror of it."""

from mmviz.engine import Map, Struct, atomic, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import SpinLock


class PageTable(Struct):
    """The page table of one mm, as the CPU walks it.

    Attributes:
        pte: address -> page, None where nothing is mapped.
        ptl: the page-table lock; an actor that edits an entry holds it.

    Source: include/linux/mm.h, pte_offset_map_lock(); mm/memory.c; mm/gup.c.
    Simplified: one lock for all entries; an entry is a page or nothing; the CPUs' TLBs are
    flushed within the step that clears.  The steps that wait for `ptl` take it, act and drop
    it: all they do is guarded by it.
    """

    pte: Map[str, Page | None] = field(default_factory=lambda: Map[str, Page | None]({}))
    ptl: SpinLock = field(default_factory=SpinLock)

    @atomic("mm/pgtable-generic.c")
    def ptep_clear_flush(self, address: str) -> Page | None:
        """Clear the entry and flush the CPUs' TLBs; the caller holds the page-table lock."""
        page, self.pte[address] = self.pte[address], None
        return page

    @atomic("include/linux/pgtable.h")
    def ptep_get_and_clear(self, address: str) -> Page | None:
        """Clear the entry and leave the TLBs alone; the caller holds the page-table lock."""
        page, self.pte[address] = self.pte[address], None
        return page

    @atomic("mm/pgtable-generic.c")
    def pmdp_huge_clear_flush(self, address: str) -> Page | None:
        """Clear the entry of a huge page, which maps all its base pages at once."""
        page = self.pte[address]
        for each in self.pte:
            if self.pte[each] is page:
                self.pte[each] = None
        return page

    @atomic("include/linux/pgtable.h")
    def ptep_get(self, address: str) -> Page | None:
        """Read the entry; without the page-table lock it may change at any moment."""
        return self.pte[address]

    @atomic("include/linux/pgtable.h")
    def set_pte_at(self, address: str, page: Page) -> None:
        """Set the entry to another page; the caller holds the page-table lock."""
        self.pte[address] = page

    @atomic("mm/memory.c", when=lambda table, _address: table.ptl.owner is None)
    def zap_pte_range(self, address: str) -> Page | None:
        """Clear the entry under the page-table lock; return the page it named."""
        page, self.pte[address] = self.pte[address], None
        return page

    @atomic("mm/memory.c", when=lambda table, _address, _fresh: table.ptl.owner is None)
    def handle_mm_fault(self, address: str, fresh: Page) -> None:
        """Map a fresh page under the page-table lock, unless something is mapped already."""
        if self.pte[address] is None:
            fresh.alloc()
            self.pte[address] = fresh

    @atomic("mm/gup.c", when=lambda table, _address: table.ptl.owner is None)
    def get_user_pages(self, address: str) -> Page | None:
        """Walk to the page under the page-table lock and take a reference on it."""
        page = self.pte[address]
        if page is not None:
            page.get()
        return page

    @atomic("mm/hmm.c", when=lambda table, _address: table.ptl.owner is None)
    def hmm_range_fault(self, address: str) -> Page | None:
        """Walk to the page under the page-table lock, taking no reference on it."""
        return self.pte[address]


class PmdTable(Struct):
    """One level up, for cases about that level: tables of PTEs, and huge pages.

    Attributes:
        pmd: address -> what its entry names: a table of PTEs, a huge page, or nothing.

    Source: include/linux/pgtable.h; mm/huge_memory.c, __split_huge_pmd_locked(); mm/gup.c.
    Simplified: the page-table lock is left to the caller; flags of an entry are left out.
    """

    pmd: Map[str, PageTable | Page | None] = field(
        default_factory=lambda: Map[str, PageTable | Page | None]({})
    )

    @atomic("include/linux/pgtable.h")
    def pmdp_get_lockless(self, address: str) -> PageTable | Page | None:
        """Read the entry without any lock: it may be split or cleared at any moment."""
        return self.pmd[address]

    @atomic("mm/pgtable-generic.c")
    def pmdp_invalidate(self, address: str) -> PageTable | Page | None:
        """Clear the entry, so that no walk passes through it; return what it named."""
        was, self.pmd[address] = self.pmd[address], None
        return was

    @atomic("include/linux/mm.h")
    def pmd_populate(self, address: str, table: PageTable) -> None:
        """Set the entry to a table of PTEs, as after a huge page was split."""
        self.pmd[address] = table


class DevicePageTable(Struct):
    """A device's page table: the mirror of an mm that the device walks.

    Attributes:
        pte: address -> page, None where the device would fault.

    Source: Documentation/mm/hmm.rst, "Address space mirroring".
    Simplified: the device's own TLB is flushed within the step that clears an entry.
    """

    pte: Map[str, Page | None] = field(default_factory=lambda: Map[str, Page | None]({}))

    @atomic("driver")
    def map(self, address: str, page: Page) -> None:
        """Let the device reach the page."""
        self.pte[address] = page

    @atomic("driver")
    def unmap(self, address: str) -> None:
        """Clear the device's entry, and wait until the device no longer uses the page."""
        self.pte[address] = None

    @atomic("driver")
    def xchg(self, address: str, page: Page | None) -> Page | None:
        """Change the device's entry, and return the page it named before."""
        was, self.pte[address] = self.pte[address], page
        return was

    @atomic("hardware")
    def walk(self, table: PageTable, address: str) -> None:
        """Walk the CPU's page table, under no lock, and cache what is found."""
        self.pte[address] = table.pte[address]
