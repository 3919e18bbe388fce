"""A huge page goes, and the listener hears of its first 4 KiB.

The callback for a page had an address and no length.  Listeners took it for one base page.  But
one entry of the CPU may map a huge page: with it goes every base page, and the device keeps all
but the first.  No other thread is needed to get this wrong.  The cure is a range: from the
address to the end of the compound page, or of the mapping if that ends sooner.

Promise: The device keeps no part of a page that was taken away.

Memory model: sequentially consistent; one thread acts.

Simplified:
    A huge page of two base pages, and a neighbour in the same mapping.
    The device maps base pages one by one.  A listener that mirrors the huge page by one entry,
    as KVM does, drops it whole with any address in it.
    The case whose address stays is the loop of patch 02/13 alone, which names the function's
    argument on every turn; there, range_start and range_end cover the whole page as well.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: the callback's second pitfall
    882214e2b128 (v3.19): drivers/infiniband/core/umem_odp.c, a page means start + PAGE_SIZE
    <20170809161709.9278-1-jglisse@redhat.com>: a range that ends at address + PAGE_SIZE
    <20170809163434.p356oyarqpqh52hu@node.shutemov.name>: it should end with the compound page
    369ea8242c0f (v4.13): the end is computed from the compound order, clipped to the mapping
    mm/rmap.c: try_to_unmap_one(); mm/huge_memory.c: zap_huge_pmd()
"""

from typing import Any

from mmviz.engine import Case, Map, Verdict, World, expecting, field
from mmviz.kernel.notifier import MmuNotifierSubscriptions
from mmviz.kernel.page import Page
from mmviz.kernel.pagetable import DevicePageTable, PageTable
from mmviz.scenarios.invalidate_page import ODP, patch

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


def device_reads_freed_page(k: HugeMirror) -> bool:
    """The device reaches a page that was freed, and with it whatever somebody else keeps there."""
    return any(page is not None and page.is_free for page in k.gpu.pte.values())


def device_keeps_stale_entry(k: HugeMirror) -> bool:
    """No invalidation is under way, yet the device works on a page the process has lost."""
    return k.mm.active_invalidate_ranges == 0 and any(
        page is not None and page is not k.cpu.pte[va] for va, page in k.gpu.pte.items()
    )


async def invalidate(k: HugeMirror, start: int, end: int) -> None:
    """The listener drops the base pages of a range."""
    for va in range(start, end, PAGE_SIZE):
        await k.gpu.unmap(hex(va))


class FirstPartOnly:
    """One call of invalidate_page() with the address: one base page."""

    async def before_the_lock(self, k: HugeMirror) -> None:
        """No range_start."""

    async def under_the_lock(self, k: HugeMirror) -> None:
        await invalidate(k, ADDRESS, ADDRESS + PAGE_SIZE)


class AddressStays(FirstPartOnly):
    """One call a base page, each with the address the function was given."""

    async def under_the_lock(self, k: HugeMirror) -> None:
        for _turn in range(ADDRESS, ADDRESS + HUGE_SIZE, PAGE_SIZE):
            await invalidate(k, ADDRESS, ADDRESS + PAGE_SIZE)


class AddressAdvances(FirstPartOnly):
    """One call a base page, each with that page's address."""

    async def under_the_lock(self, k: HugeMirror) -> None:
        for va in range(ADDRESS, ADDRESS + HUGE_SIZE, PAGE_SIZE):
            await invalidate(k, va, va + PAGE_SIZE)


class EndAtNextPage(FirstPartOnly):
    """A range that ends where the first base page does."""

    async def before_the_lock(self, k: HugeMirror) -> None:
        await invalidate(k, ADDRESS, ADDRESS + PAGE_SIZE)

    async def under_the_lock(self, k: HugeMirror) -> None:
        """Told already."""


class CompoundPage(EndAtNextPage):
    """A range as long as the compound page, or shorter if the mapping is."""

    async def before_the_lock(self, k: HugeMirror) -> None:
        await invalidate(k, ADDRESS, min(ADDRESS + HUGE_SIZE, VM_END))


class WholeMapping(EndAtNextPage):
    """The range of the whole mapping: the neighbour will have to fault again."""

    async def before_the_lock(self, k: HugeMirror) -> None:
        await invalidate(k, VM_START, VM_END)


async def try_to_unmap_one(k: HugeMirror, calls: FirstPartOnly) -> None:
    """Reclaim takes the huge page away."""
    await k.mm.mmu_notifier_invalidate_range_start()
    await calls.before_the_lock(k)
    await k.cpu.ptl.spin_lock()
    page = await k.cpu.pmdp_huge_clear_flush(hex(ADDRESS))
    await calls.under_the_lock(k)
    await k.cpu.ptl.spin_unlock()
    await k.mm.mmu_notifier_invalidate_range_end()
    if page is not None:
        await page.put_page()


BAD = (device_reads_freed_page, device_keeps_stale_entry)


def case(
    calls: FirstPartOnly, variant: str, title: str, states: int, verdict: Verdict, **more: Any
) -> Case:
    """Unmap the huge page, with nobody else about."""
    return Case(
        name=type(calls).__name__,
        id=variant,
        title=title,
        world=HugeMirror,
        actors={"CPU0": lambda k: try_to_unmap_one(k, calls)},
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(BAD, verdict)),
        states=states,
        kind="ordering",
        **more,
    )


NEVER, ALWAYS = Verdict.NEVER, Verdict.ALWAYS

CASES = (
    case(
        FirstPartOnly(),
        "MN-C/C0",
        "one call with the address, understood as one base page",
        8,
        ALWAYS,
        shipped=("v3.19", "v4.12"),
        schedules={"the second base page stays": "CPU0*7"},
        proposed=ODP,
    ),
    case(
        EndAtNextPage(),
        "MN-C/C2",
        "a range that ends one base page later, as first posted",
        8,
        ALWAYS,
        schedules={"the second base page stays": "CPU0*7"},
        proposed=("2017-08-09", "<20170809161709.9278-1-jglisse@redhat.com>"),
    ),
    case(
        AddressStays(),
        "MN-C/C5",
        "one call a base page, always with the same address",
        9,
        ALWAYS,
        schedules={"the second base page stays": "CPU0*8"},
        proposed=patch(2),
    ),
    case(
        AddressAdvances(),
        "MN-C/C4",
        "one call a base page, each with its own address",
        9,
        NEVER,
    ),
    case(
        WholeMapping(),
        "MN-C/C3",
        "the range of the whole mapping, more than needed",
        10,
        NEVER,
    ),
    case(
        CompoundPage(),
        "MN-C/C1",
        "the range of the compound page, clipped to the mapping, as merged v4.13",
        9,
        NEVER,
        shipped=("v4.13", ""),
        proposed=patch(2),
    ),
)
