"""The callback asks the mm which hmm it was called for, and gets another.

If the lookup in mm->hmm may find nothing, a callback on a dying struct hmm does no harm to memory.
But meanwhile a driver may have registered again: v5.2 publishes the new struct hmm before its
notifier is on the list.  Then the callback of the old notifier books the invalidation's start on
the new one, and the end, which goes by the list, never comes to it.  Whoever waits for that to end
waits for ever.

Promise: An invalidation that has begun on a struct hmm ends on it.

Memory model: sequentially consistent; an SRCU grace period waits for the readers it found.

Simplified:
    As free_under_callback, with a second struct hmm for the driver that registers again.
    Reclaim holds i_mmap_rwsem from start to end, and not mmap_sem; mm_take_all_locks() takes the
    first of them for writing, so that no notifier joins in between.
    The driver unregisters and registers again on one CPU; mmap_sem, which it holds, is left out.
    What the invalidation does between start and end is left out.
    It looks for the old struct hmm under page_table_lock; what comes of looking without, and the
    registration that fails because of a dying one, are in create_meets_dying.
    If it finds the old one alive it goes on with that, and the worker has nothing to free.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 01/11: use after free in the mmu notifiers
    6d7c3cde93c1 (v5.3): container_of() in place of the lookup
    mm/hmm.c, v5.2: mm_get_hmm(), hmm_get_or_create(), hmm_invalidate_range_start()
    mm/mmap.c: mm_take_all_locks()
"""

from functools import partial
from typing import Any

from mmviz.engine import Case, Verdict, at_end, atomic, expecting, field
from mmviz.engine.case import Property
from mmviz.kernel.hmm import Hmm, HmmMm
from mmviz.kernel.locks import RwSemaphore, might_sleep
from mmviz.kernel.notifier_walk import walk_notifiers
from mmviz.scenarios.hmm import patch
from mmviz.scenarios.hmm.free_under_callback import (
    FreedAfterGracePeriod,
    Mirrored,
    hmm_mirror_unregister,
    srcu_invoke_callbacks,
)


class BookedHmm(Hmm):
    """A struct hmm that counts the invalidations that are under way.

    Attributes:
        notifiers: that count.

    Source: mm/hmm.c, v5.2.
    Simplified: as `Hmm`; it has no ranges that would be valid or not.
    """

    notifiers: int = 0

    @atomic("mm/hmm.c")
    def hmm_invalidate_range_start(self) -> None:
        """Count one invalidation more."""
        self.notifiers += 1

    @atomic("mm/hmm.c")
    def hmm_invalidate_range_end(self) -> None:
        """Count one invalidation less."""
        self.notifiers -= 1


class ReclaimedMm(HmmMm):
    """An mm whose list of notifiers changes only while nobody reclaims.

    Attributes:
        i_mmap_rwsem: held for reading by whoever unmaps through the file.

    Source: mm/mmap.c, mm_take_all_locks(); mm/rmap.c, rmap_walk_file().
    Simplified: as `HmmMm`; taking all locks, joining the list and dropping them is one step.
    """

    hmm: Hmm | None = None
    notifier: Hmm | None = None
    i_mmap_rwsem: RwSemaphore = field(default_factory=RwSemaphore)

    @atomic("mm/mmu_notifier.c", when=lambda mm, _hmm: not mm.i_mmap_rwsem.readers)
    def do_mmu_notifier_register(self, hmm: Hmm) -> None:
        """Put the notifier on the list, once nobody walks the reverse map."""
        might_sleep("mm_take_all_locks()")
        self.notifier = hmm


class RegisteredAgain(Mirrored):
    """An mm with one struct hmm, and memory for its successor."""

    hmm: BookedHmm = field(default_factory=lambda: BookedHmm(name="old hmm"))
    mm: ReclaimedMm = field(default_factory=ReclaimedMm)
    fresh: BookedHmm = field(default_factory=lambda: BookedHmm(name="new hmm"))


@at_end
def invalidation_never_ends(k: RegisteredAgain) -> bool:
    """A struct hmm counts what is over, or less than none: its device waits for ever, or never."""
    return any(hmm.refs > 0 and hmm.notifiers != 0 for hmm in (k.hmm, k.fresh))


class ToleratedLookup(FreedAfterGracePeriod):
    """Asks the mm for its hmm, and returns if there is none."""

    async def hmm_of(self, k: RegisteredAgain, notifier: Hmm) -> Hmm | None:
        return await self.mm_get_hmm(k)


class ContainerOf(ToleratedLookup):
    """Finds the hmm around the notifier it was called with."""

    async def hmm_of(self, k: RegisteredAgain, notifier: Hmm) -> Hmm | None:
        return notifier if await notifier.kref_get_unless_zero() else None


async def start(k: RegisteredAgain, ops: ToleratedLookup, notifier: Hmm) -> None:
    """HMM's callback before the change: count it."""
    hmm = await ops.hmm_of(k, notifier)
    if isinstance(hmm, BookedHmm):
        await hmm.hmm_invalidate_range_start()
        await ops.hmm_put(k, hmm)


async def end(k: RegisteredAgain, ops: ToleratedLookup, notifier: Hmm) -> None:
    """HMM's callback after the change: count it no more."""
    hmm = await ops.hmm_of(k, notifier)
    if isinstance(hmm, BookedHmm):
        await hmm.hmm_invalidate_range_end()
        await ops.hmm_put(k, hmm)


async def try_to_unmap(k: RegisteredAgain, ops: ToleratedLookup) -> None:
    """Reclaim unmaps a page of a file, and tells the mm's notifiers before and after."""
    await k.mm.i_mmap_rwsem.down_read()
    for callback in (start, end):
        await walk_notifiers(k.srcu, k.mm.hlist_for_each_entry_rcu, partial(callback, k, ops))
    await k.mm.i_mmap_rwsem.up_read()


async def close_and_open(k: RegisteredAgain, ops: ToleratedLookup) -> None:
    """The driver unregisters its mirror, and registers one again."""
    await hmm_mirror_unregister(k, ops)
    if await k.mm.mm_get_hmm() is None and await k.mm.publish_if_none(k.fresh):
        await k.mm.do_mmu_notifier_register(k.fresh)


BAD: tuple[Property, ...] = ("use_after_free", invalidation_never_ends)


def case(
    ops: ToleratedLookup,
    variant: str,
    title: str,
    states: int,
    *fails: str,
    **more: Any,
) -> Case:
    """Register again on CPU0 while CPU1 reclaims."""
    return Case(
        name=type(ops).__name__,
        id=variant,
        title=title,
        world=RegisteredAgain,
        actors={
            "CPU0": lambda k: close_and_open(k, ops),
            "CPU1": lambda k: try_to_unmap(k, ops),
            "kworker": srcu_invoke_callbacks,
        },
        daemons=("kworker",),
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(fails, Verdict.SOMETIMES)),
        states=states,
        **more,
    )


CASES = (
    case(
        ToleratedLookup(),
        "HMM-01/01d",
        "the callback asks mm->hmm, and an answer is not needed",
        536,
        "invalidation_never_ends",
        schedules={"booked on the new one": "CPU1*3 CPU0*7 CPU1*9 CPU0"},
    ),
    case(
        ContainerOf(),
        "HMM-01/01h",
        "the callback finds the struct hmm around its notifier, as merged v5.3",
        413,
        proposed=patch(1),
    ),
)
