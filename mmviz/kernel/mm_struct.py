"""An address space that ends: users, references, the top-level table, and who is told."""

from collections.abc import Awaitable, Callable

from mmviz.engine import Struct, atomic, field
from mmviz.kernel.mm_count import MmCounts
from mmviz.kernel.page import Page
from mmviz.kernel.rcu import Srcu


class Pgd(Struct):
    """A top-level page table, and what a walk through it finds.

    Attributes:
        page: the one page mapped below it; none when a walk ends in a fault.
        freed: the page allocator has the table back.

    Source: mm/memory.c, free_pgtables(); kernel/fork.c, mm_free_pgd().
    Simplified: one page is mapped; the lower tables come and go with it.
    """

    page: Page | None = None
    freed: bool = False


class MmStruct(MmCounts):
    """A struct mm_struct, as far as its end goes.

    Attributes:
        pgd: its top-level table.
        subscribed: an mmu_notifier is on the list, so somebody is told when mappings change.

    Source: include/linux/mm_types.h; kernel/fork.c, mmput(), mmdrop(); mm/mmap.c, exit_mmap();
    mm/mmu_notifier.c.
    Simplified: one subscription; exit_mmap() unmaps and frees in one step; the SRCU that keeps
    the subscription's memory while release() runs is left out.
    """

    pgd: Pgd = field(default_factory=Pgd)
    subscribed: bool = False

    @atomic("include/linux/atomic.h")
    def has_users(self) -> bool:
        """Look whether the address space has a user now; it may lose it the next moment."""
        return self.mm_users > 0

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_release(self) -> bool:
        """Look for subscribers, to call their release(); say whether there is one."""
        return self.subscribed

    @atomic("mm/mmu_notifier.c")
    def mn_hlist_invalidate(self) -> bool:
        """Look for subscribers, to tell them of an unmapping; say whether there is one."""
        return self.subscribed

    @atomic("mm/mmu_notifier.c")
    def mn_hlist_release(self) -> None:
        """Unlink every subscription: from here on nobody is told about unmapping."""
        self.subscribed = False

    @atomic("mm/memory.c")
    def zap_pte_range(self) -> Page | None:
        """Clear the page's entry; return the page it named, which still is to be freed."""
        page, self.pgd.page = self.pgd.page, None
        return page

    @atomic("mm/mmap.c")
    def exit_mmap(self) -> None:
        """Unmap everything; pages and lower tables go back, whatever caches still know them."""
        page, self.pgd.page = self.pgd.page, None
        if page is not None:
            page.put()

    def free_mm(self) -> None:
        """Free the pgd, inside a step."""
        self.pgd.freed = True

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_put(self) -> None:
        """Unlink the subscription; when no callback runs any more it is freed."""
        self.subscribed = False


async def nothing() -> None:
    """Nobody does anything when the process ends."""


async def mmput(mm: MmStruct, release: Callable[[], Awaitable[None]] = nothing) -> None:
    """Drop a user; the last one tears the address space down.

    Args:
        mm: the address space.
        release: what the subscriber does when it is told, the ops->release() callback.

    Source: kernel/fork.c, mmput().
    """
    if await mm.mmput():
        await last_mmput(mm, release)


async def last_mmput(mm: MmStruct, release: Callable[[], Awaitable[None]] = nothing) -> None:
    """Tear the address space down: tell the subscriber, unlink it, unmap, drop the struct.

    Args:
        mm: the address space.
        release: what the subscriber does when it is told, the ops->release() callback.

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
    """Call the subscriber's release() under SRCU, unlink it, and wait for who runs it too.

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
