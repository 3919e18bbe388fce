"""CPU page-table entries of an anonymous page: present, device-exclusive or device-private."""

from typing import NamedTuple

from mmviz.engine import Struct, atomic
from mmviz.kernel.mm.page import Page


class Pte(NamedTuple):
    """A page-table entry that names a page; an empty one is None.

    Attributes:
        page: the page that its page frame number names.
        write: a present entry lets the CPU write; an exclusive one records that it did.
        exclusive: the CPU faults on it; a device has the page to itself (v5.14).
        private: the CPU faults on it; the page is in a device's own memory (v4.14).

    Source: include/linux/swapops.h, make_writable_device_exclusive_entry(),
    make_writable_device_private_entry(); mm/memory.c.
    Simplified: no accessed, dirty or soft-dirty bits; the flavours of write are those of v7 to
    v6.14, one type without flavour came in v6.15.  The mapcount is left out.
    """

    page: Page
    write: bool = True
    exclusive: bool = False
    private: bool = False

    @property
    def is_present(self) -> bool:
        """Whether the CPU can read through it."""
        return not self.exclusive and not self.private

    @property
    def is_writable(self) -> bool:
        """Whether the CPU can write through it."""
        return self.write and self.is_present

    def made_exclusive(self) -> "Pte":
        """Return make_{writable,readable}_device_exclusive_entry() of it."""
        return self._replace(exclusive=True)

    def restored(self) -> "Pte":
        """Return the present entry an exclusive one stands for."""
        return self._replace(exclusive=False)

    def wrprotected(self) -> "Pte":
        """Return it without the right to write."""
        return self._replace(write=False)

    def __str__(self) -> str:
        kind = "exclusive" if self.exclusive else "private" if self.private else "present"
        return f"{kind} {self.page} {'rw' if self.write else 'ro'}"


class CowMapping(Struct):
    """A private mapping of one anonymous page in one process.

    Attributes:
        pte: its page-table entry, None where nothing is mapped.

    Source: include/linux/mm.h, is_cow_mapping(); mm/memory.c, mm/rmap.c, mm/gup.c.
    Simplified: what the kernel does under one hold of the page-table lock is one step, so the lock
    itself is not shown; the TLB is flushed within the step that changes the entry.
    """

    pte: Pte | None = None

    @atomic("hardware")
    def cpu_write(self) -> bool:
        """The CPU writes if the entry allows it, and faults otherwise."""
        return self.pte is not None and self.pte.is_writable

    @atomic("hardware")
    def cpu_read(self) -> bool:
        """The CPU reads if the entry allows it, and faults otherwise."""
        return self.pte is not None and self.pte.is_present

    @atomic("mm/memory.c")
    def handle_pte_fault(self) -> Pte | None:
        """Read the entry that made the CPU fault, without a lock: it may change at any moment."""
        return self.pte

    @atomic("include/linux/pgtable.h")
    def ptep_get_lockless(self) -> Pte | None:
        """Read the entry without any lock: it may change at any moment."""
        return self.pte

    @atomic("mm/rmap.c")
    def page_make_device_exclusive_one(self, page: Page) -> bool:
        """Replace the writable entry by an exclusive one; return whether it was still there."""
        if self.pte != Pte(page):
            return False
        self.pte = self.pte.made_exclusive()
        return True

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Make the exclusive entry of this page present again; return whether there was one."""
        if self.pte is None or not self.pte.exclusive or self.pte.page is not page:
            return False
        self.pte = self.pte.restored()
        return True

    @atomic("mm/memory.c")
    def do_wp_page(self, copy: Page) -> None:
        """Answer a write to a read-only page: reuse it if it is not shared, else copy it.

        The rule is that of v5.9 to v5.18: one reference means not shared, and a pin counts
        1024, so a pinned page is always copied.
        """
        if self.pte is None or self.pte.write or self.pte.exclusive:
            return
        page = self.pte.page
        if page.refs == 1:
            self.pte = Pte(page)
            return
        copy.alloc()
        self.pte = Pte(copy)
        page.put()

    @atomic("mm/gup.c")
    def follow_page_pte(self) -> Page | None:
        """Pin the page if the entry allows the CPU to write it, under the page-table lock."""
        if self.pte is None or not self.pte.is_writable:
            return None
        self.pte.page.try_grab_page().do()
        return self.pte.page
