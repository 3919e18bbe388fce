"""The notification must come before the lock, but its size is known only after the walk.

DAX cleans a page: it makes the entry read-only, so that the next write is seen.  Drivers must hear
of that before, and because they may sleep, before the lock of the entry is taken.  But whether the
entry maps one page or a huge one is known only when it has been found; and until the lock is held,
another fault may replace the one by the other.  A driver that was told of one page goes on writing
to the others.

Promise: A device writes no page that the CPU has made clean.

Memory model: sequentially consistent.

Simplified:
    Two pages; a PMD maps both, a PTE maps page A.
    The fault that maps the PMD tells the drivers nothing: it takes no right away.
    The device may map a page while no invalidation of it is under way, as KVM and umem odp do.
    Where the entry has changed, the kernel gives up; here, too.

Sources:
    a4d1a8852513 (v4.13) dax: update to new mmu_notifier semantic
    <20170831211738.17922-2-jglisse@redhat.com> patch 01 of the thread
    <20170902133513.GB26026@redhat.com> Arcangeli's review of it
    097963959594 (v4.10) mm: add follow_pte_pmd()
    mm/memory.c __follow_pte_pmd(), follow_pte_pmd(); fs/dax.c dax_mapping_entry_mkclean()
"""

from typing import Protocol

from mmviz.engine import Race, World, at_end
from mmviz.kernel.mm.dax import COVERS, PMD, PTE, A, B, DaxRange, Mirror
from mmviz.kernel.provenance import constructed, proposed, shipped

PATCH_01 = shipped(
    "v4.13",
    "v5.18",
    said=proposed("2017-08-31", "<20170831211738.17922-2-jglisse@redhat.com>"),
)


class Machine(World):
    """The range of the file, and the device that mirrors it."""

    dax: DaxRange
    mirror: Mirror


def machine() -> Machine:
    """Build the machine with page A mapped by CPU and device."""
    dax = DaxRange()
    return Machine(dax=dax, mirror=Mirror(dax))


def device_writes_clean_page(k: Machine) -> bool:
    """The device may write a page that the CPU has made clean: the write is not seen."""
    return bool(k.mirror.writable - k.dax.writable)


@at_end
def invalidation_never_ends(k: Machine) -> bool:
    """CPU0 has finished, and the device still waits for the end of an invalidation."""
    return bool(k.mirror.invalidated)


class Start(Protocol):
    """When the drivers are told, and of what."""

    async def follow_pte_pmd(self, k: Machine) -> None: ...


async def dax_mapping_entry_mkclean(k: Machine, start: Start) -> None:
    """CPU0 writes the file back, and makes the entry clean."""
    await start.follow_pte_pmd(k)


async def write_fault(k: Machine) -> None:
    """CPU1 writes to page B: one PMD maps both from then on."""
    await k.dax.dax_iomap_pmd_fault()


async def device(k: Machine) -> None:
    """The device writes to page B, too."""
    await k.mirror.map(B)


# One page is made clean, while a fault makes it part of a huge one.
race = Race(
    world=machine,
    actors={"CPU0": dax_mapping_entry_mkclean, "CPU1": write_fault, "DEV": device},
    daemons=("DEV",),
    bad=(device_writes_clean_page, invalidation_never_ends, "sleeps_in_atomic", "unlock_not_owner"),
)


@race.case(
    "MN-B/dax1",
    "tempting: tell the drivers of what an unlocked look has found",
    sometimes=[device_writes_clean_page],
    source=constructed("what was seen without the lock may be something else under it"),
    states=52,
)
class SizeOfTheLook:
    """The drivers hear of page A, and the entry that is made clean maps both."""

    async def follow_pte_pmd(self, k: Machine) -> None:
        huge = await k.dax.pmd_huge()
        await k.mirror.mmu_notifier_invalidate_range_start(COVERS[PMD if huge else PTE])
        await k.dax.ptl.spin_lock()
        await k.dax.wrprotect()
        await k.dax.ptl.spin_unlock()
        await k.mirror.mmu_notifier_invalidate_range_end()


@race.case(
    "MN-B/dax2",
    "tempting: lock, walk, and tell the drivers then",
    always=["sleeps_in_atomic"],
    source=constructed("the size is right, and the drivers may sleep"),
    states=37,
)
class StartUnderLock:
    """The spinlock forbids what the callback may do."""

    async def follow_pte_pmd(self, k: Machine) -> None:
        await k.dax.ptl.spin_lock()
        huge = await k.dax.pmd_huge()
        await k.mirror.mmu_notifier_invalidate_range_start(COVERS[PMD if huge else PTE])
        await k.dax.wrprotect()
        await k.dax.ptl.spin_unlock()
        await k.mirror.mmu_notifier_invalidate_range_end()


@race.case(
    "MN-B/dax3",
    "tempting: always tell the drivers of one page",
    sometimes=[device_writes_clean_page],
    source=constructed("what invalidate_page() told them: an address, and no size"),
    states=36,
)
class OnePage:
    """A huge entry is made clean, and the drivers hear of its first page."""

    async def follow_pte_pmd(self, k: Machine) -> None:
        await k.mirror.mmu_notifier_invalidate_range_start(frozenset({A}))
        await k.dax.ptl.spin_lock()
        await k.dax.wrprotect()
        await k.dax.ptl.spin_unlock()
        await k.mirror.mmu_notifier_invalidate_range_end()


@race.case(
    "MN-B/dax4",
    "always tell the drivers of the whole PMD",
    source=constructed("right, at the price of invalidations that are not needed"),
    states=30,
)
class WholePmd:
    """Whatever the entry is when the lock is held, the drivers have heard of it."""

    async def follow_pte_pmd(self, k: Machine) -> None:
        await k.mirror.mmu_notifier_invalidate_range_start(COVERS[PMD])
        await k.dax.ptl.spin_lock()
        await k.dax.wrprotect()  # redundant: an entry that is not made clean does no harm here
        await k.dax.ptl.spin_unlock()
        await k.mirror.mmu_notifier_invalidate_range_end()


@race.case(
    "MN-B/dax5",
    "as merged in v4.13: look, tell the drivers, lock, and look again",
    source=PATCH_01,
    states=52,
)
class LookAgain:
    """If the entry is not what the drivers were told of, nothing is done."""

    async def follow_pte_pmd(self, k: Machine) -> None:
        # redundant: a wrong guess is found out under the lock
        huge = await k.dax.pmd_huge()
        await k.mirror.mmu_notifier_invalidate_range_start(COVERS[PMD if huge else PTE])
        await k.dax.ptl.spin_lock()
        if await k.dax.pmd_huge() == huge:
            await k.dax.wrprotect()  # redundant: an entry that is not made clean does no harm here
        await k.dax.ptl.spin_unlock()
        await k.mirror.mmu_notifier_invalidate_range_end()
