"""An entry of several words is replaced while the IOMMU reads it piece by piece.

A PASID entry of VT-d has a domain id in one word and the pointer to the page table in another.  The
driver replaces the entry while it is present, one word after another.  The IOMMU fetches the words
one after another, too, and so it may put the old id and the new table together.  It then caches
translations of the new table under the old id, which another device still uses.

Promise: A cached translation comes from the table that its domain id stands for.

Memory model: sequentially consistent; dma_wmb() is part of the step that it orders.

Simplified:
    Two words instead of eight; one device, two DMAs.
    The other device that uses the old id has no actor: a wrong translation is bad in itself.
    An invalidation of the PASID cache waits for a fetch that has begun.
    The device's own TLB is left out.

Sources:
    <20260120061816.2132558-1-baolu.lu@linux.intel.com> the series, v1 of the debate's outcome
    7543ee63e811 (v6.13) iommu/vt-d: Add pasid replace helpers
    c3b1edea3791 (v7.0) iommu/vt-d: Fix race condition during PASID entry replacement
    c1e4f1dccbe9 (v7.0) iommu/vt-d: Clear Present bit before tearing down context entry
    Intel VT-d specification, 6.5.3.3: guidance to software for invalidations
    drivers/iommu/intel/pasid.c; CVE-2026-45894, CVE-2026-45944, CVE-2026-45945
"""

from typing import Protocol

from mmviz.engine import Map, Race, World, at_end
from mmviz.kernel.iommu.pasid_entry import PasidCache, PasidEntry
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.vtd import BREAK_BEFORE_MAKE, WORD_BY_WORD

OLD, NEW = "old id", "new id"


class Machine(World):
    """The entry in memory, and what the IOMMU has cached."""

    pte: PasidEntry
    iommu: PasidCache


def machine() -> Machine:
    """Build the machine with the old entry in memory."""
    return Machine(PasidEntry(), PasidCache(Map({OLD: "old table", NEW: "new table"})))


def translation_of_another_table(k: Machine) -> bool:
    """A translation is cached under a domain id that stands for another table."""
    return any(k.iommu.right[tag.did] != tag.table for tag in k.iommu.iotlb)


@at_end
def entry_not_replaced(k: Machine) -> bool:
    """The CPU has finished, and the entry is not the new one."""
    return (k.pte.present, k.pte.did, k.pte.table) != (True, NEW, "new table")


@at_end
def old_translation_stays(k: Machine) -> bool:
    """A translation of the old table, or the old entry, is still cached."""
    cached = (k.iommu.entry, *k.iommu.iotlb)
    return any(tag is not None and tag.table == "old table" for tag in cached)


class Replace(Protocol):
    """How the entry is replaced."""

    async def replace(self, k: Machine) -> None: ...


async def attach(k: Machine, how: Replace) -> None:
    """The CPU attaches the PASID to another domain."""
    await how.replace(k)


async def dma(k: Machine) -> None:
    """The device does two DMAs; the IOMMU fetches the entry where it has no copy."""
    for _ in range(2):
        if not await k.iommu.lookup():
            did = await k.iommu.fetch_low(k.pte)
            if did is None:
                continue
            await k.iommu.fetch_high(k.pte, did)
        await k.iommu.translate()


# One replacement, two DMAs.
race = Race(
    world=machine,
    actors={"CPU": attach, "IOMMU": dma},
    bad=(translation_of_another_table, entry_not_replaced, old_translation_stays),
)


@race.case(
    "V2/a",
    "as shipped v6.13 to v6.19: write the words one after another, then flush",
    sometimes=[translation_of_another_table, old_translation_stays],
    source=WORD_BY_WORD,
    states=103,
)
class WordByWord:
    """Between two words of the driver the IOMMU reads, and between two of the IOMMU it writes."""

    async def replace(self, k: Machine) -> None:
        await k.pte.write_low(present=True, did=NEW)
        await k.pte.write_high("new table")
        await k.iommu.pasid_cache_invalidation_with_pasid()
        await k.iommu.flush_iotlb(OLD)


@race.case(
    "V2/b",
    "tempting: the other order, the pointer first",
    sometimes=[translation_of_another_table],
    source=constructed("either order has its mixture"),
    states=84,
)
class PointerFirst(WordByWord):
    """Now the old id meets the new table without any help of the IOMMU's order."""

    async def replace(self, k: Machine) -> None:
        await k.pte.write_high("new table")
        await k.pte.write_low(present=True, did=NEW)
        await k.iommu.pasid_cache_invalidation_with_pasid()
        await k.iommu.flush_iotlb(OLD)


@race.case(
    "V2/c",
    "tempting: zero the entry first, while it is present",
    sometimes=[translation_of_another_table],
    source=constructed("to zero it is to write it word by word"),
    states=74,
)
class ZeroFirst(WordByWord):
    """The IOMMU reads the old id and no table."""

    async def replace(self, k: Machine) -> None:
        await k.pte.write_high("zero")
        await k.pte.write_low(present=False, did=OLD)
        await k.iommu.pasid_cache_invalidation_with_pasid()
        await k.iommu.flush_iotlb(OLD)
        await k.pte.write_high("new table")
        await k.pte.write_low(present=True, did=NEW)


@race.case(
    "V2/d",
    "tempting: clear the Present bit, and write at once",
    sometimes=[translation_of_another_table],
    source=constructed("a fetch that has begun has seen the bit"),
    states=104,
)
class ClearWithoutFlush(WordByWord):
    """The IOMMU has read that the entry is present, and goes on to the second word."""

    async def replace(self, k: Machine) -> None:
        await k.pte.pasid_clear_present()
        await k.pte.write_high("new table")
        await k.pte.write_low(present=True, did=NEW)
        await k.iommu.pasid_cache_invalidation_with_pasid()
        await k.iommu.flush_iotlb(OLD)


@race.case(
    "V2/e",
    "tempting: clear and flush, then write the word with the Present bit first",
    sometimes=[translation_of_another_table, old_translation_stays],
    source=constructed("the bit says that all the other words are valid"),
    states=67,
)
class PresentTooEarly(WordByWord):
    """The new id meets the old table."""

    async def replace(self, k: Machine) -> None:
        await k.pte.pasid_clear_present()
        await k.iommu.pasid_cache_invalidation_with_pasid()
        await k.iommu.flush_iotlb(OLD)
        await k.pte.write_low(present=True, did=NEW)
        await k.pte.write_high("new table")


@race.case(
    "V2/f",
    "as merged in v7.0: clear the Present bit, flush, write, and set it last",
    source=BREAK_BEFORE_MAKE,
    states=62,
)
class ClearFlushWrite(WordByWord):
    """While the entry is written, the IOMMU has neither the bit nor a copy."""

    async def replace(self, k: Machine) -> None:
        await k.pte.pasid_clear_present()
        await k.iommu.pasid_cache_invalidation_with_pasid()
        await k.iommu.flush_iotlb(OLD)
        await k.pte.write_high("new table")
        await k.pte.write_low(present=False, did=NEW)
        await k.pte.pasid_set_present()
