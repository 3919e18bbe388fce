"""What fork makes of an exclusive entry that hides a pinned page.

A NIC has pinned a page of the parent, and the page is under an exclusive entry.  No timing is
needed any more: the parent forks, and both processes write.  If fork copies the entry, the page
becomes shared behind fork's own rule, which says that a pinned page must never be shared but
copied for the child.  Jason Gunthorpe asked for that rule to be applied to the entry as well;
what was merged is simpler: make the entry present again, then go on as with any other.

Promise: What the NIC writes arrives in the process that gave it the page, and in no other; and
    no process writes what another one reads.

Memory model: sequentially consistent; all entries are changed under page-table locks.

Simplified:
    One page, one fork; no device acts, so the notifier and the driver's locks are left out, and
    fork never finds the page locked.
    do_wp_page() follows the rule of v5.9 to v5.18: reuse the page if it has one reference.
    Copying an entry with its right to write is no version of the patch; it shows what making
    the entries read-only is for.
    That the child has the NIC's page counts as wrong at once, so it is in EntryCopiedWritable,
    too, where the reference names the broken copy on write alone.

Sources:
    <20210330193234.GA2356281@nvidia.com> the entry needs the rule of copy_present_page()
    <20210331131854.GI1463678@nvidia.com> a pinned page must be copied and become a normal entry
    <9244031.kThbcIvB84@nvdebian> pins taken after the fork are safe; restoring is simpler
    mm/memory.c copy_nonpresent_pte(), copy_present_page(), do_wp_page()
    70e806e4e645 (v5.9) copy pinned pages at fork; 09854ba94c6a (v5.9) reuse by count
    b756a3b5e7ea, 9a5cc85c4074 (v5.14) undo the entry at fork; say so to the caller
"""

from collections.abc import Callable, Coroutine
from typing import Any

from mmviz.engine import Case, Verdict, field
from mmviz.kernel.entry import Pte
from mmviz.kernel.fault import write
from mmviz.kernel.fork import (
    ChildTask,
    EntryCopied,
    EntryCopiedWritable,
    EntryTreatedAsPresent,
    ForkedMapping,
    dup_mmap,
)
from mmviz.kernel.gup import get_user_pages
from mmviz.kernel.page import Page
from mmviz.scenarios.exclusive.fork_in_window import (
    Machine,
    cow_broken,
    foreign_process_sees_dma,
    pin_lost_its_page,
)

NEVER, ALWAYS = Verdict.NEVER, Verdict.ALWAYS


class Family(Machine):
    """The same machine, with the page under an exclusive entry from the start."""

    child_task: ChildTask = field(default_factory=ChildTask)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parent.pte = Pte(self.page, exclusive=True)


def unpinned() -> Family:
    """Return a family whose page nobody has pinned; fork copies the entry."""
    k = Family(parent=EntryCopied(), page=Page(7))
    k.nic.page = None
    return k


async def fork(k: Family) -> None:
    """The parent forks, then writes to its page."""
    await dup_mmap(k.mmap_lock, k.parent, k.child, k.childs_copy)
    await k.child_task.wake_up_new_task()
    await write(k.parent, copy=k.parents_copy)


async def fork_then_pin(k: Family) -> None:
    """The parent forks, then pins its page for the NIC, then writes."""
    await dup_mmap(k.mmap_lock, k.parent, k.child, k.childs_copy)
    await k.child_task.wake_up_new_task()
    page = await get_user_pages(k.parent, copy=k.parents_copy)
    await k.nic.ib_dma_map_sg(page)
    await write(k.parent, copy=k.parents_copy)


async def child(k: Family) -> None:
    """The child writes to its page."""
    await k.child_task.schedule_tail()
    await write(k.child, copy=k.childs_copy)


def case(
    name: str,
    id: str,
    title: str,
    lost: Verdict,
    seen: Verdict,
    broken: Verdict,
    states: int,
    parent: type[ForkedMapping] = EntryCopied,
    world: Callable[[], Family] | None = None,
    forks: Callable[[Family], Coroutine[Any, Any, None]] = fork,
    shipped: tuple[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Fork while the page is under the entry, and have both processes write."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=world or (lambda: Family(parent=parent())),
        actors={"CPU0": forks, "CPU1": child},
        bad=(pin_lost_its_page, foreign_process_sees_dma, cow_broken),
        expect={
            "pin_lost_its_page": lost,
            "foreign_process_sees_dma": seen,
            "cow_broken": broken,
        },
        states=states,
        kind="ordering",
        shipped=shipped,
        schedules={"the parent writes first": "CPU0*13"} if lost == ALWAYS else {},
        proposed=proposed,
    )


CASES = (
    case(
        "EntryCopied",
        "E/E.1",
        "v7: fork copies the entry, both become read-only",
        lost=ALWAYS,
        seen=ALWAYS,
        broken=NEVER,
        states=110,
        proposed=("2021-03-26", "<20210326000805.2518-6-apopple@nvidia.com>"),
    ),
    case(
        "EntryCopiedWritable",
        "E/E.3",
        "fork copies the entry and forgets to make it read-only",
        lost=NEVER,
        seen=ALWAYS,
        broken=ALWAYS,
        states=56,
        parent=EntryCopiedWritable,
    ),
    case(
        "NeverPinned",
        "E/E.7",
        "v7 where nobody has pinned the page: ordinary copy on write",
        lost=NEVER,
        seen=NEVER,
        broken=NEVER,
        states=114,
        world=unpinned,
        proposed=("2021-03-26", "<20210326000805.2518-6-apopple@nvidia.com>"),
    ),
    case(
        "PinnedAfterFork",
        "D/D.6",
        "v7 where the page is pinned only after the fork: the pin gets a page of its own",
        lost=NEVER,
        seen=NEVER,
        broken=NEVER,
        states=140,
        world=unpinned,
        forks=fork_then_pin,
        proposed=("2021-04-01", "<9244031.kThbcIvB84@nvdebian>"),
    ),
    case(
        "EntryTreatedAsPresent",
        "E/E.2",
        "asked for in the thread: the rule for present entries, applied to the entry",
        lost=NEVER,
        seen=NEVER,
        broken=NEVER,
        states=25,
        parent=EntryTreatedAsPresent,
        proposed=("2021-03-30", "<20210330193234.GA2356281@nvidia.com>"),
    ),
    case(
        "RestoreThenCopy",
        "E/E.4",
        "as merged in v5.14: the entry is made present, then copied like any other",
        lost=NEVER,
        seen=NEVER,
        broken=NEVER,
        states=10,
        parent=ForkedMapping,
        shipped=("v5.14", ""),
        proposed=("2021-06-16", "<20210616105937.23201-8-apopple@nvidia.com>"),
    ),
)

SPARE = {
    "PinnedAfterFork: await k.nic.ib_dma_map_sg(page)": (
        "Without the NIC nobody writes to a page that has moved."
    ),
    "PinnedAfterFork: await write(k.parent, copy=k.parents_copy)": (
        "The pin has broken the sharing already."
    ),
}
