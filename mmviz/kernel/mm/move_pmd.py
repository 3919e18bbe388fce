"""A page table that mremap() moves as a whole, from one PMD to another."""

from mmviz.engine import Struct, atomic, warn
from mmviz.kernel.mm.collapse import PteTable


class MovedRange(Struct):
    """The PMD of the source of a move, and that of its destination.

    Attributes:
        old_pmd, new_pmd: the page table below it; None where it is clear.

    Source: mm/mremap.c, move_page_tables(), move_normal_pmd(); mm/khugepaged.c,
    retract_page_tables().
    Simplified: the page-table locks are held within each step.
    """

    old_pmd: PteTable | None
    new_pmd: PteTable | None = None

    @atomic("mm/mremap.c")
    def pmd_none(self) -> bool:
        """Tell whether the source has no page table."""
        return self.old_pmd is None

    @atomic("mm/mremap.c")
    def move_normal_pmd(self) -> None:
        """Take the page table out of the source's PMD, and set it in the destination's."""
        if self.old_pmd is None:
            warn("populates_from_nothing", "pmd_populate() with the address in a clear PMD: 0")
        self.new_pmd, self.old_pmd = self.old_pmd, None

    @atomic("mm/mremap.c")
    def move_ptes(self) -> None:
        """Move the entries that are there, one by one: here, none."""

    @atomic("mm/khugepaged.c")
    def retract_page_table(self) -> PteTable | None:
        """Clear the PMD of a mapping of the file, and return its page table."""
        table, self.old_pmd = self.old_pmd, None
        return table

    @atomic("mm/pgtable-generic.c")
    def pte_free_defer(self, table: PteTable) -> None:
        """Free the page table."""
        table.is_freed = True
