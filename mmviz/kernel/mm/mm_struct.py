"""An address space that ends: users, references, the top-level table, and subscribers."""

from collections.abc import Awaitable, Callable

from mmviz.engine import Struct, atomic, field
from mmviz.kernel.mm.mm_count import MmCounts
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.rcu import Srcu


class Pgd(Struct):
    """A top-level page table, and the page that a walk through it finds.

    Attributes:
        page: the one page mapped below it; None where a walk ends in a fault.
        freed: the page allocator has the table back.

    Source: mm/memory.c, free_pgtables(); kernel/fork.c, mm_free_pgd().
    Simplified: one page is mapped; the lower tables come and go with it.
    """

    page: Page | None = None
    freed: bool = False


class MmStruct(MmCounts):
    """A struct mm_struct, as far as its teardown is concerned.

    Attributes:
        pgd: its top-level table.
        subscribed: an mmu_notifier is on the list, so its callbacks run when mappings change.

    Source: include/linux/mm_types.h; kernel/fork.c, mmput(), mmdrop(); mm/mmap.c, exit_mmap();
    mm/mmu_notifier.c.
    Simplified: one subscription; exit_mmap() unmaps and frees in one step; the SRCU that keeps
    the subscription's memory while release() runs is left out.
    """

    pgd: Pgd = field(default_factory=Pgd)
    subscribed: bool = False

    @atomic("include/linux/atomic.h")
    def has_users(self) -> bool:
        """Check whether the address space has a user; the last one may leave at any moment."""
        return self.mm_users > 0

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_release(self) -> bool:
        """Look for subscribers, to call their release(); return whether there is one."""
        return self.subscribed

    @atomic("mm/mmu_notifier.c")
    def mn_hlist_invalidate(self) -> bool:
        """Look for subscribers, to notify them of an unmapping; return whether there is one."""
        return self.subscribed

    @atomic("mm/mmu_notifier.c")
    def mn_hlist_release(self) -> None:
        """Unlink every subscription: from here on unmapping calls no callback."""
        self.subscribed = False

    @atomic("mm/memory.c")
    def zap_pte_range(self) -> Page | None:
        """Clear the page's entry; return the page it named, which is still to be freed."""
        page, self.pgd.page = self.pgd.page, None
        return page

    @atomic("mm/mmap.c")
    def exit_mmap(self) -> None:
        """Unmap everything; pages and lower tables are freed, even if caches still hold them."""
        page, self.pgd.page = self.pgd.page, None
        if page is not None:
            page.put()

    def free_mm(self) -> None:
        """Free the pgd, inside a step."""
        self.pgd.freed = True

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_put(self) -> None:
        """Unlink the subscription; it is freed once no callback runs."""
        self.subscribed = False


async def nothing() -> None:
    """Do nothing when the process ends."""


async def mmput(mm: MmStruct, release: Callable[[], Awaitable[None]] = nothing) -> None:
    """Drop a user; the last one tears the address space down.

    Args:
        mm: the address space.
        release: the subscriber's ops->release() callback.

    Source: kernel/fork.c, mmput().
    """
    if await mm.mmput():
        await last_mmput(mm, release)


async def last_mmput(mm: MmStruct, release: Callable[[], Awaitable[None]] = nothing) -> None:
    """Tear the address space down: notify the subscriber, unlink it, unmap, drop the struct.

    Args:
        mm: the address space.
        release: the subscriber's ops->release() callback.

    Source: kernel/fork.c, __mmput(); mm/mmap.c, exit_mmap(); mm/mmu_notifier.c,
    __mmu_notifier_release().
    """
    if await mm.mmu_notifier_release():
        await release()
    await mm.mn_hlist_release()
    await mm.exit_mmap()
    await mm.mmdrop()


async def mmu_notifier_release(
    mm: MmStruct, srcu: Srcu, release: Callable[[], Awaitable[None]]
) -> None:
    """Call the subscriber's release() under SRCU, unlink it, and wait for others that run it.

    Args:
        mm: the address space.
        srcu: guards the list of subscriptions.
        release: the ops->release() callback.

    Source: mm/mmu_notifier.c, mn_hlist_release() and mmu_notifier_unregister(), which are alike.
    """
    await srcu.srcu_read_lock()
    if await mm.mmu_notifier_release():
        await release()
    await mm.mn_hlist_release()
    await srcu.srcu_read_unlock()
    await srcu.start_poll_synchronize_srcu()
    await srcu.synchronize_srcu()
