"""Interval notifiers: how a driver learns that what it looked up has changed meanwhile."""

from mmviz.engine import Struct, atomic, current
from mmviz.kernel.locks import might_sleep
from mmviz.kernel.notifier import MmuNotifierSubscriptions

MMU_NOTIFY_CLEAR = "MMU_NOTIFY_CLEAR"
MMU_NOTIFY_EXCLUSIVE = "MMU_NOTIFY_EXCLUSIVE"
MMU_NOTIFY_MIGRATE = "MMU_NOTIFY_MIGRATE"
MMU_NOTIFY_PROTECTION_PAGE = "MMU_NOTIFY_PROTECTION_PAGE"
MMU_NOTIFY_PROTECTION_VMA = "MMU_NOTIFY_PROTECTION_VMA"


class MmuIntervalNotifier(Struct):
    """A driver's interval notifier: a critical section that any invalidation breaks.

    Attributes:
        invalidating: its callback has run, and an invalidation is still open.
        undisturbed: who has begun a read section and has not been disturbed in it since.

    Source: mm/mmu_notifier.c, include/linux/mmu_notifier.h, struct mmu_interval_notifier (v5.5).
    Simplified: the kernel keeps a number each for the mm and the interval; a section is stale when
    the interval's number has changed, and an invalidation is open when both are the same odd one.
    Here the two answers stand themselves, which spares a number that grows for ever.
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
        """Note an invalidation: every read section that has begun is stale from here on."""
        self.invalidating = True
        self.undisturbed = frozenset()

    @atomic("include/linux/mmu_notifier.h")
    def mmu_interval_read_retry(self) -> bool:
        """Say whether an invalidation came since the read section began."""
        return current().name not in self.undisturbed

    async def invalidate(self, event: str, owner: str) -> None:
        """Do what the driver does when it is told: the ops->invalidate() callback.

        Args:
            event: why, an MMU_NOTIFY_ name.
            owner: the cookie of the driver that causes it, "" for the core itself.
        """


class IntervalSubscriptions(MmuNotifierSubscriptions):
    """The core's side of an mm's interval notifiers.

    Attributes:
        intervals: the notifiers, in the order in which they are told. Never changes.

    Source: mm/mmu_notifier.c, mn_itree_invalidate(), mn_itree_inv_end().
    Simplified: every interval covers the one page there is.
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
