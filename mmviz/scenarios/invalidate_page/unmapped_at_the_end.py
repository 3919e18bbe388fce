"""Counting is not unmapping: the device's entry goes at range_end, or never.

Some drivers read the callbacks as a bracket: range_start notes that something will change, and
range_end brings the device's page table up to date.  In between the CPU's entry is gone, or
names another page already, and the device goes on with the old one.  Whether the memory stays
safe then hangs on when the core frees the page, which no driver decides: a full gather batch is
freed before range_end.

Promise: Once the CPU's entry has changed, the device reaches the old page no more.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As sequence_and_counter.  The page is freed after range_end, or on the way when the gather
    batch is full; the driver cannot tell which.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: what start and end are for
    mm/mmu_gather.c: tlb_flush_mmu(), which frees a full batch; mm/memory.c: zap_page_range()
    mm/hmm.c, v4.14 to v4.19: the device was synchronised in hmm_invalidate_range_end()
"""

from mmviz.scenarios.invalidate_page import RECOMMENDED
from mmviz.scenarios.invalidate_page.range_start_only import (
    BAD,
    VA,
    GuardedMirror,
    SequenceAndCounter,
    case,
    cpu_and_device_disagree,
    device_reads_freed_page,
    zap_full_batch,
)


class NeverUnmapped(SequenceAndCounter):
    """Keeps its books in order, and the device's entry too."""

    async def invalidate_range_start(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.notifier.kvm_mmu_invalidate_begin()
        await k.update.mutex_unlock()


class UnmappedAtEnd(NeverUnmapped):
    """Counts at range_start, and unmaps at range_end."""

    async def invalidate_range_end(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.gpu.unmap(VA)
        await k.notifier.kvm_mmu_invalidate_end()
        await k.update.mutex_unlock()


AT_END = (UnmappedAtEnd(), "MN-E/E13", "range_start only counts, range_end unmaps")
AT_START = (SequenceAndCounter(), "MN-E/E0", "range_start counts and unmaps, as KVM does")

CASES = (
    case(
        *AT_END,
        271,
        (cpu_and_device_disagree,),
        schedules={"a fresh page in between": "CPU0*5 CPU1 CPU0*6"},
    ),
    case(
        UnmappedAtEnd(),
        "MN-E/E13 (full batch)",
        "range_start only counts, range_end unmaps; the page is freed in between",
        262,
        (cpu_and_device_disagree, device_reads_freed_page),
        zap=zap_full_batch,
        name="UnmappedAtEndFullBatch",
        kind="ordering",
        schedules={"freed before range_end": "CPU0*6"},
    ),
    case(
        NeverUnmapped(),
        "MN-E/E14",
        "both words are kept, and nothing is unmapped",
        251,
        BAD,
        kind="ordering",
        schedules={"nobody told the device": "CPU0*10 CPU1"},
    ),
    case(*AT_START, 261, shipped=("v2.6.27", ""), proposed=RECOMMENDED),
    case(
        SequenceAndCounter(),
        "MN-E/E0 (full batch)",
        "range_start counts and unmaps; the page is freed before range_end",
        252,
        zap=zap_full_batch,
        name="SequenceAndCounterFullBatch",
        shipped=("v2.6.27", ""),
        proposed=RECOMMENDED,
    ),
)
