"""invalidate_page() was called when the page-table lock was already dropped.

Reclaim unmaps one page: under the page-table lock it clears the CPU's entry, then it drops the
lock, and only then it calls the driver's invalidate_page().  In between, another CPU may fault
and get a fresh page at the same address, while the device goes on with the old one; what it
writes there is lost.  Memory stays safe as long as reclaim keeps its own page reference until
the callback has returned.

Promise: For one address the CPU and the device never see different pages.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    One address, two pages, one unmapping, one CPU fault, at most one device fault.
    get_user_pages() and handle_mm_fault() take and drop the page-table lock within one step:
    all they do between is guarded by it.  In try_to_unmap_one() the lock is taken in steps.
    The page lock and the swap entry are left out: nothing here looks at them.
    With range_start first, a device fault could bring the old entry back: see range_start_only.
    The driver's lock is a spinlock.  With a mutex the last case sleeps under a spinlock, which
    is what broke drivers in v4.11 (c7ab0d2fdc84); that is sleep_under_spinlock.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: the callback's first pitfall
    mm/rmap.c, v2.6.27 to v4.10: try_to_unmap_one(), page_mkclean_one()
    virt/kvm/kvm_main.c, until v4.13: kvm_mmu_notifier_invalidate_page() bumps the sequence
    c7ab0d2fdc84 (v4.11): the callback moves under the lock
    <20170831211738.17922-14-jglisse@redhat.com>: it is removed (v4.13)
"""

from typing import Any

from mmviz.engine import Case, Map, Verdict, World, at_end, expecting, field, mark
from mmviz.kernel.locks import SpinLock
from mmviz.kernel.notifier import MmuNotifier
from mmviz.kernel.page import Page
from mmviz.kernel.pagetable import DevicePageTable, PageTable
from mmviz.scenarios.invalidate_page import BRACKETED, CORE, WALKED

VA = "0x1000"


class Mirror(World):
    """A page mapped by the CPU and by the GPU; reclaim has a reference of its own on it."""

    cpu: PageTable = field(default_factory=lambda: PageTable(Map({VA: None})))
    gpu: DevicePageTable = field(default_factory=lambda: DevicePageTable(Map({VA: None})))
    update: SpinLock = field(default_factory=SpinLock)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)
    page: Page = field(default_factory=lambda: Page(pfn=7, refs=2))
    fresh: Page = field(default_factory=lambda: Page(pfn=8, refs=0))

    def __post_init__(self) -> None:
        self.cpu.pte[VA] = self.gpu.pte[VA] = self.page


def device_reads_freed_page(k: Mirror) -> bool:
    """The device reaches a page that was freed, and with it whatever somebody else keeps there."""
    page = k.gpu.pte[VA]
    return page is not None and page.is_free


@at_end
def device_keeps_stale_entry(k: Mirror) -> bool:
    """All is done, and the device still works on a page that the process has lost."""
    page = k.gpu.pte[VA]
    return page is not None and page is not k.cpu.pte[VA]


def cpu_and_device_disagree(k: Mirror) -> bool:
    """CPU and device use different pages for one address: each misses what the other writes."""
    ours, theirs = k.cpu.pte[VA], k.gpu.pte[VA]
    return ours is not None and theirs is not None and ours is not theirs


@at_end
def page_refs_out_of_balance(k: Mirror) -> bool:
    """In the end a page's references do not add up: its memory is lost, or freed in use."""
    return any(page.refs != (k.cpu.pte[VA] is page) for page in (k.page, k.fresh))


async def invalidate_page(k: Any) -> None:
    """The driver's callback: it must not sleep."""
    await k.update.spin_lock()
    await k.notifier.bump_mmu_invalidate_seq()
    await k.gpu.unmap(VA)
    await k.update.spin_unlock()


class CallbackAfterUnlock:
    """Clears and unlocks, then calls; reclaim puts its own reference last."""

    async def try_to_unmap_one(self, k: Mirror) -> None:
        """Reclaim takes the page away: clear, unlock, and only then tell the driver."""
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_clear_flush(VA)
        await k.page.put_page()  # the mapping's reference
        await k.cpu.ptl.spin_unlock()
        await invalidate_page(k)
        await k.page.put_page()  # reclaim's own, in shrink_page_list()


class PagePutBeforeCallback:
    """The same, but nobody keeps the page until the callback has returned."""

    async def try_to_unmap_one(self, k: Mirror) -> None:
        """Reclaim takes the page away, puts its reference, and then tells the driver."""
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_clear_flush(VA)
        await k.page.put_page()
        await k.cpu.ptl.spin_unlock()
        await k.page.put_page()
        await invalidate_page(k)


class CallbackUnderLock:
    """Calls while nobody else can map anything at the address."""

    async def try_to_unmap_one(self, k: Mirror) -> None:
        """Reclaim takes the page away, and tells the driver under the lock."""
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_clear_flush(VA)
        await invalidate_page(k)
        await k.page.put_page()
        await k.cpu.ptl.spin_unlock()
        await k.page.put_page()


class CallbackBeforeLock:
    """Calls range_start before it takes the lock, and range_end when the page is unmapped."""

    async def try_to_unmap_one(self, k: Mirror) -> None:
        """Reclaim tells the driver, and then takes the page away."""
        await invalidate_page(k)  # range_start; this driver has no range_end
        await k.cpu.ptl.spin_lock()
        await k.cpu.ptep_clear_flush(VA)
        await k.page.put_page()
        await k.cpu.ptl.spin_unlock()
        await k.page.put_page()


async def do_user_addr_fault(k: Mirror) -> None:
    """The process touches the address again, on another CPU."""
    await k.cpu.handle_mm_fault(VA, k.fresh)


async def fault(k: Any) -> None:
    """The device faults; the driver looks at the sequence before it maps, as KVM does."""
    while True:
        mark("again")
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


BAD = (
    device_reads_freed_page,
    device_keeps_stale_entry,
    cpu_and_device_disagree,
    page_refs_out_of_balance,
)


def case(
    reclaim: Any,
    variant: str,
    title: str,
    states: int,
    name: str = "",
    device_faults: bool = False,
    expect: dict[Any, Verdict] | None = None,
    **more: Any,
) -> Case:
    """Unmap the page on CPU0 while CPU1 touches the address, and perhaps the device too."""
    return Case(
        name=name or type(reclaim).__name__,
        id=variant,
        title=title,
        world=Mirror,
        actors={
            "CPU0": reclaim.try_to_unmap_one,
            "CPU1": do_user_addr_fault,
            **({"GPU": fault} if device_faults else {}),
        },
        bad=BAD,
        expect=expecting(BAD, expect),
        states=states,
        **more,
    )


SOMETIMES, ALWAYS = Verdict.SOMETIMES, Verdict.ALWAYS

CASES = (
    case(
        CallbackAfterUnlock(),
        "MN-A/A0",
        "the callback comes after the lock is dropped, as shipped v2.6.27 to v4.10",
        states=26,
        expect={cpu_and_device_disagree: SOMETIMES},
        shipped=("v2.6.27", "v4.10"),
        schedules={"a fresh page in between": "CPU0*4 CPU1 CPU0*5"},
        proposed=CORE,
    ),
    case(
        PagePutBeforeCallback(),
        "MN-A/A0b",
        "the last page reference is put before the callback comes",
        states=26,
        expect={device_reads_freed_page: ALWAYS, cpu_and_device_disagree: SOMETIMES},
        kind="ordering",
        schedules={"freed under the device": "CPU0*5 CPU1 CPU0*4"},
    ),
    case(
        CallbackAfterUnlock(),
        "MN-A/A0k",
        "late callback, but faults look at a sequence number, as KVM had it",
        states=231,
        name="SequenceChecked",
        device_faults=True,
        expect={cpu_and_device_disagree: SOMETIMES},
        shipped=("v2.6.27", "v4.10"),
        schedules={"a fresh page in between": "CPU0*4 CPU1 CPU0*5 GPU*7"},
        proposed=CORE,
    ),
    case(
        CallbackUnderLock(),
        "MN-A/A1",
        "the callback comes under the page-table lock, as v4.11 has it",
        states=192,
        device_faults=True,
        shipped=("v4.11", "v4.12"),
        schedules={"the fault has to try again": "CPU0*2 GPU CPU0*6 CPU1 CPU0 GPU*12"},
        proposed=WALKED,
    ),
    case(
        CallbackBeforeLock(),
        "MN-A/A3",
        "range_start before the lock is taken, as merged v4.13; the device does not fault",
        states=22,
        shipped=("v4.13", ""),
        schedules={"a fresh page comes when the device has let go": "CPU0*8 CPU1 CPU0"},
        proposed=BRACKETED,
    ),
)

SPARE = {
    "CallbackBeforeLock: await k.cpu.ptl.spin_lock()": (
        "The device has let go of the page already; a CPU that faults earlier is as welcome."
    ),
}
