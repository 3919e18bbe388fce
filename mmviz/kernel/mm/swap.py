"""Swap: entries that name a slot, the slots of a device, and pages that are read from them."""

from typing import NamedTuple

from mmviz.engine import Map, Struct, atomic, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import SpinLock


class SwapEntry(NamedTuple):
    """A swap entry: which slot of the device holds the page.

    Source: include/linux/swapops.h, swp_entry(), swp_offset().
    Simplified: one device.
    """

    offset: int

    def __str__(self) -> str:
        return f"swap slot {self.offset}"


class Folio(Page):
    """A struct folio of one page, with content.

    Attributes:
        data: its content.
        mapcount: entries that map it.
        dirty: its content is in no slot.
        uptodate: its content has been read.

    Source: include/linux/mm_types.h; include/linux/page-flags.h; mm/page_io.c, v6.8.
    Simplified: one word of content; reading is one step.
    """

    data: str = "nothing"
    mapcount: int = 0
    dirty: bool = False
    uptodate: bool = False

    @atomic("mm/page_io.c")
    def swap_read_folio(self, si: "SwapInfo", entry: SwapEntry) -> None:
        """Take the folio out of the allocator, and read the slot's content into it."""
        self.alloc()
        self.data, self.uptodate, self.dirty = si.data[entry.offset], True, False

    def drop(self) -> None:
        """Put a reference, inside a step; with the last one the content is gone."""
        if self.put():
            self.uptodate = self.dirty = False

    @atomic("include/linux/mm.h")
    def folio_put(self) -> None:
        """Put the reference of a folio that was not mapped; the last one frees it."""
        self.drop()


class SwapInfo(Struct):
    """A struct swap_info_struct: the slots of a swap device.

    Attributes:
        swap_map: slot -> entries that name it: the count, without flags.
        has_cache: slot -> SWAP_HAS_CACHE: the slot's folio is in the swap cache, or is being read.
        data: slot -> what was written there.

    Source: mm/swapfile.c, get_swap_pages(), __swap_duplicate(), swapcache_prepare(),
    swapcache_clear(), swap_free(), swp_swapcount(), v6.8.
    Simplified: one device, always there; the lowest free slot is handed out; the lock of a cluster
    is held within each step.
    """

    swap_map: Map[int, int]
    has_cache: Map[int, bool]
    data: Map[int, str]

    @atomic("mm/swapfile.c")
    def swapcache_prepare(self, entry: SwapEntry) -> bool:
        """Set SWAP_HAS_CACHE; return whether it was clear and the slot in use."""
        if self.has_cache[entry.offset] or not self.swap_map[entry.offset]:
            return False
        self.has_cache[entry.offset] = True
        return True

    @atomic("mm/swapfile.c")
    def swapcache_clear(self, entry: SwapEntry) -> None:
        """Clear SWAP_HAS_CACHE; a slot that no entry names is free from here on."""
        self.has_cache[entry.offset] = False

    @atomic("mm/swapfile.c")
    def swp_swapcount(self, entry: SwapEntry) -> int:
        """Return how many entries name the slot."""
        return self.swap_map[entry.offset]

    @atomic("mm/swapfile.c")
    def swap_free(self, entry: SwapEntry) -> None:
        """Drop an entry's claim on the slot; without the cache flag the slot may be free now."""
        self.swap_map[entry.offset] -= 1

    @atomic("mm/swapfile.c")
    def get_swap_pages(self) -> SwapEntry | None:
        """Take the lowest free slot; None if the device is full."""
        return self.take()

    def take(self) -> SwapEntry | None:
        """Take the lowest free slot, inside a step; None if the device is full."""
        for offset in self.swap_map:
            if not self.swap_map[offset] and not self.has_cache[offset]:
                self.swap_map[offset] = 1
                return SwapEntry(offset)
        return None


class SwapMapping(Struct):
    """One anonymous address of a process: in memory, or in a slot.

    Attributes:
        pte: its entry: a folio, or a swap entry.
        ptl: the page-table lock; an actor that edits the entry holds it.
        written: what the process wrote last: what a read must give.

    Source: mm/memory.c, handle_pte_fault(), do_swap_page(); mm/vmscan.c, shrink_folio_list().
    Simplified: a folio is mapped writable, and its slot is freed then, as for a slot that only
    this entry names; reclaim is one step, as kswapd holds the folio lock.
    """

    pte: Folio | SwapEntry
    ptl: SpinLock = field(default_factory=SpinLock)
    written: str = "old"

    @atomic("hardware")
    def cpu_read(self) -> bool:
        """The CPU reads if the folio is present, and faults otherwise."""
        return isinstance(self.pte, Folio)

    @atomic("hardware")
    def cpu_write(self, data: str) -> bool:
        """The CPU writes if the folio is present, and faults otherwise."""
        if not isinstance(self.pte, Folio):
            return False
        self.pte.data = self.written = data
        self.pte.dirty = True
        return True

    @atomic("mm/memory.c")
    def handle_pte_fault(self) -> SwapEntry | None:
        """Read the entry that made the CPU fault; None if a folio is there by now."""
        return self.pte if isinstance(self.pte, SwapEntry) else None

    @atomic("mm/memory.c")
    def pte_same(self, entry: SwapEntry) -> bool:
        """Return whether the entry is what it was when the fault began."""
        return self.pte == entry

    @atomic("include/linux/pgtable.h")
    def set_pte_at(self, folio: Folio) -> None:
        """Map the folio; the caller holds the page-table lock."""
        self.pte = folio
        folio.mapcount += 1

    @atomic("mm/vmscan.c", when=lambda mapping, _si: mapping.ptl.owner is None)
    def shrink_folio_list(self, si: SwapInfo) -> bool:
        """Write the folio to a slot, let the entry name that, and free the folio if there is one.

        Returns:
            Whether a folio was swapped out.
        """
        folio = self.pte
        entry = si.take() if isinstance(folio, Folio) else None
        if not isinstance(folio, Folio) or entry is None:
            return False
        si.data[entry.offset] = folio.data
        self.pte = entry
        folio.mapcount -= 1
        folio.drop()
        return True
