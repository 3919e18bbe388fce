"""Machines that check the rules an exercise states, and those of two misconceptions."""

from typing import Final

from mmviz.engine import Map, Oops, atomic, current, field, warn
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier
from mmviz.kernel.sync.locks import Mutex, OwnedLock
from mmviz.scenarios.invalidate_page import callback_after_unlock
from mmviz.scenarios.invalidate_page.callback_after_unlock import ReclaimedMirror
from mmviz.scenarios.invalidate_page.worlds.mirror import VA, GuardedMirror


def assert_held(lock: OwnedLock | None, function: str) -> None:
    """Complain unless the acting task holds a lock, inside a step."""
    if lock is not None and lock.owner != current().name:
        warn("lockdep_complains", f"{current().name} calls {function} without {lock.name}")


class CheckedTable(PageTable):
    """The CPU's page table, whose entry is cleared under the page-table lock only.

    Attributes:
        found: the last get_user_pages() has returned a page.
        unflushed: the entry was changed, and the CPUs' TLBs were not flushed.
    """

    found: bool = True
    unflushed: bool = False

    @atomic("mm/pgtable-generic.c")
    def ptep_clear_flush(self, address: str) -> Page | None:
        """Clear the entry and flush the CPUs' TLBs; complain without the page-table lock."""
        assert_held(self.ptl, "ptep_clear_flush()")
        return super().ptep_clear_flush(address).do()

    @atomic("include/linux/pgtable.h")
    def ptep_get_and_clear(self, address: str) -> Page | None:
        """Clear the entry and leave the TLBs alone; complain without the page-table lock."""
        assert_held(self.ptl, "ptep_get_and_clear()")
        self.unflushed = True
        return super().ptep_get_and_clear(address).do()

    @atomic("mm/pgtable-generic.c")
    def pmdp_huge_clear_flush(self, address: str) -> Page | None:
        """Clear the entry of a huge page; complain without the page-table lock."""
        assert_held(self.ptl, "pmdp_huge_clear_flush()")
        return super().pmdp_huge_clear_flush(address).do()

    @atomic("include/linux/pgtable.h")
    def set_pte_at(self, address: str, page: Page) -> None:
        """Set the entry to another page; complain without the page-table lock."""
        assert_held(self.ptl, "set_pte_at()")
        self.unflushed = True
        super().set_pte_at(address, page).do()

    @atomic("mm/gup.c", when=lambda table, _address: table.ptl.owner is None)
    def get_user_pages(self, address: str) -> Page | None:
        """Walk to the page under the page-table lock and take a reference on it."""
        page = super().get_user_pages(address).do()
        self.found = page is not None
        return page


class CheckedDeviceTable(DevicePageTable):
    """A device's page table, whose entry changes under the driver's lock only.

    Attributes:
        update: that lock.
        answered: a fault has mapped a page.
    """

    update: OwnedLock | None = None
    answered: bool = False

    @atomic("driver")
    def map(self, address: str, page: Page | None) -> None:
        """Let the device reach the page; complain without the driver's lock."""
        assert_held(self.update, "gpu.map()")
        if page is None:
            raise Oops("null_dereference", "gpu.map() is given no page")
        self.answered = True
        super().map(address, page).do()

    @atomic("driver")
    def unmap(self, address: str) -> None:
        """Clear the device's entry; complain without the driver's lock."""
        assert_held(self.update, "gpu.unmap()")
        super().unmap(address).do()

    @atomic("driver")
    def xchg(self, address: str, page: Page | None) -> Page | None:
        """Change the device's entry; complain without the driver's lock."""
        assert_held(self.update, "gpu.xchg()")
        self.answered = self.answered or page is not None
        return super().xchg(address, page).do()


def checked_table() -> CheckedTable:
    """Return the CPU's page table with one empty entry."""
    return CheckedTable(Map({VA: None}))


def checked_device_table() -> CheckedDeviceTable:
    """Return the device's page table with one empty entry."""
    return CheckedDeviceTable(Map({VA: None}))


class FaultingMirror(GuardedMirror):
    """The machine of invalidate_page/sequence_and_counter, with its rules checked."""

    cpu: CheckedTable = field(default_factory=checked_table)
    gpu: CheckedDeviceTable = field(default_factory=checked_device_table)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.gpu.update = self.update


class UnmappedMirror(ReclaimedMirror):
    """The machine of invalidate_page/callback_after_unlock, with its rules checked."""

    cpu: CheckedTable = field(default_factory=checked_table)
    gpu: CheckedDeviceTable = field(default_factory=checked_device_table)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.gpu.update = self.update


async def walk_page_range(k: UnmappedMirror) -> None:
    """Another thread looks at the page table, and holds its lock for a moment."""
    await k.cpu.ptl.spin_lock()
    await k.cpu.ptl.spin_unlock()


# A third CPU: without it the page-table lock would be free whenever reclaim wants it.
THREE_CPUS: Final = callback_after_unlock.race.actors | {"CPU2": walk_page_range}


# The machines of two misconceptions.


class HeldByCheck(Mutex):
    """A mutex that its own holder may take again."""

    @atomic("kernel/locking/mutex.c", when=lambda lock: lock.owner in (None, current().name))
    def mutex_lock(self) -> None:
        """Take the mutex, unless the check has taken it already."""
        self.take()


class CheckThatHolds(MmuNotifier):
    """Two words whose check stays true until it has been acted upon.

    Attributes:
        update: the lock that the check takes when it finds nothing.
    """

    update: OwnedLock | None = None

    @atomic(
        "include/linux/kvm_host.h",
        when=lambda notifier, _: notifier.update is None or notifier.update.owner is None,
    )
    def mmu_invalidate_retry(self, seq: int) -> bool:
        """Return whether to retry; if not, take the driver's lock as well."""
        retry = super().mmu_invalidate_retry(seq).do()
        if not retry and self.update is not None:
            self.update.take()
        return retry


class ActsWithCheck(FaultingMirror):
    """A machine on which a check and what follows it are one step."""

    update: HeldByCheck = field(default_factory=HeldByCheck)
    notifier: CheckThatHolds = field(default_factory=CheckThatHolds)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.notifier.update = self.update


class SharedTable(CheckedTable):
    """A page table that the device walks, too: it has no entries of its own.

    Attributes:
        device: the device's view of it.
    """

    device: DevicePageTable | None = None

    @atomic("mm/pgtable-generic.c")
    def ptep_clear_flush(self, address: str) -> Page | None:
        """Clear the entry, and the device no longer finds it."""
        if self.device is not None:
            self.device.pte[address] = None
        return super().ptep_clear_flush(address).do()


class SharingMirror(UnmappedMirror):
    """A machine whose device walks the CPU's page table."""

    cpu: SharedTable = field(default_factory=lambda: SharedTable(Map({VA: None})))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cpu.device = self.gpu
