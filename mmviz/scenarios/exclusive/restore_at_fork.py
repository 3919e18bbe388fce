"""Fork takes the page back from the device.

What was merged lets fork make an exclusive entry present again before it copies it.  Nobody else is
asked to notify the driver: fork runs inside a notifier bracket anyway.  But the order is not that
of a fault.  A fault locks the page first and notifies then, so a driver that holds the page lock
can be sure that it will still be told.  Fork notifies first and asks for the page lock when it
comes to the entry: a driver may map in between and unlock, and fork then restores the entry of a
page that the GPU has.  The driver's sequence check closes that, and not the page lock.

Promise: The GPU has the page only while neither the parent nor the child has it for the CPU.

Memory model: sequentially consistent; entries are changed under the page-table locks.

Simplified:
    As in mmviz/kernel/exclusive_mm.py and mmviz/kernel/svm.py.  The page is not pinned, so fork
    shares it; what becomes of a pinned one is in exclusive/copy_at_fork.
    Fork's trylock, restoring and copying are done in one hold of the page-table locks, so they are
    one step.  Where fork finds the page locked it fails, a price and no bad state here.
    In SleepOnPageLock neither the page lock nor the restoring under it changes a verdict: the next
    look at the entry would do both (NoPageLock).  One fork at a time, so mmap_lock matters to the
    test driver alone.
    SleepAndLeak with fork as merged: fork fails and goes its way, the driver waits for itself
    (exclusive/retry_loop).
    A loop that brings the page in first is not in the kernel: nouveau's own need not end
    (exclusive/retry_loop).  No CPU writes here: with one, too, all stays safe, but even that loop
    need not end.

Sources:
    <9244031.kThbcIvB84@nvdebian> restoring at fork would be simpler
    mm/memory.c copy_nonpresent_pte(), try_restore_exclusive_pte(), copy_page_range()
    b756a3b5e7ea (v5.14) mm: device exclusive memory access; v8 of the patch slept on the page lock
    tools/testing/selftests/mm/hmm-tests.c exclusive_cow
"""

from collections.abc import Callable, Coroutine
from errno import ENOENT
from typing import Any

from mmviz.engine import Case, Verdict, atomic, field, mark
from mmviz.kernel.entry import CowMapping, Pte
from mmviz.kernel.exclusive_mm import ExclusiveMm
from mmviz.kernel.fault import quiet
from mmviz.kernel.fork import dup_mmap
from mmviz.kernel.interval_notifier import MMU_NOTIFY_PROTECTION_PAGE
from mmviz.kernel.page import Page
from mmviz.kernel.vma import Vma
from mmviz.scenarios.exclusive.lock_or_sequence import (
    Actor,
    Machine,
    cpu_and_device_both_map,
    dmirror_exclusive,
    lock_and_sequence,
    page_lock_only,
)
from mmviz.scenarios.exclusive.retry_loop import prefault, retry_keeps_page

NEVER, SOMETIMES = Verdict.NEVER, Verdict.SOMETIMES


class Family(Machine):
    """The same machine, with a child to be and a free page for each of them."""

    child: CowMapping = field(default_factory=CowMapping)
    childs_copy: Page = field(default_factory=lambda: Page(9, refs=0))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mm.copy = Page(8, refs=0)


class NoPageLock(Vma):
    """A mapping whose entry fork restores without asking for the page lock."""

    @atomic("mm/memory.c")
    def copy_nonpresent_pte(self, child: CowMapping) -> int:
        """Make the exclusive entry present again, whoever holds the page lock."""
        if self.pte is not None and self.pte.exclusive:
            self.pte = self.pte.restored()
        return -ENOENT


def unlocked() -> Family:
    """Return a family whose fork does not ask for the page lock."""
    return Family(mm=ExclusiveMm(vma=NoPageLock()))


def mapped_already() -> Family:
    """Return a family whose page the GPU has from the start."""
    k = Family()
    k.mm.vma.pte = Pte(k.page, exclusive=True)
    k.svmm.gpu.page, k.svmm.gpu.exclusive = k.page, True
    return k


def device_writes_childs_page(k: Family) -> bool:
    """The GPU may write a page that the child has, too: the child's memory changes by itself."""
    return k.child.pte is not None and k.child.pte.page is k.svmm.gpu.page


async def fork(k: Family) -> None:
    """The parent forks, as merged: inside a notifier bracket, failing on a locked page."""
    await dup_mmap(
        k.mm.mmap_lock,
        k.mm.vma,
        k.child,
        k.childs_copy,
        lambda: k.mm.notifiers.invalidate_range_start(MMU_NOTIFY_PROTECTION_PAGE),
        k.mm.notifiers.mmu_notifier_invalidate_range_end,
    )


async def fork_unannounced(k: Family) -> None:
    """The parent forks, and no driver is told."""
    await dup_mmap(k.mm.mmap_lock, k.mm.vma, k.child, k.childs_copy, quiet, quiet)


async def fork_that_sleeps(k: Family) -> None:
    """The parent forks, as in v8 of the patch: it sleeps on a locked page, and tries again."""
    await k.mm.mmap_lock.down_write()
    await k.mm.notifiers.invalidate_range_start(MMU_NOTIFY_PROTECTION_PAGE)
    while True:
        mark("copy_pte_range")
        if await k.mm.vma.copy_pte_range(k.child, k.childs_copy):
            break
        await k.page.get_page()
        await k.page.lock_page()
        await k.mm.vma.restore_exclusive_pte(k.page)
        await k.page.unlock_page()
        await k.page.put_page()
    await k.mm.notifiers.mmu_notifier_invalidate_range_end()
    await k.mm.mmap_lock.up_write()


def case(
    name: str,
    id: str,
    title: str,
    driver: Actor,
    states: int,
    forks: Callable[[Family], Coroutine[Any, Any, None]] = fork,
    world: Callable[[], Family] = Family,
    both: Verdict = NEVER,
    childs: Verdict = NEVER,
    stuck: bool = False,
    livelock: bool = False,
    shipped: tuple[str, str] | None = None,
    note: str = "",
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Race a conversion against a fork of the same process."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=world,
        actors={"CPU0": forks, "CPU1": driver},
        bad=(cpu_and_device_both_map, device_writes_childs_page),
        expect={"cpu_and_device_both_map": both, "device_writes_childs_page": childs},
        states=states,
        stuck=stuck,
        livelock=livelock,
        shipped=shipped,
        note=note,
        schedules=schedules or {},
        proposed=proposed,
    )


CASES = (
    case(
        "PageLockOnly",
        "F/F.5",
        "the driver trusts the page lock, and drops mmap_lock before it maps",
        page_lock_only,
        states=115,
        both=SOMETIMES,
        childs=SOMETIMES,
        schedules={"the driver maps after it was told": "CPU1*7 CPU0*6 CPU1*5 CPU0"},
    ),
    case(
        "NoBracket",
        "F/F.7",
        "fork restores the entry outside any notifier bracket",
        prefault,
        states=112,
        forks=fork_unannounced,
        both=SOMETIMES,
        childs=SOMETIMES,
        schedules={"the driver is never told": "CPU1*17 CPU0*2"},
    ),
    case(
        "MergedLoop",
        "F/F.1b",
        "as merged in v5.14: safe, but fork is the disturbance that the loop never gets over",
        lock_and_sequence,
        states=167,
        livelock=True,
        shipped=("v5.14", ""),
        schedules={"the loop never gets over the fork": "CPU0*9 CPU1*63"},
        proposed=("2021-06-16", "<20210616105937.23201-8-apopple@nvidia.com>"),
    ),
    case(
        "SleepAndLeak",
        "F/F.3",
        "v8 of the patch, and a driver that starts over with the page locked",
        retry_keeps_page,
        states=125,
        forks=fork_that_sleeps,
        stuck=True,
        schedules={"fork waits for the driver, the driver for fork": "CPU1*8 CPU0*8 CPU1*3"},
        proposed=("2021-04-07", "<20210407084238.20443-6-apopple@nvidia.com>"),
    ),
    case(
        "SleepOnPageLock",
        "F/F.2",
        "v8 of the patch: fork sleeps on the page lock, so that it need not fail",
        prefault,
        states=189,
        forks=fork_that_sleeps,
        proposed=("2021-04-07", "<20210407084238.20443-6-apopple@nvidia.com>"),
    ),
    case(
        "NoPageLock",
        "F/F.4",
        "fork does not ask for the page lock: the sequence is what protects",
        prefault,
        states=171,
        world=unlocked,
    ),
    case(
        "MmapLockHeld",
        "F/F.6",
        "page lock only, but mmap_lock is held to the end, as by the test driver",
        dmirror_exclusive,
        states=52,
        shipped=("v5.14", ""),
        proposed=("2021-06-16", "<20210616105937.23201-8-apopple@nvidia.com>"),
    ),
    case(
        "FaultInFirst",
        "F/F.1",
        "fork as merged, and a driver with page lock, sequence and a loop that ends",
        prefault,
        states=211,
        note="fork() may fail with ENOMEM: it gives up on a page that is locked",
        schedules={"fork meets a locked page": "CPU1*11 CPU0*9 CPU1*4"},
    ),
    case(
        "FaultAfterFork",
        "F/F.8",
        "the GPU has had the page and faults again: the parent gets a page of its own",
        prefault,
        states=221,
        world=mapped_already,
        schedules={"a page of its own for the parent": "CPU0*9 CPU1*24"},
    ),
)

SPARE = {
    "MmapLockHeld: await k.svmm.mutex.mutex_lock()": "The mutex guards what is a single step here.",
    "MmapLockHeld: await k.svmm.gpu.map_atomic(page)": (
        "Who never maps the page can do no harm with it."
    ),
    "MmapLockHeld: await page.unlock_page()": (
        "fork that finds the page locked gives up, which is its right."
    ),
    "MmapLockHeld: await page.put_page()": (
        "A reference too many keeps memory; exclusive/retry_loop judges that."
    ),
}
