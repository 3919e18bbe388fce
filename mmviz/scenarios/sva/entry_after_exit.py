"""A fault handler fills a device's table while the process exits.

A driver with a shadow page table copies entries into it when its device faults.  For such a driver
release() need only clear the shadow: a new entry needs a user of the process, and once the last
user is gone no handler can become one.  A handler that merely keeps the struct alive, or that takes
a user without looking, breaks the rule: an entry appears after release() has run.

Promise: No entry for a process's page appears or stays when its pages are given back, and every
    fault is answered so that the device gets to an end.

Memory model: sequentially consistent; the order of the steps does the rest.

Simplified:
    One page, one device; it asks again whenever it is told that the page is there.
    The handler keeps what it found from the walk to the entry.  A sequence number guards that
    against a plain munmap(); it is left out, since only the exit unmaps here.
    The device's entry is bad in itself when it leads to a free page: DMA may come at any time.

Sources:
    <20200306130919.GJ31668@ziepe.ca> 2020-03-06, Gunthorpe: a new SPTE needs mmget()
    kernel/fork.c: mmget_not_zero()
    drivers/iommu/iommu-sva.c: iommu_sva_handle_mm() answers INVALID where it fails
    e57e58bd390a (v4.5) VT-d's handler becomes a user for the fault, when its bonds stop being users
    drivers/infiniband/core/umem_odp.c: ib_umem_odp_map_dma_and_lock(), a shadow with this rule
"""

from functools import partial
from typing import Any, Protocol

from mmviz.engine import Map, Race, World, field
from mmviz.kernel.iommu.iopf import INVALID, SUCCESS, FaultableMm, PageRequest, ShadowTable
from mmviz.kernel.mm.mm_struct import Pgd
from mmviz.kernel.mm.mm_struct import mmput as put_user
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.sva import INVALIDATE_ALL

VA = "0x1000"


class Shadow(World):
    """A process, and a device with a shadow of its page table."""

    mm: FaultableMm
    dev: ShadowTable
    prq: PageRequest = field(default_factory=PageRequest)


def shadow(mapped: bool = False) -> Shadow:
    """The device has the page already, or will have to ask."""
    page = Page(7)
    mm = FaultableMm(pgd=Pgd(page, name="pgd"), mm_count=2, subscribed=True)
    table = Map[str, Page | None]({VA: page if mapped else None})
    return Shadow(mm, ShadowTable(table))


def device_keeps_freed_page(k: Shadow) -> bool:
    """The device's table leads to a page that was given back: its next owner's data are at risk."""
    page = k.dev.pte[VA]
    return page is not None and page.is_free


class Driver(Protocol):
    async def release(self, k: Any) -> None: ...
    async def handle(self, k: Any) -> str: ...


async def exit_task(k: Shadow, driver: Driver) -> None:
    """The process's own task leaves."""
    await put_user(k.mm, lambda: driver.release(k))


async def iommu_sva_handle_iopf(k: Shadow, driver: Driver) -> None:
    """Answer page requests."""
    while True:
        await k.prq.iommu_report_device_fault()
        await k.prq.iommu_page_response(await driver.handle(k))


async def dma(k: Shadow) -> None:
    """The device uses the page; if it has none it asks, and tries again when it is told to."""
    while True:
        if await k.dev.translate(VA) is not None:
            return
        await k.prq.request()
        if await k.prq.answer() == INVALID:
            return


race = Race(
    "A10",
    world=shadow,
    actors={"CPU0": iommu_sva_handle_iopf, "CPU1": exit_task, "DEV": dma},
    daemons=("CPU0",),
    bad=(
        device_keeps_freed_page,
        "torn_down_twice",
        "refcount_resurrected",
        "refcount_underflow",
        "use_after_free",
    ),
)


@race.case(
    "j2",
    "tempting: the handler holds the struct, which is all it touches",
    sometimes=[device_keeps_freed_page],
    states=107,
    schedules={"an entry between release() and the free": "DEV*2 CPU0*2 CPU1*3 CPU0 CPU1*2"},
    source=constructed("mm_count keeps the struct, not the mappings"),
)
class StructOnly:
    """The handler holds mm_count: the struct stays, the address space may go."""

    async def release(self, k: Shadow) -> None:
        await k.dev.unmap(VA)

    async def handle(self, k: Shadow) -> str:
        return await self.fill(k)

    async def fill(self, k: Shadow) -> str:
        page = await k.mm.get_user_pages()
        if page is None:
            return INVALID
        await k.dev.map(VA, page)
        return SUCCESS


@race.case(
    "j1",
    "mmget_not_zero() or INVALID, and release() clears",
    states=101,
    source=INVALIDATE_ALL,
)
class UserOrNothing(StructOnly):
    """mmget_not_zero(), and release() clears the table."""

    async def handle(self, k: Shadow) -> str:
        if not await k.mm.mmget_not_zero():
            return INVALID
        response = await self.fill(k)
        await put_user(k.mm, lambda: self.release(k))
        return response


@race.case(
    "j3",
    "the handler becomes a user, but release() leaves old entries",
    world=partial(shadow, mapped=True),
    always=[device_keeps_freed_page],
    kind="ordering",
    states=12,
    source=constructed("the other half of the rule: release() must invalidate"),
)
class ReleaseNothing(UserOrNothing):
    """An entry from before the exit stays."""

    async def release(self, k: Shadow) -> None:
        pass


@race.case(
    "j4",
    "the handler takes a user reference without testing for zero",
    sometimes=[
        device_keeps_freed_page,
        "torn_down_twice",
        "refcount_resurrected",
        "refcount_underflow",
        "use_after_free",
    ],
    states=327,
    source=constructed("why it is mmget_not_zero(), not mmget()"),
)
class UserWithoutLooking(UserOrNothing):
    """mmget() on an address space that may have no user left."""

    async def handle(self, k: Shadow) -> str:
        await k.mm.mmget()
        response = await self.fill(k)
        await put_user(k.mm, lambda: self.release(k))
        return response


@race.case(
    "j5",
    "after the exit faults are answered with success",
    livelock=True,
    states=97,
    source=constructed("why the answer is INVALID, not a plain return"),
)
class SuccessAfterExit(UserOrNothing):
    """The device is told that the page is there, although the process is gone."""

    async def handle(self, k: Shadow) -> str:
        await super().handle(k)
        return SUCCESS
