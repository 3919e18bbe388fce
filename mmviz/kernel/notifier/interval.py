"""Interval notifiers: how a driver learns that what it looked up has changed meanwhile."""

from mmviz.engine import Struct, atomic, current
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierSubscriptions
from mmviz.kernel.sync.locks import might_sleep

MMU_NOTIFY_CLEAR = "MMU_NOTIFY_CLEAR"
MMU_NOTIFY_EXCLUSIVE = "MMU_NOTIFY_EXCLUSIVE"
MMU_NOTIFY_MIGRATE = "MMU_NOTIFY_MIGRATE"
MMU_NOTIFY_PROTECTION_PAGE = "MMU_NOTIFY_PROTECTION_PAGE"
MMU_NOTIFY_PROTECTION_VMA = "MMU_NOTIFY_PROTECTION_VMA"


class MmuIntervalNotifier(Struct):
    """A driver's interval notifier: a critical section that any invalidation breaks.

    Attributes:
        invalidating: its callback has run, and an invalidation is still open.
        undisturbed: the actors that are in a read section in which no invalidation has come.

    Source: mm/mmu_notifier.c, include/linux/mmu_notifier.h, struct mmu_interval_notifier (v5.5).
    Simplified: the kernel keeps a number for the mm and one for the interval; a section is stale
    when the interval's number has changed, and an invalidation is open when both are the same odd
    number.  Here the two answers are kept instead, which avoids a number without a bound.
    """

    invalidating: bool = False
    undisturbed: frozenset[str] = frozenset()

    @atomic("mm/mmu_notifier.c", when=lambda interval: not interval.invalidating)
    def mmu_interval_read_begin(self) -> None:
        """Begin a read section, sleeping while the interval is being invalidated."""
        might_sleep("mmu_interval_read_begin()")
        self.undisturbed |= {current().name}

    @atomic("include/linux/mmu_notifier.h")
    def mmu_interval_set_seq(self) -> None:
        """Record an invalidation: every read section that has begun is stale from here on."""
        self.invalidating = True
        self.undisturbed = frozenset()

    @atomic("include/linux/mmu_notifier.h")
    def mmu_interval_read_retry(self) -> bool:
        """Return whether an invalidation has come since the read section began."""
        return current().name not in self.undisturbed

    async def invalidate(self, event: str, owner: str) -> None:
        """Run the driver's ops->invalidate() callback.

        Args:
            event: the cause, an MMU_NOTIFY_ name.
            owner: the cookie of the driver that causes it, "" for the core itself.
        """


class IntervalSubscriptions(MmuNotifierSubscriptions):
    """The core's side of an mm's interval notifiers.

    Attributes:
        intervals: the notifiers, in the order of the calls. Never changes.

    Source: mm/mmu_notifier.c, mn_itree_invalidate(), mn_itree_inv_end().
    Simplified: every interval covers the only page.
    """

    intervals: tuple[MmuIntervalNotifier, ...] = ()

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_invalidate_range_end(self) -> None:
        """Close the invalidation; with the last open one, read sections may begin again."""
        self.active_invalidate_ranges -= 1
        if self.active_invalidate_ranges == 0:
            for interval in self.intervals:
                interval.invalidating = False

    async def invalidate_range_start(self, event: str, owner: str = "") -> None:
        """Open an invalidation and run the drivers' callbacks."""
        await self.mmu_notifier_invalidate_range_start()
        for interval in self.intervals:
            await interval.invalidate(event, owner)


class LateInterval(MmuIntervalNotifier):
    """An interval notifier that is inserted while invalidations may run.

    Attributes:
        in_tree: an invalidation of its range finds it.

    Source: mm/mmu_notifier.c, __mmu_interval_notifier_insert() (v5.5).
    Simplified: as `MmuIntervalNotifier`.
    """

    in_tree: bool = False

    @atomic("mm/mmu_notifier.c")
    def mmu_interval_notifier_insert(self, subscriptions: MmuNotifierSubscriptions) -> None:
        """Insert the interval; during an invalidation, invalidate it and defer the insertion."""
        self.in_tree = subscriptions.active_invalidate_ranges == 0
        self.invalidating = not self.in_tree

    @atomic("mm/mmu_notifier.c")
    def interval_tree_iter_first(self) -> bool:
        """Look the interval up in the tree; return whether it is there."""
        return self.in_tree


class LateIntervalSubscriptions(IntervalSubscriptions):
    """Inserts the deferred intervals when the last invalidation is over.

    Source: mm/mmu_notifier.c, mn_itree_inv_end().
    """

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_invalidate_range_end(self) -> None:
        """Close the invalidation; the last one inserts the deferred intervals."""
        late = [each for each in self.intervals if isinstance(each, LateInterval)]
        deferred = [each for each in late if each.invalidating and not each.in_tree]
        super().mmu_notifier_invalidate_range_end().do()
        if self.active_invalidate_ranges == 0:
            for each in deferred:
                each.in_tree = True
