"""A private writable mapping that every system call about memory may come for."""

from mmviz.engine import atomic
from mmviz.kernel.entry import Pte
from mmviz.kernel.fork import ForkedMapping
from mmviz.kernel.page import Page

VM_READ, VM_WRITE = "VM_READ", "VM_WRITE"


class Vma(ForkedMapping):
    """A mapping with its protection, which faults, fork, mprotect and zap act on.

    Attributes:
        vm_write: its VM_WRITE flag: user code may write here.

    Source: mm/memory.c, mm/mprotect.c, mm/gup.c, v5.14.
    Simplified: as `CowMapping`; an address without an entry counts as unmapped, no fault fills it.
    """

    vm_write: bool = True

    @atomic("mm/memory.c")
    def handle_pte_fault(self, access: str = "write") -> Pte | None:
        """Look at the entry that made the CPU fault; None where the access is an error."""
        return self.pte if self.vm_write or access == "read" else None

    @atomic("mm/gup.c")
    def follow_page_pte(self) -> Page | None:
        """Take a reference on the page if mapping and entry let the CPU write it (FOLL_GET)."""
        if self.pte is None or not self.pte.is_writable or not self.vm_write:
            return None
        self.pte.page.get()
        return self.pte.page

    @atomic("mm/hmm.c")
    def hmm_range_fault(self) -> Page | None:
        """Look the page up for a device, taking no reference on it."""
        return self.pte.page if self.pte is not None and self.pte.is_writable else None

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Make the exclusive entry present again, with the rights that the mapping has now."""
        if self.pte is None or not self.pte.exclusive or self.pte.page is not page:
            return False
        self.pte = Pte(page, write=self.pte.write and self.vm_write)
        return True

    @atomic("mm/memory.c")
    def zap_pte_range(self) -> Page | None:
        """Clear the entry; return the page it named, which others may still use."""
        page = self.pte and self.pte.page
        self.pte = None
        return page

    @atomic("mm/mprotect.c")
    def mprotect_fixup(self, flag: str) -> None:
        """Give VM_WRITE to the mapping or take it away."""
        self.vm_write = flag == VM_WRITE

    @atomic("mm/mprotect.c")
    def change_pte_range(self) -> None:
        """Take the right to write away from the entry, present or exclusive, if it is gone."""
        if self.pte is not None and not self.vm_write:
            self.pte = self.pte.wrprotected()
