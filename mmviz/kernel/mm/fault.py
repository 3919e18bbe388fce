"""What the CPU's write fault does to entries of an anonymous page."""

from collections.abc import Awaitable, Callable

from mmviz.kernel.mm.entry import CowMapping
from mmviz.kernel.mm.page import Page

Invalidate = Callable[[], Awaitable[None]]


async def quiet() -> None:
    """Do nothing: no device has an entry to revoke."""


async def remove_device_exclusive_entry(
    mapping: CowMapping,
    page: Page,
    invalidate: Invalidate = quiet,
    invalidated: Invalidate = quiet,
    reference: bool = False,
) -> None:
    """Take a page back from a device: the page lock, the drivers, then the entry.

    Args:
        mapping: where the CPU faulted.
        page: what the entry named.
        invalidate: what the drivers do when they are notified.
        invalidated: how the notification ends, where a notifier counts it.
        reference: take one before sleeping on the page lock (7c7b962938dd, v6.3), which is needed
            where the page may be freed meanwhile.

    Source: mm/memory.c, remove_device_exclusive_entry().
    """
    if reference and not await page.try_get_page():
        return
    # redundant in gup_fast_meets_fork: no driver takes the page lock there
    await page.lock_page()
    await invalidate()
    await mapping.restore_exclusive_pte(page)
    await page.unlock_page()
    if reference:
        await page.put_page()
    await invalidated()


async def handle_mm_fault(
    mapping: CowMapping, invalidate: Invalidate = quiet, copy: Page | None = None
) -> None:
    """Answer one write fault; the caller retries.

    Args:
        mapping: where the CPU faulted.
        invalidate: what the drivers do when they are notified.
        copy: the page the allocator will give for a copy; None where nothing is shared.

    Source: mm/memory.c, do_swap_page() and do_wp_page().
    """
    entry = await mapping.handle_pte_fault()
    if entry is not None and entry.exclusive:
        await remove_device_exclusive_entry(mapping, entry.page, invalidate)
    elif entry is not None and not entry.write and copy is not None:
        await mapping.do_wp_page(copy)


async def write(
    mapping: CowMapping, invalidate: Invalidate = quiet, copy: Page | None = None
) -> None:
    """Write to the page as user code does: try, fault, retry."""
    while True:
        if await mapping.cpu_write():
            return
        await handle_mm_fault(mapping, invalidate, copy)
