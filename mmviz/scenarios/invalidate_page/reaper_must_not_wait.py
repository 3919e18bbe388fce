"""The OOM reaper calls a driver that waits for memory.

There is no free memory left.  The kernel has killed a process, and the OOM reaper takes its pages
away; before that it calls the drivers.  A driver's thread holds the driver's mutex and waits for
an allocation.  If the callback sleeps on the mutex, the reaper waits for the driver and the
driver for the reaper: a deadlock.  So the reaper says that it cannot wait.  The callback may only
try the mutex, and answers -EAGAIN if that fails.  The pages then stay, and the reaper tries
again.

Promise: The allocation succeeds, and no page is freed while the device still reaches it.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    One victim with one page, one driver thread, one allocation.
    The reaper tries twice (the kernel: ten times) and then gives the victim up, so that the next
    process is killed.  Without that step a driver that holds its mutex over the allocation would
    keep the reaper trying and never succeeding: trying again is not enough.
    The victim's own exit, which also frees its pages, is left out.
    From v4.16 to v4.18 the reaper skips only a process with a callback that may sleep, like the
    one here.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: which callbacks may sleep
    mm/oom_kill.c: oom_reap_task(), __oom_reap_task_mm(), MMF_OOM_SKIP
    4d4bbd8526a8 (v4.14): mm, oom_reaper: skip mm structs with mmu notifiers
    5ff7091f5a2c (v4.16): mmu notifiers say whether their callbacks may block; why the reaper
    must not call one that does
    93065ac753e4 (v4.19): mm, oom: distinguish blockable mode for mmu notifiers
"""

from typing import Protocol

from mmviz.engine import Race, field
from mmviz.kernel.mm.oom import Zone
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios.invalidate_page import NOT_BLOCKABLE
from mmviz.scenarios.invalidate_page.worlds.mirror import VA, Mirror, device_reads_freed_page


class StarvedMirror(Mirror):
    """A mirrored page of the victim, a page of the next victim, and no free page."""

    update: Mutex = field(default_factory=Mutex)
    other: Page = field(default_factory=lambda: Page(pfn=9))
    zone: Zone = field(default_factory=lambda: Zone((), Page(0)))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.zone = Zone((self.page, self.other), self.other)


class Reaped(Protocol):
    """What the cases differ in: the driver's callback, and the reaper's use of it."""

    async def oom_reap_task(self, k: StarvedMirror) -> None: ...


async def submit(k: StarvedMirror) -> None:
    """The driver's own thread allocates while it holds the driver's mutex."""
    await k.update.mutex_lock()
    await k.zone.alloc_pages()
    await k.update.mutex_unlock()


async def reap(k: StarvedMirror, variant: Reaped) -> None:
    """The OOM reaper's kernel thread works on the victim."""
    await variant.oom_reap_task(k)


race = Race(
    world=StarvedMirror,
    actors={"CPU0": submit, "oom_reaper": reap},
    bad=(device_reads_freed_page,),
)


@race.case(
    "MN-B/B3",
    "the callback waits for a mutex whose holder waits for memory",
    deadlock=True,
    states=12,
    schedules={"each waits for the other": "CPU0"},
    source=constructed("the deadlock for which v4.14 to v4.18 do not reap such a process"),
)
class SleepingCallback:
    """The callback waits for the mutex, even when the reaper calls it."""

    async def invalidate_range_start(self, k: StarvedMirror) -> bool:
        await k.update.mutex_lock()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()
        return True

    async def oom_reap_task_mm(self, k: StarvedMirror) -> bool:
        """Notify the driver, then take the page; return whether that worked."""
        if not await self.invalidate_range_start(k):
            return False
        page = await k.cpu.zap_pte_range(VA)
        if page is not None:
            await page.put_page()
        return True

    async def oom_reap_task(self, k: StarvedMirror) -> None:
        """The OOM reaper tries twice, and then gives the victim up."""
        for _attempt in range(2):
            if await self.oom_reap_task_mm(k):
                return
        await k.zone.out_of_memory()  # MMF_OOM_SKIP: another process has to go


@race.case(
    "MN-B/B5",
    "the reaper skips a process that has a notifier, as v4.14 to v4.18 did",
    states=6,
    schedules={"another process has to go": "CPU0 oom_reaper CPU0*2"},
    source=shipped(
        "v4.14",
        "v4.18",
        said=proposed_elsewhere("2017-08-30", "<20170830084600.17491-1-mhocko@kernel.org>"),
    ),
)
class NotifiedMmSkipped(SleepingCallback):
    """The reaper does not touch a process that has a notifier."""

    async def oom_reap_task_mm(self, k: StarvedMirror) -> bool:
        return False


@race.case(
    "MN-B/B4",
    "the callback tries the mutex and answers -EAGAIN, as since v4.19",
    states=17,
    schedules={"given up after two attempts": "CPU0 oom_reaper*3 CPU0*2"},
    source=shipped("v4.19", said=NOT_BLOCKABLE, checked=("v6.19", "2026-11-28")),
)
class TryingCallback(SleepingCallback):
    """The callback tries the mutex, and answers -EAGAIN if another thread holds it."""

    async def invalidate_range_start(self, k: StarvedMirror) -> bool:
        # redundant: the driver's thread touches nothing that the mutex guards
        if not await k.update.mutex_trylock():
            return False
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()
        return True
