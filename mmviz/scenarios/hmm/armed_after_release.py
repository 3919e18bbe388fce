"""A driver looks a range up in a process that exits.

A device's fault is handled in a kernel worker, which is no part of the process.  It asks whether
the process is dead, lists its range, asks again, and looks for the mapping.  But an answer about
`dead` is old the moment it is given: the process may exit, free its mappings and never look back.
A range that is listed after that stays valid for ever.  To have the memory of mm_struct is not
enough, and neither is mmap_sem, which an exit does not take.

Promise: Whoever looks for a mapping has a user's reference on the address space.

Memory model: sequentially consistent; what is done under hmm->lock is one step.

Simplified:
    One process with one user, one range, one mapping; no invalidation but that of the exit.
    struct hmm keeps mm_struct allocated (HMM-03's remedy), and stays.
    What the worker finds is not mapped; the check under the driver's lock shows where it would be.
    The driver's callback in hmm_release() takes the driver's lock and does nothing else.
    Nobody looks at the list after the worker has ended, so unregistering could be forgotten.
    Where the range is a user, no range is listed when hmm_release() comes, which does nothing then.
    GrabOnly and PlainGet may list a range after hmm_release(), as DeadFlag may; of them the
    reference names the use after free.
    The last mmdrop() is left to struct hmm.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 05/11: Improve locking around hmm->dead
    The same series from June 2019: Hold on to the mmget for the lifetime of the range (v5.3)
    mm/hmm.c, v5.2: hmm_range_register(), hmm_range_snapshot(), hmm_release()
    kernel/fork.c: mmput(); mm/mmap.c: exit_mmap()
    drivers/infiniband/core/umem_odp.c: a warning against mmput() under its own lock
"""

from typing import Any

from mmviz.engine import Case, Verdict, World, at_end, expecting, field
from mmviz.engine.case import Property
from mmviz.kernel.hmm_range import AddressSpace, HmmRange, RangedHmm
from mmviz.kernel.locks import Mutex
from mmviz.scenarios.hmm import RANGES, patch


class Mirrored(World):
    """A process that is mirrored: struct hmm has a reference on its mm_struct."""

    mm: AddressSpace = field(default_factory=lambda: AddressSpace(mm_users=1, mm_count=2))
    hmm: RangedHmm = field(default_factory=RangedHmm)
    range: HmmRange = field(default_factory=HmmRange)
    update: Mutex = field(default_factory=lambda: Mutex(name="driver->update"))


def range_is_valid_on_dead_mm(k: Mirrored) -> bool:
    """The process has exited, and a range of it is valid: its device goes on, unstopped."""
    return k.hmm.dead and any(range_.valid for range_ in k.hmm.ranges)


@at_end
def address_space_is_leaked(k: Mirrored) -> bool:
    """The process is gone, and the memory it used is never given back."""
    return not k.mm.vma.freed


async def mmput(k: Mirrored) -> None:
    """A user leaves; the last one ends the address space."""
    if not await k.mm.mmput():
        return
    await k.hmm.hmm_release()
    await k.update.mutex_lock()  # mirror->ops->release()
    await k.update.mutex_unlock()
    await k.mm.exit_mmap()
    await k.mm.mmdrop()


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


class DeadFlag:
    """Asks hmm->dead before it lists the range, and again after."""

    async def fault(self, k: Mirrored) -> None:
        """A worker handles a device's fault: ask, list the range, ask again, look it up."""
        if await k.hmm.read_dead():
            return
        await k.hmm.hmm_range_register(k.range)
        if not await k.hmm.read_dead():
            await hmm_range_snapshot(k)
        await k.hmm.hmm_range_unregister(k.range)


class GrabOnly(DeadFlag):
    """Has a reference on the memory of mm_struct."""

    async def fault(self, k: Mirrored) -> None:
        """A worker keeps the mm_struct while it looks the range up."""
        await k.mm.mmgrab()
        await hmm_vma_fault(k)
        await k.mm.mmdrop()


class GetInRegister(DeadFlag):
    """Is a user while it lists the range, and no longer."""

    async def fault(self, k: Mirrored) -> None:
        """A worker is a user of the address space until its range is listed."""
        if not await k.mm.mmget_not_zero():
            return
        await k.hmm.hmm_range_register(k.range)
        await mmput(k)
        await hmm_range_snapshot(k)
        await k.hmm.hmm_range_unregister(k.range)


class CallerGets(GetInRegister):
    """The same, and its caller is a user all the time."""

    async def fault(self, k: Mirrored) -> None:
        """A worker's caller is a user of the address space all the time."""
        if not await k.mm.mmget_not_zero():
            return
        await super().fault(k)
        await mmput(k)


class PlainGet(DeadFlag):
    """Becomes a user without asking whether there still is one."""

    async def fault(self, k: Mirrored) -> None:
        """A worker becomes a user, whether or not there is one."""
        await k.mm.mmget()
        await hmm_vma_fault(k)
        await mmput(k)


class RangeHoldsUser(DeadFlag):
    """A listed range is a user of the address space."""

    async def fault(self, k: Mirrored) -> None:
        """A worker is a user of the address space as long as its range is listed."""
        if not await k.mm.mmget_not_zero():
            return
        await hmm_vma_fault(k)
        await mmput(k)


class UnregisterUnderLock(RangeHoldsUser):
    """The same, and the driver unregisters the range before it drops its lock."""

    async def fault(self, k: Mirrored) -> None:
        """The same, but it gives the last reference back under the driver's lock."""
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


BAD: tuple[Property, ...] = (
    "use_after_free",
    range_is_valid_on_dead_mm,
    address_space_is_leaked,
    "refcount_resurrected",
)


def case(
    driver: DeadFlag,
    variant: str,
    title: str,
    states: int,
    *fails: str,
    **more: Any,
) -> Case:
    """Exit on CPU0 while a worker handles a device's fault."""
    return Case(
        name=type(driver).__name__,
        id=variant,
        title=title,
        world=Mirrored,
        actors={"CPU0": mmput, "kworker": driver.fault},
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(fails, Verdict.SOMETIMES)),
        states=states,
        **more,
    )


LATE = ("use_after_free", "range_is_valid_on_dead_mm")

CASES = (
    case(
        DeadFlag(),
        "HMM-05/05a",
        "asks a flag, twice and without a lock, as shipped v5.2",
        96,
        *LATE,
        shipped=("v5.2", "v5.2"),
        schedules={
            "the mappings go": "kworker*4 CPU0*5 kworker",
            "listed after the release": "kworker CPU0*2 kworker",
        },
        proposed=RANGES,
    ),
    case(
        GrabOnly(),
        "HMM-05/05b",
        "tempting: a reference on mm_struct",
        121,
        *LATE,
    ),
    case(
        GetInRegister(),
        "HMM-05/05c",
        "as posted in May 2019: a user's reference, given back at the end of register",
        78,
        "use_after_free",
        schedules={"the mappings go": "kworker*4 CPU0*5 kworker"},
        proposed=patch(5),
    ),
    case(
        PlainGet(),
        "HMM-05/05e",
        "a user's reference, taken without asking for another user",
        219,
        *LATE,
        "refcount_resurrected",
        schedules={"the process exits twice": "CPU0 kworker*13 CPU0*4"},
    ),
    case(
        UnregisterUnderLock(),
        "HMM-05/05g",
        "the range's reference is given back under the driver's lock, and is the last",
        33,
        stuck=True,
        schedules={"release needs the lock": "kworker CPU0 kworker*8"},
    ),
    case(
        CallerGets(),
        "HMM-05/05d",
        "as posted, and the caller keeps a user's reference of its own, as the contract says",
        39,
        proposed=patch(5),
    ),
    case(
        RangeHoldsUser(),
        "HMM-05/05f",
        "the range keeps a user's reference as long as it is listed, as merged v5.3",
        35,
        shipped=("v5.3", "v5.4"),
        schedules={"the worker is the last user": "kworker CPU0 kworker*13"},
        proposed=patch(6, revision=2),
    ),
)

SPARE = {
    "CallerGets: await super().fault(k)": (
        "It is what the caller's reference is for: without it nobody looks anything up."
    ),
}
