"""The counts of a page and a process: references, mappings, resident pages."""

from typing import ClassVar

from mmviz.engine import atomic
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.page import Page


class MappedPage(Page):
    """A page that counts how many entries map it.

    Attributes:
        mapcount: the entries that the reverse map will find.

    Source: include/linux/mm_types.h, page->_mapcount; mm/rmap.c.
    """

    mapcount: int = 1

    @atomic("mm/migrate.c")
    def move_to_new_page(self) -> bool:
        """Try to move the page: every reference must be a mapping that can be found."""
        return self.refs == self.mapcount


class CountedMapping(CowMapping):
    """A process's mapping of one anonymous page, with what is counted for it.

    Attributes:
        anon_rss: MM_ANONPAGES, the anonymous pages the process has.
        convert_unmaps: making the entry exclusive takes it out of the mapcount (until v6.14).
        restore_maps: making it present puts it back in (until v6.14).
        zap_unmaps_entry: zapping an exclusive entry takes it out of the mapcount (since v6.15).
        fork_gets: copying an exclusive entry takes a reference on the page.
        fork_counts: copying an exclusive entry counts a resident page for the child.
        zap_puts: zapping an exclusive entry puts its reference.

    Source: mm/rmap.c, mm/memory.c, v7 of the patch.
    Simplified: as `CowMapping`; the exclusive entry takes over the entry's reference.
    """

    anon_rss: int = 1
    convert_unmaps: ClassVar[bool] = True
    restore_maps: ClassVar[bool] = True
    zap_unmaps_entry: ClassVar[bool] = False
    fork_gets: ClassVar[bool] = True
    fork_counts: ClassVar[bool] = True
    zap_puts: ClassVar[bool] = True

    @atomic("mm/rmap.c")
    def page_make_device_exclusive_one(self, page: Page) -> bool:
        """Replace the writable entry by an exclusive one; return whether it was still there."""
        converted = super().page_make_device_exclusive_one(page).do()
        if converted and self.convert_unmaps:
            add_rmap(page, -1)
        return converted

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Make the exclusive entry of this page present again; return whether there was one."""
        restored = super().restore_exclusive_pte(page).do()
        if restored and self.restore_maps:
            add_rmap(page, 1)
        return restored

    @atomic("mm/memory.c")
    def copy_nonpresent_pte(self, child: "CountedMapping") -> None:
        """Copy the exclusive entry to the child; both become read-only, as v7 of the patch does."""
        assert self.pte is not None
        self.pte = child.pte = self.pte.wrprotected()
        if self.fork_gets:
            self.pte.page.get()
        if self.fork_counts:
            child.anon_rss += 1
        if not self.convert_unmaps:
            add_rmap(self.pte.page, 1)

    @atomic("mm/memory.c")
    def zap_pte_range(self) -> None:
        """Clear the entry, and undo all that was counted for it."""
        assert self.pte is not None
        entry, self.pte = self.pte, None
        self.anon_rss -= 1
        if not entry.exclusive or self.zap_unmaps_entry:
            add_rmap(entry.page, -1)
        if self.zap_puts or not entry.exclusive:
            entry.page.put()


class RestoredAtFork(CountedMapping):
    """A mapping whose exclusive entry fork() makes present before it copies it.

    Source: mm/memory.c, copy_pte_range(), copy_nonpresent_pte(), copy_present_pte(), v5.14.
    """

    @atomic("mm/memory.c")
    def copy_pte_range(self, child: "CountedMapping") -> None:
        """Make the entry present and share the page with the child, both read-only."""
        assert self.pte is not None
        page = self.pte.page
        self.restore_exclusive_pte(page).do()
        self.pte = child.pte = self.pte.wrprotected()
        page.get()
        child.anon_rss += 1
        add_rmap(page, 1)


class MappedEntries(RestoredAtFork):
    """A mapping whose exclusive entry counts as a mapping, so that the page can be moved.

    Source: mm/rmap.c, mm/memory.c, v6.15 (f495bd7e0d9b).
    """

    convert_unmaps: ClassVar[bool] = False
    restore_maps: ClassVar[bool] = False
    zap_unmaps_entry: ClassVar[bool] = True

    @atomic("mm/rmap.c")
    def make_device_exclusive(self, page: Page) -> bool:
        """Replace the writable entry by an exclusive one; return whether it was still there."""
        return self.page_make_device_exclusive_one(page).do()


class ReuseByMapcount(CowMapping):
    """A mapping whose write faults follow the rule before v5.9: the mapcount decides.

    Source: mm/memory.c, do_wp_page(), reuse_swap_page(), v5.8; exclusive entries of v7 to v6.14.
    """

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Make the exclusive entry present again, and count it as a mapping."""
        restored = super().restore_exclusive_pte(page).do()
        if restored:
            add_rmap(page, 1)
        return restored

    @atomic("mm/memory.c")
    def do_wp_page(self, copy: Page) -> None:
        """Answer a write to a read-only page: reuse it if there is no other mapping of it."""
        if self.pte is None or self.pte.write or self.pte.exclusive:
            return
        page = self.pte.page
        assert isinstance(page, MappedPage)
        if page.mapcount == 1:
            self.pte = Pte(page)
            return
        copy.alloc()
        self.pte = Pte(copy)
        add_rmap(page, -1)
        page.put()


def add_rmap(page: Page, count: int) -> None:
    """Change a page's mapcount, inside a step: page_add_anon_rmap(), page_remove_rmap()."""
    assert isinstance(page, MappedPage)
    page.mapcount += count
