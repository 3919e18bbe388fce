"""What a CPU's fault must do before it has an exclusive page back.

A CPU touches a page that a GPU has to itself.  The fault looks at the entry, sleeps for the page
lock, has the driver clear the GPU's entry, and only then makes its own entry present.  While it
sleeps, the state changes: another CPU may have taken the page back already, and the user may have
thrown the page away, so that the fault waits for the lock of a free page.  So the fault takes a
reference before it sleeps, and reads the entry again before it changes it.

Promise: The CPU gets the page after the GPU has lost it, and it gets no page that is gone.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/mm/exclusive_mm.py.
    The page starts with the GPU; the driver acts by its callback alone.
    lock_page_or_retry(), since v7 of the patch, may drop mmap_lock while it waits, and the fault
    starts over; here it waits where it is, and mmap_lock is left out.
    A free page stays with the allocator; in the kernel another process may have it by then, and
    lock it.
    One CPU is enough to have a page freed while it is locked.  The stored run has a second CPU,
    which locks a page that is free.
    The fix names a racing thread that removes the entry and unmaps the page; here MADV_DONTNEED
    does that.
    The page lock is the driver's protection, so with no driver at work it changes nothing here.
    Without the second look two CPUs alone do no harm in v5.14 to v6.14 either: only the mapcount
    would be wrong (exclusive/entry_ledger).

Sources:
    mm/memory.c remove_device_exclusive_entry(), restore_exclusive_pte()
    <20210326000805.2518-6-apopple@nvidia.com> v7: lock_page_or_retry() instead of lock_page()
    b756a3b5e7ea (v5.14) mm: device exclusive memory access
    7c7b962938dd (v6.3) mm: take a page reference when removing device exclusive entries
    720ba85040a6 (v6.15) taking a page back is announced as MMU_NOTIFY_CLEAR
    9a914592140e (v6.15) the restored entry is writable if the mapping is
"""

from functools import partial

from mmviz.engine import Race, atomic
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.exclusive_mm import ExclusiveMm, RestoreClears
from mmviz.kernel.mm.fault import quiet, remove_device_exclusive_entry
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.vma import KeepsEntry, Vma
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import FAULT_REFERENCE, READ, REWORK, V11
from mmviz.scenarios.exclusive.worlds.svm import (
    Machine,
    cpu_and_device_both_map,
    device_keeps_stale_entry,
    madvise_dontneed,
    write,
)


class Taken(Machine):
    """The same machine, with the page under an exclusive entry and mapped by the GPU."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mm.vma.pte = Pte(self.page, exclusive=True)
        self.svmm.gpu.page, self.svmm.gpu.exclusive = self.page, True


def taken(mm: type[ExclusiveMm] = ExclusiveMm, vma: type[Vma] = Vma) -> Taken:
    """Build the machine with the fault and the mapping of a kernel."""
    return Taken(mm=mm(vma=vma()))


def free_page_in_use(k: Taken) -> bool:
    """A page that is free is locked or mapped: its next owner shares it without knowing."""
    mapped = k.mm.vma.pte is not None and k.mm.vma.pte.page is k.page
    return k.page.is_free and (mapped or k.page.locked is not None)


async def again(k: Taken) -> None:
    """A second thread writes to the page."""
    await k.mm.write()


race = Race(
    "B",
    world=taken,
    actors={"CPU0": write, "CPU1": again, "CPU2": madvise_dontneed},
    bad=(cpu_and_device_both_map, device_keeps_stale_entry, free_page_in_use),
)
TWO_CPUS = {"CPU0": write, "CPU1": again}


class NoReference(ExclusiveMm):
    """v5.14: the fault sleeps on the page lock without a reference on the page."""

    async def remove_device_exclusive_entry(self, page: Page) -> None:
        """Lock, notify, restore."""
        await remove_device_exclusive_entry(
            self.vma,
            page,
            lambda: self.notifiers.invalidate_range_start(self.restore_event),
            self.notifiers.mmu_notifier_invalidate_range_end,
        )


race.case(
    "B.2",
    "v5.14 to v6.2: no reference is taken; two CPUs touch the page, which is not freed",
    name="NoReferenceTwoCpus",
    of=NoReference,
    world=partial(taken, NoReference),
    actors=TWO_CPUS,
    states=178,
    source=shipped("v5.14", "v6.2", said=V11),
)


race.case(
    "B.2z",
    "v5.14 to v6.2: no reference is taken, and MADV_DONTNEED frees the page",
    name="NoReference",
    of=NoReference,
    world=partial(taken, NoReference),
    sometimes=[free_page_in_use],
    states=1886,
    schedules={"the page goes away meanwhile": "CPU0*3 CPU1*3 CPU0*11 CPU2*8 CPU1"},
    source=shipped("v5.14", "v6.2", said=V11),
)


class UncheckedVma(Vma):
    """A mapping whose entry is restored without a second look at it."""

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Write the entry as it would have been restored when the fault began."""
        self.pte = Pte(page)
        return True


race.case(
    "B.3",
    "the entry is restored without a second look at it",
    name="NoSecondLook",
    of=UncheckedVma,
    world=partial(taken, vma=UncheckedVma),
    sometimes=[free_page_in_use],
    states=3204,
    schedules={"the page goes away meanwhile": "CPU0*10 CPU2*10 CPU0*3"},
    source=constructed("shows what the second look is for"),
)


class NoNotifier(ExclusiveMm):
    """The fault notifies no driver."""

    async def remove_device_exclusive_entry(self, page: Page) -> None:
        """Take a reference, lock, restore."""
        await remove_device_exclusive_entry(self.vma, page, quiet, quiet, reference=True)


race.case(
    "B.4",
    "the fault notifies no driver",
    name="NoNotifier",
    of=NoNotifier,
    world=partial(taken, NoNotifier),
    actors=TWO_CPUS,
    always=[cpu_and_device_both_map],
    kind="ordering",
    states=107,
    source=constructed("shows what the notification is for"),
)


class NotifierAfter(ExclusiveMm):
    """The fault restores the entry, then notifies the drivers."""

    async def remove_device_exclusive_entry(self, page: Page) -> None:
        """Take a reference, lock, restore, notify."""
        await remove_device_exclusive_entry(self.vma, page, quiet, self.tell_late, reference=True)

    async def tell_late(self) -> None:
        """Run the drivers' callbacks, now that the entry is present."""
        await self.notifiers.invalidate_range_start(self.restore_event)
        await self.notifiers.mmu_notifier_invalidate_range_end()


race.case(
    "B.5",
    "the fault restores the entry, then notifies the drivers",
    name="NotifierAfter",
    of=NotifierAfter,
    world=partial(taken, NotifierAfter),
    actors=TWO_CPUS,
    always=[cpu_and_device_both_map],
    kind="ordering",
    states=302,
    source=constructed("shows that the notification must come first"),
)


race.case(
    "B.1",
    "v6.3 to v6.14: reference, page lock, drivers, second look, restore",
    name="ReferenceAndSecondLook",
    of=ExclusiveMm,
    states=2560,
    source=shipped("v6.3", "v6.14", said=FAULT_REFERENCE),
)

race.case(
    "B.1-v6.15",
    "since v6.15: the same, announced as MMU_NOTIFY_CLEAR; the mapping decides the entry's rights",
    name="RestoreAsksTheMapping",
    of=RestoreClears,
    world=partial(taken, RestoreClears, KeepsEntry),
    states=2560,
    note="no verdict changed: the second look finds what came first",
    source=shipped("v6.15", said=REWORK, checked=READ),
)
