"""What an exclusive entry counts for.

A page counts the references on it and the entries that map it, and a process counts its pages.
An exclusive entry is not present, yet it stands for a page: it has a reference, and it is one of
the process's pages.  Is it a mapping, too?  Until v6.14 it is not, since v6.15 it is.  Either will
do, if converting, bringing back, copying and zapping agree on it.  If one of them does not, a count
is wrong for good, or the page is free while somebody still has an entry for it.

Promise: All counts are what the entries say.

Memory model: sequentially consistent; entries are changed under the page-table locks.

Simplified:
    Locks and notifiers are left out: each change of an entry is one step, counts included.
    Fork copies the entry, as in v7 of the patch, also in the cases of v6.15, where it is made
    present first; the counts come out the same.  Nobody writes after the fork.
    A page whose references cannot all be found as mappings cannot be moved (NotMovable): not a
    wrong count, but memory that cannot be taken offline.

Sources:
    mm/memory.c copy_nonpresent_pte(), restore_exclusive_pte(), zap_pte_range()
    mm/rmap.c page_make_device_exclusive_one(); mm/migrate.c
    b756a3b5e7ea (v5.14) entries are outside the mapcount
    f495bd7e0d9b (v6.15) entries are in the mapcount
"""

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from mmviz.engine import Case, Verdict, World, field
from mmviz.kernel.entry import Pte
from mmviz.kernel.fork import ChildTask
from mmviz.kernel.rmap import CountedMapping, MappedPage

Actor = Callable[["Machine"], Coroutine[Any, Any, None]]
NEVER, ALWAYS = Verdict.NEVER, Verdict.ALWAYS
UNDERFLOW = "refcount_underflow"


class Machine(World):
    """A process with one page, and a child to be."""

    parent: CountedMapping
    child: CountedMapping
    page: MappedPage = field(default_factory=lambda: MappedPage(7))
    child_task: ChildTask = field(default_factory=ChildTask)

    def __post_init__(self) -> None:
        self.parent.pte = Pte(self.page)


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
    """A process still has an entry for a page that is free, and soon is somebody else's."""
    return k.page.is_free and bool(entries(k))


class MappedEntries(CountedMapping):
    """Since v6.15: an exclusive entry counts as a mapping."""

    convert_unmaps: ClassVar[bool] = False
    restore_maps: ClassVar[bool] = False
    zap_unmaps_entry: ClassVar[bool] = True


class ForkWithoutReference(CountedMapping):
    fork_gets: ClassVar[bool] = False


class ForkWithoutRss(CountedMapping):
    fork_counts: ClassVar[bool] = False


class ZapWithoutPut(CountedMapping):
    zap_puts: ClassVar[bool] = False


class ZapUnmapsAgain(CountedMapping):
    zap_unmaps_entry: ClassVar[bool] = True


class ZapForgetsRmap(MappedEntries):
    zap_unmaps_entry: ClassVar[bool] = False


class RestoreMapsAgain(MappedEntries):
    restore_maps: ClassVar[bool] = True


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
    """Somebody wants to move the page away, and tries once."""
    await k.page.move_to_new_page()


def case(
    name: str,
    id: str,
    title: str,
    states: int,
    mapping: type[CountedMapping] = CountedMapping,
    references: Verdict = NEVER,
    mapcount: Verdict = NEVER,
    rss: Verdict = NEVER,
    free: Verdict = NEVER,
    movers: dict[str, Actor] | None = None,
    shipped: tuple[str, str] | None = None,
    note: str = "",
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Convert, fork, bring back and zap, and look at the counts after every step."""
    wrong = (references, mapcount, rss, free)
    return Case(
        name=name,
        id=id,
        title=title,
        world=lambda: Machine(mapping(), mapping(anon_rss=0)),
        actors={"CPU0": parent, "CPU1": child, **(movers or {})},
        bad=(references_wrong, mapcount_wrong, rss_wrong, free_page_has_entry, UNDERFLOW),
        expect={
            "references_wrong": references,
            "mapcount_wrong": mapcount,
            "rss_wrong": rss,
            "free_page_has_entry": free,
            UNDERFLOW: references if free != NEVER else NEVER,
        },
        states=states,
        kind="race" if set(wrong) == {NEVER} else "ordering",
        shipped=shipped,
        note=note,
        schedules=schedules or {},
        proposed=proposed,
    )


CASES = (
    case(
        "ForkWithoutReference",
        "H/H.2",
        "fork copies the entry and takes no reference",
        states=12,
        mapping=ForkWithoutReference,
        references=ALWAYS,
        free=ALWAYS,
        schedules={"the child exits, the parent touches a free page": "CPU0*3 CPU1*2 CPU0"},
    ),
    case(
        "ForkWithoutRss",
        "H/H.3",
        "fork copies the entry and does not count it for the child",
        states=12,
        mapping=ForkWithoutRss,
        rss=ALWAYS,
    ),
    case(
        "ZapWithoutPut",
        "H/H.4",
        "zapping the entry does not put its reference",
        states=12,
        mapping=ZapWithoutPut,
        references=ALWAYS,
    ),
    case(
        "ZapUnmapsAgain",
        "H/H.5",
        "converting takes the entry out of the mapcount, and zapping does so again",
        states=12,
        mapping=ZapUnmapsAgain,
        mapcount=ALWAYS,
    ),
    case(
        "ZapForgetsRmap",
        "H/H.6",
        "converting leaves the entry in the mapcount, and zapping does, too",
        states=12,
        mapping=ZapForgetsRmap,
        mapcount=ALWAYS,
    ),
    case(
        "RestoreMapsAgain",
        "H/H.7",
        "converting leaves the entry in the mapcount, and bringing it back counts it again",
        states=12,
        mapping=RestoreMapsAgain,
        mapcount=ALWAYS,
    ),
    case(
        "EntriesUnmapped",
        "H/H.1",
        "v7 of the patch: an exclusive entry has a reference, and is no mapping",
        states=12,
        proposed=("2021-03-26", "<20210326000805.2518-6-apopple@nvidia.com>"),
    ),
    case(
        "NotMovable",
        "H/H.8",
        "v5.14 to v6.14: whoever wants to move the page finds no mapping of it",
        states=24,
        movers={"CPU2": offline_pages},
        shipped=("v5.14", "v6.14"),
        note="while the entry is there the page cannot be moved, and memory not taken offline",
        schedules={"the page cannot be moved": "CPU0 CPU2"},
        proposed=("2021-06-16", "<20210616105937.23201-8-apopple@nvidia.com>"),
    ),
    case(
        "EntriesMapped",
        "H/H.8-v6.15",
        "since v6.15: an exclusive entry is a mapping, and the page can be moved",
        states=24,
        mapping=MappedEntries,
        movers={"CPU2": offline_pages},
        shipped=("v6.15", ""),
        schedules={"the page can be moved": "CPU0 CPU2"},
        proposed=("2025-02-10", "<20250210193801.781278-1-david@redhat.com>"),
    ),
)

SPARE = {
    "NotMovable: await k.page.move_to_new_page()": (
        "Moving is what the counts are for; what is judged are the counts."
    ),
    "EntriesMapped: await k.page.move_to_new_page()": (
        "Moving is what the counts are for; what is judged are the counts."
    ),
}
