"""mmu_notifier_get() and mmu_notifier_put(): one counted notifier for an mm and its ops (v5.4)."""

from mmviz.engine import Struct, atomic
from mmviz.kernel.sync.refcount import RefCount, Slab


class CountedNotifier(Slab, RefCount):
    """A struct mmu_notifier that mmu_notifier_get() finds or creates.

    Attributes:
        refs: its `users`, guarded by the subscriptions' lock.
        invalidated: callbacks that have run.

    Source: include/linux/mmu_notifier.h, mm/mmu_notifier.c.
    Simplified: the driver's object around it is the notifier itself.
    """

    refs: int = 1
    invalidated: bool = False

    @atomic("driver")
    def invalidate_range_start(self) -> None:
        """Access the driver's object, as its callback does: it must still exist."""
        self.invalidated = True

    @atomic("driver")
    def use(self) -> bool:
        """Use the driver's object that the notifier is part of: it must still exist."""
        return self.invalidated


class NotifierList(Struct):
    """The notifiers of an mm, at most one for a driver.

    Attributes:
        first: the driver's notifier, None when it has none.

    Source: mm/mmu_notifier.c, struct mmu_notifier_subscriptions.
    """

    first: CountedNotifier | None = None

    @atomic("mm/mmu_notifier.c")
    def find_get_mmu_notifier(self) -> CountedNotifier | None:
        """Find the driver's notifier, and count one more user; the caller holds the lock."""
        if self.first is not None:
            self.first.get()
        return self.first

    @atomic("mm/mmu_notifier.c")
    def hlist_for_each_entry_rcu(self) -> CountedNotifier | None:
        """Find the next notifier on the list; its removal no longer hides it from this walk."""
        return self.first

    @atomic("mm/mmu_notifier.c")
    def hlist_add_head_rcu(self, notifier: CountedNotifier) -> None:
        """Put a new notifier on the list; the caller holds the lock."""
        self.first = notifier

    @atomic("mm/mmu_notifier.c")
    def hlist_del_init_rcu(self, notifier: CountedNotifier) -> None:
        """Take the notifier off the list; the caller holds the lock."""
        if self.first is notifier:
            self.first = None
