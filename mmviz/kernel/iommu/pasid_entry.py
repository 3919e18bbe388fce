"""VT-d: a PASID table entry of several words, which the IOMMU does not read at once."""

from typing import NamedTuple

from mmviz.engine import Map, Struct, atomic


class Tag(NamedTuple):
    """A cached translation: the domain id that it is tagged with, and the table that made it."""

    did: str
    table: str

    def __str__(self) -> str:
        return f"{self.did}: {self.table}"


class PasidEntry(Struct):
    """An entry of a PASID table: two of its words, and the IOMMU's copy.

    Attributes:
        present: the P bit, in the same word as the domain id.
        did: the domain id.
        table: the page table that another word points to.

    Source: Intel VT-d specification, scalable-mode PASID table entry, and section 6.5.3.3, guidance
    to software for invalidations; drivers/iommu/intel/pasid.c.
    Simplified: eight words are two; a word is written and read at once.
    """

    present: bool = True
    did: str = "old id"
    table: str = "old table"

    @atomic("drivers/iommu/intel/pasid.c")
    def write_low(self, present: bool, did: str) -> None:
        """Write the word with the P bit and the domain id."""
        self.present, self.did = present, did

    @atomic("drivers/iommu/intel/pasid.c")
    def write_high(self, table: str) -> None:
        """Write the word with the pointer to the page table."""
        self.table = table

    @atomic("drivers/iommu/intel/pasid.c")
    def pasid_clear_present(self) -> None:
        """Clear the P bit alone, and order that before what follows: dma_wmb()."""
        self.present = False

    @atomic("drivers/iommu/intel/pasid.c")
    def pasid_set_present(self) -> None:
        """Set the P bit, after all else has been written: dma_wmb()."""
        self.present = True


class PasidCache(Struct):
    """The IOMMU's caches: the entry that it has fetched, and translations by domain id.

    Attributes:
        entry: what it fetched of the entry, or None.
        iotlb: the translations that it has cached, by their tag.
        fetching: a fetch of the entry has begun, and has read the first word.
        right: domain id -> the table that belongs to it.  Never changes.

    Source: Intel VT-d specification, PASID cache and IOTLB.
    """

    right: Map[str, str]
    entry: Tag | None = None
    fetching: bool = False
    iotlb: frozenset[Tag] = frozenset()

    @atomic("hardware")
    def lookup(self) -> bool:
        """Tell whether the entry is cached."""
        return self.entry is not None

    @atomic("hardware")
    def fetch_low(self, entry: PasidEntry) -> str | None:
        """Read the word with the P bit; return the domain id, or None if it is not present."""
        self.fetching = entry.present
        return entry.did if entry.present else None

    @atomic("hardware")
    def fetch_high(self, entry: PasidEntry, did: str) -> None:
        """Read the other word, and keep both."""
        self.entry, self.fetching = Tag(did, entry.table), False

    @atomic("hardware")
    def translate(self) -> None:
        """Walk the table for a DMA, and cache the translation under the domain id."""
        if self.entry is not None:
            self.iotlb |= {self.entry}

    @atomic("drivers/iommu/intel/pasid.c", when=lambda cache: not cache.fetching)
    def pasid_cache_invalidation_with_pasid(self) -> None:
        """Invalidate the cached entry; wait for a fetch that has begun."""
        self.entry = None

    @atomic("drivers/iommu/intel/pasid.c")
    def flush_iotlb(self, did: str) -> None:
        """Invalidate the translations of a domain id."""
        self.iotlb = frozenset(tag for tag in self.iotlb if tag.did != did)
