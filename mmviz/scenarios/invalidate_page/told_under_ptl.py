"""invalidate_range(): called at once, under the page-table lock.

A device that walks the CPU's own page table keeps nothing but a cache of it.  It is enough to
flush that cache right after the entry is cleared, before the page-table lock is dropped: a walk
after that finds nothing.  A driver that keeps page tables of its own may use the same callback,
and needs no counter, since the callback comes after the clear.  But the driver must detect that
the callback ran between its lookup and its mapping.

Promise: Once the page-table lock is dropped, the device no longer reaches the old page.

Memory model: sequentially consistent; the device's walk is one step and takes no lock.

Simplified:
    One address, two pages, one unmapping, one device fault or walk, one CPU fault.
    get_user_pages() and handle_mm_fault() take and drop the page-table lock within one step.
    The core also calls range_start and range_end; these listeners do not implement them.
    The device walks and caches in one step; the real walk reads several levels, and a flush
    waits for walks under way.
    The driver's lock is a spinlock, except in the case that sleeps.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: invalidate_range() as the other alternative
    Documentation/vm/mmu_notifier.rst, v4.15: when a listener must be notified under the lock
    include/linux/mmu_notifier.h, v3.19 to v6.5: invalidate_range(), for IOMMUs; it must not sleep
    1af5a8109904 (v6.6): it becomes arch_invalidate_secondary_tlbs(), tied to the TLB flush
"""

from typing import Any

from mmviz.engine import Race, field
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.locks import Mutex, SpinLock
from mmviz.scenarios.invalidate_page import UNDER_PTL
from mmviz.scenarios.invalidate_page.range_start_only import RangeStartOnly
from mmviz.scenarios.invalidate_page.worlds import sequence_alone
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    BAD,
    VA,
    Mirror,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import (
    Driver,
    device_faults,
    do_user_addr_fault,
    try_to_unmap_one,
)
from mmviz.scenarios.invalidate_page.worlds.walking import HardwareWalks


class SpinGuardedMirror(Mirror):
    """The driver's lock is a spinlock, and guards a sequence number."""

    update: SpinLock = field(default_factory=SpinLock)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)


class MutexMirror(Mirror):
    """The driver's lock is a mutex."""

    update: Mutex = field(default_factory=Mutex)


race = Race(
    world=Mirror,
    actors={"CPU0": try_to_unmap_one, "CPU1": do_user_addr_fault, "GPU": device_faults},
    bad=(*BAD, page_refs_out_of_balance, "sleeps_in_atomic"),
)


@race.case(
    "MN-G/G1",
    "software maps what it looked up, and checks nothing in between",
    sometimes=BAD,
    states=107,
    schedules={"looked up before and mapped after": "GPU CPU0*7 CPU1 GPU*2"},
    source=constructed("a callback in time is enough for hardware that walks, not for software"),
)
class SoftwareMaps(HardwareWalks):
    """The driver looks the page up and maps it later, as if nothing could happen in between."""

    async def fault(self, k: Mirror) -> None:
        await RangeStartOnly().fault(k)


@race.case(
    "MN-G/G2",
    "a fault looks at a sequence number, bumped under the lock that guards the unmapping",
    states=227,
    world=SpinGuardedMirror,
    schedules={"the fault has to try again": "GPU*2 CPU0*10 CPU1 GPU*11"},
    source=constructed("after the clear a sequence number is enough, without a counter"),
)
class SequenceWithUnmap(Driver):
    """Bumps the sequence and unmaps in one critical section; a fault checks under the same lock."""

    async def invalidate_range(self, k: SpinGuardedMirror) -> None:
        await sequence_alone.invalidate_page(k)

    async def fault(self, k: SpinGuardedMirror) -> None:
        await sequence_alone.fault(k)


@race.case(
    "MN-G/G3",
    "a fault looks at a sequence number, which is bumped after the lock is dropped",
    sometimes=BAD,
    states=277,
    world=SpinGuardedMirror,
    schedules={"mapped before the bump": "GPU*2 CPU0*6 GPU*5 CPU0*4 CPU1"},
    source=constructed("the bump and the unmapping belong under one hold of the lock"),
)
class SequenceAfterUnlock(SequenceWithUnmap):
    """Unmaps under the lock, and bumps the sequence a moment later."""

    async def invalidate_range(self, k: SpinGuardedMirror) -> None:
        await k.update.spin_lock()
        await k.gpu.unmap(VA)
        await k.update.spin_unlock()
        await k.notifier.bump_mmu_invalidate_seq()


@race.case(
    "MN-G/G4",
    "software maps while it holds the page-table lock",
    states=74,
    schedules={"the unmapping waits its turn": "CPU0 GPU*4 CPU0*6 CPU1"},
    source=constructed("the page-table lock itself can keep the mapping and the clear apart"),
)
class LookupUnderPageTableLock(HardwareWalks):
    """Holds the page-table lock from the lookup to the mapping."""

    async def fault(self, k: Mirror) -> None:
        await k.cpu.ptl.spin_lock()
        page = await k.cpu.ptep_get(VA)
        if page is not None:
            # redundant: that a fault maps its page is not judged
            await k.gpu.map(VA, page)
        await k.cpu.ptl.spin_unlock()


@race.case(
    "MN-G/G5",
    "the callback takes a mutex, under the page-table lock",
    always=["sleeps_in_atomic"],
    kind="ordering",
    states=53,
    world=MutexMirror,
    schedules={"alone and wrong already": "CPU0*4"},
    source=constructed("the rule for this callback, broken: it must not sleep"),
)
class CallbackSleeps(HardwareWalks):
    """Takes a mutex, although it is called under the page-table lock."""

    async def invalidate_range(self, k: Any) -> None:
        await k.update.mutex_lock()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()


race.case(
    "MN-G/G0",
    "hardware walks the CPU's page table, and its cache is flushed under the lock",
    name="HardwareWalks",
    of=HardwareWalks,
    states=43,
    schedules={"walked and flushed": "CPU0*2 GPU CPU0*5 CPU1"},
    source=shipped("v3.19", "v6.5", said=UNDER_PTL),
)
