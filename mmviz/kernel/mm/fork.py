"""What fork() does with a parent's page-table entry."""

from errno import EBUSY, ENOENT

from mmviz.engine import Struct, atomic
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.fault import Invalidate, quiet
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import RwSemaphore


class ForkedMapping(CowMapping):
    """A parent's mapping; fork() makes an exclusive entry present before it copies (v5.14).

    Source: mm/memory.c, copy_pte_range() and what it calls.
    Simplified: the copy for a pinned page is allocated within the step; the kernel drops
    its locks for that and starts over.
    """

    @atomic("mm/memory.c")
    def copy_nonpresent_pte(self, child: CowMapping) -> int:
        """Make the exclusive entry present again, unless the page lock is held."""
        if self.pte is None or not self.pte.exclusive:
            return -ENOENT
        if self.pte.page.locked is not None:
            return -EBUSY
        self.pte = self.pte.restored()
        return -ENOENT

    @atomic("mm/memory.c")
    def copy_present_page(self, child: CowMapping, copy: Page) -> None:
        """Give the child a copy of its own; the parent's entry stays as it is."""
        copy.alloc()
        child.pte = Pte(copy)

    @atomic("mm/memory.c")
    def copy_present_pte(self, child: CowMapping) -> None:
        """Share the page: both entries become read-only."""
        if self.pte is not None:
            self.pte.page.get()
            self.pte = child.pte = self.pte.wrprotected()

    @atomic("mm/memory.c")
    def copy_pte_range(self, child: CowMapping, copy: Page) -> bool:
        """Copy the entry under both page-table locks; return whether it could be copied."""
        status = self.copy_nonpresent_pte(child).do()
        if status == -ENOENT and self.pte is not None:
            if self.pte.page.is_maybe_dma_pinned:
                self.copy_present_page(child, copy).do()
            else:
                self.copy_present_pte(child).do()
        return status != -EBUSY


class EntryCopied(ForkedMapping):
    """A parent's mapping whose exclusive entry fork() copies, as v7 of the patch does."""

    @atomic("mm/memory.c")
    def copy_nonpresent_pte(self, child: CowMapping) -> int:
        """Copy the exclusive entry to the child; both become read-only."""
        if self.pte is None or not self.pte.exclusive:
            return -ENOENT
        self.pte.page.get()
        self.pte = child.pte = self.pte.wrprotected()
        return 0


class EntryCopiedWritable(ForkedMapping):
    """As v7, but the entries keep their right to write."""

    @atomic("mm/memory.c")
    def copy_nonpresent_pte(self, child: CowMapping) -> int:
        """Copy the exclusive entry to the child as it is."""
        if self.pte is None or not self.pte.exclusive:
            return -ENOENT
        self.pte.page.get()
        child.pte = self.pte
        return 0


class EntryTreatedAsPresent(EntryCopied):
    """As v7, but a pinned page is copied, by the rule for present entries."""

    @atomic("mm/memory.c")
    def copy_pte_range(self, child: CowMapping, copy: Page) -> bool:
        """Copy the entry under both page-table locks; if the page is pinned, copy the page."""
        if self.pte is not None and self.pte.page.is_maybe_dma_pinned:
            self.copy_present_page(child, copy).do()
        elif self.copy_nonpresent_pte(child).do() == -ENOENT:
            self.copy_present_pte(child).do()
        return True


class ChildTask(Struct):
    """The new task.

    Attributes:
        runs: fork() has returned, the child may run.

    Source: kernel/fork.c, kernel_clone().
    """

    runs: bool = False

    @atomic("kernel/sched/core.c")
    def wake_up_new_task(self) -> None:
        """Make the child runnable."""
        self.runs = True

    @atomic("kernel/sched/core.c", when=lambda task: task.runs)
    def schedule_tail(self) -> None:
        """The child runs for the first time."""


async def dup_mmap(
    mmap_lock: RwSemaphore,
    parent: ForkedMapping,
    child: CowMapping,
    copy: Page,
    invalidate: Invalidate = quiet,
    invalidated: Invalidate = quiet,
) -> bool:
    """Copy a process's memory; return whether it worked.

    Args:
        mmap_lock: the parent's.
        parent: what is copied.
        child: where to.
        copy: the page the allocator will give if the page itself must be copied.
        invalidate: what the drivers do when they are notified.
        invalidated: how the notification ends, where a notifier counts it.

    Source: kernel/fork.c, dup_mmap(); mm/memory.c, copy_page_range().
    """
    await mmap_lock.down_write()
    await invalidate()
    copied = await parent.copy_pte_range(child, copy)
    await invalidated()
    await mmap_lock.up_write()
    return copied
