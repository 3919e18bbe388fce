"""A pin that GUP-fast takes while fork is deciding.

Undoing the entry at fork leaves everything to fork's rule for present pages: share the page
unless it is pinned.  GUP-fast takes no lock, so it can pin between fork's look at the count and
fork's taking the right to write away.  Its second look at the entry finds it unchanged, fork
then shares a page that is pinned by now, and the parent's next write leaves the NIC behind.
Since v5.11 fork makes a sequence count odd while it copies, and GUP-fast gives its pin back if
the count was odd or has moved.

Promise: What the NIC writes arrives in the process that gave it the page, and in no other.

Memory model: sequentially consistent; the sequence count brings its own barriers on real ones.

Simplified:
    What fork does to the entry is three steps here, as GUP-fast minds no page-table lock; all
    others are kept out by mmap_lock, so the lock itself is not shown.
    fork()'s rule looks at the count alone; the kernel first asks whether this process has ever
    pinned anything (MMF_HAS_PINNED), which GUP-fast sets before it begins.
    A count left odd would break nothing: GUP-fast would take the slow way for ever.
    The page starts under an exclusive entry and unpinned; no device acts.
    do_wp_page() follows the rule of v5.9 to v5.18: reuse the page if it has one reference.

Sources:
    <9244031.kThbcIvB84@nvdebian> restore at fork
    mm/gup.c lockless_pages_from_mm(), gup_pte_range(); mm/memory.c copy_page_range()
    f3c64eda3e50 (v5.9) fork no longer write-protects before it looks: the race is open
    57efa1fe5957 (v5.11) write_protect_seq closes it
"""

from errno import ENOENT

from mmviz.engine import Case, Verdict, field
from mmviz.kernel.entry import Pte
from mmviz.kernel.fault import write
from mmviz.kernel.gup import get_user_pages, gup_pte_range, lockless_pages_from_mm
from mmviz.kernel.locks import SeqCount
from mmviz.kernel.page import Page
from mmviz.scenarios.exclusive.fork_in_window import (
    Machine,
    cow_broken,
    foreign_process_sees_dma,
    pin_lost_its_page,
)


class Unpinned(Machine):
    """A process whose page is under an exclusive entry, and a NIC that wants it."""

    page: Page = field(default_factory=lambda: Page(7))
    write_protect_seq: SeqCount = field(default_factory=SeqCount)

    def __post_init__(self) -> None:
        self.parent.pte = Pte(self.page, exclusive=True)


async def copy_pte_range(k: Unpinned) -> None:
    """Make the entry present, then share the page, or copy it if it is pinned."""
    if await k.parent.copy_nonpresent_pte(k.child) != -ENOENT:
        return
    if await k.page.page_maybe_dma_pinned():
        await k.parent.copy_present_page(k.child, k.childs_copy)
    else:
        await k.parent.copy_present_pte(k.child)


async def slow(k: Unpinned) -> Page:
    """Pin with mmap_lock held, which fork needs for itself."""
    await k.mmap_lock.down_read()
    page = await get_user_pages(k.parent, copy=k.parents_copy)
    await k.mmap_lock.up_read()
    return page


class NoSequence:
    """v5.9 and v5.10: GUP-fast trusts its second look at the entry."""

    async def fork(self, k: Unpinned) -> None:
        """The parent forks, then writes to its page."""
        await k.mmap_lock.down_write()
        await copy_pte_range(k)
        await k.mmap_lock.up_write()
        await write(k.parent, copy=k.parents_copy)

    async def pin_user_pages_fast(self, k: Unpinned) -> None:
        """Another thread of the parent pins the page for the NIC."""
        page = await gup_pte_range(k.parent)
        if page is None:
            page = await slow(k)
        await k.nic.ib_dma_map_sg(page)


class WriteProtectSeq(NoSequence):
    """Since v5.11: GUP-fast gives way to any fork it overlaps."""

    async def fork(self, k: Unpinned) -> None:
        """The parent forks, then writes to its page."""
        await k.mmap_lock.down_write()
        await k.write_protect_seq.write_seqcount_begin()
        await copy_pte_range(k)
        await k.write_protect_seq.write_seqcount_end()
        await k.mmap_lock.up_write()
        await write(k.parent, copy=k.parents_copy)

    async def pin_user_pages_fast(self, k: Unpinned) -> None:
        """Another thread of the parent pins the page for the NIC."""
        page = await lockless_pages_from_mm(k.parent, k.write_protect_seq)
        if page is None:
            page = await slow(k)
        await k.nic.ib_dma_map_sg(page)


def case(
    id: str,
    title: str,
    kernel: NoSequence,
    bad: Verdict,
    states: int,
    shipped: tuple[str, str],
    schedule: str = "",
) -> Case:
    """Race a pin against a fork and a write of the same process."""
    return Case(
        name=type(kernel).__name__,
        id=id,
        title=title,
        world=Unpinned,
        actors={"CPU0": kernel.fork, "CPU1": kernel.pin_user_pages_fast},
        bad=(pin_lost_its_page, foreign_process_sees_dma, cow_broken),
        expect={
            "pin_lost_its_page": bad,
            "foreign_process_sees_dma": bad,
            "cow_broken": Verdict.NEVER,
        },
        states=states,
        shipped=shipped,
        schedules={"the pin slips in": schedule} if schedule else {},
    )


CASES = (
    case(
        "E/E.9",
        "v5.9 and v5.10: fork looks for pins, then takes the right to write away",
        NoSequence(),
        Verdict.SOMETIMES,
        states=137,
        schedule="CPU0*3 CPU1*4 CPU0*6",
        shipped=("v5.9", "v5.10"),
    ),
    case(
        "E/E.8",
        "since v5.11: GUP-fast checks write_protect_seq",
        WriteProtectSeq(),
        Verdict.NEVER,
        states=224,
        shipped=("v5.11", ""),
    ),
)

SPARE = {
    "WriteProtectSeq: await k.write_protect_seq.write_seqcount_end()": (
        "A count that stays odd sends GUP-fast the slow way for ever: slow, and safe."
    ),
    "WriteProtectSeq: await write(k.parent, copy=k.parents_copy)": (
        "Without the parent's write no page moves, and nothing is at stake."
    ),
    "WriteProtectSeq: await k.nic.ib_dma_map_sg(page)": (
        "Without the NIC nobody writes to a page that has moved."
    ),
    "WriteProtectSeq: await page.unpin_user_page()": (
        "A reference too many keeps memory; exclusive/retry_loop judges that."
    ),
}
