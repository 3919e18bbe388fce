"""A memory region is registered while an invalidation runs.

The sequence and the counter work for an object that hears both ends of an invalidation.  A new
object may hear only the second.  Its counter then goes below zero, and what came before is
unknown to it.  So a new object waits for a quiet moment before it counts; but it must bump its
sequence when that moment comes, or a fault that looked a page up before does not notice.

Promise: A fault on a new object maps a page only if no invalidation was under way meanwhile.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As range_start_only; the object is new, so the device has no entry yet.
    range_start looks the object up in one step and counts on it in the next ones.
    The reference names the stale entry alone; a page that is freed, and another that the CPU
    sees, follow from it.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: sequence number and active range counter
    drivers/infiniband/core/umem_odp.c, v3.19 to v4.19: mn_counters_active
    ca748c39ea3f (v4.20): that goes, for a semaphore; see registration_shut_out
    mm/mmu_notifier.c: __mmu_interval_notifier_insert(), mn_itree_inv_end()
"""

from typing import Any

from mmviz.engine import field
from mmviz.kernel.notifier import MmuNotifierSubscriptions
from mmviz.kernel.umem_odp import (
    ActivatingSubscriptions,
    DeferringSubscriptions,
    LateInterval,
    UmemOdp,
)
from mmviz.scenarios.hmm import INTERVALS
from mmviz.scenarios.hmm.flag_is_no_sequence import IntervalMirror, IntervalNotifier
from mmviz.scenarios.invalidate_page import ODP
from mmviz.scenarios.invalidate_page.range_start_only import BAD as BAD_ENTRY
from mmviz.scenarios.invalidate_page.range_start_only import (
    VA,
    GuardedMirror,
    Mirror,
    SequenceAndCounter,
    case,
    page_refs_out_of_balance,
)


class NewObject(GuardedMirror):
    """A page that the CPU maps, and an object that is about to be registered for it."""

    notifier: UmemOdp = field(default_factory=UmemOdp)

    def __post_init__(self) -> None:
        self.cpu.pte[VA] = self.page


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
        self.mm = DeferringSubscriptions(intervals=(self.interval,))


def count_out_of_balance(k: Mirror) -> bool:
    """An object's counter is wrong: an invalidation goes unnoticed, or never ends for it."""
    if not isinstance(k, NewObject):
        return False
    count = k.notifier.mmu_invalidate_in_progress
    return count < 0 or (k.mm.active_invalidate_ranges == 0 and count > 0)


class InsertedAtOnce(SequenceAndCounter):
    """Puts the object into the tree, whatever is under way."""

    async def insert(self, k: Any) -> None:
        await k.notifier.interval_tree_insert()

    async def invalidate_range_start(self, k: Any) -> None:
        if await k.notifier.interval_tree_lookup():
            await super().invalidate_range_start(k)

    async def invalidate_range_end(self, k: Any) -> None:
        if await k.notifier.interval_tree_lookup():
            await super().invalidate_range_end(k)

    async def must_retry(self, k: Any, seq: int) -> bool:
        notifier: UmemOdp = k.notifier
        return await notifier.ib_umem_mmu_notifier_retry(seq)

    async def fault(self, k: Any) -> None:
        await self.insert(k)
        await super().fault(k)


class ActivatedLater(InsertedAtOnce):
    """Lets the object count when the last invalidation is over."""

    async def insert(self, k: Any) -> None:
        await k.notifier.interval_tree_insert_deferred(k.mm)


class ActivatedAndBumped(ActivatedLater):
    """Bumps the object's sequence as it begins to count."""


class IntervalInserted(IntervalNotifier):
    """Inserts an interval notifier; the core defers it while anything is under way."""

    async def invalidate_range_start(self, k: Any) -> None:
        if await k.interval.interval_tree_iter_first():
            await super().invalidate_range_start(k)

    async def fault(self, k: Any) -> None:
        await k.interval.mmu_interval_notifier_insert(k.mm)
        await super().fault(k)


BAD = (*BAD_ENTRY, count_out_of_balance, page_refs_out_of_balance)

CASES = (
    case(
        InsertedAtOnce(),
        "X-3/3a",
        "the object is inserted at once and counts at once",
        619,
        (*BAD_ENTRY, count_out_of_balance),
        world=NewObject,
        bad=BAD,
        schedules={"only the end is heard": "CPU0*2 GPU*7 CPU0*6 CPU1"},
    ),
    case(
        ActivatedLater(),
        "X-3/3b",
        "the object counts from the last range_end on, as v3.19 to v4.19 had it",
        479,
        BAD_ENTRY,
        world=ActivatedObject,
        bad=BAD,
        shipped=("v3.19", "v4.19"),
        schedules={"nothing tells that it is new": "CPU0*2 GPU*3 CPU0*4 CPU1 GPU*5"},
        proposed=ODP,
    ),
    case(
        ActivatedAndBumped(),
        "X-3/3c",
        "the object counts from the last range_end on, and its sequence is bumped then",
        461,
        world=BumpedObject,
        bad=BAD,
        schedules={"the fault has to try again": "CPU0*2 GPU*3 CPU0*4 CPU1 GPU*10"},
    ),
    case(
        IntervalInserted(),
        "X-3/3f",
        "an interval notifier, inserted when the last invalidation is over; two CPUs invalidate",
        3240,
        world=NewInterval,
        invalidators=2,
        bad=BAD,
        schedules={"inserted by the last to end": "CPU0*2 CPU1*2 GPU CPU0*3 CPU1*2 CPU2 GPU*6"},
        shipped=("v5.5", ""),
        proposed=INTERVALS,
    ),
)

SPARE = {
    "IntervalInserted: await k.cpu.handle_mm_fault(VA, k.fresh)": (
        "A fresh page only shows a stale entry in one more way."
    ),
    "IntervalInserted: await k.gpu.map(VA, page)": (
        "That a fault maps its page is no bad state: the next invalidation may take it away."
    ),
}
