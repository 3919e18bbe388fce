"""What fork makes of an exclusive entry that hides a pinned page.

A NIC has pinned a page of the parent, and the page is under an exclusive entry.  No particular
timing is needed: the parent forks, and both processes write.  If fork copies the entry, the page
becomes shared behind fork's own rule, which says that a pinned page must never be shared but
copied for the child.  Jason Gunthorpe asked for that rule to be applied to the entry as well;
what was merged is simpler: make the entry present again, then treat it like any other.

Promise: What the NIC writes arrives in the process that gave it the page, and in no other; and
    no process writes what another one reads.

Memory model: sequentially consistent; all entries are changed under page-table locks.

Simplified:
    One page, one fork.
    No device acts, so the notifier and the driver's locks are left out, and fork never finds the
    page locked.
    do_wp_page() follows the rule of v5.9 to v5.18: reuse the page if it has one reference.
    Copying an entry with its right to write is not a version of the patch; it shows what making
    the entries read-only is for.
    That the child has the NIC's page counts as wrong at once, so it is in EntryCopiedWritable,
    too, where the research notes name the broken copy on write alone.

Sources:
    <20210330193234.GA2356281@nvidia.com> the entry needs the rule of copy_present_page()
    <20210331131854.GI1463678@nvidia.com> a pinned page must be copied and become a normal entry
    <9244031.kThbcIvB84@nvdebian> pins taken after the fork are safe; restoring is simpler
    mm/memory.c copy_nonpresent_pte(), copy_present_page(), do_wp_page()
    70e806e4e645 (v5.9) copy pinned pages at fork
    09854ba94c6a (v5.9) reuse by count
    b756a3b5e7ea (v5.14) undo the entry at fork
    9a5cc85c4074 (v5.14) tell the caller that the entry is present now
"""

from functools import partial

from mmviz.engine import Race
from mmviz.kernel.mm.fault import write
from mmviz.kernel.mm.fork import (
    EntryCopied,
    EntryCopiedWritable,
    EntryTreatedAsPresent,
    ForkedMapping,
    dup_mmap,
)
from mmviz.kernel.mm.gup import get_user_pages
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import PINNED_ENTRY, READ, RESTORE_AT_FORK, V7, V11
from mmviz.scenarios.exclusive.worlds.family import Family, child, fork
from mmviz.scenarios.exclusive.worlds.fork import (
    BAD,
    cow_broken,
    foreign_process_sees_dma,
    pin_lost_its_page,
)


def family(parent: type[ForkedMapping]) -> Family:
    """Build a family whose fork treats the exclusive entry in one way."""
    return Family(parent=parent())


def unpinned(parent: type[ForkedMapping]) -> Family:
    """Build a family whose page is not pinned."""
    k = Family(parent=parent(), page=Page(7))
    k.nic.page = None
    return k


async def fork_then_pin(k: Family) -> None:
    """The parent forks, then pins its page for the NIC, then writes."""
    await dup_mmap(k.mmap_lock, k.parent, k.child, k.childs_copy)
    await k.child_task.wake_up_new_task()
    page = await get_user_pages(k.parent, copy=k.parents_copy)
    # redundant: a NIC without the page does not write to one that has moved
    await k.nic.ib_dma_map_sg(page)
    # redundant: the pin has broken the sharing already
    await write(k.parent, copy=k.parents_copy)


# A fork while the page is under the entry, and both processes write.  What differs is the parent's
# mapping, mmviz/kernel/mm/fork.py.
race = Race(
    world=partial(family, EntryCopied),
    actors={"CPU0": fork, "CPU1": child},
    bad=BAD,
    kind="ordering",
)


race.case(
    "E/E.1",
    "v7: fork copies the entry, both become read-only",
    name="EntryCopied",
    of=EntryCopied,
    always=[pin_lost_its_page, foreign_process_sees_dma],
    states=110,
    schedules={"the parent writes first": "CPU0*13"},
    source=V7,
)

race.case(
    "E/E.3",
    "fork copies the entry and forgets to make it read-only",
    name="EntryCopiedWritable",
    of=EntryCopiedWritable,
    world=partial(family, EntryCopiedWritable),
    always=[foreign_process_sees_dma, cow_broken],
    states=56,
    source=constructed("what v7 makes the copied entries read-only for"),
)

race.case(
    "E/E.7",
    "v7 where the page is not pinned: ordinary copy on write",
    name="NeverPinned",
    of=EntryCopied,
    world=partial(unpinned, EntryCopied),
    states=114,
    source=V7,
)

race.case(
    "D/D.6",
    "v7 where the page is pinned only after the fork: the pin gets a page of its own",
    name="PinnedAfterFork",
    of=EntryCopied,
    world=partial(unpinned, EntryCopied),
    actors={"CPU0": fork_then_pin, "CPU1": child},
    states=140,
    source=RESTORE_AT_FORK,
)

race.case(
    "E/E.2",
    "asked for in the thread: the rule for present entries, applied to the entry",
    name="EntryTreatedAsPresent",
    of=EntryTreatedAsPresent,
    world=partial(family, EntryTreatedAsPresent),
    states=25,
    source=PINNED_ENTRY,
)

race.case(
    "E/E.4",
    "as merged in v5.14: the entry is made present, then copied like any other",
    name="RestoreThenCopy",
    of=ForkedMapping,
    world=partial(family, ForkedMapping),
    states=10,
    source=shipped("v5.14", said=V11, checked=READ),
)
