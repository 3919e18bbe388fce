"""The callback gives up half-way, and leaves its count behind.

The OOM reaper must not wait, so HMM's range_start may only try to take mirrors_sem.  When it
cannot, it answers -EAGAIN; the reaper leaves the pages alone, and no range_end follows.  But
v5.2 had counted the invalidation already.  The count never drops, no range is ever valid again,
and whoever waits for that waits for ever.  Undoing the count on the way out is the cure, in the
right place: dropped too soon, it lets a driver in while the pages still change.

Promise: An answer of -EAGAIN leaves nothing behind, and no page goes that the device still maps.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    One mirror, one registration of another mirror, one device fault.
    A fault looks at a sequence number too, so that flag_is_no_sequence is out of the picture.
    hmm->lock is taken and dropped within the step that needs it; with a mutex there, undoing the
    count would have to wait as well, which is why v5.3 has a spinlock.
    In v5.2 waits have a timeout: stuck here means an error after a while, and again each time.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>: the series, whose later revisions add this fix
    5a136b4ae327 (v5.3): mm/hmm: fix error flows in hmm_invalidate_range_start
    mm/hmm.c, v5.2 and v5.3: hmm_invalidate_range_start(), hmm_range_wait_until_valid()
    mm/mmu_notifier.c, v5.2: __mmu_notifier_invalidate_range_start(), no range_end after -EAGAIN
    mm/oom_kill.c: __oom_reap_task_mm()
"""

from typing import Any

from mmviz.engine import Case, Verdict, at_end, expecting, field, mark
from mmviz.kernel.hmm_invalidate import CountingHmm
from mmviz.kernel.hmm_range import HmmRange
from mmviz.kernel.locks import Mutex, RwSemaphore
from mmviz.kernel.notifier import MmuNotifier
from mmviz.scenarios.hmm import RANGES, patch
from mmviz.scenarios.invalidate_page.hook_not_implemented import device_keeps_stale_entry
from mmviz.scenarios.invalidate_page.range_start_only import VA, Mirror, device_reads_freed_page


class MirroredVictim(Mirror):
    """A process that the OOM reaper takes apart, mirrored with HMM."""

    update: Mutex = field(default_factory=Mutex)
    mirrors_sem: RwSemaphore = field(default_factory=RwSemaphore)
    hmm: CountingHmm = field(default_factory=CountingHmm)
    range: HmmRange = field(default_factory=HmmRange)
    notifier: MmuNotifier = field(default_factory=MmuNotifier)


@at_end
def count_is_left_behind(k: MirroredVictim) -> bool:
    """A count is left behind: no range will be valid again, and devices wait for ever."""
    return k.hmm.notifiers != 0


class CountLeftBehind:
    """Counts first, then tries, and forgets the count when it cannot."""

    async def start(self, k: MirroredVictim) -> bool:
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
        await k.notifier.bump_mmu_invalidate_seq()
        await k.hmm.hmm_invalidate_range_end()


class CountUndone(CountLeftBehind):
    """Takes the count back before it answers -EAGAIN."""

    async def give_up(self, k: MirroredVictim) -> bool:
        await self.end(k)
        return False


class AnswerSwallowed(CountUndone):
    """Goes on when a mirror's driver could not let go of the page."""

    async def sync_cpu_device_pagetables(self, k: MirroredVictim) -> bool:
        await super().sync_cpu_device_pagetables(k)
        return True


class CountDroppedEarly(CountUndone):
    """Counts only while it changes the ranges, not while it tells the mirrors."""

    async def start(self, k: MirroredVictim) -> bool:
        await k.hmm.hmm_invalidate_range_start()
        await k.hmm.hmm_invalidate_range_end()
        if not await k.mirrors_sem.down_read_trylock():
            return False
        done = await self.sync_cpu_device_pagetables(k)
        await k.mirrors_sem.up_read()
        return done

    async def end(self, k: MirroredVictim) -> None:
        await k.notifier.bump_mmu_invalidate_seq()


async def oom_reap_task_mm(k: MirroredVictim, hmm: CountLeftBehind) -> None:
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
        mark("again")
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


BAD: tuple[Any, ...] = (device_reads_freed_page, device_keeps_stale_entry, count_is_left_behind)


def case(
    hmm: CountLeftBehind,
    variant: str,
    title: str,
    states: int,
    fails: tuple[Any, ...] = (),
    **more: Any,
) -> Case:
    """Reap while a mirror registers on CPU0 and the device faults."""
    return Case(
        name=type(hmm).__name__,
        id=variant,
        title=title,
        world=MirroredVictim,
        actors={
            "oom_reaper": lambda k: oom_reap_task_mm(k, hmm),
            "CPU0": hmm_mirror_register,
            "GPU": fault,
        },
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(fails, Verdict.SOMETIMES)),
        states=states,
        **more,
    )


CASES = (
    case(
        CountLeftBehind(),
        "X-2/2a",
        "-EAGAIN leaves the count behind, as shipped v5.2",
        430,
        (count_is_left_behind,),
        stuck=True,
        shipped=("v5.2", "v5.2"),
        schedules={"waits for ever": "CPU0 oom_reaper*2 CPU0 GPU*2"},
        proposed=RANGES,
    ),
    case(
        AnswerSwallowed(),
        "X-2/2b",
        "a mirror's -EAGAIN is swallowed, as v5.2 did too",
        710,
        (device_reads_freed_page, device_keeps_stale_entry),
        shipped=("v5.2", "v5.2"),
        schedules={"still mapped, and freed": "GPU*5 oom_reaper*8"},
        proposed=RANGES,
    ),
    case(
        CountDroppedEarly(),
        "X-2/2d",
        "the count is dropped before the mirrors are told",
        495,
        (device_reads_freed_page, device_keeps_stale_entry),
        schedules={"valid in the middle": "oom_reaper*7 GPU*10 oom_reaper*3"},
    ),
    case(
        CountUndone(),
        "X-2/2c",
        "-EAGAIN undoes the count, as merged v5.3",
        571,
        shipped=("v5.3", "v5.4"),
        schedules={"nothing is left behind": "CPU0 oom_reaper*4 CPU0 GPU*10"},
        proposed=patch(12, revision=3),
    ),
)
