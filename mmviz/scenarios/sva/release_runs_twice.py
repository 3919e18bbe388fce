"""Two CPUs call one notifier's release().

A driver unregisters its notifier while the process exits.  Both paths find the notifier on the
list, and both call release(): mmu_notifier_unregister(), because its caller wants nothing left,
and exit_mmap(), because the process ends.  SRCU keeps the notifier alive until both are through;
it does not make them take turns.  A release() that gives something back gives it back twice.

Promise: What release() gives back is given back once, however often release() runs.

Memory model: sequentially consistent; locks and SRCU do the rest.

Simplified:
    The entry and its caches are left out: to clear them twice harms nobody.
    The spinlock of the list is left out: to unlink is one step.
    Unlinking comes before the read section ends; the kernel unlinks in a section of its own.

Sources:
    Jason Gunthorpe, 2020-02-28, in the thread of <20200313191324.GG31668@ziepe.ca>: release() may
    be called several times and must not disturb a second call
    mm/mmu_notifier.c: mmu_notifier_unregister(), mn_hlist_release()
    the SVA series v5, 2020-04-14: the bond's `cleared`; drivers/iommu/amd/pasid.c: a list emptied
    under a lock
"""

from collections.abc import Callable
from typing import Any

from mmviz.engine import Case, Verdict, World, expecting, field
from mmviz.kernel import mm_struct
from mmviz.kernel.io_mm import IoMm
from mmviz.kernel.mm_struct import MmStruct, Pgd
from mmviz.kernel.page import Page
from mmviz.kernel.rcu import Srcu


class Registered(World):
    """A process with one notifier, which holds one reference for its bond."""

    mm: MmStruct = field(
        default_factory=lambda: MmStruct(pgd=Pgd(Page(7), name="pgd"), mm_count=2, subscribed=True)
    )
    srcu: Srcu = field(default_factory=Srcu)
    io_mm: IoMm = field(default_factory=lambda: IoMm(refs=1))


class PutsEachTime:
    async def release(self, k: Registered) -> None:
        await k.io_mm.io_mm_put()


class PutsOnce:
    """The first one through the lock puts, and notes that it did."""

    async def release(self, k: Registered) -> None:
        await k.io_mm.lock.mutex_lock()
        if not await k.io_mm.is_cleared():
            await k.io_mm.set_cleared()
            await k.io_mm.io_mm_put()
        await k.io_mm.lock.mutex_unlock()


async def mmput(k: Registered, release: Callable[[Registered], Any]) -> None:
    """The last user leaves."""
    await k.mm.mmput()
    await mm_struct.mmu_notifier_release(k.mm, k.srcu, lambda: release(k))
    await k.mm.exit_mmap()
    await k.mm.mmdrop()


async def mmu_notifier_unregister(k: Registered, release: Callable[[Registered], Any]) -> None:
    """The driver wants no more calls, and frees what the notifier lies in."""
    await mm_struct.mmu_notifier_release(k.mm, k.srcu, lambda: release(k))
    await k.mm.mmdrop()
    await k.io_mm.kfree()


BAD = ("refcount_underflow", "use_after_free")


def case(
    driver: PutsEachTime | PutsOnce,
    variant: str,
    title: str,
    *,
    states: int,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race unregister against exit."""
    return Case(
        name=type(driver).__name__,
        id=f"A9/{variant}",
        title=title,
        proposed=proposed,
        world=Registered,
        actors={
            "CPU0": lambda k: mmu_notifier_unregister(k, driver.release),
            "CPU1": lambda k: mmput(k, driver.release),
        },
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
    )


CASES = (
    case(
        PutsEachTime(),
        "i5",
        "release() puts a reference each time it is called",
        states=175,
        refcount_underflow=Verdict.SOMETIMES,
    ),
    case(
        PutsOnce(),
        "i6",
        "release() puts once, under a lock (the series' v5; AMD)",
        states=246,
        proposed=("2020-04-14", "<20200414170252.714402-1-jean-philippe@linaro.org>"),
    ),
)

SPARE = {
    "PutsOnce: await k.io_mm.io_mm_put()": (
        "A reference that nobody puts is a leak, which this scenario does not judge."
    ),
}
