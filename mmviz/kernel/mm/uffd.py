"""UFFDIO_MOVE: a page is moved to another address, with the folio that the swap cache may have."""

from mmviz.engine import Map, Struct, atomic, current, field
from mmviz.kernel.sync.locks import SpinLock, enter, leave, might_sleep

SLOT = "swap slot 0"
"""The one slot of the swap device, as an entry names it."""


class AnonFolio(Struct):
    """An anonymous folio.

    Attributes:
        index: the address that its reverse map leads to.
        locked: the actor that holds the folio lock.

    Source: include/linux/mm_types.h; mm/rmap.c, folio_move_anon_rmap().
    """

    index: str
    locked: str | None = None

    @atomic("include/linux/pagemap.h")
    def folio_trylock(self) -> bool:
        """Take the folio lock if it is free; return whether it was."""
        if self.locked is not None:
            return False
        self.locked = current().name
        enter(self)
        return True

    @atomic("include/linux/pagemap.h", when=lambda folio: folio.locked is None)
    def folio_lock(self) -> None:
        """Take the folio lock, sleeping while it is held."""
        might_sleep("folio_lock()")
        self.locked = current().name
        enter(self)

    @atomic("mm/filemap.c")
    def folio_unlock(self) -> None:
        """Drop the folio lock."""
        leave(self, "folio_unlock()")
        self.locked = None


def _unlocked(anon: "Anon", *_: object) -> bool:
    """Tell whether neither the page-table lock nor that of the cached folio is held."""
    return anon.ptl.owner is None and (anon.cache is None or anon.cache.locked is None)


class Anon(Struct):
    """Addresses of a process, one slot of swap, and the swap cache of that slot.

    Attributes:
        pte: address -> its entry: a folio, SLOT, or None.
        cache: the folio that the swap cache has under the slot.
        ptl: the page-table lock, one for all addresses.

    Source: mm/userfaultfd.c, move_pages_pte(), move_swap_pte(); mm/memory.c, do_swap_page();
    mm/vmscan.c, shrink_folio_list(), v6.15.
    Simplified: one slot; a folio that is swapped out gets it if it is free; the page-table locks of
    source and destination are one.
    """

    pte: Map[str, AnonFolio | str | None]
    cache: AnonFolio | None = None
    ptl: SpinLock = field(default_factory=SpinLock)

    @atomic("include/linux/pgtable.h")
    def ptep_get(self, address: str) -> AnonFolio | str | None:
        """Read the entry of an address."""
        return self.pte[address]

    @atomic("mm/swap_state.c")
    def swap_cache_get_folio(self) -> AnonFolio | None:
        """Look the slot up in the swap cache, without a lock."""
        return self.cache

    @atomic("mm/userfaultfd.c")
    def is_pte_pages_stable(self, address: str) -> bool:
        """Tell whether the entry still names the slot."""
        return self.pte[address] == SLOT

    @atomic("include/linux/page-flags.h")
    def folio_test_swapcache(self, folio: AnonFolio) -> bool:
        """Tell whether the folio is in the swap cache under this slot."""
        return self.cache is folio

    @atomic("mm/swapfile.c")
    def swap_has_cache(self) -> bool:
        """Tell whether the swap cache has a folio under the slot: SWAP_HAS_CACHE."""
        return self.cache is not None

    @atomic("mm/userfaultfd.c")
    def set_pte_at(self, src: str, dst: str, folio: AnonFolio | None) -> None:
        """Move the entry, and the reverse map of the folio with it: folio_move_anon_rmap()."""
        self.pte[src], self.pte[dst] = None, self.pte[src]
        if folio is not None:
            folio.index = dst

    @atomic("mm/swap_state.c", when=_unlocked)
    def read_swap_cache(self, address: str, folio: AnonFolio) -> bool:
        """A fault reads the slot into a new folio of the swap cache."""
        if self.pte[address] != SLOT or self.cache is not None:
            return False
        self.cache, folio.index = folio, address
        return True

    @atomic("mm/memory.c", when=_unlocked)
    def do_swap_page(self, address: str) -> bool:
        """Map the folio of the swap cache, and free the slot."""
        if self.pte[address] != SLOT or self.cache is None:
            return False
        self.pte[address], self.cache = self.cache, None
        return True

    @atomic("mm/vmscan.c", when=_unlocked)
    def add_to_swap(self, address: str) -> bool:
        """Swap the folio of an address out: to the slot if it is free, and to the swap cache."""
        folio = self.pte[address]
        if not isinstance(folio, AnonFolio) or folio.locked or SLOT in self.pte.values():
            return False
        self.pte[address], self.cache = SLOT, folio
        return True

    @atomic("mm/vmscan.c", when=_unlocked)
    def remove_mapping(self) -> None:
        """The folio is written: take it out of the swap cache, and free it."""
        self.cache = None
