"""A copied entry fails under every rule for reusing a page.

Once fork has copied an exclusive entry of a pinned page (exclusive/copy_at_fork), what goes wrong
depends on how the kernel decides whether a write-protected page may be reused.  By the reference
count, a pinned page never may, so the parent loses it to the NIC, even when the child is gone.  By
the mapcount, which leaves exclusive entries out, it may, while the child has it as well.  By the
page's own flag it depends on whether fork has cleared it.  And if neither process writes, the
child has the page that the NIC fills.  Making the entry present before it is copied avoids all of
this, if the copy is not forgotten.

Promise: What the NIC writes arrives in the process that gave it the page, and in no other; and
    the child has what the parent had.

Memory model: sequentially consistent; all entries are changed under page-table locks.

Simplified:
    As in exclusive/copy_at_fork.
    That the child has the NIC's page counts as wrong at once, not only at the end, also where the
    child exits first.
    By the mapcount the parent keeps its page if it writes before the child touches it, and loses
    it otherwise.
    A child without an entry gets a page of zeros from its first fault; here it is seen to have
    none.

Sources:
    <20210330193234.GA2356281@nvidia.com> the entry needs the rule of copy_present_page()
    mm/memory.c copy_nonpresent_pte(), copy_pte_range(), do_wp_page()
    09854ba94c6a (v5.9) reuse by count, no longer by mapcount
    b756a3b5e7ea (v5.14) the entry is restored at fork
    9a5cc85c4074 (v5.14) copy_nonpresent_pte() says whether there still is something to copy
    6c287605fd56 (v5.19) PG_anon_exclusive
"""

from functools import partial

from mmviz.engine import Race, atomic, field
from mmviz.kernel.mm.anon_exclusive import AnonPage, ReuseByFlag
from mmviz.kernel.mm.entry import CowMapping
from mmviz.kernel.mm.fault import write
from mmviz.kernel.mm.fork import ChildTask, EntryCopied, ForkedMapping, dup_mmap
from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS
from mmviz.kernel.mm.rmap import MappedPage, ReuseByMapcount
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import READ, V7
from mmviz.scenarios.exclusive.worlds.family import Family, child, fork
from mmviz.scenarios.exclusive.worlds.fork import (
    cow_broken,
    foreign_process_sees_dma,
    pin_lost_its_page,
)

PINNED = 1 + GUP_PIN_COUNTING_BIAS


class WaitedTask(ChildTask):
    """A child for which its parent waits.

    Attributes:
        exited: it is gone, and so is its memory.
    """

    exited: bool = False

    @atomic("kernel/exit.c")
    def exit_notify(self) -> None:
        """Tell the parent that the child is gone."""
        self.exited = True

    @atomic("kernel/exit.c", when=lambda task: task.exited)
    def do_wait(self) -> None:
        """Wait until the child is gone."""


class ExitingMapping(CowMapping):
    """A mapping that goes with its process."""

    @atomic("mm/memory.c")
    def zap_pte_range(self) -> None:
        """Clear the entry and put its reference."""
        if self.pte is not None:
            self.pte.page.put()
        self.pte = None


class Waited(Family):
    """The same family; the parent waits for the child."""

    child: ExitingMapping = field(default_factory=ExitingMapping)
    child_task: WaitedTask = field(default_factory=WaitedTask)


def child_has_no_page(k: Family) -> bool:
    """The child runs, and has nothing where its parent had a page: it reads zeroes."""
    gone = isinstance(k.child_task, WaitedTask) and k.child.pte is None
    return k.child_task.runs and k.child.pte is None and not gone


def family(parent: type[ForkedMapping], kind: type[Family] = Family) -> Family:
    """Return a family whose fork treats the exclusive entry in one way."""
    return kind(parent=parent())


def flagged(parent: type[ForkedMapping]) -> Family:
    """Return a family whose page carries PG_anon_exclusive."""
    return Family(
        parent=parent(),
        child=ReuseByFlag(),
        page=AnonPage(7, refs=PINNED),
        parents_copy=AnonPage(8, refs=0),
        childs_copy=AnonPage(9, refs=0),
    )


async def idle(k: Family) -> None:
    """The child runs, and touches nothing."""
    await k.child_task.schedule_tail()


async def exit_at_once(k: Waited) -> None:
    """The child exits."""
    await k.child_task.schedule_tail()
    await k.child.zap_pte_range()
    await k.child_task.exit_notify()


async def fork_only(k: Family) -> None:
    """The parent forks, and does not write."""
    await dup_mmap(k.mmap_lock, k.parent, k.child, k.childs_copy)
    await k.child_task.wake_up_new_task()


async def fork_and_wait(k: Waited) -> None:
    """The parent forks, waits until the child is gone, then writes."""
    await fork_only(k)
    await k.child_task.do_wait()
    await write(k.parent, copy=k.parents_copy)


race = Race(
    "E",
    world=partial(family, EntryCopied),
    actors={"CPU0": fork, "CPU1": child},
    bad=(pin_lost_its_page, foreign_process_sees_dma, cow_broken, child_has_no_page),
    kind="ordering",
)

race.case(
    "E.1n",
    "v7: fork copies the entry, and neither process writes",
    name="NobodyWrites",
    of=EntryCopied,
    actors={"CPU0": fork_only, "CPU1": idle},
    always=[foreign_process_sees_dma],
    states=6,
    source=V7,
)

race.case(
    "E.1x",
    "v7: the child exits before the parent writes; the pin still forbids to reuse the page",
    name="ChildExitsFirst",
    of=EntryCopied,
    world=partial(family, EntryCopied, Waited),
    actors={"CPU0": fork_and_wait, "CPU1": exit_at_once},
    always=[pin_lost_its_page, foreign_process_sees_dma],
    states=18,
    schedules={"the child is gone, the pin is not": "CPU0*4 CPU1*3 CPU0*9"},
    source=V7,
)


class FlagCleared(EntryCopied, ReuseByFlag):
    """v7's fork on v5.19: the entry is copied, and the page is no longer exclusive."""

    @atomic("mm/memory.c")
    def copy_nonpresent_pte(self, child: CowMapping) -> int:
        """Copy the exclusive entry to the child, and take the page's flag."""
        copied = super().copy_nonpresent_pte(child).do()
        if self.pte is not None and isinstance(self.pte.page, AnonPage):
            self.pte.page.anon_exclusive = False
        return copied


race.case(
    "E.1p",
    "v7's fork on v5.19, PG_anon_exclusive taken back",
    name="FlagCleared",
    of=FlagCleared,
    world=partial(flagged, FlagCleared),
    always=[pin_lost_its_page, foreign_process_sees_dma],
    states=110,
    source=constructed("shows v7's fork with the rule of v5.19"),
)


class FlagLeft(EntryCopied, ReuseByFlag):
    """v7's fork on v5.19: the entry is copied, the page still says that it is exclusive."""


race.case(
    "E.1q",
    "v7's fork on v5.19, PG_anon_exclusive left alone",
    name="FlagLeft",
    of=FlagLeft,
    world=partial(flagged, FlagLeft),
    always=[foreign_process_sees_dma, cow_broken],
    states=110,
    schedules={"the parent reuses what the child has": "CPU0*12"},
    source=constructed("shows v7's fork with the rule of v5.19"),
)


def mapcounted() -> Family:
    """Return a family whose page counts its mappings, and has none that is present."""
    return Family(
        parent=CopiedByMapcount(),
        child=ReuseByMapcount(),
        page=MappedPage(7, refs=PINNED, mapcount=0),
        parents_copy=MappedPage(8, refs=0),
        childs_copy=MappedPage(9, refs=0),
    )


@race.case(
    "E.1m",
    "v7's fork with the rule before v5.9: the mapcount leaves exclusive entries out",
    name="ByMapcount",
    world=mapcounted,
    sometimes=[pin_lost_its_page, cow_broken],
    always=[foreign_process_sees_dma],
    states=130,
    source=constructed("shows v7's fork with the rule before v5.9"),
)
class CopiedByMapcount(EntryCopied, ReuseByMapcount):
    """v7's fork with the rule before v5.9."""


class RestoredOnly(ForkedMapping):
    """A fork that makes the entry present, and treats it as copied."""

    @atomic("mm/memory.c")
    def copy_nonpresent_pte(self, child: CowMapping) -> int:
        """Make the exclusive entry present again, and say that it was copied."""
        super().copy_nonpresent_pte(child).do()
        return 0


race.case(
    "E.5",
    "fork makes the entry present, and forgets to copy it",
    name="RestoredOnly",
    of=RestoredOnly,
    world=partial(family, RestoredOnly),
    actors={"CPU0": fork, "CPU1": idle},
    always=[child_has_no_page],
    states=8,
    source=constructed("shows what the return codes of copy_nonpresent_pte() are for"),
)


class RestoredByFlag(ForkedMapping, ReuseByFlag):
    """Since v5.19: fork makes the entry present; the flag decides on a write."""


race.case(
    "E.4",
    "as merged, on v5.19: made present, then copied by the rule for present entries",
    name="RestoredByFlag",
    of=RestoredByFlag,
    world=partial(flagged, RestoredByFlag),
    states=10,
    source=shipped("v5.19", "", "6c287605fd56", checked=READ),
)
