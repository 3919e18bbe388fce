"""A parent that forks while a NIC has its page pinned."""

from typing import Protocol

from mmviz.engine import World, field
from mmviz.kernel.driver.umem import Umem
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.fault import write
from mmviz.kernel.mm.fork import EntryCopied, ForkedMapping, dup_mmap
from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS, Page
from mmviz.kernel.sync.locks import RwSemaphore


class Machine(World):
    """A parent whose page a NIC has pinned, a child to be, and two free pages for copies."""

    parent: ForkedMapping = field(default_factory=ForkedMapping)
    child: CowMapping = field(default_factory=CowMapping)
    nic: Umem = field(default_factory=Umem)
    page: Page = field(default_factory=lambda: Page(7, refs=1 + GUP_PIN_COUNTING_BIAS))
    parents_copy: Page = field(default_factory=lambda: Page(8, refs=0))
    childs_copy: Page = field(default_factory=lambda: Page(9, refs=0))
    mmap_lock: RwSemaphore = field(default_factory=RwSemaphore)

    def __post_init__(self) -> None:
        self.parent.pte = Pte(self.page)
        self.nic.page = self.page


def entry_copied() -> Machine:
    """Build the machine with v7 of the patch: fork hands an exclusive entry on."""
    return Machine(parent=EntryCopied())


def has(mapping: CowMapping, page: Page | None) -> bool:
    """Return whether a mapping's entry names a page, present or not."""
    return page is not None and mapping.pte is not None and mapping.pte.page is page


def pin_lost_its_page(k: Machine) -> bool:
    """The parent no longer has the page that its NIC writes to: what arrives is lost to it."""
    return k.nic.page is not None and not has(k.parent, k.nic.page)


def foreign_process_sees_dma(k: Machine) -> bool:
    """The child has the page that the parent's NIC writes to: it reads another process's data."""
    return has(k.child, k.nic.page)


def cow_broken(k: Machine) -> bool:
    """One process writes a page that the other one has as well, and so into its memory."""
    parent, child = k.parent.pte, k.child.pte
    if parent is None or child is None or parent.page is not child.page:
        return False
    return parent.is_writable or child.is_writable


BAD = (pin_lost_its_page, foreign_process_sees_dma, cow_broken)


class Driver(Protocol):
    async def make_device_exclusive_range(self, k: Machine) -> None: ...


async def convert(k: Machine, driver: Driver) -> None:
    """The GPU's driver makes the page exclusive."""
    await driver.make_device_exclusive_range(k)


async def fork(k: Machine) -> None:
    """The parent forks, then writes to its page."""
    await dup_mmap(k.mmap_lock, k.parent, k.child, k.childs_copy)
    await write(k.parent, copy=k.parents_copy)
