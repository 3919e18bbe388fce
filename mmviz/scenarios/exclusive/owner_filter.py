"""A driver that ignores the notification of its own conversion.

Making a page exclusive is announced to every driver, also to the driver that asked for it.  If its
callback treats the announcement as an invalidation, its read section is stale at once, every time.
So the announcement carries an event and the owner's cookie, and the driver ignores its own.  It
must ignore no more than that: when a CPU takes a page back, that is announced, too, and from v5.14
to v6.14 by the same event with no owner.  A driver that ignores every such event keeps mapping a
page that the CPU has.

Promise: The driver is notified of everything that takes its page away, and its own conversion does
    not stop it.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/mm/exclusive_mm.py and mmviz/kernel/driver/svm.py.
    nouveau's two notifiers are one callback where their order does not matter.
    The page starts present, so that nouveau's loop ends.
    In UnmapInFirst the page lock keeps a CPU's fault, which the research notes have in mind, from
    meeting the wrong order; zap and mprotect do not take it.
    A split changes nothing here but is announced; migration leaves an empty entry.

Sources:
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_svm_range_invalidate()
    <20210309121505.23608-6-apopple@nvidia.com> v5: adds the event, and renames the cookie's field
    from migrate_pgmap_owner to owner; v6 puts the rename into the right patches
    <47694715.suB6H4Uo8R@nvdebian> Popple, asked by Peter Xu: the rename becomes a patch of its own,
    6b49bf6ddbb0 (v5.14)
    mm/rmap.c make_device_exclusive_range(), mm/memory.c remove_device_exclusive_entry()
    lib/test_hmm.c dmirror_interval_invalidate(): no filter, and no sequence
    <YL+4ENiwbn9QAa2V@t490s> Peter Xu on v10: split a huge page first, in every conversion
    <YMJUM4sx1VclR7oz@t490s> quotes Popple's answer: the split always notifies, which makes the
    driver retry
    b756a3b5e7ea (v5.14) mm: device exclusive memory access
    720ba85040a6 (v6.15) taking a page back is announced as MMU_NOTIFY_CLEAR again
"""

from functools import partial

from mmviz.engine import Race
from mmviz.kernel.driver.svm import Svmm
from mmviz.kernel.mm.exclusive_mm import ExclusiveMm, RestoreClears
from mmviz.kernel.mm.page import Page
from mmviz.kernel.notifier.interval import MMU_NOTIFY_EXCLUSIVE, MMU_NOTIFY_MIGRATE
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import NOUVEAU_UNLOCK, SPLIT_FIRST, V11
from mmviz.scenarios.exclusive.lock_or_sequence import dmirror_exclusive
from mmviz.scenarios.exclusive.worlds.svm import (
    ALL_THREE,
    BAD,
    GIVES_UP,
    Machine,
    Unfiltered,
    cpu_and_device_both_map,
    device_keeps_stale_entry,
    lock_and_sequence,
    write,
    write_after_mprotect,
)


def machine(svmm: type[Svmm], mm: type[ExclusiveMm] = ExclusiveMm) -> Machine:
    """Build a machine with a driver's filter, and the event by which a fault restores."""
    return Machine(mm=mm(), svmm=svmm())


race = Race(
    "I",
    world=Machine,
    actors={"CPU1": lock_and_sequence, "CPU0": write},
    bad=BAD,
)
ALONE = {"CPU1": lock_and_sequence}
AGAINST_ALL = ALONE | ALL_THREE

race.case(
    "I.1",
    "the driver treats its own conversion as an invalidation",
    name="NoFilter",
    of=Unfiltered,
    world=partial(machine, Unfiltered),
    actors=ALONE,
    livelock=True,
    states=37,
    schedules={"its own event, every time": "CPU1*37"},
    kind="ordering",
    note=GIVES_UP,
    source=constructed("shows what the filter is for"),
)

race.case(
    "I.1b",
    "no filter, and no sequence either: the test driver",
    name="NoFilterNoSequence",
    of=dmirror_exclusive,
    world=partial(machine, Unfiltered),
    actors=race.actors | {"CPU1": dmirror_exclusive},
    states=102,
    source=shipped("v5.14", "v6.14", said=V11),
)


def event_only() -> Machine:
    """Build a machine whose driver treats every conversion as its own."""
    return machine(EventOnly)


@race.case(
    "I.2",
    "every conversion is ignored, and v5.14 announces a restore by the same event",
    world=event_only,
    sometimes=[cpu_and_device_both_map],
    states=82,
    schedules={"the restore is ignored": "CPU1*14 CPU0*7"},
    source=constructed("shows what the owner is for"),
)
class EventOnly(Svmm):
    """A driver that treats every conversion as its own."""

    def ignores(self, event: str, owner: str) -> bool:
        """Return whether the callback returns at once: by the event alone."""
        return event == MMU_NOTIFY_EXCLUSIVE


race.case(
    "I.2b",
    "every conversion is ignored, and since v6.15 a restore has another event",
    name="EventOnlyRestoreClears",
    of=EventOnly,
    world=partial(machine, EventOnly, RestoreClears),
    states=90,
    source=constructed("shows what the other event spares"),
)


class NoCookie(Svmm):
    """A driver whose cookie is NULL, as the core's own is."""

    cookie: str = ""


race.case(
    "I.5",
    "the driver's cookie is NULL, as the owner of a restore is",
    name="NoCookie",
    of=NoCookie,
    world=partial(machine, NoCookie),
    sometimes=[cpu_and_device_both_map],
    states=82,
    schedules={"the restore is ignored": "CPU1*14 CPU0*7"},
    source=constructed("shows that the cookie must not be NULL"),
)


async def nouveau_range_fault(k: Machine) -> None:
    """The GPU's handler of an ordinary fault: no page lock, no conversion."""
    while True:
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


class OwnerOnly(Svmm):
    """A driver that ignores every event that carries its cookie."""

    def ignores(self, event: str, owner: str) -> bool:
        """Return whether the callback returns at once: by the owner alone."""
        return owner == self.cookie


race.case(
    "I.7",
    "every event with the driver's own cookie is ignored: migration has it as well",
    name="OwnerOnly",
    of=OwnerOnly,
    world=partial(machine, OwnerOnly),
    actors={"CPU1": nouveau_range_fault, "CPU0": migrate_vma},
    sometimes=[device_keeps_stale_entry],
    states=55,
    schedules={"migrated between look-up and mapping": "CPU1*2 CPU0*7 CPU1*3"},
    source=constructed("shows what the event is for"),
)


class SplitFirst(ExclusiveMm):
    """Every conversion first splits a huge page, and announces that to all drivers."""

    async def page_make_device_exclusive(self, page: Page, owner: str) -> bool:
        """Announce a split, then replace the entry."""
        await self.clear_refs()
        return await super().page_make_device_exclusive(page, owner)


race.case(
    "I.9",
    "every conversion first announces a split to all drivers: turned down in v10's review",
    name="SplitFirst",
    of=SplitFirst,
    world=partial(machine, Svmm, SplitFirst),
    actors=ALONE,
    livelock=True,
    states=39,
    kind="ordering",
    note=GIVES_UP,
    source=SPLIT_FIRST,
)


class UnmapsInFirst(Svmm):
    """A driver with two notifiers: the first one unmaps, the second breaks the read section."""

    async def invalidate(self, event: str, owner: str) -> None:
        """Run both callbacks, in the wrong order."""
        if self.ignores(event, owner):
            return
        await self.mutex.mutex_lock()
        await self.gpu.unmap()
        await self.mutex.mutex_unlock()
        await self.mutex.mutex_lock()
        await self.mmu_interval_set_seq()
        await self.mutex.mutex_unlock()


race.case(
    "I.10",
    "two notifiers: the first unmaps, and only the second breaks the read section",
    name="UnmapInFirst",
    of=UnmapsInFirst,
    world=partial(machine, UnmapsInFirst),
    actors=AGAINST_ALL,
    sometimes=[device_keeps_stale_entry, write_after_mprotect],
    states=4165,
    schedules={"mapped between the two callbacks": "CPU2*5 CPU1*14 CPU2*6"},
    source=constructed("shows why nouveau unmaps in the later of its two notifiers"),
)


class UnmapsOwn(Svmm):
    """A driver that unmaps on its own event as well, and leaves its read section alone."""

    async def invalidate(self, event: str, owner: str) -> None:
        """Unmap in any case; break the read section unless the event is the driver's own."""
        await self.mutex.mutex_lock()
        if not self.ignores(event, owner):
            await self.mmu_interval_set_seq()
        await self.gpu.unmap()
        await self.mutex.mutex_unlock()


race.case(
    "I.8",
    "the own event unmaps, but leaves the read section alone",
    name="UnmapOwn",
    of=UnmapsOwn,
    world=partial(machine, UnmapsOwn),
    actors=AGAINST_ALL,
    states=3239,
    source=constructed("shows that only the read section must survive the own event"),
)


class SequenceInFirst(Svmm):
    """nouveau: the interval notifier breaks the read section, the later one unmaps."""

    async def invalidate(self, event: str, owner: str) -> None:
        """Run both callbacks, in the kernel's order."""
        if self.ignores(event, owner):
            return
        # redundant: the mutex guards a single step here
        await self.mutex.mutex_lock()
        await self.mmu_interval_set_seq()
        await self.mutex.mutex_unlock()
        # redundant: the mutex guards a single step here
        await self.mutex.mutex_lock()
        await self.gpu.unmap()
        await self.mutex.mutex_unlock()


race.case(
    "I.3",
    "as nouveau in v6.14: event and own cookie; one notifier breaks the section, another unmaps",
    name="EventAndOwner",
    of=SequenceInFirst,
    world=partial(machine, SequenceInFirst),
    actors=AGAINST_ALL,
    states=3782,
    source=shipped("v6.14", "v6.14", said=NOUVEAU_UNLOCK),
)
