"""Any number of faults, invalidators and pages, for measuring the search.

Several device faults and several invalidations meet on one or more pages.  A fault samples
the sequence, looks the page up, and under the driver's lock decides whether to map it; it
tries once.  With the counter and the sequence no page is ever mapped too late, whatever the
number of actors.  With the sequence alone one fault and one invalidation are enough.

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
from typing import Any, Final, Literal

from mmviz.engine import Case, Map, Race, World, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier
from mmviz.kernel.provenance import constructed
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios.invalidate_page import KVM
from mmviz.scenarios.invalidate_page.worlds.mirror import device_reads_freed_page

ALONE: Final = constructed("the sequence alone fails, whatever the size")


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


def mirrors(pages: int) -> Mirrors:
    """Return a world with some pages."""
    return Mirrors(tuple(Page(pfn=7 + i) for i in range(pages)))


async def fault(k: Mirrors, check: "SequenceOnly", va: str) -> None:
    """The device faults once; its driver maps the page if no invalidation has come in between."""
    seq = await k.notifier.read_mmu_invalidate_seq()
    page = await k.cpu.hmm_range_fault(va)
    if page is None:
        return
    await k.update.mutex_lock()
    if await check.in_progress(k):
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


def sized(faults: int, invalidators: int, pages: int) -> dict[str, Any]:
    """Return the world and the actors of a size; those of one page are interchangeable."""
    gpus = {f"GPU{i}": partial(fault, va=address(i % pages)) for i in range(faults)}
    cpus = {f"CPU{i}": partial(zap_page_range, va=address(i % pages)) for i in range(invalidators)}
    same = [tuple(actors)[page::pages] for actors in (gpus, cpus) for page in range(pages)]
    return {
        "world": partial(mirrors, pages),
        "actors": gpus | cpus,
        "interchangeable": tuple(members for members in same if len(members) > 1),
    }


# One fault and one invalidation of one page; `family` has other sizes.
race = Race("MN-E", **sized(1, 1, 1), bad=(device_reads_freed_page,))


@race.case(
    "E2 1x1x1",
    "faults: 1, invalidators: 1, pages: 1, checked: sequence",
    name="SequenceOnly1x1x1",
    sometimes=[device_reads_freed_page],
    states=68,
    source=ALONE,
)
class SequenceOnly:
    """A fault checks the sequence alone."""

    async def in_progress(self, k: Mirrors) -> bool:
        """What a fault checks before the sequence."""
        return False


@race.case(
    "E0 1x1x1",
    "faults: 1, invalidators: 1, pages: 1, checked: both",
    name="SequenceAndCounter1x1x1",
    states=60,
    source=KVM,
)
class SequenceAndCounter(SequenceOnly):
    """A fault checks the counter and the sequence."""

    async def in_progress(self, k: Mirrors) -> bool:
        return await k.notifier.read_mmu_invalidate_in_progress() > 0


race.case(
    "E0 2x2x1",
    "faults: 2, invalidators: 2, pages: 1, checked: both",
    name="SequenceAndCounter2x2x1",
    of=SequenceAndCounter,
    **sized(2, 2, 1),
    states=696,
    source=KVM,
)
race.case(
    "E0 2x2x2",
    "faults: 2, invalidators: 2, pages: 2, checked: both",
    name="SequenceAndCounter2x2x2",
    of=SequenceAndCounter,
    **sized(2, 2, 2),
    states=2698,
    source=KVM,
)

CHECKS: Final[dict[str, tuple[str, Any, dict[str, Any]]]] = {
    "both": ("E0", SequenceAndCounter, {"source": KVM}),
    "sequence": ("E2", SequenceOnly, {"source": ALONE, "sometimes": [device_reads_freed_page]}),
}


def family(
    faults: int = 2,
    invalidators: int = 2,
    pages: int = 1,
    check: Literal["both", "sequence"] = "both",
    states: int = 0,
) -> Case:
    """Return one member of the family.

    Args:
        faults: device faults, called GPU0, GPU1, …
        invalidators: CPUs that invalidate, called CPU0, CPU1, …
        pages: pages they are spread over.
        check: what a fault checks before it maps the page, under the driver's lock.
        states: the declared number of states, 0 for "not declared".
    """
    section, variant, claims = CHECKS[check]
    size = f"{faults}x{invalidators}x{pages}"
    return race.build(
        f"{section} {size}",
        f"faults: {faults}, invalidators: {invalidators}, pages: {pages}, checked: {check}",
        of=variant,
        name=f"{variant.__name__}{size}",
        states=states,
        **sized(faults, invalidators, pages),
        **claims,
    )
