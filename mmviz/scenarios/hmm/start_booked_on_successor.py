"""The callback asks the mm which hmm it was called for, and gets another.

If the lookup in mm->hmm may find nothing, a callback on a dying struct hmm does no harm to memory.
But a driver may have registered again in the meantime: v5.2 publishes the new struct hmm before its
notifier is on the list.  Then the callback of the old notifier books the invalidation's start on
the new struct hmm.  The end goes by the list of notifiers, so it never reaches the new one.  A
driver that waits for that invalidation to end waits forever.

Promise: An invalidation that has begun on a struct hmm ends on it.

Memory model: sequentially consistent; an SRCU grace period waits for the readers it found.

Simplified:
    As free_under_callback, with a second struct hmm for the driver that registers again.
    Reclaim holds i_mmap_rwsem from start to end, but not mmap_sem.  mm_take_all_locks() takes
    i_mmap_rwsem for writing, so that no notifier joins in between.
    The driver unregisters and registers again on one CPU; mmap_sem, which it holds, is left out.
    What the invalidation does between start and end is left out.
    The driver looks for the old struct hmm under page_table_lock.  What comes of looking without
    it, and the registration that fails because of a dying one, are in create_meets_dying.
    If the driver finds the old one alive, it goes on with that, and the worker has nothing to free.
    A struct hmm is published before its notifier is registered in both cases, as in v5.2; as
    merged in v5.3, it is published last.

Sources:
    <20190523153436.19102-2-jgg@ziepe.ca>: [RFC PATCH 01/11] mm/hmm: Fix use after free with struct
    hmm in the mmu notifiers
    6d7c3cde93c1 (v5.3): container_of() in place of the lookup
    mm/hmm.c, v5.2: mm_get_hmm(), hmm_get_or_create(), hmm_invalidate_range_start()
    mm/mmap.c: mm_take_all_locks(); mm/rmap.c: rmap_walk_file()
"""

from functools import partial
from typing import Protocol

from mmviz.engine import Race, at_end, atomic, field
from mmviz.kernel.hmm.hmm import Hmm, HmmMm
from mmviz.kernel.notifier.walk import walk_notifiers
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.locks import RwSemaphore, might_sleep
from mmviz.scenarios.hmm import patch
from mmviz.scenarios.hmm.free_under_callback import FreedAfterGracePeriod
from mmviz.scenarios.hmm.worlds.called_back import (
    Counted,
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
    """An mm whose list of notifiers changes only while no CPU reclaims.

    Attributes:
        i_mmap_rwsem: held for reading by a CPU that unmaps through the file.

    Source: mm/mmap.c, mm_take_all_locks(); mm/rmap.c, rmap_walk_file().
    Simplified: as `HmmMm`; taking all locks, joining the list and dropping them is one step.
    """

    hmm: Hmm | None = None
    notifier: Hmm | None = None
    i_mmap_rwsem: RwSemaphore = field(default_factory=RwSemaphore)

    @atomic("mm/mmu_notifier.c", when=lambda mm, _hmm: not mm.i_mmap_rwsem.readers)
    def do_mmu_notifier_register(self, hmm: Hmm) -> None:
        """Put the notifier on the list, once no CPU walks the reverse map."""
        might_sleep("mm_take_all_locks()")
        self.notifier = hmm


class RegisteredAgain(Mirrored):
    """An mm with one struct hmm, and memory for its successor."""

    hmm: BookedHmm = field(default_factory=lambda: BookedHmm(name="old hmm"))
    mm: ReclaimedMm = field(default_factory=ReclaimedMm)
    fresh: BookedHmm = field(default_factory=lambda: BookedHmm(name="new hmm"))


@at_end
def invalidation_never_ends(k: RegisteredAgain) -> bool:
    """A struct hmm's count of invalidations stays wrong: a driver waits forever, or too little."""
    return any(hmm.refs > 0 and hmm.notifiers != 0 for hmm in (k.hmm, k.fresh))


class Lookup(Counted, Protocol):
    async def hmm_of(self, k: RegisteredAgain, notifier: Hmm) -> Hmm | None: ...


async def start(k: RegisteredAgain, ops: Lookup, notifier: Hmm) -> None:
    """HMM's callback before the change: count the invalidation."""
    hmm = await ops.hmm_of(k, notifier)
    if isinstance(hmm, BookedHmm):
        await hmm.hmm_invalidate_range_start()
        await ops.hmm_put(k, hmm)


async def end(k: RegisteredAgain, ops: Lookup, notifier: Hmm) -> None:
    """HMM's callback after the change: drop the count."""
    hmm = await ops.hmm_of(k, notifier)
    if isinstance(hmm, BookedHmm):
        await hmm.hmm_invalidate_range_end()
        await ops.hmm_put(k, hmm)


async def try_to_unmap(k: RegisteredAgain, ops: Lookup) -> None:
    """Reclaim unmaps a page of a file, and tells the mm's notifiers before and after."""
    await k.mm.i_mmap_rwsem.down_read()
    for callback in (start, end):
        await walk_notifiers(k.srcu, k.mm.hlist_for_each_entry_rcu, partial(callback, k, ops))
    await k.mm.i_mmap_rwsem.up_read()


async def close_and_open(k: RegisteredAgain, ops: Lookup) -> None:
    """The driver unregisters its mirror, and registers one again."""
    await hmm_mirror_unregister(k, ops)
    if await k.mm.mm_get_hmm() is None and await k.mm.publish_if_none(k.fresh):
        await k.mm.do_mmu_notifier_register(k.fresh)


race = Race(
    "HMM-01",
    world=RegisteredAgain,
    actors={"CPU0": close_and_open, "CPU1": try_to_unmap, "kworker": srcu_invoke_callbacks},
    daemons=("kworker",),
    bad=("use_after_free", invalidation_never_ends),
)


@race.case(
    "01d",
    "the callback asks mm->hmm, and may find nothing",
    sometimes=[invalidation_never_ends],
    states=344,
    schedules={"booked on the new one": "CPU1*3 CPU0*7 CPU1*9 CPU0"},
    source=constructed("why it is not enough that v5.2's lookup may fail"),
)
class ToleratedLookup(FreedAfterGracePeriod):
    """Asks the mm for its hmm, and returns if there is none."""

    async def hmm_of(self, k: RegisteredAgain, notifier: Hmm) -> Hmm | None:
        """Return what mm->hmm names by now, with a reference."""
        return await self.mm_get_hmm(k)


@race.case(
    "01h",
    "as merged in v5.3: the callback finds the struct hmm around its notifier",
    states=281,
    source=shipped("v5.3", "v5.3", said=patch(1)),
)
class ContainerOf(FreedAfterGracePeriod):
    """Finds the hmm around the notifier it was called with."""

    async def hmm_of(self, k: RegisteredAgain, notifier: Hmm) -> Hmm | None:
        """Return the struct hmm of this notifier, with a reference unless it is dying."""
        return notifier if await notifier.kref_get_unless_zero() else None
