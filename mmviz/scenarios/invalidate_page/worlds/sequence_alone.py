"""A callback that comes after the clear, and a fault that checks the sequence alone.

No counter is needed: a fault that checks the sequence number under the driver's lock knows
whether the callback has run since the page was looked up.  The world has the CPU's and the
device's page table, a spinlock `update` and a `notifier`.
"""

from typing import Any

from mmviz.scenarios.invalidate_page.worlds.mirror import VA


async def invalidate_page(k: Any) -> None:
    """The driver's callback: it must not sleep."""
    await k.update.spin_lock()
    await k.notifier.bump_mmu_invalidate_seq()
    await k.gpu.unmap(VA)
    await k.update.spin_unlock()


async def fault(k: Any) -> None:
    """The device faults; the driver checks the sequence before it maps, as KVM does."""
    while True:
        seq = await k.notifier.read_mmu_invalidate_seq()
        page = await k.cpu.get_user_pages(VA)
        if page is None:
            return
        await k.update.spin_lock()
        if await k.notifier.mmu_invalidate_seq_changed(seq):
            await k.update.spin_unlock()
            await page.put_page()
            continue
        await k.gpu.map(VA, page)
        await k.update.spin_unlock()
        await page.put_page()
        return
