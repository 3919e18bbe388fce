"""A page that the CPU maps and a device mirrors, and what may be wrong with the mirror."""

from typing import Any, Final

from mmviz.engine import Map, World, at_end, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier, MmuNotifierSubscriptions
from mmviz.kernel.sync.locks import Mutex

VA: Final = "0x1000"


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
    """The driver holds a reference on each page that its device can reach."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.page.refs += 1


class GuardedMirror(Mirror):
    """The driver has a lock, and two words in which it records invalidations."""

    update: Mutex = field(default_factory=Mutex)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)


def device_reads_freed_page(k: Any) -> bool:
    """The device reaches a page that was freed, and the data of the page's next user."""
    return any(page is not None and page.is_free for page in k.gpu.pte.values())


def device_keeps_stale_entry(k: Any) -> bool:
    """No invalidation is under way, yet the device works on a page that the process has lost."""
    return k.mm.active_invalidate_ranges == 0 and any(
        page is not None and page is not k.cpu.pte[va] for va, page in k.gpu.pte.items()
    )


def cpu_and_device_disagree(k: Any) -> bool:
    """CPU and device use different pages for one address: each misses what the other writes."""
    ours, theirs = k.cpu.pte[VA], k.gpu.pte[VA]
    return ours is not None and theirs is not None and ours is not theirs


@at_end
def page_refs_out_of_balance(k: Any) -> bool:
    """In the end a page's references do not add up: its memory is leaked, or freed while in use."""
    pins = k.gpu.pte[VA] if isinstance(k, PinnedMirror) else None
    return any(page.refs != (k.cpu.pte[VA] is page) + (pins is page) for page in (k.page, k.fresh))


BAD: Final = (device_reads_freed_page, device_keeps_stale_entry, cpu_and_device_disagree)
"""Each of the three shows that the device works on a page that the process has lost."""
