"""A page table grows by a level, and a walk reads one of two words too early.

AMD's IOMMU starts with few levels and adds one when an address does not fit: the root pointer leads
to a new table, and the number of levels goes up.  The writer holds a spinlock.  An unmap walks the
table without it, and reads the two words one after the other.  If the table grows in between, the
walk takes the new table for one of the old level, finds nothing, and the unmap fails.

Promise: A walk uses a root and the number of levels that belongs to it.

Memory model: sequentially consistent.

Simplified:
    The table grows once, and one unmap walks it.
    The spinlock that the writers hold is left out where no reader takes it.
    A retry of a sequence count is bounded: the table grows once.

Sources:
    1e56310b40fd (v6.17) iommu/amd/pgtbl: Fix possible race while increase page table level
    <20200504125413.16798-1-joro@8bytes.org> Roedel's series for v5.7, after Qian Cai's reports
    CVE-2025-39961; drivers/iommu/amd/io_pgtable.c increase_address_space(), fetch_pte()
"""

from typing import Protocol

from mmviz.engine import Race, World, at_end, field
from mmviz.kernel.iommu.amd_pgtable import AmdPgtable
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.kernel.sync.locks import SeqCount, SpinLock

TWO_WORDS = shipped("v5.11", "v6.16")
ONE_WORD = proposed_elsewhere("2020-05-04", "<20200504125413.16798-1-joro@8bytes.org>")
SEQCOUNT = shipped("v6.17", where="1e56310b40fd", checked=("v6.17", "2026-11-28"))


class Machine(World):
    """The page table of a domain, the lock of those who grow it, and a sequence count."""

    pgtable: AmdPgtable = field(default_factory=AmdPgtable)
    lock: SpinLock = field(default_factory=SpinLock)
    seqcount: SeqCount = field(default_factory=SeqCount)


@at_end
def table_not_grown(k: Machine) -> bool:
    """The address did not fit, and the table has not grown."""
    return (k.pgtable.root, k.pgtable.mode) != (4, 4)


class Words(Protocol):
    """How the two words are written and read."""

    async def increase_address_space(self, k: Machine) -> None: ...
    async def fetch_pte(self, k: Machine) -> tuple[int, int]: ...


async def map_pages(k: Machine, words: Words) -> None:
    """CPU0 maps an address that needs another level."""
    await words.increase_address_space(k)


async def unmap_pages(k: Machine, words: Words) -> None:
    """CPU1 unmaps an address that was mapped before."""
    root, mode = await words.fetch_pte(k)
    await k.pgtable.walk(root, mode)


# The table grows once, and is walked once.
race = Race(
    world=Machine,
    actors={"CPU0": map_pages, "CPU1": unmap_pages},
    bad=("unmap_fails", table_not_grown, "unlock_not_owner"),
)


@race.case(
    "A2/a",
    "as shipped v5.11 to v6.16: two words, the root first",
    sometimes=["unmap_fails"],
    source=TWO_WORDS,
    states=18,
)
class RootFirst:
    """The walk reads the old mode, then the new root; or the other way round."""

    async def increase_address_space(self, k: Machine) -> None:
        await k.pgtable.set_root(4)
        await k.pgtable.set_mode(4)

    async def fetch_pte(self, k: Machine) -> tuple[int, int]:
        mode = await k.pgtable.read_mode()
        return await k.pgtable.read_root(), mode


@race.case(
    "A2/b",
    "tempting: write the mode first",
    sometimes=["unmap_fails"],
    source=constructed("whatever the order, a read may come between the two"),
    states=20,
)
class ModeFirst(RootFirst):
    """The old root, and the new mode."""

    async def increase_address_space(self, k: Machine) -> None:
        await k.pgtable.set_mode(4)
        await k.pgtable.set_root(4)


@race.case(
    "A2/c",
    "tempting: write the root first, and read it first, too",
    sometimes=["unmap_fails"],
    source=constructed("the same order on both sides keeps only one of the two mixtures out"),
    states=20,
)
class SameOrder(RootFirst):
    """The old root, and then the new mode."""

    async def fetch_pte(self, k: Machine) -> tuple[int, int]:
        root = await k.pgtable.read_root()
        return root, await k.pgtable.read_mode()


@race.case(
    "A2/d",
    "as merged in v5.7: both in one word",
    source=ONE_WORD,
    states=7,
)
class OneWord(RootFirst):
    """What is written at once is read at once; a rewrite of the driver lost it."""

    async def increase_address_space(self, k: Machine) -> None:
        await k.pgtable.amd_iommu_domain_set_pgtable(4, 4)

    async def fetch_pte(self, k: Machine) -> tuple[int, int]:
        # redundant: any pair that belongs together will do; the old table is below the new one
        return await k.pgtable.read_both()


@race.case(
    "A2/e",
    "the unmap takes the spinlock, too",
    source=constructed("right, and every unmap waits for every map"),
    states=22,
)
class UnderLock(RootFirst):
    """No read comes between the two words."""

    async def increase_address_space(self, k: Machine) -> None:
        await k.lock.spin_lock()
        await super().increase_address_space(k)
        await k.lock.spin_unlock()

    async def fetch_pte(self, k: Machine) -> tuple[int, int]:
        await k.lock.spin_lock()
        both = await super().fetch_pte(k)
        await k.lock.spin_unlock()
        return both


@race.case(
    "A2/f",
    "as merged in v6.17: a sequence count",
    source=SEQCOUNT,
    states=41,
)
class Sequence(RootFirst):
    """A walk that overlaps a growth reads again."""

    async def increase_address_space(self, k: Machine) -> None:
        await k.seqcount.write_seqcount_begin()
        await super().increase_address_space(k)
        await k.seqcount.write_seqcount_end()

    async def fetch_pte(self, k: Machine) -> tuple[int, int]:
        while True:
            start = await k.seqcount.read_seqcount_begin()
            both = await super().fetch_pte(k)
            if not await k.seqcount.read_seqcount_retry(start):
                return both
