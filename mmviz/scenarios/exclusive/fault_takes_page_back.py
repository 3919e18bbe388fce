"""What a CPU's fault must do before it has an exclusive page back.

A CPU touches a page that a GPU has to itself.  The fault looks at the entry, sleeps for the page
lock, has the driver clear the GPU's entry, and only then makes its own entry present.  While it
sleeps, the world goes on: another CPU may have taken the page back already, and the user may have
thrown it away, so that the lock it waits for is the lock of a free page.  So the fault takes a
reference before it sleeps, and looks at the entry once more before it changes it.

Promise: The CPU gets the page after the GPU has lost it, and it gets no page that is gone.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/exclusive_mm.py.  The page starts with the GPU, no driver acts but by its
    callback.  A free page stays with the allocator; in the kernel somebody else may have it by
    then, and lock it.
    One CPU is enough to have a page freed while it is locked; the stored run has the second one,
    which locks a page that is free.
    Upstream names migration as what frees the page; MADV_DONTNEED frees it just as well.
    The page lock is the driver's protection, so with no driver at work it changes nothing here.
    Two CPUs alone do no harm without the look at the entry either, in v5.14 to v6.14: nothing but
    the mapcount would show it (exclusive/entry_ledger).

Sources:
    mm/memory.c remove_device_exclusive_entry(), restore_exclusive_pte()
    7c7b962938dd (v6.3) mm: take a page reference when removing device exclusive entries
    b756a3b5e7ea (v5.14) mm: device exclusive memory access
"""

from mmviz.engine import Case, Verdict, atomic
from mmviz.kernel.entry import Pte
from mmviz.kernel.exclusive_mm import ExclusiveMm
from mmviz.kernel.fault import quiet, remove_device_exclusive_entry
from mmviz.kernel.interval_notifier import MMU_NOTIFY_CLEAR
from mmviz.kernel.page import Page
from mmviz.kernel.vma import Vma
from mmviz.scenarios.exclusive.lock_or_sequence import (
    Machine,
    cpu_and_device_both_map,
    device_keeps_stale_entry,
    madvise_dontneed,
    write,
)

NEVER, SOMETIMES = Verdict.NEVER, Verdict.SOMETIMES


class Taken(Machine):
    """The same machine, with the page under an exclusive entry and mapped by the GPU."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mm.vma.pte = Pte(self.page, exclusive=True)
        self.svmm.gpu.page, self.svmm.gpu.exclusive = self.page, True


def free_page_in_use(k: Taken) -> bool:
    """A page that is free is locked or mapped: its next owner shares it without knowing."""
    mapped = k.mm.vma.pte is not None and k.mm.vma.pte.page is k.page
    return k.page.is_free and (mapped or k.page.locked is not None)


class NoReference(ExclusiveMm):
    """v5.14: the fault sleeps on the page lock without a reference on the page."""

    async def remove_device_exclusive_entry(self, page: Page) -> None:
        """Lock, notify, restore."""
        await remove_device_exclusive_entry(
            self.vma,
            page,
            lambda: self.notifiers.invalidate_range_start(MMU_NOTIFY_CLEAR),
            self.notifiers.mmu_notifier_invalidate_range_end,
        )


class NoNotifier(ExclusiveMm):
    """The fault tells nobody."""

    async def remove_device_exclusive_entry(self, page: Page) -> None:
        """Take a reference, lock, restore."""
        await remove_device_exclusive_entry(self.vma, page, quiet, quiet, reference=True)


class NotifierAfter(ExclusiveMm):
    """The fault restores the entry, then tells the drivers."""

    async def remove_device_exclusive_entry(self, page: Page) -> None:
        """Take a reference, lock, restore, notify."""
        await remove_device_exclusive_entry(self.vma, page, quiet, self.tell_late, reference=True)

    async def tell_late(self) -> None:
        """Run the drivers' callbacks, now that the entry is present."""
        await self.notifiers.invalidate_range_start(MMU_NOTIFY_CLEAR)
        await self.notifiers.mmu_notifier_invalidate_range_end()


class UncheckedVma(Vma):
    """A mapping whose entry is restored by who does not look at it again."""

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Write the entry as it would have been restored when the fault began."""
        self.pte = Pte(page)
        return True


async def again(k: Taken) -> None:
    """A second thread writes to the page."""
    await k.mm.write()


def case(
    name: str,
    id: str,
    title: str,
    states: int,
    mm: type[ExclusiveMm] = ExclusiveMm,
    vma: type[Vma] = Vma,
    zap: bool = True,
    both: Verdict = NEVER,
    free: Verdict = NEVER,
    shipped: tuple[str, str] | None = None,
    schedule: str = "",
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Let two CPUs touch the page, and perhaps a third throw it away."""
    zaps = {"CPU2": madvise_dontneed} if zap else {}
    return Case(
        name=name,
        id=id,
        title=title,
        world=lambda: Taken(mm=mm(vma=vma())),
        actors={"CPU0": write, "CPU1": again, **zaps},
        bad=(cpu_and_device_both_map, device_keeps_stale_entry, free_page_in_use),
        expect={
            "cpu_and_device_both_map": both,
            "device_keeps_stale_entry": NEVER,
            "free_page_in_use": free,
        },
        states=states,
        shipped=shipped,
        kind="ordering" if both == Verdict.ALWAYS else "race",
        schedules={"the page goes away meanwhile": schedule} if schedule else {},
        proposed=proposed,
    )


CASES = (
    case(
        "NoReferenceTwoCpus",
        "B/B.2",
        "v5.14: no reference is taken; two CPUs touch the page, nobody frees it",
        states=204,
        mm=NoReference,
        zap=False,
        shipped=("v5.14", "v6.2"),
        proposed=("2021-06-16", "<20210616105937.23201-8-apopple@nvidia.com>"),
    ),
    case(
        "NoReference",
        "B/B.2z",
        "v5.14: no reference is taken, and MADV_DONTNEED frees the page",
        states=2450,
        mm=NoReference,
        free=SOMETIMES,
        shipped=("v5.14", "v6.2"),
        schedule="CPU0*3 CPU1*3 CPU0*11 CPU2*8 CPU1",
        proposed=("2021-06-16", "<20210616105937.23201-8-apopple@nvidia.com>"),
    ),
    case(
        "NoSecondLook",
        "B/B.3",
        "the entry is restored without a second look at it",
        states=3495,
        vma=UncheckedVma,
        free=SOMETIMES,
        schedule="CPU0*10 CPU2*10 CPU0*3",
    ),
    case(
        "NoNotifier",
        "B/B.4",
        "the fault tells no driver",
        states=133,
        mm=NoNotifier,
        zap=False,
        both=Verdict.ALWAYS,
    ),
    case(
        "NotifierAfter",
        "B/B.5",
        "the fault restores the entry, then tells the drivers",
        states=411,
        mm=NotifierAfter,
        zap=False,
        both=Verdict.ALWAYS,
    ),
    case(
        "ReferenceAndSecondLook",
        "B/B.1",
        "since v6.3: reference, page lock, drivers, second look, restore",
        states=3448,
        shipped=("v6.3", ""),
        proposed=("2023-03-30", "<20230330012519.804116-1-apopple@nvidia.com>"),
    ),
)
