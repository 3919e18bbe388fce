"""A driver that hears range_start and remembers nothing.

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
    That a fault maps its page in the end is no bad state here; the tests look at it.
    The driver's own lock around the map and the unmap is left out where nothing else is
    guarded by it.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: many drivers have only range_start
    drivers/gpu/drm/amd/amdgpu/amdgpu_mn.c, v4.13: amdgpu_mn_invalidate_range_start()
    mm/memory.c: zap_page_range(), zap_pte_range(), handle_mm_fault()
    e649b3f0188f (v5.8), 0a8a5f2c8c26 (v6.5): the same hole in KVM's APIC page, closed twice
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from mmviz.engine import Case, Map, Verdict, World, at_end, expecting, field, mark
from mmviz.kernel.locks import Mutex
from mmviz.kernel.notifier import MmuNotifier, MmuNotifierOps, MmuNotifierSubscriptions
from mmviz.kernel.page import Page
from mmviz.kernel.pagetable import DevicePageTable, PageTable
from mmviz.scenarios.invalidate_page import RECOMMENDED

VA = "0x1000"


class Mirror(World):
    """One page, mapped by the CPU and mirrored by the GPU, and a fresh page for later."""

    cpu: PageTable = field(default_factory=lambda: PageTable(Map({VA: None})))
    gpu: DevicePageTable = field(default_factory=lambda: DevicePageTable(Map({VA: None})))
    mm: MmuNotifierSubscriptions = field(default_factory=MmuNotifierSubscriptions)
    page: Page = field(default_factory=lambda: Page(pfn=7))
    fresh: Page = field(default_factory=lambda: Page(pfn=8, refs=0))

    def __post_init__(self) -> None:
        self.cpu.pte[VA] = self.gpu.pte[VA] = self.page


class PinnedMirror(Mirror):
    """The driver holds a reference on each page its device can reach."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.page.refs += 1


class GuardedMirror(Mirror):
    """The driver has a lock, and two words to remember invalidations by."""

    update: Mutex = field(default_factory=Mutex)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)


def device_reads_freed_page(k: Mirror) -> bool:
    """The device reaches a page that was freed, and with it whatever somebody else keeps there."""
    page = k.gpu.pte[VA]
    return page is not None and page.is_free


def device_keeps_stale_entry(k: Mirror) -> bool:
    """No invalidation is under way, yet the device works on a page the process has lost."""
    page = k.gpu.pte[VA]
    return k.mm.active_invalidate_ranges == 0 and page is not None and page is not k.cpu.pte[VA]


def cpu_and_device_disagree(k: Mirror) -> bool:
    """CPU and device use different pages for one address: each misses what the other writes."""
    ours, theirs = k.cpu.pte[VA], k.gpu.pte[VA]
    return ours is not None and theirs is not None and ours is not theirs


@at_end
def page_refs_out_of_balance(k: Mirror) -> bool:
    """In the end a page's references do not add up: its memory is lost, or freed in use."""
    pins = k.gpu.pte[VA] if isinstance(k, PinnedMirror) else None
    return any(page.refs != (k.cpu.pte[VA] is page) + (pins is page) for page in (k.page, k.fresh))


class Driver(MmuNotifierOps):
    """What a driver brings: its callbacks, and the handler of its device's faults."""

    async def fault(self, k: Any) -> None:
        """The device does not fault."""


async def zap_page_range(k: Mirror, driver: MmuNotifierOps) -> None:
    """What madvise(MADV_DONTNEED) does, whatever the driver: the page is freed last."""
    await k.mm.mmu_notifier_invalidate_range_start()
    await driver.invalidate_range_start(k)
    page = await k.cpu.zap_pte_range(VA)
    await driver.invalidate_range_end(k)
    await k.mm.mmu_notifier_invalidate_range_end()
    if page is not None:
        await page.put_page()  # tlb_finish_mmu()


async def zap_full_batch(k: Mirror, driver: MmuNotifierOps) -> None:
    """The same with a full gather batch, which is freed on the way."""
    await k.mm.mmu_notifier_invalidate_range_start()
    await driver.invalidate_range_start(k)
    page = await k.cpu.zap_pte_range(VA)
    if page is not None:
        await page.put_page()  # tlb_flush_mmu()
    await driver.invalidate_range_end(k)
    await k.mm.mmu_notifier_invalidate_range_end()


async def do_user_addr_fault(k: Mirror) -> None:
    """The process touches the address again, on another CPU."""
    await k.cpu.handle_mm_fault(VA, k.fresh)


class RangeStartOnly(Driver):
    """Clears the device's entry when told to, and forgets."""

    async def invalidate_range_start(self, k: Mirror) -> None:
        await k.gpu.unmap(VA)

    async def fault(self, k: Mirror) -> None:
        page = await k.cpu.get_user_pages(VA)
        if page is None:
            return
        await k.gpu.map(VA, page)  # nothing stops this undoing the unmap
        await page.put_page()


class PinWhileMapped(RangeStartOnly):
    """Keeps the reference of get_user_pages() for as long as the device has the page."""

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


class SequenceAndCounter(Driver):
    """Counts invalidations, and looks before it maps: as KVM and umem_odp do."""

    async def invalidate_range_start(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.notifier.kvm_mmu_invalidate_begin()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()

    async def invalidate_range_end(self, k: GuardedMirror) -> None:
        await k.update.mutex_lock()
        await k.notifier.kvm_mmu_invalidate_end()
        await k.update.mutex_unlock()

    async def sample(self, k: GuardedMirror) -> int:
        """What a fault remembers before it looks the page up."""
        return await k.notifier.read_mmu_invalidate_seq()

    async def must_retry(self, k: GuardedMirror, seq: int) -> bool:
        """What a fault asks before it maps the page."""
        return await k.notifier.mmu_invalidate_retry(seq)

    async def fault(self, k: GuardedMirror) -> None:
        while True:
            mark("again")
            seq = await self.sample(k)
            page = await k.cpu.get_user_pages(VA)
            if page is None:
                return
            await k.update.mutex_lock()
            if await self.must_retry(k, seq):
                await k.update.mutex_unlock()
                await page.put_page()
                continue
            await k.gpu.map(VA, page)
            await k.update.mutex_unlock()
            await page.put_page()
            return


BAD = (device_reads_freed_page, device_keeps_stale_entry, cpu_and_device_disagree)


def case(
    driver: Driver,
    variant: str,
    title: str,
    states: int,
    fails: tuple[Any, ...] = (),
    always: tuple[Any, ...] = (),
    world: Callable[[], Mirror] = GuardedMirror,
    zap: Callable[..., Any] = zap_page_range,
    invalidators: int = 1,
    name: str = "",
    bad: tuple[Any, ...] = (*BAD, page_refs_out_of_balance),
    schedules: Mapping[str, str] = MappingProxyType({}),
    **more: Any,
) -> Case:
    """Let CPUs give the page up and another touch the address, while the device faults."""
    cpus = {f"CPU{i}": partial(zap, driver=driver) for i in range(invalidators)}
    verdicts = dict.fromkeys(fails, Verdict.SOMETIMES) | dict.fromkeys(always, Verdict.ALWAYS)
    return Case(
        name=name or type(driver).__name__,
        id=variant,
        title=title,
        world=world,
        actors={**cpus, f"CPU{invalidators}": do_user_addr_fault, "GPU": driver.fault},
        bad=bad,
        expect=expecting(bad, verdicts),
        states=states,
        schedules=schedules,
        **more,
    )


CASES = (
    case(
        RangeStartOnly(),
        "MN-D/D0",
        "range_start clears the entry and that is all, as many drivers did in v4.13",
        states=91,
        fails=BAD,
        world=Mirror,
        shipped=("v4.13", "v5.4"),
        schedules={
            "undone before the CPU clears": "CPU0*2 GPU*3 CPU0*3",
            "looked up before and mapped after": "GPU CPU0*5 GPU*2",
        },
        proposed=RECOMMENDED,
    ),
    case(
        PinWhileMapped(),
        "MN-D/D1",
        "the driver keeps a page reference for as long as its device has the page",
        states=87,
        fails=(device_keeps_stale_entry, cpu_and_device_disagree),
        world=PinnedMirror,
        schedules={"safe memory and stale for ever": "CPU0*3 GPU*2 CPU0*3 CPU1"},
    ),
    case(
        SequenceAndCounter(),
        "MN-D/D4",
        "count invalidations, and check under the driver's lock before mapping",
        states=261,
        shipped=("v2.6.27", ""),
        schedules={"the fault has to try again": "CPU0*5 GPU*5 CPU0*6 GPU*3 CPU1"},
        proposed=RECOMMENDED,
    ),
)

SPARE = {
    "await k.gpu.map(VA, page)": (
        "That a fault maps its page is no bad state: the next invalidation may take it away."
    ),
    "SequenceAndCounter: await k.update.mutex_lock()": (
        "Both words are written in one step; order_of_the_words writes them in two."
    ),
}
