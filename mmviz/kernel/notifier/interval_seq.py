"""The numbers behind interval notifiers, and the removals that wait for an invalidation to end.

`mmviz.kernel.notifier.interval` keeps the two answers that these numbers give.  Here the numbers
themselves are kept, for the races about how they are kept and waited for.
"""

from typing import NamedTuple

from mmviz.engine import Struct, atomic, field
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierSubscriptions
from mmviz.kernel.sync.locks import SpinLock, might_sleep
from mmviz.kernel.sync.refcount import Slab


class IntervalSub(Slab):
    """A struct mmu_interval_notifier.

    Attributes:
        invalidate_seq: the mm's number when its callback last ran, written under the driver's lock.

    Source: include/linux/mmu_notifier.h, v5.5.
    """

    invalidate_seq: int = 1

    @atomic("include/linux/mmu_notifier.h")
    def mmu_interval_set_seq(self, cur_seq: int) -> None:
        """Record an invalidation, under the driver's lock: sections that have begun are stale."""
        self.invalidate_seq = cur_seq

    @atomic("include/linux/mmu_notifier.h")
    def mmu_interval_read_retry(self, seq: int) -> bool:
        """Return, under the driver's lock, whether an invalidation came since the section began."""
        return self.invalidate_seq != seq


class Begun(NamedTuple):
    """What mmu_interval_read_begin() finds under the lock.

    Attributes:
        seq: the number to compare with later.
        busy: it is the mm's number, which is odd: an invalidation is open.
    """

    seq: int
    busy: bool

    def __str__(self) -> str:
        return f"{self.seq}, busy" if self.busy else str(self.seq)


class SeqSubscriptions(MmuNotifierSubscriptions):
    """The core's side of interval notifiers, with the sequence number of invalidations.

    Attributes:
        invalidate_seq: odd while an invalidation is open.

    Source: mm/mmu_notifier.c, v5.5: mn_itree_inv_start_range(), mn_itree_inv_end().
    Simplified: every interval covers the one page; what is done under the lock is one step.
    """

    invalidate_seq: int = 2

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_invalidate_range_start(self) -> None:
        """Open an invalidation: the number is odd from here on."""
        self.active_invalidate_ranges += 1
        self.invalidate_seq |= 1

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_invalidate_range_end(self) -> None:
        """Close the invalidation; the last one makes the number even, and wakes all waiters."""
        self.active_invalidate_ranges -= 1
        if self.active_invalidate_ranges == 0:
            self.invalidate_seq += 1

    @atomic("mm/mmu_notifier.c")
    def cur_seq(self) -> int:
        """Return the number of the open invalidation, which is fixed until the end."""
        return self.invalidate_seq

    @atomic("mm/mmu_notifier.c")
    def mmu_interval_read_begin(self, sub: IntervalSub) -> Begun:
        """Load the interval's number, and check whether its invalidation is still open."""
        return Begun(sub.invalidate_seq, sub.invalidate_seq == self.invalidate_seq)

    @atomic("include/linux/wait.h", when=lambda subs, seq: subs.invalidate_seq != seq)
    def wait_event(self, seq: int) -> None:
        """Sleep until the invalidation with that number is over."""
        might_sleep("wait_event()")


class DeferringSubscriptions(Struct):
    """The core's side with the tree of intervals, which does not change during an invalidation.

    Attributes:
        lock: guards all of it.
        invalidate_seq: odd while an invalidation is open.
        itree: the interval in the tree.
        deferred: an interval that is to leave the tree when the invalidation ends.

    Source: mm/mmu_notifier.c, v5.5: mmu_interval_notifier_remove(), mn_itree_inv_end().
    Simplified: one interval, one invalidation at a time; removing an interval from the tree
    writes into it.
    """

    lock: SpinLock = field(default_factory=SpinLock)
    invalidate_seq: int = 2
    itree: IntervalSub | None = None
    deferred: IntervalSub | None = None

    @atomic("mm/mmu_notifier.c")
    def mn_itree_inv_start_range(self) -> IntervalSub | None:
        """Find the interval; if there is one, make the number odd."""
        if self.itree is not None:
            self.invalidate_seq |= 1
        return self.itree

    @atomic("mm/mmu_notifier.c")
    def cur_seq(self) -> int:
        """Return the number of the open invalidation."""
        return self.invalidate_seq

    @atomic("mm/mmu_notifier.c")
    def mmu_interval_notifier_remove(self) -> int:
        """Remove the interval from the tree, or defer that; return the number to wait for, or 0."""
        if self.invalidate_seq % 2:
            self.deferred = self.itree
            return self.invalidate_seq
        self.itree = None
        return 0

    @atomic("mm/mmu_notifier.c")
    def make_seq_even(self) -> None:
        """Close the invalidation: the number is even; a deferred interval is still in the tree."""
        self.invalidate_seq += 1

    @atomic("mm/mmu_notifier.c")
    def interval_tree_remove(self) -> None:
        """Remove the deferred interval from the tree; that writes into it."""
        if self.deferred is not None:
            self.deferred.invalidate_seq = 0
            self.itree = self.deferred = None

    @atomic("include/linux/wait.h", when=lambda subs, seq: subs.invalidate_seq != seq)
    def wait_event(self, seq: int) -> None:
        """Sleep until the number has changed, without taking the lock."""
        might_sleep("wait_event()")

    @atomic(
        "mm/mmu_notifier.c",
        when=lambda subs, seq: subs.lock.owner is None and subs.invalidate_seq != seq,
    )
    def mmu_interval_seq_released(self, seq: int) -> None:
        """Sleep until the number has changed and the lock is free."""
        might_sleep("wait_event()")
