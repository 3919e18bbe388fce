"""A CPU's translation lookaside buffer: its cache of the page table that it has walked."""

from mmviz.engine import Map, Struct, atomic, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import PageTable
from mmviz.kernel.sync.smp import CallFunction


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


class TlbShootdown(CallFunction):
    """A flush of several CPUs' TLBs: each flushes its own when the interrupt reaches it.

    Attributes:
        tlbs: CPU -> its TLB. Never changes.

    Source: arch/x86/mm/tlb.c, flush_tlb_mm_range(), native_flush_tlb_multi(), flush_tlb_func(),
    v6.15.
    Simplified: every CPU of the mask is sent an interrupt; no lazy TLB mode, no generations.
    """

    tlbs: Map[str, Tlb] = field(kw_only=True)

    def func(self, cpu: str) -> None:
        """Flush the address from the CPU's TLB: flush_tlb_func()."""
        self.tlbs[cpu].entries[self.info] = None

    async def flush_tlb_range(self, address: str) -> None:
        """Flush the address from every CPU's TLB, and wait until that is done."""
        await self.on_each_cpu_mask(address, *self.tlbs)
