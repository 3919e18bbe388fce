"""A write fault publishes the copy before the original is unmapped from the device.

After a fork two processes share a page.  One writes, and the kernel gives it a copy: the entry
now names another page.  If the new entry is set before the device is notified, another CPU can
store into the copy while the device still reads the original.  So the kernel clears the entry,
notifies the device, and only then sets the new entry.  If the new page has the same content and
is write-protected, as when KSM merges pages, the device may be notified later.

Promise: What the CPU has stored at an address, the device reads there.

Memory model: sequentially consistent; the device's walk is one step and takes no lock.

Simplified:
    One address, one change of its entry, one store by another CPU, one walk by the device.
    The device only reads.
    A store that finds a shared page would copy it in turn; here the store is given up.
    KSM write-protects the page and compares it before it replaces it; that has happened.
    The old page is put last, except where a full gather batch is freed on the way.
    Since v6.6 ptep_clear_flush() notifies the device itself, as a part of the flush.
    The reference model names the freed page alone for the late notification; this model finds
    the old data as well, since a store can reach a fresh page before the device is notified.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: invalidate_range() under the lock
    Documentation/vm/mmu_notifier.rst, v4.15: the two cases in which the device must be notified
    under the lock, a page freed before range_end and an entry that names a new page
    mm/memory.c: wp_page_copy(), zap_page_range()
    mm/ksm.c: replace_page()
    0f10851ea475 (v4.15): mm/mmu_notifier: avoid double notification when it is useless
    1af5a8109904 (v6.6): invalidate_range() is tied to the TLB flush
"""

from typing import Any

from mmviz.engine import Race, field
from mmviz.kernel.mm.page_data import DataPage
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.scenarios.invalidate_page import UNDER_PTL
from mmviz.scenarios.invalidate_page.worlds.copying import CopiedMirror, wp_page_copy
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    VA,
    device_keeps_stale_entry,
    device_reads_freed_page,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import device_faults, zap_full_batch
from mmviz.scenarios.invalidate_page.worlds.walking import HardwareWalks, ToldAtEnd


class MergedMirror(CopiedMirror):
    """The new page is KSM's: it has the same content, and is write-protected."""

    fresh: DataPage = field(default_factory=lambda: DataPage(pfn=8))


def device_reads_old_data(k: CopiedMirror) -> bool:
    """The device reads what was there before the process stored, and works with old data."""
    ours, theirs = k.cpu.pte[VA], k.gpu.pte[VA]
    return isinstance(ours, DataPage) and isinstance(theirs, DataPage) and ours.data != theirs.data


async def change_entry(k: CopiedMirror, variant: Any) -> None:
    """The kernel changes the entry of the address."""
    await variant.change_entry(k)


async def store(k: CopiedMirror) -> None:
    """Another thread of the process stores at the address."""
    if not await k.store(VA, "new"):
        await k.cpu.handle_mm_fault(VA, k.fresh)
        await k.store(VA, "new")


# CPU0 changes the entry while CPU1 stores at the address and the device reads it.
race = Race(
    world=CopiedMirror,
    actors={"CPU0": change_entry, "CPU1": store, "GPU": device_faults},
    bad=(
        device_reads_freed_page,
        device_keeps_stale_entry,
        device_reads_old_data,
        page_refs_out_of_balance,
    ),
)


@race.case(
    "MN-G/G6",
    "the new entry is set, and then the device is notified",
    sometimes=[device_reads_old_data],
    states=107,
    schedules={"stored before the device is told": "CPU0*4 CPU1"},
    source=constructed("the order that Documentation/vm/mmu_notifier.rst warns of, its case B"),
)
class NewPageFirst(HardwareWalks):
    """The new entry takes the place of the old one before the device is notified."""

    async def change_entry(self, k: CopiedMirror) -> None:
        """wp_page_copy(), in the wrong order."""
        await k.fresh.copy_user_highpage(k.page)
        await k.mm.mmu_notifier_invalidate_range_start()
        await self.invalidate_range_start(k)
        await k.cpu.ptl.spin_lock()
        await k.cpu.set_pte_at(VA, k.fresh)
        await self.invalidate_range(k)
        await k.cpu.ptl.spin_unlock()
        await self.invalidate_range_end(k)
        await k.mm.mmu_notifier_invalidate_range_end()
        await k.page.put_page()


@race.case(
    "MN-G/G8",
    "the device is notified at range_end, and the page is freed on the way",
    sometimes=[device_reads_freed_page, device_reads_old_data],
    kind="ordering",
    states=84,
    schedules={"freed, and stored elsewhere": "CPU0*3 CPU1*3"},
    source=constructed("the order that Documentation/vm/mmu_notifier.rst warns of, its case A"),
)
class FreedBeforeNotify(ToldAtEnd):
    """The page is freed with a full gather batch, before range_end."""

    async def change_entry(self, k: CopiedMirror) -> None:
        """madvise(MADV_DONTNEED) takes the page away."""
        await zap_full_batch(k, self)


@race.case(
    "MN-G/G9",
    "KSM sets a page with the same content, and the device is notified at range_end",
    states=104,
    world=MergedMirror,
    schedules={"the old page, and the same in it": "CPU0*5 GPU CPU1*3 CPU0*3"},
    source=shipped(
        "v4.15",
        "v6.5",
        said=proposed_elsewhere("2017-09-01", "<20170901173011.10745-1-jglisse@redhat.com>"),
    ),
)
class SameContentNotifiedLate(ToldAtEnd):
    """KSM gives the address a page with the same content, and does not notify under the lock."""

    async def change_entry(self, k: CopiedMirror) -> None:
        """replace_page()."""
        await k.mm.mmu_notifier_invalidate_range_start()
        await self.invalidate_range_start(k)
        await k.cpu.ptl.spin_lock()
        # redundant: the content is the same, so the two pages cannot be told apart in between
        await k.cpu.ptep_clear_flush(VA)
        await k.cpu.set_pte_at(VA, k.fresh)
        await k.cpu.ptl.spin_unlock()
        await self.invalidate_range_end(k)
        # redundant: an open invalidation only hides a stale entry, and there is none
        await k.mm.mmu_notifier_invalidate_range_end()
        await k.page.put_page()


@race.case(
    "MN-G/G7",
    "the entry is cleared, the device is notified, the new entry is set",
    states=112,
    schedules={"the store has to wait": "CPU0*5 CPU1 CPU0*2 CPU1*2 CPU0*2"},
    source=shipped("v3.19", said=UNDER_PTL, checked=("v6.19", "2026-11-28")),
)
class ClearNotifySet(HardwareWalks):
    """The device is notified while the entry is clear."""

    async def change_entry(self, k: CopiedMirror) -> None:
        """wp_page_copy(), as it is."""
        await wp_page_copy(k, self)
