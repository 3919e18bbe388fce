"""Two listeners: one has counted when the other says no.

The OOM reaper asks the listeners one after the other, and must not wait.  The first counts the
invalidation and unmaps.  The second cannot do it without sleeping and answers -EAGAIN.  The
reaper leaves the pages alone, so it calls no range_end; but the first still counts.  From then
on each fault of its device finds an invalidation in progress and tries again, for ever.  The
core has to call range_end for those whose range_start went well.

Promise: Each listener that hears a range_start hears its range_end.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As range_start_only, whose callbacks and fault the first listener has; KVM's lock is a
    spinlock, here it is a mutex that nobody holds while it waits.
    The second listener has a lock and no device.  The reaper tries once.
    The reference names the count alone; the fault that tries for ever follows from it.

Sources:
    c2655835fd8c (v5.12): range_end for those that succeeded, when range_start fails
    93065ac753e4 (v4.19): range_start may answer -EAGAIN
    mm/mmu_notifier.c: mn_hlist_invalidate_range_start(); mm/oom_kill.c: __oom_reap_task_mm()
"""

from typing import Any

from mmviz.engine import Case, Verdict, at_end, expecting, field
from mmviz.kernel.locks import Mutex
from mmviz.scenarios.invalidate_page import NOT_BLOCKABLE
from mmviz.scenarios.invalidate_page.hook_not_implemented import device_keeps_stale_entry
from mmviz.scenarios.invalidate_page.range_start_only import (
    VA,
    GuardedMirror,
    SequenceAndCounter,
    device_reads_freed_page,
)


class TwoListeners(GuardedMirror):
    """A second listener, with a lock of its own."""

    second: Mutex = field(default_factory=Mutex)


@at_end
def count_is_left_behind(k: TwoListeners) -> bool:
    """A count is left behind: the first device's faults are tried again, in vain, for ever."""
    return k.notifier.mmu_invalidate_in_progress != 0


class Unpaired:
    """After -EAGAIN nobody hears range_end."""

    first = SequenceAndCounter()

    async def mn_hlist_invalidate_range_start(self, k: TwoListeners) -> bool:
        await self.first.invalidate_range_start(k)
        if not await k.second.mutex_trylock():
            return await self.give_up(k)
        await k.second.mutex_unlock()
        return True

    async def give_up(self, k: TwoListeners) -> bool:
        """Answer -EAGAIN."""
        return False

    async def oom_reap_task_mm(self, k: TwoListeners) -> None:
        """The OOM reaper tells the listeners, and takes the page if nobody says no."""
        if not await self.mn_hlist_invalidate_range_start(k):
            return
        page = await k.cpu.zap_pte_range(VA)
        await self.first.invalidate_range_end(k)
        if page is not None:
            await page.put_page()


class Paired(Unpaired):
    """After -EAGAIN those hear range_end whose range_start went well."""

    async def give_up(self, k: TwoListeners) -> bool:
        await self.first.invalidate_range_end(k)
        return False


async def busy(k: TwoListeners) -> None:
    """The second listener's driver is at work."""
    await k.second.mutex_lock()
    await k.second.mutex_unlock()


BAD: tuple[Any, ...] = (device_reads_freed_page, device_keeps_stale_entry, count_is_left_behind)


def case(core: Unpaired, variant: str, title: str, states: int, fails: bool, **more: Any) -> Case:
    """Reap while the second driver is at work on CPU0 and the device faults."""
    left = Verdict.SOMETIMES if fails else Verdict.NEVER
    return Case(
        name=type(core).__name__,
        id=variant,
        title=title,
        world=TwoListeners,
        actors={"oom_reaper": core.oom_reap_task_mm, "CPU0": busy, "GPU": core.first.fault},
        bad=BAD,
        expect=expecting(BAD, count_is_left_behind=left),
        states=states,
        livelock=fails,
        **more,
    )


CASES = (
    case(
        Unpaired(),
        "X-2/2e",
        "a listener that went well hears no range_end, as until v5.11",
        266,
        True,
        shipped=("v4.19", "v5.11"),
        schedules={"still counting": "GPU*7 CPU0 oom_reaper*5 CPU0"},
        proposed=NOT_BLOCKABLE,
    ),
    case(
        Paired(),
        "X-2/2f",
        "a listener that went well hears range_end, as since v5.12",
        324,
        False,
        shipped=("v5.12", ""),
        schedules={"nothing is left behind": "CPU0 oom_reaper*8 CPU0 GPU*7"},
        proposed=("2021-03-11", "<20210311180057.1582638-1-seanjc@google.com>"),
    ),
)
