"""A read section that begins after the page is hidden.

A driver's own conversion breaks its read section, unless its callback ignores that notification.
So could the driver hide the page first, and begin the section then?  Between the two steps the
page may be taken back by zap or mprotect, which do not take the page lock; the section that begins
afterwards does not notice that.  v4 of the patch read the entry again in the section, which closes
the gap: the read sees what was taken back before, and the section notices what comes later.

Promise: What the GPU may do with the page is never more than the process's own entry stands for.

Memory model: sequentially consistent; entries are changed under the page-table lock.

Simplified:
    As in mmviz/kernel/mm/exclusive_mm.py and mmviz/kernel/driver/svm.py.
    BeginLateAndCheck gives up where the entry is no longer its own; v4 hid the page again.
    It checks that the entry is exclusive and writable; v4 looked up the page as well.
    BeginLate begins a read section where the mail registers the notifier: the gap is the same.

Sources:
    <20210304061645.29747-6-apopple@nvidia.com> v4, mm/rmap.c check_device_exclusive_range()
    <20210304061645.29747-9-apopple@nvidia.com> v4, nouveau_atomic_range_fault()
    <YMK1snSH9q4Wkyq+@t490s> Peter Xu on v10: register the notifier after the conversion
    <2683185.ETRjo6vMkr@nvdebian> Popple's answer: the page lock keeps neither unmapping nor
    write protection out
    <20210226071832.31547-9-apopple@nvidia.com> v3 had neither section nor check: it held mmap_lock
    drivers/gpu/drm/nouveau/nouveau_svm.c nouveau_atomic_range_fault(), v6.14
    b756a3b5e7ea (v5.14) mm: device exclusive memory access
    438354724f69, b8932ca8b924 (v6.15) make_device_exclusive() sleeps for the lock, and retries
"""

from functools import partial

from mmviz.engine import Race, atomic
from mmviz.kernel.driver.svm import Svmm
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.exclusive_mm import ExclusiveMm, FolioWalk
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.vma import KeepsEntry, Vma
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.exclusive import BEGIN_LATE, NOUVEAU_UNLOCK, READ, REWORK, V4
from mmviz.scenarios.exclusive.worlds.svm import (
    ALL_THREE,
    BAD,
    Machine,
    Unfiltered,
    device_keeps_stale_entry,
    lock_and_sequence,
    since_v615,
    write_after_mprotect,
)


class CheckedVma(Vma):
    """A mapping whose entry a driver may look at again, as in v4 of the patch."""

    @atomic("mm/rmap.c")
    def check_device_exclusive_range(self, page: Page) -> bool:
        """Return whether the entry still is the writable exclusive one of this page."""
        return self.pte == Pte(page, exclusive=True)


def machine(svmm: type[Svmm] = Unfiltered) -> Machine:
    """Build a machine whose entry may be checked; no filter where the conversion comes first."""
    return Machine(mm=ExclusiveMm(vma=CheckedVma()), svmm=svmm())


class KeepsEntryChecked(KeepsEntry, CheckedVma):
    """The same mapping with the one kind of entry of v6.15."""


def late_since_v615() -> Machine:
    """Build the machine of v6.15, with a driver that filters nothing."""
    return Machine(mm=FolioWalk(vma=KeepsEntryChecked()), svmm=Unfiltered())


async def atomic_range_fault(k: Machine, driver: "BeginLate") -> None:
    """The GPU's fault handler."""
    await driver.atomic_range_fault(k)


race = Race(
    "B",
    world=machine,
    actors={"CPU1": atomic_range_fault} | ALL_THREE,
    bad=BAD,
)


@race.case(
    "B.12",
    "proposed in review: the read section begins after the conversion",
    sometimes=[device_keeps_stale_entry, write_after_mprotect],
    states=2829,
    schedules={"the page is thrown away in the gap": "CPU1*11 CPU2*10 CPU1*4"},
    source=BEGIN_LATE,
)
class BeginLate:
    """Hides the page, then begins the read section."""

    async def is_ours(self, vma: CheckedVma, page: Page) -> bool:
        """Return whether the entry is still the driver's: assumed without a check."""
        return True

    async def atomic_range_fault(self, k: Machine) -> None:
        """Hide the page, begin the section, map if it is not stale."""
        await k.mm.mmap_lock.down_read()
        page = await k.mm.make_device_exclusive_range(k.svmm.cookie)
        await k.mm.mmap_lock.up_read()
        if page is None:
            return
        assert isinstance(k.mm.vma, CheckedVma)
        while True:
            await k.svmm.mmu_interval_read_begin()
            if not await self.is_ours(k.mm.vma, page):
                break
            await k.svmm.mutex.mutex_lock()
            retry = await k.svmm.mmu_interval_read_retry()
            if not retry:
                await k.svmm.gpu.map_atomic(page)
            await k.svmm.mutex.mutex_unlock()
            if not retry:
                break
        await page.unlock_page()
        await page.put_page()


@race.case(
    "B.13",
    "v4 of the patch: the same, and the entry is looked at once more; no filter",
    states=2818,
    source=V4,
)
class BeginLateAndCheck(BeginLate):
    """Hides the page, begins the read section, and reads the entry again."""

    async def is_ours(self, vma: CheckedVma, page: Page) -> bool:
        """Return whether the entry still is the driver's."""
        return await vma.check_device_exclusive_range(page)


race.case(
    "B.1",
    "as in v6.14: the read section begins before the page is looked up",
    name="BeginEarly",
    of=lock_and_sequence,
    world=partial(machine, Svmm),
    actors={"CPU1": lock_and_sequence} | ALL_THREE,
    states=3119,
    source=shipped("v6.14", "v6.14", said=NOUVEAU_UNLOCK),
)

race.case(
    "B.1-v6.15",
    "since v6.15: the same, but the conversion sleeps for the page lock and looks again",
    name="BeginEarlyFolio",
    of=lock_and_sequence,
    world=since_v615,
    actors={"CPU1": lock_and_sequence} | ALL_THREE,
    note="no verdict changed: a section that has begun sees what comes while it sleeps",
    source=shipped("v6.15", said=REWORK, checked=READ),
    states=3119,
)


race.case(
    "B.12-v6.15",
    "proposed in review, on v6.15: the section begins after the conversion",
    name="BeginLateFolio",
    of=BeginLate,
    world=late_since_v615,
    sometimes=[device_keeps_stale_entry, write_after_mprotect],
    note="no verdict changed: the gap comes after the conversion, however long that sleeps",
    source=constructed("whether sleeping for the lock and looking again closes the gap"),
    states=2829,
)
