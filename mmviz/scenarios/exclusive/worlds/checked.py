"""Machines that check the rules an exercise states, and those of three misconceptions."""

from typing import Any, Final

from mmviz.engine import Oops, atomic, current, field, warn
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.fault import handle_mm_fault
from mmviz.kernel.mm.page import Page
from mmviz.scenarios.exclusive import atomic_loses_update, pin_check_too_early
from mmviz.scenarios.exclusive.worlds import counter, pins


class CheckedMapping(CowMapping):
    """A mapping whose entry a device takes, and gives back, under the page lock only.

    Attributes:
        slow: GUP has tried its slow way.
    """

    slow: bool = False

    @atomic("mm/rmap.c")
    def page_make_device_exclusive_one(self, page: Page) -> bool:
        """Replace the writable entry by an exclusive one; return whether it was still there."""
        assert_locked(page, "page_make_device_exclusive_one()")
        return super().page_make_device_exclusive_one(page).do()

    @atomic("mm/memory.c")
    def restore_exclusive_pte(self, page: Page) -> bool:
        """Make the exclusive entry of this page present again; return whether there was one."""
        assert_locked(page, "restore_exclusive_pte()")
        return super().restore_exclusive_pte(page).do()

    @atomic("fs/proc/task_mmu.c")
    def clear_soft_dirty(self) -> None:
        """Write-protect the entry if it is present."""
        if self.pte is not None and self.pte.is_present:
            self.pte = self.pte.wrprotected()

    @atomic("mm/memory.c")
    def wp_page_reuse(self) -> None:
        """Make a present entry writable again."""
        if self.pte is not None and self.pte.is_present:
            self.pte = Pte(self.pte.page)

    @atomic("mm/gup.c")
    def follow_page_pte(self) -> Page | None:
        """Pin the page if the entry allows the CPU to write it, under the page-table lock."""
        self.slow = True
        return super().follow_page_pte().do()


def assert_locked(page: Page, function: str) -> None:
    """Complain unless the acting task has locked a page, inside a step."""
    if page.locked != current().name:
        warn("lockdep_complains", f"{current().name} calls {function} without the page lock")


# exclusive/pin_check_too_early: a NIC pins the page that a GPU wants to itself.


class PinnedMachine(pins.Machine):
    """The machine, with its rules checked."""

    cpu: CheckedMapping = field(default_factory=CheckedMapping)


async def clear_refs_and_write(k: PinnedMachine) -> None:
    """Another task write-protects the page for a while; user code makes it writable again."""
    await k.cpu.clear_soft_dirty()
    await k.cpu.wp_page_reuse()


# Another actor than in the race: without it the entry would be there whenever the driver looks.
THREE: Final = pin_check_too_early.race.actors | {"CPU2": clear_refs_and_write}


async def pin_under_page_lock(k: PinnedMachine, gup: Any) -> None:
    """A NIC's driver that asks for the page lock before it pins."""
    page = None
    while page is None:
        await k.page.lock_page()
        page = await k.cpu.follow_page_pte()
        await k.page.unlock_page()
        if page is None:
            await handle_mm_fault(k.cpu, k.gpu.unmap)
    await k.nic.ib_dma_map_sg(page)


class RecheckedMapping(CheckedMapping):
    """A mapping whose entry cannot change between two steps of GUP-fast.

    Attributes:
        walking: GUP-fast has read the entry, and has not pinned yet.
    """

    walking: bool = False

    @atomic("include/linux/pgtable.h")
    def ptep_get_lockless(self) -> Any:
        """Read the entry, and keep it as it is until GUP-fast has pinned."""
        self.walking = self.pte is not None and self.pte.is_writable
        return self.pte

    @atomic("mm/rmap.c", when=lambda mapping, page: not mapping.walking or page.refs > 1)
    def page_make_device_exclusive_one(self, page: Page) -> bool:
        """Replace the entry when GUP-fast is not in the middle of pinning."""
        return super().page_make_device_exclusive_one(page).do()


class WaitsForWalks(PinnedMachine):
    """A machine on which an entry waits for GUP-fast."""

    cpu: RecheckedMapping = field(default_factory=RecheckedMapping)


# exclusive/atomic_loses_update: a GPU that adds by a read and a write.


class CheckedGpu(counter.Gpu):
    """A GPU whose entry is cleared under the page lock only.

    Attributes:
        shared: the page that the lock belongs to.
    """

    shared: Page | None = None

    @atomic("driver")
    def unmap(self) -> None:
        """Clear the device's entry; complain without the page lock."""
        if self.shared is not None:
            assert_locked(self.shared, "gpu.unmap()")
        super().unmap().do()

    @atomic("driver")
    def map(self, page: Page | None) -> None:
        """Let the device read and write a page."""
        if page is None:
            raise Oops("null_dereference", "gpu.map() is given no page")
        super().map(page).do()


class CheckedCounter(counter.Machine):
    """The machine, with its rules checked."""

    cpu: CheckedMapping = field(default_factory=CheckedMapping)
    gpu: CheckedGpu = field(default_factory=CheckedGpu)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.gpu.shared = self.page


# A second CPU: the first one cannot add before its own fault is over.
TWO_CPUS: Final = atomic_loses_update.race.actors | {"CPU2": counter.atomic_inc}


class Stopped(CheckedGpu):
    """A GPU whose unmap() waits for the operation under way."""

    @atomic("driver", when=lambda gpu: gpu.register is None)
    def unmap(self) -> None:
        """Clear the device's entry when no operation is under way."""
        super().unmap().do()


class Stopping(CheckedCounter):
    """A machine on which an entry that is cleared ends the operations that used it."""

    gpu: Stopped = field(default_factory=Stopped)


async def add_three_times(k: CheckedCounter) -> None:
    """Three atomic adds of the GPU, each a read and a write."""
    for _ in range(3):
        await k.gpu.read(k.counter)
        await k.gpu.write(k.counter)
