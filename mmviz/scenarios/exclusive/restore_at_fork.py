"""Fork takes the page back from the device.

What was merged lets fork make an exclusive entry present again before it copies it.  No further
notification is needed: fork runs inside a notifier bracket anyway.  But the order is not that of a
fault.  A fault locks the page first and notifies then, so a driver that holds the page lock can be
sure that it will still be notified.  Fork notifies first and asks for the page lock when it comes
to the entry: a driver may map in between and unlock, and fork then restores the entry of a page
that the GPU has.  The driver's sequence check closes that, and not the page lock.

Promise: The GPU has the page only while neither the parent nor the child has it for the CPU.

Memory model: sequentially consistent; entries are changed under the page-table locks.

Simplified:
    As in mmviz/kernel/mm/exclusive_mm.py and mmviz/kernel/driver/svm.py.
    The page is not pinned, so fork shares it; what becomes of a pinned one is in
    exclusive/copy_at_fork.
    Fork's trylock, restoring and copying are done in one hold of the page-table locks, so they are
    one step.
    Where fork finds the page locked it fails, a price and not a bad state here.
    In SleepOnPageLock neither the page lock nor the restoring under it changes a verdict: the next
    look at the entry would do both (NoPageLock).
    One fork at a time, so mmap_lock matters to the test driver alone.
    A loop that brings the page in first is not in the kernel: nouveau's own is a livelock, which
    its clock ends after one second (exclusive/retry_loop).
    No CPU writes here: with one, too, all stays safe, but even the loop that brings the page in
    first is a livelock.

Sources:
    <9244031.kThbcIvB84@nvdebian> restoring at fork would be simpler
    mm/memory.c copy_nonpresent_pte(), try_restore_exclusive_pte(), copy_page_range()
    <20210407084238.20443-6-apopple@nvidia.com> v8 of the patch: fork sleeps on the page lock
    <20210407084238.20443-9-apopple@nvidia.com> v8, nouveau: the loop keeps the page
    b756a3b5e7ea (v5.14) mm: device exclusive memory access: fork fails on a locked page
    8f187163eb89 (v5.14) nouveau/svm: implement atomic SVM access: the loop keeps the page
    b3fefbb30a16 (v6.14) nouveau/svm: fix missing folio unlock + put
    Documentation/mm/hmm.rst: exclusive access lasts until the driver drops the page lock
    tools/testing/selftests/mm/hmm-tests.c exclusive_cow
"""

from errno import ENOENT

from mmviz.engine import Race, atomic, field
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.exclusive_mm import ExclusiveMm, FolioWalk
from mmviz.kernel.mm.fault import quiet
from mmviz.kernel.mm.fork import dup_mmap
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.vma import KeepsEntry, Vma
from mmviz.kernel.notifier.interval import MMU_NOTIFY_PROTECTION_PAGE
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import NOUVEAU_UNLOCK, READ, REWORK, V8, V11, V11_NOUVEAU
from mmviz.scenarios.exclusive.lock_or_sequence import dmirror_exclusive, page_lock_only
from mmviz.scenarios.exclusive.retry_loop import prefault, retry_keeps_page
from mmviz.scenarios.exclusive.worlds.svm import (
    GIVES_UP,
    Machine,
    atomic_range_fault,
    cpu_and_device_both_map,
    lock_and_sequence,
)


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
        """Make the exclusive entry present again, even if the page lock is held."""
        if self.pte is not None and self.pte.exclusive:
            self.pte = self.pte.restored()
        return -ENOENT


def unlocked() -> Family:
    """Build a family whose fork does not ask for the page lock."""
    return Family(mm=ExclusiveMm(vma=NoPageLock()))


def since_v615() -> Family:
    """Build a family with make_device_exclusive() and the one kind of entry of v6.15."""
    return Family(mm=FolioWalk(vma=KeepsEntry()))


def mapped_already() -> Family:
    """Build a family whose page the GPU has from the start."""
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
    """The parent forks, and no driver is notified."""
    await dup_mmap(k.mm.mmap_lock, k.mm.vma, k.child, k.childs_copy, quiet, quiet)


async def fork_that_sleeps(k: Family) -> None:
    """The parent forks, as in v8 of the patch: it sleeps on a locked page, and tries again."""
    await k.mm.mmap_lock.down_write()
    await k.mm.notifiers.invalidate_range_start(MMU_NOTIFY_PROTECTION_PAGE)
    while True:
        if await k.mm.vma.copy_pte_range(k.child, k.childs_copy):
            break
        await k.page.get_page()
        await k.page.lock_page()
        await k.mm.vma.restore_exclusive_pte(k.page)
        await k.page.unlock_page()
        await k.page.put_page()
    await k.mm.notifiers.mmu_notifier_invalidate_range_end()
    await k.mm.mmap_lock.up_write()


# A conversion against a fork of the same process.
race = Race(
    world=Family,
    actors={"CPU0": fork, "CPU1": atomic_range_fault},
    bad=(cpu_and_device_both_map, device_writes_childs_page),
)
UNANNOUNCED = race.actors | {"CPU0": fork_unannounced}
SLEEPS = race.actors | {"CPU0": fork_that_sleeps}


race.case(
    "F/F.5",
    "the driver trusts the page lock, and drops mmap_lock before it maps",
    name="PageLockOnly",
    of=page_lock_only,
    sometimes=[cpu_and_device_both_map, device_writes_childs_page],
    states=115,
    schedules={"the driver maps after it was notified": "CPU1*7 CPU0*6 CPU1*5 CPU0"},
    source=constructed("a driver that takes Documentation/mm/hmm.rst at its word"),
)

race.case(
    "F/F.7",
    "fork restores the entry outside any notifier bracket",
    name="NoBracket",
    of=prefault,
    actors=UNANNOUNCED,
    sometimes=[cpu_and_device_both_map, device_writes_childs_page],
    states=109,
    schedules={"the driver is never notified": "CPU1*17 CPU0*2"},
    source=constructed("what fork's notifier bracket is for"),
)

race.case(
    "F/F.1b-v5.14",
    "as merged in v5.14: the driver starts over with the page locked, and waits for itself",
    name="MergedAndLeak",
    of=retry_keeps_page,
    deadlock=True,
    states=130,
    schedules={"it waits for its own page lock": "CPU1*8 CPU0*9 CPU1*8"},
    source=shipped("v5.14", "v6.13", said=V11_NOUVEAU),
)

race.case(
    "F/F.1b",
    "as in v6.14: safe, but fork is the disturbance that the loop never gets over",
    name="MergedLoop",
    of=lock_and_sequence,
    livelock=True,
    states=167,
    note=GIVES_UP,
    schedules={"the loop never gets over the fork": "CPU0*9 CPU1*63"},
    source=shipped("v6.14", "v6.14", said=NOUVEAU_UNLOCK),
)

race.case(
    "F/F.1b-v6.15",
    "since v6.15: the same, with a driver that sleeps for the page lock",
    name="MergedLoopFolio",
    of=lock_and_sequence,
    world=since_v615,
    livelock=True,
    states=167,
    note=GIVES_UP,
    source=shipped("v6.15", said=REWORK, checked=READ),
)

race.case(
    "F/F.3",
    "v8 of the patch, and a driver that starts over with the page locked",
    name="SleepAndLeak",
    of=retry_keeps_page,
    actors=SLEEPS,
    deadlock=True,
    states=125,
    schedules={"fork waits for the driver, the driver for fork": "CPU1*8 CPU0*8 CPU1*3"},
    source=V8,
)

race.case(
    "F/F.2",
    "v8 of the patch: fork sleeps on the page lock, so that it need not fail",
    name="SleepOnPageLock",
    of=prefault,
    actors=SLEEPS,
    states=186,
    source=V8,
)

race.case(
    "F/F.4",
    "fork does not ask for the page lock: the sequence is what protects",
    name="NoPageLock",
    of=prefault,
    world=unlocked,
    states=168,
    source=constructed("that fork's page lock does not protect the driver"),
)

race.case(
    "F/F.6",
    "page lock only, but mmap_lock is held to the end, as by the test driver",
    name="MmapLockHeld",
    of=dmirror_exclusive,
    states=52,
    source=shipped("v5.14", "v6.14", said=V11),
)

race.case(
    "F/F.6-v6.15",
    "the test driver since v6.15",
    name="MmapLockHeldFolio",
    of=dmirror_exclusive,
    world=since_v615,
    states=52,
    note="no verdict changed: fork waits for mmap_lock as before",
    source=shipped("v6.15", said=REWORK, checked=READ),
)

race.case(
    "F/F.1",
    "fork as merged, and a driver with page lock, sequence and a loop that ends",
    name="FaultInFirst",
    of=prefault,
    states=208,
    note="fork() may fail with ENOMEM: it gives up on a page that is locked",
    schedules={"fork meets a locked page": "CPU1*11 CPU0*9 CPU1*4"},
    source=constructed("fork as merged against a loop that ends, which the kernel does not have"),
)

race.case(
    "F/F.8",
    "the GPU has had the page and faults again: the parent gets a page of its own",
    name="FaultAfterFork",
    of=prefault,
    world=mapped_already,
    states=218,
    schedules={"a page of its own for the parent": "CPU0*9 CPU1*24"},
    source=constructed("what the selftest exclusive_cow does, with a loop that ends"),
)
