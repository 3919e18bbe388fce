"""What an exclusive entry counts for.

A page counts the references on it and the entries that map it, and a process counts its pages.
An exclusive entry is not present, yet it stands for a page: it has a reference, and it is one of
the process's pages.  Is it a mapping, too?  Until v6.14 it is not, since v6.15 it is.  Either
works, if converting, restoring, copying and zapping agree on it.  If one of them does not, a count
stays wrong, or the page is free while a process still has an entry for it.

Promise: All counts are what the entries say.

Memory model: sequentially consistent; entries are changed under the page-table locks.

Simplified:
    Locks and notifiers are left out: each change of an entry is one step, counts included.
    Fork copies the entry, as in v7 of the patch.  In NotMovable and EntriesMapped it makes the
    entry present and shares the page, as kernels do.
    No process writes after the fork.
    A page whose references cannot all be found as mappings cannot be moved (NotMovable).  That is
    no wrong count, but the memory cannot be taken offline.

Sources:
    mm/memory.c copy_nonpresent_pte(), copy_pte_range(), restore_exclusive_pte(), zap_pte_range()
    mm/rmap.c page_make_device_exclusive_one(), make_device_exclusive()
    mm/migrate.c move_to_new_page()
    b756a3b5e7ea (v5.14) entries are outside the mapcount
    f495bd7e0d9b (v6.15) entries are in the mapcount
"""

from functools import partial
from typing import ClassVar

from mmviz.engine import Race, World, field
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.fork import ChildTask
from mmviz.kernel.mm.rmap import CountedMapping, MappedEntries, MappedPage, RestoredAtFork
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import READ, REWORK, V7, V11

UNDERFLOW = "refcount_underflow"


class Machine(World):
    """A process with one page, and a child to be."""

    parent: CountedMapping
    child: CountedMapping
    page: MappedPage = field(default_factory=lambda: MappedPage(7))
    child_task: ChildTask = field(default_factory=ChildTask)

    def __post_init__(self) -> None:
        self.parent.pte = Pte(self.page)


def machine(mapping: type[CountedMapping] = CountedMapping) -> Machine:
    """Build the process, and the child's mapping, which is empty."""
    return Machine(mapping(), mapping(anon_rss=0))


def entries(k: Machine) -> list[Pte]:
    """Return the entries there are."""
    return [m.pte for m in (k.parent, k.child) if m.pte is not None]


def references_wrong(k: Machine) -> bool:
    """The page counts other references than it has: it is freed in use, or never."""
    return k.page.refs != len(entries(k))


def mapcount_wrong(k: Machine) -> bool:
    """The page counts other mappings than it has: it can never be moved, or goes too early."""
    counted = [e for e in entries(k) if not e.exclusive or not k.parent.convert_unmaps]
    return k.page.mapcount != len(counted)


def rss_wrong(k: Machine) -> bool:
    """A process counts other pages than it has: limits and the OOM killer hit the wrong one."""
    return any(m.anon_rss != (m.pte is not None) for m in (k.parent, k.child))


def free_page_has_entry(k: Machine) -> bool:
    """A process still has an entry for a page that is free, and soon belongs to another one."""
    return k.page.is_free and bool(entries(k))


async def parent(k: Machine) -> None:
    """The parent's page is made exclusive; it forks, touches the page, and exits."""
    await k.parent.page_make_device_exclusive_one(k.page)
    await k.parent.copy_nonpresent_pte(k.child)
    await k.child_task.wake_up_new_task()
    await k.parent.restore_exclusive_pte(k.page)
    await k.parent.zap_pte_range()


async def child(k: Machine) -> None:
    """The child exits without touching the page."""
    await k.child_task.schedule_tail()
    await k.child.zap_pte_range()


async def offline_pages(k: Machine) -> None:
    """Memory is to be taken offline, and an attempt is made to move the page away."""
    # redundant: the counts are judged, not whether the page is moved
    await k.page.move_to_new_page()


race = Race(
    "H",
    world=machine,
    actors={"CPU0": parent, "CPU1": child},
    bad=(references_wrong, mapcount_wrong, rss_wrong, free_page_has_entry, UNDERFLOW),
)


class ForkWithoutReference(CountedMapping):
    """Fork takes no reference for the child's entry."""

    fork_gets: ClassVar[bool] = False


race.case(
    "H.2",
    "fork copies the entry and takes no reference",
    name="ForkWithoutReference",
    of=ForkWithoutReference,
    world=partial(machine, ForkWithoutReference),
    always=[references_wrong, free_page_has_entry, UNDERFLOW],
    kind="ordering",
    states=12,
    schedules={"the child exits, the parent touches a free page": "CPU0*3 CPU1*2 CPU0"},
    source=constructed("shows what the reference is for"),
)


class ForkWithoutRss(CountedMapping):
    """Fork does not count the entry as a page of the child."""

    fork_counts: ClassVar[bool] = False


race.case(
    "H.3",
    "fork copies the entry and does not count it for the child",
    name="ForkWithoutRss",
    of=ForkWithoutRss,
    world=partial(machine, ForkWithoutRss),
    always=[rss_wrong],
    kind="ordering",
    states=12,
    source=constructed("shows that the entry is one of the process's pages"),
)


class ZapWithoutPut(CountedMapping):
    """Zap does not put the entry's reference."""

    zap_puts: ClassVar[bool] = False


race.case(
    "H.4",
    "zapping the entry does not put its reference",
    name="ZapWithoutPut",
    of=ZapWithoutPut,
    world=partial(machine, ZapWithoutPut),
    always=[references_wrong],
    kind="ordering",
    states=12,
    source=constructed("shows that the entry owns a reference"),
)


class ZapUnmapsAgain(CountedMapping):
    """Zap takes the entry out of the mapcount, where it is not."""

    zap_unmaps_entry: ClassVar[bool] = True


race.case(
    "H.5",
    "converting takes the entry out of the mapcount, and zapping does so again",
    name="ZapUnmapsAgain",
    of=ZapUnmapsAgain,
    world=partial(machine, ZapUnmapsAgain),
    always=[mapcount_wrong],
    kind="ordering",
    states=12,
    source=constructed("shows why v7 removes the rmap of device-private entries only"),
)


class ZapForgetsRmap(MappedEntries):
    """v6.15, but zap leaves the entry in the mapcount."""

    zap_unmaps_entry: ClassVar[bool] = False


race.case(
    "H.6",
    "converting leaves the entry in the mapcount, and zapping does, too",
    name="ZapForgetsRmap",
    of=ZapForgetsRmap,
    world=partial(machine, ZapForgetsRmap),
    always=[mapcount_wrong],
    kind="ordering",
    states=12,
    source=constructed("shows that the parts of f495bd7e0d9b belong together"),
)


class RestoreMapsAgain(MappedEntries):
    """v6.15, but restoring the entry counts it once more."""

    restore_maps: ClassVar[bool] = True


race.case(
    "H.7",
    "converting leaves the entry in the mapcount, and bringing it back counts it again",
    name="RestoreMapsAgain",
    of=RestoreMapsAgain,
    world=partial(machine, RestoreMapsAgain),
    always=[mapcount_wrong],
    kind="ordering",
    states=12,
    source=constructed("shows that the parts of f495bd7e0d9b belong together"),
)


race.case(
    "H.1",
    "v7 of the patch: an exclusive entry has a reference, and is not a mapping",
    name="EntriesUnmapped",
    of=CountedMapping,
    states=12,
    source=V7,
)


async def parent_restored_at_fork(k: Machine) -> None:
    """The parent's page is made exclusive; it forks and exits (v5.14 to v6.14)."""
    assert isinstance(k.parent, RestoredAtFork)
    # redundant: without the entry fork shares a present page, and the counts are right
    await k.parent.page_make_device_exclusive_one(k.page)
    await k.parent.copy_pte_range(k.child)
    await k.child_task.wake_up_new_task()
    # redundant: a page that is kept is counted as well
    await k.parent.zap_pte_range()


async def parent_since_v615(k: Machine) -> None:
    """The parent's page is made exclusive; it forks and exits (since v6.15)."""
    assert isinstance(k.parent, MappedEntries)
    # redundant: without the entry fork shares a present page, and the counts are right
    await k.parent.make_device_exclusive(k.page)
    await k.parent.copy_pte_range(k.child)
    await k.child_task.wake_up_new_task()
    # redundant: a page that is kept is counted as well
    await k.parent.zap_pte_range()


race.case(
    "H.8",
    "v5.14 to v6.14: to move the page, the kernel looks for its mappings and finds none",
    name="NotMovable",
    of=RestoredAtFork,
    world=partial(machine, RestoredAtFork),
    actors={"CPU0": parent_restored_at_fork, "CPU1": child, "CPU2": offline_pages},
    states=18,
    note="while the entry is there, the page cannot be moved and its memory not taken offline",
    schedules={"the page cannot be moved": "CPU0 CPU2"},
    source=shipped("v5.14", "v6.14", said=V11),
)

race.case(
    "H.8-v6.15",
    "since v6.15: an exclusive entry is a mapping, and the page can be moved",
    name="EntriesMapped",
    of=MappedEntries,
    world=partial(machine, MappedEntries),
    actors={"CPU0": parent_since_v615, "CPU1": child, "CPU2": offline_pages},
    states=18,
    schedules={"the page can be moved": "CPU0 CPU2"},
    source=shipped("v6.15", said=REWORK, checked=READ),
)


race.dial(
    "EntriesMapped",
    "zap_pte_range",
    sometimes=[references_wrong, mapcount_wrong],
    why="parent and child each store counts computed before the other's",
)
