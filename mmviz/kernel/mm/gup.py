"""get_user_pages: how a driver pins the page behind an address, fast and slow."""

from mmviz.kernel.mm.entry import CowMapping
from mmviz.kernel.mm.fault import Invalidate, handle_mm_fault, quiet
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import SeqCount


async def gup_pte_range(mapping: CowMapping) -> Page | None:
    """Pin without any lock: read the entry, pin the page, read the entry again.

    Source: mm/gup.c, gup_pte_range().
    Simplified: for writing only, one page; the kernel turns interrupts off, so that page
    tables are not freed meanwhile.
    """
    # redundant in pin_check_on_time: a walk that finds no entry does not pin
    entry = await mapping.ptep_get_lockless()
    if entry is None or not entry.is_writable:
        return None
    if not await entry.page.try_grab_page():
        return None
    again = await mapping.ptep_get_lockless()
    if again != entry:
        # redundant in pin_check_on_time: a pin too many makes the driver refuse the page
        await entry.page.unpin_user_page()
        return None
    return entry.page


async def lockless_pages_from_mm(mapping: CowMapping, write_protect_seq: SeqCount) -> Page | None:
    """Pin without any lock, unless a fork overlaps.

    Source: mm/gup.c, lockless_pages_from_mm() (v5.11, 57efa1fe5957).
    """
    seq = await write_protect_seq.raw_read_seqcount()
    if seq % 2:
        return None
    page = await gup_pte_range(mapping)
    if page is not None and await write_protect_seq.read_seqcount_retry(seq):
        # redundant in gup_fast_meets_fork, fork_meets_check: a pin too many only keeps memory
        await page.unpin_user_page()
        return None
    return page


async def get_user_pages(
    mapping: CowMapping, invalidate: Invalidate = quiet, copy: Page | None = None
) -> Page:
    """Pin under the page-table lock, faulting until the entry lets the CPU write.

    Args:
        mapping: where to look.
        invalidate: what the drivers do when the fault notifies them.
        copy: the page the allocator will give for a copy; None where nothing is shared.

    Source: mm/gup.c, __get_user_pages(), follow_page_pte(), faultin_page().
    Simplified: the caller holds mmap_lock, where a scenario has one.
    """
    while True:
        page = await mapping.follow_page_pte()
        if page is not None:
            return page
        await handle_mm_fault(mapping, invalidate, copy)
