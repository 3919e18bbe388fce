"""A CPU's translation lookaside buffer: what it remembers of the page table it has walked."""

from mmviz.engine import Map, Struct, atomic, field
from mmviz.kernel.page import Page
from mmviz.kernel.pagetable import PageTable


class Tlb(Struct):
    """What one CPU remembers of an address space, until it is told to forget.

    Attributes:
        entries: address -> page, None where the CPU has to walk the page table.

    Source: arch/x86/mm/tlb.c; Documentation/core-api/cachetlb.rst.
    Simplified: no ASIDs, no paging-structure caches, no speculative walks; an entry stays until it
    is flushed.  `PageTable` flushes within the step that clears, so this is for cases that ask
    what happens between the two.
    """

    entries: Map[str, Page | None] = field(default_factory=lambda: Map[str, Page | None]({}))

    @atomic("hardware")
    def translate(self, table: PageTable, address: str) -> Page | None:
        """Use the entry there is, or walk the page table and remember what is found."""
        if self.entries[address] is None:
            self.entries[address] = table.pte[address]
        return self.entries[address]

    @atomic("arch/x86/mm/tlb.c")
    def flush_tlb_mm_range(self, address: str) -> None:
        """Make the CPU forget the address; until then it may use the old page."""
        self.entries[address] = None
