"""invalidate_page() was called when the page-table lock was already dropped.

Reclaim unmaps one page: under the page-table lock it clears the CPU's entry, then it drops the
lock, and only then it calls the driver's invalidate_page().  In between, another CPU may fault
and get a fresh page at the same address, while the device goes on with the old one; what it
writes there is lost.  Memory stays safe as long as reclaim keeps its own page reference until
the callback has returned.

Promise: For one address the CPU and the device never use different pages.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    One address, two pages, one unmapping, one CPU fault, at most one device fault.
    get_user_pages() and handle_mm_fault() take and drop the page-table lock within one step:
    all they do between is guarded by it.  In try_to_unmap_one() the lock is taken in steps.
    The page lock and the swap entry are left out: nothing here looks at them.
    With range_start first, a device fault could bring the old entry back: see range_start_only.
    The driver's lock is a spinlock.  With a mutex the case under the lock sleeps in atomic
    context, which is what broke drivers in v4.11 (c7ab0d2fdc84); that is sleep_under_spinlock.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: the callback's first pitfall
    mm/rmap.c, v2.6.27 to v4.10: try_to_unmap_one(), page_mkclean_one()
    virt/kvm/kvm_main.c, until v4.13: kvm_mmu_notifier_invalidate_page() bumps the sequence
    c7ab0d2fdc84 (v4.11): the callback moves under the lock; posted as
    <20170129173858.45174-8-kirill.shutemov@linux.intel.com>
    <20170831211738.17922-14-jglisse@redhat.com>: the callback is removed (v4.13)
    mm/rmap.c, v7.0: try_to_unmap_one() still calls range_start before it walks
"""

from typing import Protocol

from mmviz.engine import Map, Race, World, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.locks import SpinLock
from mmviz.scenarios.invalidate_page import BRACKETED, CORE, WALKED
from mmviz.scenarios.invalidate_page.worlds.judged_at_end import device_keeps_stale_entry
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    VA,
    cpu_and_device_disagree,
    device_reads_freed_page,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.sequence_alone import fault, invalidate_page
from mmviz.scenarios.invalidate_page.worlds.unmapping import do_user_addr_fault


class ReclaimedMirror(World):
    """A page mapped by the CPU and by the GPU; reclaim has a reference of its own on it."""

    cpu: PageTable = field(default_factory=lambda: PageTable(Map({VA: None})))
    gpu: DevicePageTable = field(default_factory=lambda: DevicePageTable(Map({VA: None})))
    update: SpinLock = field(default_factory=SpinLock)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)
    page: Page = field(default_factory=lambda: Page(pfn=7, refs=2))
    fresh: Page = field(default_factory=lambda: Page(pfn=8, refs=0))

    def __post_init__(self) -> None:
        self.cpu.pte[VA] = self.gpu.pte[VA] = self.page


class Reclaim(Protocol):
    async def try_to_unmap_one(self, k: ReclaimedMirror) -> None: ...


async def shrink_page_list(k: ReclaimedMirror, reclaim: Reclaim) -> None:
    """Reclaim takes the page away."""
    await reclaim.try_to_unmap_one(k)


# CPU0 unmaps the page while CPU1 touches the address; the device may fault, too.
race = Race(
    world=ReclaimedMirror,
    actors={"CPU0": shrink_page_list, "CPU1": do_user_addr_fault},
    bad=(
        device_reads_freed_page,
        device_keeps_stale_entry,
        cpu_and_device_disagree,
        page_refs_out_of_balance,
    ),
)


@race.case(
    "MN-A/A0",
    "the callback comes after the lock is dropped, as shipped v2.6.27 to v4.10",
    sometimes=[cpu_and_device_disagree],
    states=26,
    schedules={"a fresh page in between": "CPU0*4 CPU1 CPU0*5"},
    source=shipped("v2.6.27", "v4.10", said=CORE),
)
class CallbackAfterUnlock:
    """Clears and unlocks, then calls; reclaim puts its own reference last."""

    async def try_to_unmap_one(self, k: ReclaimedMirror) -> None:
        """Reclaim takes the page away: clear, unlock, and only then notify."""
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_clear_flush(VA)
        await k.page.put_page()  # the mapping's reference
        await k.cpu.ptl.spin_unlock()
        await invalidate_page(k)
        await k.page.put_page()  # reclaim's own, in shrink_page_list()


@race.case(
    "MN-A/A0b",
    "the last page reference is put before the callback comes",
    always=[device_reads_freed_page],
    sometimes=[cpu_and_device_disagree],
    kind="ordering",
    states=26,
    schedules={"freed under the device": "CPU0*5 CPU1 CPU0*4"},
    source=constructed("what reclaim's own page reference is for"),
)
class PagePutBeforeCallback:
    """The same, but no reference keeps the page until the callback has returned."""

    async def try_to_unmap_one(self, k: ReclaimedMirror) -> None:
        """Reclaim takes the page away, puts its reference, and then notifies."""
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_clear_flush(VA)
        await k.page.put_page()
        await k.cpu.ptl.spin_unlock()
        await k.page.put_page()
        await invalidate_page(k)


race.case(
    "MN-A/A0k",
    "late callback, but faults check a sequence number, as in KVM",
    name="SequenceChecked",
    of=CallbackAfterUnlock,
    actors=race.actors | {"GPU": fault},
    sometimes=[cpu_and_device_disagree],
    states=231,
    schedules={"a fresh page in between": "CPU0*4 CPU1 CPU0*5 GPU*7"},
    source=shipped("v2.6.27", "v4.10", said=CORE),
)


@race.case(
    "MN-A/A1",
    "the callback comes under the page-table lock, as in v4.11",
    actors=race.actors | {"GPU": fault},
    states=192,
    schedules={"the fault has to try again": "CPU0*2 GPU CPU0*6 CPU1 CPU0 GPU*12"},
    source=shipped("v4.11", "v4.12", said=WALKED),
)
class CallbackUnderLock:
    """Calls while the page-table lock keeps every CPU from mapping a page at the address."""

    async def try_to_unmap_one(self, k: ReclaimedMirror) -> None:
        """Reclaim takes the page away, and notifies under the lock."""
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_clear_flush(VA)
        await invalidate_page(k)
        await k.page.put_page()
        await k.cpu.ptl.spin_unlock()
        await k.page.put_page()


@race.case(
    "MN-A/A3",
    "range_start before the lock is taken, as merged v4.13; the device does not fault",
    states=22,
    schedules={"a fresh page comes when the device has let go": "CPU0*8 CPU1 CPU0"},
    source=shipped("v4.13", said=BRACKETED, checked=("v7.0", "2026-11-28")),
)
class CallbackBeforeLock:
    """Calls range_start before it takes the lock, and range_end when the page is unmapped."""

    async def try_to_unmap_one(self, k: ReclaimedMirror) -> None:
        """Reclaim notifies, and then takes the page away."""
        await invalidate_page(k)  # range_start; this driver has no range_end
        # redundant: the device has let go of the page, so a CPU may fault as early as it likes
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_clear_flush(VA)
        await k.page.put_page()
        await k.cpu.ptl.spin_unlock()
        await k.page.put_page()
