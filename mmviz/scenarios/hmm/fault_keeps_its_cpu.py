"""hmm_range_fault() spins for a folio lock, and its owner waits for the CPU that spins.

A fault finds an entry of device memory and must have the folio's lock to migrate it back.  If the
lock is taken, the fault returns and hmm_range_fault() tries again at once.  The owner of the lock
migrates the same folio, and waits in lru_add_drain_all() for a work item on every CPU.  A kernel
without preemption lets the spinning task keep its CPU: the item never runs there, and the lock is
never dropped.  To wait for the lock is no simple answer, because a reference that the fault takes
for it makes the migration fail.

Promise: The folio is migrated, the fault completes, and nothing touches the folio after it is free.

Memory model: sequentially consistent; a livelock is under strong fairness.

Simplified:
    One folio and one fault; the work item of the other CPUs is left out.
    The fault's own migration, when it gets the lock, is one step.
    One lock of the folio is taken with it: kernels before v6.15 take it inside migrate_to_ram().
    A kernel with full preemption is not modelled: there the work item gets the CPU.
    The worker needs a CPU that no task keeps; cond_resched() gives it up for a moment.
    The migration fails if the folio has a reference that it does not expect, as in
    folio_migrate_mapping(); here it is not tried again.
    The wait queue of a folio is in a table apart from it, so a waiter needs no folio.

Sources:
    b570f37a2ce4 (v7.0) mm: Fix a hmm_range_fault() livelock / starvation problem (CVE-2026-43404)
    1afaeb8293c9 (v6.15) mm/migrate: Trylock device page in do_swap_page
    <20260130144529.79909-1-thomas.hellstrom@linux.intel.com> v1: cond_resched()
    <20260205111028.200506-1-thomas.hellstrom@linux.intel.com> v4: wait for the folio
    <20260210115653.92413-1-thomas.hellstrom@linux.intel.com> v5, merged
    mm/memory.c do_swap_page(); mm/filemap.c migration_entry_wait_on_locked(), in v7.0
    softleaf_entry_wait_on_locked(); mm/migrate_device.c migrate_device_unmap()
"""

from typing import Protocol

from mmviz.engine import Race, World, at_end
from mmviz.kernel.mm.device_private import DevicePrivateMapping
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.lru import LruAddDrain, Runqueue
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.kernel.sync.waitqueue import WaitQueueHead

REFERENCE_FIRST = shipped("v4.14", "v6.14", "before 1afaeb8293c9")
TRYLOCK = shipped("v6.15", "v6.19", "1afaeb8293c9")
COND_RESCHED = proposed_elsewhere(
    "2026-01-30", "<20260130144529.79909-1-thomas.hellstrom@linux.intel.com>"
)
WAIT = shipped(
    "v7.0",
    said=proposed_elsewhere(
        "2026-02-10", "<20260210115653.92413-1-thomas.hellstrom@linux.intel.com>"
    ),
    checked=("v7.0", "2026-11-28"),
)


class Machine(World):
    """A folio in device memory, its mapping, its wait queue, and CPU0, which a fault keeps."""

    folio: Page
    mapping: DevicePrivateMapping
    waiters: WaitQueueHead
    cpu: Runqueue
    drain: LruAddDrain


def machine() -> Machine:
    """Build a machine with the folio in device memory."""
    folio, cpu = Page(7), Runqueue()
    return Machine(
        folio=folio,
        mapping=DevicePrivateMapping(Pte(folio, private=True), Page(8)),
        waiters=WaitQueueHead(),
        cpu=cpu,
        drain=LruAddDrain(cpu),
    )


def realtime_machine() -> Machine:
    """Build the machine with a real-time task on CPU0."""
    k = machine()
    k.cpu.realtime = True
    return k


def locks_freed_folio(k: Machine) -> bool:
    """An actor holds the lock of a folio that is free: its memory may have another owner."""
    return k.folio.is_free and k.folio.locked == "CPU0"


@at_end
def folio_stays_on_device(k: Machine) -> bool:
    """All is over, and the folio is still in the device's memory."""
    return k.mapping.pte.private


class Contended(Protocol):
    """What a fault does about a folio whose lock another task holds; it drops the ptl."""

    async def locked(self, k: Machine, folio: Page) -> None: ...
    async def again(self, k: Machine) -> None: ...


async def do_swap_page(k: Machine, how: Contended) -> None:
    """Migrate the folio back, or find its lock taken."""
    await k.mapping.ptl.spin_lock()
    pte = await k.mapping.ptep_get()
    if pte.is_present:
        await k.mapping.ptl.spin_unlock()
    elif await pte.page.trylock_page():
        await pte.page.get_page()
        await k.mapping.ptl.spin_unlock()
        await k.mapping.migrate_to_ram(pte.page)
        await pte.page.unlock_page()
        await pte.page.put_page()
    else:
        await how.locked(k, pte.page)


async def hmm_range_fault(k: Machine, how: Contended) -> None:
    """A task on CPU0 faults until the entry is present."""
    await k.cpu.schedule_in()
    while True:
        await do_swap_page(k, how)
        pte = await k.mapping.ptep_get()
        if pte.is_present:
            break
        await how.again(k)
    await k.cpu.schedule_out()


async def migrate_vma(k: Machine) -> None:
    """A task on CPU1 migrates this folio and others, for which it drains: lock, drain, move."""
    await k.mapping.ptl.spin_lock()
    pte = await k.mapping.ptep_get()
    mine = pte.private and await pte.page.trylock_page()
    if mine:
        await pte.page.get_page()
    await k.mapping.ptl.spin_unlock()
    await k.drain.lru_add_drain_all()
    if not mine:
        return
    await k.mapping.ptl.spin_lock()
    await k.mapping.folio_migrate_mapping(pte.page)
    await k.mapping.ptl.spin_unlock()
    await pte.page.unlock_page()
    await k.waiters.wake_up_all()
    await pte.page.put_page()


async def kworker(k: Machine) -> None:
    """A worker of CPU0 runs the item, when it gets the CPU."""
    await k.drain.lru_add_drain_per_cpu()


# One fault, one migration, and a worker that needs the CPU of the fault.
race = Race(
    world=machine,
    actors={"CPU0": hmm_range_fault, "CPU1": migrate_vma, "kworker": kworker},
    bad=(
        "sleeps_in_atomic",
        locks_freed_folio,
        folio_stays_on_device,
        "migration_aborted",
        "refcount_underflow",
        "refcount_resurrected",
        "unlock_not_owner",
    ),
)


async def fault_before_trylock(k: Machine) -> None:
    """A fault of v6.14 takes a reference, and the driver takes the lock after that."""
    pte = await k.mapping.ptep_get()
    while pte.private:
        await k.mapping.ptl.spin_lock()
        pte = await k.mapping.ptep_get()
        if pte.private:
            await pte.page.get_page()
        await k.mapping.ptl.spin_unlock()
        if pte.private:
            await pte.page.lock_page()
            await k.mapping.migrate_to_ram(pte.page)
            await pte.page.unlock_page()
            await pte.page.put_page()
        pte = await k.mapping.ptep_get()


@race.case(
    "H12/a",
    "as shipped v6.15 to v6.19: return and try again",
    livelock=True,
    source=TRYLOCK,
    states=117,
)
class TryAgain:
    """The loop keeps CPU0, and the worker that CPU1 waits for never gets it."""

    async def locked(self, k: Machine, folio: Page) -> None:
        await k.mapping.ptl.spin_unlock()

    async def again(self, k: Machine) -> None:
        """At once."""


@race.case(
    "H12/b",
    "v1: cond_resched() between two tries",
    source=COND_RESCHED,
    states=147,
)
class CondResched(TryAgain):
    """The worker gets CPU0 between two tries; the loop still burns the CPU until then."""

    async def again(self, k: Machine) -> None:
        await k.cpu.cond_resched()


race.case(
    "H12/c",
    "v1, if the fault is a real-time task",
    name="CondReschedRealtime",
    of=CondResched,
    world=realtime_machine,
    livelock=True,
    source=constructed("cond_resched() gives the CPU to tasks that have the right to it only"),
    states=127,
)


@race.case(
    "H12/d",
    "tempting: take a reference, and sleep for the lock",
    sometimes=["migration_aborted"],
    source=constructed("the reference keeps the folio, and so it prevents the migration"),
    states=174,
)
class LockWithReference(TryAgain):
    """CPU0 sleeps, and CPU1 finds a reference that it does not expect."""

    async def locked(self, k: Machine, folio: Page) -> None:
        await folio.get_page()
        await k.mapping.ptl.spin_unlock()
        await k.cpu.schedule_out()
        await folio.lock_page()
        await k.cpu.schedule_in()
        await folio.unlock_page()
        await folio.put_page()


@race.case(
    "H12/e",
    "tempting: sleep for the lock without a reference",
    sometimes=[locks_freed_folio],
    source=constructed("the entry keeps the folio only while its page-table lock is held"),
    states=135,
)
class LockWithoutReference(TryAgain):
    """CPU1 frees the folio while CPU0 sleeps on its lock."""

    async def locked(self, k: Machine, folio: Page) -> None:
        await k.mapping.ptl.spin_unlock()
        await k.cpu.schedule_out()
        await folio.lock_page()
        await k.cpu.schedule_in()
        await folio.unlock_page()


@race.case(
    "H12/f",
    "tempting: drop the page-table lock, then queue up",
    deadlock=True,
    source=constructed("the wake-up may come before CPU0 is on the queue"),
    states=145,
)
class QueueTooLate(TryAgain):
    """CPU1 wakes the waiters between the unlock and CPU0's place on the queue."""

    async def locked(self, k: Machine, folio: Page) -> None:
        await k.mapping.ptl.spin_unlock()
        await k.waiters.prepare_to_wait()
        await k.cpu.schedule_out()
        await k.waiters.schedule()
        await k.cpu.schedule_in()


@race.case(
    "H12/g",
    "as merged in v7.0: queue up under the page-table lock, then sleep without a reference",
    source=WAIT,
    states=135,
)
class WaitOnLocked(TryAgain):
    """CPU0 gives its CPU up, keeps nothing of the folio, and cannot miss the wake-up."""

    async def locked(self, k: Machine, folio: Page) -> None:
        # redundant: without it the fault tries again, and gives up its CPU in between
        await k.waiters.prepare_to_wait()
        await k.mapping.ptl.spin_unlock()
        await k.cpu.schedule_out()
        await k.waiters.schedule()  # redundant: likewise; a fault that spins does no other harm
        await k.cpu.schedule_in()


race.case(
    "H12/h",
    "until v6.14, two faults: a reference first, then the lock",
    name="ReferenceFirst",
    of=TryAgain,
    actors={"CPU0": fault_before_trylock, "CPU1": fault_before_trylock},
    sometimes=["migration_aborted"],
    livelock=True,
    source=REFERENCE_FIRST,
    states=187,
)
