"""A fault handler fills a device's table while the process exits.

A driver with a shadow page table copies entries into it when its device faults.  For such a driver
release() need only clear the shadow: a new entry needs a user of the process, and once the last
user is gone nobody becomes one any more.  A handler that merely keeps the struct alive, or takes
a user without looking, breaks the rule, and an entry appears after release() has been there.

Promise: No entry for a process's page appears or stays when its pages are given back, and every
    fault is answered so that the device gets to an end.

Memory model: sequentially consistent; the order of the steps does the rest.

Simplified:
    One page, one device; it asks again whenever it is told that the page is there.
    The handler keeps what it found from the walk to the entry; what guards that against a plain
    munmap(), a sequence number, is left out, since only the exit unmaps here.
    The device's entry is bad in itself when it leads to a free page: DMA may come at any time.

Sources:
    Jason Gunthorpe, 2020-03-13, <20200313191324.GG31668@ziepe.ca>: a new SPTE needs mmget()
    kernel/fork.c: mmget_not_zero(); drivers/iommu/iommu-sva.c: iommu_sva_handle_mm(), INVALID
    where it fails
"""

from functools import partial
from typing import Any, Protocol

from mmviz.engine import Case, Map, Verdict, World, expecting, field, mark
from mmviz.kernel.iopf import INVALID, SUCCESS, FaultableMm, PageRequest, ShadowTable
from mmviz.kernel.mm_struct import Pgd
from mmviz.kernel.mm_struct import mmput as put_user
from mmviz.kernel.page import Page

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
        mark("next request")
        await k.prq.iommu_report_device_fault()
        await k.prq.iommu_page_response(await driver.handle(k))


async def dma(k: Shadow) -> None:
    """The device uses the page; if it has none it asks, and tries again when it is told to."""
    while True:
        mark("again")
        if await k.dev.translate(VA) is not None:
            return
        await k.prq.request()
        if await k.prq.answer() == INVALID:
            return


class UserOrNothing:
    """mmget_not_zero(), and release() clears the table."""

    async def release(self, k: Shadow) -> None:
        await k.dev.unmap(VA)

    async def handle(self, k: Shadow) -> str:
        if not await k.mm.mmget_not_zero():
            return INVALID
        response = await self.fill(k)
        await put_user(k.mm, lambda: self.release(k))
        return response

    async def fill(self, k: Shadow) -> str:
        page = await k.mm.get_user_pages()
        if page is None:
            return INVALID
        await k.dev.map(VA, page)
        return SUCCESS


class StructOnly(UserOrNothing):
    """The handler holds mm_count: the struct stays, the address space may go."""

    async def handle(self, k: Shadow) -> str:
        return await self.fill(k)


class UserWithoutLooking(UserOrNothing):
    async def handle(self, k: Shadow) -> str:
        await k.mm.mmget()
        response = await self.fill(k)
        await put_user(k.mm, lambda: self.release(k))
        return response


class ReleaseNothing(UserOrNothing):
    async def release(self, k: Shadow) -> None:
        pass


class SuccessAfterExit(UserOrNothing):
    """The device is told that the page is there, when there is no process any more."""

    async def handle(self, k: Shadow) -> str:
        await super().handle(k)
        return SUCCESS


BAD = (
    device_keeps_freed_page,
    "torn_down_twice",
    "refcount_resurrected",
    "refcount_underflow",
    "use_after_free",
)
SOMETIMES, ALWAYS = Verdict.SOMETIMES, Verdict.ALWAYS


def case(
    driver: Driver,
    variant: str,
    title: str,
    *,
    states: int,
    mapped: bool = False,
    livelock: bool = False,
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the exit against the handler and the device."""
    return Case(
        name=type(driver).__name__,
        id=f"A10/{variant}",
        title=title,
        proposed=proposed,
        world=partial(shadow, mapped),
        actors={
            "CPU0": lambda k: iommu_sva_handle_iopf(k, driver),
            "CPU1": lambda k: exit_task(k, driver),
            "DEV": dma,
        },
        daemons=("CPU0",),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        schedules=schedules or {},
        kind="ordering" if ALWAYS in broken.values() else "race",
        livelock=livelock,
    )


CASES = (
    case(
        StructOnly(),
        "j2",
        "tempting: the handler holds the struct, which is all it touches",
        states=107,
        schedules={"an entry between release() and the free": "DEV*2 CPU0*2 CPU1*3 CPU0 CPU1*2"},
        device_keeps_freed_page=SOMETIMES,
    ),
    case(
        ReleaseNothing(),
        "j3",
        "the handler becomes a user, but release() leaves old entries",
        mapped=True,
        states=12,
        device_keeps_freed_page=ALWAYS,
    ),
    case(
        UserWithoutLooking(),
        "j4",
        "the handler counts itself as a user without looking for zero",
        states=391,
        device_keeps_freed_page=SOMETIMES,
        torn_down_twice=SOMETIMES,
        refcount_resurrected=SOMETIMES,
        refcount_underflow=SOMETIMES,
        use_after_free=SOMETIMES,
    ),
    case(
        SuccessAfterExit(),
        "j5",
        "after the exit faults are answered with success",
        states=102,
        livelock=True,
    ),
    case(
        UserOrNothing(),
        "j1",
        "mmget_not_zero() or INVALID, and release() clears",
        states=102,
        proposed=("2020-03-06", "<20200306130919.GJ31668@ziepe.ca>"),
    ),
)
