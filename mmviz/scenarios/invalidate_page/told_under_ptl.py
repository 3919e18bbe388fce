"""invalidate_range(): told at once, under the page-table lock.

A device that walks the CPU's own page table keeps nothing but a cache of it.  It is enough to
flush that cache right after the entry is cleared, before the page-table lock is dropped: a walk
after that finds nothing.  A driver that keeps page tables of its own may use the same callback,
since no counter is needed when the callback comes after the clear.  But it must notice that it
was called between its lookup and its mapping.

Promise: Once the page-table lock is dropped, the device reaches the old page no more.

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
    Documentation/vm/mmu_notifier.rst, v4.15: when a listener must be told under the lock
    include/linux/mmu_notifier.h, v3.19 to v6.5: invalidate_range(), for IOMMUs
    1af5a8109904 (v6.6): it becomes arch_invalidate_secondary_tlbs(), tied to the TLB flush
"""

from typing import Any

from mmviz.engine import Case, Verdict, expecting, field
from mmviz.kernel.locks import Mutex, SpinLock
from mmviz.kernel.notifier import MmuNotifier, MmuNotifierOps
from mmviz.scenarios.invalidate_page import UNDER_PTL
from mmviz.scenarios.invalidate_page.callback_after_unlock import fault, invalidate_page
from mmviz.scenarios.invalidate_page.range_start_only import (
    BAD,
    VA,
    Driver,
    Mirror,
    RangeStartOnly,
    do_user_addr_fault,
    page_refs_out_of_balance,
)


class SpinGuardedMirror(Mirror):
    """The driver's lock does not sleep, and guards a sequence number."""

    update: SpinLock = field(default_factory=SpinLock)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)


class MutexMirror(Mirror):
    """The driver's lock sleeps."""

    update: Mutex = field(default_factory=Mutex)


async def try_to_unmap_one(k: Mirror, driver: MmuNotifierOps) -> None:
    """Reclaim takes the page away, and calls every callback there is."""
    await k.mm.mmu_notifier_invalidate_range_start()
    await driver.invalidate_range_start(k)
    await k.cpu.ptl.spin_lock()
    page = await k.cpu.ptep_clear_flush(VA)
    await driver.invalidate_range(k)
    await k.cpu.ptl.spin_unlock()
    await driver.invalidate_range_end(k)
    await k.mm.mmu_notifier_invalidate_range_end()
    if page is not None:
        await page.put_page()


class HardwareWalks(Driver):
    """The device walks the CPU's page table; only its cache has to be flushed."""

    async def invalidate_range(self, k: Mirror) -> None:
        await k.gpu.unmap(VA)

    async def fault(self, k: Mirror) -> None:
        await k.gpu.walk(k.cpu, VA)


class LookupUnderPageTableLock(HardwareWalks):
    """Holds the page-table lock from the lookup to the mapping."""

    async def fault(self, k: Mirror) -> None:
        await k.cpu.ptl.spin_lock()
        page = await k.cpu.ptep_get(VA)
        if page is not None:
            await k.gpu.map(VA, page)
        await k.cpu.ptl.spin_unlock()


class SoftwareMaps(HardwareWalks):
    """Looks the page up, and maps it later, as if nothing could happen in between."""

    async def fault(self, k: Mirror) -> None:
        await RangeStartOnly().fault(k)


class SequenceWithUnmap(Driver):
    """Bumps the sequence and unmaps under one hold of the lock; a fault looks under it too."""

    async def invalidate_range(self, k: SpinGuardedMirror) -> None:
        await invalidate_page(k)

    async def fault(self, k: SpinGuardedMirror) -> None:
        await fault(k)


class SequenceAfterUnlock(SequenceWithUnmap):
    """Unmaps under the lock, and bumps the sequence a moment later."""

    async def invalidate_range(self, k: SpinGuardedMirror) -> None:
        await k.update.spin_lock()
        await k.gpu.unmap(VA)
        await k.update.spin_unlock()
        await k.notifier.bump_mmu_invalidate_seq()


class CallbackSleeps(HardwareWalks):
    """Takes a mutex, though it is called under the page-table lock."""

    async def invalidate_range(self, k: Any) -> None:
        await k.update.mutex_lock()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()


def case(
    driver: Driver,
    variant: str,
    title: str,
    states: int,
    expect: dict[Any, Verdict],
    world: type[Mirror] = Mirror,
    **more: Any,
) -> Case:
    """Unmap the page on CPU0 while CPU1 touches the address, and the device too."""
    bad = (*BAD, page_refs_out_of_balance, "sleeps_in_atomic")
    return Case(
        name=type(driver).__name__,
        id=variant,
        title=title,
        world=world,
        actors={
            "CPU0": lambda k: try_to_unmap_one(k, driver),
            "CPU1": do_user_addr_fault,
            "GPU": driver.fault,
        },
        bad=bad,
        expect=expecting(bad, expect),
        states=states,
        **more,
    )


FAILS = dict.fromkeys(BAD, Verdict.SOMETIMES)

CASES = (
    case(
        SoftwareMaps(),
        "MN-G/G1",
        "software maps what it looked up, and nobody looks again",
        107,
        FAILS,
        schedules={"looked up before and mapped after": "GPU CPU0*7 CPU1 GPU*2"},
    ),
    case(
        SequenceAfterUnlock(),
        "MN-G/G3",
        "a fault looks at a sequence number, which is bumped after the lock is dropped",
        277,
        FAILS,
        SpinGuardedMirror,
        schedules={"mapped before the bump": "GPU*2 CPU0*6 GPU*5 CPU0*4 CPU1"},
    ),
    case(
        CallbackSleeps(),
        "MN-G/G5",
        "the callback takes a mutex, under the page-table lock",
        53,
        {"sleeps_in_atomic": Verdict.ALWAYS},
        MutexMirror,
        kind="ordering",
        schedules={"alone and wrong already": "CPU0*4"},
    ),
    case(
        SequenceWithUnmap(),
        "MN-G/G2",
        "a fault looks at a sequence number, bumped under the lock that guards the unmapping",
        227,
        {},
        SpinGuardedMirror,
        schedules={"the fault has to try again": "GPU*2 CPU0*10 CPU1 GPU*11"},
    ),
    case(
        LookupUnderPageTableLock(),
        "MN-G/G4",
        "software maps while it holds the page-table lock",
        74,
        {},
        schedules={"the unmapping waits its turn": "CPU0 GPU*4 CPU0*6 CPU1"},
    ),
    case(
        HardwareWalks(),
        "MN-G/G0",
        "hardware walks the CPU's page table, and its cache is flushed under the lock",
        43,
        {},
        shipped=("v3.19", "v6.5"),
        schedules={"walked and flushed": "CPU0*2 GPU CPU0*5 CPU1"},
        proposed=UNDER_PTL,
    ),
)

SPARE = {
    "LookupUnderPageTableLock: await k.gpu.map(VA, page)": (
        "That a fault maps its page is no bad state: the next invalidation may take it away."
    ),
}
