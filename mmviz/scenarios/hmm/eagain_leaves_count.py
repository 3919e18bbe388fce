"""The callback gives up half-way, and leaves its count behind.

The OOM reaper must not wait, so HMM's range_start may only try to take mirrors_sem.  When it
cannot, it answers -EAGAIN; the reaper leaves the pages alone, and no range_end follows.  But
v5.2 had counted the invalidation already.  The count never drops, no range is ever valid again,
and a driver that waits for a valid range does not return.  Undoing the count on the way out is the
remedy, in the right place: dropped too soon, it lets a driver in while the pages still change.

Promise: An answer of -EAGAIN leaves nothing behind, and no page goes that the device still maps.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    One mirror, one registration of another mirror, one device fault.
    A fault looks at a sequence number too, so that flag_is_no_sequence is out of the picture.
    hmm->lock is taken and dropped within the step that needs it.  With a mutex there, undoing the
    count would have to wait as well, which is why v5.3 has a spinlock.
    In v5.2 waits have a timeout: a deadlock here means an error after a while, and again each time.
    AnswerSwallowed takes the count back where mirrors_sem cannot be taken, which v5.2 did not; so
    each of v5.2's two mistakes is shown alone.

Sources:
    <20190614004450.20252-13-jgg@ziepe.ca>, v3 12/12: Fix error flows in hmm_invalidate_range_start
    5a136b4ae327 (v5.3): the same, as merged
    mm/hmm.c, v5.2 and v5.3: hmm_invalidate_range_start(), hmm_range_wait_until_valid()
    mm/mmu_notifier.c, v5.2: __mmu_notifier_invalidate_range_start(), no range_end after -EAGAIN
    mm/oom_kill.c: __oom_reap_task_mm()
"""

from typing import Protocol

from mmviz.engine import Race, at_end, field
from mmviz.kernel.hmm.invalidate import CountingHmm
from mmviz.kernel.hmm.range import HmmRange
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.locks import Mutex, RwSemaphore
from mmviz.scenarios.hmm import RANGES, patch
from mmviz.scenarios.invalidate_page.worlds.judged_at_end import device_keeps_stale_entry
from mmviz.scenarios.invalidate_page.worlds.mirror import VA, Mirror, device_reads_freed_page


class MirroredVictim(Mirror):
    """A process that the OOM reaper takes apart, mirrored with HMM."""

    update: Mutex = field(default_factory=Mutex)
    mirrors_sem: RwSemaphore = field(default_factory=RwSemaphore)
    hmm: CountingHmm = field(default_factory=CountingHmm)
    range: HmmRange = field(default_factory=HmmRange)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)


@at_end
def count_is_left_behind(k: MirroredVictim) -> bool:
    """A count is left behind: no range will be valid again, and each driver's wait times out."""
    return k.hmm.notifiers != 0


class HmmNotifier(Protocol):
    """HMM's callbacks where the caller must not wait."""

    async def start(self, k: MirroredVictim) -> bool:
        """Count the invalidation and notify the mirrors; return whether that worked."""

    async def end(self, k: MirroredVictim) -> None:
        """Stop counting the invalidation."""


async def oom_reap_task_mm(k: MirroredVictim, hmm: HmmNotifier) -> None:
    """Tell the listeners, then take the page; leave it alone after -EAGAIN."""
    if not await hmm.start(k):
        return
    page = await k.cpu.zap_pte_range(VA)
    await hmm.end(k)
    if page is not None:
        await page.put_page()


async def hmm_mirror_register(k: MirroredVictim) -> None:
    """Another driver joins."""
    await k.mirrors_sem.down_write()
    await k.mirrors_sem.up_write()


async def fault(k: MirroredVictim) -> None:
    """The device faults: wait until the range is valid, look up, check, map."""
    await k.hmm.hmm_range_register(k.range)
    while True:
        seq = await k.notifier.read_mmu_invalidate_seq()
        await k.hmm.hmm_range_wait_until_valid(k.range)
        page = await k.cpu.hmm_range_fault(VA)
        await k.update.mutex_lock()
        if not await k.range.hmm_range_valid() or await k.notifier.mmu_invalidate_seq_changed(seq):
            await k.update.mutex_unlock()
            continue
        if page is not None:
            await k.gpu.map(VA, page)
        await k.update.mutex_unlock()
        await k.hmm.hmm_range_unregister(k.range)
        return


# The OOM reaper takes a page while another mirror registers and the device faults.
race = Race(
    world=MirroredVictim,
    actors={"oom_reaper": oom_reap_task_mm, "CPU0": hmm_mirror_register, "GPU": fault},
    bad=(device_reads_freed_page, device_keeps_stale_entry, count_is_left_behind),
)


@race.case(
    "X-2/2a",
    "-EAGAIN leaves the count behind, as shipped in v5.2",
    sometimes=[count_is_left_behind],
    deadlock=True,
    states=400,
    schedules={"no range is valid again": "CPU0 oom_reaper*2 CPU0 GPU*2"},
    source=shipped("v5.2", "v5.2", said=RANGES),
)
class CountLeftBehind:
    """Counts first, then tries, and forgets the count when it cannot."""

    async def start(self, k: MirroredVictim) -> bool:
        """Count the invalidation, then try to take mirrors_sem."""
        await k.hmm.hmm_invalidate_range_start()
        if not await k.mirrors_sem.down_read_trylock():
            return await self.give_up(k)
        done = await self.sync_cpu_device_pagetables(k)
        await k.mirrors_sem.up_read()
        return done or await self.give_up(k)

    async def sync_cpu_device_pagetables(self, k: MirroredVictim) -> bool:
        """The driver's callback: it may only try."""
        if not await k.update.mutex_trylock():
            return False
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()
        return True

    async def give_up(self, k: MirroredVictim) -> bool:
        """Answer -EAGAIN."""
        return False

    async def end(self, k: MirroredVictim) -> None:
        """Drop the count of the invalidation, and make the ranges valid again."""
        await k.notifier.bump_mmu_invalidate_seq()
        await k.hmm.hmm_invalidate_range_end()


@race.case(
    "X-2/2c",
    "-EAGAIN undoes the count, as merged in v5.3",
    states=524,
    schedules={"nothing is left behind": "CPU0 oom_reaper*4 CPU0 GPU*10"},
    source=shipped("v5.3", "v5.4", said=patch(12, revision=3)),
)
class CountUndone(CountLeftBehind):
    """Takes the count back before it answers -EAGAIN."""

    async def give_up(self, k: MirroredVictim) -> bool:
        """Take the count back, and answer -EAGAIN."""
        await self.end(k)
        return False


@race.case(
    "X-2/2b",
    "a mirror's -EAGAIN is swallowed, as v5.2 did too",
    sometimes=[device_reads_freed_page, device_keeps_stale_entry],
    states=643,
    schedules={"still mapped, and freed": "GPU*5 oom_reaper*8"},
    source=shipped("v5.2", "v5.2", said=RANGES),
)
class AnswerSwallowed(CountUndone):
    """Goes on when a mirror's driver could not unmap the page."""

    async def sync_cpu_device_pagetables(self, k: MirroredVictim) -> bool:
        """Ask the driver, and ignore its answer."""
        await super().sync_cpu_device_pagetables(k)
        return True


@race.case(
    "X-2/2d",
    "the count is dropped before the mirrors are notified",
    sometimes=[device_reads_freed_page, device_keeps_stale_entry],
    states=468,
    schedules={"valid in the middle": "oom_reaper*7 GPU*10 oom_reaper*3"},
    source=constructed("breaks a rule of patch 12: the count is held while the mirrors are told"),
)
class CountDroppedEarly(CountUndone):
    """Counts only while it changes the ranges, not while it tells the mirrors."""

    async def start(self, k: MirroredVictim) -> bool:
        """Count, change the ranges, drop the count, and only then notify the mirrors."""
        await k.hmm.hmm_invalidate_range_start()
        await k.hmm.hmm_invalidate_range_end()
        if not await k.mirrors_sem.down_read_trylock():
            return False
        done = await self.sync_cpu_device_pagetables(k)
        await k.mirrors_sem.up_read()
        return done

    async def end(self, k: MirroredVictim) -> None:
        """Note that an invalidation has ended; its count is gone already."""
        await k.notifier.bump_mmu_invalidate_seq()
