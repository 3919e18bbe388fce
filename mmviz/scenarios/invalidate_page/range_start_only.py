"""A driver that implements range_start only, and records nothing.

A device uses the same addresses as a process, through page tables of its own.  Before the
kernel takes a page away it calls the driver's invalidate_range_start(), and the driver clears
the device's entry.  But the CPU's entry is still there for a moment.  A device fault in that
moment finds the old page and puts the mirror back; then the page is freed under the device.

Promise: Once an invalidation is over, the device reaches no page that the CPU has given up.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    One address, two pages, one madvise(MADV_DONTNEED), one device fault, one CPU fault.
    A fault may come although the device still has an entry, as a prefetch does.
    zap_pte_range(), get_user_pages() and handle_mm_fault() take and drop the page-table lock
    within one step: all they do between is guarded by it.
    The device may use its entry at any time, so an entry that names a freed page is as bad as
    its use; no step reads through it.
    A fault that never maps its page is not a bad state here; the tests look at it.
    The driver's own lock around the map and the unmap is left out where it guards nothing else.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: many drivers have only range_start, and may undo
    it; the mail names none of them.  Those of the series that have range_start alone, amdgpu,
    hfi1, scif and gntdev, keep page references or take no faults: see the debate's drivers
    drivers/gpu/drm/amd/amdgpu/amdgpu_mn.c, v4.13: range_start, with references and a number: see
    reference_is_no_sync
    drivers/gpu/drm/radeon/radeon_mn.c, until v5.4: range_start alone, and nothing is checked
    drivers/gpu/drm/radeon/radeon_ttm.c: radeon_ttm_tt_pin_userptr() keeps the page references
    until range_start, which is the second case
    mm/memory.c: zap_page_range(), zap_pte_range(), handle_mm_fault()
    e649b3f0188f (v5.8), 0a8a5f2c8c26 (v6.5): the same hole in KVM's APIC page, closed twice
    e930bffe95e1 (v2.6.27): KVM counts invalidations, and checks before it maps
"""

from mmviz.engine import Race
from mmviz.kernel.provenance import mistake, shipped
from mmviz.scenarios.invalidate_page import KVM, RECOMMENDED
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    BAD,
    VA,
    GuardedMirror,
    Mirror,
    PinnedMirror,
    cpu_and_device_disagree,
    device_keeps_stale_entry,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import (
    ONE_INVALIDATION,
    Driver,
)

# The page is given up, and touched again, while the device faults.
race = Race(world=GuardedMirror, actors=ONE_INVALIDATION, bad=(*BAD, page_refs_out_of_balance))


@race.case(
    "MN-D/D0",
    "range_start clears the entry and that is all, as the thread says of many drivers",
    world=Mirror,
    sometimes=BAD,
    states=91,
    schedules={
        "undone before the CPU clears": "CPU0*2 GPU*3 CPU0*3",
        "looked up before and mapped after": "GPU CPU0*5 GPU*2",
    },
    source=mistake(RECOMMENDED.where, RECOMMENDED.day),
)
class RangeStartOnly(Driver):
    """Clears the device's entry in range_start, and records nothing."""

    async def invalidate_range_start(self, k: Mirror) -> None:
        await k.gpu.unmap(VA)

    async def fault(self, k: Mirror) -> None:
        page = await k.cpu.get_user_pages(VA)
        if page is None:
            return
        await k.gpu.map(VA, page)  # may undo the unmap
        await page.put_page()


@race.case(
    "MN-D/D1",
    "the driver keeps a page reference for as long as its device has the page, as radeon did",
    world=PinnedMirror,
    sometimes=[device_keeps_stale_entry, cpu_and_device_disagree],
    states=87,
    schedules={"safe memory and a stale entry": "CPU0*3 GPU*2 CPU0*3 CPU1"},
    source=shipped("v4.13", "v5.4", "radeon_ttm.c: radeon_ttm_tt_pin_userptr()"),
)
class PinWhileMapped(RangeStartOnly):
    """Keeps the reference of get_user_pages() for as long as the device has the page.

    A pin that is kept protects the memory, and nothing else.
    """

    async def invalidate_range_start(self, k: Mirror) -> None:
        page = await k.gpu.xchg(VA, None)
        if page is not None:
            await page.put_page()

    async def fault(self, k: Mirror) -> None:
        page = await k.cpu.get_user_pages(VA)
        if page is None:
            return
        was = await k.gpu.xchg(VA, page)
        if was is not None:
            await was.put_page()


@race.case(
    "MN-D/D4",
    "count invalidations, and check under the driver's lock before mapping",
    states=261,
    schedules={"the fault has to try again": "CPU0*5 GPU*5 CPU0*6 GPU*3 CPU1"},
    source=KVM,
)
class SequenceAndCounter(Driver):
    """Counts invalidations, and checks both words before it maps: as KVM and umem_odp do."""

    async def invalidate_range_start(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.notifier.kvm_mmu_invalidate_begin()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()

    async def invalidate_range_end(self, k: GuardedMirror) -> None:
        # redundant: both words are written in one step; order_of_the_words writes them in two
        await k.update.mutex_lock()
        await k.notifier.kvm_mmu_invalidate_end()
        await k.update.mutex_unlock()

    async def sample(self, k: GuardedMirror) -> int:
        """What a fault samples before it looks the page up."""
        return await k.notifier.read_mmu_invalidate_seq()

    async def must_retry(self, k: GuardedMirror, seq: int) -> bool:
        """What a fault checks before it maps the page."""
        return await k.notifier.mmu_invalidate_retry(seq)

    async def fault(self, k: GuardedMirror) -> None:
        while True:
            seq = await self.sample(k)
            page = await k.cpu.get_user_pages(VA)
            if page is None:
                return
            await k.update.mutex_lock()
            if await self.must_retry(k, seq):
                await k.update.mutex_unlock()
                await page.put_page()
                continue
            # redundant: a fault that never maps its page is not a bad state
            await k.gpu.map(VA, page)
            await k.update.mutex_unlock()
            await page.put_page()
            return
