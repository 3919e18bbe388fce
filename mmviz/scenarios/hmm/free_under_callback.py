"""A driver closes, and struct hmm is freed under a notifier callback.

Reclaim walks the mm's notifiers inside an SRCU read section and calls HMM's, which lives in
struct hmm.  On another CPU the driver unregisters its last mirror: the count drops to zero,
the notifier leaves the list, and the memory is freed.  But leaving the list does not stop a walk
that has already found the notifier.  The callback goes on with memory that is gone, or asks the mm
for its hmm and gets NULL.

Promise: While a notifier callback runs, the struct hmm it was called for is there.

Memory model: sequentially consistent; an SRCU grace period waits for the readers it found.

Simplified:
    One mirror, one struct hmm, one notifier on the list, one callback.
    The work of the callback is one step that changes nothing; so nothing here depends on that
    step, or on taking the mirror off the list.
    Only hmm_get_or_create() would miss the clearing of mm->hmm in the cases that use
    container_of; it is another race.
    The matching range_end is left out.
    The worker that runs SRCU callbacks runs once.
    page_table_lock and the notifier lock are taken and dropped within the step that needs them.
    The walk ends after one notifier; to continue it would read struct hmm again.
    hmm_free() unlinks the notifier and then clears mm->hmm, as in v5.2.  Patch 01 keeps that order;
    8a9320b7ec5d, also in v5.3, reverses it, which changes no verdict of this race.
    NoKrefInCallback keeps mm->hmm, which v5.4 no longer has; no step of it reads that pointer.
    PlainKrefGet: the reference names the count that comes back from zero; put again, it frees
    struct hmm a second time, which is a use after free here.

Sources:
    <20190523153436.19102-2-jgg@ziepe.ca>, patch 01/11: use after free in the mmu notifiers
    6d7c3cde93c1 (v5.3): mm/hmm: fix use after free with struct hmm in the mmu notifiers
    8a9320b7ec5d (v5.3): hmm_free() clears mm->hmm before it unlinks the notifier
    mm/hmm.c, v5.2: mm_get_hmm(), hmm_free(), hmm_invalidate_range_start()
    mm/mmu_notifier.c: __mmu_notifier_invalidate_range_start(), mmu_notifier_call_srcu()
"""

from mmviz.engine import Race, at_end
from mmviz.kernel.hmm.hmm import Hmm
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.hmm import CHECKED, COUNTED, GET_PUT, patch
from mmviz.scenarios.hmm.worlds.called_back import (
    Mirrored,
    hmm_mirror_unregister,
    mmu_notifier_invalidate_range_start,
    srcu_invoke_callbacks,
)


@at_end
def hmm_is_leaked(k: Mirrored) -> bool:
    """Struct hmm is never freed: memory is lost with every process that used a device."""
    return not k.hmm.freed


# The driver closes while reclaim calls HMM's notifier; a worker runs SRCU callbacks.
race = Race(
    world=Mirrored,
    actors={
        "CPU0": hmm_mirror_unregister,
        "CPU1": mmu_notifier_invalidate_range_start,
        "kworker": srcu_invoke_callbacks,
    },
    bad=("use_after_free", "null_dereference", "refcount_resurrected", hmm_is_leaked),
)
NO_WORKER = {"CPU0": hmm_mirror_unregister, "CPU1": mmu_notifier_invalidate_range_start}


@race.case(
    "HMM-01/01a",
    "the callback asks mm->hmm, the last put frees at once, as shipped in v5.2",
    actors=NO_WORKER,
    sometimes=["use_after_free", "null_dereference"],
    states=54,
    schedules={
        "the pointer is cleared": "CPU1*2 CPU0*4 CPU1*2",
        "the memory is gone": "CPU1*3 CPU0*5 CPU1",
    },
    source=shipped("v5.2", "v5.2", said=COUNTED),
)
class LookedUpByMm:
    """Asks the mm for its hmm, and frees at once."""

    async def hmm_invalidate_range_start(self, k: Mirrored, notifier: Hmm) -> None:
        """Find struct hmm by the mm, and assert that there is one."""
        hmm = await self.mm_get_hmm(k)
        if hmm is None:
            await k.mm.VM_BUG_ON("hmm == NULL")
            return
        await hmm.sync_cpu_device_pagetables()
        await self.hmm_put(k, hmm)

    async def mm_get_hmm(self, k: Mirrored) -> Hmm | None:
        """Load mm->hmm, and take a reference unless the count is zero."""
        hmm = await k.mm.read_once_hmm()
        if hmm is None:
            return None
        if not await hmm.kref_get_unless_zero():
            return None
        return hmm

    async def hmm_put(self, k: Mirrored, hmm: Hmm) -> None:
        """Put a reference; the last put frees struct hmm."""
        if await hmm.kref_put():
            await self.hmm_free(k, hmm)

    async def hmm_free(self, k: Mirrored, hmm: Hmm) -> None:
        """Unlink the notifier, clear mm->hmm, free."""
        await k.mm.mmu_notifier_unregister_no_release(hmm)
        await k.mm.forget(hmm)
        await self.free_memory(k, hmm)

    async def free_memory(self, k: Mirrored, hmm: Hmm) -> None:
        """Free at once."""
        await hmm.kfree()


@race.case(
    "HMM-01/01b",
    "the callback uses container_of and takes a reference, the last put frees at once",
    actors=NO_WORKER,
    sometimes=["use_after_free"],
    states=40,
    schedules={"the count was in the memory": "CPU1*2 CPU0*5 CPU1"},
    source=constructed("half of the fix: a count cannot be asked when it is in the freed memory"),
)
class ContainerOf(LookedUpByMm):
    """Finds the hmm around the notifier it was called with, and frees at once."""

    async def hmm_invalidate_range_start(self, k: Mirrored, notifier: Hmm) -> None:
        """Take a reference on the struct hmm around the notifier, unless its count is zero."""
        hmm = notifier  # container_of(): arithmetic, no access
        if not await hmm.kref_get_unless_zero():
            return
        await hmm.sync_cpu_device_pagetables()
        await self.hmm_put(k, hmm)


@race.case(
    "HMM-01/01h",
    "container_of, a reference unless zero, freed after a grace period, as merged in v5.3",
    states=45,
    schedules={
        "the callback puts last": "CPU1*3 CPU0*2 CPU1*6 kworker",
        "the callback is too late": "CPU1*2 CPU0*5 CPU1*2 kworker",
    },
    source=shipped("v5.3", "v5.3", said=patch(1)),
)
class FreedAfterGracePeriod(ContainerOf):
    """Finds it around the notifier, and frees it when no callback can still refer to it."""

    async def free_memory(self, k: Mirrored, hmm: Hmm) -> None:
        """Free when a grace period is over."""
        await k.srcu.call_srcu(hmm)


@race.case(
    "HMM-01/01c",
    "freed after a grace period, but the callback still asks mm->hmm and asserts an answer",
    sometimes=["null_dereference"],
    states=59,
    schedules={"the pointer is cleared": "CPU1*2 CPU0*4 CPU1*2"},
    source=constructed("the other half of the fix: the memory stays, and the pointer does not"),
)
class AssertedLookup(FreedAfterGracePeriod):
    """Asks the mm, asserts that there is an hmm, and frees after a grace period."""

    async def hmm_invalidate_range_start(self, k: Mirrored, notifier: Hmm) -> None:
        """Find struct hmm by the mm, as v5.2 does."""
        await LookedUpByMm.hmm_invalidate_range_start(self, k, notifier)


@race.case(
    "HMM-01/01e",
    "freed after a grace period, but the callback raises the count unconditionally",
    sometimes=["use_after_free", "refcount_resurrected"],
    states=78,
    schedules={"freed twice": "CPU1*2 CPU0*2 CPU1*3 CPU0*3 CPU1*4 kworker"},
    source=constructed("kref_get() where only kref_get_unless_zero() may be used"),
)
class PlainKrefGet(FreedAfterGracePeriod):
    """The memory is there, so the count may be raised, even from zero."""

    async def hmm_invalidate_range_start(self, k: Mirrored, notifier: Hmm) -> None:
        """Take a reference without asking for another one."""
        await notifier.kref_get()
        await notifier.sync_cpu_device_pagetables()
        await self.hmm_put(k, notifier)


@race.case(
    "HMM-01/01f",
    "no reference in the callback, freed after a grace period, as v5.4's get and put",
    states=36,
    source=shipped("v5.4", said=GET_PUT, checked=CHECKED),
)
class NoKrefInCallback(FreedAfterGracePeriod):
    """The read section keeps the memory; a reference would add nothing."""

    async def hmm_invalidate_range_start(self, k: Mirrored, notifier: Hmm) -> None:
        """Work on the struct hmm around the notifier, without a reference."""
        # redundant in NoKrefInCallback: the step only looks at the mirrors
        await notifier.sync_cpu_device_pagetables()


@race.case(
    "HMM-01/01g",
    "the last put waits for the grace period itself",
    actors=NO_WORKER,
    deadlock=True,
    states=50,
    schedules={"waits for itself": "CPU1*3 CPU0*2 CPU1*5"},
    source=constructed("shows why the last put must not wait: it may be the callback's own"),
)
class WaitInLastPut(ContainerOf):
    """Waits for the grace period right where the last reference is put."""

    async def free_memory(self, k: Mirrored, hmm: Hmm) -> None:
        """Wait for a grace period, then free."""
        await k.srcu.start_poll_synchronize_srcu()
        await k.srcu.synchronize_srcu()
        await hmm.kfree()
