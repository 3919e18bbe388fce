"""MMU notifiers: how the core notifies drivers, and how a driver records it."""

from typing import Any

from mmviz.engine import Struct, atomic


class MmuNotifierOps:
    """The callbacks of a listener; it implements those that it needs.

    Source: include/linux/mmu_notifier.h, struct mmu_notifier_ops, v4.13 to v6.5.
    """

    async def invalidate_range_start(self, k: Any) -> None:
        """Not implemented."""

    async def invalidate_range(self, k: Any) -> None:
        """Not implemented."""

    async def invalidate_range_end(self, k: Any) -> None:
        """Not implemented."""


class MmuNotifierSubscriptions(Struct):
    """The core's side of an mm's notifiers.

    Attributes:
        active_invalidate_ranges: invalidations between range_start and range_end.

    Source: mm/mmu_notifier.c, struct mmu_notifier_subscriptions.
    Simplified: the kernel keeps this count since v5.5, for interval notifiers; here it is kept
    in every era, so that a bad state can tell an entry that is being repaired from one that will
    never be.  An actor runs the drivers' callbacks itself, between the two steps.
    """

    active_invalidate_ranges: int = 0

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_invalidate_range_start(self) -> None:
        """Open an invalidation: the drivers' range_start callbacks come next."""
        self.active_invalidate_ranges += 1

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_invalidate_range_end(self) -> None:
        """Close the invalidation: the drivers' range_end callbacks have returned."""
        self.active_invalidate_ranges -= 1


class MmuNotifier(Struct):
    """The two words by which a driver keeps a fault from undoing an invalidation.

    Attributes:
        mmu_invalidate_in_progress: invalidations whose begin the driver has seen, but not the end.
        mmu_invalidate_seq: how many ends it has seen.

    Source: virt/kvm/kvm_main.c and include/linux/kvm_host.h, whose names these are since v6.1;
    in 2017 they were mmu_notifier_count and mmu_notifier_seq, and umem_odp.c has the same pair.
    Simplified: the numbers never wrap; the caller takes the driver's lock, as in the kernel.
    """

    mmu_invalidate_seq: int = 0
    mmu_invalidate_in_progress: int = 0

    @atomic("virt/kvm/kvm_main.c")
    def kvm_mmu_invalidate_begin(self) -> None:
        """Count one more invalidation in progress."""
        self.mmu_invalidate_in_progress += 1

    @atomic("virt/kvm/kvm_main.c")
    def kvm_mmu_invalidate_end(self) -> None:
        """Bump the sequence, and count one fewer invalidation in progress."""
        self.mmu_invalidate_seq += 1
        self.mmu_invalidate_in_progress -= 1

    @atomic("driver")
    def bump_mmu_invalidate_seq(self) -> None:
        """Bump the sequence alone."""
        self.mmu_invalidate_seq += 1

    @atomic("driver")
    def read_mmu_invalidate_seq(self) -> int:
        """Sample the sequence, before looking anything up."""
        return self.mmu_invalidate_seq

    @atomic("driver")
    def read_mmu_invalidate_in_progress(self) -> int:
        """Read the count of invalidations in progress, and nothing else."""
        return self.mmu_invalidate_in_progress

    @atomic("driver", when=lambda notifier: notifier.mmu_invalidate_in_progress == 0)
    def wait_until_idle(self) -> int:
        """Wait until no invalidation is in progress, and return that count."""
        return self.mmu_invalidate_in_progress

    @atomic("driver")
    def drop_mmu_invalidate_in_progress(self) -> None:
        """Count one fewer invalidation in progress, and leave the sequence alone."""
        self.mmu_invalidate_in_progress -= 1

    @atomic("driver")
    def mmu_invalidate_seq_changed(self, seq: int) -> bool:
        """Return whether an invalidation has ended since the sample, and check nothing else."""
        return self.mmu_invalidate_seq != seq

    @atomic("include/linux/kvm_host.h")
    def mmu_invalidate_retry(self, seq: int) -> bool:
        """Return whether an invalidation is in progress or has ended since the sample."""
        return self.mmu_invalidate_in_progress > 0 or self.mmu_invalidate_seq != seq
