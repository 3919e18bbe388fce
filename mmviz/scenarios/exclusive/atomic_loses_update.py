"""A device's atomic add that is not atomic for the CPU.

A GPU adds one to a counter by reading it over the bus and writing it back: two steps.  A CPU
adds one in a single step, but its lock does not reach across the bus.  When the CPU comes in
between, its increment is overwritten.  So the kernel hides the page from the CPU behind an
exclusive entry while the device has it; a CPU that touches the page faults, has the driver
revoke the device's access, and only then gets the page back.  Revoking means two things:
nothing new may begin, and what has begun must have finished.

Promise: The counter ends at the number of increments made.

Memory model: sequentially consistent; a CPU's locked add is one step, a device's emulated
    atomic two.

Simplified:
    The driver's sequence check and its own lock are left out: against a CPU fault the page lock
    alone is enough (exclusive/lock_or_sequence), because the fault takes it before it notifies.
    Both matter against zap and mprotect.
    No mmap_lock and no references: nothing is unmapped or freed here.  The entry cannot change
    between the fault's look at it and its restoring, since there is one CPU and it has the
    page lock.
    The driver converts twice at most, and gives up where it finds its own entry; after that
    the GPU waits for ever.

Sources:
    <20210326000805.2518-6-apopple@nvidia.com> the patch: why the CPU must be kept out
    mm/rmap.c page_make_device_exclusive_one(), mm/memory.c remove_device_exclusive_entry()
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_atomic_range_fault()
    b756a3b5e7ea (v5.14) mm: device exclusive memory access
    8f187163eb89 (v5.14) nouveau/svm: implement atomic SVM access
"""

from collections.abc import Callable, Coroutine
from typing import Any

from mmviz.engine import Case, Struct, Verdict, World, atomic, field, mark
from mmviz.kernel.atomic_access import AtomicAccess
from mmviz.kernel.entry import CowMapping, Pte
from mmviz.kernel.fault import remove_device_exclusive_entry
from mmviz.kernel.page import Page

Actor = Callable[["Machine"], Coroutine[Any, Any, None]]


class Counter(Struct):
    """A word in the page.

    Attributes:
        value: what memory holds.
        added: increments made by anybody; no machine keeps this, it is what people expect.
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


def already_mapped() -> Machine:
    """Return a machine whose GPU has an ordinary entry for the page, as before v5.14."""
    k = Machine()
    k.gpu.page = k.page
    return k


def increment_lost(k: Machine) -> bool:
    """The counter is lower than the increments made: a program's count is wrong for good."""
    return k.counter.value != k.counter.added


def cpu_and_device_both_map(k: Machine) -> bool:
    """The device was promised the page for its atomics, the CPU has it too: updates get lost."""
    return k.gpu.exclusive and k.cpu.pte is not None and not k.cpu.pte.exclusive


class UnmapOnly:
    """The driver stops new operations and forgets the one under way."""

    async def invalidate(self, k: Machine) -> None:
        await k.gpu.unmap()


class UnmapAndDrain(UnmapOnly):
    """The driver stops new operations, then waits for the one under way."""

    async def invalidate(self, k: Machine) -> None:
        await k.gpu.unmap()
        await k.gpu.wait_idle()


async def atomic_inc(k: Machine, driver: UnmapOnly) -> None:
    """User code on the CPU: add one, faulting until the entry allows it."""
    while True:
        mark("again")
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


async def pcie_atomic_add(k: Machine) -> None:
    """Two atomic adds of a GPU that can ask the memory to add."""
    for _ in range(2):
        await k.gpu.fetch_add(k.counter)


def both_map(name: str, id: str, title: str, gpu: Actor, lost: Verdict, states: int) -> Case:
    """Let both sides add to a page that both of them map."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=already_mapped,
        actors={"CPU0": lambda k: atomic_inc(k, UnmapOnly()), "GPU": gpu},
        daemons=("GPU",),
        bad=(increment_lost, cpu_and_device_both_map),
        expect={"increment_lost": lost, "cpu_and_device_both_map": Verdict.NEVER},
        states=states,
        schedules={"the CPU adds between the GPU's read and write": "GPU CPU0 GPU"}
        if lost != Verdict.NEVER
        else {},
    )


def exclusive(
    id: str,
    title: str,
    driver: UnmapOnly,
    lost: Verdict,
    states: int,
    shipped: tuple[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Let the driver make the page exclusive, and the CPU fault on it."""
    return Case(
        name=type(driver).__name__,
        id=id,
        title=title,
        world=Machine,
        actors={
            "CPU0": lambda k: atomic_inc(k, driver),
            "CPU1": nouveau_atomic_range_fault,
            "GPU": emulated_atomic_add,
        },
        daemons=("GPU",),
        bad=(increment_lost, cpu_and_device_both_map),
        expect={"increment_lost": lost, "cpu_and_device_both_map": Verdict.NEVER},
        states=states,
        shipped=shipped,
        schedules={"the page goes back too early": "CPU1*4 GPU CPU0*6 GPU CPU1*4"}
        if lost != Verdict.NEVER
        else {},
        proposed=proposed,
    )


CASES = (
    both_map(
        "BothMapped",
        "A/A.1",
        "before v5.14: CPU and GPU both map the page, the GPU reads and writes",
        emulated_atomic_add,
        Verdict.SOMETIMES,
        states=15,
    ),
    both_map(
        "HardwareAtomics",
        "A/A.2",
        "both map the page, the GPU has genuine PCIe AtomicOps",
        pcie_atomic_add,
        Verdict.NEVER,
        states=6,
    ),
    exclusive(
        "A/A.4",
        "exclusive entry, but the callback does not wait for the operation under way",
        UnmapOnly(),
        Verdict.SOMETIMES,
        states=190,
    ),
    exclusive(
        "A/A.3",
        "as merged in v5.14: exclusive entry, and the callback unmaps and drains",
        UnmapAndDrain(),
        Verdict.NEVER,
        states=156,
        shipped=("v5.14", ""),
        proposed=("2021-06-16", "<20210616105937.23201-8-apopple@nvidia.com>"),
    ),
)

SPARE = {
    "HardwareAtomics: await k.gpu.fetch_add(k.counter)": (
        "An increment that is not made is not lost."
    ),
}
