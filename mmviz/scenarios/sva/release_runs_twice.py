"""Two CPUs call one notifier's release().

A driver unregisters its notifier while the process exits.  Both paths find the notifier on the
list, and both call release(): mmu_notifier_unregister(), because its caller wants nothing left,
and exit_mmap(), because the process ends.  SRCU keeps the notifier alive until both are through;
it does not make them take turns.  A release() that gives something back gives it back twice.

Promise: What release() gives back is given back once, however often release() runs.

Memory model: sequentially consistent; locks and SRCU do the rest.

Simplified:
    The entry and its caches are left out: to clear them twice does no harm.
    PutsOnce: what is given back is a reference, behind a flag; AMD's release() takes each device's
    record off a list and frees it.
    The spinlock of the list is left out: to unlink is one step.
    Unlinking comes before the read section ends, as in mn_hlist_release();
    mmu_notifier_unregister() ends the section first.

Sources:
    <20200228151339.GS31668@ziepe.ca> 2020-02-28, Gunthorpe: release() may be called several times
    and must not disturb a second call
    <20200306130919.GJ31668@ziepe.ca> 2020-03-06, Gunthorpe: only with mmu_notifier_unregister()
    mm/mmu_notifier.c: mmu_notifier_unregister(), mn_hlist_release()
    <20200414170252.714402-1-jean-philippe@linaro.org> the SVA series v5: the bond's `cleared`; its
    release() puts nothing
    a5a91e54846d (v6.10) iommu/amd: Add SVA domain support: sva_mn_release() empties a list under a
    lock
"""

from typing import Protocol

from mmviz.engine import Race, World, field
from mmviz.kernel.iommu.io_mm import IoMm
from mmviz.kernel.mm import mm_struct
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.rcu import Srcu


class Registered(World):
    """A process with one notifier, which holds one reference for its bond."""

    mm: MmStruct = field(
        default_factory=lambda: MmStruct(pgd=Pgd(Page(7), name="pgd"), mm_count=2, subscribed=True)
    )
    srcu: Srcu = field(default_factory=Srcu)
    io_mm: IoMm = field(default_factory=lambda: IoMm(refs=1))


class Driver(Protocol):
    async def release(self, k: Registered) -> None: ...


async def mmput(k: Registered, driver: Driver) -> None:
    """The last user leaves."""
    await k.mm.mmput()
    await mm_struct.mmu_notifier_release(k.mm, k.srcu, lambda: driver.release(k))
    await k.mm.exit_mmap()
    await k.mm.mmdrop()


async def mmu_notifier_unregister(k: Registered, driver: Driver) -> None:
    """The driver wants no more calls, and frees what the notifier lies in."""
    await mm_struct.mmu_notifier_release(k.mm, k.srcu, lambda: driver.release(k))
    await k.mm.mmdrop()
    await k.io_mm.kfree()


race = Race(
    "A9",
    world=Registered,
    actors={"CPU0": mmu_notifier_unregister, "CPU1": mmput},
    bad=("refcount_underflow", "use_after_free"),
)


@race.case(
    "i5",
    "release() puts a reference each time it is called",
    sometimes=["refcount_underflow"],
    states=146,
    source=constructed("a release() that disturbs a second call"),
)
class PutsEachTime:
    """Each call puts."""

    async def release(self, k: Registered) -> None:
        await k.io_mm.io_mm_put()


@race.case(
    "i6",
    "release() gives back once, under a lock, as AMD since v6.10",
    states=154,
    source=shipped("v6.10", where="a5a91e54846d", checked=("v6.16", "2026-11-28")),
)
class PutsOnce:
    """The first call that gets the lock puts, and leaves a flag."""

    async def release(self, k: Registered) -> None:
        await k.io_mm.lock.mutex_lock()
        if not await k.io_mm.is_cleared():
            await k.io_mm.set_cleared()
            await k.io_mm.io_mm_put()  # redundant: a reference never put is a leak, not judged
        await k.io_mm.lock.mutex_unlock()
