"""Total store order: a check that comes after, and is early all the same.

Looking for pins after the entry is replaced is right (exclusive/pin_check_too_early), if both sides
see what the other one has written.  A CPU's stores wait in a buffer before anybody else sees them,
and its own next load does not wait for them.  So the driver clears the entry, looks for pins and
finds none, while GUP-fast pins, looks at the entry again and finds it unchanged: each has looked
before the other's store has arrived.  Both sides need a full barrier between what they write and
what they look at then; one barrier on one side is not enough.

Promise: A page that the GPU has to itself is not pinned by anybody.

Memory model: total store order, as on x86: each CPU has a first-in first-out store buffer, which
    is an actor of its own here and drains when it likes; loads see the own buffer first.  One case
    is sequentially consistent, for comparison.

Simplified:
    Entry and references go through the buffers, nothing else does.  One attempt on each side; the
    slow way of pinning and the page lock are in exclusive/pin_check_too_early.
    On x86 the clear is a locked exchange and the pin a locked add, so both barriers are there; the
    cases without show what that is for.  smp_mb() waits for the buffer, which drains by itself.

Sources:
    <20210331134604.GK1463678@nvidia.com> how could the check not race with GUP-fast?
    <35941260.J9UuDlmC3F@nvdebian> by looking after the entries are in place
    mm/gup.c gup_pte_range(); mm/rmap.c page_try_share_anon_rmap()
    088b8aa537c2 (v6.1) the same handshake elsewhere in mm, with its barriers
"""

from mmviz.engine import Case, Verdict, World, expecting, field
from mmviz.kernel.atomic_access import AtomicAccess
from mmviz.kernel.entry import CowMapping, Pte
from mmviz.kernel.page import GUP_PIN_COUNTING_BIAS, Page
from mmviz.kernel.store_buffer import NoStoreBuffer, StoreBuffer, drain_stores
from mmviz.kernel.umem import Umem

SC = "sequentially consistent"


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


def pinned_page_hidden(k: Machine) -> bool:
    """The GPU has a page to itself that the NIC still writes to: one undoes the other's work."""
    return k.nic.page is not None and k.gpu.page is k.nic.page


async def pin_user_pages_fast(k: Machine, barrier: bool) -> None:
    """The NIC's driver pins: read the entry, pin, read the entry again."""
    entry = await k.buffer0.READ_ONCE(k.cpu, "pte")
    if entry is None or not entry.is_writable:
        return
    refs = await k.buffer0.READ_ONCE(k.page, "refs")
    await k.buffer0.WRITE_ONCE(k.page, "refs", refs + GUP_PIN_COUNTING_BIAS)
    if barrier:
        await k.buffer0.smp_mb()
    if await k.buffer0.READ_ONCE(k.cpu, "pte") != entry:
        await k.buffer0.WRITE_ONCE(k.page, "refs", refs)
        return
    await k.nic.ib_dma_map_sg(k.page)


async def make_device_exclusive(k: Machine, barrier: bool) -> None:
    """The GPU's driver clears the entry, looks for pins, and hides the page if there are none."""
    entry = await k.buffer1.READ_ONCE(k.cpu, "pte")
    await k.buffer1.WRITE_ONCE(k.cpu, "pte", None)
    if barrier:
        await k.buffer1.smp_mb()
    refs = await k.buffer1.READ_ONCE(k.page, "refs")
    if refs >= GUP_PIN_COUNTING_BIAS:
        await k.buffer1.WRITE_ONCE(k.cpu, "pte", entry)
        return
    await k.buffer1.WRITE_ONCE(k.cpu, "pte", entry.made_exclusive())
    await k.gpu.map_atomic(k.page)


async def store_buffer_0(k: Machine) -> None:
    """CPU0's store buffer."""
    await drain_stores(k.buffer0)


async def store_buffer_1(k: Machine) -> None:
    """CPU1's store buffer."""
    await drain_stores(k.buffer1)


def in_order() -> Machine:
    """The same without store buffers."""
    return Machine(buffer0=NoStoreBuffer(), buffer1=NoStoreBuffer())


def case(
    name: str,
    id: str,
    title: str,
    pin: bool,
    convert: bool,
    states: int,
    schedule: str = "",
    memory: str = "total store order",
) -> Case:
    """Race one pin against one conversion, each with a barrier or without."""
    buffers = {"SB0": store_buffer_0, "SB1": store_buffer_1} if memory != SC else {}
    return Case(
        name=name,
        id=id,
        title=f"{memory}: {title}",
        world=Machine if buffers else in_order,
        actors={
            "CPU0": lambda k: pin_user_pages_fast(k, pin),
            "CPU1": lambda k: make_device_exclusive(k, convert),
            **buffers,
        },
        daemons=tuple(buffers),
        bad=(pinned_page_hidden,),
        expect=expecting(
            (pinned_page_hidden,), {"pinned_page_hidden": Verdict.SOMETIMES} if schedule else {}
        ),
        states=states,
        schedules={"both look too early": schedule} if schedule else {},
        memory=memory,
    )


CASES = (
    case(
        "InOrder",
        "C/C.3-sc",
        "no barrier on either side, and none needed",
        pin=False,
        convert=False,
        states=50,
        memory=SC,
    ),
    case(
        "NoBarrier",
        "C/C.3",
        "no barrier on either side",
        pin=False,
        convert=False,
        states=166,
        schedule="CPU1*3 CPU0*5 CPU1*2",
    ),
    case(
        "BarrierInGup",
        "C/C.3-gup",
        "a barrier between pinning and reading again, none in the driver",
        pin=True,
        convert=False,
        states=145,
        schedule="CPU1*5 CPU0*3 SB0 CPU0*3",
    ),
    case(
        "BarrierInDriver",
        "C/C.3-driver",
        "a barrier between clearing and looking for pins, none in GUP-fast",
        pin=False,
        convert=True,
        states=147,
        schedule="CPU0*5 CPU1*2 SB1 CPU1*4",
    ),
    case(
        "BothBarriers",
        "C/C.4",
        "a full barrier on both sides, as x86's locked instructions are",
        pin=True,
        convert=True,
        states=114,
    ),
)
