"""A driver unbinds while an invalidation uses its bond.

CPU0 unmaps memory: under SRCU it finds the notifier on the process's list, and under RCU it
finds the bonds of that process, one of which it follows.  CPU1 unbinds: it takes the bond and the
notifier off their lists and frees them.  To unlink an object does not make its readers leave: CPU0
may have found both before.

Promise: What a reader found on a list stays until the reader has left.

Memory model: sequentially consistent; RCU and SRCU do the rest.

Simplified:
    One bond, one invalidation.
    What the callback tells the device is left out.
    Grace periods end when their readers have left; daemons then run the callbacks.

Sources:
    drivers/iommu/iommu-sva.c of the SVA series v4 (2020-02-24): io_mm_invalidate_range(),
    iommu_sva_unbind_locked(), kfree_rcu() of the bond
    mm/mmu_notifier.c: mmu_notifier_put(), mmu_notifier_free_rcu(); 2c7933f53f6b (v5.4)
    drivers/iommu/intel-svm.c: kfree_rcu() of the svm_dev, which is on the same kind of list
"""

from typing import Protocol

from mmviz.engine import Race, World, field
from mmviz.kernel.iommu.io_mm import IoMm, SvaBond
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.provenance import constructed
from mmviz.kernel.sync.kfree_rcu import KfreeRcu
from mmviz.kernel.sync.rcu import SrcuCallbacks
from mmviz.scenarios.sva import SERIES_V4


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


race = Race(
    "A12",
    world=bound,
    actors={
        "CPU0": mmu_notifier_invalidate_range,
        "CPU1": iommu_sva_unbind_device,
        "RCU": rcu_core,
        "SRCU": srcu_invoke_callbacks,
    },
    daemons=("RCU", "SRCU"),
    bad=("use_after_free", "sleeps_in_atomic"),
)


@race.case(
    "l2",
    "off the list, and the notifier is freed at once",
    sometimes=["use_after_free"],
    states=70,
    schedules={"freed under the reader": "CPU0*2 CPU1*4 CPU0*2"},
    source=constructed("what call_srcu() in mmu_notifier_put() is for"),
)
class NotifierAtOnce:
    """The bond waits for its readers, the notifier does not."""

    async def free_bond(self, k: Bound) -> None:
        await k.rcu.kfree_rcu(k.bond)

    async def free_notifier(self, k: Bound) -> None:
        await k.io_mm.kfree()


@race.case(
    "l1",
    "call_srcu() for the notifier, kfree_rcu() for the bond",
    states=79,
    source=SERIES_V4,
)
class BothLater(NotifierAtOnce):
    """Each is freed after a grace period of what guards its list."""

    async def free_notifier(self, k: Bound) -> None:
        await k.srcu.call_srcu(k.io_mm)


@race.case(
    "l3",
    "tempting: the notifier waits for SRCU, the bond waits for no reader",
    sometimes=["use_after_free"],
    states=49,
    source=constructed("what kfree_rcu() of the bond is for"),
)
class BondAtOnce(BothLater):
    """The notifier waits for its readers, the bond does not."""

    async def free_bond(self, k: Bound) -> None:
        await k.bond.kfree()
