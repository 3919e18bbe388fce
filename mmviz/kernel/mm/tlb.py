"""A CPU's translation lookaside buffer: its cache of the page table that it has walked."""

from mmviz.engine import Map, Struct, atomic, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import PageTable


class Tlb(Struct):
    """What one CPU caches of an address space, until it is flushed.

    Attributes:
        entries: address -> page, None where the CPU has to walk the page table.

    Source: arch/x86/mm/tlb.c; Documentation/core-api/cachetlb.rst.
    Simplified: no ASIDs, no paging-structure caches, no speculative walks; an entry stays until it
    is flushed.  `PageTable` flushes within the step that clears, so this class is for cases
    about the time between the two.
    """

    entries: Map[str, Page | None] = field(default_factory=lambda: Map[str, Page | None]({}))

    @atomic("hardware")
    def translate(self, table: PageTable, address: str) -> Page | None:
        """Use the cached entry, or walk the page table and cache what is found."""
        if self.entries[address] is None:
            self.entries[address] = table.pte[address]
        return self.entries[address]

    @atomic("arch/x86/mm/tlb.c")
    def flush_tlb_mm_range(self, address: str) -> None:
        """Flush the address from the CPU's TLB; until then the CPU may use the old page."""
        self.entries[address] = None
