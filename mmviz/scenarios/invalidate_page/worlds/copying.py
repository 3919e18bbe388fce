"""A page that is shared after a fork, and the write fault that copies it."""

from mmviz.engine import atomic, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.page_data import DataPage
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierOps
from mmviz.scenarios.invalidate_page.worlds.mirror import VA, Mirror


class CopiedMirror(Mirror):
    """A shared page, mirrored by the device, and a page for the copy."""

    page: DataPage = field(default_factory=lambda: DataPage(pfn=7))
    fresh: DataPage = field(
        default_factory=lambda: DataPage(pfn=8, refs=0, data="zero", shared=False)
    )

    @atomic("hardware")
    def store(self, address: str, value: str) -> bool:
        """The CPU stores through its entry if the entry is writable; else it faults."""
        page = self.cpu.pte[address]
        if not isinstance(page, DataPage) or page.shared:
            return False
        page.data = value
        return True


async def wp_page_copy(
    k: CopiedMirror, driver: MmuNotifierOps, new: DataPage | None = None
) -> None:
    """Clear the entry, notify under the page-table lock, then set the new entry."""
    new = new or k.fresh
    await new.copy_user_highpage(k.page)
    await k.mm.mmu_notifier_invalidate_range_start()
    await driver.invalidate_range_start(k)
    await k.cpu.ptl.spin_lock()
    await k.cpu.ptep_clear_flush(VA)
    await driver.invalidate_range(k)
    await k.cpu.set_pte_at(VA, new)
    await k.cpu.ptl.spin_unlock()
    await driver.invalidate_range_end(k)
    # redundant in new_page_before_notify: an open invalidation only hides a stale entry, and there
    # is none
    await k.mm.mmu_notifier_invalidate_range_end()
    await k.page.put_page()


async def get_user_pages_to_write(
    k: CopiedMirror, driver: MmuNotifierOps, new: DataPage | None = None
) -> Page | None:
    """Look the page up for writing: a shared one is held, copied, and looked up afresh."""
    page = await k.cpu.get_user_pages(VA)
    if not isinstance(page, DataPage) or not page.shared:
        return page
    await wp_page_copy(k, driver, new)
    await page.put_page()
    return await k.cpu.get_user_pages(VA)
