"""A driver unbinds while an invalidation is at its bond.

CPU0 unmaps memory: under SRCU it finds the notifier on the process's list, and under RCU it
finds the bonds of that process, one of which it follows.  CPU1 unbinds: it takes the bond and the
notifier off their lists and frees them.  A list that was left is not a reader that was left: CPU0
may have found them before.

Promise: What a reader found on a list stays until the reader has left.

Memory model: sequentially consistent; RCU and SRCU do the rest.

Simplified:
    One bond, one invalidation.  What the callback tells the device is left out.
    Grace periods end when their readers have left; daemons then run the callbacks.

Sources:
    Jason Gunthorpe, 2020-03-13, <20200313191324.GG31668@ziepe.ca> and the messages it answers
    mm/mmu_notifier.c: mmu_notifier_put(), mmu_notifier_free_rcu(); 2c7933f53f6b (v5.4)
    drivers/iommu/iommu-sva.c of the SVA series v4: io_mm_release(), kfree_rcu() of the bond
"""

from typing import Protocol

from mmviz.engine import Case, Verdict, World, expecting, field
from mmviz.kernel.io_mm import IoMm, SvaBond
from mmviz.kernel.kfree_rcu import KfreeRcu
from mmviz.kernel.mm_struct import MmStruct, Pgd
from mmviz.kernel.rcu import SrcuCallbacks


class Bound(World):
    """A process with one notifier, which has one bond."""

    mm: MmStruct
    io_mm: IoMm
    bond: SvaBond
    srcu: SrcuCallbacks = field(default_factory=SrcuCallbacks)
    rcu: KfreeRcu = field(default_factory=KfreeRcu)


def bound() -> Bound:
    """Both are on their lists."""
    io_mm = IoMm(refs=1)
    bond = SvaBond(io_mm=io_mm)
    io_mm.bonds = (bond,)
    return Bound(MmStruct(pgd=Pgd(), subscribed=True), io_mm, bond)


class Unbind(Protocol):
    async def free_bond(self, k: Bound) -> None: ...
    async def free_notifier(self, k: Bound) -> None: ...


async def mmu_notifier_invalidate_range(k: Bound) -> None:
    """Tell each bond of each notifier that a mapping goes."""
    await k.srcu.srcu_read_lock()
    if await k.mm.mn_hlist_invalidate():
        await k.rcu.rcu_read_lock()
        for bond in await k.io_mm.list_for_each_entry():
            await bond.io_mm_of_bond()
        await k.rcu.rcu_read_unlock()
    await k.srcu.srcu_read_unlock()


async def iommu_sva_unbind_device(k: Bound, unbind: Unbind) -> None:
    """Take bond and notifier off their lists, and free both."""
    await k.io_mm.list_del(k.bond)
    await unbind.free_bond(k)
    await k.mm.mmu_notifier_put()
    await unbind.free_notifier(k)


async def rcu_core(k: Bound) -> None:
    """RCU's callbacks run."""
    await k.rcu.rcu_do_batch()


async def srcu_invoke_callbacks(k: Bound) -> None:
    """SRCU's callbacks run."""
    await k.srcu.srcu_invoke_callbacks()


class BothLater:
    """Each is freed after a grace period of what guards its list."""

    async def free_bond(self, k: Bound) -> None:
        await k.rcu.kfree_rcu(k.bond)

    async def free_notifier(self, k: Bound) -> None:
        await k.srcu.call_srcu(k.io_mm)


class NotifierAtOnce(BothLater):
    async def free_notifier(self, k: Bound) -> None:
        await k.io_mm.kfree()


class BondAtOnce(BothLater):
    async def free_bond(self, k: Bound) -> None:
        await k.bond.kfree()


BAD = ("use_after_free", "sleeps_in_atomic")


def case(
    unbind: Unbind,
    variant: str,
    title: str,
    *,
    states: int,
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the unbind against an invalidation."""
    return Case(
        name=type(unbind).__name__,
        id=f"A12/{variant}",
        title=title,
        proposed=proposed,
        world=bound,
        actors={
            "CPU0": mmu_notifier_invalidate_range,
            "CPU1": lambda k: iommu_sva_unbind_device(k, unbind),
            "RCU": rcu_core,
            "SRCU": srcu_invoke_callbacks,
        },
        daemons=("RCU", "SRCU"),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        schedules=schedules or {},
    )


CASES = (
    case(
        NotifierAtOnce(),
        "l2",
        "off the list, and the notifier is freed at once",
        states=85,
        schedules={"freed under the reader": "CPU0*2 CPU1*4 CPU0*2"},
        use_after_free=Verdict.SOMETIMES,
    ),
    case(
        BondAtOnce(),
        "l3",
        "tempting: the notifier waits for SRCU, the bond for nobody",
        states=59,
        use_after_free=Verdict.SOMETIMES,
    ),
    case(
        BothLater(),
        "l1",
        "call_srcu() for the notifier, kfree_rcu() for the bond",
        states=94,
        proposed=("2020-02-24", "<20200224182401.353359-1-jean-philippe@linaro.org>"),
    ),
)
