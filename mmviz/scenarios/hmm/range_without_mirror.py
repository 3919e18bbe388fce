"""A range is registered for a process whose mirror has gone.

v5.2's hmm_range_register() takes the mm, and makes a struct hmm if there is none.  A driver whose
mirror has been unregistered gets one without any mirror: its range is tracked and its device is
filled, but no invalidation reaches the device.  Moreover, making one needs mmap_sem held for
writing, and the callers hold it for reading.  A registered mirror has its struct hmm already.  So
hmm_range_register() should take the mirror, and the caller should keep it registered.

Promise: A device is filled only through a struct hmm that has its mirror.

Memory model: sequentially consistent.

Simplified:
    One page; the device has no entry at the start.
    Looking the page up and mapping it, if the range is valid, is one step; what can come in
    between is in flag_is_no_sequence.
    The start of an invalidation, HMM's callback and the drivers' callbacks are one step.
    No struct hmm is made while an invalidation is open, as mm_take_all_locks() has it.
    hmm_put() frees at once, as in v5.2; since v5.3 it is freed after an SRCU grace period.
    A driver that closes clears its device's entries and then unregisters.  Where a range is filled
    at the same time, against the rules, the device keeps the new entry: a fault of the driver,
    which comes on top of HMM's in ByMmUnlocked and ByMirrorUnserialised.

Sources:
    <20190523153436.19102-3-jgg@ziepe.ca>, patch 02/11, merged as "Use hmm_mirror not mm as an
    argument for hmm_range_register" (e36acfe6c86d, v5.3)
    <20190129165428.3931-6-jglisse@redhat.com>: mm/hmm: improve driver API to work and wait over a
    range (a3e0d41c2b1f, v5.2: by the mm)
    <20190806231548.25242-1-jgg@ziepe.ca>, the series: hmm: use mmu_notifier_get/put for struct hmm
    (v5.4: a range has no reference on struct hmm any more)
    mm/hmm.c, v5.2 and v5.3: hmm_range_register(), hmm_get_or_create(), hmm_mirror_unregister()
    include/linux/hmm.h, v5.2: hmm_vma_fault(), which is called with mmap_sem held for reading
    mm/mmap.c: mm_take_all_locks() wants mmap_sem for writing
"""

from collections.abc import Awaitable, Callable

from mmviz.engine import Map, Race, World, field
from mmviz.kernel.hmm.hmm_of_mm import HmmOfMm, MirroringHmm, RangedDevice
from mmviz.kernel.hmm.range import HmmRange
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import PageTable
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.hmm import RANGES, patch
from mmviz.scenarios.hmm.worlds.mirrors import DriverFile
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    VA,
    device_keeps_stale_entry,
    device_reads_freed_page,
)


class Mirrored(World):
    """A process with one page, a device that has no entry for it yet, and a mirror."""

    page: Page = field(default_factory=lambda: Page(pfn=7))
    cpu: PageTable = field(default_factory=lambda: PageTable(Map({VA: None})))
    gpu: RangedDevice = field(default_factory=lambda: RangedDevice(Map({VA: None})))
    mm: HmmOfMm = field(default_factory=HmmOfMm)
    hmm: MirroringHmm = field(default_factory=MirroringHmm)
    fresh: MirroringHmm = field(default_factory=lambda: MirroringHmm(mirrors=0, name="new hmm"))
    range: HmmRange = field(default_factory=HmmRange)
    file: DriverFile = field(default_factory=DriverFile)

    def __post_init__(self) -> None:
        self.cpu.pte[VA] = self.page
        self.mm.hmm = self.hmm


async def hmm_put(k: Mirrored, hmm: MirroringHmm) -> None:
    """Put a reference; the last one frees struct hmm."""
    if await hmm.kref_put():
        await k.mm.forget(hmm)
        await hmm.kfree()


async def fill(k: Mirrored, hmm: MirroringHmm) -> None:
    """Register the range, map what it shows, unregister it."""
    await hmm.hmm_range_register(k.range)
    await k.gpu.map_if_valid(VA, k.cpu, k.range)
    await hmm.hmm_range_unregister(k.range)
    await hmm_put(k, hmm)


async def close(k: Mirrored) -> None:
    """The driver clears its device's entries and unregisters its mirror."""
    await k.gpu.unmap(VA)
    await k.hmm.list_del_init()
    await hmm_put(k, k.hmm)


async def close_locked(k: Mirrored) -> None:
    """The same, under the driver's own mutex."""
    await k.file.lock.mutex_lock()
    await k.file.must_unregister()
    # redundant: the mutex keeps this and the fill apart; without it the mirror stays
    await close(k)
    await k.file.lock.mutex_unlock()


async def fault(k: Mirrored, by: Callable[[Mirrored], Awaitable[None]]) -> None:
    """The device faults, and the driver fills a range."""
    await by(k)


async def zap_page_range(k: Mirrored) -> None:
    """The process gives its page back."""
    hmm = await k.mm.hmm_invalidate_range_start(k.gpu)
    page = await k.cpu.zap_pte_range(VA)
    await k.mm.hmm_invalidate_range_end(hmm)
    if page is not None:
        await page.put_page()


race = Race(
    "HMM-02",
    world=Mirrored,
    actors={"CPU0": close, "CPU1": fault, "CPU2": zap_page_range},
    bad=(
        "use_after_free",
        "refcount_resurrected",
        "bug_in_mm_take_all_locks",
        device_reads_freed_page,
        device_keeps_stale_entry,
    ),
)
UNTOLD = (device_reads_freed_page, device_keeps_stale_entry)


@race.case(
    "02a",
    "as shipped in v5.2, by the mm: a struct hmm without a mirror is made",
    name="ByMm",
    sometimes=UNTOLD,
    states=618,
    schedules={"there is no mirror to tell": "CPU0*5 CPU1*6 CPU2*4"},
    source=shipped("v5.2", "v5.2", said=RANGES),
)
async def by_mm(k: Mirrored) -> None:
    """Fill through the mm's struct hmm, which is made if need be, under mmap_sem for writing."""
    await k.mm.mmap_sem.down_write()
    await fill(k, await k.mm.hmm_get_or_create(k.fresh))
    await k.mm.mmap_sem.up_write()


@race.case(
    "02a (mmap_sem read)",
    "the same with mmap_sem held for reading, as its callers do",
    name="ByMmReading",
    sometimes=["bug_in_mm_take_all_locks", *UNTOLD],
    states=353,
    source=shipped("v5.2", "v5.2", said=RANGES),
)
async def by_mm_reading(k: Mirrored) -> None:
    """The same, under mmap_sem for reading."""
    await k.mm.mmap_sem.down_read()
    await fill(k, await k.mm.hmm_get_or_create(k.fresh))
    await k.mm.mmap_sem.up_read()


@race.case(
    "02b",
    "tempting: by the mm, asked without a lock, and none is made",
    name="ByMmUnlocked",
    sometimes=["use_after_free", *UNTOLD],
    states=282,
    schedules={"gone after the load": "CPU1 CPU0*5 CPU1"},
    source=constructed("why it is not enough that none is made: mm->hmm can dangle"),
)
async def by_mm_unlocked(k: Mirrored) -> None:
    """Fill through the mm's struct hmm, if it has one, asked without a lock."""
    hmm = await k.mm.read_once_hmm()
    if hmm is not None and await hmm.kref_get_unless_zero():
        await fill(k, hmm)


@race.case(
    "02d",
    "by the mirror, but the caller does not keep it registered",
    name="ByMirrorUnserialised",
    sometimes=["use_after_free", "refcount_resurrected", *UNTOLD],
    states=564,
    schedules={"gone before the call": "CPU0*5 CPU1"},
    source=constructed("v5.3's contract broken: the fix moves a duty to the caller"),
)
async def by_mirror(k: Mirrored) -> None:
    """Fill through the struct hmm that the mirror is registered on."""
    hmm = k.hmm  # mirror->hmm
    await hmm.kref_get()
    await fill(k, hmm)


@race.case(
    "02c",
    "as merged in v5.3: by the mirror, which the caller keeps registered",
    name="ByMirrorSerialised",
    actors=race.actors | {"CPU0": close_locked},
    states=167,
    source=shipped("v5.3", "v5.3", said=patch(2)),
)
async def by_mirror_locked(k: Mirrored) -> None:
    """The same under the driver's own mutex, while the mirror is registered."""
    await k.file.lock.mutex_lock()
    if await k.file.is_registered():
        # redundant: the mutex keeps this and the close apart; without it no device is filled
        await by_mirror(k)
    await k.file.lock.mutex_unlock()
