"""The page lock or the sequence: what keeps a driver's new mapping true.

A GPU's driver hides a page from the CPU and then maps it for the GPU.  Between the two steps the
page may be taken back: by a CPU that touches it, by MADV_DONTNEED, by mprotect, by fork.  Each of
them notifies the driver first.  But the driver has mapped nothing yet, so its callback has nothing
to clear; then the driver maps.  The page lock makes a touching CPU wait, because a fault takes the
lock before it notifies.  The other three do not take the page lock.  So the driver begins a read
section before it looks up the page, and maps only if no invalidation came meanwhile.  It checks
that under the mutex that its callback takes as well.

Promise: What the GPU may do with the page is never more than the process's own entry stands for.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/mm/exclusive_mm.py and mmviz/kernel/driver/svm.py.
    Operations that the GPU has begun before it is unmapped are left out
    (exclusive/atomic_loses_update).
    The driver gives up where it finds the page locked or gone, as in v5.14 to v6.14.  The cases of
    v6.15 sleep for the lock, and retry where the page is gone.
    SequenceOnly is safe, but its driver may livelock (exclusive/retry_loop).  So in LockAndSequence
    any one actor could go without the page lock, or without mmap_lock.
    mmap_lock keeps the mapping itself from going away, which no actor here does.
    dmirror_exclusive() converts a whole range before it maps; here the range is one page.

Sources:
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_atomic_range_fault(): lock and sequence
    lib/test_hmm.c dmirror_exclusive(): mmap_lock to the end, and no sequence
    <20210226071832.31547-9-apopple@nvidia.com> v3 of the patch: nouveau did the same as the test
    mm/rmap.c make_device_exclusive_range(), since v6.15 make_device_exclusive()
    mm/mmu_notifier.c mmu_interval_read_begin()
    b756a3b5e7ea (v5.14) mm: device exclusive memory access
    8f187163eb89 (v5.14) nouveau/svm: implement atomic SVM access
    b3fefbb30a16 (v6.14) nouveau/svm: unlock and put the page before a retry
    599b684a7854, 438354724f69 (v6.15) make_device_exclusive(): one page, found by a folio walk
    b8932ca8b924 (v6.15) it sleeps for the lock, and retries, instead of -EBUSY
"""

from mmviz.engine import Race
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import NOUVEAU_UNLOCK, READ, REWORK, V11
from mmviz.scenarios.exclusive.worlds.svm import (
    ALL_THREE,
    BAD,
    Machine,
    atomic_range_fault,
    cpu_and_device_both_map,
    device_keeps_stale_entry,
    lock_and_sequence,
    madvise_dontneed,
    mprotect,
    since_v615,
    write,
    write_after_mprotect,
)

race = Race(
    "B",
    world=Machine,
    actors={"CPU1": atomic_range_fault, "CPU0": write},
    bad=BAD,
)
ZAP = race.actors | {"CPU0": madvise_dontneed}
PROTECT = race.actors | {"CPU0": mprotect}
BOTH = race.actors | {"CPU2": mprotect}


@race.case(
    "B.8",
    "the page is unlocked before it is mapped, no sequence: a CPU touches it",
    name="NoGuard",
    sometimes=[cpu_and_device_both_map],
    states=119,
    schedules={"taken back before it is mapped": "CPU1*9 CPU0*16 CPU1*2"},
    source=constructed("shows what page lock and sequence are for"),
)
async def no_guard(k: Machine) -> None:
    """The page is unlocked before it is mapped; an invalidation meanwhile goes unnoticed."""
    await k.mm.mmap_lock.down_read()
    page = await k.mm.make_device_exclusive_range(k.svmm.cookie)
    await k.mm.mmap_lock.up_read()
    if page is None:
        return
    await page.unlock_page()
    await page.put_page()
    await k.svmm.mutex.mutex_lock()
    await k.svmm.gpu.map_atomic(page)
    await k.svmm.mutex.mutex_unlock()


@race.case(
    "B.6",
    "page lock only: a CPU touches the page",
    name="PageLockAgainstFault",
    states=82,
    source=constructed("shows against what the page lock is enough"),
)
async def page_lock_only(k: Machine) -> None:
    """The page stays locked until it is mapped; an invalidation meanwhile goes unnoticed."""
    await k.mm.mmap_lock.down_read()
    page = await k.mm.make_device_exclusive_range(k.svmm.cookie)
    await k.mm.mmap_lock.up_read()
    if page is None:
        return
    await k.svmm.mutex.mutex_lock()
    await k.svmm.gpu.map_atomic(page)
    await k.svmm.mutex.mutex_unlock()
    await page.unlock_page()
    await page.put_page()


race.case(
    "B.6z",
    "page lock only: MADV_DONTNEED",
    name="PageLockAgainstZap",
    of=page_lock_only,
    actors=ZAP,
    sometimes=[device_keeps_stale_entry],
    states=176,
    schedules={"taken back before it is mapped": "CPU1*7 CPU0*10 CPU1*2"},
    source=constructed("shows what does not take the page lock"),
)

race.case(
    "B.6p",
    "page lock only: mprotect",
    name="PageLockAgainstMprotect",
    of=page_lock_only,
    actors=PROTECT,
    sometimes=[write_after_mprotect],
    states=93,
    schedules={"taken back before it is mapped": "CPU1*7 CPU0*10 CPU1*2"},
    source=constructed("shows what does not take the page lock"),
)


@race.case(
    "B.6m",
    "as the test driver: mmap_lock held to the end, against a CPU and mprotect",
    name="MmapLockAgainstMprotect",
    actors=BOTH,
    states=191,
    source=shipped("v5.14", "v6.14", said=V11),
)
async def dmirror_exclusive(k: Machine) -> None:
    """As the kernel's test driver: mmap_lock is held until all is done."""
    # redundant in owner_filter: the page lock keeps the CPU's fault out as well
    await k.mm.mmap_lock.down_read()
    page = await k.mm.make_device_exclusive_range(k.svmm.cookie)
    if page is not None:
        # redundant in owner_filter, restore_at_fork: the mutex guards a single step here
        await k.svmm.mutex.mutex_lock()
        # redundant: a driver that never maps the page cannot do harm
        await k.svmm.gpu.map_atomic(page)
        await k.svmm.mutex.mutex_unlock()
        await page.unlock_page()
        # redundant: only exclusive/retry_loop judges a reference that is not put
        await page.put_page()
    await k.mm.mmap_lock.up_read()


race.case(
    "B.6m-v6.15",
    "the test driver since v6.15: the conversion sleeps for the lock and retries",
    name="MmapLockAgainstMprotectFolio",
    of=dmirror_exclusive,
    world=since_v615,
    actors=BOTH,
    states=191,
    note="no verdict changed: mprotect waits for mmap_lock as before",
    source=shipped("v6.15", said=REWORK, checked=READ),
)

race.case(
    "B.6mz",
    "as the test driver: MADV_DONTNEED takes mmap_lock for reading, too",
    name="MmapLockAgainstZap",
    of=dmirror_exclusive,
    actors=ZAP,
    sometimes=[device_keeps_stale_entry],
    states=177,
    schedules={"taken back before it is mapped": "CPU1*6 CPU0*10 CPU1*2"},
    source=shipped("v5.14", "v6.14", said=V11),
)

race.case(
    "B.6mz-v6.15",
    "the test driver since v6.15: MADV_DONTNEED",
    name="MmapLockAgainstZapFolio",
    of=dmirror_exclusive,
    world=since_v615,
    actors=ZAP,
    sometimes=[device_keeps_stale_entry],
    states=177,
    note="no verdict changed: the page lock keeps no zap out, slept for or not",
    source=shipped("v6.15", said=REWORK, checked=READ),
)


@race.case(
    "B.7",
    "sequence only: the page is unlocked before it is mapped",
    name="SequenceOnly",
    actors=race.actors | ALL_THREE,
    states=3378,
    source=constructed("shows that the sequence alone is safe"),
)
async def sequence_only(k: Machine) -> None:
    """The sequence guards the mapping; the page is unlocked before it."""
    while True:
        # redundant: without it the driver retries until it cannot get the page, which is safe
        await k.svmm.mmu_interval_read_begin()
        # redundant: it keeps the mapping itself, which no actor takes away
        await k.mm.mmap_lock.down_read()
        page = await k.mm.make_device_exclusive_range(k.svmm.cookie)
        await k.mm.mmap_lock.up_read()
        if page is None:
            return
        await page.unlock_page()
        await page.put_page()
        await k.svmm.mutex.mutex_lock()
        retry = await k.svmm.mmu_interval_read_retry()
        if not retry:
            # redundant: a driver that never maps the page cannot do harm
            await k.svmm.gpu.map_atomic(page)
        await k.svmm.mutex.mutex_unlock()
        if not retry:
            return


race.case(
    "B.1",
    "page lock and sequence, as nouveau in v6.14: against all three",
    name="LockAndSequence",
    of=lock_and_sequence,
    actors=race.actors | ALL_THREE,
    states=3119,
    source=shipped("v6.14", "v6.14", said=NOUVEAU_UNLOCK),
)

race.case(
    "B.1-v6.15",
    "page lock and sequence, as nouveau since v6.15: against all three",
    name="LockAndSequenceFolio",
    of=lock_and_sequence,
    world=since_v615,
    actors=race.actors | ALL_THREE,
    states=3119,
    note="no verdict changed with the sleep and the second look",
    source=shipped("v6.15", said=REWORK, checked=READ),
)
