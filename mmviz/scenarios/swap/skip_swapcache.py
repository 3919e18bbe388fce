"""Two threads read one page back from swap, each into a folio of its own.

With a fast swap device do_swap_page() reads the page without putting it into the swap cache.  Each
of two threads that fault on the same address then has a copy.  The slower one compares the entry
with what it saw before, and drops its copy if the entry has changed.  But the faster one may have
mapped its copy, freed the slot and written, and kswapd may have swapped the page out again into the
very same slot.  The entry is the same once more, the content is not, and the slower thread maps
what is old.

Promise: What a thread has written stays written.

Memory model: sequentially consistent; the entry and the slots change under locks only.

Simplified:
    One address, two slots, one folio for each thread; the lowest free slot is handed out.
    Reclaim is one step: kswapd holds the folio lock, and a fault that meets it half-way waits.
    The lock of a cluster is held within each step that changes a slot.
    A folio is mapped writable, and its slot is freed, as for a slot that only this entry names.
    SleepForATick: a tick ends at any moment, so the thread just tries again.

Sources:
    0bcac06f27d7 (v4.15) mm, swap: skip swapcache for swapin of synchronous device
    13ddaf26be32 (v6.8) mm/swap: fix race when skipping swapcache
    01626a182302 (v6.12) mm: avoid unconditional one-tick sleep when swapcache_prepare fails
    <87sf1qrwsw.fsf@yhuang6-desk2.ccr.corp.intel.com> Huang on v3 of the patch
    mm/memory.c do_swap_page(); mm/swapfile.c swapcache_prepare(), swapcache_clear()
"""

from mmviz.engine import Map, Race, World, at_end, environment, field
from mmviz.kernel.mm.swap import Folio, SwapEntry, SwapInfo, SwapMapping
from mmviz.kernel.provenance import constructed
from mmviz.kernel.sync.waitqueue import WaitQueueHead
from mmviz.scenarios.swap import MERGED, SKIP_SWAPCACHE, WAIT_QUEUE


class Machine(World):
    """A process whose page is in slot 0, and a folio for each of its threads to read it into."""

    mm: SwapMapping = field(default_factory=lambda: SwapMapping(SwapEntry(0)))
    si: SwapInfo = field(
        default_factory=lambda: SwapInfo(
            Map({0: 1, 1: 0}), Map({0: False, 1: False}), Map({0: "old", 1: "nothing"})
        )
    )
    folio0: Folio = field(default_factory=lambda: Folio(10, refs=0))
    folio1: Folio = field(default_factory=lambda: Folio(11, refs=0))
    swapcache_wq: WaitQueueHead = field(default_factory=WaitQueueHead)


def write_lost(k: Machine) -> bool:
    """What the process wrote last is gone: page or slot hold what was there before."""
    at = k.mm.pte
    data = at.data if isinstance(at, Folio) else k.si.data[at.offset]
    return data != k.mm.written


@at_end
def slot_is_lost(k: Machine) -> bool:
    """A slot that no entry names is kept for a page that is not there: it is never free again."""
    return any(k.si.has_cache.values())


@at_end
def folio_is_leaked(k: Machine) -> bool:
    """A folio that nothing maps still has a reference."""
    return any(folio.refs and not folio.mapcount for folio in (k.folio0, k.folio1))


async def kswapd(k: Machine) -> None:
    """Memory is short: swap the page out, if it is there."""
    await k.mm.shrink_folio_list(k.si)


async def reader(k: Machine, how: "SkipSwapcache") -> None:
    """A thread reads once."""
    while not await k.mm.cpu_read():
        await how.do_swap_page(k, k.folio0)


async def writer(k: Machine, how: "SkipSwapcache") -> None:
    """A thread writes once."""
    while not await k.mm.cpu_write("new"):
        await how.do_swap_page(k, k.folio1)


race = Race(
    world=Machine,
    actors={"CPU0": reader, "CPU1": writer, "kswapd": kswapd},
    bad=(write_lost, slot_is_lost, folio_is_leaked),
)


@race.case(
    "SW/1",
    "as shipped v4.15 to v6.7: read the slot, compare the entry",
    sometimes=[write_lost],
    source=SKIP_SWAPCACHE,
    states=326,
)
class SkipSwapcache:
    """Each fault reads the slot into a folio of its own, and compares the entry before mapping."""

    async def begin(self, k: Machine, entry: SwapEntry) -> bool:
        """Return whether the slot may be read: always."""
        return True

    async def was_read(self, k: Machine, entry: SwapEntry) -> None:
        """Nothing."""

    async def unchanged(self, k: Machine, entry: SwapEntry) -> bool:
        """Return whether the folio may be mapped."""
        return await k.mm.pte_same(entry)

    async def end(self, k: Machine, entry: SwapEntry) -> None:
        """Nothing."""

    async def do_swap_page(self, k: Machine, folio: Folio) -> None:
        """One fault: read the page from swap and map it, unless the entry has changed."""
        entry = await k.mm.handle_pte_fault()
        if entry is None or not await self.begin(k, entry):
            return
        await folio.swap_read_folio(k.si, entry)
        await self.was_read(k, entry)
        await k.mm.ptl.spin_lock()
        if await self.unchanged(k, entry):
            await k.si.swap_free(entry)
            await k.mm.set_pte_at(folio)
            await k.mm.ptl.spin_unlock()
        else:
            await k.mm.ptl.spin_unlock()
            await folio.folio_put()
        await self.end(k, entry)


@race.case(
    "SW/2",
    "tempting: compare the slot's count, too",
    sometimes=[write_lost],
    source=constructed("the count is the same again, as the entry is"),
    states=356,
)
class CountAgain(SkipSwapcache):
    """The slot has been freed and taken again: its count is one, as before."""

    async def unchanged(self, k: Machine, entry: SwapEntry) -> bool:
        return await k.mm.pte_same(entry) and await k.si.swp_swapcount(entry) == 1


@race.case(
    "SW/3",
    "tempting: SWAP_HAS_CACHE only while the slot is read",
    sometimes=[write_lost],
    source=constructed("the flag has to cover the comparison, not only the reading"),
    states=743,
)
class PrepareForReading(SkipSwapcache):
    """Between reading and mapping the slot may be freed and taken again."""

    async def begin(self, k: Machine, entry: SwapEntry) -> bool:
        return await k.si.swapcache_prepare(entry)

    async def was_read(self, k: Machine, entry: SwapEntry) -> None:
        await k.si.swapcache_clear(entry)


@race.case(
    "SW/4",
    "as merged in v6.8: SWAP_HAS_CACHE until the folio is mapped",
    source=MERGED,
    states=484,
)
class SleepForATick(SkipSwapcache):
    """While one fault has the slot, no other reads it, and it is not handed out again."""

    async def begin(self, k: Machine, entry: SwapEntry) -> bool:
        return await k.si.swapcache_prepare(entry)

    async def end(self, k: Machine, entry: SwapEntry) -> None:
        await k.si.swapcache_clear(entry)


@race.case(
    "SW/5",
    "since v6.12: the second fault waits on a queue, for a tick at most",
    actors=race.actors | {"environment": environment},
    source=WAIT_QUEUE,
    states=1579,
)
class WaitOnQueue(SleepForATick):
    """A thread that finds the slot taken sleeps until it is given back, or the tick is over."""

    async def begin(self, k: Machine, entry: SwapEntry) -> bool:
        if await k.si.swapcache_prepare(entry):
            return True
        # redundant: a tick may end at once, and then the thread tries again
        await k.swapcache_wq.prepare_to_wait()
        # redundant: sleeping spares the CPU, and nothing depends on it
        await k.swapcache_wq.schedule_timeout()
        # redundant: a thread that is still on the queue is woken once more, and does not sleep
        await k.swapcache_wq.finish_wait()
        return False

    async def end(self, k: Machine, entry: SwapEntry) -> None:
        await k.si.swapcache_clear(entry)
        await k.swapcache_wq.wake_up_all()


@race.case(
    "SW/6",
    "tempting: the same without a timeout",
    deadlock=True,
    source=constructed("what the tick is for: the slot may be given back before the thread sleeps"),
    states=1013,
)
class WaitForever(WaitOnQueue):
    """The wake-up may come before the thread is on the queue, and there is no other."""

    async def begin(self, k: Machine, entry: SwapEntry) -> bool:
        if await k.si.swapcache_prepare(entry):
            return True
        await k.swapcache_wq.prepare_to_wait()
        await k.swapcache_wq.schedule()
        await k.swapcache_wq.finish_wait()
        return False
