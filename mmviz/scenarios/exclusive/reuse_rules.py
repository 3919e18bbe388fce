"""A copied entry meets every rule for reusing a page.

Once fork has copied an exclusive entry of a pinned page (exclusive/copy_at_fork), what goes wrong
depends on how the kernel decides whether a write-protected page may be reused.  By the count, a
pinned page never may, so the parent loses it to the NIC, even when the child is gone.  By the
mapcount, which leaves exclusive entries out, it may, while the child has it as well.  By the page's
own word it depends on whether fork has taken that back.  And if nobody writes at all, the child has
the page that the NIC fills.  Making the entry present before it is copied spares all of this, if
the copy is not forgotten.

Promise: What the NIC writes arrives in the process that gave it the page, and in no other; and
    the child has what the parent had.

Memory model: sequentially consistent; all entries are changed under page-table locks.

Simplified:
    As in exclusive/copy_at_fork.  That the child has the NIC's page counts as wrong at once, not
    only at the end; so it does where the child exits first.
    By the mapcount the parent keeps its page if it writes before the child touches it, and loses
    it otherwise.
    A child without an entry gets a page of zeros from its first fault; here it is seen to have
    none.

Sources:
    <20210330193234.GA2356281@nvidia.com> the entry needs the rule of copy_present_page()
    mm/memory.c copy_nonpresent_pte(), copy_pte_range(), do_wp_page()
    09854ba94c6a (v5.9) reuse by count, no longer by mapcount
    9a5cc85c4074 (v5.14) copy_nonpresent_pte() says whether there still is something to copy
    6c287605fd56 (v5.19) PG_anon_exclusive
"""

from collections.abc import Callable, Coroutine
from typing import Any

from mmviz.engine import Case, Verdict, atomic, field
from mmviz.kernel.anon_exclusive import AnonPage, ReuseByFlag
from mmviz.kernel.entry import CowMapping
from mmviz.kernel.fault import write
from mmviz.kernel.fork import ChildTask, EntryCopied, ForkedMapping, dup_mmap
from mmviz.kernel.page import GUP_PIN_COUNTING_BIAS
from mmviz.kernel.rmap import MappedPage, ReuseByMapcount
from mmviz.scenarios.exclusive.copy_at_fork import Family, child, fork
from mmviz.scenarios.exclusive.fork_in_window import (
    cow_broken,
    foreign_process_sees_dma,
    pin_lost_its_page,
)

Actor = Callable[[Family], Coroutine[Any, Any, None]]
NEVER, SOMETIMES, ALWAYS = Verdict.NEVER, Verdict.SOMETIMES, Verdict.ALWAYS
PINNED = 1 + GUP_PIN_COUNTING_BIAS


class WaitedTask(ChildTask):
    """A child that its parent waits for.

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


class FlagLeft(EntryCopied, ReuseByFlag):
    """v7's fork on v5.19: the entry is copied, the page still says that it is exclusive."""


class FlagCleared(EntryCopied, ReuseByFlag):
    """v7's fork on v5.19: the entry is copied, and the page no longer is exclusive."""

    @atomic("mm/memory.c")
    def copy_nonpresent_pte(self, child: CowMapping) -> int:
        """Copy the exclusive entry to the child, and take the page's flag."""
        copied = super().copy_nonpresent_pte(child).do()
        if self.pte is not None and isinstance(self.pte.page, AnonPage):
            self.pte.page.anon_exclusive = False
        return copied


class RestoredByFlag(ForkedMapping, ReuseByFlag):
    """Since v5.19: fork makes the entry present; the flag decides on a write."""


class CopiedByMapcount(EntryCopied, ReuseByMapcount):
    """v7's fork with the rule before v5.9."""


class RestoredOnly(ForkedMapping):
    """A fork that makes the entry present, and takes it for done."""

    @atomic("mm/memory.c")
    def copy_nonpresent_pte(self, child: CowMapping) -> int:
        """Make the exclusive entry present again, and say that it was copied."""
        super().copy_nonpresent_pte(child).do()
        return 0


def child_has_no_page(k: Family) -> bool:
    """The child runs, and has nothing where its parent had a page: it reads zeroes."""
    gone = isinstance(k.child_task, WaitedTask) and k.child.pte is None
    return k.child_task.runs and k.child.pte is None and not gone


async def fork_only(k: Family) -> None:
    """The parent forks, and does not write."""
    await dup_mmap(k.mmap_lock, k.parent, k.child, k.childs_copy)
    await k.child_task.wake_up_new_task()


async def fork_and_wait(k: Waited) -> None:
    """The parent forks, waits until the child is gone, then writes."""
    await fork_only(k)
    await k.child_task.do_wait()
    await write(k.parent, copy=k.parents_copy)


async def idle(k: Family) -> None:
    """The child runs, and touches nothing."""
    await k.child_task.schedule_tail()


async def exit_at_once(k: Waited) -> None:
    """The child exits."""
    await k.child_task.schedule_tail()
    await k.child.zap_pte_range()
    await k.child_task.exit_notify()


def flagged(parent: ForkedMapping) -> Family:
    """Return a family whose page carries PG_anon_exclusive."""
    return Family(
        parent=parent,
        child=ReuseByFlag(),
        page=AnonPage(7, refs=PINNED),
        parents_copy=AnonPage(8, refs=0),
        childs_copy=AnonPage(9, refs=0),
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


def case(
    name: str,
    id: str,
    title: str,
    states: int,
    world: Callable[[], Family],
    actors: tuple[Any, Any] = (fork, child),
    lost: Verdict = NEVER,
    seen: Verdict = NEVER,
    broken: Verdict = NEVER,
    no_page: Verdict = NEVER,
    shipped: tuple[str, str] | None = None,
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Fork while the page is under the entry, and see what both processes have then."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=world,
        actors=dict(zip(("CPU0", "CPU1"), actors, strict=True)),
        bad=(pin_lost_its_page, foreign_process_sees_dma, cow_broken, child_has_no_page),
        expect={
            "pin_lost_its_page": lost,
            "foreign_process_sees_dma": seen,
            "cow_broken": broken,
            "child_has_no_page": no_page,
        },
        states=states,
        kind="ordering",
        shipped=shipped,
        schedules=schedules or {},
        proposed=proposed,
    )


CASES = (
    case(
        "NobodyWrites",
        "E/E.1n",
        "v7: fork copies the entry, and nobody writes",
        states=6,
        world=lambda: Family(parent=EntryCopied()),
        actors=(fork_only, idle),
        seen=ALWAYS,
        proposed=("2021-03-26", "<20210326000805.2518-6-apopple@nvidia.com>"),
    ),
    case(
        "ChildExitsFirst",
        "E/E.1x",
        "v7: the child exits before the parent writes; the pin still forbids to reuse the page",
        states=18,
        world=lambda: Waited(parent=EntryCopied()),
        actors=(fork_and_wait, exit_at_once),
        lost=ALWAYS,
        seen=ALWAYS,
        schedules={"the child is gone, the pin is not": "CPU0*4 CPU1*3 CPU0*9"},
    ),
    case(
        "FlagCleared",
        "E/E.1p",
        "v7's fork on v5.19, PG_anon_exclusive taken back",
        states=110,
        world=lambda: flagged(FlagCleared()),
        lost=ALWAYS,
        seen=ALWAYS,
    ),
    case(
        "FlagLeft",
        "E/E.1q",
        "v7's fork on v5.19, PG_anon_exclusive left alone",
        states=110,
        world=lambda: flagged(FlagLeft()),
        seen=ALWAYS,
        broken=ALWAYS,
        schedules={"the parent reuses what the child has": "CPU0*12"},
    ),
    case(
        "ByMapcount",
        "E/E.1m",
        "v7's fork with the rule before v5.9: the mapcount leaves exclusive entries out",
        states=130,
        world=mapcounted,
        lost=SOMETIMES,
        seen=ALWAYS,
        broken=SOMETIMES,
    ),
    case(
        "RestoredOnly",
        "E/E.5",
        "fork makes the entry present, and forgets to copy it",
        states=8,
        world=lambda: Family(parent=RestoredOnly()),
        actors=(fork, idle),
        no_page=ALWAYS,
    ),
    case(
        "RestoredByFlag",
        "E/E.4",
        "as merged, on v5.19: made present, then copied by the rule for present entries",
        states=10,
        world=lambda: flagged(RestoredByFlag()),
        shipped=("v5.19", ""),
    ),
)
