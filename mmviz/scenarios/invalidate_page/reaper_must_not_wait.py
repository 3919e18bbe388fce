"""The OOM reaper calls a driver that waits for memory.

There is no memory left.  The kernel has killed a process, and the OOM reaper takes its pages
away; first it calls the drivers.  A driver's thread holds the driver's mutex and waits for an
allocation.  If the callback sleeps on the mutex, the reaper waits for the driver and the
driver for the reaper.  So the reaper says that it cannot wait: the callback may only try, and
answers -EAGAIN when it fails.  The pages then stay, and the reaper comes again.

Promise: Memory comes back, and no page does while the device still reaches it.

Memory model: sequentially consistent; every shared field is accessed under a lock.

Simplified:
    One victim with one page, one driver thread, one allocation.
    The reaper tries twice (the kernel: ten times) and then gives the victim up, so that the next
    process is killed.  Without that step a driver that holds its mutex over the allocation would
    keep the reaper trying for ever: trying again alone is no answer.
    The victim's own exit, which also frees its pages, is left out.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: which callbacks may sleep
    mm/oom_kill.c: oom_reap_task(), __oom_reap_task_mm(), MMF_OOM_SKIP
    4d4bbd8526a8 (v4.14): mm, oom_reaper: skip mm structs with mmu notifiers
    93065ac753e4 (v4.19): mm, oom: distinguish blockable mode for mmu notifiers
"""

from typing import Any

from mmviz.engine import Case, expecting, field
from mmviz.kernel.locks import Mutex
from mmviz.kernel.oom import Zone
from mmviz.kernel.page import Page
from mmviz.scenarios.invalidate_page import NOT_BLOCKABLE
from mmviz.scenarios.invalidate_page.range_start_only import VA, Mirror, device_reads_freed_page


class StarvedMirror(Mirror):
    """A mirrored page of the victim, a page of the next victim, and none free."""

    update: Mutex = field(default_factory=Mutex)
    other: Page = field(default_factory=lambda: Page(pfn=9))
    zone: Zone = field(default_factory=lambda: Zone((), Page(0)))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.zone = Zone((self.page, self.other), self.other)


class SleepingCallback:
    """Waits for the mutex, whoever calls."""

    async def invalidate_range_start(self, k: StarvedMirror) -> bool:
        await k.update.mutex_lock()
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()
        return True

    async def oom_reap_task_mm(self, k: StarvedMirror) -> bool:
        """Tell the driver, then take the page; say whether that could be done."""
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
        await k.zone.out_of_memory()  # MMF_OOM_SKIP: somebody else has to go


class TryingCallback(SleepingCallback):
    """Tries, and answers -EAGAIN."""

    async def invalidate_range_start(self, k: StarvedMirror) -> bool:
        if not await k.update.mutex_trylock():
            return False
        await k.gpu.unmap(VA)
        await k.update.mutex_unlock()
        return True


class NotifiedMmSkipped(SleepingCallback):
    """The reaper leaves a process alone that has a notifier."""

    async def oom_reap_task_mm(self, k: StarvedMirror) -> bool:
        return False


async def submit(k: StarvedMirror) -> None:
    """The driver's own thread allocates while it holds the driver's mutex."""
    await k.update.mutex_lock()
    await k.zone.alloc_pages()
    await k.update.mutex_unlock()


BAD = (device_reads_freed_page,)


def case(
    driver: SleepingCallback,
    variant: str,
    title: str,
    states: int,
    stuck: bool = False,
    **more: Any,
) -> Case:
    """Reap the victim while the driver's thread waits for memory on CPU0."""
    return Case(
        name=type(driver).__name__,
        id=variant,
        title=title,
        world=StarvedMirror,
        actors={"CPU0": submit, "oom_reaper": driver.oom_reap_task},
        bad=BAD,
        expect=expecting(BAD),
        states=states,
        stuck=stuck,
        **more,
    )


CASES = (
    case(
        SleepingCallback(),
        "MN-B/B3",
        "the callback waits for a mutex whose holder waits for memory",
        12,
        stuck=True,
        schedules={"each waits for the other": "CPU0"},
    ),
    case(
        NotifiedMmSkipped(),
        "MN-B/B5",
        "the reaper skips a process that has a notifier, as v4.14 to v4.18 did",
        6,
        shipped=("v4.14", "v4.18"),
        schedules={"somebody else has to go": "CPU0 oom_reaper CPU0*2"},
        proposed=("2017-08-30", "<20170830084600.17491-1-mhocko@kernel.org>"),
    ),
    case(
        TryingCallback(),
        "MN-B/B4",
        "the callback tries the mutex and answers -EAGAIN, as since v4.19",
        17,
        shipped=("v4.19", ""),
        schedules={"given up after two attempts": "CPU0 oom_reaper*3 CPU0*2"},
        proposed=NOT_BLOCKABLE,
    ),
)

SPARE = {
    "TryingCallback: if not await k.update.mutex_trylock():": (
        "The driver's thread touches nothing that the mutex guards; the trial is about waiting."
    ),
}
