"""A driver that may start over for ever.

A driver that finds its read section stale starts over.  Three things can keep it from coming to an
end.  If it lets the page go before it checks, a CPU that keeps touching the page takes it back in
every round.  If it starts over and forgets that it still has the page locked, its own next attempt
sleeps on that lock.  And if it leaves its entry in place when it starts over, as nouveau does, the
next attempt must have the page in order to hide it again: it faults on its own entry, the fault
tells the drivers, and that makes the read section stale which the attempt has just begun.  Bringing
the page in before the read section begins would end that.

Promise: The driver comes to an end, and leaves the page unlocked and its references as they were.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/exclusive_mm.py and mmviz/kernel/svm.py.  nouveau gives up after a second,
    so what goes round for ever here ends as a GPU fault that is cancelled.
    The announced change that leaves the entry alone stands for any range that is wider than need.
    That a leftover entry keeps the loop going was found by reading the source and by this model;
    no report of it is known to us.
    In EndlessTouching the CPU writes for ever; elsewhere everybody acts once.
    FaultInFirst has no CPU that writes.  With one the loop can go on: the CPU's fault looks at the
    entry that a failed round has left, and notifies in the next round, after the read section has
    begun; then its write finds the page hidden again.  Both need bad luck in every round.

Sources:
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_atomic_range_fault(), v5.14 and v6.14
    mm/mmu_notifier.c mmu_interval_read_begin(); mm/gup.c faultin_page()
    8f187163eb89 (v5.14) nouveau/svm: implement atomic SVM access
    nouveau/svm: fix missing folio unlock + put after make_device_exclusive_range() (2025)
"""

from collections.abc import Callable

from mmviz.engine import Case, Verdict, at_end, mark
from mmviz.kernel.entry import Pte
from mmviz.kernel.svm import nouveau_atomic_range_fault
from mmviz.scenarios.exclusive.lock_or_sequence import (
    Actor,
    Machine,
    cpu_and_device_both_map,
    lock_and_sequence,
    madvise_dontneed,
    mprotect,
    sequence_only,
)

NEVER, SOMETIMES = Verdict.NEVER, Verdict.SOMETIMES


def leftover() -> Machine:
    """Return a machine on which an earlier attempt has left its entry."""
    k = Machine()
    k.mm.vma.pte = Pte(k.page, exclusive=True)
    return k


@at_end
def page_left_locked(k: Machine) -> bool:
    """The driver has finished, and the page stays locked: who touches it hangs for ever."""
    return k.page.locked == "CPU1"


@at_end
def page_leaked(k: Machine) -> bool:
    """The driver has finished, and the page keeps a reference for ever: its memory is lost."""
    faults = len(k.mm.mmap_lock.readers)
    return k.page.refs > (k.mm.vma.pte is not None) + faults


async def retry_keeps_page(k: Machine) -> None:
    """As nouveau before 2025: what was got is not given back before starting over."""
    mm, svmm = k.mm, k.svmm
    while True:
        mark("again")
        await svmm.mmu_interval_read_begin()
        await mm.mmap_lock.down_read()
        page = await mm.make_device_exclusive_range(svmm.cookie)
        await mm.mmap_lock.up_read()
        if page is None:
            return
        await svmm.mutex.mutex_lock()
        if not await svmm.mmu_interval_read_retry():
            break
        await svmm.mutex.mutex_unlock()
    await svmm.gpu.map_atomic(page)
    await svmm.mutex.mutex_unlock()
    await page.unlock_page()
    await page.put_page()


async def prefault(k: Machine) -> None:
    """As nouveau, but the page is brought in before each read section."""
    await nouveau_atomic_range_fault(k.mm, k.svmm, prefault=True)


async def mutex_around_conversion(k: Machine) -> None:
    """The driver's mutex is taken first, so that nothing can come between."""
    await k.svmm.mutex.mutex_lock()
    await k.mm.mmap_lock.down_read()
    page = await k.mm.make_device_exclusive_range(k.svmm.cookie)
    await k.mm.mmap_lock.up_read()
    if page is not None:
        await k.svmm.gpu.map_atomic(page)
        await page.unlock_page()
        await page.put_page()
    await k.svmm.mutex.mutex_unlock()


async def clear_refs(k: Machine) -> None:
    """Somebody announces a change that leaves the entry as it is."""
    await k.mm.clear_refs()


async def write_for_ever(k: Machine) -> None:
    """User code writes to the page again and again."""
    while True:
        mark("next")
        await k.mm.write()


def case(
    name: str,
    id: str,
    title: str,
    driver: Actor,
    others: dict[str, Actor],
    states: int,
    world: Callable[[], Machine] = Machine,
    daemons: tuple[str, ...] = (),
    leaks: Verdict = NEVER,
    stuck: bool = False,
    livelock: bool = False,
    shipped: tuple[str, str] | None = None,
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
) -> Case:
    """Let a driver make the page exclusive while others disturb it."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=world,
        actors={"CPU1": driver, **others},
        daemons=daemons,
        bad=(cpu_and_device_both_map, page_left_locked, page_leaked),
        expect={
            "cpu_and_device_both_map": NEVER,
            "page_left_locked": leaks,
            "page_leaked": leaks,
        },
        states=states,
        stuck=stuck,
        livelock=livelock,
        kind="race" if others else "ordering",
        shipped=shipped,
        schedules=schedules or {},
        proposed=proposed,
    )


DISTURBED: dict[str, Actor] = {"CPU0": clear_refs}
ZAPPED: dict[str, Actor] = {"CPU0": madvise_dontneed}

CASES = (
    case(
        "EndlessTouching",
        "B/B.7p",
        "sequence only: a CPU that keeps writing takes the page back in every round",
        sequence_only,
        {"CPU0": write_for_ever},
        states=121,
        daemons=("CPU0",),
        livelock=True,
        schedules={"two rounds of it": "CPU1*10 CPU0*16 CPU1*13 CPU0*16 CPU1*3"},
    ),
    case(
        "EndlessTouchingLocked",
        "B/B.1",
        "page lock and sequence: the CPU has to wait until the GPU had its turn",
        lock_and_sequence,
        {"CPU0": write_for_ever},
        states=73,
        daemons=("CPU0",),
        shipped=("v6.14", ""),
        proposed=("2025-01-24", "<20250124181524.3584236-2-david@redhat.com>"),
    ),
    case(
        "RetryKeepsPage",
        "B/B.9",
        "v5.14 to v6.13: the driver starts over with the page locked, and waits for itself",
        retry_keeps_page,
        DISTURBED,
        states=117,
        stuck=True,
        shipped=("v5.14", "v6.13"),
        schedules={"it waits for its own page lock": "CPU1*8 CPU0*6 CPU1*8"},
        proposed=("2021-06-16", "<20210616105937.23201-11-apopple@nvidia.com>"),
    ),
    case(
        "RetryLeaksPage",
        "B/B.9z",
        "v5.14 to v6.13: the driver starts over, and finds the page gone",
        retry_keeps_page,
        ZAPPED,
        states=204,
        leaks=SOMETIMES,
        shipped=("v5.14", "v6.13"),
        schedules={"it never unlocks": "CPU1*8 CPU0*10 CPU1*8"},
        proposed=("2021-06-16", "<20210616105937.23201-11-apopple@nvidia.com>"),
    ),
    case(
        "RetryLeaksReadOnlyPage",
        "B/B.9z-mprotect",
        "v5.14 to v6.13: the driver starts over, and may not write any more",
        retry_keeps_page,
        {"CPU0": mprotect},
        states=112,
        leaks=SOMETIMES,
        shipped=("v5.14", "v6.13"),
        proposed=("2021-06-16", "<20210616105937.23201-11-apopple@nvidia.com>"),
    ),
    case(
        "LeftoverEntry",
        "B/B.10",
        "as nouveau today: starting over means faulting on its own entry",
        lock_and_sequence,
        DISTURBED,
        states=130,
        livelock=True,
        shipped=("v5.14", ""),
        schedules={"one disturbance is enough": "CPU1*2 CPU0*6 CPU1*52"},
        proposed=("2021-06-16", "<20210616105937.23201-11-apopple@nvidia.com>"),
    ),
    case(
        "MutexAroundConversion",
        "B/B.14",
        "the driver's mutex is held over the conversion, whose fault calls the driver back",
        mutex_around_conversion,
        {},
        states=8,
        world=leftover,
        stuck=True,
        schedules={"the fault calls the driver back": "CPU1*7"},
    ),
    case(
        "FaultInFirst",
        "B/B.11",
        "the page is brought in before each read section, over a leftover entry as well",
        prefault,
        {"CPU0": clear_refs, "CPU2": madvise_dontneed, "CPU3": mprotect},
        states=5485,
        world=leftover,
    ),
)

SPARE = {
    "FaultInFirst: await nouveau_atomic_range_fault(k.mm, k.svmm, prefault=True)": (
        "A driver that does nothing comes to its end."
    ),
    "FaultInFirst: await self.mmap_lock.down_read()": (
        "Whether the loop ends does not hang on mmap_lock."
    ),
    "FaultInFirst: answered = await self.handle_mm_fault()": (
        "A fault that is not answered ends the loop, or leaves the page as it is."
    ),
    "FaultInFirst: await self.mmap_lock.down_write()": (
        "Whether the loop ends does not hang on mmap_lock."
    ),
    "FaultInFirst: await self.vma.mprotect_fixup(flag)": "One disturbance less.",
    "FaultInFirst: await self.vma.change_pte_range()": "One disturbance less.",
    "FaultInFirst: if prefault and not await mm.fixup_user_fault():": (
        "The page is present at the start, and CPU1 alone brings it back; LeftoverEntry needs "
        "this line."
    ),
    "FaultInFirst: await k.mm.madvise_dontneed()": "One disturbance less.",
    "FaultInFirst: await k.mm.mprotect()": "One disturbance less.",
}
