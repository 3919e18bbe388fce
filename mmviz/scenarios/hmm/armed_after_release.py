"""A driver looks a range up in a process that exits.

A device's fault is handled in a kernel worker, which does not belong to the process.  It asks
whether the process is dead, lists its range, asks again, and looks for the mapping.  But an answer
about `dead` is old the moment it is given: the process may exit and free its mappings right after.
A range that is listed after the exit stays valid, because no later step makes it invalid.  A
reference on the memory of mm_struct does not help, and neither does mmap_sem, which an exit does
not take.

Promise: A worker that looks for a mapping holds a user's reference on the address space.

Memory model: sequentially consistent; what is done under hmm->lock is one step.

Simplified:
    One process with one user, one range, one mapping; no invalidation but that of the exit.
    struct hmm keeps mm_struct allocated (HMM-03's remedy), and is not freed.
    The last mmdrop() is left to struct hmm.
    The worker does not map what it finds; the check under the driver's lock shows where it would.
    The driver's callback in hmm_release() takes the driver's lock and does nothing else.
    No step reads the list after the worker has ended, so a missing unregister has no effect here.
    Where the range is a user, hmm_release() finds no range on the list and has nothing to do.
    GrabOnly and PlainGet may list a range after hmm_release(), as DeadFlag may; of them the
    reference names the use after free.

Sources:
    <20190523153436.19102-6-jgg@ziepe.ca>, patch 05/11: Improve locking around hmm->dead
    <20190606184438.31646-7-jgg@ziepe.ca>, v2 06/11: Hold on to the mmget for the lifetime of the
    range (v5.3)
    mm/hmm.c, v5.2: hmm_range_register(), hmm_range_snapshot(), hmm_release()
    kernel/fork.c: mmput(); mm/mmap.c: exit_mmap()
    drivers/infiniband/core/umem_odp.c, ib_umem_odp_get(): a comment warns against mmput() under the
    semaphore that the driver's callback takes
"""

from typing import Protocol

from mmviz.engine import Race, at_end
from mmviz.kernel.provenance import constructed, mistake, shipped
from mmviz.scenarios.hmm import RANGES, patch
from mmviz.scenarios.hmm.worlds.exiting_process import Mirrored, mmput


def range_is_valid_on_dead_mm(k: Mirrored) -> bool:
    """The process has exited, and a range of it is valid: its device goes on."""
    return k.hmm.dead and any(range_.valid for range_ in k.hmm.ranges)


@at_end
def address_space_is_leaked(k: Mirrored) -> bool:
    """The process is gone, and the memory it used is never given back."""
    return not k.mm.vma.freed


async def hmm_range_snapshot(k: Mirrored) -> None:
    """Look the range up while it is valid, and check under the driver's lock."""
    if not await k.range.hmm_range_valid():
        return
    await k.mm.find_vma()
    await k.update.mutex_lock()
    await k.range.hmm_range_valid()
    await k.update.mutex_unlock()


async def hmm_vma_fault(k: Mirrored) -> None:
    """List the range, look it up, and take it off the list."""
    await k.hmm.hmm_range_register(k.range)
    await hmm_range_snapshot(k)
    await k.hmm.hmm_range_unregister(k.range)


class Driver(Protocol):
    """How a driver's worker handles a device's fault."""

    async def fault(self, k: Mirrored) -> None:
        """Look a range of the process up."""


async def handle_fault(k: Mirrored, driver: Driver) -> None:
    """A kernel worker handles a device's fault."""
    await driver.fault(k)


# The last user leaves the process while a worker handles a device's fault.
race = Race(
    world=Mirrored,
    actors={"CPU0": mmput, "kworker": handle_fault},
    bad=(
        "use_after_free",
        range_is_valid_on_dead_mm,
        address_space_is_leaked,
        "refcount_resurrected",
    ),
)


@race.case(
    "HMM-05/05a",
    "asks a flag, twice and without a lock, as shipped in v5.2",
    sometimes=["use_after_free", range_is_valid_on_dead_mm],
    states=80,
    schedules={
        "the mappings go": "kworker*4 CPU0*5 kworker",
        "listed after the release": "kworker CPU0*2 kworker",
    },
    source=shipped("v5.2", "v5.2", said=RANGES),
)
class DeadFlag:
    """Asks hmm->dead before it lists the range, and again after."""

    async def fault(self, k: Mirrored) -> None:
        """Ask, list the range, ask again, look it up."""
        if await k.hmm.read_dead():
            return
        await k.hmm.hmm_range_register(k.range)
        if not await k.hmm.read_dead():
            await hmm_range_snapshot(k)
        await k.hmm.hmm_range_unregister(k.range)


@race.case(
    "HMM-05/05b",
    "tempting: a reference on mm_struct",
    sometimes=["use_after_free", range_is_valid_on_dead_mm],
    states=100,
    source=constructed("mmgrab() keeps the memory of mm_struct, and none of its mappings"),
)
class GrabOnly:
    """Has a reference on the memory of mm_struct."""

    async def fault(self, k: Mirrored) -> None:
        """Keep the mm_struct while the range is looked up."""
        await k.mm.mmgrab()
        await hmm_vma_fault(k)
        await k.mm.mmdrop()


@race.case(
    "HMM-05/05c",
    "as posted in May 2019: a user's reference, given back at the end of register",
    sometimes=["use_after_free"],
    states=65,
    schedules={"the mappings go": "kworker*4 CPU0*5 kworker"},
    source=patch(5),
)
class GetInRegister:
    """Is a user while it lists the range, and no longer."""

    async def fault(self, k: Mirrored) -> None:
        """Be a user of the address space until the range is listed."""
        if not await k.mm.mmget_not_zero():
            return
        await k.hmm.hmm_range_register(k.range)
        await mmput(k)
        await hmm_range_snapshot(k)
        await k.hmm.hmm_range_unregister(k.range)


@race.case(
    "HMM-05/05e",
    "a user's reference, taken without asking for another user",
    sometimes=["use_after_free", range_is_valid_on_dead_mm, "refcount_resurrected"],
    states=148,
    schedules={"the process exits twice": "CPU0 kworker*13 CPU0*4"},
    source=constructed("mmget() where only mmget_not_zero() may be used"),
)
class PlainGet:
    """Becomes a user without asking whether there still is one."""

    async def fault(self, k: Mirrored) -> None:
        """Become a user, whether or not there is one."""
        await k.mm.mmget()
        await hmm_vma_fault(k)
        await mmput(k)


@race.case(
    "HMM-05/05f",
    "the range keeps a user's reference as long as it is listed, as merged in v5.3",
    states=35,
    schedules={"the worker is the last user": "kworker CPU0 kworker*13"},
    source=shipped("v5.3", "v5.4", said=patch(6, revision=2)),
)
class RangeHoldsUser:
    """A listed range is a user of the address space."""

    async def fault(self, k: Mirrored) -> None:
        """Be a user of the address space as long as the range is listed."""
        if not await k.mm.mmget_not_zero():
            return
        await hmm_vma_fault(k)
        await mmput(k)


@race.case(
    "HMM-05/05g",
    "the range's reference is given back under the driver's lock, and is the last",
    deadlock=True,
    states=33,
    schedules={"release needs the lock": "kworker CPU0 kworker*8"},
    source=mistake(
        "drivers/infiniband/core/umem_odp.c, ib_umem_odp_get(), before v4.14: a comment warns"
    ),
)
class UnregisterUnderLock:
    """The range is a user, and is unregistered before the driver drops its lock."""

    async def fault(self, k: Mirrored) -> None:
        """Put the user's reference, perhaps the last one, under the driver's lock."""
        if not await k.mm.mmget_not_zero():
            return
        await k.hmm.hmm_range_register(k.range)
        if await k.range.hmm_range_valid():
            await k.mm.find_vma()
        await k.update.mutex_lock()
        await k.range.hmm_range_valid()
        await k.hmm.hmm_range_unregister(k.range)
        await mmput(k)
        await k.update.mutex_unlock()


@race.case(
    "HMM-05/05d",
    "as posted, and the caller keeps a user's reference of its own, as the contract says",
    states=39,
    source=patch(5),
)
class CallerGets(GetInRegister):
    """Is a user while it lists the range, and its caller is a user all the time."""

    async def fault(self, k: Mirrored) -> None:
        """Be a user of the address space all the time."""
        if not await k.mm.mmget_not_zero():
            return
        await super().fault(k)  # redundant: without it no range is looked up
        await mmput(k)
