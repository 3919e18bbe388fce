"""Any number of faults, invalidators and pages, for measuring the search.

Several device faults and several invalidations meet on one or more pages.  A fault samples
the sequence, looks the page up, and under the driver's lock decides whether to map it; it
tries once.  With the counter and the sequence no page is ever mapped too late, however many
take part.  With the sequence alone one fault and one invalidation are enough.

Promise: The device reaches no page that the allocator has back.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    A fault tries once.  It takes no page reference, as hmm_range_fault() takes none.
    Fault i and invalidator i work on page i modulo the number of pages.
    The counter and the sequence are read in two steps of one lock section, and written in two.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: sequence number and active range counter
    virt/kvm/kvm_main.c: kvm_mmu_invalidate_begin(), kvm_mmu_invalidate_end()
    mm/hmm.c: hmm_range_fault()
"""

from functools import partial
from typing import Literal

from mmviz.engine import Case, Map, Verdict, World, expecting, field
from mmviz.kernel.locks import Mutex
from mmviz.kernel.notifier import MmuNotifier
from mmviz.kernel.page import Page
from mmviz.kernel.pagetable import DevicePageTable, PageTable
from mmviz.scenarios.invalidate_page import RECOMMENDED

Check = Literal["both", "sequence"]


class Mirrors(World):
    """Pages mapped by the CPU, none of them by the device yet."""

    pages: tuple[Page, ...]
    cpu: PageTable = field(default_factory=PageTable)
    gpu: DevicePageTable = field(default_factory=DevicePageTable)
    update: Mutex = field(default_factory=Mutex)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)

    def __post_init__(self) -> None:
        self.cpu.pte = Map({address(i): page for i, page in enumerate(self.pages)})
        self.gpu.pte = Map({address(i): None for i in range(len(self.pages))})


def address(page: int) -> str:
    """Return where a page is mapped."""
    return hex(0x1000 * (page + 1))


def device_reads_freed_page(k: Mirrors) -> bool:
    """The device reaches a page that was freed, and with it whatever somebody else keeps there."""
    return any(page is not None and page.is_free for page in k.gpu.pte.values())


async def fault(k: Mirrors, va: str, check: Check) -> None:
    """The device faults once; its driver maps the page if nothing has come in between."""
    seq = await k.notifier.read_mmu_invalidate_seq()
    page = await k.cpu.hmm_range_fault(va)
    if page is None:
        return
    await k.update.mutex_lock()
    if check == "both" and await k.notifier.read_mmu_invalidate_in_progress():
        await k.update.mutex_unlock()
        return
    if await k.notifier.mmu_invalidate_seq_changed(seq):
        await k.update.mutex_unlock()
        return
    await k.gpu.map(va, page)
    await k.update.mutex_unlock()


async def zap_page_range(k: Mirrors, va: str) -> None:
    """A process gives a page back."""
    await k.update.mutex_lock()
    await k.notifier.kvm_mmu_invalidate_begin()
    await k.gpu.unmap(va)
    await k.update.mutex_unlock()
    page = await k.cpu.zap_pte_range(va)
    if page is not None:
        await page.put_page()
    await k.update.mutex_lock()
    await k.notifier.bump_mmu_invalidate_seq()
    await k.notifier.drop_mmu_invalidate_in_progress()
    await k.update.mutex_unlock()


BAD = (device_reads_freed_page,)


def family(
    faults: int = 2, invalidators: int = 2, pages: int = 1, check: Check = "both", states: int = 0
) -> Case:
    """Return one member of the family.

    Args:
        faults: device faults, called GPU0, GPU1, …
        invalidators: CPUs that invalidate, called CPU0, CPU1, …
        pages: pages they are spread over.
        check: what a fault looks at before it maps the page, under the driver's lock.
        states: the declared number of states, 0 for "not declared".
    """
    gpus = {f"GPU{i}": partial(fault, va=address(i % pages), check=check) for i in range(faults)}
    cpus = {f"CPU{i}": partial(zap_page_range, va=address(i % pages)) for i in range(invalidators)}
    words = {"both": "SequenceAndCounter", "sequence": "SequenceOnly"}[check]
    verdict = Verdict.NEVER if check == "both" else Verdict.SOMETIMES
    size = f"{faults}x{invalidators}x{pages}"
    return Case(
        name=f"{words}{size}",
        id=f"MN-E/{'E0' if check == 'both' else 'E2'} {size}",
        title=f"faults: {faults}, invalidators: {invalidators}, pages: {pages}, checked: {check}",
        world=lambda: Mirrors(tuple(Page(pfn=7 + i) for i in range(pages))),
        actors={**gpus, **cpus},
        bad=BAD,
        expect=expecting(BAD, device_reads_freed_page=verdict),
        states=states,
        shipped=("v2.6.27", "") if check == "both" else None,
        proposed=RECOMMENDED if check == "both" else None,
    )


CASES = (
    family(1, 1, 1, "sequence", states=68),
    family(1, 1, 1, states=60),
    family(2, 2, 1, states=2652),
    family(2, 2, 2, states=2740),
)
