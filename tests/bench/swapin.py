"""Swap-in past the swap cache with any number of threads and pages, as a newcomer writes it.

    python -m tests.bench.swapin THREADS PAGES fixed|bug

One page-table lock, one page for each thread and address, a device that swaps in at once; kswapd
swaps each page out once.  The fix holds SWAP_HAS_CACHE until the page is mapped.  Prints the
verdict, the number of states, seconds, and the most memory that the process took, as JSON.

Source: 13ddaf26be32 (v6.8), mm/swap: fix race when skipping swapcache.
"""

import json
import resource
import sys
from typing import Any, NamedTuple

from mmviz.engine import Case, Map, Struct, World, atomic, explore, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import SpinLock


class SwpEntry(NamedTuple):
    """A swap entry: the slot of the swap device that holds the page."""

    offset: int


class AnonPage(Page):
    """An anonymous page with content."""

    data: str = "nothing"

    @atomic("mm/page_io.c")
    def swap_read_folio(self, swap: "SwapInfo", entry: SwpEntry) -> None:
        """Read the slot's content into a new page."""
        self.alloc()
        self.data = swap.data[entry.offset]


class SwapInfo(Struct):
    """A swap device: for each slot its users, SWAP_HAS_CACHE, and its content."""

    swap_map: Map[int, int]
    has_cache: Map[int, bool]
    data: Map[int, str]

    @atomic("mm/swapfile.c")
    def swapcache_prepare(self, entry: SwpEntry) -> bool:
        """Set SWAP_HAS_CACHE; return whether it was clear."""
        if self.has_cache[entry.offset] or not self.swap_map[entry.offset]:
            return False
        self.has_cache[entry.offset] = True
        return True

    @atomic("mm/swapfile.c")
    def swapcache_clear(self, entry: SwpEntry) -> None:
        """Clear SWAP_HAS_CACHE."""
        self.has_cache[entry.offset] = False

    @atomic("mm/swapfile.c")
    def swap_free(self, entry: SwpEntry) -> None:
        """Drop an entry's claim on the slot."""
        self.swap_map[entry.offset] -= 1

    def get_swap_page(self) -> SwpEntry:
        """Take the first free slot, inside a step."""
        free = next(at for at in self.swap_map if not self.swap_map[at] and not self.has_cache[at])
        self.swap_map[free] = 1
        return SwpEntry(free)


class Mapping(Struct):
    """The page table of a process, and what the process wrote last at each address."""

    pte: Map[int, Any]
    written: Map[int, str]
    ptl: SpinLock = field(default_factory=SpinLock)

    @atomic("hardware")
    def load(self, at: int) -> bool:
        """Read, if the page is present."""
        return isinstance(self.pte[at], AnonPage)

    @atomic("hardware")
    def store(self, at: int, data: str) -> bool:
        """Write, if the page is present."""
        if not isinstance(self.pte[at], AnonPage):
            return False
        self.pte[at].data = data
        self.written[at] = data
        return True

    @atomic("mm/memory.c")
    def handle_pte_fault(self, at: int) -> Any:
        """Look at the entry, without a lock."""
        return self.pte[at]

    @atomic("mm/memory.c")
    def pte_same(self, at: int, entry: SwpEntry) -> bool:
        """Return whether the entry is what it was when the fault began."""
        return bool(self.pte[at] == entry)

    @atomic("mm/memory.c")
    def set_pte_at(self, at: int, page: AnonPage) -> None:
        """Map the page."""
        self.pte[at] = page

    @atomic("mm/vmscan.c", when=lambda mm, _at, _swap: mm.ptl.owner is None)
    def shrink_folio_list(self, at: int, swap: SwapInfo) -> None:
        """Write the page to a free slot, put the entry in its place, and free the page."""
        page = self.pte[at]
        if isinstance(page, AnonPage):
            entry = swap.get_swap_page()
            swap.data[entry.offset] = page.data
            self.pte[at] = entry
            page.put()


def lost(k: Any) -> bool:
    """What a thread wrote last is gone."""
    for at, entry in k.mm.pte.items():
        data = entry.data if isinstance(entry, AnonPage) else k.swap.data[entry.offset]
        if data != k.mm.written[at]:
            return True
    return False


async def do_swap_page(k: Any, page: AnonPage, at: int, fixed: bool) -> None:
    """Handle one fault."""
    entry = await k.mm.handle_pte_fault(at)
    if not isinstance(entry, SwpEntry):
        return
    if fixed and not await k.swap.swapcache_prepare(entry):
        return
    await page.swap_read_folio(k.swap, entry)
    await k.mm.ptl.spin_lock()
    if await k.mm.pte_same(at, entry):
        await k.swap.swap_free(entry)
        await k.mm.set_pte_at(at, page)
        await k.mm.ptl.spin_unlock()
    else:
        await k.mm.ptl.spin_unlock()
        await page.put_page()
    if fixed:
        await k.swap.swapcache_clear(entry)


def swapin(threads: int, pages: int, fixed: bool) -> Case:
    """Return the case: all threads but the last read each page, the last one writes each."""
    slots = max(2, 2 * pages)

    class Machine(World):
        mm: Mapping = field(
            default_factory=lambda: Mapping(
                Map({at: SwpEntry(at) for at in range(pages)}),
                Map(dict.fromkeys(range(pages), "old")),
            )
        )
        swap: SwapInfo = field(
            default_factory=lambda: SwapInfo(
                Map({slot: int(slot < pages) for slot in range(slots)}),
                Map(dict.fromkeys(range(slots), False)),
                Map({slot: "old" if slot < pages else "nothing" for slot in range(slots)}),
            )
        )
        pages: tuple[tuple[AnonPage, ...], ...] = field(
            default_factory=lambda: tuple(
                tuple(AnonPage(10 * thread + at, refs=0) for at in range(pages))
                for thread in range(1, threads + 1)
            )
        )

    def thread(number: int) -> Any:
        writes = number == threads - 1

        async def run(k: Any) -> None:
            for at in range(pages):
                while not await (k.mm.store(at, "new") if writes else k.mm.load(at)):
                    await do_swap_page(k, k.pages[number][at], at, fixed)

        return run

    async def kswapd(k: Any) -> None:
        for at in range(pages):
            await k.mm.shrink_folio_list(at, k.swap)

    return Case(
        name=f"{threads}x{pages}",
        world=Machine,
        actors={f"CPU{n}": thread(n) for n in range(threads)} | {"kswapd": kswapd},
        bad=(lost,),
    )


if __name__ == "__main__":
    report = explore(swapin(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "fixed"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "states": report.states,
                "verdict": report.verdicts["lost"],
                "seconds": report.seconds,
                "peak": peak,
                "cut": report.cut,
                "said": str(report),
            }
        )
    )
