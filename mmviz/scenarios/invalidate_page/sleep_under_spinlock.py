"""The callback moves under the page-table lock, and a driver sleeps in it.

Reclaim calls the driver while it holds the page-table lock, a spinlock.  The driver's callback
takes a mutex, so it may sleep.  Every such call is a bug.  And if the driver's own thread holds
the mutex at that moment, and needs the page-table lock to look pages up, the two deadlock.
Calling before the page-table lock is taken allows the callback to sleep; but a driver that looks
pages up while it holds the same mutex can still deadlock with itself.

Promise: No actor sleeps while it holds a spinlock, and every run completes.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    One page, one unmapping, one lookup by the driver, which then does nothing with the page:
    only the locks matter here.
    The page is put last, so the memory is safe in every case.
    The kernel complains as the mutex is taken, contended or not.  Here the complaint is part of
    the step that takes the mutex, so an actor that waits for it in a deadlock has not complained.
    get_user_pages() takes and drops the page-table lock within one step, except where a case
    takes that lock by name.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: callbacks that may not sleep
    c7ab0d2fdc84 (v4.11): try_to_unmap_one() calls invalidate_page() under the lock
    drivers/gpu/drm/amd/amdgpu/amdgpu_mn.c, v4.11: amdgpu_mn_invalidate_page() takes a mutex
    369ea8242c0f (v4.13): mm/rmap.c, range_start before the lock
    <20080215064932.371510599@sgi.com>: [patch 1/6] mmu_notifier: Core code, calls the callbacks
    inside rcu_read_lock(); in [patch 2/6] some of them may sleep
    <20080220103942.GU7128@v2.random>: Andrea Arcangeli, after Nick Piggin had seen it: a callback
    that RCU protects must not schedule
    21a92735f660 (v3.7): callbacks run under SRCU and may sleep; before, under RCU
    484d9a844d0d: drm/i915/userptr: Avoid struct_mutex recursion for mmu_invalidate_range_start
"""

from typing import Any

from mmviz.engine import Race, field
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierOps
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.kernel.sync.locks import Mutex, SpinLock
from mmviz.kernel.sync.rcu import Rcu
from mmviz.scenarios.invalidate_page import BRACKETED, WALKED
from mmviz.scenarios.invalidate_page.worlds.copying import CopiedMirror, get_user_pages_to_write
from mmviz.scenarios.invalidate_page.worlds.mirror import VA, Mirror, device_reads_freed_page


class MutexMirror(CopiedMirror):
    """The driver's lock is a mutex."""

    update: Mutex = field(default_factory=Mutex)


class SpinMirror(Mirror):
    """The driver's lock is a spinlock."""

    update: SpinLock = field(default_factory=SpinLock)


class RcuMirror(MutexMirror):
    """The core walks the notifiers inside a plain RCU section."""

    rcu: Rcu = field(default_factory=Rcu)


async def reclaim(k: Any, variant: "MutexUnderPageTableLock") -> None:
    """Reclaim takes the page away and notifies the driver."""
    await variant.try_to_unmap_one(k)


async def look_up(k: Any, variant: "MutexUnderPageTableLock") -> None:
    """The driver's own thread looks the page up."""
    await variant.submit(k)


race = Race(
    world=MutexMirror,
    actors={"CPU0": reclaim, "CPU1": look_up},
    bad=("sleeps_in_atomic", device_reads_freed_page),
)


@race.case(
    "MN-B/B0",
    "the callback takes a mutex under the page-table lock, as amdgpu did in v4.11",
    sometimes=["sleeps_in_atomic"],
    deadlock=True,
    kind="ordering",
    states=30,
    schedules={
        "alone and wrong already": "CPU0*3",
        "each waits for the other": "CPU0*2 CPU1",
    },
    source=shipped("v4.11", "v4.12", said=WALKED),
)
class MutexUnderPageTableLock:
    """The callback is called with the page-table lock held, and takes a mutex."""

    async def callback(self, k: Any) -> None:
        """The driver's callback: its device lets go of the page."""
        await k.update.mutex_lock()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()

    async def try_to_unmap_one(self, k: Any) -> None:
        """Reclaim takes the page away, and notifies the driver under the page-table lock."""
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_clear_flush(VA)
        await self.callback(k)
        await k.cpu.ptl.spin_unlock()
        await k.page.put_page()

    async def submit(self, k: Any) -> None:
        """The driver's own thread looks a page up before the device may use it."""
        await k.update.mutex_lock()
        page = await k.cpu.get_user_pages(VA)
        if page is not None:
            await page.put_page()
        await k.update.mutex_unlock()


@race.case(
    "MN-B/B1",
    "a spinlock, inside the page-table lock everywhere",
    states=28,
    world=SpinMirror,
    source=shipped("v4.11", "v4.12", said=WALKED),
)
class SpinlockUnderPageTableLock(MutexUnderPageTableLock):
    """The driver's lock is a spinlock, and always the inner one."""

    async def callback(self, k: Any) -> None:
        await k.update.spin_lock()
        await k.gpu.unmap(VA)
        await k.update.spin_unlock()

    async def submit(self, k: Any) -> None:
        # redundant: what is looked up is not used; the case is about the order of the locks
        await k.cpu.ptl.spin_lock()
        # redundant: what is looked up is not used; the case is about the order of the locks
        await k.update.spin_lock()
        # redundant: what is looked up is not used; the case is about the order of the locks
        await k.cpu.ptep_get(VA)
        await k.update.spin_unlock()
        await k.cpu.ptl.spin_unlock()


@race.case(
    "MN-B/B1x",
    "a spinlock, but another path takes the page-table lock inside it",
    deadlock=True,
    states=33,
    world=SpinMirror,
    schedules={"each has what the other wants": "CPU0 CPU1 CPU0"},
    source=constructed("a spinlock alone is not enough: two locks need one order everywhere"),
)
class LocksInBothOrders(SpinlockUnderPageTableLock):
    """The driver's own thread takes the same two locks in the opposite order."""

    async def submit(self, k: Any) -> None:
        await k.update.spin_lock()
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_get(VA)
        await k.cpu.ptl.spin_unlock()
        await k.update.spin_unlock()


@race.case(
    "MN-B/B2",
    "the mutex is taken in range_start, before the page-table lock, as merged v4.13",
    states=34,
    schedules={"the unmapping waits its turn": "CPU1*4 CPU0*7"},
    source=shipped("v4.13", said=BRACKETED, checked=("v6.19", "2026-11-28")),
)
class MutexBeforePageTableLock(MutexUnderPageTableLock):
    """The callback is called as range_start, before the page-table lock is taken."""

    async def try_to_unmap_one(self, k: Any) -> None:
        """Reclaim notifies the driver, and then takes the page away."""
        await self.callback(k)
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_clear_flush(VA)
        await k.cpu.ptl.spin_unlock()
        await k.page.put_page()


@race.case(
    "MN-B/B6",
    "the mutex is taken in range_start, but callbacks run under plain RCU, before v3.7",
    always=["sleeps_in_atomic"],
    kind="ordering",
    states=44,
    world=RcuMirror,
    schedules={"alone and wrong already": "CPU0*2"},
    source=proposed_elsewhere("2008-02-15", "<20080215064932.371510599@sgi.com>"),
)
class MutexUnderRcu(MutexBeforePageTableLock):
    """The callback is called before the page-table lock is taken, but inside an RCU section."""

    async def callback(self, k: Any) -> None:
        await k.rcu.rcu_read_lock()
        await super().callback(k)
        await k.rcu.rcu_read_unlock()


@race.case(
    "MN-B/B2x",
    "the mutex is taken in range_start, and held around a lookup that has to copy the page",
    deadlock=True,
    kind="ordering",
    states=36,
    schedules={"waits for itself": "CPU1*4"},
    source=constructed(
        "a lookup may itself call range_start; i915 met such a recursion (484d9a844d0d)"
    ),
)
class LookupCallsBack(MutexBeforePageTableLock, MmuNotifierOps):
    """The page is shared after a fork: looking it up for writing copies it."""

    async def invalidate_range_start(self, k: Any) -> None:
        await self.callback(k)

    async def submit(self, k: Any) -> None:
        await k.update.mutex_lock()
        page = await get_user_pages_to_write(k, self)
        if page is not None:
            await page.put_page()
        await k.update.mutex_unlock()
