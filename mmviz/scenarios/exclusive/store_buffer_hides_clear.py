"""Total store order: a check that comes later in the code, and still takes effect too early.

Looking for pins after the entry is replaced is right (exclusive/pin_check_too_early), if both sides
see what the other one has written.  A CPU's stores wait in a buffer before other CPUs see them,
and its own next load does not wait for them.  So the driver clears the entry, looks for pins and
finds none, while GUP-fast pins, looks at the entry again and finds it unchanged: each has looked
before the other's store has arrived.  Both sides need a full barrier between what they write and
what they look at then; one barrier on one side is not enough.

Promise: A page that the GPU has to itself is not pinned.

Memory model: total store order, as on x86: each CPU has a first-in first-out store buffer, which
    is an actor of its own here and drains when it likes; loads see the own buffer first.  One case
    is sequentially consistent, for comparison.

Simplified:
    Entry and references go through the buffers, nothing else does.
    One attempt on each side; the slow way of pinning and the page lock are in
    exclusive/pin_check_too_early.
    On x86 the clear is a locked exchange and the pin a locked add, so both barriers are there
    (LockedInstructions); the other cases show what that is for.
    smp_mb() waits for the buffer, which drains by itself.
    Undoing an attempt is left out in ReleaseAcquire and LockedInstructions.

Sources:
    <20210331134604.GK1463678@nvidia.com> how could the check not race with GUP-fast?
    <35941260.J9UuDlmC3F@nvdebian> by looking after the entries are in place
    mm/gup.c gup_pte_range(): pin, then read the entry again
    mm/rmap.c page_make_device_exclusive_one(): ptep_clear_flush()
    include/linux/rmap.h page_try_share_anon_rmap(), v5.19 to v6.7: clear, barrier, look for pins
    088b8aa537c2 (v6.1) gave that function and GUP-fast their barriers
"""

from typing import Protocol

from mmviz.engine import Race, World, field
from mmviz.kernel.driver.atomic_access import AtomicAccess
from mmviz.kernel.driver.umem import Umem
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS, Page
from mmviz.kernel.provenance import constructed
from mmviz.kernel.sync.store_buffer import NoStoreBuffer, StoreBuffer
from mmviz.scenarios.exclusive import CHECK_AFTERWARDS
from mmviz.scenarios.exclusive.worlds.store_buffers import BUFFERS, SC, TSO


class Machine(World):
    """A page that a NIC wants to pin and a GPU wants to itself, and two CPUs' store buffers."""

    page: Page = field(default_factory=lambda: Page(7))
    cpu: CowMapping = field(default_factory=CowMapping)
    gpu: AtomicAccess = field(default_factory=AtomicAccess)
    nic: Umem = field(default_factory=Umem)
    buffer0: StoreBuffer = field(default_factory=StoreBuffer)
    buffer1: StoreBuffer = field(default_factory=StoreBuffer)

    def __post_init__(self) -> None:
        self.cpu.pte = Pte(self.page)


def in_order() -> Machine:
    """Build the same machine without store buffers."""
    return Machine(buffer0=NoStoreBuffer(), buffer1=NoStoreBuffer())


def pinned_page_hidden(k: Machine) -> bool:
    """The GPU has a page to itself that the NIC still writes to: one undoes the other's work."""
    return k.nic.page is not None and k.gpu.page is k.nic.page


class Barriers(Protocol):
    """Which side waits until its store has arrived before it looks."""

    in_gup: bool
    in_driver: bool


async def pin_user_pages_fast(k: Machine, barriers: Barriers) -> None:
    """The NIC's driver pins: read the entry, pin, read the entry again."""
    entry = await k.buffer0.READ_ONCE(k.cpu, "pte")
    if entry is None or not entry.is_writable:
        return
    refs = await k.buffer0.READ_ONCE(k.page, "refs")
    await k.buffer0.WRITE_ONCE(k.page, "refs", refs + GUP_PIN_COUNTING_BIAS)
    if barriers.in_gup:
        await k.buffer0.smp_mb()
    if await k.buffer0.READ_ONCE(k.cpu, "pte") != entry:
        await k.buffer0.WRITE_ONCE(k.page, "refs", refs)
        return
    await k.nic.ib_dma_map_sg(k.page)


async def make_device_exclusive(k: Machine, barriers: Barriers) -> None:
    """The GPU's driver clears the entry, looks for pins, and hides the page if there are none."""
    entry = await k.buffer1.READ_ONCE(k.cpu, "pte")
    await k.buffer1.WRITE_ONCE(k.cpu, "pte", None)
    if barriers.in_driver:
        await k.buffer1.smp_mb()
    refs = await k.buffer1.READ_ONCE(k.page, "refs")
    if refs >= GUP_PIN_COUNTING_BIAS:
        await k.buffer1.WRITE_ONCE(k.cpu, "pte", entry)
        return
    await k.buffer1.WRITE_ONCE(k.cpu, "pte", entry.made_exclusive())
    await k.gpu.map_atomic(k.page)


# One pin against one conversion, each with a barrier or without.
WITHOUT_BUFFERS = {"CPU0": pin_user_pages_fast, "CPU1": make_device_exclusive}
race = Race(
    world=Machine,
    actors=WITHOUT_BUFFERS | BUFFERS,
    daemons=BUFFERS,
    bad=(pinned_page_hidden,),
    memory=TSO,
)


class NoBarrier:
    """Plain stores and loads on both sides."""

    in_gup = in_driver = False


race.case(
    "C/C.3-sc",
    "sequentially consistent: no barrier on either side, and none needed",
    name="InOrder",
    of=NoBarrier,
    world=in_order,
    actors=WITHOUT_BUFFERS,
    daemons=(),
    states=48,
    memory=SC,
    source=constructed("the planned check without store buffers, for comparison"),
)

race.case(
    "C/C.3",
    "total store order: no barrier on either side",
    name="NoBarrier",
    of=NoBarrier,
    sometimes=[pinned_page_hidden],
    states=162,
    schedules={"both look too early": "CPU1*3 CPU0*5 CPU1*2"},
    source=constructed("why looking afterwards needs a barrier"),
)


@race.case(
    "C/C.3-gup",
    "total store order: a barrier between pinning and reading again, none in the driver",
    sometimes=[pinned_page_hidden],
    states=143,
    schedules={"both look too early": "CPU1*5 CPU0*3 SB0 CPU0*3"},
    source=constructed("why one barrier is not enough"),
)
class BarrierInGup:
    """GUP-fast waits until its pin has arrived, then reads the entry again."""

    in_gup, in_driver = True, False


@race.case(
    "C/C.3-driver",
    "total store order: a barrier between clearing and looking for pins, none in GUP-fast",
    sometimes=[pinned_page_hidden],
    states=143,
    schedules={"both look too early": "CPU0*5 CPU1*2 SB1 CPU1*4"},
    source=constructed("why one barrier is not enough"),
)
class BarrierInDriver:
    """The driver waits until the cleared entry has arrived, then looks for pins."""

    in_gup, in_driver = False, True


@race.case(
    "C/C.4",
    "total store order: a full barrier on both sides, as x86's locked instructions are",
    states=112,
    source=CHECK_AFTERWARDS,
)
class BothBarriers:
    """Both sides wait until their store has arrived, then look."""

    in_gup = in_driver = True


class Instructions(Protocol):
    """With which instruction each side writes before it looks."""

    async def add(self, k: Machine) -> None: ...
    async def clear(self, k: Machine) -> None: ...


async def pins(k: Machine, how: Instructions) -> None:
    """The NIC's driver pins: read the entry, pin, read the entry again."""
    entry = await k.buffer0.smp_load_acquire(k.cpu, "pte")
    if entry is None:
        return
    await how.add(k)
    if await k.buffer0.smp_load_acquire(k.cpu, "pte") == entry:
        await k.nic.ib_dma_map_sg(k.page)


async def clears(k: Machine, how: Instructions) -> None:
    """The GPU's driver clears the entry, looks for pins, and takes the page if there are none."""
    await how.clear(k)
    if await k.buffer1.smp_load_acquire(k.page, "refs") < GUP_PIN_COUNTING_BIAS:
        await k.gpu.map_atomic(k.page)


@race.case(
    "C/C.3-release",
    "total store order: each side writes with release and looks with acquire",
    actors={"CPU0": pins, "CPU1": clears} | BUFFERS,
    sometimes=[pinned_page_hidden],
    states=79,
    source=constructed("release and acquire do not order a store before a later load"),
)
class ReleaseAcquire:
    """On x86 a release is a plain store, and an acquire a plain load."""

    async def add(self, k: Machine) -> None:
        """Pin the page."""
        refs = await k.buffer0.READ_ONCE(k.page, "refs")
        await k.buffer0.smp_store_release(k.page, "refs", refs + GUP_PIN_COUNTING_BIAS)

    async def clear(self, k: Machine) -> None:
        """Clear the entry."""
        await k.buffer1.smp_store_release(k.cpu, "pte", None)


@race.case(
    "C/C.4-x86",
    "total store order: a locked add pins, and a locked exchange clears, as on x86",
    actors={"CPU0": pins, "CPU1": clears} | BUFFERS,
    states=26,
    source=constructed("the instructions that x86 has for both sides, each a full barrier"),
)
class LockedInstructions:
    """A locked instruction is one step, and waits for the stores before it."""

    async def add(self, k: Machine) -> None:
        await k.buffer0.atomic_fetch_add(k.page, "refs", GUP_PIN_COUNTING_BIAS)

    async def clear(self, k: Machine) -> None:
        await k.buffer1.xchg(k.cpu, "pte", None)
