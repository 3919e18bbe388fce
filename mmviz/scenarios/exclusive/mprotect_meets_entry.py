"""mprotect on a page that a device has.

A user makes a mapping read-only while a GPU has its page.  The entry is not present, so there is no
right to write to take away from the CPU; but the entry remembers that the page was writable, and a
later touch brings it back.  So either mprotect makes the entry forget it, as up to v6.14, or
bringing it back looks at the mapping's flag, as since v6.15.  And the GPU has a right to write as
well, which only its driver takes away, if it is told and listens.

Promise: When mprotect has returned, neither the CPU nor the GPU can write there.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/exclusive_mm.py and mmviz/kernel/svm.py.  User code that touches the page
    reads it: a read of an exclusive page brings it back, too.
    The drivers' own accesses are left out; a driver that asks for a writable page gets an error.
    What becomes of a mapping that is made writable again is in exclusive/protected_and_back.

Sources:
    mm/mprotect.c change_pte_range(), mprotect_fixup(); mm/memory.c restore_exclusive_pte()
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_atomic_range_fault()
    b756a3b5e7ea (v5.14) writable entries become readable ones
    c25465eb7630, 9a914592140e (v6.15) one kind of entry; restoring asks the mapping
    tools/testing/selftests/mm/hmm-tests.c exclusive_mprotect
"""

from collections.abc import Callable

from mmviz.engine import Case, Verdict, atomic
from mmviz.kernel.entry import Pte
from mmviz.kernel.exclusive_mm import ExclusiveMm
from mmviz.kernel.interval_notifier import MMU_NOTIFY_PROTECTION_VMA
from mmviz.kernel.page import Page
from mmviz.kernel.svm import Svmm
from mmviz.kernel.vma import VM_READ, Vma
from mmviz.scenarios.exclusive.lock_or_sequence import (
    BAD,
    Actor,
    Machine,
    lock_and_sequence,
    mprotect,
    page_lock_only,
)

NEVER, SOMETIMES = Verdict.NEVER, Verdict.SOMETIMES


class KeepsEntry(Vma):
    """Since v6.15: mprotect leaves an exclusive entry alone; bringing it back asks the mapping."""

    @atomic("mm/mprotect.c")
    def change_pte_range(self) -> None:
        """Take the right to write away from a present entry."""
        if self.pte is not None and not self.vm_write and not self.pte.exclusive:
            self.pte = self.pte.wrprotected()

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Make the entry present again, writable if the mapping is."""
        if self.pte is None or not self.pte.exclusive or self.pte.page is not page:
            return False
        self.pte = Pte(page, write=self.vm_write)
        return True


class KeepsEntryBlindly(KeepsEntry):
    """The same, but bringing the entry back trusts what the entry remembers."""

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Make the entry present again, as writable as it was."""
        if self.pte is None or not self.pte.exclusive or self.pte.page is not page:
            return False
        self.pte = self.pte.restored()
        return True


class SwallowsProtection(Svmm):
    """A driver whose filter lets changes of protection pass as well."""

    def ignores(self, event: str, owner: str) -> bool:
        return event == MMU_NOTIFY_PROTECTION_VMA or super().ignores(event, owner)


async def touch(k: Machine) -> None:
    """User code reads the page, then writes to it."""
    await k.mm.read()
    await k.mm.write()


async def mprotect_silently(k: Machine) -> None:
    """User code makes the mapping read-only, and no driver is told."""
    await k.mm.mmap_lock.down_write()
    await k.mm.vma.mprotect_fixup(VM_READ)
    await k.mm.vma.change_pte_range()
    await k.mm.mmap_lock.up_write()


def case(
    name: str,
    id: str,
    title: str,
    states: int,
    actors: dict[str, Actor],
    world: Callable[[], Machine] = Machine,
    protected: Verdict = NEVER,
    shipped: tuple[str, str] | None = None,
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Change the protection of a page that a device has or is about to get."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=world,
        actors=actors,
        bad=BAD,
        expect={
            "cpu_and_device_both_map": NEVER,
            "device_keeps_stale_entry": NEVER,
            "write_after_mprotect": protected,
        },
        states=states,
        shipped=shipped,
        schedules=schedules or {},
        proposed=proposed,
    )


def against(mprotects: Actor, driver: Actor = lock_and_sequence) -> dict[str, Actor]:
    """Return a driver at work, a process that touches its page, and one who protects it."""
    return {"CPU0": touch, "CPU1": driver, "CPU2": mprotects}


CASES = (
    case(
        "RestoreBlindly",
        "G/G.3",
        "the entry is left alone, and bringing it back trusts what it remembers",
        states=927,
        actors=against(mprotect),
        world=lambda: Machine(mm=ExclusiveMm(vma=KeepsEntryBlindly())),
        protected=SOMETIMES,
        schedules={"a read brings back the right to write": "CPU1*14 CPU2*10 CPU0*11"},
    ),
    case(
        "NoNotifier",
        "G/G.4",
        "mprotect tells no driver",
        states=446,
        actors=against(mprotect_silently),
        protected=SOMETIMES,
        schedules={"nobody tells the driver": "CPU1*14 CPU2*4"},
    ),
    case(
        "SwallowedByFilter",
        "G/G.5",
        "the driver's filter lets changes of protection pass",
        states=544,
        actors=against(mprotect),
        world=lambda: Machine(svmm=SwallowsProtection()),
        protected=SOMETIMES,
        schedules={"the driver does not listen": "CPU1*14 CPU2*6"},
    ),
    case(
        "NoSequence",
        "G/G.6",
        "the driver trusts the page lock, which mprotect does not take",
        states=675,
        actors=against(mprotect, page_lock_only),
        protected=SOMETIMES,
        schedules={"mapped after it was told": "CPU1*7 CPU2*10 CPU1*2"},
    ),
    case(
        "Downgrade",
        "G/G.1",
        "v5.14 to v6.14: mprotect takes the right to write from the entry",
        states=894,
        actors=against(mprotect),
        shipped=("v6.14", "v6.14"),
        proposed=("2021-06-16", "<20210616105937.23201-8-apopple@nvidia.com>"),
    ),
    case(
        "AskTheMapping",
        "G/G.2",
        "since v6.15: the entry is left alone, bringing it back asks the mapping",
        states=894,
        actors=against(mprotect),
        world=lambda: Machine(mm=ExclusiveMm(vma=KeepsEntry())),
        shipped=("v6.15", ""),
        proposed=("2025-02-10", "<20250210193801.781278-1-david@redhat.com>"),
    ),
)
