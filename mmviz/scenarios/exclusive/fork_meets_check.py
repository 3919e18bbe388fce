"""Other ways to keep fork out of the window before the check.

A driver hides a page, looks for pins, and puts the entry back if there are any; a fork in between
copies the entry of a page that must not be shared (exclusive/fork_in_window).  Holding mmap_lock
over both is one way to keep fork out.  Doing both in one hold of the page-table lock is another,
since fork reads the entry under that lock.  A third is the page lock, if fork asks for it and fails
where it is taken.  None of the three keeps GUP-fast out, which takes no lock: a pin that comes
while the driver looks needs GUP's second look at the entry, and one that comes while fork copies
needs the sequence count.

Promise: What the NIC writes arrives in the process that gave it the page, and in no other.

Memory model: sequentially consistent; all entries are changed under page-table locks.

Simplified:
    As in exclusive/fork_in_window.  Fork copies the entry in every case, as v7 of the patch does.
    Where GUP-fast takes part, the page starts unpinned, fork's look and its copying are steps of
    their own, and the sequence count is that of exclusive/gup_fast_meets_fork.
    In CheckInOneHold and OneHoldNoSecondLook the driver's hold of the page-table lock is several
    steps, and fork takes the lock, too.  What a fault or GUP's slow way does under it stays one
    step; while the driver has the lock, these find its entry and wait for the page lock.
    Clearing the old entry and writing the exclusive one are one step of that hold: GUP-fast takes
    the slow way for both.
    Where fork fails, a price is paid and nothing is lost.
    PinMeetsBothNoSequence was never a kernel: v7 was posted in March 2021, and v5.11 has the count.

Sources:
    <20210401004813.GT1463678@nvidia.com> fork can copy the entry before it was checked
    <35941260.J9UuDlmC3F@nvdebian> GUP-fast sees the changed entry, and takes the slow way
    mm/memory.c copy_nonpresent_pte(); mm/rmap.c page_make_device_exclusive_one()
    mm/gup.c lockless_pages_from_mm(), gup_pte_range(): no page-table lock
    b756a3b5e7ea (v5.14) mm: device exclusive memory access: fork fails on a locked page
    57efa1fe5957 (v5.11) write_protect_seq
"""

from errno import EBUSY
from typing import Any

from mmviz.engine import Race, atomic, field
from mmviz.kernel.mm.entry import CowMapping
from mmviz.kernel.mm.fault import write
from mmviz.kernel.mm.fork import EntryCopied, ForkedMapping
from mmviz.kernel.provenance import constructed
from mmviz.kernel.sync.locks import SpinLock
from mmviz.scenarios.exclusive import CHECK_AFTERWARDS
from mmviz.scenarios.exclusive.fork_in_window import CheckInsideMmapLock, CheckOutsideMmapLock
from mmviz.scenarios.exclusive.gup_fast_meets_fork import NoSequence, WriteProtectSeq
from mmviz.scenarios.exclusive.worlds.fork import (
    BAD,
    Machine,
    convert,
    entry_copied,
    foreign_process_sees_dma,
    fork,
    pin_lost_its_page,
)
from mmviz.scenarios.exclusive.worlds.gup import (
    Unpinned,
    copy_pte_range,
    fork_in_steps,
    pin,
    slow,
)


class CopiedUnlessLocked(EntryCopied):
    """As v7, but fork gives up where the page is locked."""

    @atomic("mm/memory.c")
    def copy_nonpresent_pte(self, child: CowMapping) -> int:
        """Copy the exclusive entry to the child, unless the page lock is held."""
        if self.pte is not None and self.pte.exclusive and self.pte.page.locked is not None:
            return -EBUSY
        return super().copy_nonpresent_pte(child).do()


class TableLocked(Unpinned):
    """A process whose page is not pinned yet, and its page-table lock."""

    parent: ForkedMapping = field(default_factory=EntryCopied)
    ptl: SpinLock = field(default_factory=SpinLock)


def fork_gives_up() -> Machine:
    """Build the machine with a fork that fails on a locked page."""
    return Machine(parent=CopiedUnlessLocked())


def unpinned_entry_copied() -> Unpinned:
    """Build the machine without a pin; fork copies the entry."""
    return Unpinned(parent=EntryCopied())


async def convert_and_check(k: Unpinned) -> None:
    """The GPU's driver makes the page exclusive, and looks for pins with mmap_lock held."""
    await CheckInsideMmapLock().make_device_exclusive_range(k)


async def check_in_one_hold(k: TableLocked) -> None:
    """The GPU's driver: replace, look and put back in one hold of the page-table lock."""
    await k.page.lock_page()
    await k.ptl.spin_lock()
    await k.parent.page_make_device_exclusive_one(k.page)
    if await k.page.page_maybe_dma_pinned():
        await k.parent.restore_exclusive_pte(k.page)
    await k.ptl.spin_unlock()
    await k.page.unlock_page()


# A conversion against a fork and a write of the same process.
race = Race(world=entry_copied, actors={"CPU0": convert, "CPU1": fork}, bad=BAD)

# A conversion, a fork and a pin of the same process.
THREE = {"CPU0": convert_and_check, "CPU1": fork_in_steps, "CPU2": pin}
ONE_HOLD = {**THREE, "CPU0": check_in_one_hold}


race.case(
    "D/D.1",
    "the check after mmap_lock is dropped: the window that the objection sees",
    name="CheckOutsideMmapLock",
    of=CheckOutsideMmapLock,
    sometimes=[pin_lost_its_page, foreign_process_sees_dma],
    states=68,
    schedules={"fork at that instant": "CPU0*4 CPU1*3 CPU0*3 CPU1*4"},
    source=constructed(
        "the reading of <35941260.J9UuDlmC3F@nvdebian> in which the objection "
        "<20210401004813.GT1463678@nvidia.com> holds: fork needs mmap_lock to come in between"
    ),
)

race.case(
    "D/D.7-noseq",
    "check inside mmap_lock, and a GUP-fast without write_protect_seq: it pins while fork decides",
    name="PinMeetsBothNoSequence",
    of=NoSequence,
    world=unpinned_entry_copied,
    actors=THREE,
    sometimes=[pin_lost_its_page, foreign_process_sees_dma],
    states=1141,
    schedules={"the pin slips in": "CPU1*3 CPU2*4 CPU1*5"},
    source=constructed("what the planned check owes to write_protect_seq (57efa1fe5957, v5.11)"),
)


@race.case(
    "D/D.3",
    "replace the entry, look for pins, put it back: in one hold of the page-table lock",
    world=TableLocked,
    actors=ONE_HOLD,
    states=1918,
    source=constructed("a hold of the page-table lock keeps fork out as mmap_lock does"),
)
class CheckInOneHold(WriteProtectSeq):
    """Fork takes the page-table lock; GUP-fast does not, and relies on its second look."""

    async def fork(self, k: Any) -> None:
        await k.mmap_lock.down_write()
        await k.write_protect_seq.write_seqcount_begin()
        await k.ptl.spin_lock()
        await copy_pte_range(k)
        await k.ptl.spin_unlock()
        await k.write_protect_seq.write_seqcount_end()
        await k.mmap_lock.up_write()
        await write(k.parent, copy=k.parents_copy)


@race.case(
    "D/D.3-nolook",
    "the same hold, and a GUP-fast without the second look: the lock does not keep it out",
    world=TableLocked,
    actors=ONE_HOLD,
    sometimes=[pin_lost_its_page, foreign_process_sees_dma],
    states=2055,
    schedules={"the pin slips in": "CPU2*2 CPU0*6 CPU2*3 CPU1*15"},
    source=constructed("the page-table lock does not keep GUP-fast out; its second look does"),
)
class OneHoldNoSecondLook(CheckInOneHold):
    """GUP-fast pins what it has read, and does not read the entry again."""

    async def pin_user_pages_fast(self, k: Unpinned) -> None:
        seq = await k.write_protect_seq.raw_read_seqcount()
        entry = await k.parent.ptep_get_lockless()
        if seq % 2 or entry is None or not entry.is_writable:
            page = await slow(k)
        else:
            page = entry.page
            await page.try_grab_page()
            if await k.write_protect_seq.read_seqcount_retry(seq):
                await page.unpin_user_page()
                page = await slow(k)
        await k.nic.ib_dma_map_sg(page)


race.case(
    "D/D.5",
    "the check under the page lock, and a fork that fails while that is taken",
    name="ForkGivesUp",
    of=CheckOutsideMmapLock,
    world=fork_gives_up,
    states=64,
    note="fork() may fail with ENOMEM: it gives up on a page that is locked",
    source=constructed("the -EBUSY of v9 and later, put into v7's fork: the page lock is enough"),
)

race.case(
    "D/D.7",
    "check inside mmap_lock, and GUP-fast gives way to a fork it overlaps",
    name="PinMeetsBoth",
    of=WriteProtectSeq,
    world=unpinned_entry_copied,
    actors=THREE,
    states=1527,
    source=CHECK_AFTERWARDS,
)
