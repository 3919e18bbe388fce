"""A pin that GUP-fast takes while fork is deciding.

Fork's rule for a present page is to share it unless it is pinned.  GUP-fast takes no lock, so it
can pin between fork's look at the count and fork's taking the right to write away.  Its second
look at the entry finds it unchanged, fork then shares a page that is pinned by now, and the
parent's next write leaves the NIC behind.  Since v5.11 fork makes a sequence count odd while it
copies, and GUP-fast gives its pin back if the count was odd or has moved.  Since v5.14 the same
rule decides about an exclusive entry, because fork makes it present first.

Promise: What the NIC writes arrives in the process that gave it the page, and in no other.

Memory model: sequentially consistent; the sequence count brings its own barriers on real ones.

Simplified:
    What fork does to the entry is three steps here, as GUP-fast ignores the page-table lock.
    mmap_lock keeps all others out, so the page-table lock itself is not shown.
    copy_nonpresent_pte() is asked about a present entry, too, and says that it is not one of its
    kind; in the kernel its caller looks.
    fork()'s rule looks at the count alone; the kernel first asks whether this process has ever
    pinned anything (MMF_HAS_PINNED), which GUP-fast sets before it begins.
    A count left odd would break nothing: GUP-fast would always take the slow way.
    The page starts unpinned; no device acts.
    do_wp_page() follows the rule of v5.9 to v5.18: reuse the page if it has one reference.

Sources:
    <9244031.kThbcIvB84@nvdebian> restore at fork
    mm/gup.c lockless_pages_from_mm(), gup_pte_range(); mm/memory.c copy_page_range()
    mm/gup.c gup_fast(), the same under a new name in v6.15
    f3c64eda3e50 (v5.9) fork no longer write-protects before it looks: the race is open
    57efa1fe5957 (v5.11) write_protect_seq closes it
    b756a3b5e7ea (v5.14) mm: device exclusive memory access: fork makes the entry present first
"""

from mmviz.engine import Race
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.fault import write
from mmviz.kernel.mm.gup import gup_pte_range, lockless_pages_from_mm
from mmviz.kernel.provenance import shipped
from mmviz.scenarios.exclusive import READ, V11
from mmviz.scenarios.exclusive.worlds.fork import (
    BAD,
    foreign_process_sees_dma,
    pin_lost_its_page,
)
from mmviz.scenarios.exclusive.worlds.gup import (
    Unpinned,
    copy_pte_range,
    fork_in_steps,
    pin,
    slow,
)


def under_an_entry() -> Unpinned:
    """Build the machine with the page under an exclusive entry."""
    k = Unpinned()
    k.parent.pte = Pte(k.page, exclusive=True)
    return k


# A pin against a fork and a write of the same process.
race = Race(world=Unpinned, actors={"CPU0": fork_in_steps, "CPU1": pin}, bad=BAD)


@race.case(
    "E/E.9",
    "v5.9 and v5.10: fork looks for pins, then takes the right to write away",
    sometimes=[pin_lost_its_page, foreign_process_sees_dma],
    states=107,
    schedules={"the pin slips in": "CPU0*3 CPU1*4 CPU0*6"},
    source=shipped("v5.9", "v5.10", "f3c64eda3e50"),
)
class NoSequence:
    """v5.9 and v5.10: GUP-fast trusts its second look at the entry."""

    async def fork(self, k: Unpinned) -> None:
        await k.mmap_lock.down_write()
        await copy_pte_range(k)
        await k.mmap_lock.up_write()
        await write(k.parent, copy=k.parents_copy)

    async def pin_user_pages_fast(self, k: Unpinned) -> None:
        page = await gup_pte_range(k.parent)
        if page is None:
            page = await slow(k)
        await k.nic.ib_dma_map_sg(page)


@race.case(
    "E/E.8",
    "since v5.11: GUP-fast checks write_protect_seq",
    states=178,
    source=shipped("v5.11", where="57efa1fe5957", checked=READ),
)
class WriteProtectSeq:
    """Since v5.11: GUP-fast gives way to any fork it overlaps."""

    async def fork(self, k: Unpinned) -> None:
        await k.mmap_lock.down_write()
        await k.write_protect_seq.write_seqcount_begin()
        await copy_pte_range(k)
        # redundant: a count that stays odd sends GUP-fast the slow way each time
        await k.write_protect_seq.write_seqcount_end()
        await k.mmap_lock.up_write()
        # redundant: without the parent's write no page moves
        await write(k.parent, copy=k.parents_copy)

    async def pin_user_pages_fast(self, k: Unpinned) -> None:
        page = await lockless_pages_from_mm(k.parent, k.write_protect_seq)
        if page is None:
            page = await slow(k)
        # redundant: a NIC without the page does not write to one that has moved
        await k.nic.ib_dma_map_sg(page)


race.case(
    "E/E.8-entry",
    "since v5.14: the page is under an exclusive entry, which fork makes present first",
    name="RestoredAtFork",
    of=WriteProtectSeq,
    world=under_an_entry,
    states=177,
    source=shipped("v5.14", said=V11, checked=READ),
)


race.dial(
    "WriteProtectSeq",
    "try_grab_page",
    sometimes=[foreign_process_sees_dma, "cow_broken"],
    why="fork's reference, counted between load and store, is lost, and the page looks unshared",
)
