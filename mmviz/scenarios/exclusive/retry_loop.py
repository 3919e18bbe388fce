"""A driver whose retry loop may never end.

A driver that finds its read section stale starts over.  Three things can keep the loop from
ending.  If it unlocks the page before it checks, a CPU that keeps touching the page takes it back
in every round.  If it starts over and forgets that it still has the page locked, its own next
attempt sleeps on that lock.  And if it leaves its entry in place when it starts over, as nouveau
does, the next attempt must have the page in order to hide it again: it faults on its own entry, the
fault notifies the drivers, and that makes the read section stale which the attempt has just begun.
Bringing the page in before the read section begins would end that.

Promise: The driver finishes, and leaves the page unlocked and its references as they were.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/mm/exclusive_mm.py and mmviz/kernel/driver/svm.py.
    nouveau looks at the clock at the start of each round and gives up with -EBUSY after one second
    (HMM_RANGE_DEFAULT_TIMEOUT), so what is a livelock here ends as a GPU fault that is cancelled.
    The clock does not end a deadlock: the driver sleeps on its own page lock within a round.
    The announced change that leaves the entry alone stands for any range that is wider than needed.
    That a leftover entry keeps the loop going was found by reading the source and by this model;
    no report of it is known to us.
    In EndlessTouching the CPU writes without end; elsewhere each actor acts once.
    FaultInFirst has no CPU that writes.  With one the loop can go on: the CPU's fault looks at the
    entry that a failed round has left, and notifies in the next round, after the read section has
    begun; then its write finds the page hidden again.  Both need bad luck in every round.

Sources:
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_atomic_range_fault(), v5.14, v6.14 and v6.15
    mm/mmu_notifier.c mmu_interval_read_begin()
    mm/gup.c faultin_page()
    mm/rmap.c make_device_exclusive(), v6.15: its get_user_page_vma_remote() undoes an entry first
    8f187163eb89 (v5.14) nouveau/svm: implement atomic SVM access
    b3fefbb30a16 (v6.14) nouveau/svm: fix missing folio unlock + put
    <20250124181524.3584236-2-david@redhat.com> that fix, found by code inspection; it says that the
    next attempt fails for want of the page lock.  Here the attempt sleeps on that lock earlier, in
    the fault on its own entry
"""

from mmviz.engine import Race, at_end
from mmviz.kernel.driver.svm import nouveau_atomic_range_fault
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import NOUVEAU_UNLOCK, READ, REWORK, V11_NOUVEAU
from mmviz.scenarios.exclusive.lock_or_sequence import sequence_only
from mmviz.scenarios.exclusive.worlds.svm import (
    GIVES_UP,
    Machine,
    atomic_range_fault,
    cpu_and_device_both_map,
    lock_and_sequence,
    madvise_dontneed,
    mprotect,
    since_v615,
)


def leftover() -> Machine:
    """Build a machine on which an earlier attempt has left its entry."""
    k = Machine()
    k.mm.vma.pte = Pte(k.page, exclusive=True)
    return k


@at_end
def page_left_locked(k: Machine) -> bool:
    """The driver has finished, and the page stays locked: a task that touches it hangs."""
    return k.page.locked == "CPU1"


@at_end
def page_leaked(k: Machine) -> bool:
    """The driver has finished, and a reference on the page is never put: its memory is lost."""
    faults = len(k.mm.mmap_lock.readers)
    return k.page.refs > (k.mm.vma.pte is not None) + faults


async def clear_refs(k: Machine) -> None:
    """Another task announces a change that leaves the entry as it is."""
    await k.mm.clear_refs()


async def write_for_ever(k: Machine) -> None:
    """User code writes to the page again and again."""
    while True:
        await k.mm.write()


# A driver that makes the page exclusive, and a CPU that disturbs it.
race = Race(
    world=Machine,
    actors={"CPU1": atomic_range_fault, "CPU0": clear_refs},
    bad=(cpu_and_device_both_map, page_left_locked, page_leaked, "returns_holding_lock"),
)
TOUCHED = race.actors | {"CPU0": write_for_ever}


race.case(
    "B/B.7p",
    "sequence only: a CPU that keeps writing takes the page back in every round",
    name="EndlessTouching",
    of=sequence_only,
    actors=TOUCHED,
    daemons=("CPU0",),
    livelock=True,
    states=121,
    schedules={"two rounds of it": "CPU1*10 CPU0*16 CPU1*13 CPU0*16 CPU1*3"},
    source=constructed("what the driver holds the page lock for"),
)

race.case(
    "B/B.1",
    "page lock and sequence, as nouveau in v6.14: the CPU has to wait for the GPU",
    name="EndlessTouchingLocked",
    of=lock_and_sequence,
    actors=TOUCHED,
    daemons=("CPU0",),
    states=73,
    source=shipped("v6.14", "v6.14", said=NOUVEAU_UNLOCK),
)

race.case(
    "B/B.1-v6.15",
    "page lock and sequence, as nouveau since v6.15: the driver sleeps for the page lock",
    name="EndlessTouchingLockedFolio",
    of=lock_and_sequence,
    world=since_v615,
    actors=TOUCHED,
    daemons=("CPU0",),
    states=73,
    note="no verdict changed: the CPU still waits for the GPU",
    source=shipped("v6.15", said=REWORK, checked=READ),
)


@race.case(
    "B/B.9",
    "v5.14 to v6.13: the driver starts over with the page locked, and waits for itself",
    deadlock=True,
    name="RetryKeepsPage",
    states=117,
    schedules={"it waits for its own page lock": "CPU1*8 CPU0*6 CPU1*8"},
    source=shipped("v5.14", "v6.13", said=V11_NOUVEAU),
)
async def retry_keeps_page(k: Machine) -> None:
    """The driver as nouveau before 2025: it starts over and does not give the page back."""
    mm, svmm = k.mm, k.svmm
    while True:
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


race.case(
    "B/B.9z",
    "v5.14 to v6.13: the driver starts over, and finds the page gone",
    name="RetryLeaksPage",
    of=retry_keeps_page,
    actors=race.actors | {"CPU0": madvise_dontneed},
    sometimes=[page_left_locked, page_leaked, "returns_holding_lock"],
    states=200,
    schedules={"it never unlocks": "CPU1*8 CPU0*10 CPU1*8"},
    source=shipped("v5.14", "v6.13", said=V11_NOUVEAU),
)

race.case(
    "B/B.9z-mprotect",
    "v5.14 to v6.13: the driver starts over, and has lost the right to write",
    name="RetryLeaksReadOnlyPage",
    of=retry_keeps_page,
    actors=race.actors | {"CPU0": mprotect},
    sometimes=[page_left_locked, page_leaked, "returns_holding_lock"],
    states=112,
    source=shipped("v5.14", "v6.13", said=V11_NOUVEAU),
)

race.case(
    "B/B.10",
    "as nouveau in v6.14: starting over means faulting on its own entry",
    name="LeftoverEntry",
    of=lock_and_sequence,
    livelock=True,
    states=130,
    note=GIVES_UP,
    schedules={"one disturbance is enough": "CPU1*2 CPU0*6 CPU1*52"},
    source=shipped("v6.14", "v6.14", said=NOUVEAU_UNLOCK),
)

race.case(
    "B/B.10-v6.15",
    "as nouveau since v6.15: starting over still means faulting on its own entry",
    name="LeftoverEntryFolio",
    of=lock_and_sequence,
    world=since_v615,
    livelock=True,
    states=130,
    note=GIVES_UP,
    source=shipped("v6.15", said=REWORK, checked=READ),
)


@race.case(
    "B/B.14",
    "the driver's mutex is held over the conversion, whose fault calls the driver back",
    name="MutexAroundConversion",
    world=leftover,
    actors={"CPU1": atomic_range_fault},
    deadlock=True,
    states=8,
    kind="ordering",
    schedules={"the fault calls the driver back": "CPU1*7"},
    source=constructed("why the driver's mutex cannot stand in for the sequence"),
)
async def mutex_around_conversion(k: Machine) -> None:
    """The driver takes its mutex first, so that no callback can run in between."""
    await k.svmm.mutex.mutex_lock()
    await k.mm.mmap_lock.down_read()
    page = await k.mm.make_device_exclusive_range(k.svmm.cookie)
    await k.mm.mmap_lock.up_read()
    if page is not None:
        await k.svmm.gpu.map_atomic(page)
        await page.unlock_page()
        await page.put_page()
    await k.svmm.mutex.mutex_unlock()


@race.case(
    "B/B.11",
    "the page is brought in before each read section, over a leftover entry as well",
    name="FaultInFirst",
    world=leftover,
    actors=race.actors | {"CPU2": madvise_dontneed, "CPU3": mprotect},
    states=4917,
    source=constructed("what would end the loop; the kernel does not do it"),
)
async def prefault(k: Machine) -> None:
    """The driver as nouveau, but the page is brought in before each read section."""
    await nouveau_atomic_range_fault(k.mm, k.svmm, prefault=True)
