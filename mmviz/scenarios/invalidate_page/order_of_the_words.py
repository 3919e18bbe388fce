"""Two words, written and read one after the other: which first?

The counter says that an invalidation is under way, the sequence that one has ended.  When one
ends, it moves from the first word to the second.  Bump the sequence before you drop the
counter, and a fault that reads the counter first and then the sequence sees it in one of them
at least.  Reverse either order and a fault may see it in neither.  The same holds for a sample
that is taken when the page has been looked up already.

Promise: A fault maps a page only if no invalidation was under way since it looked the page up.

Memory model: sequentially consistent; the kernel's barriers appear only as the order of steps.

Simplified:
    As sequence_and_counter.  range_end takes no lock here, as if the words were atomic counters.
    KVM writes both under its lock, but on PPC some readers check without it; for them KVM keeps
    this very order, with a write barrier.  The reader here holds the lock, which keeps
    range_start out.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: sequence number and active range counter
    include/linux/kvm_host.h: mmu_invalidate_retry() and its comment about the order
    virt/kvm/kvm_main.c: kvm_mmu_invalidate_end()
"""

from mmviz.engine import Race
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.invalidate_page.range_start_only import SequenceAndCounter
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    BAD,
    VA,
    GuardedMirror,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import ONE_INVALIDATION

# The page is given up, and touched again, while the device faults.
race = Race(
    "MN-E",
    world=GuardedMirror,
    actors=ONE_INVALIDATION,
    bad=(*BAD, page_refs_out_of_balance),
)


@race.case(
    "E9",
    "the sample is taken after the lookup",
    sometimes=BAD,
    states=312,
    schedules={"over before the sample": "GPU CPU0*11 GPU*6"},
    source=constructed("the sample must come before the lookup"),
)
class SampleAfterLookup(SequenceAndCounter):
    """Samples the sequence when it already has the page."""

    async def fault(self, k: GuardedMirror) -> None:
        while True:
            page = await k.cpu.get_user_pages(VA)
            if page is None:
                return
            seq = await self.sample(k)  # misses all that ended before
            await k.update.mutex_lock()
            if await self.must_retry(k, seq):
                await k.update.mutex_unlock()
                await page.put_page()
                continue
            await k.gpu.map(VA, page)
            await k.update.mutex_unlock()
            await page.put_page()
            return


@race.case(
    "E10",
    "range_end drops the counter first",
    sometimes=BAD,
    states=320,
    schedules={"in neither word": "GPU*2 CPU0*7 CPU1 GPU*6 CPU0*3"},
    source=constructed("the writer must bump the sequence first"),
)
class CounterDroppedFirst(SequenceAndCounter):
    """For a moment neither word shows the invalidation."""

    async def invalidate_range_end(self, k: GuardedMirror) -> None:
        await k.notifier.drop_mmu_invalidate_in_progress()
        await k.notifier.bump_mmu_invalidate_seq()

    async def must_retry(self, k: GuardedMirror, seq: int) -> bool:
        if await k.notifier.read_mmu_invalidate_in_progress():
            return True
        return await k.notifier.mmu_invalidate_seq_changed(seq)


class SequenceBumpedFirst(CounterDroppedFirst):
    """For a moment both words show the invalidation; the reader goes against the writer."""

    async def invalidate_range_end(self, k: GuardedMirror) -> None:
        await k.notifier.bump_mmu_invalidate_seq()
        await k.notifier.drop_mmu_invalidate_in_progress()


@race.case(
    "E12",
    "the reader checks the sequence first",
    sometimes=BAD,
    states=312,
    schedules={"it moves behind the reader": "CPU0*5 GPU*4 CPU0*5 CPU1 GPU*4"},
    source=constructed("the reader must check the counter first"),
)
class SequenceReadFirst(SequenceBumpedFirst):
    """The reader goes with the writer, and may miss both words."""

    async def must_retry(self, k: GuardedMirror, seq: int) -> bool:
        if await k.notifier.mmu_invalidate_seq_changed(seq):
            return True
        return await k.notifier.read_mmu_invalidate_in_progress() > 0


race.case(
    "E11",
    "range_end bumps the sequence first, the reader checks the counter first",
    name="SequenceBumpedFirst",
    of=SequenceBumpedFirst,
    states=269,
    schedules={"in both words": "GPU*2 CPU0*7 CPU1 GPU*5 CPU0*3 GPU*7"},
    source=constructed("KVM's order of the two words, which its readers without the lock need"),
)
