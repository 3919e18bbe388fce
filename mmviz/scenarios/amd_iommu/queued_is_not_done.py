"""A flag says that an invalidation was queued, and is read as if it were done.

Two CPUs take page tables out of domains behind one IOMMU.  Each queues an invalidation, waits
until the IOMMU has run it, and frees its pages.  To wait, a CPU queues a completion wait with a
number and polls a word in memory to which the IOMMU stores that number.  A flag, need_sync, saves
commands: it is cleared when a completion wait is queued, and a CPU that finds it clear returns at
once.  But clear means that a completion wait is *queued*, not that it is done.

Promise: A page table is freed only when the IOMMU has no translation left that leads to it.

Memory model: sequentially consistent; what is wrong is the meaning of the flag, and barriers do not
    change that.

Simplified:
    Two unmaps on CPU1, one on CPU2, each of a domain of its own; one wait for each.
    The buffer is never full, and the IOMMU never fails.
    From v6.5 to v6.19 the number of A1/a is drawn before the lock and compared with ==; while the
    wait is under the lock, too, that changes no verdict.
    The kernel gives up polling after 0.1 s and goes on; here it waits, so that the search reports
    a deadlock where the kernel logs "Completion-Wait loop timed out".
    A cached translation that leads to freed pages is bad in itself; the DMA has no step of its own.
    Interrupts are not modelled: a busy wait with the spinlock held stands for the soft lockup.

Sources:
    d2a0cac10597 iommu/amd: move wait_on_sem() out of spinlock (CVE-2026-43253)
    9e249c484128 iommu/amd: serialize sequence allocation (CVE-2026-43220)
    CVE-2026-68329 iommu/amd: Wait for completion instead of returning early
    drivers/iommu/amd/iommu.c iommu_completion_wait(), __iommu_queue_command_sync(), wait_on_sem()
"""

from typing import Protocol

from mmviz.engine import Map, Race, World
from mmviz.kernel.iommu.amd import AmdIommu, IoPageTable
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.amd_iommu import (
    NUMBER_UNDER_LOCK,
    WAIT_FOR_LAST,
    WAIT_OUTSIDE,
    WAIT_UNDER_LOCK,
)


class Machine(World):
    """An IOMMU that has translations of three domains cached, and the tables to be freed."""

    iommu: AmdIommu
    tables: Map[str, IoPageTable]


def machine() -> Machine:
    """Build the machine after both CPUs have taken their tables out of the domains."""
    a, b, c = IoPageTable(), IoPageTable(), IoPageTable()
    iommu = AmdIommu(Map({"A": a, "B": b, "C": c}))
    return Machine(iommu, Map({"A": a, "B": b, "C": c}))


def iommu_walks_freed_tables(k: Machine) -> bool:
    """A translation in the IOTLB leads to page-table pages that were freed."""
    return any(table is not None and table.freed for table in k.iommu.iotlb.values())


class Wait(Protocol):
    """How a CPU waits until what it has queued is done."""

    async def iommu_completion_wait(self, k: Machine) -> None: ...


async def unmap(k: Machine, domain: str, how: Wait) -> None:
    """Invalidate a domain's translations, wait for that, and free the tables."""
    await k.iommu.iommu_queue_command(domain)
    await how.iommu_completion_wait(k)
    await k.tables[domain].iommu_put_pages_list()


async def unmap_a_then_c(k: Machine, how: Wait) -> None:
    """CPU1 unmaps in domain A, then in domain C."""
    for domain in ("A", "C"):
        await unmap(k, domain, how)


async def unmap_b(k: Machine, how: Wait) -> None:
    """CPU2 unmaps in domain B."""
    await unmap(k, "B", how)


async def run_commands(k: Machine) -> None:
    """The IOMMU runs the commands in the order in which they were queued."""
    while True:
        await k.iommu.run_command()


# Three unmaps behind one IOMMU: two after one another on CPU1, one on CPU2.
race = Race(
    world=machine,
    actors={"CPU1": unmap_a_then_c, "CPU2": unmap_b, "IOMMU": run_commands},
    daemons=("IOMMU",),
    bad=(iommu_walks_freed_tables, "busy_waits_with_irqs_off", "unlock_not_owner"),
)


@race.case(
    "A1/a",
    "as shipped v4.9 to v6.19: return early, else wait under the spinlock",
    sometimes=[iommu_walks_freed_tables],
    always=["busy_waits_with_irqs_off"],
    source=WAIT_UNDER_LOCK,
    schedules={"CPU2 does not wait": "CPU1 CPU2 CPU1*4 CPU2*2"},
    states=564,
)
class WaitUnderLock:
    """The early return looks at the flag without the lock, and returns without waiting."""

    async def iommu_completion_wait(self, k: Machine) -> None:
        if not await k.iommu.test_need_sync():
            return
        await k.iommu.lock.spin_lock()
        number = await k.iommu.get_cmdsem_val()
        await k.iommu.queue_completion_wait(number)
        await k.iommu.wait_on_sem(number)
        await k.iommu.lock.spin_unlock()


@race.case(
    "A1/b",
    "the first fix alone, as in 6.12.75: wait after the unlock, number drawn before the lock",
    sometimes=[iommu_walks_freed_tables],
    deadlock=True,
    source=WAIT_OUTSIDE,
    states=2106,
)
class NumberOutsideLock:
    """Numbers enter the buffer out of order: the word goes back from 2 to 1, and CPU2 waits on."""

    async def iommu_completion_wait(self, k: Machine) -> None:
        if not await k.iommu.test_need_sync():
            return
        number = await k.iommu.get_cmdsem_val()
        await k.iommu.lock.spin_lock()
        await k.iommu.queue_completion_wait(number)
        await k.iommu.lock.spin_unlock()
        await k.iommu.wait_on_sem(number)


@race.case(
    "A1/c",
    "the second fix, v7.0: the number is drawn under the lock",
    sometimes=[iommu_walks_freed_tables],
    source=NUMBER_UNDER_LOCK,
    states=1292,
)
class NumberUnderLock:
    """The numbers are in order; the early return is still there."""

    async def iommu_completion_wait(self, k: Machine) -> None:
        if not await k.iommu.test_need_sync():
            return
        await k.iommu.lock.spin_lock()
        number = await k.iommu.get_cmdsem_val()
        await k.iommu.queue_completion_wait(number)
        await k.iommu.lock.spin_unlock()
        await k.iommu.wait_on_sem(number)


@race.case(
    "A1/d",
    "tempting: test the flag under the lock, and still return early",
    sometimes=[iommu_walks_freed_tables],
    source=constructed("the flag is read correctly; what it means is the mistake"),
    states=1000,
)
class FlagUnderLock:
    """The flag is up to date, and says that a completion wait is queued, not that it is done."""

    async def iommu_completion_wait(self, k: Machine) -> None:
        await k.iommu.lock.spin_lock()
        if not await k.iommu.test_need_sync():
            await k.iommu.lock.spin_unlock()
            return
        number = await k.iommu.get_cmdsem_val()
        await k.iommu.queue_completion_wait(number)
        await k.iommu.lock.spin_unlock()
        await k.iommu.wait_on_sem(number)


@race.case(
    "A1/e",
    "no flag: every CPU queues a completion wait of its own",
    source=constructed("right, at the price of one more command for each wait"),
    states=808,
)
class OwnWait:
    """What the flag was to save: a command, and the hardware's time for it."""

    async def iommu_completion_wait(self, k: Machine) -> None:
        await k.iommu.lock.spin_lock()
        number = await k.iommu.get_cmdsem_val()
        await k.iommu.queue_completion_wait(number)
        await k.iommu.lock.spin_unlock()
        await k.iommu.wait_on_sem(number)


@race.case(
    "A1/f",
    "no flag, and the number drawn before the lock",
    deadlock=True,
    source=constructed("numbers out of order free nothing too early: the wait may miss its number"),
    states=1555,
)
class OwnWaitNumberOutside:
    """The higher number was drawn later, and so covers the other CPU's command, if it is seen."""

    async def iommu_completion_wait(self, k: Machine) -> None:
        number = await k.iommu.get_cmdsem_val()
        await k.iommu.lock.spin_lock()
        await k.iommu.queue_completion_wait(number)
        await k.iommu.lock.spin_unlock()
        await k.iommu.wait_on_sem(number)


@race.case(
    "A1/g",
    "the third fix: with nothing to queue, wait for the last number that was drawn",
    source=WAIT_FOR_LAST,
    states=960,
)
class WaitForLast:
    """A clear flag names a completion wait that is queued after this CPU's command: wait for it."""

    async def iommu_completion_wait(self, k: Machine) -> None:
        await k.iommu.lock.spin_lock()
        if await k.iommu.test_need_sync():
            number = await k.iommu.get_cmdsem_val()
            await k.iommu.queue_completion_wait(number)
        else:
            number = await k.iommu.last_cmdsem_val()
        await k.iommu.lock.spin_unlock()
        await k.iommu.wait_on_sem(number)
