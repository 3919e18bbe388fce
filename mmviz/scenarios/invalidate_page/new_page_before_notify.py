"""A write fault publishes the copy before the device has let go of the original.

After a fork two processes share a page.  One writes, and the kernel gives it a copy: the entry
now names another page.  If the new entry is set before the device is told, another CPU can
store into the copy while the device still reads the original.  So the kernel clears the entry,
tells the device, and only then sets the new one.  When the new page holds the same and nobody
may write to it, as when KSM merges pages, the device may hear of it later.

Promise: What the CPU has stored at an address, the device reads there.

Memory model: sequentially consistent; the device's walk is one step and takes no lock.

Simplified:
    One address, one change of its entry, one store by another CPU, one walk by the device.
    The device only reads.  A store that finds a shared page would copy it in turn; here it is
    given up.
    KSM write-protects the page and compares it before it replaces it; that has happened.
    The old page is put last, except where a full gather batch is freed on the way.
    The reference names the freed page alone for the late notification; the model finds the old
    data as well, since a store can reach a fresh page before the device is told.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: invalidate_range() under the lock
    Documentation/vm/mmu_notifier.rst, v4.15: the two cases, and what else may wait
    mm/memory.c: wp_page_copy(), zap_page_range(); mm/ksm.c: replace_page()
    0f10851ea475 (v4.15): mm/mmu_notifier: avoid double notification when it is useless
"""

from typing import Any

from mmviz.engine import Case, Verdict, atomic, expecting, field
from mmviz.kernel.notifier import MmuNotifierOps
from mmviz.kernel.page import Page
from mmviz.kernel.page_data import DataPage
from mmviz.scenarios.invalidate_page import UNDER_PTL
from mmviz.scenarios.invalidate_page.range_start_only import (
    VA,
    Driver,
    Mirror,
    device_keeps_stale_entry,
    device_reads_freed_page,
    page_refs_out_of_balance,
    zap_full_batch,
)
from mmviz.scenarios.invalidate_page.told_under_ptl import HardwareWalks


class CopiedMirror(Mirror):
    """A shared page, mirrored by the device, and a page for the copy."""

    page: DataPage = field(default_factory=lambda: DataPage(pfn=7))
    fresh: DataPage = field(
        default_factory=lambda: DataPage(pfn=8, refs=0, data="zero", shared=False)
    )

    @atomic("hardware")
    def store(self, address: str, value: str) -> bool:
        """The CPU stores through its entry if it may write; else it faults."""
        page = self.cpu.pte[address]
        if not isinstance(page, DataPage) or page.shared:
            return False
        page.data = value
        return True


class MergedMirror(CopiedMirror):
    """The new page is KSM's: it holds the same, and nobody may write to it."""

    fresh: DataPage = field(default_factory=lambda: DataPage(pfn=8))


def device_reads_old_data(k: CopiedMirror) -> bool:
    """The device reads what was there before the process stored, and works with old data."""
    ours, theirs = k.cpu.pte[VA], k.gpu.pte[VA]
    return isinstance(ours, DataPage) and isinstance(theirs, DataPage) and ours.data != theirs.data


async def wp_page_copy(
    k: CopiedMirror, driver: MmuNotifierOps, new: DataPage | None = None
) -> None:
    """Clear the entry, tell under the lock, then set the new one."""
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


async def wp_page_copy_set_first(k: CopiedMirror, driver: MmuNotifierOps) -> None:
    """Set the new entry in place of the old one, and tell then."""
    await k.fresh.copy_user_highpage(k.page)
    await k.mm.mmu_notifier_invalidate_range_start()
    await driver.invalidate_range_start(k)
    await k.cpu.ptl.spin_lock()
    await k.cpu.set_pte_at(VA, k.fresh)
    await driver.invalidate_range(k)
    await k.cpu.ptl.spin_unlock()
    await driver.invalidate_range_end(k)
    await k.mm.mmu_notifier_invalidate_range_end()
    await k.page.put_page()


async def replace_page(k: MergedMirror, driver: MmuNotifierOps) -> None:
    """KSM gives the address a page with the same content; nobody is told under the lock."""
    await k.mm.mmu_notifier_invalidate_range_start()
    await driver.invalidate_range_start(k)
    await k.cpu.ptl.spin_lock()
    await k.cpu.ptep_clear_flush(VA)
    await k.cpu.set_pte_at(VA, k.fresh)
    await k.cpu.ptl.spin_unlock()
    await driver.invalidate_range_end(k)
    await k.mm.mmu_notifier_invalidate_range_end()
    await k.page.put_page()


class ToldAtEnd(HardwareWalks):
    """Implements invalidate_range(), and hears it from range_end, which implies it."""

    async def invalidate_range_end(self, k: Mirror) -> None:
        await self.invalidate_range(k)


async def store(k: CopiedMirror) -> None:
    """Another thread of the process stores at the address."""
    if not await k.store(VA, "new"):
        await k.cpu.handle_mm_fault(VA, k.fresh)
        await k.store(VA, "new")


BAD = (
    device_reads_freed_page,
    device_keeps_stale_entry,
    device_reads_old_data,
    page_refs_out_of_balance,
)


def case(
    name: str,
    variant: str,
    title: str,
    states: int,
    change: Any,
    driver: Driver,
    fails: tuple[Any, ...] = (),
    world: type[CopiedMirror] = CopiedMirror,
    **more: Any,
) -> Case:
    """Change the entry on CPU0 while CPU1 stores at the address and the device reads it."""
    return Case(
        name=name,
        id=variant,
        title=title,
        world=world,
        actors={"CPU0": lambda k: change(k, driver), "CPU1": store, "GPU": driver.fault},
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(fails, Verdict.SOMETIMES)),
        states=states,
        **more,
    )


CASES = (
    case(
        "NewPageFirst",
        "MN-G/G6",
        "the new entry is set, and then the device is told",
        107,
        wp_page_copy_set_first,
        HardwareWalks(),
        (device_reads_old_data,),
        schedules={"stored before the device is told": "CPU0*4 CPU1"},
    ),
    case(
        "FreedBeforeNotify",
        "MN-G/G8",
        "the device is told at range_end, and the page is freed on the way",
        84,
        zap_full_batch,
        ToldAtEnd(),
        (device_reads_freed_page, device_reads_old_data),
        kind="ordering",
        schedules={"freed, and stored elsewhere": "CPU0*3 CPU1*3"},
    ),
    case(
        "SameContentNotifiedLate",
        "MN-G/G9",
        "KSM sets a page with the same content, and the device is told at range_end",
        104,
        replace_page,
        ToldAtEnd(),
        world=MergedMirror,
        schedules={"the old page, and the same in it": "CPU0*5 GPU CPU1*3 CPU0*3"},
        shipped=("v4.15", "v6.5"),
        proposed=("2017-09-01", "<20170901173011.10745-1-jglisse@redhat.com>"),
    ),
    case(
        "ClearNotifySet",
        "MN-G/G7",
        "the entry is cleared, the device is told, the new entry is set",
        112,
        wp_page_copy,
        HardwareWalks(),
        shipped=("v3.19", ""),
        schedules={"the store has to wait": "CPU0*5 CPU1 CPU0*2 CPU1*2 CPU0*2"},
        proposed=UNDER_PTL,
    ),
)

SPARE = {
    "SameContentNotifiedLate: await k.cpu.ptep_clear_flush(VA)": (
        "The content is the same, so in between nobody can tell the pages apart."
    ),
    "await k.mm.mmu_notifier_invalidate_range_end()": (
        "An invalidation that never ends only hides a stale entry, and there is none."
    ),
}
