"""A huge page is unmapped, and the listener is notified of its first 4 KiB only.

The callback for a page had an address and no length.  Listeners took it for one base page.  But
one entry of the CPU may map a huge page: every base page goes with it, and the device keeps all
but the first.  This goes wrong without any other thread.  The fix is a range: from the
address to the end of the compound page, or of the mapping if that ends sooner.

Which huge pages?  A transparent one is split before try_to_unmap_one() walks it, and that
function asserts so; its base pages are then unmapped one by one, each with its own call.  What
has one entry and one call is a page of hugetlbfs, and in page_mkclean_one() and
dax_mapping_entry_mkclean() a huge page that is write-protected.

Promise: The device keeps no part of a page that was taken away.

Memory model: sequentially consistent; one thread acts.

Simplified:
    A huge page of two base pages, and a neighbour in the same mapping.
    All cases clear one huge entry, in the step pmdp_huge_clear_flush(), which is the name in
    page_mkclean_one(); for hugetlbfs try_to_unmap_one() has ptep_clear_flush().
    In v4.11 and v4.12 the loop of the case whose address advances cleared one base page a turn;
    here the entry is cleared before the first turn.
    page_mkclean_one() and dax_mapping_entry_mkclean() only take the right to write away; there
    the device keeps writing to the rest of the page, and the page is not freed.
    Every case calls range_start and range_end, although the page callback came without them.
    The device maps base pages one by one.  A listener that mirrors the huge page by one entry,
    as KVM does, drops it whole with any address in it.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: the callback's second pitfall
    882214e2b128 (v3.19): drivers/infiniband/core/umem_odp.c, a page means start + PAGE_SIZE
    <20170129173858.45174-8-kirill.shutemov@linux.intel.com>: c7ab0d2fdc84 (v4.11), the loop of
    try_to_unmap_one(): it asserts that no PMD maps the page, and takes the address of each turn
    from the walk; freeze_page() before it: one try_to_unmap() a base page
    <20170302151159.30592-1-kirill.shutemov@linux.intel.com>: the same loop, mended for v4.11
    mm/rmap.c, until v4.10: page_check_address(), and mm/page_vma_mapped.c since v4.11:
    page_vma_mapped_walk() find a page of hugetlbfs by its one entry, huge_pte_offset()
    fs/dax.c, until v4.12: dax_mapping_entry_mkclean(), one call a PMD
    <20170804134928.l4klfcnqatni7vsc@black.fi.intel.com>: page_mkclean_one(), one call a PMD
    <20170809161709.9278-1-jglisse@redhat.com>: a range that ends at the last turn's address +
    PAGE_SIZE, which for a page of hugetlbfs is its first base page
    <20170809163434.p356oyarqpqh52hu@node.shutemov.name>: it should end with the compound page
    369ea8242c0f (v4.13): the end is computed from the compound order, clipped to the mapping
    mm/rmap.c, v7.0: try_to_unmap_one(), which has the end from vma_address_end()
"""

from typing import Protocol

from mmviz.engine import Map, Race, World, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierSubscriptions
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.scenarios.invalidate_page import ODP, WALKED, patch
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    device_keeps_stale_entry,
    device_reads_freed_page,
)

PAGE_SIZE = 0x1000
ADDRESS, HUGE_SIZE = 0x200000, 2 * PAGE_SIZE
VM_START, VM_END = ADDRESS, ADDRESS + HUGE_SIZE + PAGE_SIZE
ADDRESSES = tuple(hex(va) for va in range(VM_START, VM_END, PAGE_SIZE))


class HugeMirror(World):
    """A huge page and its neighbour, mapped by the CPU, and by the device in base pages."""

    cpu: PageTable = field(default_factory=lambda: PageTable(Map(dict.fromkeys(ADDRESSES))))
    gpu: DevicePageTable = field(
        default_factory=lambda: DevicePageTable(Map(dict.fromkeys(ADDRESSES)))
    )
    mm: MmuNotifierSubscriptions = field(default_factory=MmuNotifierSubscriptions)
    huge: Page = field(default_factory=lambda: Page(pfn=512, name="huge page"))
    neighbour: Page = field(default_factory=lambda: Page(pfn=7))

    def __post_init__(self) -> None:
        for va, page in zip(ADDRESSES, (self.huge, self.huge, self.neighbour), strict=True):
            self.cpu.pte[va] = self.gpu.pte[va] = page


class Calls(Protocol):
    async def before_the_lock(self, k: HugeMirror) -> None: ...

    async def under_the_lock(self, k: HugeMirror) -> None: ...


async def invalidate(k: HugeMirror, start: int, end: int) -> None:
    """The listener drops the base pages of a range."""
    for va in range(start, end, PAGE_SIZE):
        await k.gpu.unmap(hex(va))


async def try_to_unmap_one(k: HugeMirror, calls: Calls) -> None:
    """The kernel takes the huge page away."""
    await k.mm.mmu_notifier_invalidate_range_start()
    await calls.before_the_lock(k)
    await k.cpu.ptl.spin_lock()
    page = await k.cpu.pmdp_huge_clear_flush(hex(ADDRESS))
    await calls.under_the_lock(k)
    await k.cpu.ptl.spin_unlock()
    await k.mm.mmu_notifier_invalidate_range_end()
    if page is not None:
        await page.put_page()


# The huge page is unmapped, and no other thread runs.
race = Race(
    "MN-C",
    world=HugeMirror,
    actors={"CPU0": try_to_unmap_one},
    bad=(device_reads_freed_page, device_keeps_stale_entry),
    kind="ordering",
)


@race.case(
    "C0",
    "one call with the address, understood as one base page",
    always=race.bad,
    states=8,
    schedules={"the second base page stays": "CPU0*7"},
    source=shipped("v3.19", "v4.12", said=ODP),
)
class FirstPartOnly:
    """One call of invalidate_page() with the address: one base page."""

    async def before_the_lock(self, k: HugeMirror) -> None:
        """No range_start."""

    async def under_the_lock(self, k: HugeMirror) -> None:
        await invalidate(k, ADDRESS, ADDRESS + PAGE_SIZE)


@race.case(
    "C2",
    "a range that ends one base page later, as first posted",
    always=race.bad,
    states=8,
    schedules={"the second base page stays": "CPU0*7"},
    source=proposed_elsewhere("2017-08-09", "<20170809161709.9278-1-jglisse@redhat.com>"),
)
class EndAtNextPage(FirstPartOnly):
    """A range that ends where the first base page does."""

    async def before_the_lock(self, k: HugeMirror) -> None:
        await invalidate(k, ADDRESS, ADDRESS + PAGE_SIZE)

    async def under_the_lock(self, k: HugeMirror) -> None:
        """The call came before."""


@race.case(
    "C5",
    "one call a base page, always with the same address",
    always=race.bad,
    states=9,
    schedules={"the second base page stays": "CPU0*8"},
    source=constructed("a loop that forgets to advance its address"),
)
class AddressStays(FirstPartOnly):
    """One call a base page, each with the address that the function was given."""

    async def under_the_lock(self, k: HugeMirror) -> None:
        for _turn in range(ADDRESS, ADDRESS + HUGE_SIZE, PAGE_SIZE):
            await invalidate(k, ADDRESS, ADDRESS + PAGE_SIZE)


@race.case(
    "C4",
    "one call a base page, each with its own address, as in v4.11 and v4.12",
    states=9,
    source=shipped("v4.11", "v4.12", said=WALKED),
)
class AddressAdvances(FirstPartOnly):
    """One call a base page, each with that page's address."""

    async def under_the_lock(self, k: HugeMirror) -> None:
        for va in range(ADDRESS, ADDRESS + HUGE_SIZE, PAGE_SIZE):
            await invalidate(k, va, va + PAGE_SIZE)


@race.case(
    "C3",
    "the range of the whole mapping, more than needed",
    states=10,
    source=constructed("a range may be too long: the neighbour only faults again"),
)
class WholeMapping(EndAtNextPage):
    """The range of the whole mapping: the neighbour will have to fault again."""

    async def before_the_lock(self, k: HugeMirror) -> None:
        await invalidate(k, VM_START, VM_END)


@race.case(
    "C1",
    "the range of the compound page, clipped to the mapping, as merged v4.13",
    states=9,
    source=shipped("v4.13", said=patch(2), checked=("v7.0", "2026-11-28")),
)
class CompoundPage(EndAtNextPage):
    """A range as long as the compound page, or shorter if the mapping is."""

    async def before_the_lock(self, k: HugeMirror) -> None:
        await invalidate(k, ADDRESS, min(ADDRESS + HUGE_SIZE, VM_END))
