"""GUP-fast stands in a page table while khugepaged takes the table away.

GUP-fast reads the PMD, reads an entry of the page table below it, and pins the page that the entry
names, all without a lock and with interrupts off.  khugepaged clears the PMD, has the TLBs flushed,
sees that the small page has no reference but its mapping's, copies it into a huge page, and frees
it.  If a flush interrupts every CPU, khugepaged waits for GUP-fast; where hardware broadcasts the
flush, GUP-fast pins a page that the process does not map any more.

Promise: A pinned page is one that the process maps, and a walk reads only page tables.

Memory model: sequentially consistent.

Simplified:
    One page table with one entry, and one small page that is collapsed into a huge one.
    khugepaged's locks are left out: GUP-fast takes none of them.
    A collapse of anonymous memory keeps the table, and one of a file's frees it.
    An interrupt is answered at once unless its CPU has interrupts off.
    The page's own mapcount is left out; a reference other than the mapping's stops the collapse.

Sources:
    70cbc3cc78a9 (v6.0) mm: gup: fix the fast GUP race against THP collapse
    2ba99c5e0881 (v6.1) mm/khugepaged: fix GUP-fast interaction by sending IPI
    <20220901222707.477402-1-shy828301@gmail.com> Shi's patch, and the debate below it
    <20221128180252.1684965-2-jannh@google.com> Horn's
    mm/gup.c gup_pte_range(); mm/khugepaged.c collapse_huge_page(), retract_page_tables()
    mm/mmu_gather.c tlb_remove_table_sync_one()
"""

from typing import Protocol

from mmviz.engine import Map, Race, World, at_end
from mmviz.kernel.mm.collapse import PteTable, Walked
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.collapse import (
    BROADCAST,
    FLUSH_BY_IPI,
    FREED_AT_ONCE,
    RECHECK_PMD,
    SYNC_BEFORE_FREE,
)


class Machine(World):
    """A range that a page table maps, the page in it, and the huge page that will replace both."""

    mm: Walked
    table: PteTable
    page: Page
    huge: Page


def machine() -> Machine:
    """Build the machine before the collapse."""
    page = Page(7)
    table = PteTable(page)
    return Machine(Walked(table, Map({"CPU0": False})), table, page, Page(512))


@at_end
def pins_page_not_mapped(k: Machine) -> bool:
    """GUP-fast has pinned a page that the process does not map any more: two have it."""
    return k.page.is_maybe_dma_pinned and k.mm.pmd is k.huge


@at_end
def table_leaks(k: Machine) -> bool:
    """The range is collapsed, and its page table is neither kept nor freed."""
    return k.mm.pmd is k.huge and not k.table.is_freed and not k.table.is_deposited


class Order(Protocol):
    """What GUP-fast looks at again, and what a collapse waits for."""

    async def is_unchanged(self, k: Machine, table: PteTable, page: Page) -> bool: ...
    async def flush(self, k: Machine) -> PteTable: ...
    async def free(self, k: Machine, table: PteTable) -> None: ...


async def gup_fast(k: Machine, order: Order) -> None:
    """CPU0 pins the page behind the address, without a lock."""
    await k.mm.local_irq_save()
    table = await k.mm.pmdp_get_lockless()
    if isinstance(table, PteTable):
        page = await k.mm.ptep_get_lockless(table)
        if (
            page is not None
            and await page.try_grab_page()
            and not await order.is_unchanged(k, table, page)
        ):
            await page.unpin_user_page()
    await k.mm.local_irq_restore()


async def khugepaged(k: Machine, order: Order) -> None:
    """CPU1 collapses the range into a huge page."""
    table = await order.flush(k)
    if not await k.mm.has_suitable_refcount(k.page):
        await k.mm.pmd_populate(table)
        return
    await k.mm.collapse(table, k.huge)
    await order.free(k, table)


# One walk and one collapse.
race = Race(
    world=machine,
    actors={"CPU0": gup_fast, "CPU1": khugepaged},
    bad=(pins_page_not_mapped, table_leaks, "walks_freed_table", "refcount_underflow"),
)


@race.case(
    "C1/a",
    "as shipped until v5.19, the TLBs flushed by broadcast",
    sometimes=[pins_page_not_mapped],
    source=BROADCAST,
    states=51,
)
class EntryAgain:
    """The entry still names the page when GUP-fast looks again: the collapse clears it later."""

    async def is_unchanged(self, k: Machine, table: PteTable, page: Page) -> bool:
        return await k.mm.ptep_get_lockless(table) is page

    async def flush(self, k: Machine) -> PteTable:
        return await k.mm.pmdp_collapse_flush()

    async def free(self, k: Machine, table: PteTable) -> None:
        await k.mm.pgtable_trans_huge_deposit(table)


@race.case(
    "C1/b",
    "as shipped until v5.19, the TLBs flushed by interrupts",
    source=FLUSH_BY_IPI,
    states=35,
)
class FlushByInterrupt(EntryAgain):
    """khugepaged waits for every CPU that has interrupts off, and so for GUP-fast."""

    async def flush(self, k: Machine) -> PteTable:
        table = await super().flush(k)
        await k.mm.tlb_remove_table_sync_one()
        return table


@race.case(
    "C1/c",
    "tempting: interrupt the CPUs, then clear the PMD",
    sometimes=[pins_page_not_mapped],
    source=constructed("a walk that begins after the interrupt still finds the old PMD"),
    states=58,
)
class InterruptFirst(EntryAgain):
    """The next walk begins between the interrupt and the clear."""

    async def flush(self, k: Machine) -> PteTable:
        await k.mm.tlb_remove_table_sync_one()
        return await super().flush(k)


@race.case(
    "C1/d",
    "as merged in v6.0: GUP-fast looks at the PMD again, too",
    source=RECHECK_PMD,
    states=57,
)
class PmdAgain(EntryAgain):
    """Either khugepaged sees the pin, or GUP-fast sees that the PMD is clear."""

    async def is_unchanged(self, k: Machine, table: PteTable, page: Page) -> bool:
        if await k.mm.pmdp_get_lockless() is not table:
            return False
        return await super().is_unchanged(k, table, page)


@race.case(
    "C1/e",
    "v6.0, a collapse that frees the table",
    sometimes=["walks_freed_table"],
    source=FREED_AT_ONCE,
    states=59,
)
class FreedAtOnce(PmdAgain):
    """GUP-fast has read the PMD, and reads the entry from a page that was freed."""

    async def free(self, k: Machine, table: PteTable) -> None:
        await k.mm.pte_free(table)


@race.case(
    "C1/f",
    "as merged in v6.1: interrupt every CPU before the table is freed",
    source=SYNC_BEFORE_FREE,
    states=57,
)
class SyncBeforeFree(PmdAgain):
    """When the interrupts are answered, every walk that has read the old PMD is over."""

    async def free(self, k: Machine, table: PteTable) -> None:
        await k.mm.tlb_remove_table_sync_one()
        await k.mm.pte_free(table)


@race.case(
    "C1/g",
    "tempting: the interrupts alone, without a second look at the PMD",
    sometimes=[pins_page_not_mapped],
    source=constructed("the interrupt protects the table; the page is freed before it"),
    states=51,
)
class SyncWithoutRecheck(EntryAgain):
    """The table lives long enough, and the page does not."""

    async def free(self, k: Machine, table: PteTable) -> None:
        await k.mm.tlb_remove_table_sync_one()
        await k.mm.pte_free(table)
