"""A parent that forks step by step, while one of its threads pins the page with GUP-fast."""

from errno import ENOENT
from typing import Any, Protocol

from mmviz.engine import field
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.gup import get_user_pages
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import SeqCount
from mmviz.scenarios.exclusive.worlds.fork import Machine


class Unpinned(Machine):
    """A process whose page is present and not pinned, and a NIC that wants it."""

    page: Page = field(default_factory=lambda: Page(7))
    write_protect_seq: SeqCount = field(default_factory=SeqCount)

    def __post_init__(self) -> None:
        self.parent.pte = Pte(self.page)


class Kernel(Protocol):
    async def fork(self, k: Any) -> None: ...
    async def pin_user_pages_fast(self, k: Any) -> None: ...


async def copy_pte_range(k: Unpinned) -> None:
    """Copy or restore an exclusive entry; share a present page, or copy it if it is pinned."""
    if await k.parent.copy_nonpresent_pte(k.child) != -ENOENT:
        return
    if await k.page.page_maybe_dma_pinned():
        await k.parent.copy_present_page(k.child, k.childs_copy)
    else:
        await k.parent.copy_present_pte(k.child)


async def slow(k: Unpinned) -> Page:
    """Pin with mmap_lock held, which fork needs for itself."""
    await k.mmap_lock.down_read()
    page = await get_user_pages(k.parent, copy=k.parents_copy)
    await k.mmap_lock.up_read()
    return page


async def fork_in_steps(k: Unpinned, kernel: Kernel) -> None:
    """The parent forks, then writes to its page."""
    await kernel.fork(k)


async def pin(k: Unpinned, kernel: Kernel) -> None:
    """Another thread of the parent pins the page for the NIC."""
    await kernel.pin_user_pages_fast(k)
