"""A driver is unloaded while its callback is still pending.

mmu_notifier_put() returns at once; the driver's free_notifier() runs later, when no reader is
left.  If the driver is a module and is unloaded in between, the callback is a call into code that
is gone.  So a driver calls mmu_notifier_synchronize() before it leaves.  Until v5.3 that was
srcu_barrier(), which waits for the callbacks.  Since v5.4 it is synchronize_srcu(), which waits for
a grace period.  A grace period waits for readers, and promises nothing about callbacks.

Whether the callback has run nevertheless depends on where SRCU keeps its callbacks.  From v4.12 to
v5.18 each CPU has a list.  A task that puts on one CPU and synchronizes on another waits for the
second CPU's callback only.  Since v5.19 SRCU starts "small": all callbacks are on the list of one
CPU (0, later the boot CPU).  synchronize_srcu() queues its own callback behind the driver's there,
and the callbacks of one list run in order.  An SRCU that has become "big" has a list for each CPU
again.

Promise: A driver's code stays as long as a callback into it may come.

Memory model: sequentially consistent; SRCU does the rest.

Simplified:
    One notifier.
    The process exits at any time; its release() is a call into the module, too.
    Lists and CPUs are not modelled.  SynchronizeOnly is SRCU with a list for each CPU, where the
    task has moved to another CPU after the put.  SynchronizeInOrder is SRCU with one list.
    A kernel for one CPU is not modelled: there srcu_barrier() is synchronize_srcu().

Sources:
    mm/mmu_notifier.c: mmu_notifier_put(), mmu_notifier_synchronize(); still synchronize_srcu() in
    v6.18
    b972216e27d1 (v3.17) with srcu_barrier(); 2c7933f53f6b (v5.4) with synchronize_srcu()
    Documentation/RCU/rcubarrier.rst: synchronize_rcu() "does not wait for the callbacks to
    complete"; a module that uses call_srcu() needs srcu_barrier()
    kernel/rcu/srcutree.c: srcu_gp_start_if_needed() chooses the list; __synchronize_srcu() queues
    wakeme_after_rcu() like any callback
    da915ad5cf25 (v4.12) a list for each CPU
    994f706872e6 (v5.19) one list, CPU 0's, while SRCU is small; 7f24626d6dd8 (v6.3) the boot CPU's
    a57ffb3c6b67 (v5.19) big from the start with 128 possible CPUs, else when contention is high
    <20181105192955.26305-1-sean.j.christopherson@intel.com> 2018-11-05, Christopherson: the name
    synchronize misleads, call it mmu_notifier_barrier(); not merged
    drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-sva.c: arm_smmu_sva_notifier_synchronize()
"""

from functools import partial
from typing import Protocol

from mmviz.engine import Race, World
from mmviz.kernel.iommu.io_mm import IoMm
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd, mmu_notifier_release
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.kfree_rcu import InOrderSrcu, Module, NotifierSrcu


class Loaded(World):
    """A process with a notifier of a driver that is a module."""

    mm: MmStruct
    io_mm: IoMm
    module: Module
    srcu: NotifierSrcu


def loaded(srcu: type[NotifierSrcu] = NotifierSrcu) -> Loaded:
    """The notifier is on the process's list, and holds a reference on the mm."""
    module = Module()
    mm = MmStruct(pgd=Pgd(name="pgd"), mm_count=2, subscribed=True)
    return Loaded(mm, IoMm(refs=1), module, srcu(module=module))


class Exit(Protocol):
    async def module_exit(self, k: Loaded) -> None: ...


async def mmput(k: Loaded) -> None:
    """The process ends; every notifier on the list is called."""
    await k.mm.mmput()
    await mmu_notifier_release(k.mm, k.srcu, k.module.release)
    await k.mm.exit_mmap()
    await k.mm.mmdrop()


async def delete_module(k: Loaded, driver: Exit) -> None:
    """The driver ends its use, runs its exit function, and is unloaded."""
    await driver.module_exit(k)
    await k.module.free_module()


async def mmu_notifier_free_rcu(k: Loaded) -> None:
    """SRCU's callback runs."""
    await k.srcu.mmu_notifier_free_rcu()


async def put(k: Loaded) -> None:
    """Unlink now, free later."""
    await k.mm.mmu_notifier_put()
    await k.srcu.call_srcu(k.io_mm)


async def synchronize_srcu(k: Loaded) -> None:
    """Wait for the readers that are inside."""
    await k.srcu.start_poll_synchronize_srcu()
    await k.srcu.synchronize_srcu()


race = Race(
    "A12",
    world=loaded,
    actors={"CPU0": mmput, "CPU1": delete_module, "SRCU": mmu_notifier_free_rcu},
    daemons=("SRCU",),
    bad=("calls_unloaded_code", "use_after_free"),
)


@race.case(
    "l4",
    "unloaded as soon as the notifier is put",
    sometimes=["calls_unloaded_code"],
    states=81,
    source=constructed("what mmu_notifier_synchronize() is for"),
)
class NoSynchronize:
    """The exit function only puts."""

    async def module_exit(self, k: Loaded) -> None:
        await put(k)


@race.case(
    "l7",
    "tempting: synchronized, but the notifier was never put",
    sometimes=["calls_unloaded_code"],
    states=49,
    source=constructed("to synchronize covers only what was put"),
)
class NeverPut:
    """mmu_notifier_synchronize() covers what was put; this notifier was not."""

    async def module_exit(self, k: Loaded) -> None:
        await synchronize_srcu(k)


@race.case(
    "l6-strict",
    "as v5.4 to v5.18: a grace period; a callback queued on another CPU may still be pending",
    sometimes=["calls_unloaded_code"],
    states=126,
    source=shipped("v5.4", "v5.18", "2c7933f53f6b"),
    note="no report of it was found: it needs a task that moves to another CPU after the put",
)
class SynchronizeOnly:
    """mmu_notifier_synchronize() since v5.4: a grace period, after the put."""

    async def module_exit(self, k: Loaded) -> None:
        await put(k)
        await synchronize_srcu(k)


race.case(
    "l6",
    "as since v5.19: a grace period; callbacks share one list, so those queued before have run",
    of=SynchronizeOnly,
    name="SynchronizeInOrder",
    world=partial(loaded, srcu=InOrderSrcu),
    states=96,
    source=shipped("v5.19", where="994f706872e6", checked=("v6.18", "2026-11-28")),
    note="only while SRCU is small; with 128 CPUs, or after contention, as SynchronizeOnly",
)


@race.case(
    "l5",
    "as v3.17 to v5.3: srcu_barrier() waits for the callbacks",
    states=66,
    source=shipped("v3.17", "v5.3", "b972216e27d1"),
)
class Barrier:
    """Waits for the callbacks themselves."""

    async def module_exit(self, k: Loaded) -> None:
        await put(k)
        await k.srcu.srcu_barrier()
