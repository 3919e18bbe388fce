"""Keeping the CPU out is enough, and not enough.

An exclusive entry keeps the CPU from reading as well as from writing.  A read-only entry would do
against lost increments: only a write can overwrite.  The kernel hides the page nevertheless, since
a CPU that reads meanwhile may see what a device's cache has long changed.  And neither keeps out
what does not go through the process's entries: a NIC that has pinned the page earlier writes when
it likes.  The kernel says so in its documentation, and leaves it to the user.

Promise: The counter ends at the number of increments made.

Memory model: sequentially consistent, and every read coherent; a CPU's locked add is one step, a
    NIC's as well, a GPU's emulated atomic two.

Simplified:
    As in exclusive/atomic_loses_update.
    What a CPU reads from a page that a device caches is left out; it is what speaks against the
    read-only entry.
    With the read-only entry both map the page, so the bad state of that name is reached; it does no
    harm here.
    The NIC adds once, by an atomic operation of its own; a plain write would lose no less.
    The driver converts as v5.14 to v6.14 do; what v6.15 documents of earlier references was as true
    before.

Sources:
    <20210331131854.GI1463678@nvidia.com> can a pinned page end up under such an entry?
    mm/rmap.c make_device_exclusive(): access through earlier references is not supported (v6.15)
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_atomic_range_fault()
    b756a3b5e7ea (v5.14) mm: device exclusive memory access
"""

from mmviz.engine import Race, atomic, field
from mmviz.kernel.driver.umem import Umem
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS, Page
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import EARLIER_PIN, V11
from mmviz.scenarios.exclusive.atomic_loses_update import UnmapAndDrain
from mmviz.scenarios.exclusive.worlds.counter import (
    Counter,
    Machine,
    atomic_inc,
    cpu_and_device_both_map,
    emulated_atomic_add,
    increment_lost,
    nouveau_atomic_range_fault,
)


class ProtectedMapping(CowMapping):
    """A mapping whose entry a driver may make read-only, instead of hiding the page."""

    @atomic("mm/rmap.c")
    def page_mkclean_one(self) -> None:
        """Make the entry read-only."""
        assert self.pte is not None
        self.pte = self.pte.wrprotected()

    @atomic("mm/memory.c")
    def wp_page_reuse(self, page: Page) -> None:
        """Make the entry writable again."""
        self.pte = Pte(page)


class ReadOnly(Machine):
    """The same machine; its page is made read-only for the CPU, and not hidden."""

    cpu: ProtectedMapping = field(default_factory=ProtectedMapping)


class Nic(Umem):
    """A NIC that adds through a page it was given earlier."""

    @atomic("hardware")
    def fetch_add(self, counter: Counter) -> None:
        """The NIC has the memory add one, without regard to the process's entries."""
        counter.value, counter.added = counter.value + 1, counter.added + 1


class Pinned(Machine):
    """The same machine, and a NIC that has pinned the page."""

    page: Page = field(default_factory=lambda: Page(7, refs=1 + GUP_PIN_COUNTING_BIAS))
    nic: Nic = field(default_factory=Nic)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.nic.page = self.page


async def rdma_atomic(k: Pinned) -> None:
    """The NIC adds one through its pin."""
    await k.nic.fetch_add(k.counter)


async def write_protect(k: ReadOnly) -> None:
    """The GPU's fault handler, twice: make the page read-only, then let the GPU at it."""
    for _ in range(2):
        await k.page.lock_page()
        await k.cpu.page_mkclean_one()
        await k.gpu.map_atomic(k.page)
        await k.page.unlock_page()


async def inc_read_only(k: ReadOnly) -> None:
    """User code on the CPU: add one, faulting until the entry allows it."""
    while True:
        if await k.lock_add():
            return
        await k.page.lock_page()
        await k.gpu.unmap()
        await k.gpu.wait_idle()
        await k.cpu.wp_page_reuse(k.page)
        await k.page.unlock_page()


# A CPU and a GPU that both add to one counter.
race = Race(
    world=Machine,
    actors={"CPU0": atomic_inc, "CPU1": nouveau_atomic_range_fault, "GPU": emulated_atomic_add},
    daemons=("GPU",),
    bad=(increment_lost, cpu_and_device_both_map),
)


race.case(
    "A/A.6",
    "exclusive entry, and a NIC that has pinned the page earlier",
    name="ForeignPin",
    of=UnmapAndDrain,
    world=Pinned,
    actors=race.actors | {"NIC": rdma_atomic},
    sometimes=[increment_lost],
    states=403,
    kind="contract",
    note="documented as not supported: a program that pins a page and lets a GPU at it must know",
    schedules={"the NIC writes in between": "CPU1*4 GPU NIC GPU"},
    source=shipped("v5.14", "v6.14", said=EARLIER_PIN),
)

race.case(
    "A/A.5",
    "the page is made read-only for the CPU, and stays present",
    name="ReadOnly",
    of=write_protect,
    world=ReadOnly,
    actors={"CPU0": inc_read_only, "CPU1": write_protect, "GPU": emulated_atomic_add},
    always=[cpu_and_device_both_map],
    states=156,
    kind="contract",
    note="no increment is lost, but what the CPU reads may be old",
    source=constructed("how much of the exclusive entry lost increments need"),
)

race.case(
    "A/A.3",
    "as merged in v5.14: the page is hidden from the CPU, and not pinned",
    name="Hidden",
    of=UnmapAndDrain,
    states=141,
    source=shipped("v5.14", "v6.14", said=V11),
)
