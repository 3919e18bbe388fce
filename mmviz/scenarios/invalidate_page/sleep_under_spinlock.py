"""The callback slips under the page-table lock, and a driver sleeps in it.

Reclaim calls the driver while it holds the page-table lock, a spinlock.  The driver's callback
takes a mutex, so it may sleep.  Every call is wrong already.  And if the driver's own thread
has the mutex just then, and needs the page-table lock to look pages up, neither goes on.
Calling before the page-table lock is taken lets the callback sleep; a driver that looks pages
up while it holds the same mutex can still lock itself out.

Promise: Nobody sleeps while it holds a spinlock, and everybody gets on.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    One page, one unmapping, one lookup by the driver, which then does nothing with the page:
    only the locks matter here.  The page is put last, so the memory is safe in every case.
    The kernel complains as the mutex is taken, contended or not; a thread that waits for it for
    ever has not come to the complaint.
    get_user_pages() takes and drops the page-table lock within one step, where it is not taken
    by name.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: callbacks that may not sleep
    c7ab0d2fdc84 (v4.11): try_to_unmap_one() calls invalidate_page() under the lock
    drivers/gpu/drm/amd/amdgpu/amdgpu_mn.c, v4.11: amdgpu_mn_invalidate_page() takes a mutex
    369ea8242c0f (v4.13): mm/rmap.c, range_start before the lock
    21a92735f660 (v3.7): callbacks run under SRCU and may sleep; before, under RCU
"""

from collections.abc import Callable
from typing import Any

from mmviz.engine import Case, Verdict, expecting, field
from mmviz.kernel.locks import Mutex, SpinLock
from mmviz.kernel.notifier import MmuNotifierOps
from mmviz.kernel.rcu import Rcu
from mmviz.scenarios.invalidate_page import BRACKETED, WALKED
from mmviz.scenarios.invalidate_page.new_page_before_notify import (
    CopiedMirror,
    get_user_pages_to_write,
)
from mmviz.scenarios.invalidate_page.range_start_only import VA, Mirror, device_reads_freed_page


class MutexMirror(CopiedMirror):
    """The driver's lock is a mutex."""

    update: Mutex = field(default_factory=Mutex)


class SpinMirror(Mirror):
    """The driver's lock is a spinlock."""

    update: SpinLock = field(default_factory=SpinLock)


class RcuMirror(MutexMirror):
    """The core walks the notifiers inside a plain RCU section."""

    rcu: Rcu = field(default_factory=Rcu)


class MutexUnderPageTableLock:
    """Called with the page-table lock held, takes a mutex."""

    async def callback(self, k: Any) -> None:
        await k.update.mutex_lock()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()

    async def try_to_unmap_one(self, k: Any) -> None:
        """Reclaim takes the page away, and tells the driver under the page-table lock."""
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


class MutexBeforePageTableLock(MutexUnderPageTableLock):
    """Called as range_start, before the page-table lock is taken."""

    async def try_to_unmap_one(self, k: Any) -> None:
        """Reclaim tells the driver, and then takes the page away."""
        await self.callback(k)
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_clear_flush(VA)
        await k.cpu.ptl.spin_unlock()
        await k.page.put_page()


class LookupCallsBack(MutexBeforePageTableLock, MmuNotifierOps):
    """The page is shared after a fork: to look it up for writing is to copy it."""

    async def invalidate_range_start(self, k: Any) -> None:
        await self.callback(k)

    async def submit(self, k: Any) -> None:
        await k.update.mutex_lock()
        page = await get_user_pages_to_write(k, self)
        if page is not None:
            await page.put_page()
        await k.update.mutex_unlock()


class SpinlockUnderPageTableLock(MutexUnderPageTableLock):
    """The driver's lock is a spinlock, and always the inner one."""

    async def callback(self, k: Any) -> None:
        await k.update.spin_lock()
        await k.gpu.unmap(VA)
        await k.update.spin_unlock()

    async def submit(self, k: Any) -> None:
        await k.cpu.ptl.spin_lock()
        await k.update.spin_lock()
        await k.cpu.ptep_get(VA)
        await k.update.spin_unlock()
        await k.cpu.ptl.spin_unlock()


class LocksInBothOrders(SpinlockUnderPageTableLock):
    """The driver's own thread takes the same two locks the other way round."""

    async def submit(self, k: Any) -> None:
        await k.update.spin_lock()
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_get(VA)
        await k.cpu.ptl.spin_unlock()
        await k.update.spin_unlock()


class MutexUnderRcu(MutexBeforePageTableLock):
    """Called before the page-table lock is taken, but inside a plain RCU section."""

    async def callback(self, k: Any) -> None:
        await k.rcu.rcu_read_lock()
        await super().callback(k)
        await k.rcu.rcu_read_unlock()


BAD: tuple[Any, ...] = ("sleeps_in_atomic", device_reads_freed_page)


def case(
    driver: MutexUnderPageTableLock,
    variant: str,
    title: str,
    states: int,
    sleeps: Verdict = Verdict.NEVER,
    world: Callable[[], Mirror] = MutexMirror,
    **more: Any,
) -> Case:
    """Unmap the page on CPU0 while the driver's own thread looks it up on CPU1."""
    return Case(
        name=type(driver).__name__,
        id=variant,
        title=title,
        world=world,
        actors={"CPU0": driver.try_to_unmap_one, "CPU1": driver.submit},
        bad=BAD,
        expect=expecting(BAD, sleeps_in_atomic=sleeps),
        states=states,
        **more,
    )


CASES = (
    case(
        MutexUnderPageTableLock(),
        "MN-B/B0",
        "the callback takes a mutex under the page-table lock, as amdgpu did in v4.11",
        30,
        Verdict.ALWAYS,
        stuck=True,
        kind="ordering",
        shipped=("v4.11", "v4.12"),
        schedules={
            "alone and wrong already": "CPU0*3",
            "each waits for the other": "CPU0*2 CPU1",
        },
        proposed=WALKED,
    ),
    case(
        LocksInBothOrders(),
        "MN-B/B1x",
        "a spinlock, but another path takes the page-table lock inside it",
        33,
        world=SpinMirror,
        stuck=True,
        schedules={"each has what the other wants": "CPU0 CPU1 CPU0"},
    ),
    case(
        SpinlockUnderPageTableLock(),
        "MN-B/B1",
        "a spinlock, inside the page-table lock everywhere",
        28,
        world=SpinMirror,
        shipped=("v4.11", "v4.12"),
        proposed=WALKED,
    ),
    case(
        MutexUnderRcu(),
        "MN-B/B6",
        "the mutex is taken in range_start, but callbacks run under plain RCU, before v3.7",
        46,
        Verdict.ALWAYS,
        world=RcuMirror,
        kind="ordering",
        schedules={"alone and wrong already": "CPU0*2"},
    ),
    case(
        LookupCallsBack(),
        "MN-B/B2x",
        "the mutex is taken in range_start, and held around a lookup that has to copy the page",
        36,
        stuck=True,
        kind="ordering",
        schedules={"waits for itself": "CPU1*4"},
    ),
    case(
        MutexBeforePageTableLock(),
        "MN-B/B2",
        "the mutex is taken in range_start, before the page-table lock, as merged v4.13",
        36,
        shipped=("v4.13", ""),
        schedules={"the unmapping waits its turn": "CPU1*4 CPU0*7"},
        proposed=BRACKETED,
    ),
)

SPARE = {
    "SpinlockUnderPageTableLock: await k.cpu.ptl.spin_lock()": (
        "What the driver looks up is used for nothing: the case is about the order of the locks."
    ),
    "SpinlockUnderPageTableLock: await k.update.spin_lock()": (
        "What the driver looks up is used for nothing: the case is about the order of the locks."
    ),
    "SpinlockUnderPageTableLock: await k.cpu.ptep_get(VA)": (
        "What the driver looks up is used for nothing: the case is about the order of the locks."
    ),
}
