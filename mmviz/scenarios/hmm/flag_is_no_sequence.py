"""HMM's three own answers before it had a sequence number.

HMM helps drivers to mirror a process.  A driver registers the range it wants to look up, takes
a snapshot of it, and maps it if the range is still valid.  At first HMM synchronised the device
only when an invalidation ended.  Then it did so at the start, but a range was valid as soon as
it was registered, also in the middle of an invalidation.  Then it counted invalidations, and
the last one to end made every range valid again: one that has come and gone leaves no trace.

Promise: A snapshot is mapped only if nothing has changed in its range since it was taken.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As invalidate_page/range_start_only: one address, two pages, one unmapping, one CPU fault.
    A snapshot takes no page reference.  A driver that finds its range no longer valid registers
    it anew.  hmm->lock is taken and dropped within the step that needs it.
    Holding mmap_sem for reading helps against munmap, not against reclaim and migration, which
    do not take it; so it is left out.

Sources:
    c0b124054f9e (v4.14): mm/hmm/mirror: mirror process address space on device with HMM helpers
    ec131b2d7fa6 (v4.20): mm/hmm: invalidate device page table at start of invalidation
    a3e0d41c2b1f (v5.2): mm/hmm: improve driver API to work and wait over a range
    04ec32fbc2b2 (v5.5): mm/hmm: allow hmm_range to be used with a mmu_interval_notifier
    mm/hmm.c, v4.14 to v5.4: hmm_invalidate_range(), hmm_invalidate_range_end()
"""

from typing import Any

from mmviz.engine import field, mark
from mmviz.kernel.hmm_invalidate import CountingHmm, FlaggedHmm
from mmviz.kernel.hmm_range import HmmRange, RangedHmm
from mmviz.kernel.interval_notifier import IntervalSubscriptions, MmuIntervalNotifier
from mmviz.kernel.locks import Mutex
from mmviz.kernel.notifier import MmuNotifierSubscriptions
from mmviz.scenarios.hmm import INTERVALS, RANGES
from mmviz.scenarios.invalidate_page.range_start_only import (
    BAD,
    VA,
    Driver,
    Mirror,
    case,
    cpu_and_device_disagree,
    device_reads_freed_page,
    zap_full_batch,
)

MIRRORED = ("2017-08-17", "<20170817000548.32038-4-jglisse@redhat.com>")  # c0b124054f9e, v4.14
AT_START = ("2018-08-24", "<20180824192549.30844-7-jglisse@redhat.com>")


class FlaggedMirror(Mirror):
    """A range is valid or not, and that is all."""

    update: Mutex = field(default_factory=Mutex)
    hmm: RangedHmm = field(default_factory=FlaggedHmm)
    range: HmmRange = field(default_factory=HmmRange)


class CountingMirror(FlaggedMirror):
    """HMM counts invalidations, and makes ranges valid again."""

    hmm: RangedHmm = field(default_factory=CountingHmm)


class IntervalMirror(Mirror):
    """The driver has an interval notifier."""

    update: Mutex = field(default_factory=Mutex)
    interval: MmuIntervalNotifier = field(default_factory=MmuIntervalNotifier)
    mm: MmuNotifierSubscriptions = field(default_factory=IntervalSubscriptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mm = IntervalSubscriptions(intervals=(self.interval,))


async def sync_cpu_device_pagetables(k: Any) -> None:
    """The driver's callback: the device lets go of the page."""
    await k.update.mutex_lock()
    await k.gpu.unmap(VA)
    await k.update.mutex_unlock()


class SyncedAtEnd(Driver):
    """Does nothing at the start; at the end no range is valid, and the device is told."""

    async def invalidate_range_end(self, k: Any) -> None:
        await k.hmm.hmm_invalidate_range()
        await sync_cpu_device_pagetables(k)

    async def fault(self, k: Any) -> None:
        while True:
            mark("again")
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


class ValidOnceRegistered(SyncedAtEnd):
    """Tells the device at the start; no listed range is valid then, nor at the end."""

    async def invalidate_range_start(self, k: Any) -> None:
        await k.hmm.hmm_invalidate_range()
        await sync_cpu_device_pagetables(k)

    async def invalidate_range_end(self, k: Any) -> None:
        await k.hmm.hmm_invalidate_range()


class ValidAgainAtEnd(SyncedAtEnd):
    """Counts; when the last invalidation is over, every listed range is valid again."""

    async def invalidate_range_start(self, k: Any) -> None:
        await k.hmm.hmm_invalidate_range_start()
        await sync_cpu_device_pagetables(k)

    async def invalidate_range_end(self, k: Any) -> None:
        await k.hmm.hmm_invalidate_range_end()


class IntervalNotifier(Driver):
    """Begins a read section, and looks whether anything has disturbed it."""

    async def invalidate_range_start(self, k: Any) -> None:
        await k.update.mutex_lock()
        await k.interval.mmu_interval_set_seq()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()

    async def fault(self, k: Any) -> None:
        while True:
            mark("again")
            await k.interval.mmu_interval_read_begin()
            page = await k.cpu.hmm_range_fault(VA)
            await k.update.mutex_lock()
            if await k.interval.mmu_interval_read_retry():
                await k.update.mutex_unlock()
                continue
            if page is not None:
                await k.gpu.map(VA, page)
            await k.update.mutex_unlock()
            return


CASES = (
    case(
        SyncedAtEnd(),
        "X-1/1a",
        "the device is told at range_end, as v4.14 to v4.19 did",
        492,
        (cpu_and_device_disagree,),
        world=FlaggedMirror,
        shipped=("v4.14", "v4.19"),
        schedules={"a fresh page in between": "CPU0*2 CPU1 CPU0*6"},
        proposed=MIRRORED,
    ),
    case(
        SyncedAtEnd(),
        "X-1/1a (full batch)",
        "the same, and the page is freed before range_end",
        462,
        (cpu_and_device_disagree, device_reads_freed_page),
        world=FlaggedMirror,
        zap=zap_full_batch,
        name="SyncedAtEndFullBatch",
        kind="ordering",
        shipped=("v4.14", "v4.19"),
        schedules={"freed before range_end": "CPU0*3"},
        proposed=MIRRORED,
    ),
    case(
        ValidOnceRegistered(),
        "X-1/1b",
        "a flag, set at registration whatever is under way, as v4.20 to v5.1 did",
        524,
        BAD,
        world=FlaggedMirror,
        shipped=("v4.20", "v5.1"),
        schedules={"registered in the middle": "CPU0*5 GPU*8 CPU0*4 CPU1"},
        proposed=AT_START,
    ),
    case(
        ValidAgainAtEnd(),
        "X-1/1c",
        "a counter, and the last range_end makes ranges valid again, as v5.2 to v5.4 did",
        362,
        BAD,
        world=CountingMirror,
        shipped=("v5.2", "v5.4"),
        schedules={"valid, changed, valid again": "GPU*3 CPU0*9 CPU1 GPU*5"},
        proposed=RANGES,
    ),
    case(
        IntervalNotifier(),
        "X-1/1d",
        "an interval notifier, as since v5.5",
        194,
        world=IntervalMirror,
        shipped=("v5.5", ""),
        schedules={"disturbed, and begun anew": "GPU*2 CPU0*8 CPU1 GPU*9"},
        proposed=INTERVALS,
    ),
)

SPARE = {
    "await k.gpu.map(VA, page)": (
        "That a fault maps its page is no bad state: the next invalidation may take it away."
    ),
}
