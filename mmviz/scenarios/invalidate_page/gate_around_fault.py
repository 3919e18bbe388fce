"""A gate that is closed while pages change: how much of a fault must be inside?

A driver can keep faults and invalidations apart with a lock: range_start takes it, range_end
drops it.  A fault that takes it only to write the device's entry comes too late: it has looked
its page up before the gate was closed, and waits for the lock to map that page.  The lookup
belongs inside.  But a lookup may itself have to change the CPU's page table, and that calls
range_start, on the thread that already holds the lock.

Promise: Once an invalidation is over, the device reaches no page that the CPU has given up.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As range_start_only.  The gate is a mutex, so one invalidation has it at a time.
    A lookup that finds the page shared after a fork has to copy it, and calls the driver's
    range_start, which waits for the gate.  The steps after that are modelled all the same.
    Where the page has gone before the lookup, there is nothing to copy.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: what may not undo range_start
    drivers/gpu/drm/amd/amdgpu/amdgpu_mn.c, v4.14: a lock held from start to end
    mm/memory.c: wp_page_copy(); mm/gup.c: faultin_page()
"""

from typing import Any

from mmviz.engine import Race, field
from mmviz.kernel.mm.page_data import DataPage
from mmviz.kernel.provenance import constructed
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios.invalidate_page.worlds.copying import CopiedMirror, get_user_pages_to_write
from mmviz.scenarios.invalidate_page.worlds.mirror import BAD, VA, page_refs_out_of_balance
from mmviz.scenarios.invalidate_page.worlds.unmapping import ONE_INVALIDATION, Driver


class GatedMirror(CopiedMirror):
    """The driver has a lock for the time in which pages change."""

    gate: Mutex = field(default_factory=Mutex)


class CopyingMirror(GatedMirror):
    """The page is shared, and there is one to copy it to."""

    copy: DataPage = field(default_factory=lambda: DataPage(pfn=9, refs=0, shared=False))


# The page is given up, and touched again, while the device faults.
race = Race(
    "MN-D", world=GatedMirror, actors=ONE_INVALIDATION, bad=(*BAD, page_refs_out_of_balance)
)


@race.case(
    "D5",
    "the fault takes the lock when it maps the page, not when it looks it up",
    sometimes=BAD,
    states=140,
    schedules={"looked up before the gate": "GPU CPU0*7 CPU1 GPU*4"},
    source=constructed("a lock around the mapping alone is not enough"),
)
class GateAroundMap(Driver):
    """A fault passes the gate when it has the page already."""

    async def invalidate_range_start(self, k: GatedMirror) -> None:
        await k.gate.mutex_lock()
        await k.gpu.unmap(VA)

    async def invalidate_range_end(self, k: GatedMirror) -> None:
        await k.gate.mutex_unlock()

    async def fault(self, k: GatedMirror) -> None:
        page = await k.cpu.get_user_pages(VA)
        if page is None:
            return
        await k.gate.mutex_lock()
        await k.gpu.map(VA, page)
        await k.gate.mutex_unlock()
        await page.put_page()


@race.case(
    "D6x",
    "the fault holds the lock over a lookup that has to copy the page",
    world=CopyingMirror,
    deadlock=True,
    kind="ordering",
    states=75,
    schedules={"waits for itself": "CPU0 CPU1 GPU*4"},
    source=constructed("a lookup may call the driver back"),
)
class LookupCallsBack(GateAroundMap):
    """A fault passes the gate first; its lookup copies the page, and calls range_start."""

    async def fault(self, k: Any) -> None:
        await k.gate.mutex_lock()
        page = await get_user_pages_to_write(k, self, k.copy)
        if page is not None:
            await k.gpu.map(VA, page)
            await page.put_page()
        await k.gate.mutex_unlock()


@race.case(
    "D6",
    "the fault holds the lock from the lookup to the mapping",
    states=86,
    schedules={"the invalidation waits its turn": "CPU0 GPU*5 CPU0*6 CPU1"},
    source=constructed("the lock is enough if the lookup is inside"),
)
class GateAroundFault(GateAroundMap):
    """A fault passes the gate first, and stays inside until the page is mapped."""

    async def fault(self, k: GatedMirror) -> None:
        await k.gate.mutex_lock()
        page = await k.cpu.get_user_pages(VA)
        if page is not None:
            # redundant: a fault that never maps its page is not a bad state
            await k.gpu.map(VA, page)
            await page.put_page()
        await k.gate.mutex_unlock()
