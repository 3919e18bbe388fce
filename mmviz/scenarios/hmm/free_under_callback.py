"""A driver closes, and struct hmm is freed under a notifier callback.

Reclaim walks the mm's notifiers inside an SRCU read section and calls HMM's, which lives in
struct hmm.  On another CPU the driver unregisters its last mirror: the count drops to zero,
the notifier leaves the list, and the memory is freed.  But leaving the list stops nobody who
has already found the notifier.  The callback goes on with memory that is gone, or asks the mm
for its hmm and gets NULL.

Promise: While a notifier callback runs, the struct hmm it was called for is there.

Memory model: sequentially consistent; an SRCU grace period waits for the readers it found.

Simplified:
    One mirror, one struct hmm, one notifier on the list, one callback.
    The work of the callback is one step, and nobody looks at what it did to the devices; so
    nothing here depends on that step, or on the mirror's leaving the list.
    Only hmm_get_or_create() would miss the clearing of mm->hmm in the cases that use
    container_of; it is another race.
    The matching range_end is left out.  The worker that runs SRCU callbacks runs once.
    page_table_lock and the notifier lock are taken and dropped within the step that needs them.
    The walk ends after one notifier; to go on it would read struct hmm once more.
    hmm_free() clears mm->hmm after the unlink, as in v5.2.  The merged fix keeps that order; a
    later patch of the series turns it round.
    PlainKrefGet: the reference names the count that comes back from zero; put again, it frees
    struct hmm a second time, which is a use after free here.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 01/11: use after free in the mmu notifiers
    6d7c3cde93c1 (v5.3): mm/hmm: fix use after free with struct hmm in the mmu notifiers
    mm/hmm.c, v5.2: mm_get_hmm(), hmm_free(), hmm_invalidate_range_start()
    mm/mmu_notifier.c: __mmu_notifier_invalidate_range_start(), mmu_notifier_call_srcu()
"""

from functools import partial
from typing import Any

from mmviz.engine import Case, Verdict, World, at_end, expecting, field
from mmviz.engine.case import Property
from mmviz.kernel.hmm import Hmm, HmmMm
from mmviz.kernel.notifier_walk import walk_notifiers
from mmviz.kernel.rcu import SrcuCallbacks
from mmviz.scenarios.hmm import COUNTED, GET_PUT, patch


class Mirrored(World):
    """An mm with one struct hmm, which one mirror keeps alive."""

    hmm: Hmm = field(default_factory=Hmm)
    srcu: SrcuCallbacks = field(default_factory=SrcuCallbacks)
    mm: HmmMm = field(default_factory=lambda: HmmMm(None, None))

    def __post_init__(self) -> None:
        self.mm.hmm = self.mm.notifier = self.hmm


@at_end
def hmm_is_leaked(k: Mirrored) -> bool:
    """Struct hmm is never freed: memory is lost with every process that used a device."""
    return not k.hmm.freed


class LookedUpByMm:
    """Asks the mm for its hmm, and frees at once."""

    async def hmm_invalidate_range_start(self, k: Mirrored, notifier: Hmm) -> None:
        hmm = await self.mm_get_hmm(k)
        if hmm is None:
            await k.mm.VM_BUG_ON("hmm == NULL")
            return
        await hmm.sync_cpu_device_pagetables()
        await self.hmm_put(k, hmm)

    async def mm_get_hmm(self, k: Mirrored) -> Hmm | None:
        hmm = await k.mm.read_once_hmm()
        if hmm is None:
            return None
        if not await hmm.kref_get_unless_zero():
            return None
        return hmm

    async def hmm_put(self, k: Mirrored, hmm: Hmm) -> None:
        if await hmm.kref_put():
            await self.hmm_free(k, hmm)

    async def hmm_free(self, k: Mirrored, hmm: Hmm) -> None:
        await k.mm.mmu_notifier_unregister_no_release(hmm)
        await k.mm.forget(hmm)
        await self.free_memory(k, hmm)

    async def free_memory(self, k: Mirrored, hmm: Hmm) -> None:
        await hmm.kfree()


class ContainerOf(LookedUpByMm):
    """Finds the hmm around the notifier it was called with, and frees at once."""

    async def hmm_invalidate_range_start(self, k: Mirrored, notifier: Hmm) -> None:
        hmm = notifier  # container_of(): arithmetic, no access
        if not await hmm.kref_get_unless_zero():
            return
        await hmm.sync_cpu_device_pagetables()
        await self.hmm_put(k, hmm)


class FreedAfterGracePeriod(ContainerOf):
    """Finds it around the notifier, and frees it when no callback can still have it."""

    async def free_memory(self, k: Mirrored, hmm: Hmm) -> None:
        await k.srcu.call_srcu(hmm)


class AssertedLookup(FreedAfterGracePeriod):
    """Asks the mm, takes it for granted that there is an answer, and frees in good time."""

    async def hmm_invalidate_range_start(self, k: Mirrored, notifier: Hmm) -> None:
        await LookedUpByMm.hmm_invalidate_range_start(self, k, notifier)


class PlainKrefGet(FreedAfterGracePeriod):
    """The memory is there, so the count may be raised, whatever it is."""

    async def hmm_invalidate_range_start(self, k: Mirrored, notifier: Hmm) -> None:
        await notifier.kref_get()
        await notifier.sync_cpu_device_pagetables()
        await self.hmm_put(k, notifier)


class NoKrefInCallback(FreedAfterGracePeriod):
    """The read section keeps the memory; a reference would add nothing."""

    async def hmm_invalidate_range_start(self, k: Mirrored, notifier: Hmm) -> None:
        await notifier.sync_cpu_device_pagetables()


class WaitInLastPut(ContainerOf):
    """Waits for the grace period right where the last reference is put."""

    async def free_memory(self, k: Mirrored, hmm: Hmm) -> None:
        await k.srcu.start_poll_synchronize_srcu()
        await k.srcu.synchronize_srcu()
        await hmm.kfree()


async def hmm_mirror_unregister(k: Mirrored, ops: LookedUpByMm) -> None:
    """The driver's file is closed."""
    await k.hmm.list_del_init()
    await ops.hmm_put(k, k.hmm)


async def mmu_notifier_invalidate_range_start(k: Mirrored, ops: LookedUpByMm) -> None:
    """Reclaim tells the mm's notifiers."""
    await walk_notifiers(
        k.srcu, k.mm.hlist_for_each_entry_rcu, partial(ops.hmm_invalidate_range_start, k)
    )


async def srcu_invoke_callbacks(k: Mirrored) -> None:
    """A kernel worker frees what was handed over to SRCU."""
    await k.srcu.srcu_invoke_callbacks()


BAD: tuple[Property, ...] = (
    "use_after_free",
    "null_dereference",
    "refcount_resurrected",
    hmm_is_leaked,
)


def case(
    ops: LookedUpByMm,
    variant: str,
    title: str,
    states: int,
    fails: tuple[str, ...] = (),
    **more: Any,
) -> Case:
    """Close the driver on CPU0 while CPU1 invalidates."""
    actors: dict[str, Any] = {
        "CPU0": lambda k: hmm_mirror_unregister(k, ops),
        "CPU1": lambda k: mmu_notifier_invalidate_range_start(k, ops),
    }
    if isinstance(ops, FreedAfterGracePeriod):
        actors["kworker"] = srcu_invoke_callbacks
    return Case(
        name=type(ops).__name__,
        id=variant,
        title=title,
        world=Mirrored,
        actors=actors,
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(fails, Verdict.SOMETIMES)),
        states=states,
        **more,
    )


CASES = (
    case(
        LookedUpByMm(),
        "HMM-01/01a",
        "the callback asks mm->hmm, the last put frees at once, as shipped v5.2",
        states=73,
        fails=("use_after_free", "null_dereference"),
        shipped=("v5.2", "v5.2"),
        schedules={
            "the pointer is cleared": "CPU1*2 CPU0*4 CPU1*2",
            "the memory is gone": "CPU1*3 CPU0*5 CPU1",
        },
        proposed=COUNTED,
    ),
    case(
        ContainerOf(),
        "HMM-01/01b",
        "the callback uses container_of and takes a reference, the last put frees at once",
        states=59,
        fails=("use_after_free",),
        schedules={"the count was in the memory": "CPU1*2 CPU0*5 CPU1"},
    ),
    case(
        AssertedLookup(),
        "HMM-01/01c",
        "freed after a grace period, but the callback still asks mm->hmm and wants an answer",
        states=78,
        fails=("null_dereference",),
        schedules={"the pointer is cleared": "CPU1*2 CPU0*4 CPU1*2"},
    ),
    case(
        PlainKrefGet(),
        "HMM-01/01e",
        "freed after a grace period, but the callback raises the count without looking",
        states=93,
        fails=("use_after_free", "refcount_resurrected"),
        schedules={"freed twice": "CPU1*2 CPU0*2 CPU1*3 CPU0*3 CPU1*4 kworker"},
    ),
    case(
        WaitInLastPut(),
        "HMM-01/01g",
        "the last put waits for the grace period itself",
        states=68,
        stuck=True,
        schedules={"waits for itself": "CPU1*3 CPU0*2 CPU1*5"},
    ),
    case(
        NoKrefInCallback(),
        "HMM-01/01f",
        "no reference in the callback, freed after a grace period, as v5.4's get and put",
        states=44,
        shipped=("v5.4", ""),
        proposed=GET_PUT,
    ),
    case(
        FreedAfterGracePeriod(),
        "HMM-01/01h",
        "container_of, a reference unless zero, freed after a grace period, as merged v5.3",
        states=64,
        shipped=("v5.3", "v5.3"),
        schedules={
            "the callback puts last": "CPU1*3 CPU0*2 CPU1*6 kworker",
            "the callback is too late": "CPU1*2 CPU0*5 CPU1*2 kworker",
        },
        proposed=patch(1),
    ),
)

SPARE = {
    "NoKrefInCallback: await notifier.sync_cpu_device_pagetables()": (
        "It only looks at the mirrors; what they do is not modelled."
    ),
}
