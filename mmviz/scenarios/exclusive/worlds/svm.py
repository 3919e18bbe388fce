"""A process with one page, and the driver of a GPU that wants the page to itself."""

from collections.abc import Callable, Coroutine
from typing import Any

from mmviz.engine import World, field
from mmviz.kernel.driver.svm import Svmm, nouveau_atomic_range_fault
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.exclusive_mm import ExclusiveMm, FolioWalk
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.vma import KeepsEntry


class Machine(World):
    """A process with one page, and the driver of a GPU that wants it."""

    page: Page = field(default_factory=lambda: Page(7))
    mm: ExclusiveMm = field(default_factory=ExclusiveMm)
    svmm: Svmm = field(default_factory=Svmm)

    def __post_init__(self) -> None:
        self.mm.vma.pte = Pte(self.page)
        self.mm.notifiers.intervals = (self.svmm,)


GIVES_UP = "nouveau gives up with -EBUSY after one second, and the GPU's fault is cancelled"
"""What to say beside a livelock of nouveau's loop (HMM_RANGE_DEFAULT_TIMEOUT)."""

Actor = Callable[[Machine], Coroutine[Any, Any, None]]


def since_v615() -> Machine:
    """Build the machine with make_device_exclusive() and the one kind of entry of v6.15."""
    return Machine(mm=FolioWalk(vma=KeepsEntry()))


def cpu_and_device_both_map(k: Machine) -> bool:
    """The device was promised the page for its atomics, the CPU has it too: updates get lost."""
    pte = k.mm.vma.pte
    return k.svmm.gpu.exclusive and pte is not None and not pte.exclusive


def device_keeps_stale_entry(k: Machine) -> bool:
    """The device maps a page that the process has lost, and no notification is under way."""
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


async def atomic_range_fault(k: Machine, driver: Actor) -> None:
    """The GPU's fault handler: it makes the page exclusive, and maps it."""
    await driver(k)


async def lock_and_sequence(k: Machine) -> None:
    """The driver as nouveau: the page lock, and the interval notifier's sequence."""
    # redundant: a driver that never maps the page cannot do harm
    await nouveau_atomic_range_fault(k.mm, k.svmm)


async def write(k: Machine) -> None:
    """User code writes to the page."""
    await k.mm.write()


async def touch(k: Machine) -> None:
    """User code reads the page, then writes to it."""
    # redundant in Userfaultfd: the page comes back read-only, or does not come back
    await k.mm.read()
    # redundant in Userfaultfd: the page comes back read-only, or does not come back
    await k.mm.write()


async def madvise_dontneed(k: Machine) -> None:
    """User code throws the page away."""
    # redundant: without it the page stays where it is
    await k.mm.madvise_dontneed()


async def mprotect(k: Machine) -> None:
    """User code makes the mapping read-only."""
    # redundant: without it the memory stays writable
    await k.mm.mprotect()


ALL_THREE: dict[str, Actor] = {"CPU0": write, "CPU2": madvise_dontneed, "CPU3": mprotect}


class Unfiltered(Svmm):
    """A driver without a filter: its own conversion breaks its read section, too."""

    def ignores(self, event: str, owner: str) -> bool:
        """Return whether the callback returns at once: never."""
        return False
