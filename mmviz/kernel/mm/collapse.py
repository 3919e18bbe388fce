"""A page table below a PMD, GUP-fast that walks it, and khugepaged that takes it away."""

from mmviz.engine import Map, Struct, atomic, current, warn
from mmviz.kernel.mm.page import Page


class PteTable(Struct):
    """A page that is a page table.

    Attributes:
        pte: the page that its one entry names; None where it names nothing.
        is_freed: the page is back with the allocator, which may hand it out again.
        is_deposited: it is kept for the day on which the huge page is split.

    Source: include/linux/mm.h, pte_offset_map(), pte_free_defer().
    """

    pte: Page | None
    is_freed: bool = False
    is_deposited: bool = False


class Walked(Struct):
    """The PMD of a range, and the CPUs that walk below it with interrupts off.

    Attributes:
        pmd: the page table below it; a Page where it maps a huge page; None where it is clear.
        irqs_off: CPU -> whether it has interrupts off.

    Source: mm/gup.c, gup_pmd_range(), gup_pte_range(); mm/khugepaged.c, collapse_huge_page(),
    retract_page_tables(); mm/mmu_gather.c, tlb_remove_table_sync_one().
    Simplified: an interrupt to a CPU is answered in the step in which its sender goes on.
    """

    pmd: PteTable | Page | None
    irqs_off: Map[str, bool]

    @atomic("include/linux/irqflags.h")
    def local_irq_save(self) -> None:
        """Turn interrupts off on this CPU."""
        self.irqs_off[current().name] = True

    @atomic("include/linux/irqflags.h")
    def local_irq_restore(self) -> None:
        """Turn interrupts on again."""
        self.irqs_off[current().name] = False

    @atomic("include/linux/pgtable.h")
    def pmdp_get_lockless(self) -> PteTable | Page | None:
        """Read the PMD without a lock."""
        return self.pmd

    @atomic("include/linux/pgtable.h")
    def ptep_get_lockless(self, table: PteTable) -> Page | None:
        """Read the entry of a table without a lock."""
        if table.is_freed:
            warn("walks_freed_table", f"{current().name} reads {table}, which was freed")
        return table.pte

    @atomic("mm/pgtable-generic.c")
    def pmdp_collapse_flush(self) -> PteTable:
        """Clear the PMD and have every TLB flushed by broadcast: no CPU is interrupted."""
        table, self.pmd = self.pmd, None
        assert isinstance(table, PteTable)
        return table

    @atomic("mm/mmu_gather.c", when=lambda walked: not any(walked.irqs_off.values()))
    def tlb_remove_table_sync_one(self) -> None:
        """Interrupt every CPU, and wait for the answers: walks with interrupts off are over."""

    @atomic("mm/khugepaged.c")
    def has_suitable_refcount(self, page: Page) -> bool:
        """Tell whether the page has no reference but that of its mapping."""
        return page.refs == 1

    @atomic("mm/khugepaged.c")
    def collapse(self, table: PteTable, huge: Page) -> None:
        """Copy the page into the huge one, clear its entry, and put its last reference."""
        page, table.pte = table.pte, None
        if page is not None:
            page.put()
        self.pmd = huge

    @atomic("mm/khugepaged.c")
    def pmd_populate(self, table: PteTable) -> None:
        """Put the page table back: the collapse has failed."""
        self.pmd = table

    @atomic("mm/pgtable-generic.c")
    def pgtable_trans_huge_deposit(self, table: PteTable) -> None:
        """Keep the page table with the huge page."""
        table.is_deposited = True

    @atomic("mm/pgtable-generic.c")
    def pte_free(self, table: PteTable) -> None:
        """Free the page table."""
        table.is_freed = True
