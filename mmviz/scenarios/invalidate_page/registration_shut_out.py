"""No memory region is registered while an invalidation runs.

An object with a counter of its own must not come in between the two ends of an invalidation.
Invalidations can hold a semaphore from start to end, and a registration takes it for writing.
But an invalidation may begin inside another one, on the same thread.  If a writer has queued up
meanwhile, the second one waits behind the writer, and the writer waits for the first one to end:
a deadlock.  The notifier core keeps registrations out with locks that the unmapping holds anyway.

Promise: An object is inserted only while no invalidation is under way, and every run completes.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As registered_in_between, whose object, callbacks and fault these are.
    That a waiting writer keeps later readers out is for fairness: without it there is no
    deadlock, but a stream of invalidations could keep a registration waiting without end.
    An invalidation inside another one covers the same page.
    anon_vma stands for all locks that mm_take_all_locks() takes; with mmap_sem for writing they
    keep out munmap as well.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: sequence number and active range counter
    ca748c39ea3f (v4.20): drivers/infiniband/core/umem_odp.c, umem_rwsem from start to end; its day
    could not be looked up, so both cases have the day on which their deadlock was reported
    f25a546e6529 (v5.5): RDMA/odp uses an interval notifier instead; the semaphore could deadlock
    mm/mmu_notifier.c: __mmu_notifier_register()
    mm/mmap.c, later mm/vma.c: mm_take_all_locks()
"""

from typing import Any

from mmviz.engine import Race, field
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierOps
from mmviz.kernel.provenance import proposed_elsewhere, shipped
from mmviz.kernel.sync.locks import QueuedRwSemaphore, RwSemaphore
from mmviz.scenarios.invalidate_page import CORE
from mmviz.scenarios.invalidate_page.registered_in_between import InsertedAtOnce
from mmviz.scenarios.invalidate_page.worlds.mirror import VA
from mmviz.scenarios.invalidate_page.worlds.new_object import BAD, NewObject
from mmviz.scenarios.invalidate_page.worlds.unmapping import ONE_INVALIDATION, zap_page_range

RWSEM = shipped(  # its patch for RDMA/odp tells of the deadlock
    "v4.20", "v5.4", said=proposed_elsewhere("2019-10-15", "<20191015181242.8343-1-jgg@ziepe.ca>")
)


class ShutOutObject(NewObject):
    """A semaphore that invalidations hold from start to end."""

    umem_rwsem: QueuedRwSemaphore = field(default_factory=QueuedRwSemaphore)


class LockedObject(NewObject):
    """A lock that reclaim holds while it walks, one of those mm_take_all_locks() takes."""

    anon_vma: RwSemaphore = field(default_factory=RwSemaphore)


async def rmap_walk(k: LockedObject, driver: MmuNotifierOps) -> None:
    """An invalidation by reclaim, which walks under a lock of the address space."""
    await k.anon_vma.down_read()
    await zap_page_range(k, driver)
    await k.anon_vma.up_read()


async def zap_nested(k: NewObject, driver: MmuNotifierOps) -> None:
    """An invalidation begins on a thread that has one open already."""
    await k.mm.mmu_notifier_invalidate_range_start()
    await driver.invalidate_range_start(k)
    await k.mm.mmu_notifier_invalidate_range_start()
    await driver.invalidate_range_start(k)
    page = await k.cpu.zap_pte_range(VA)
    await driver.invalidate_range_end(k)
    await k.mm.mmu_notifier_invalidate_range_end()
    await driver.invalidate_range_end(k)
    await k.mm.mmu_notifier_invalidate_range_end()
    if page is not None:
        await page.put_page()


race = Race(world=NewObject, actors=ONE_INVALIDATION, bad=BAD)


@race.case(
    "X-3/3d",
    "a semaphore held from start to end, as v4.20 to v5.4 had it",
    states=475,
    world=ShutOutObject,
    schedules={"the object waits outside": "CPU0*2 GPU CPU0*6 CPU1 GPU*9"},
    source=RWSEM,
)
@race.case(
    "X-3/3dx",
    "a semaphore held from start to end, and an invalidation inside another",
    name="HeldStartToEndNested",
    deadlock=True,
    states=809,
    world=ShutOutObject,
    actors=ONE_INVALIDATION | {"CPU0": zap_nested},
    schedules={"behind the writer that waits for it": "CPU0*3 GPU CPU0 CPU1"},
    source=RWSEM,
)
class HeldStartToEnd(InsertedAtOnce):
    """Holds a semaphore from start to end; a registration takes it for writing."""

    async def insert(self, k: Any) -> None:
        await k.umem_rwsem.rwsem_down_write_slowpath()
        await k.umem_rwsem.down_write()
        await super().insert(k)
        await k.umem_rwsem.up_write()

    async def invalidate_range_start(self, k: Any) -> None:
        await k.umem_rwsem.down_read()
        await super().invalidate_range_start(k)

    async def invalidate_range_end(self, k: Any) -> None:
        await super().invalidate_range_end(k)
        await k.umem_rwsem.up_read()


@race.case(
    "X-3/3e",
    "every lock an invalidation runs under is taken, as __mmu_notifier_register() does",
    states=406,
    world=LockedObject,
    actors=ONE_INVALIDATION | {"CPU0": rmap_walk},
    schedules={"no registration comes in between": "CPU0*4 CPU1 CPU0*4 GPU*10"},
    source=shipped("v2.6.27", said=CORE, checked=("v6.19", "2026-11-28")),
)
class AllLocksTaken(InsertedAtOnce):
    """Registers with every lock held that an invalidation may run under."""

    async def insert(self, k: Any) -> None:
        await k.anon_vma.down_write()  # mm_take_all_locks()
        await super().insert(k)
        await k.anon_vma.up_write()
