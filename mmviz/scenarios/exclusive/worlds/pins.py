"""A page that a NIC wants to pin and a GPU wants to itself."""

from typing import Protocol

from mmviz.engine import World, field
from mmviz.kernel.driver.atomic_access import AtomicAccess
from mmviz.kernel.driver.umem import Umem
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.page import Page


class Machine(World):
    """A page that a NIC wants to pin and a GPU wants to itself."""

    page: Page = field(default_factory=lambda: Page(7))
    cpu: CowMapping = field(default_factory=CowMapping)
    gpu: AtomicAccess = field(default_factory=AtomicAccess)
    nic: Umem = field(default_factory=Umem)

    def __post_init__(self) -> None:
        self.cpu.pte = Pte(self.page)


def pinned_page_hidden(k: Machine) -> bool:
    """The GPU has a page to itself that the NIC still writes to: one undoes the other's work."""
    return k.nic.page is not None and k.gpu.page is k.nic.page


def cpu_and_device_both_map(k: Machine) -> bool:
    """The device was promised the page for its atomics, the CPU has it too: updates get lost."""
    return k.gpu.exclusive and k.cpu.pte is not None and not k.cpu.pte.exclusive


BAD = (pinned_page_hidden, cpu_and_device_both_map)


class Driver(Protocol):
    async def make_device_exclusive(self, k: Machine) -> bool: ...


async def atomic_range_fault(k: Machine, driver: Driver) -> None:
    """The GPU's fault handler: make the page exclusive, then map it for the GPU."""
    await k.page.lock_page()
    if await driver.make_device_exclusive(k):
        await k.gpu.map_atomic(k.page)
    await k.page.unlock_page()


async def no_recheck(mapping: CowMapping) -> Page | None:
    """Walk as GUP-fast, but pin and trust that the entry has not changed.

    Source: arch/x86/mm/gup.c, gup_pte_range(), x86's own GUP-fast, which had no second look.
    """
    entry = await mapping.ptep_get_lockless()
    if entry is None or not entry.is_writable:
        return None
    await entry.page.try_grab_page()
    return entry.page
