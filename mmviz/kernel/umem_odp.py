"""On-demand paging: objects that come and go while invalidations run."""

from mmviz.engine import atomic
from mmviz.kernel.interval_notifier import IntervalSubscriptions, MmuIntervalNotifier
from mmviz.kernel.notifier import MmuNotifier, MmuNotifierSubscriptions


class UmemOdp(MmuNotifier):
    """A struct ib_umem_odp: a registered range with a counter and a sequence of its own.

    Attributes:
        in_tree: an invalidation of its range finds it.
        mn_counters_active: its own counter and sequence may be used.

    Source: drivers/infiniband/core/umem_odp.c, v3.19 to v5.4; include/rdma/ib_umem_odp.h.
    Simplified: the two words have the names of `MmuNotifier`.
    """

    in_tree: bool = False
    mn_counters_active: bool = False

    @atomic("drivers/infiniband/core/umem_odp.c")
    def interval_tree_insert(self) -> None:
        """Put the object into the tree; from now on it is told, and counts."""
        self.in_tree = self.mn_counters_active = True

    @atomic("drivers/infiniband/core/umem_odp.c")
    def interval_tree_insert_deferred(self, subscriptions: MmuNotifierSubscriptions) -> None:
        """Put the object into the tree; it counts from now on only if nothing is under way."""
        self.in_tree = True
        self.mn_counters_active = subscriptions.active_invalidate_ranges == 0

    @atomic("drivers/infiniband/core/umem_odp.c")
    def interval_tree_lookup(self) -> bool:
        """Find the object in the tree; say whether it is there and counts."""
        return self.in_tree and self.mn_counters_active

    @atomic("drivers/infiniband/core/umem_odp.c")
    def ib_umem_mmu_notifier_retry(self, seq: int) -> bool:
        """Say whether the object does not count yet, or an invalidation came in between."""
        return not self.mn_counters_active or self.mmu_invalidate_retry(seq).do()


class ActivatingSubscriptions(MmuNotifierSubscriptions):
    """Lets objects count that were inserted while something was under way.

    Attributes:
        objects: the objects there may be. Never changes.
        bumps: an object's sequence is bumped as it begins to count. Never changes.

    Source: drivers/infiniband/core/umem_odp.c, ib_ucontext_notifier_end_account(), until v4.19.
    Simplified: the list of objects without counters of their own is the flag in each.
    """

    objects: tuple[UmemOdp, ...] = ()
    bumps: bool = False

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_invalidate_range_end(self) -> None:
        """Close the invalidation; with the last open one, objects in the tree begin to count."""
        self.active_invalidate_ranges -= 1
        if self.active_invalidate_ranges:
            return
        for each in self.objects:
            if each.in_tree and not each.mn_counters_active:
                each.mn_counters_active = True
                each.mmu_invalidate_seq += self.bumps


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
        """Insert it; while something is under way it is invalidated, and on the deferred list."""
        self.in_tree = subscriptions.active_invalidate_ranges == 0
        self.invalidating = not self.in_tree

    @atomic("mm/mmu_notifier.c")
    def interval_tree_iter_first(self) -> bool:
        """Find the interval in the tree; say whether it is there."""
        return self.in_tree


class DeferringSubscriptions(IntervalSubscriptions):
    """Inserts what was deferred when the last invalidation is over.

    Source: mm/mmu_notifier.c, mn_itree_inv_end().
    """

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_invalidate_range_end(self) -> None:
        """Close the invalidation; with the last open one, insert what was deferred."""
        late = [each for each in self.intervals if isinstance(each, LateInterval)]
        deferred = [each for each in late if each.invalidating and not each.in_tree]
        super().mmu_notifier_invalidate_range_end().do()
        if self.active_invalidate_ranges == 0:
            for each in deferred:
                each.in_tree = True
