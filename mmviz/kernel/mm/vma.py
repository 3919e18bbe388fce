"""A private writable mapping, as faults, fork, mprotect and zap change it."""

from mmviz.engine import atomic
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.fork import ForkedMapping
from mmviz.kernel.mm.page import Page

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
        """Read the entry that made the CPU fault; return None if the mapping forbids the access."""
        return self.pte if self.vm_write or access == "read" else None

    @atomic("mm/gup.c")
    def follow_page_pte(self) -> Page | None:
        """Take a reference on the page if mapping and entry allow a write (FOLL_GET)."""
        if self.pte is None or not self.pte.is_writable or not self.vm_write:
            return None
        self.pte.page.get()
        return self.pte.page

    @atomic("mm/hmm.c")
    def hmm_range_fault(self) -> Page | None:
        """Look the page up for a device, taking no reference on it."""
        return self.pte.page if self.pte is not None and self.pte.is_writable else None

    @atomic("mm/rmap.c")
    def make_device_exclusive(self, page: Page) -> bool:
        """Look the page up again and replace its entry (v6.15); return whether that worked."""
        return self.page_make_device_exclusive_one(page).do()

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Make the exclusive entry present again, with the mapping's current rights."""
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
        """Set or clear the mapping's VM_WRITE."""
        self.vm_write = flag == VM_WRITE

    @atomic("mm/mprotect.c")
    def change_pte_range(self) -> None:
        """Write-protect the entry, present or exclusive, if the mapping may not be written."""
        if self.pte is not None and not self.vm_write:
            self.pte = self.pte.wrprotected()


class KeepsEntry(Vma):
    """A mapping whose exclusive entry records no right to write; restoring reads it from the VMA.

    Source: mm/mprotect.c, change_pte_range(); mm/memory.c, restore_exclusive_pte(), v6.15
    (9a914592140e, c25465eb7630).
    Simplified: can_change_pte_writable() is true of the page, which is not shared.
    """

    @atomic("mm/mprotect.c")
    def change_pte_range(self) -> None:
        """Write-protect a present entry; leave an exclusive one alone."""
        if self.pte is not None and not self.vm_write and not self.pte.exclusive:
            self.pte = self.pte.wrprotected()

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Make the entry present again, writable if the mapping is."""
        if self.pte is None or not self.pte.exclusive or self.pte.page is not page:
            return False
        self.pte = Pte(page, write=self.vm_write)
        return True
