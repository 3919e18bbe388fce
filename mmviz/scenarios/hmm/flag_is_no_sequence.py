"""HMM's three schemes before it had a sequence number.

HMM helps drivers to mirror a process.  A driver registers the range it wants to look up, takes
a snapshot of it, and maps it if the range is still valid.  At first HMM synchronised the device
only when an invalidation ended.  Then it did so at the start, but a range was valid as soon as
it was registered, also in the middle of an invalidation.  Then it counted invalidations, and
the last one to end made every range valid again: one that has come and gone leaves no trace.

Promise: A snapshot is mapped only if nothing has changed in its range since it was taken.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As invalidate_page/range_start_only: one address, two pages, one unmapping, one CPU fault.
    A snapshot takes no page reference.
    A driver that finds its range no longer valid registers it anew.
    hmm->lock is taken and dropped within the step that needs it.
    mmap_sem is left out: held for reading it helps against munmap, not against reclaim and
    migration, which do not take it.

Sources:
    c0b124054f9e (v4.14): mm/hmm/mirror: mirror process address space on device with HMM helpers
    ec131b2d7fa6 (v4.20): mm/hmm: invalidate device page table at start of invalidation
    a3e0d41c2b1f (v5.2): mm/hmm: improve driver API to work and wait over a range
    04ec32fbc2b2 (v5.5): mm/hmm: allow hmm_range to be used with a mmu_interval_notifier
    mm/hmm.c, v4.14 to v5.4: hmm_invalidate_range(), hmm_invalidate_range_end()
"""

from typing import Any, Final

from mmviz.engine import Race, field
from mmviz.kernel.hmm.invalidate import CountingHmm, FlaggedHmm
from mmviz.kernel.hmm.range import HmmRange, RangedHmm
from mmviz.kernel.provenance import proposed_elsewhere, shipped
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios.hmm import CHECKED, INTERVALS, RANGES
from mmviz.scenarios.hmm.worlds.interval_mirror import IntervalMirror
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    BAD,
    VA,
    Mirror,
    cpu_and_device_disagree,
    device_reads_freed_page,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import FULL_BATCH, ONE_INVALIDATION, Driver

# c0b124054f9e and ec131b2d7fa6, as posted.
MIRRORED: Final = proposed_elsewhere("2017-08-17", "<20170817000548.32038-4-jglisse@redhat.com>")
AT_START: Final = proposed_elsewhere("2018-08-24", "<20180824192549.30844-7-jglisse@redhat.com>")


class FlaggedMirror(Mirror):
    """A range is either valid or not; there is no counter."""

    update: Mutex = field(default_factory=Mutex)
    hmm: RangedHmm = field(default_factory=FlaggedHmm)
    range: HmmRange = field(default_factory=HmmRange)


class CountingMirror(FlaggedMirror):
    """HMM counts invalidations, and makes ranges valid again."""

    hmm: RangedHmm = field(default_factory=CountingHmm)


async def sync_cpu_device_pagetables(k: Any) -> None:
    """The driver's callback: unmap the page from the device."""
    await k.update.mutex_lock()
    await k.gpu.unmap(VA)
    await k.update.mutex_unlock()


# A page is unmapped while the device faults and the CPU touches the address again.
race = Race(
    world=FlaggedMirror,
    actors=ONE_INVALIDATION,
    bad=(*BAD, page_refs_out_of_balance),
)


@race.case(
    "X-1/1a (full batch)",
    "the same, and the page is freed before range_end",
    name="SyncedAtEndFullBatch",
    actors=FULL_BATCH,
    sometimes=[cpu_and_device_disagree, device_reads_freed_page],
    kind="ordering",
    states=394,
    schedules={"freed before range_end": "CPU0*3"},
    source=shipped("v4.14", "v4.19", said=MIRRORED),
)
@race.case(
    "X-1/1a",
    "the device is notified at range_end, as v4.14 to v4.19 did",
    sometimes=[cpu_and_device_disagree],
    states=417,
    schedules={"a fresh page in between": "CPU0*2 CPU1 CPU0*6"},
    source=shipped("v4.14", "v4.19", said=MIRRORED),
)
class SyncedAtEnd(Driver):
    """Does nothing at the start; at the end no range is valid, and the device is notified."""

    async def invalidate_range_end(self, k: Any) -> None:
        """Make the ranges invalid, and tell the device."""
        await k.hmm.hmm_invalidate_range()
        await sync_cpu_device_pagetables(k)

    async def fault(self, k: Any) -> None:
        """Register the range, take a snapshot, and map it if the range is still valid."""
        while True:
            await k.hmm.hmm_range_register(k.range)
            if not await k.range.hmm_range_valid():
                await k.hmm.hmm_range_unregister(k.range)
                continue
            page = await k.cpu.hmm_range_fault(VA)
            await k.update.mutex_lock()
            valid = await k.range.hmm_range_valid()
            if valid and page is not None:
                await k.gpu.map(VA, page)
            await k.update.mutex_unlock()
            await k.hmm.hmm_range_unregister(k.range)
            if valid:
                return


@race.case(
    "X-1/1b",
    "a flag, set at registration even during an invalidation, as v4.20 to v5.1 did",
    sometimes=BAD,
    states=480,
    schedules={"registered in the middle": "CPU0*5 GPU*8 CPU0*4 CPU1"},
    source=shipped("v4.20", "v5.1", said=AT_START),
)
class ValidOnceRegistered(SyncedAtEnd):
    """Tells the device at the start; no listed range is valid then, nor at the end."""

    async def invalidate_range_start(self, k: Any) -> None:
        """Make the ranges invalid, and tell the device."""
        await k.hmm.hmm_invalidate_range()
        await sync_cpu_device_pagetables(k)

    async def invalidate_range_end(self, k: Any) -> None:
        """Make the ranges invalid again."""
        await k.hmm.hmm_invalidate_range()


@race.case(
    "X-1/1c",
    "a counter, and the last range_end makes ranges valid again, as v5.2 to v5.4 did",
    world=CountingMirror,
    sometimes=BAD,
    states=321,
    schedules={"valid, changed, valid again": "GPU*3 CPU0*9 CPU1 GPU*5"},
    source=shipped("v5.2", "v5.4", said=RANGES),
)
class ValidAgainAtEnd(SyncedAtEnd):
    """Counts; when the last invalidation is over, every listed range is valid again."""

    async def invalidate_range_start(self, k: Any) -> None:
        """Count the invalidation, and tell the device."""
        await k.hmm.hmm_invalidate_range_start()
        await sync_cpu_device_pagetables(k)

    async def invalidate_range_end(self, k: Any) -> None:
        """Drop the count; after the last invalidation the ranges are valid."""
        await k.hmm.hmm_invalidate_range_end()


@race.case(
    "X-1/1d",
    "an interval notifier, as since v5.5",
    world=IntervalMirror,
    states=182,
    schedules={"disturbed, and begun anew": "GPU*2 CPU0*8 CPU1 GPU*9"},
    source=shipped("v5.5", said=INTERVALS, checked=CHECKED),
)
class IntervalNotifier(Driver):
    """Begins a read section, and checks whether an invalidation has disturbed it."""

    async def invalidate_range_start(self, k: Any) -> None:
        """Note the core's sequence number under the driver's lock, and tell the device."""
        await k.update.mutex_lock()
        await k.interval.mmu_interval_set_seq()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()

    async def fault(self, k: Any) -> None:
        """Begin a read section, look the page up, and map it if nothing has disturbed that."""
        while True:
            await k.interval.mmu_interval_read_begin()
            page = await k.cpu.hmm_range_fault(VA)
            await k.update.mutex_lock()
            if await k.interval.mmu_interval_read_retry():
                await k.update.mutex_unlock()
                continue
            if page is not None:
                # redundant: a fault that maps nothing violates nothing
                await k.gpu.map(VA, page)
            await k.update.mutex_unlock()
            return
