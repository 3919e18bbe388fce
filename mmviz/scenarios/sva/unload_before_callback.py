"""A driver is unloaded while its callback is still to come.

mmu_notifier_put() returns at once; the driver's free_notifier() runs later, when no reader is
left.  If the driver is a module and is unloaded in between, the callback is a call into code that
is gone.  So a driver calls mmu_notifier_synchronize() before it leaves.  What that has to wait
for, a grace period or the callbacks themselves, is less obvious than it looks.

Promise: A driver's code stays as long as somebody will call it.

Memory model: sequentially consistent; SRCU does the rest.

Simplified:
    One notifier.  The process exits at any time; its release() is a call into the module, too.
    SynchronizeOnly is the strict reading of RCU: a grace period waits for readers, and not for
    callbacks queued earlier, which may have been queued on another CPU.  SynchronizeInOrder is the
    reading under which mmu_notifier_synchronize() works as it is written.  Which one holds is our
    own question; no discussion of it was found, and no failure is known.

Sources:
    mm/mmu_notifier.c: mmu_notifier_put(), mmu_notifier_synchronize()
    b972216e27d1 (v3.17) with srcu_barrier(); 2c7933f53f6b (v5.4) with synchronize_srcu()
    drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-sva.c: arm_smmu_sva_notifier_synchronize()
"""

from functools import partial
from typing import Protocol

from mmviz.engine import Case, Verdict, World, expecting
from mmviz.kernel.io_mm import IoMm
from mmviz.kernel.kfree_rcu import InOrderSrcu, Module, NotifierSrcu
from mmviz.kernel.mm_struct import MmStruct, Pgd, mmu_notifier_release


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
    """The process ends; whoever is on the list is told."""
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


class NoSynchronize:
    async def module_exit(self, k: Loaded) -> None:
        await put(k)


class NeverPut:
    """To synchronize covers what was put; this notifier was not."""

    async def module_exit(self, k: Loaded) -> None:
        await synchronize_srcu(k)


class SynchronizeOnly:
    async def module_exit(self, k: Loaded) -> None:
        await put(k)
        await synchronize_srcu(k)


class Barrier:
    """Waits for the callbacks themselves."""

    async def module_exit(self, k: Loaded) -> None:
        await put(k)
        await k.srcu.srcu_barrier()


BAD = ("calls_unloaded_code", "use_after_free")
SOMETIMES = Verdict.SOMETIMES


def case(
    driver: Exit,
    variant: str,
    title: str,
    *,
    states: int,
    name: str = "",
    srcu: type[NotifierSrcu] = NotifierSrcu,
    shipped: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the unloading against the callback and the process's exit."""
    return Case(
        name=name or type(driver).__name__,
        id=f"A12/{variant}",
        title=title,
        world=partial(loaded, srcu),
        actors={
            "CPU0": mmput,
            "CPU1": lambda k: delete_module(k, driver),
            "SRCU": mmu_notifier_free_rcu,
        },
        daemons=("SRCU",),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        shipped=shipped,
    )


CASES = (
    case(
        NoSynchronize(),
        "l4",
        "unloaded as soon as the notifier is put",
        states=111,
        calls_unloaded_code=SOMETIMES,
    ),
    case(
        NeverPut(),
        "l7",
        "tempting: synchronized, but the notifier was never put",
        states=49,
        calls_unloaded_code=SOMETIMES,
    ),
    case(
        SynchronizeOnly(),
        "l6-strict",
        "a grace period, if that does not wait for callbacks queued before",
        states=172,
        calls_unloaded_code=SOMETIMES,
    ),
    case(
        SynchronizeOnly(),
        "l6",
        "as since v5.4: a grace period, taken to mean that callbacks have run",
        name="SynchronizeInOrder",
        srcu=InOrderSrcu,
        states=130,
        shipped=("v5.4", ""),
    ),
    case(
        Barrier(),
        "l5",
        "as v3.17 to v5.3: srcu_barrier() waits for the callbacks",
        states=90,
        shipped=("v3.17", "v5.3"),
    ),
)
