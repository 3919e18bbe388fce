"""Two listeners: the first has counted an invalidation, and the second refuses it.

The OOM reaper asks the listeners one after the other, and must not wait.  The first counts the
invalidation and unmaps its page.  The second cannot do so without sleeping and answers -EAGAIN.
The reaper leaves the pages alone, so it calls no range_end; but the count of the first stays up.
From then on each fault of its device finds an invalidation in progress and tries again: a
livelock.  The core has to call range_end for the listeners whose range_start succeeded.

Promise: Each listener whose range_start succeeds also gets range_end.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    As range_start_only, whose callbacks and fault the first listener has.
    KVM's lock is a spinlock; here it is a mutex whose holder never waits for anything.
    The second listener has a lock and no device.
    The reaper tries once.
    The reference model names the count alone; the livelock of the fault follows from it.

Sources:
    c2655835fd8c (v5.12): range_end for those that succeeded, when a range_start fails
    93065ac753e4 (v4.19): range_start may answer -EAGAIN
    mm/mmu_notifier.c: mn_hlist_invalidate_range_start()
    mm/oom_kill.c: __oom_reap_task_mm()
"""

from mmviz.engine import Race, at_end, field
from mmviz.kernel.provenance import proposed_elsewhere, shipped
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios.invalidate_page import NOT_BLOCKABLE
from mmviz.scenarios.invalidate_page.range_start_only import SequenceAndCounter
from mmviz.scenarios.invalidate_page.worlds.judged_at_end import device_keeps_stale_entry
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    VA,
    GuardedMirror,
    device_reads_freed_page,
)


class TwoListeners(GuardedMirror):
    """A second listener, with a lock of its own."""

    second: Mutex = field(default_factory=Mutex)


@at_end
def count_is_left_behind(k: TwoListeners) -> bool:
    """A count is left behind: every later fault of the first device tries again, without end."""
    return k.notifier.mmu_invalidate_in_progress != 0


async def busy(k: TwoListeners) -> None:
    """The second listener's driver is at work."""
    await k.second.mutex_lock()
    await k.second.mutex_unlock()


async def reap(k: TwoListeners, core: "Unpaired") -> None:
    """The OOM reaper's kernel thread works on the victim."""
    await core.oom_reap_task_mm(k)


async def first_device_faults(k: TwoListeners, core: "Unpaired") -> None:
    """The first listener's device faults at the address."""
    await core.first.fault(k)


race = Race(
    world=TwoListeners,
    actors={"oom_reaper": reap, "CPU0": busy, "GPU": first_device_faults},
    bad=(device_reads_freed_page, device_keeps_stale_entry, count_is_left_behind),
)


@race.case(
    "X-2/2e",
    "a listener whose range_start succeeded gets no range_end, as until v5.11",
    sometimes=[count_is_left_behind],
    livelock=True,
    states=266,
    schedules={"still counting": "GPU*7 CPU0 oom_reaper*5 CPU0"},
    source=shipped("v4.19", "v5.11", said=NOT_BLOCKABLE),
)
class Unpaired:
    """After -EAGAIN no listener gets range_end."""

    first = SequenceAndCounter()

    async def mn_hlist_invalidate_range_start(self, k: TwoListeners) -> bool:
        """Notify both listeners; return whether neither refused."""
        await self.first.invalidate_range_start(k)
        if not await k.second.mutex_trylock():
            return await self.give_up(k)
        await k.second.mutex_unlock()
        return True

    async def give_up(self, k: TwoListeners) -> bool:
        """Answer -EAGAIN."""
        return False

    async def oom_reap_task_mm(self, k: TwoListeners) -> None:
        """The OOM reaper notifies the listeners, and takes the page if neither refuses."""
        if not await self.mn_hlist_invalidate_range_start(k):
            return
        page = await k.cpu.zap_pte_range(VA)
        await self.first.invalidate_range_end(k)
        if page is not None:
            await page.put_page()


@race.case(
    "X-2/2f",
    "a listener whose range_start succeeded gets range_end, as since v5.12",
    states=324,
    schedules={"nothing is left behind": "CPU0 oom_reaper*8 CPU0 GPU*7"},
    source=shipped(
        "v5.12",
        said=proposed_elsewhere("2021-03-11", "<20210311180057.1582638-1-seanjc@google.com>"),
        checked=("v6.19", "2026-11-28"),
    ),
)
class Paired(Unpaired):
    """After -EAGAIN the listeners whose range_start succeeded get range_end."""

    async def give_up(self, k: TwoListeners) -> bool:
        await self.first.invalidate_range_end(k)
        return False
