"""fork's sequence count, on a machine whose stores wait.

GUP-fast and fork synchronise without a lock: GUP-fast pins and then looks
whether a fork was under way; fork says that it is under way and then looks for pins
(exclusive/gup_fast_meets_fork).  Each side writes first and looks afterwards.  Where stores wait
in a buffer, both can look before either's write has arrived: GUP-fast keeps its pin, fork shares
the page, and the parent's next write leaves the NIC behind.  What saves x86 is two locked
instructions that are there for other reasons: the pin is a locked add, and fork takes the
page-table lock between announcing itself and looking.  Without either of them the right
protocol fails.  The trick that came before the sequence, to take the right to write away
first and look for pins after, had the same need; the sequence's changelog says that it missed a
barrier.

Promise: A page that is pinned for the NIC is not shared with a child.

Memory model: each case says which: sequentially consistent, or total store order as on x86, where
    each CPU has a first-in first-out store buffer, an actor of its own that may drain at any time.

Simplified:
    Entries, references and the sequence go through the buffers.
    One attempt on each side; the slow path of pinning, for which mmap_lock matters, is in
    exclusive/gup_fast_meets_fork.
    The page-table lock shows only as the full barrier its locked instruction is; so does the
    locked add that pins.
    raw_write_seqcount_begin() orders stores among themselves, which total store order does anyway.
    The page starts present and writable, as fork's restore of an exclusive entry leaves it.
    In ProtectFirst the right to write is taken away by a plain store.
    x86's ptep_set_wrprotect() is a locked instruction: there 70e806e4e645 is ProtectFirstBarrier.

Sources:
    mm/gup.c lockless_pages_from_mm(), gup_pte_range(), gup_fast() in v6.15
    mm/memory.c copy_page_range()
    arch/x86/include/asm/pgtable.h ptep_set_wrprotect(): clear_bit(), a locked instruction
    70e806e4e645 (v5.9-rc) takes the right to write away first, looks for pins after
    f3c64eda3e50 (v5.9) drops that order
    57efa1fe5957 (v5.11) write_protect_seq; says that the earlier order missed a barrier
"""

from typing import Protocol

from mmviz.engine import Race, World, field
from mmviz.kernel.driver.umem import Umem
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS, Page
from mmviz.kernel.provenance import candidate, constructed, shipped
from mmviz.kernel.sync.locks import SeqCount
from mmviz.kernel.sync.store_buffer import NoStoreBuffer, StoreBuffer
from mmviz.scenarios.exclusive import READ
from mmviz.scenarios.exclusive.worlds.store_buffers import BUFFERS, SC, TSO


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


def in_order() -> Machine:
    """Build the same machine without store buffers."""
    return Machine(buffer0=NoStoreBuffer(), buffer1=NoStoreBuffer())


def pinned_page_is_shared(k: Machine) -> bool:
    """The child shares a page pinned for the NIC: the parent's next write leaves the NIC behind."""
    return k.nic.page is not None and k.child.pte is not None and k.child.pte.page is k.nic.page


class Kernel(Protocol):
    """How the two sides are built.

    Attributes:
        sequence: GUP-fast asks for write_protect_seq.
        locked_add: the pin is a locked instruction, and so a full barrier.
    """

    sequence: bool
    locked_add: bool

    async def fork(self, k: Machine) -> None: ...


async def pin_user_pages_fast(k: Machine, kernel: Kernel) -> None:
    """Another thread of the parent pins the page, and checks whether a fork overlapped."""
    cpu = k.buffer0
    seq = await cpu.READ_ONCE(k.write_protect_seq, "sequence")
    if kernel.sequence and seq % 2:
        return
    entry = await cpu.READ_ONCE(k.parent, "pte")
    if not entry.is_writable:
        return
    refs = await cpu.READ_ONCE(k.page, "refs")
    await cpu.WRITE_ONCE(k.page, "refs", refs + GUP_PIN_COUNTING_BIAS)
    if kernel.locked_add:
        await cpu.smp_mb()
    late = await cpu.READ_ONCE(k.parent, "pte") != entry
    if kernel.sequence and not late:
        late = await cpu.READ_ONCE(k.write_protect_seq, "sequence") != seq
    if late:
        await cpu.WRITE_ONCE(k.page, "refs", refs)
        return
    await k.nic.ib_dma_map_sg(k.page)


async def fork(k: Machine, kernel: Kernel) -> None:
    """The parent forks."""
    await kernel.fork(k)


# One pin against one fork, under one memory model.
WITHOUT_BUFFERS = {"CPU0": pin_user_pages_fast, "CPU1": fork}
race = Race(
    world=Machine,
    actors=WITHOUT_BUFFERS | BUFFERS,
    daemons=BUFFERS,
    bad=(pinned_page_is_shared,),
    memory=TSO,
)


class Announces:
    """Fork makes the sequence odd, then shares the page unless it is pinned."""

    sequence = True
    takes_ptl = False

    async def fork(self, k: Machine) -> None:
        cpu = k.buffer1
        await cpu.WRITE_ONCE(k.write_protect_seq, "sequence", 1)
        if self.takes_ptl:
            await cpu.smp_mb()
        entry = await cpu.READ_ONCE(k.parent, "pte")
        if await cpu.READ_ONCE(k.page, "refs") < GUP_PIN_COUNTING_BIAS:
            await cpu.WRITE_ONCE(k.parent, "pte", entry.wrprotected())
            await cpu.WRITE_ONCE(k.child, "pte", entry.wrprotected())
        await cpu.WRITE_ONCE(k.write_protect_seq, "sequence", 2)


class NothingLocked(Announces):
    """The sequence alone."""

    locked_add = False


race.case(
    "E/E.8-sc",
    "sequentially consistent: the sequence alone, no locked instruction on either side",
    name="SequenceInOrder",
    of=NothingLocked,
    world=in_order,
    actors=WITHOUT_BUFFERS,
    daemons=(),
    states=73,
    memory=SC,
    source=constructed("the protocol without store buffers, for comparison"),
)

race.case(
    "E/E.8-plain",
    "total store order: the sequence alone, no locked instruction on either side",
    name="NothingLocked",
    of=NothingLocked,
    sometimes=[pinned_page_is_shared],
    states=318,
    schedules={"both look too early": "CPU0*7 CPU1*6 SB1*3"},
    source=constructed("what the locked instructions are for"),
)


@race.case(
    "E/E.8-add",
    "total store order: a locked add pins, but fork looks before its sequence has arrived",
    sometimes=[pinned_page_is_shared],
    states=261,
    schedules={"both look too early": "CPU1*6 CPU0*4 SB0 CPU0*4 SB1*3"},
    source=constructed("what the page-table lock is for, beside locking"),
)
class PinLocked(Announces):
    """The pin is a locked add."""

    locked_add = True


@race.case(
    "E/E.8-ptl",
    "total store order: fork takes the page-table lock first, but the pin is a plain store",
    sometimes=[pinned_page_is_shared],
    states=267,
    schedules={"both look too early": "CPU0*7 CPU1 SB1 CPU1*6 SB1*2"},
    source=constructed("what the locked add is for, beside counting"),
)
class ForkLocked(Announces):
    """Fork takes the page-table lock before it looks."""

    locked_add = False
    takes_ptl = True


@race.case(
    "E/E.8-tso",
    "total store order: as merged, a locked add pins, and fork takes the page-table lock to look",
    states=194,
    source=shipped("v5.11", where="57efa1fe5957", checked=READ),
)
class AsOnX86(Announces):
    """Both are locked instructions."""

    locked_add = takes_ptl = True


class ProtectsFirst:
    """No sequence: fork takes the right to write away, then looks for pins, and gives it back."""

    sequence = False
    locked_add = True
    barrier = False

    async def fork(self, k: Machine) -> None:
        cpu = k.buffer1
        entry = await cpu.READ_ONCE(k.parent, "pte")
        await cpu.WRITE_ONCE(k.parent, "pte", entry.wrprotected())
        if self.barrier:
            await cpu.smp_mb()
        if await cpu.READ_ONCE(k.page, "refs") >= GUP_PIN_COUNTING_BIAS:
            await cpu.WRITE_ONCE(k.parent, "pte", entry)
        else:
            await cpu.WRITE_ONCE(k.child, "pte", entry.wrprotected())


race.case(
    "E/E.9-first-sc",
    "sequentially consistent: no sequence; fork takes the right to write away, then looks for pins",
    name="ProtectFirstInOrder",
    of=ProtectsFirst,
    world=in_order,
    actors=WITHOUT_BUFFERS,
    daemons=(),
    states=54,
    memory=SC,
    source=constructed("the order of 70e806e4e645 without store buffers, for comparison"),
)

race.case(
    "E/E.9-first",
    "total store order: no sequence; fork takes the right to write away, then looks for pins",
    name="ProtectFirst",
    of=ProtectsFirst,
    sometimes=[pinned_page_is_shared],
    states=122,
    schedules={"both look too early": "CPU0*4 CPU1*4 SB0 CPU0*3 SB1*2"},
    source=constructed("the barrier that 57efa1fe5957 says the order of 70e806e4e645 missed"),
)


@race.case(
    "E/E.9-first-mb",
    "total store order: the same with a full barrier before the look",
    states=102,
    source=candidate("v5.9", "70e806e4e645", "2020-09-27"),
)
class ProtectFirstBarrier(ProtectsFirst):
    """As the order was on x86, where taking the right away is a locked instruction."""

    barrier = True
