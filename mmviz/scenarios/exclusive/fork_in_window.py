"""A fork that comes between hiding a page and checking it for pins.

A NIC has pinned a page of the parent.  A GPU driver makes the page exclusive, looks for pins,
finds one and means to put the entry back.  In between the user forks.  Fork finds an exclusive
entry, which the patch's seventh version simply copies to the child, both read-only.  Now the
page is shared.  The parent's next write must copy it, because the reference count tells of other
users; the parent goes on with the copy while the NIC fills the old page, which is left to the
child.

Promise: What the NIC writes arrives in the process that gave it the page, and in no other.

Memory model: sequentially consistent; all entries are changed under page-table locks.

Simplified:
    The page is pinned before anything begins, so a driver that looks always refuses it.
    Fork may give up where the driver holds the page lock, and the user sees ENOMEM; the thread
    takes that as a price, so it is not a bad state here (the stored run of RestoreAtFork shows it).
    What the device does with the page is left out; only NoCheck and RestoreAtFork would let it.
    The page lock is taken as in the kernel; leaving it out changes no verdict here except that
    fork never fails: it matters once the device maps (exclusive/atomic_loses_update).
    do_wp_page() follows the rule of v5.9 to v5.18: reuse the page if it has one reference.
    One thread of the parent forks, then writes.
    The driver's own page reference, the notifier's range_start and write_protect_seq are left out
    (see exclusive/gup_fast_meets_fork).
    The driver converts as v5.14 to v6.14 do; RestoreAtForkFolio walks the folio as since v6.15.

Sources:
    <20210401004813.GT1463678@nvidia.com> fork can copy the entry before it was checked
    <35941260.J9UuDlmC3F@nvdebian> the check comes after make_device_exclusive() has replaced all
    entries; whether mmap_lock is still held then, the mail does not say
    <9244031.kThbcIvB84@nvdebian> the child then gets a read-only entry; restoring is simpler
    <20210401115523.GZ1463678@nvidia.com> a copy in do_wp_page() is a security bug
    mm/memory.c copy_nonpresent_pte(), copy_present_page(), do_wp_page()
    b756a3b5e7ea (v5.14) mm: device exclusive memory access: entries are undone at fork
    The thread does not say that an mmap_lock held over the check closes the window; it does,
    since fork of the same process needs it for writing.
"""

from mmviz.engine import Race
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import CHECK_AFTERWARDS, READ, RESTORE_AT_FORK, REWORK, V7
from mmviz.scenarios.exclusive.worlds.fork import (
    BAD,
    Machine,
    convert,
    entry_copied,
    foreign_process_sees_dma,
    fork,
    pin_lost_its_page,
)

# A conversion against a fork and a write of the same process.
race = Race(world=entry_copied, actors={"CPU0": convert, "CPU1": fork}, bad=BAD)


@race.case(
    "D/D.0",
    "v7 as posted: fork copies the entry, and pins are not looked for",
    sometimes=[pin_lost_its_page, foreign_process_sees_dma],
    states=47,
    schedules={"fork copies the entry": "CPU0*5 CPU1*12"},
    source=V7,
)
class NoCheck:
    """The driver hides the page and does not look for pins."""

    async def make_device_exclusive_range(self, k: Machine) -> None:
        await k.mmap_lock.down_read()
        await k.page.lock_page()
        await k.parent.page_make_device_exclusive_one(k.page)
        await k.mmap_lock.up_read()
        await k.page.unlock_page()


@race.case(
    "D/D.1",
    "the check after mmap_lock is dropped: the window that the objection sees",
    sometimes=[pin_lost_its_page, foreign_process_sees_dma],
    states=68,
    schedules={"fork at that instant": "CPU0*4 CPU1*3 CPU0*3 CPU1*4"},
    source=constructed(
        "the reading of <35941260.J9UuDlmC3F@nvdebian> in which the objection "
        "<20210401004813.GT1463678@nvidia.com> holds: fork needs mmap_lock to come in between"
    ),
)
class CheckOutsideMmapLock:
    """The driver hides the page, lets fork in, then looks for pins."""

    async def make_device_exclusive_range(self, k: Machine) -> None:
        await k.mmap_lock.down_read()
        await k.page.lock_page()
        await k.parent.page_make_device_exclusive_one(k.page)
        await k.mmap_lock.up_read()
        if await k.page.page_maybe_dma_pinned():
            await k.parent.restore_exclusive_pte(k.page)
        await k.page.unlock_page()


@race.case(
    "D/D.2",
    "the check as planned, before mmap_lock is dropped",
    states=42,
    source=CHECK_AFTERWARDS,
)
class CheckInsideMmapLock:
    """The driver hides the page and looks for pins before fork can come in."""

    async def make_device_exclusive_range(self, k: Machine) -> None:
        await k.mmap_lock.down_read()
        # redundant in fork_in_window: mmap_lock keeps fork out, which ignores the page lock
        await k.page.lock_page()
        # redundant in fork_in_window: without the entry fork copies by the rule for present pages
        await k.parent.page_make_device_exclusive_one(k.page)
        # redundant in fork_in_window: the page is pinned from the start, so the answer is yes
        if await k.page.page_maybe_dma_pinned():
            await k.parent.restore_exclusive_pte(k.page)
        await k.mmap_lock.up_read()
        await k.page.unlock_page()


race.case(
    "D/D.4",
    "as merged in v5.14: fork undoes the entry first, and pins are not looked for",
    name="RestoreAtFork",
    of=NoCheck,
    world=Machine,
    states=45,
    note="fork() may fail with ENOMEM: it gives up on a page that is locked",
    schedules={"fork meets a locked page": "CPU0*4 CPU1*5 CPU0 CPU1*4"},
    source=shipped("v5.14", "v6.14", said=RESTORE_AT_FORK),
)


@race.case(
    "D/D.4-v6.15",
    "since v6.15: the page is looked up, locked in a sleep, and looked up again",
    name="RestoreAtForkFolio",
    world=Machine,
    note="no verdict changed; fork() may fail with ENOMEM as before",
    source=shipped("v6.15", said=REWORK, checked=READ),
    states=45,
)
class FolioWalk:
    """The driver sleeps for the page lock, and starts over where the page is not there any more."""

    async def make_device_exclusive_range(self, k: Machine) -> None:
        # redundant: fork undoes the entry whenever it comes
        await k.mmap_lock.down_read()
        while True:
            # redundant: fork looks at the lock, but no device maps the page here
            await k.page.lock_page()
            # redundant: fork treats a present page by its own rule
            if await k.parent.page_make_device_exclusive_one(k.page):
                break
            await k.page.unlock_page()
        await k.mmap_lock.up_read()
        await k.page.unlock_page()
