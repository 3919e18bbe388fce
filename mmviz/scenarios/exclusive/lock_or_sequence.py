"""The page lock or the sequence: what keeps a driver's new mapping true.

A GPU's driver hides a page from the CPU and then lets the GPU at it.  Between the two, the page
may be taken back: by a CPU that touches it, by MADV_DONTNEED, by mprotect, by fork.  Whoever takes
it back tells the driver first, but the driver has mapped nothing yet, so it has nothing to clear;
then it maps.  The page lock keeps a touching CPU waiting, because a fault takes the lock before it
tells.  Nobody else takes it.  So the driver begins a read section before it looks anything up,
and maps only if no invalidation came meanwhile; it checks that under the mutex that its callback
takes as well.

Promise: What the GPU may do with the page is never more than the process's own entry stands for.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/exclusive_mm.py and mmviz/kernel/svm.py; what the GPU has under way when it
    is unmapped is left out (exclusive/atomic_loses_update).
    The driver gives up where it finds the page locked or gone, as v5.14 to v6.14 do.
    SequenceOnly is safe, but may never come to an end (exclusive/retry_loop).  So in
    LockAndSequence the page lock and mmap_lock could both be left out of any one actor without harm
    here: mmap_lock keeps the mapping itself from going away, which nothing here does.
    dmirror_exclusive() converts a whole range before it maps; here the range is one page.

Sources:
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_atomic_range_fault()
    lib/test_hmm.c dmirror_exclusive(): mmap_lock to the end, and no sequence
    mm/rmap.c make_device_exclusive_range(); mm/mmu_notifier.c mmu_interval_read_begin()
    b756a3b5e7ea (v5.14) mm: device exclusive memory access
    8f187163eb89 (v5.14) nouveau/svm: implement atomic SVM access
"""

from collections.abc import Callable, Coroutine
from typing import Any

from mmviz.engine import Case, Verdict, World, field, mark
from mmviz.kernel.entry import Pte
from mmviz.kernel.exclusive_mm import ExclusiveMm
from mmviz.kernel.page import Page
from mmviz.kernel.svm import Svmm, nouveau_atomic_range_fault

Actor = Callable[["Machine"], Coroutine[Any, Any, None]]
NEVER, SOMETIMES = Verdict.NEVER, Verdict.SOMETIMES


class Machine(World):
    """A process with one page, and the driver of a GPU that wants it."""

    page: Page = field(default_factory=lambda: Page(7))
    mm: ExclusiveMm = field(default_factory=ExclusiveMm)
    svmm: Svmm = field(default_factory=Svmm)

    def __post_init__(self) -> None:
        self.mm.vma.pte = Pte(self.page)
        self.mm.notifiers.intervals = (self.svmm,)


def cpu_and_device_both_map(k: Machine) -> bool:
    """The device was promised the page for its atomics, the CPU has it too: updates get lost."""
    pte = k.mm.vma.pte
    return k.svmm.gpu.exclusive and pte is not None and not pte.exclusive


def device_keeps_stale_entry(k: Machine) -> bool:
    """The device still maps a page that the process has lost, and nobody will tell it any more."""
    page, pte = k.svmm.gpu.page, k.mm.vma.pte
    lost = page is not None and (pte is None or pte.page is not page)
    return lost and k.mm.notifiers.active_invalidate_ranges == 0


def write_after_mprotect(k: Machine) -> bool:
    """mprotect() has made the memory read-only and returned, yet CPU or device can write it."""
    if k.mm.vma.vm_write or k.mm.mmap_lock.writer is not None:
        return False
    pte = k.mm.vma.pte
    return k.svmm.gpu.page is not None or (pte is not None and pte.is_writable)


BAD = (cpu_and_device_both_map, device_keeps_stale_entry, write_after_mprotect)


async def page_lock_only(k: Machine) -> None:
    """The page stays locked until it is mapped; nobody asks what happened meanwhile."""
    await k.mm.mmap_lock.down_read()
    page = await k.mm.make_device_exclusive_range(k.svmm.cookie)
    await k.mm.mmap_lock.up_read()
    if page is None:
        return
    await k.svmm.mutex.mutex_lock()
    await k.svmm.gpu.map_atomic(page)
    await k.svmm.mutex.mutex_unlock()
    await page.unlock_page()
    await page.put_page()


async def dmirror_exclusive(k: Machine) -> None:
    """As the kernel's test driver: mmap_lock is held until all is done."""
    await k.mm.mmap_lock.down_read()
    page = await k.mm.make_device_exclusive_range(k.svmm.cookie)
    if page is not None:
        await k.svmm.mutex.mutex_lock()
        await k.svmm.gpu.map_atomic(page)
        await k.svmm.mutex.mutex_unlock()
        await page.unlock_page()
        await page.put_page()
    await k.mm.mmap_lock.up_read()


async def no_guard(k: Machine) -> None:
    """The page is let go before it is mapped, and nobody asks what happened meanwhile."""
    await k.mm.mmap_lock.down_read()
    page = await k.mm.make_device_exclusive_range(k.svmm.cookie)
    await k.mm.mmap_lock.up_read()
    if page is None:
        return
    await page.unlock_page()
    await page.put_page()
    await k.svmm.mutex.mutex_lock()
    await k.svmm.gpu.map_atomic(page)
    await k.svmm.mutex.mutex_unlock()


async def lock_and_sequence(k: Machine) -> None:
    """As nouveau: the page lock, and the interval notifier's sequence."""
    await nouveau_atomic_range_fault(k.mm, k.svmm)


async def sequence_only(k: Machine) -> None:
    """The sequence guards the mapping; the page is let go before it."""
    while True:
        mark("again")
        await k.svmm.mmu_interval_read_begin()
        await k.mm.mmap_lock.down_read()
        page = await k.mm.make_device_exclusive_range(k.svmm.cookie)
        await k.mm.mmap_lock.up_read()
        if page is None:
            return
        await page.unlock_page()
        await page.put_page()
        await k.svmm.mutex.mutex_lock()
        retry = await k.svmm.mmu_interval_read_retry()
        if not retry:
            await k.svmm.gpu.map_atomic(page)
        await k.svmm.mutex.mutex_unlock()
        if not retry:
            return


async def write(k: Machine) -> None:
    """User code writes to the page."""
    await k.mm.write()


async def madvise_dontneed(k: Machine) -> None:
    """User code throws the page away."""
    await k.mm.madvise_dontneed()


async def mprotect(k: Machine) -> None:
    """User code makes the mapping read-only."""
    await k.mm.mprotect()


def case(
    name: str,
    id: str,
    title: str,
    driver: Actor,
    others: dict[str, Actor],
    states: int,
    both: Verdict = NEVER,
    stale: Verdict = NEVER,
    protected: Verdict = NEVER,
    shipped: tuple[str, str] | None = None,
    schedule: str = "",
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Let a driver make the page exclusive while others come for it."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=Machine,
        actors={"CPU1": driver, **others},
        bad=BAD,
        expect={
            "cpu_and_device_both_map": both,
            "device_keeps_stale_entry": stale,
            "write_after_mprotect": protected,
        },
        states=states,
        shipped=shipped,
        schedules={"taken back before it is mapped": schedule} if schedule else {},
        proposed=proposed,
    )


CASES = (
    case(
        "NoGuard",
        "B/B.8",
        "the page is unlocked before it is mapped, no sequence: a CPU touches it",
        no_guard,
        {"CPU0": write},
        states=119,
        both=SOMETIMES,
        schedule="CPU1*9 CPU0*16 CPU1*2",
    ),
    case(
        "PageLockAgainstFault",
        "B/B.6",
        "page lock only: a CPU touches the page",
        page_lock_only,
        {"CPU0": write},
        states=82,
    ),
    case(
        "PageLockAgainstZap",
        "B/B.6z",
        "page lock only: MADV_DONTNEED",
        page_lock_only,
        {"CPU0": madvise_dontneed},
        states=180,
        stale=SOMETIMES,
        schedule="CPU1*7 CPU0*10 CPU1*2",
    ),
    case(
        "PageLockAgainstMprotect",
        "B/B.6p",
        "page lock only: mprotect",
        page_lock_only,
        {"CPU0": mprotect},
        states=93,
        protected=SOMETIMES,
        schedule="CPU1*7 CPU0*10 CPU1*2",
    ),
    case(
        "MmapLockAgainstMprotect",
        "B/B.6m",
        "as the test driver: mmap_lock held to the end, against a CPU and mprotect",
        dmirror_exclusive,
        {"CPU0": write, "CPU2": mprotect},
        states=191,
        shipped=("v5.14", ""),
        proposed=("2021-06-16", "<20210616105937.23201-8-apopple@nvidia.com>"),
    ),
    case(
        "MmapLockAgainstZap",
        "B/B.6mz",
        "as the test driver: MADV_DONTNEED takes mmap_lock for reading, too",
        dmirror_exclusive,
        {"CPU0": madvise_dontneed},
        states=185,
        stale=SOMETIMES,
        shipped=("v5.14", ""),
        schedule="CPU1*6 CPU0*10 CPU1*2",
        proposed=("2021-06-16", "<20210616105937.23201-8-apopple@nvidia.com>"),
    ),
    case(
        "SequenceOnly",
        "B/B.7",
        "sequence only: the page is unlocked before it is mapped",
        sequence_only,
        {"CPU0": write, "CPU2": madvise_dontneed, "CPU3": mprotect},
        states=3541,
    ),
    case(
        "LockAndSequence",
        "B/B.1",
        "page lock and sequence, as nouveau since v6.14: against all three",
        lock_and_sequence,
        {"CPU0": write, "CPU2": madvise_dontneed, "CPU3": mprotect},
        states=3229,
        shipped=("v6.14", ""),
        proposed=("2025-01-24", "<20250124181524.3584236-2-david@redhat.com>"),
    ),
)

SPARE = {
    "await k.mm.mprotect()": "Without mprotect nothing is made read-only, and nothing is at stake.",
    "await k.mm.madvise_dontneed()": "Without it nobody takes the page away.",
    "await self.vma.mprotect_fixup(flag)": "A mapping that stays writable may be written.",
    "await self.notifiers.mmu_notifier_invalidate_range_end()": "This driver does not ask.",
    "await k.svmm.mmu_interval_read_begin()": "Then it starts over until the page is gone.",
    "await svmm.mmu_interval_read_begin()": "Then it starts over until the page is gone.",
    "await k.mm.mmap_lock.down_read()": "The mapping itself, which it keeps, is not modelled.",
    "await mm.mmap_lock.down_read()": "The mapping itself, which it keeps, is not modelled.",
    "await self.mmap_lock.down_read()": "The mapping itself, which it keeps, is not modelled.",
    "await k.svmm.gpu.map_atomic(page)": "Who never maps the page does no harm.",
    "await svmm.gpu.map_atomic(page)": "Who never maps the page does no harm.",
    "await nouveau_atomic_range_fault(k.mm, k.svmm)": "Who never maps the page does no harm.",
    "await page.put_page()": "A reference too many keeps memory; exclusive/retry_loop judges that.",
}
