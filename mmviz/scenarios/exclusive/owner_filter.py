"""A driver that ignores the notification of what it does itself.

Making a page exclusive is announced to every driver, also to the one that asked for it.  If its
callback takes the announcement for an invalidation, the read section it is in is stale at once,
every time.  So the announcement carries an event and the owner's cookie, and the driver lets its
own pass.  It must be no more than its own: when a CPU takes a page back, that is announced, too,
and up to v6.14 by the same event with no owner.  A driver that lets every such event pass keeps
mapping a page that the CPU has.

Promise: The driver hears whatever takes its page away, and its own conversion does not stop it.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/{exclusive_mm,svm}.py.  nouveau's two notifiers are one callback where their
    order does not matter; the page starts present, so that its loop ends.  UnmapInFirst: the page
    lock keeps a CPU's fault, which the reference has in mind, from meeting the wrong order; zap and
    mprotect do not ask for it.  A split is what it announces; migrating leaves an empty entry.

Sources:
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_svm_range_invalidate()
    mm/rmap.c make_device_exclusive_range(), mm/memory.c remove_device_exclusive_entry()
    lib/test_hmm.c dmirror_interval_invalidate(): no filter, and no sequence; b756a3b5e7ea (v5.14)
    720ba85040a6 (v6.15) taking a page back is announced as MMU_NOTIFY_CLEAR again
"""

from typing import Any

from mmviz.engine import Case, Verdict, mark
from mmviz.kernel.exclusive_mm import ExclusiveMm
from mmviz.kernel.fault import remove_device_exclusive_entry
from mmviz.kernel.interval_notifier import MMU_NOTIFY_EXCLUSIVE, MMU_NOTIFY_MIGRATE
from mmviz.kernel.page import Page
from mmviz.kernel.svm import Svmm
from mmviz.scenarios.exclusive.late_read_begin import EVERYBODY, Unfiltered
from mmviz.scenarios.exclusive.lock_or_sequence import (
    BAD,
    Actor,
    Machine,
    dmirror_exclusive,
    lock_and_sequence,
    write,
)

NEVER, SOMETIMES = Verdict.NEVER, Verdict.SOMETIMES
CPU: dict[str, Actor] = {"CPU0": write}


class RestoreIsExclusive(ExclusiveMm):
    """v5.14 to v6.14: taking a page back is announced as MMU_NOTIFY_EXCLUSIVE, with no owner."""

    async def remove_device_exclusive_entry(self, page: Page) -> None:
        await remove_device_exclusive_entry(
            self.vma,
            page,
            lambda: self.notifiers.invalidate_range_start(MMU_NOTIFY_EXCLUSIVE),
            self.notifiers.mmu_notifier_invalidate_range_end,
            reference=True,
        )


class SplitFirst(ExclusiveMm):
    """Every conversion first splits a huge page, and announces that to everybody."""

    async def page_make_device_exclusive(self, page: Page, owner: str) -> bool:
        """Announce a split, then replace the entry."""
        await self.clear_refs()
        return await super().page_make_device_exclusive(page, owner)


class EventOnly(Svmm):
    """A driver that takes every conversion for its own."""

    def ignores(self, event: str, owner: str) -> bool:
        return event == MMU_NOTIFY_EXCLUSIVE


class NoCookie(Svmm):
    """A driver whose cookie is NULL, as the core's own is."""

    cookie: str = ""


class UnmapsOwn(Svmm):
    """A driver that unmaps on its own event as well, and leaves its read section alone."""

    async def invalidate(self, event: str, owner: str) -> None:
        await self.mutex.mutex_lock()
        if not self.ignores(event, owner):
            await self.mmu_interval_set_seq()
        await self.gpu.unmap()
        await self.mutex.mutex_unlock()


class UnmapsInFirst(Svmm):
    """A driver with two notifiers: the first one unmaps, the second breaks the read section."""

    async def invalidate(self, event: str, owner: str) -> None:
        if self.ignores(event, owner):
            return
        await self.mutex.mutex_lock()
        await self.gpu.unmap()
        await self.mutex.mutex_unlock()
        await self.mutex.mutex_lock()
        await self.mmu_interval_set_seq()
        await self.mutex.mutex_unlock()


class SequenceInFirst(Svmm):
    """nouveau: the interval notifier breaks the read section, the later one unmaps."""

    async def invalidate(self, event: str, owner: str) -> None:
        if self.ignores(event, owner):
            return
        await self.mutex.mutex_lock()
        await self.mmu_interval_set_seq()
        await self.mutex.mutex_unlock()
        await self.mutex.mutex_lock()
        await self.gpu.unmap()
        await self.mutex.mutex_unlock()


class OwnerOnly(Svmm):
    """A driver that ignores whatever carries its cookie."""

    def ignores(self, event: str, owner: str) -> bool:
        return owner == self.cookie


async def nouveau_range_fault(k: Machine) -> None:
    """The GPU's handler of an ordinary fault: no page lock, no conversion."""
    while True:
        mark("again")
        await k.svmm.mmu_interval_read_begin()
        page = await k.mm.vma.hmm_range_fault()
        if page is None:
            return
        await k.svmm.mutex.mutex_lock()
        retry = await k.svmm.mmu_interval_read_retry()
        if not retry:
            await k.svmm.gpu.map(page)
        await k.svmm.mutex.mutex_unlock()
        if not retry:
            return


async def migrate_vma(k: Machine) -> None:
    """Another thread of the same driver moves the page to the GPU's own memory."""
    await k.mm.notifiers.invalidate_range_start(MMU_NOTIFY_MIGRATE, k.svmm.cookie)
    page = await k.mm.vma.zap_pte_range()
    if page is not None:
        await page.put_page()
    await k.svmm.mutex.mutex_lock()
    await k.svmm.gpu.unmap()
    await k.svmm.mutex.mutex_unlock()
    await k.mm.notifiers.mmu_notifier_invalidate_range_end()


def case(
    name: str,
    id: str,
    title: str,
    svmm: type[Svmm],
    states: int,
    driver: Actor = lock_and_sequence,
    others: dict[str, Actor] = CPU,
    mm: type[ExclusiveMm] = RestoreIsExclusive,
    both: Verdict = NEVER,
    stale: Verdict = NEVER,
    protected: Verdict = NEVER,
    **more: Any,
) -> Case:
    """Let a driver make the page exclusive while others come for it."""
    return Case(
        name=name,
        id=id,
        title=title,
        world=lambda: Machine(mm=mm(), svmm=svmm()),
        actors={"CPU1": driver, **others},
        bad=BAD,
        expect={
            "cpu_and_device_both_map": both,
            "device_keeps_stale_entry": stale,
            "write_after_mprotect": protected,
        },
        states=states,
        kind="race" if others else "ordering",
        **more,
    )


CASES = (
    case(
        "NoFilter",
        "I/I.1",
        "the driver takes its own conversion for an invalidation",
        Unfiltered,
        states=37,
        others={},
        livelock=True,
        schedules={"its own event, every time": "CPU1*37"},
    ),
    case(
        "NoFilterNoSequence",
        "I/I.1b",
        "no filter, and no sequence either: the test driver",
        Unfiltered,
        states=102,
        driver=dmirror_exclusive,
        shipped=("v5.14", ""),
        proposed=("2021-06-16", "<20210616105937.23201-8-apopple@nvidia.com>"),
    ),
    case(
        "EventOnly",
        "I/I.2",
        "every conversion is ignored, and v5.14 announces a restore by the same event",
        EventOnly,
        states=82,
        both=SOMETIMES,
        schedules={"the restore is ignored": "CPU1*14 CPU0*7"},
    ),
    case(
        "EventOnlyRestoreClears",
        "I/I.2b",
        "every conversion is ignored, and since v6.15 a restore has another event",
        EventOnly,
        states=90,
        mm=ExclusiveMm,
    ),
    case(
        "NoCookie",
        "I/I.5",
        "the driver's cookie is NULL, as the owner of a restore is",
        NoCookie,
        states=82,
        both=SOMETIMES,
        schedules={"the restore is ignored": "CPU1*14 CPU0*7"},
    ),
    case(
        "OwnerOnly",
        "I/I.7",
        "whatever carries the own cookie is ignored: migration does as well",
        OwnerOnly,
        states=55,
        driver=nouveau_range_fault,
        others={"CPU0": migrate_vma},
        stale=SOMETIMES,
        schedules={"migrated between look-up and mapping": "CPU1*2 CPU0*7 CPU1*3"},
    ),
    case(
        "SplitFirst",
        "I/I.9",
        "every conversion first announces a split to everybody: turned down in v10's review",
        Svmm,
        states=39,
        others={},
        mm=SplitFirst,
        livelock=True,
    ),
    case(
        "UnmapInFirst",
        "I/I.10",
        "two notifiers: the first unmaps, and only the second breaks the read section",
        UnmapsInFirst,
        states=4275,
        others=EVERYBODY,
        stale=SOMETIMES,
        protected=SOMETIMES,
        schedules={"mapped between the two callbacks": "CPU2*5 CPU1*14 CPU2*6"},
    ),
    case(
        "UnmapOwn",
        "I/I.8",
        "the own event unmaps, but leaves the read section alone",
        UnmapsOwn,
        states=3349,
        others=EVERYBODY,
    ),
    case(
        "EventAndOwner",
        "I/I.3",
        "as nouveau: event and own cookie; one notifier breaks the section, a later one unmaps",
        SequenceInFirst,
        states=3892,
        others=EVERYBODY,
        shipped=("v6.14", "v6.14"),
        proposed=("2021-06-16", "<20210616105937.23201-11-apopple@nvidia.com>"),
    ),
)

SPARE = {
    "await k.mm.mmap_lock.down_read()": "The page lock keeps the CPU's fault out as well.",
    "await k.mm.mmap_lock.up_read()": "Who wants it for writing is not in this case.",
    "await k.svmm.mutex.mutex_lock()": "The mutex guards what is a single step here.",
    "await self.mutex.mutex_lock()": "The mutex guards what is a single step here.",
    "await self.mutex.mutex_unlock()": "The driver is done with its mutex by then.",
    "await k.svmm.gpu.map_atomic(page)": "Who never maps the page does no harm.",
    "await page.put_page()": "A reference too many keeps memory; exclusive/retry_loop judges that.",
    "await self.mmu_interval_set_seq()": "The page lock keeps this CPU out as well.",
}
