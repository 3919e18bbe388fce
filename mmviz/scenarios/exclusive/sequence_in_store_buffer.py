"""fork's sequence count, on a machine whose stores wait.

GUP-fast and fork keep out of each other's way without a lock: GUP-fast pins and then looks
whether a fork was under way; fork says that it is under way and then looks for pins
(exclusive/gup_fast_meets_fork).  Each side writes first and looks afterwards.  Where stores wait
in a buffer, both can look before either's write has arrived: GUP-fast keeps its pin, fork shares
the page, and the parent's next write leaves the NIC behind.  What saves x86 is two locked
instructions that are there for other reasons: the pin is a locked add, and fork takes the
page-table lock between announcing itself and looking.  Take one of them away and the right
protocol is wrong.  The trick that came before the sequence, to take the right to write away
first and look for pins after, had the same need and nobody to say so.

Promise: A page that is pinned for the NIC is not shared with a child.

Memory model: each case says which: sequentially consistent, or total store order as on x86, where
    each CPU has a first-in first-out store buffer, an actor of its own that drains when it likes.

Simplified:
    Entries, references and the sequence go through the buffers.  One attempt on each side; the
    slow way of pinning, for which mmap_lock matters, is in exclusive/gup_fast_meets_fork.
    The page-table lock shows only as the full barrier its locked instruction is; so does the
    locked add that pins.  raw_write_seqcount_begin() orders stores among themselves, which total
    store order does anyway.
    The page starts present and writable, as fork's restore of an exclusive entry leaves it.

Sources:
    mm/gup.c lockless_pages_from_mm(), gup_pte_range(); mm/memory.c copy_page_range()
    70e806e4e645 (v5.9-rc) takes the right to write away first, looks for pins after
    f3c64eda3e50 (v5.9) drops that order
    57efa1fe5957 (v5.11) write_protect_seq; says that the earlier order missed a barrier
"""

from collections.abc import Callable
from typing import Any

from mmviz.engine import Case, Verdict, World, expecting, field
from mmviz.kernel.entry import CowMapping, Pte
from mmviz.kernel.locks import SeqCount
from mmviz.kernel.page import GUP_PIN_COUNTING_BIAS, Page
from mmviz.kernel.store_buffer import NoStoreBuffer, StoreBuffer, drain_stores
from mmviz.kernel.umem import Umem

SC, TSO = "sequentially consistent", "total store order"


class Machine(World):
    """A process that forks while its page is pinned, and two CPUs' store buffers."""

    buffer0: StoreBuffer = field(default_factory=StoreBuffer)
    buffer1: StoreBuffer = field(default_factory=StoreBuffer)
    page: Page = field(default_factory=lambda: Page(7))
    parent: CowMapping = field(default_factory=CowMapping)
    child: CowMapping = field(default_factory=CowMapping)
    write_protect_seq: SeqCount = field(default_factory=SeqCount)
    nic: Umem = field(default_factory=Umem)

    def __post_init__(self) -> None:
        self.parent.pte = Pte(self.page)


def pinned_page_is_shared(k: Machine) -> bool:
    """The child shares a page pinned for the NIC: the parent's next write leaves the NIC behind."""
    return k.nic.page is not None and k.child.pte is not None and k.child.pte.page is k.nic.page


async def pin_user_pages_fast(k: Machine, sequence: bool, locked_add: bool) -> None:
    """Another thread of the parent pins the page, and looks whether it was in time."""
    cpu = k.buffer0
    seq = await cpu.READ_ONCE(k.write_protect_seq, "sequence")
    if sequence and seq % 2:
        return
    entry = await cpu.READ_ONCE(k.parent, "pte")
    if not entry.is_writable:
        return
    refs = await cpu.READ_ONCE(k.page, "refs")
    await cpu.WRITE_ONCE(k.page, "refs", refs + GUP_PIN_COUNTING_BIAS)
    if locked_add:
        await cpu.smp_mb()
    late = await cpu.READ_ONCE(k.parent, "pte") != entry
    if sequence and not late:
        late = await cpu.READ_ONCE(k.write_protect_seq, "sequence") != seq
    if late:
        await cpu.WRITE_ONCE(k.page, "refs", refs)
        return
    await k.nic.ib_dma_map_sg(k.page)


async def fork(k: Machine, takes_ptl: bool) -> None:
    """The parent forks: announce it, then share the page unless it is pinned."""
    cpu = k.buffer1
    await cpu.WRITE_ONCE(k.write_protect_seq, "sequence", 1)
    if takes_ptl:
        await cpu.smp_mb()
    entry = await cpu.READ_ONCE(k.parent, "pte")
    if await cpu.READ_ONCE(k.page, "refs") < GUP_PIN_COUNTING_BIAS:
        await cpu.WRITE_ONCE(k.parent, "pte", entry.wrprotected())
        await cpu.WRITE_ONCE(k.child, "pte", entry.wrprotected())
    await cpu.WRITE_ONCE(k.write_protect_seq, "sequence", 2)


async def fork_protects_first(k: Machine, barrier: bool) -> None:
    """The parent forks: take the right to write away, then look for pins, and give it back."""
    cpu = k.buffer1
    entry = await cpu.READ_ONCE(k.parent, "pte")
    await cpu.WRITE_ONCE(k.parent, "pte", entry.wrprotected())
    if barrier:
        await cpu.smp_mb()
    if await cpu.READ_ONCE(k.page, "refs") >= GUP_PIN_COUNTING_BIAS:
        await cpu.WRITE_ONCE(k.parent, "pte", entry)
    else:
        await cpu.WRITE_ONCE(k.child, "pte", entry.wrprotected())


async def store_buffer_0(k: Machine) -> None:
    """CPU0's store buffer."""
    await drain_stores(k.buffer0)


async def store_buffer_1(k: Machine) -> None:
    """CPU1's store buffer."""
    await drain_stores(k.buffer1)


def case(
    name: str,
    id: str,
    title: str,
    states: int,
    pins: Callable[[Machine], Any],
    forks: Callable[[Machine], Any],
    memory: str = TSO,
    **more: Any,
) -> Case:
    """Race one pin against one fork, under one memory model."""
    actors = {"CPU0": pins, "CPU1": forks}
    buffers = {"SB0": store_buffer_0, "SB1": store_buffer_1}
    return Case(
        name=name,
        id=id,
        title=f"{memory}: {title}",
        world=Machine
        if memory == TSO
        else lambda: Machine(buffer0=NoStoreBuffer(), buffer1=NoStoreBuffer()),
        actors=actors | buffers if memory == TSO else actors,
        daemons=tuple(buffers) if memory == TSO else (),
        bad=(pinned_page_is_shared,),
        expect=expecting(
            (pinned_page_is_shared,),
            {"pinned_page_is_shared": Verdict.SOMETIMES} if "schedules" in more else {},
        ),
        states=states,
        memory=memory,
        **more,
    )


def pin(sequence: bool = True, locked_add: bool = True) -> Callable[[Machine], Any]:
    """Return GUP-fast of one kind, an actor."""
    return lambda k: pin_user_pages_fast(k, sequence, locked_add)


CASES = (
    case(
        "SequenceInOrder",
        "E/E.8-sc",
        "the sequence alone, no locked instruction on either side",
        states=78,
        pins=pin(locked_add=False),
        forks=lambda k: fork(k, takes_ptl=False),
        memory=SC,
    ),
    case(
        "NothingLocked",
        "E/E.8-plain",
        "the sequence alone, no locked instruction on either side",
        states=333,
        pins=pin(locked_add=False),
        forks=lambda k: fork(k, takes_ptl=False),
        schedules={"both look too early": "CPU0*7 CPU1*6 SB1*3"},
    ),
    case(
        "PinLocked",
        "E/E.8-add",
        "a locked add pins, but fork looks before its sequence has arrived",
        states=269,
        pins=pin(),
        forks=lambda k: fork(k, takes_ptl=False),
        schedules={"both look too early": "CPU1*6 CPU0*4 SB0 CPU0*4 SB1*3"},
    ),
    case(
        "ForkLocked",
        "E/E.8-ptl",
        "fork takes the page-table lock first, but the pin is a plain store",
        states=282,
        pins=pin(locked_add=False),
        forks=lambda k: fork(k, takes_ptl=True),
        schedules={"both look too early": "CPU0*7 CPU1 SB1 CPU1*6 SB1*2"},
    ),
    case(
        "AsOnX86",
        "E/E.8-tso",
        "as merged: a locked add pins, the page-table lock stands between sequence and look",
        states=202,
        pins=pin(),
        forks=lambda k: fork(k, takes_ptl=True),
        shipped=("v5.11", ""),
    ),
    case(
        "ProtectFirstInOrder",
        "E/E.9-first-sc",
        "no sequence; fork takes the right to write away, then looks for pins",
        states=54,
        pins=pin(sequence=False),
        forks=lambda k: fork_protects_first(k, barrier=False),
        memory=SC,
    ),
    case(
        "ProtectFirst",
        "E/E.9-first",
        "no sequence; fork takes the right to write away, then looks for pins",
        states=122,
        pins=pin(sequence=False),
        forks=lambda k: fork_protects_first(k, barrier=False),
        schedules={"both look too early": "CPU0*4 CPU1*4 SB0 CPU0*3 SB1*2"},
    ),
    case(
        "ProtectFirstBarrier",
        "E/E.9-first-mb",
        "the same with a full barrier before the look",
        states=102,
        pins=pin(sequence=False),
        forks=lambda k: fork_protects_first(k, barrier=True),
    ),
)
