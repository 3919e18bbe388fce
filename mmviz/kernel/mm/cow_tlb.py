"""Copy on write as the CPUs' TLBs see it: an entry, and what each CPU has cached of it."""

from mmviz.engine import Map, Struct, atomic, current, field
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.fork import ForkedMapping
from mmviz.kernel.mm.page import Page


class StoredPage(Page):
    """A page that knows whose stores it has.

    Attributes:
        stores: the actors that have written to it, each a word of its own.

    Source: mm/memory.c, __wp_page_copy_user().
    """

    stores: frozenset[str] = frozenset()

    @atomic("mm/memory.c")
    def copy_user_highpage(self, source: "StoredPage") -> None:
        """Take this page out of the allocator and copy the other one's words into it."""
        self.alloc()
        self.stores = source.stores


class CachedPte(Struct):
    """What one CPU's TLB has cached of one page-table entry.

    Attributes:
        entry: the entry with its right to write, None where the CPU has to walk the page table.

    Source: arch/x86/mm/tlb.c; Documentation/core-api/cachetlb.rst.
    Simplified: walk and store are one step; an entry that allows the store stays until it is
    flushed, and one that does not is dropped by the fault.
    """

    entry: Pte | None = None

    @atomic("hardware")
    def store(self, mapping: CowMapping) -> bool:
        """Write through the cached entry, or walk the page table; return False for a fault."""
        if self.entry is None:
            self.entry = mapping.pte
        if self.entry is None or not self.entry.is_writable:
            self.entry = None
            return False
        page = self.entry.page
        if isinstance(page, StoredPage):
            page.stores |= {current().name}
        return True


class CachedMapping(ForkedMapping):
    """A parent's mapping whose entry the CPUs have in their TLBs.

    Attributes:
        tlbs: CPU -> what its TLB has of the entry. Never changes.

    Source: mm/memory.c, copy_present_pte(), wp_page_copy(); kernel/fork.c, dup_mmap().
    Simplified: one flush reaches all CPUs in one step; what is done under one hold of the
    page-table lock is one step, and so is the flush that wp_page_copy() does under it.
    """

    tlbs: Map[str, CachedPte] = field(default_factory=lambda: Map[str, CachedPte]({}))

    def flush(self) -> None:
        """Drop the entry from every CPU's TLB, inside a step."""
        for tlb in self.tlbs.values():
            tlb.entry = None

    @atomic("arch/x86/mm/tlb.c")
    def flush_tlb_mm(self) -> None:
        """Flush the TLBs of all CPUs that run the process."""
        self.flush()

    @atomic("arch/x86/mm/tlb.c")
    def flush_tlb_page(self) -> None:
        """Flush the page from the TLBs of all CPUs that run the process."""
        self.flush()

    @atomic("mm/memory.c")
    def wp_page_copy(self, old: Pte, copy: Page) -> bool:
        """Flush the entry and set the copy, if it still is the entry that was copied."""
        if self.pte != old:
            return False
        self.flush()
        self.pte = Pte(copy)
        old.page.put()
        return True
