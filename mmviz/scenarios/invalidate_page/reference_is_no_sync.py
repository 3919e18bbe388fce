"""A page reference instead of staying in sync.

A driver that need not follow the CPU's page table may take references on its pages instead: for
as long as the device maps them, or from range_start to range_end.  As long as the reference is
there the memory is safe.  But the device sees the old page while the CPU may see another
already; that is what was agreed on.  And the reference must outlive the device's entry: put it
first, or let a fault bring the entry back, and the device is left with a page that is free.

Promise: As long as the device maps a page, somebody keeps it from being freed.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As range_start_only; the driver remembers one page.  Where it holds a reference from start to
    end, a full gather batch puts the core's on the way, so that the driver's is the last.
    The device maps the page at the beginning, so range_start finds one to hold, and the counter
    could go.  With no entry yet, a fault could map the page after range_start has found none.
    That CPU and device disagree is agreed on here.  A bug is a freed page, or an entry that
    stays stale once the invalidation is over, where the driver has not agreed to that either.
    No case of this kind keeps every promise; the last one stays in sync, for comparison.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: references, for drivers that need not follow; it
    does not say whether the driver unmaps the page before it puts the reference
    mm/gup.c: get_user_pages(), today pin_user_pages()
    Documentation/core-api/pin_user_pages.rst: what a pin promises, and what not
"""

from typing import Any

from mmviz.engine import atomic
from mmviz.kernel.page import Page
from mmviz.scenarios.invalidate_page import RECOMMENDED
from mmviz.scenarios.invalidate_page.range_start_only import (
    BAD,
    VA,
    Driver,
    GuardedMirror,
    Mirror,
    PinnedMirror,
    PinWhileMapped,
    RangeStartOnly,
    SequenceAndCounter,
    case,
    cpu_and_device_disagree,
    device_keeps_stale_entry,
    device_reads_freed_page,
    zap_full_batch,
)


class HoldingMirror(GuardedMirror):
    """The driver remembers the page it holds a reference on, from start to end.

    Attributes:
        held: that page.
    """

    held: Page | None = None

    @atomic("driver")
    def hold(self, address: str) -> None:
        """Take a reference on the page the device maps, and remember it."""
        self.held = self.gpu.pte[address]
        if self.held is not None:
            self.held.get()

    @atomic("driver")
    def drop(self) -> None:
        """Put the reference that was remembered."""
        if self.held is not None:
            self.held.put()
        self.held = None


class NeverUnmapped(Driver):
    """Holds the page from start to end, and leaves the device's entry alone."""

    async def invalidate_range_start(self, k: HoldingMirror) -> None:
        await k.hold(VA)

    async def invalidate_range_end(self, k: HoldingMirror) -> None:
        await k.drop()


class UnmappedAtEnd(NeverUnmapped):
    """Holds the page from start to end, and unmaps it before it puts the reference."""

    async def invalidate_range_end(self, k: HoldingMirror) -> None:
        await k.gpu.unmap(VA)
        await k.drop()


class UncheckedFault(UnmappedAtEnd):
    """The same, and a fault may come at any time."""

    async def fault(self, k: Any) -> None:
        await RangeStartOnly().fault(k)


class CheckedFault(SequenceAndCounter):
    """The same, and a fault looks at the sequence and the counter."""

    async def invalidate_range_start(self, k: Any) -> None:
        await k.update.mutex_lock()
        await k.notifier.kvm_mmu_invalidate_begin()
        await k.hold(VA)
        await k.update.mutex_unlock()

    async def invalidate_range_end(self, k: Any) -> None:
        await k.update.mutex_lock()
        await k.gpu.unmap(VA)
        await k.notifier.kvm_mmu_invalidate_end()
        await k.drop()
        await k.update.mutex_unlock()


class PinnedForTheJob(Driver):
    """No callbacks: the pages are pinned until the job is over."""

    async def fault(self, k: Mirror) -> None:
        page = await k.gpu.xchg(VA, None)  # the job is over
        if page is not None:
            await page.put_page()


NO_SYNC = (device_keeps_stale_entry, cpu_and_device_disagree)

CASES = (
    case(
        NeverUnmapped(),
        "MN-F/F2",
        "a reference from start to end, and the device's entry stays",
        18,
        (cpu_and_device_disagree,),
        (device_reads_freed_page, device_keeps_stale_entry),
        world=HoldingMirror,
        zap=zap_full_batch,
        kind="ordering",
        schedules={"put with the entry still there": "CPU0*6 CPU1"},
        proposed=RECOMMENDED,
    ),
    case(
        UncheckedFault(),
        "MN-F/F4",
        "a reference from start to end, unmapped before it is put; faults look at nothing",
        120,
        BAD,
        world=HoldingMirror,
        zap=zap_full_batch,
        schedules={"looked up before and mapped after": "GPU CPU0*7 CPU1 GPU*2"},
    ),
    case(
        PinWhileMapped(),
        "MN-F/F1",
        "a reference for as long as the device maps the page, range_start puts it",
        87,
        NO_SYNC,
        world=PinnedMirror,
        schedules={"safe memory and stale for ever": "CPU0*3 GPU*2 CPU0*3 CPU1"},
    ),
    case(
        PinnedForTheJob(),
        "MN-F/F6",
        "a reference until the job is over, and no callback at all",
        39,
        NO_SYNC,
        world=PinnedMirror,
        kind="contract",
        schedules={"the job works on the old page": "CPU0*4 CPU1 GPU*2"},
    ),
    case(
        UnmappedAtEnd(),
        "MN-F/F3",
        "a reference from start to end, unmapped before it is put; the device does not fault",
        21,
        (cpu_and_device_disagree,),
        world=HoldingMirror,
        zap=zap_full_batch,
        kind="contract",
        schedules={"old data until range_end": "CPU0*3 CPU1 CPU0*4"},
        proposed=RECOMMENDED,
    ),
    case(
        CheckedFault(),
        "MN-F/F5",
        "a reference from start to end, unmapped before it is put; faults look at both words",
        296,
        (cpu_and_device_disagree,),
        world=HoldingMirror,
        zap=zap_full_batch,
        kind="contract",
        schedules={"old data until range_end": "CPU0*6 CPU1 CPU0*7 GPU*7"},
    ),
    case(
        SequenceAndCounter(),
        "MN-E/E0",
        "for comparison: no reference, the driver stays in sync",
        261,
        shipped=("v2.6.27", ""),
        proposed=RECOMMENDED,
    ),
)

SPARE = {
    "SequenceAndCounter: await k.update.mutex_lock()": (
        "Both words are written in one step; order_of_the_words writes them in two."
    ),
}
