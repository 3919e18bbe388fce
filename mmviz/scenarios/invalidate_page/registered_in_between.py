"""A memory region is registered while an invalidation runs.

The sequence and the counter work for an object that gets both callbacks of an invalidation.  A new
object may get only the second.  Its counter then goes below zero, and it knows nothing of what
came before.  So a new object waits until no invalidation is under way before it counts; but it
must bump its sequence at that moment, or a fault that looked a page up before does not detect it.

Promise: A fault on a new object maps a page only if no invalidation was under way meanwhile.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As range_start_only; the object is new, so the device has no entry yet.
    range_start looks the object up in one step and counts on it in the next ones.
    The list of objects that wait for their counters is a flag in each object.  ca748c39ea3f
    removes that list for another race, which is not modelled: an object that is put on the list
    right after the last range_end waits there for the next invalidation.
    The reference model names the stale entry alone; a page that is freed, and another that the
    CPU sees, follow from it.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: sequence number and active range counter
    drivers/infiniband/core/umem_odp.c, v3.19 to v4.19: mn_counters_active
    ca748c39ea3f (v4.20): it is replaced by a semaphore; see registration_shut_out
    mm/mmu_notifier.c: __mmu_interval_notifier_insert(), mn_itree_inv_end()
"""

from typing import Any

from mmviz.engine import Race, field
from mmviz.kernel.driver.umem_odp import ActivatingSubscriptions
from mmviz.kernel.notifier.interval import LateInterval, LateIntervalSubscriptions
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierSubscriptions
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.hmm import INTERVALS
from mmviz.scenarios.hmm.flag_is_no_sequence import IntervalNotifier
from mmviz.scenarios.hmm.worlds.interval_mirror import IntervalMirror
from mmviz.scenarios.invalidate_page import ODP
from mmviz.scenarios.invalidate_page.range_start_only import SequenceAndCounter
from mmviz.scenarios.invalidate_page.worlds import mirror
from mmviz.scenarios.invalidate_page.worlds.mirror import VA
from mmviz.scenarios.invalidate_page.worlds.new_object import (
    BAD,
    NewObject,
    count_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import ONE_INVALIDATION, TWO_INVALIDATIONS


class ActivatedObject(NewObject):
    """The object begins to count when the last invalidation is over."""

    mm: MmuNotifierSubscriptions = field(default_factory=ActivatingSubscriptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mm = ActivatingSubscriptions(objects=(self.notifier,))


class BumpedObject(NewObject):
    """The same, and its sequence is bumped then."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mm = ActivatingSubscriptions(objects=(self.notifier,), bumps=True)


class NewInterval(IntervalMirror):
    """The object is an interval notifier."""

    interval: LateInterval = field(default_factory=LateInterval)

    def __post_init__(self) -> None:
        self.cpu.pte[VA] = self.page
        self.mm = LateIntervalSubscriptions(intervals=(self.interval,))


# The page is given up, and touched again, while the device's driver registers the object.
race = Race(world=NewObject, actors=ONE_INVALIDATION, bad=BAD)


@race.case(
    "X-3/3a",
    "the object is inserted at once and counts at once",
    sometimes=(*mirror.BAD, count_out_of_balance),
    states=616,
    schedules={"only the end is heard": "CPU0*2 GPU*7 CPU0*6 CPU1"},
    source=constructed("what the deferred counters of umem_odp are there to prevent"),
)
class InsertedAtOnce(SequenceAndCounter):
    """Puts the object into the tree, also while an invalidation is under way."""

    async def insert(self, k: Any) -> None:
        """Register the object."""
        await k.notifier.interval_tree_insert()

    async def invalidate_range_start(self, k: Any) -> None:
        if await k.notifier.interval_tree_lookup():
            await super().invalidate_range_start(k)

    async def invalidate_range_end(self, k: Any) -> None:
        if await k.notifier.interval_tree_lookup():
            await super().invalidate_range_end(k)

    async def must_retry(self, k: Any, seq: int) -> bool:
        return bool(await k.notifier.ib_umem_mmu_notifier_retry(seq))

    async def fault(self, k: Any) -> None:
        await self.insert(k)
        await super().fault(k)


@race.case(
    "X-3/3b",
    "the object counts from the last range_end on, as v3.19 to v4.19 had it",
    sometimes=mirror.BAD,
    states=479,
    world=ActivatedObject,
    schedules={"nothing tells that it is new": "CPU0*2 GPU*3 CPU0*4 CPU1 GPU*5"},
    source=shipped("v3.19", "v4.19", said=ODP),
)
class ActivatedLater(InsertedAtOnce):
    """Lets the object count when the last invalidation is over."""

    async def insert(self, k: Any) -> None:
        await k.notifier.interval_tree_insert_deferred(k.mm)


race.case(
    "X-3/3c",
    "the object counts from the last range_end on, and its sequence is bumped then",
    name="ActivatedAndBumped",
    of=ActivatedLater,
    states=427,
    world=BumpedObject,
    schedules={"the fault has to try again": "CPU0*2 GPU*3 CPU0*4 CPU1 GPU*10"},
    source=constructed("the one bump of the sequence that v3.19 to v4.19 lack"),
)


@race.case(
    "X-3/3f",
    "an interval notifier, inserted when the last invalidation is over; two CPUs invalidate",
    states=2577,
    world=NewInterval,
    actors=TWO_INVALIDATIONS,
    schedules={"inserted by the last to end": "CPU0*2 CPU1*2 GPU CPU0*3 CPU1*2 CPU2 GPU*6"},
    source=shipped("v5.5", said=INTERVALS, checked=("v6.19", "2026-11-28")),
)
class IntervalInserted(IntervalNotifier):
    """Inserts an interval notifier; the core defers that while an invalidation is under way."""

    async def invalidate_range_start(self, k: Any) -> None:
        if await k.interval.interval_tree_iter_first():
            await super().invalidate_range_start(k)

    async def fault(self, k: Any) -> None:
        await k.interval.mmu_interval_notifier_insert(k.mm)
        await super().fault(k)
