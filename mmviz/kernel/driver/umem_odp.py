"""On-demand paging: an RDMA driver's objects, registered while invalidations run."""

from mmviz.engine import atomic
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier, MmuNotifierSubscriptions


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
        """Put the object into the tree; from now on it is notified, and counts."""
        self.in_tree = self.mn_counters_active = True

    @atomic("drivers/infiniband/core/umem_odp.c")
    def interval_tree_insert_deferred(self, subscriptions: MmuNotifierSubscriptions) -> None:
        """Put the object into the tree; it counts from now on only if no invalidation is open."""
        self.in_tree = True
        self.mn_counters_active = subscriptions.active_invalidate_ranges == 0

    @atomic("drivers/infiniband/core/umem_odp.c")
    def interval_tree_lookup(self) -> bool:
        """Look the object up in the tree; return whether it is there and counts."""
        return self.in_tree and self.mn_counters_active

    @atomic("drivers/infiniband/core/umem_odp.c")
    def ib_umem_mmu_notifier_retry(self, seq: int) -> bool:
        """Return whether the object does not count yet, or the sample of its sequence is stale."""
        return not self.mn_counters_active or self.mmu_invalidate_retry(seq).do()


class ActivatingSubscriptions(MmuNotifierSubscriptions):
    """Activates objects that were inserted while an invalidation was under way.

    Attributes:
        objects: all possible objects. Never changes.
        bumps: an object's sequence is bumped when it begins to count. Never changes.

    Source: drivers/infiniband/core/umem_odp.c, ib_ucontext_notifier_end_account(), until v4.19.
    Simplified: the list of objects without counters of their own is a flag in each object.
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
