"""Other ways to keep fork out of the window before the check.

A driver hides a page, looks for pins, and puts the entry back if there are any; a fork in between
copies the entry of a page that nobody may share (exclusive/fork_in_window).  Holding mmap_lock over
both is one way to keep fork out.  Doing both in one hold of the page-table lock is another, since
fork reads the entry under that lock.  A third is the page lock, if fork asks for it and fails where
it is taken.  A pin that comes while the driver looks and fork copies needs all that is there: GUP's
second look against the driver, and the sequence count against fork.

Promise: What the NIC writes arrives in the process that gave it the page, and in no other.

Memory model: sequentially consistent; all entries are changed under page-table locks.

Simplified:
    As in exclusive/fork_in_window.  Fork copies the entry in every case, as v7 of the patch does.
    In PinMeetsBoth the page starts unpinned, fork's look and its copying are steps of their own,
    and the sequence count is that of exclusive/gup_fast_meets_fork.
    Where fork fails, a price is paid and nothing is lost.

Sources:
    <20210401004813.GT1463678@nvidia.com> fork can copy the entry before it was checked
    mm/memory.c copy_nonpresent_pte(); mm/rmap.c page_make_device_exclusive_one(); mm/gup.c
    b756a3b5e7ea (v5.14) mm: device exclusive memory access: fork fails on a locked page
    57efa1fe5957 (v5.11) write_protect_seq
"""

from collections.abc import Callable, Coroutine
from errno import EBUSY
from typing import Any

from mmviz.engine import Case, Verdict, atomic
from mmviz.kernel.entry import CowMapping, Pte
from mmviz.kernel.fork import EntryCopied
from mmviz.kernel.page import Page
from mmviz.scenarios.exclusive.fork_in_window import (
    CheckInsideMmapLock,
    CheckOutsideMmapLock,
    Machine,
    cow_broken,
    foreign_process_sees_dma,
    fork,
    pin_lost_its_page,
)
from mmviz.scenarios.exclusive.gup_fast_meets_fork import NoSequence, Unpinned, WriteProtectSeq

Actor = Callable[[Machine], Coroutine[Any, Any, None]]
NEVER, SOMETIMES = Verdict.NEVER, Verdict.SOMETIMES
BAD = (pin_lost_its_page, foreign_process_sees_dma, cow_broken)


class CheckedInOneHold(EntryCopied):
    """A mapping whose entry is replaced only if the page is not pinned, in one go."""

    @atomic("mm/rmap.c")
    def page_make_device_exclusive_one(self, page: Page) -> bool:
        """Clear the entry, look for pins, then write the exclusive entry or the old one back."""
        if page.is_maybe_dma_pinned:
            return False
        return super().page_make_device_exclusive_one(page).do()


class CopiedUnlessLocked(EntryCopied):
    """As v7, but fork gives up where the page is locked."""

    @atomic("mm/memory.c")
    def copy_nonpresent_pte(self, child: CowMapping) -> int:
        """Copy the exclusive entry to the child, unless somebody holds the page lock."""
        if self.pte is not None and self.pte.exclusive and self.pte.page.locked is not None:
            return -EBUSY
        return super().copy_nonpresent_pte(child).do()


class PresentUnpinned(Unpinned):
    """A process whose page is present and not pinned, and a NIC that wants it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parent.pte = Pte(self.page)


async def check_in_one_hold(k: Machine) -> None:
    """The GPU's driver: what it hides has been checked already, so mmap_lock can be spared."""
    await k.page.lock_page()
    await k.parent.page_make_device_exclusive_one(k.page)
    await k.page.unlock_page()


def expect(bad: Verdict) -> dict[str, Verdict]:
    """Return what a case declares where a pinned page may be shared."""
    return {
        "pin_lost_its_page": bad,
        "foreign_process_sees_dma": bad,
        "cow_broken": NEVER,
    }


def case(
    name: str,
    id: str,
    title: str,
    driver: Actor,
    states: int,
    parent: type[EntryCopied],
    bad: Verdict = NEVER,
    note: str = "",
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Race a conversion against a fork and a write of the same process."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=lambda: Machine(parent=parent()),
        actors={"CPU0": driver, "CPU1": fork},
        bad=BAD,
        expect=expect(bad),
        states=states,
        note=note,
        schedules=schedules or {},
        proposed=proposed,
    )


def three(
    name: str, id: str, title: str, kernel: NoSequence, states: int, bad: Verdict, schedule: str
) -> Case:
    """Race a conversion against a fork and a pin of the same process."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=lambda: PresentUnpinned(parent=EntryCopied()),
        actors={
            "CPU0": CheckInsideMmapLock().make_device_exclusive_range,
            "CPU1": kernel.fork,
            "CPU2": kernel.pin_user_pages_fast,
        },
        bad=BAD,
        expect=expect(bad),
        states=states,
        schedules={"the pin slips in": schedule} if schedule else {},
    )


CASES = (
    case(
        "CheckOutsideMmapLock",
        "D/D.1",
        "the planned check, after mmap_lock is dropped",
        CheckOutsideMmapLock().make_device_exclusive_range,
        states=68,
        parent=EntryCopied,
        bad=SOMETIMES,
        schedules={"fork at that instant": "CPU0*4 CPU1*3 CPU0*3 CPU1*4"},
        proposed=("2021-04-01", "<35941260.J9UuDlmC3F@nvdebian>"),
    ),
    three(
        "PinMeetsBothNoSequence",
        "D/D.7-noseq",
        "check inside mmap_lock, and GUP-fast pins while fork is deciding (before v5.11)",
        NoSequence(),
        states=1497,
        bad=SOMETIMES,
        schedule="CPU1*3 CPU2*4 CPU1*5",
    ),
    case(
        "CheckInOneHold",
        "D/D.3",
        "clear, look for pins and write the entry in one hold of the page-table lock",
        check_in_one_hold,
        states=20,
        parent=CheckedInOneHold,
    ),
    case(
        "ForkGivesUp",
        "D/D.5",
        "the check under the page lock, and a fork that fails while that is taken",
        CheckOutsideMmapLock().make_device_exclusive_range,
        states=64,
        parent=CopiedUnlessLocked,
        note="fork() may fail with ENOMEM: it gives up on a page that is locked",
    ),
    three(
        "PinMeetsBoth",
        "D/D.7",
        "check inside mmap_lock, and GUP-fast gives way to a fork it overlaps",
        WriteProtectSeq(),
        states=2153,
        bad=NEVER,
        schedule="",
    ),
)

SPARE = {
    "CheckInOneHold: await k.page.lock_page()": (
        "One hold of the page-table lock keeps everybody out already."
    ),
    "CheckInOneHold: await k.parent.page_make_device_exclusive_one(k.page)": (
        "Without the entry fork copies by the rule for present pages."
    ),
    "CheckInOneHold: await k.page.unlock_page()": "Nobody else asks for the page lock here.",
    "PinMeetsBoth: await page.unpin_user_page()": (
        "A reference too many keeps memory; exclusive/retry_loop judges that."
    ),
    "PinMeetsBoth: await k.write_protect_seq.write_seqcount_end()": (
        "A count that stays odd sends GUP-fast the slow way for ever: slow, and safe."
    ),
    "PinMeetsBoth: await write(k.parent, copy=k.parents_copy)": (
        "Without the parent's write no page moves, and nothing is at stake."
    ),
    "PinMeetsBoth: await k.nic.ib_dma_map_sg(page)": (
        "Without the NIC nobody writes to a page that has moved."
    ),
}
