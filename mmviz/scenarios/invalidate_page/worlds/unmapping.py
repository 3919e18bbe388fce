"""The CPUs that take the page away or touch its address, and the device that faults."""

from typing import Any, Final

from mmviz.engine.race import Role
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierOps
from mmviz.scenarios.invalidate_page.worlds.mirror import VA


class Driver(MmuNotifierOps):
    """What a driver brings: its callbacks, and the handler of its device's faults."""

    async def fault(self, k: Any) -> None:
        """The device does not fault."""


async def zap_page_range(k: Any, driver: MmuNotifierOps) -> None:
    """madvise(MADV_DONTNEED) takes the page away; the page is freed last."""
    await k.mm.mmu_notifier_invalidate_range_start()
    await driver.invalidate_range_start(k)
    page = await k.cpu.zap_pte_range(VA)
    await driver.invalidate_range_end(k)
    # redundant in registration_shut_out: an open invalidation only hides a stale entry, and there
    # is none
    await k.mm.mmu_notifier_invalidate_range_end()
    if page is not None:
        await page.put_page()  # tlb_finish_mmu()


async def zap_full_batch(k: Any, driver: MmuNotifierOps) -> None:
    """The same with a full gather batch: the page is freed before range_end."""
    await k.mm.mmu_notifier_invalidate_range_start()
    await driver.invalidate_range_start(k)
    page = await k.cpu.zap_pte_range(VA)
    if page is not None:
        await page.put_page()  # tlb_flush_mmu()
    await driver.invalidate_range_end(k)
    await k.mm.mmu_notifier_invalidate_range_end()


async def try_to_unmap_one(k: Any, driver: MmuNotifierOps) -> None:
    """Reclaim takes the page away, and calls every callback there is."""
    # redundant in hook_not_implemented: a stale entry is judged in the end, not by the core's count
    await k.mm.mmu_notifier_invalidate_range_start()
    await driver.invalidate_range_start(k)
    # redundant in AllCallbacks: the counter stops faults; the lock is for invalidate_range()
    await k.cpu.ptl.spin_lock()
    page = await k.cpu.ptep_clear_flush(VA)
    await driver.invalidate_range(k)
    await k.cpu.ptl.spin_unlock()
    await driver.invalidate_range_end(k)
    # redundant in hook_not_implemented: a stale entry is judged in the end, not by the core's count
    # redundant in FlushAfterClear: an open invalidation only hides a stale entry, and there is none
    await k.mm.mmu_notifier_invalidate_range_end()
    if page is not None:
        await page.put_page()


async def do_user_addr_fault(k: Any) -> None:
    """The process touches the address again, on another CPU."""
    # redundant in IntervalInserted, WaitAndCompareTwoInvalidators: a fresh page only shows a
    # stale entry in one more way
    # redundant in CounterAndHardwareTwoInvalidators: a fresh page only shows a stale entry, too
    await k.cpu.handle_mm_fault(VA, k.fresh)


async def device_faults(k: Any, driver: Driver) -> None:
    """The device faults at the address, and its driver handles the fault."""
    await driver.fault(k)


ONE_INVALIDATION: Final[dict[str, Role]] = {
    "CPU0": zap_page_range,
    "CPU1": do_user_addr_fault,
    "GPU": device_faults,
}
TWO_INVALIDATIONS: Final[dict[str, Role]] = {
    "CPU0": zap_page_range,
    "CPU1": zap_page_range,
    "CPU2": do_user_addr_fault,
    "GPU": device_faults,
}
FULL_BATCH: Final[dict[str, Role]] = ONE_INVALIDATION | {"CPU0": zap_full_batch}
