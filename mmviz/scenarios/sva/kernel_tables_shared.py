"""The IOMMU walks a kernel page table that has been freed.

With SVA the IOMMU walks a process's page tables, and on x86 these lead to the kernel's, too.  A
user's request for a kernel address is refused at the leaf, but the IOMMU keeps the upper entries
that it has read.  When vfree() removes a kernel page table, the CPUs flush their TLBs and the page
is freed; the IOMMU hears nothing.  It walks on through the entry that it has kept, takes whatever
is in the page now for page-table entries, and writes Accessed bits into it.

Promise: The IOMMU walks only pages that are page tables.

Memory model: sequentially consistent; an invalidation works at once.

Simplified:
    One upper entry and one table below it; two requests of the device.
    A walk is two steps: the upper entry, then the table. An invalidation waits for walks that have
    begun, as the hardware's does, so only what the IOMMU keeps of the entry counts.
    The CPUs' own TLBs are left out, and so is the length of the list that v2 walks with a spinlock.
    Version 3 could also fail to allocate its work item, and then did not invalidate at all.

Sources:
    <20250704133056.4023816-1-baolu.lu@linux.intel.com> v1: in flush_tlb_kernel_range(), a mutex
    <20250709062800.651521-1-baolu.lu@linux.intel.com> v2: a spinlock
    <20250806052505.3113108-1-baolu.lu@linux.intel.com> v3: a work item; freed at once
    <d646d434-f680-47a3-b6b9-26f4538c1209@intel.com> Dave Hansen's answer to it
    <20251022082635.2462433-1-baolu.lu@linux.intel.com> v7, merged for v6.19
    e37d5a2d60a3, 5ba2f0a15564 (v6.19, CVE-2025-71202); 72f98ef9a4be (CVE-2025-71089) switches SVA
    off on x86 until then
    mm/pgtable-generic.c pagetable_free_kernel(); drivers/iommu/iommu-sva.c
"""

from typing import Protocol

from mmviz.engine import Race, World, at_end
from mmviz.kernel.iommu.kernel_tables import KernelTables, PagingCache, TablePage
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped

NO_NOTICE = shipped("v4.4", "v6.18")
IN_FLUSH = proposed_elsewhere("2025-07-04", "<20250704133056.4023816-1-baolu.lu@linux.intel.com>")
WITH_SPINLOCK = proposed_elsewhere(
    "2025-07-09", "<20250709062800.651521-1-baolu.lu@linux.intel.com>"
)
WORK_ONLY = proposed_elsewhere("2025-08-06", "<20250806052505.3113108-1-baolu.lu@linux.intel.com>")
DEFERRED = shipped(
    "v6.19",
    said=proposed_elsewhere("2025-10-22", "<20251022082635.2462433-1-baolu.lu@linux.intel.com>"),
    checked=("v6.19", "2026-11-28"),
)


class Machine(World):
    """The kernel's tables, a page that is one of them, and the IOMMU's caches."""

    tables: KernelTables
    page: TablePage
    iommu: PagingCache


def machine() -> Machine:
    """Build a machine with one kernel table in use."""
    page = TablePage()
    tables = KernelTables(page)
    return Machine(tables, page, PagingCache(tables))


def iommu_can_walk_freed_table(k: Machine) -> bool:
    """An upper entry in the IOMMU leads to a page that is free, or another's data."""
    return k.iommu.upper is not None and k.iommu.upper.use != "page table"


@at_end
def table_leaks(k: Machine) -> bool:
    """The table is in no use any more, and it was not freed."""
    return k.page.use == "page table"


class Free(Protocol):
    """How a kernel page table is given back; the entry is cleared, and the lock is held."""

    async def flush(self, k: Machine) -> None: ...
    async def give_back(self, k: Machine, table: TablePage) -> None: ...
    async def work(self, k: Machine) -> None: ...


async def vfree(k: Machine, how: Free) -> None:
    """CPU0 unmaps the last mapping below an upper entry."""
    await k.tables.page_table_lock.spin_lock()
    table = await k.tables.pmd_clear()
    await how.flush(k)
    await k.tables.page_table_lock.spin_unlock()
    if table is not None:
        await how.give_back(k, table)


async def allocates(k: Machine) -> None:
    """CPU1 allocates a page, and may get this one."""
    await k.tables.alloc_page(k.page)


async def requests(k: Machine) -> None:
    """The device asks for a kernel address twice; the IOMMU refuses at the leaf."""
    for _ in range(2):
        table = await k.iommu.walk_upper()
        if table is not None:
            await k.iommu.walk_table(table)


async def worker(k: Machine, how: Free) -> None:
    """A worker does what was put off."""
    await how.work(k)


# One table is given back while a device asks for the address twice.
race = Race(
    world=machine,
    actors={"CPU0": vfree, "CPU1": allocates, "IOMMU": requests, "kworker": worker},
    daemons=("CPU1", "IOMMU"),
    bad=(
        iommu_can_walk_freed_table,
        table_leaks,
        "sleeps_in_atomic",
        "unlock_not_owner",
    ),
)


@race.case(
    "A15/a",
    "as shipped v4.4 to v6.18: the IOMMU hears nothing",
    sometimes=[iommu_can_walk_freed_table],
    source=NO_NOTICE,
    states=45,
)
class NoNotice:
    """The CPUs flush their TLBs, and the page is free."""

    async def flush(self, k: Machine) -> None:
        await k.tables.flush_tlb_kernel_range()

    async def give_back(self, k: Machine, table: TablePage) -> None:
        await k.tables.free_page(table)

    async def work(self, k: Machine) -> None:
        """Nothing was put off."""


@race.case(
    "A15/b",
    "tempting: flush the translations, but not the upper entries",
    sometimes=[iommu_can_walk_freed_table],
    source=constructed("a leaf of the kernel is never cached; what is cached are upper entries"),
    states=52,
)
class FlushLeaf(NoNotice):
    """There is no translation to forget: the request was refused."""

    async def flush(self, k: Machine) -> None:
        await super().flush(k)
        await k.iommu.flush_leaf()


@race.case(
    "A15/c",
    "v1: invalidate in flush_tlb_kernel_range(), under a mutex",
    always=["sleeps_in_atomic"],
    source=IN_FLUSH,
    states=44,
)
class UnderMutex(NoNotice):
    """The flush is called with a spinlock held, where a mutex must not be taken."""

    async def flush(self, k: Machine) -> None:
        await super().flush(k)
        await k.iommu.invalidate_under_mutex()


@race.case(
    "A15/d",
    "v2: invalidate in flush_tlb_kernel_range(), under a spinlock",
    source=WITH_SPINLOCK,
    states=44,
)
class UnderSpinlock(NoNotice):
    """The race is closed; the review turned it down for the work that it does with a spinlock."""

    async def flush(self, k: Machine) -> None:
        await super().flush(k)
        await k.iommu.iommu_sva_invalidate_kva_range()


@race.case(
    "A15/e",
    "v3: a work item invalidates, and the page is freed at once",
    sometimes=[iommu_can_walk_freed_table],
    source=WORK_ONLY,
    states=100,
)
class WorkOnly(NoNotice):
    """Between the free and the work item the IOMMU walks the page."""

    async def flush(self, k: Machine) -> None:
        await super().flush(k)
        await k.tables.schedule_work()

    async def work(self, k: Machine) -> None:
        await k.tables.process_one_work()
        await k.iommu.iommu_sva_invalidate_kva_range()


@race.case(
    "A15/f",
    "tempting: put the page off, too, but free it before the invalidation",
    sometimes=[iommu_can_walk_freed_table],
    source=constructed("the order inside the work item is the point"),
    states=69,
)
class FreeThenInvalidate(NoNotice):
    """The same window, moved into the worker."""

    async def give_back(self, k: Machine, table: TablePage) -> None:
        await k.tables.pagetable_free_kernel(table)

    async def work(self, k: Machine) -> None:
        tables = await k.tables.process_one_work()
        await k.tables.free_deferred(tables)
        await k.iommu.iommu_sva_invalidate_kva_range()


@race.case(
    "A15/g",
    "as merged in v6.19: a work item invalidates, then frees",
    source=DEFERRED,
    states=60,
)
class InvalidateThenFree(FreeThenInvalidate):
    """The page is a page table until no entry in the IOMMU leads to it."""

    async def work(self, k: Machine) -> None:
        tables = await k.tables.process_one_work()
        await k.iommu.iommu_sva_invalidate_kva_range()
        await k.tables.free_deferred(tables)
