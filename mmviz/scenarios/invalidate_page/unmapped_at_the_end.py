"""Counting is not unmapping: the device's entry goes at range_end, or never.

Some drivers read the callbacks as a bracket: range_start records that something will change, and
range_end brings the device's page table up to date.  In between the CPU's entry is gone, or names
another page already, and the device still uses the old one.  Whether the memory stays safe then
depends on when the core frees the page, and no driver decides that: a full gather batch is freed
before range_end.

Promise: Once the CPU's entry has changed, the device no longer reaches the old page.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As sequence_and_counter.
    The page is freed after range_end, or before it when the gather batch is full; the driver
    cannot tell which.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: what start and end are for
    mm/mmu_gather.c: tlb_flush_mmu(), which frees a full batch
    mm/memory.c: zap_page_range()
    mm/hmm.c, v4.14 to v4.19: the device was synchronised in hmm_invalidate_range_end()
"""

from mmviz.engine import Race
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.invalidate_page import KVM
from mmviz.scenarios.invalidate_page.range_start_only import SequenceAndCounter
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    BAD,
    VA,
    GuardedMirror,
    cpu_and_device_disagree,
    device_reads_freed_page,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import FULL_BATCH, ONE_INVALIDATION

race = Race(world=GuardedMirror, actors=ONE_INVALIDATION, bad=(*BAD, page_refs_out_of_balance))


@race.case(
    "MN-E/E13",
    "range_start only counts, range_end unmaps",
    sometimes=[cpu_and_device_disagree],
    states=271,
    schedules={"a fresh page in between": "CPU0*5 CPU1 CPU0*6"},
    source=constructed("what HMM did until v4.19, in a driver that counts"),
)
class UnmappedAtEnd(SequenceAndCounter):
    """Counts at range_start, and unmaps at range_end."""

    async def invalidate_range_start(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.notifier.kvm_mmu_invalidate_begin()
        await k.update.mutex_unlock()

    async def invalidate_range_end(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.gpu.unmap(VA)
        await k.notifier.kvm_mmu_invalidate_end()
        await k.update.mutex_unlock()


race.case(
    "MN-E/E13 (full batch)",
    "range_start only counts, range_end unmaps; the page is freed in between",
    name="UnmappedAtEndFullBatch",
    of=UnmappedAtEnd,
    actors=FULL_BATCH,
    sometimes=[cpu_and_device_disagree, device_reads_freed_page],
    kind="ordering",
    states=262,
    schedules={"freed before range_end": "CPU0*6"},
    source=constructed("what HMM did until v4.19, in a driver that counts; a full batch"),
)


@race.case(
    "MN-E/E14",
    "both words are kept, and nothing is unmapped",
    sometimes=BAD,
    kind="ordering",
    states=251,
    schedules={"the device is never notified": "CPU0*10 CPU1"},
    source=constructed("counting alone takes no page away from the device"),
)
class NeverUnmapped(UnmappedAtEnd):
    """Counts at range_start and range_end, and leaves the device's entry alone."""

    invalidate_range_end = SequenceAndCounter.invalidate_range_end


race.case(
    "MN-E/E0",
    "range_start counts and unmaps, as KVM does",
    name="SequenceAndCounter",
    of=SequenceAndCounter,
    states=261,
    source=KVM,
)
race.case(
    "MN-E/E0 (full batch)",
    "range_start counts and unmaps; the page is freed before range_end",
    name="SequenceAndCounterFullBatch",
    of=SequenceAndCounter,
    actors=FULL_BATCH,
    states=252,
    source=KVM,
)
