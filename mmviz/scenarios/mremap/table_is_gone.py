"""mremap() moves a page table that a collapse has thrown away.

mremap() looks at the PMD, sees a page table that it can move as a whole, and takes the locks of the
reverse map.  It holds mmap_lock for writing, so it seems that the tables cannot change.  But
MADV_COLLAPSE of another process, on the same file, finds this mapping by the reverse map and takes
its page table away under those locks alone.  mremap() does not look again, and populates the new
PMD from a clear one: physical page 0 becomes a page table.

Promise: A PMD that is populated gets a page table.

Memory model: sequentially consistent.

Simplified:
    One PMD; the destination's is clear.
    The locks of the reverse map are one, i_mmap_rwsem. From v6.6 the collapse takes it for reading;
    with one mremap(), which takes it for writing, that is the same.
    The entries of the table play no part: the file's pages are in the page cache.
    Where the table is gone, the entries are moved one by one; there are none.

Sources:
    6fa1066fc5d0 (v6.12) mm/mremap: fix move_normal_pmd/retract_page_tables race (CVE-2024-50066)
    1d65b771bc08 (v6.6) mm/khugepaged: retract_page_tables() without mmap or vma lock
    <20241007-move_normal_pmd-vs-collapse-fix-2-v1-1-5ead9631f2ea@google.com> Horn's patch
    mm/mremap.c move_page_tables(), move_pgt_entry(), move_normal_pmd()
"""

from typing import Protocol

from mmviz.engine import Race, World, at_end
from mmviz.kernel.mm.collapse import PteTable
from mmviz.kernel.mm.move_pmd import MovedRange
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios.mremap import CHECKED

BOTH_LOCKS = shipped("v5.14", "v6.5")
RMAP_ALONE = shipped("v6.6", "v6.11", "1d65b771bc08")
LOOKS_AGAIN = shipped(
    "v6.12",
    said=proposed_elsewhere(
        "2024-10-07", "<20241007-move_normal_pmd-vs-collapse-fix-2-v1-1-5ead9631f2ea@google.com>"
    ),
    checked=CHECKED,
)


class Machine(World):
    """A range that is moved, its page table, and the locks."""

    mm: MovedRange
    table: PteTable
    mmap_lock: Mutex
    i_mmap_rwsem: Mutex


def machine() -> Machine:
    """Build the machine before the mapping is moved."""
    table = PteTable(None)
    return Machine(MovedRange(table), table, Mutex(), Mutex())


@at_end
def table_is_lost(k: Machine) -> bool:
    """The page table is below no PMD, and it was not freed."""
    return not k.table.is_freed and k.table not in (k.mm.old_pmd, k.mm.new_pmd)


def maps_freed_table(k: Machine) -> bool:
    """A PMD leads to a page table that was freed."""
    return any(table is not None and table.is_freed for table in (k.mm.old_pmd, k.mm.new_pmd))


class Locking(Protocol):
    """What mremap() looks at again, and which locks a collapse takes."""

    async def move(self, k: Machine) -> None: ...
    async def retract(self, k: Machine) -> None: ...


async def mremap(k: Machine, how: Locking) -> None:
    """CPU0 moves the mapping."""
    await k.mmap_lock.mutex_lock()
    if await k.mm.pmd_none():
        await k.mm.move_ptes()
    else:
        await how.move(k)
    await k.mmap_lock.mutex_unlock()


async def madvise_collapse(k: Machine, how: Locking) -> None:
    """CPU1 collapses the file's pages, in another process."""
    await how.retract(k)


# One move and one collapse of the same file.
race = Race(
    world=machine,
    actors={"CPU0": mremap, "CPU1": madvise_collapse},
    bad=(
        "populates_from_nothing",
        maps_freed_table,
        table_is_lost,
        "unlock_not_owner",
    ),
)


@race.case(
    "M2/a",
    "as shipped v6.6 to v6.11: look, take the locks, move",
    sometimes=["populates_from_nothing"],
    source=RMAP_ALONE,
    states=42,
)
class LookBeforeLocks:
    """The look is older than the locks, and mmap_lock does not stop the collapse."""

    async def move(self, k: Machine) -> None:
        await k.i_mmap_rwsem.mutex_lock()
        await k.mm.move_normal_pmd()
        await k.i_mmap_rwsem.mutex_unlock()

    async def retract(self, k: Machine) -> None:
        await k.i_mmap_rwsem.mutex_lock()
        table = await k.mm.retract_page_table()
        await k.i_mmap_rwsem.mutex_unlock()
        if table is not None:
            await k.mm.pte_free_defer(table)


@race.case(
    "M2/b",
    "as shipped until v6.5: the collapse takes mmap_lock of every process, too",
    source=BOTH_LOCKS,
    states=42,
)
class CollapseTakesMmapLock(LookBeforeLocks):
    """What mremap() saw holds as long as it holds mmap_lock."""

    async def retract(self, k: Machine) -> None:
        # redundant: mmap_lock is held here
        await k.i_mmap_rwsem.mutex_lock()
        if not await k.mmap_lock.mutex_trylock():
            await k.i_mmap_rwsem.mutex_unlock()
            return
        table = await k.mm.retract_page_table()
        await k.mmap_lock.mutex_unlock()
        await k.i_mmap_rwsem.mutex_unlock()
        if table is not None:
            await k.mm.pte_free_defer(table)


@race.case(
    "M2/c",
    "tempting: look a second time, right before the locks",
    sometimes=["populates_from_nothing"],
    source=constructed("however late a look is, before the lock it is too early"),
    states=50,
)
class LookTwice(LookBeforeLocks):
    """The collapse comes between the second look and the locks."""

    async def move(self, k: Machine) -> None:
        if await k.mm.pmd_none():
            await k.mm.move_ptes()
            return
        await super().move(k)


@race.case(
    "M2/d",
    "tempting: look again after the locks were dropped",
    sometimes=["populates_from_nothing"],
    source=constructed("by then the PMD is populated"),
    states=48,
)
class LookAfter(LookBeforeLocks):
    """The harm is done when it is noticed."""

    async def move(self, k: Machine) -> None:
        await super().move(k)
        await k.mm.pmd_none()


@race.case(
    "M2/e",
    "as merged in v6.12: look again under the locks of the reverse map",
    source=LOOKS_AGAIN,
    states=41,
)
class LookUnderLocks(LookBeforeLocks):
    """Where the table is gone, the entries are moved one by one."""

    async def move(self, k: Machine) -> None:
        await k.i_mmap_rwsem.mutex_lock()
        gone = await k.mm.pmd_none()
        if not gone:
            await k.mm.move_normal_pmd()  # redundant: the collapse takes it from the old PMD, too
        await k.i_mmap_rwsem.mutex_unlock()
        if gone:
            await k.mm.move_ptes()  # redundant: no entry is left; a fault fills it in
