"""A counter in a page that a CPU and a GPU both add to."""

from typing import Protocol

from mmviz.engine import Struct, World, atomic, field
from mmviz.kernel.driver.atomic_access import AtomicAccess
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.fault import remove_device_exclusive_entry
from mmviz.kernel.mm.page import Page


class Counter(Struct):
    """A word in the page.

    Attributes:
        value: what memory holds.
        added: increments made by CPU and GPU; no machine keeps this, it is what a program expects.
    """

    value: int = 0
    added: int = 0


class Gpu(AtomicAccess):
    """A GPU that emulates an atomic add by a read and a write.

    Attributes:
        register: the value read, while the write is still to come.
    """

    register: int | None = None

    @atomic("hardware", when=lambda gpu, _: gpu.page is not None)
    def read(self, counter: Counter) -> None:
        """The GPU reads the counter over the bus; it adds later, to what it has read now."""
        self.register = counter.value

    @atomic("hardware")
    def write(self, counter: Counter) -> None:
        """The GPU writes back what it read, plus one."""
        assert self.register is not None
        counter.value, counter.added = self.register + 1, counter.added + 1
        self.register = None

    @atomic("hardware", when=lambda gpu, _: gpu.page is not None)
    def fetch_add(self, counter: Counter) -> None:
        """The GPU has the memory itself add one: a genuine PCIe AtomicOp."""
        counter.value, counter.added = counter.value + 1, counter.added + 1

    @atomic("driver", when=lambda gpu: gpu.register is None)
    def wait_idle(self) -> None:
        """Wait until the operation that had begun has finished."""


class Machine(World):
    """A page that the CPU maps and the GPU wants, and the counter in it."""

    page: Page = field(default_factory=lambda: Page(7))
    cpu: CowMapping = field(default_factory=CowMapping)
    gpu: Gpu = field(default_factory=Gpu)
    counter: Counter = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.cpu.pte = Pte(self.page)

    @atomic("hardware")
    def lock_add(self) -> bool:
        """The CPU adds one in a single step if its entry lets it; else it faults."""
        if self.cpu.pte is None or not self.cpu.pte.is_writable:
            return False
        self.counter.value, self.counter.added = self.counter.value + 1, self.counter.added + 1
        return True


def increment_lost(k: Machine) -> bool:
    """The counter is lower than the increments made: a program's count stays wrong."""
    return k.counter.value != k.counter.added


def cpu_and_device_both_map(k: Machine) -> bool:
    """The device was promised the page for its atomics, the CPU has it too: updates get lost."""
    return k.gpu.exclusive and k.cpu.pte is not None and not k.cpu.pte.exclusive


class Callback(Protocol):
    """What the driver does when it is notified."""

    async def invalidate(self, k: Machine) -> None: ...


async def atomic_inc(k: Machine, driver: Callback) -> None:
    """User code on the CPU: add one, faulting until the entry allows it."""
    while True:
        if await k.lock_add():
            return
        await remove_device_exclusive_entry(k.cpu, k.page, lambda: driver.invalidate(k))


async def nouveau_atomic_range_fault(k: Machine) -> None:
    """The GPU's fault handler, twice: hide the page from the CPU, then let the GPU at it."""
    for _ in range(2):
        await k.page.lock_page()
        if await k.cpu.page_make_device_exclusive_one(k.page):
            await k.gpu.map_atomic(k.page)
        await k.page.unlock_page()


async def emulated_atomic_add(k: Machine) -> None:
    """Two atomic adds of the GPU, each a read and a write."""
    for _ in range(2):
        await k.gpu.read(k.counter)
        await k.gpu.write(k.counter)
