"""A range is registered for a process whose mirror has gone.

v5.2's hmm_range_register() takes the mm, and makes a struct hmm if there is none.  A driver whose
mirror has been unregistered gets one without any mirror: its range is tracked, its device filled,
and no invalidation ever comes to the device.  To make one, moreover, mmap_sem must be held for
writing, and these callers hold it for reading.  A mirror that is registered has its struct hmm
already; so the range should take the mirror, and the caller keep it registered.

Promise: A device is filled only through a struct hmm that has its mirror.

Memory model: sequentially consistent.

Simplified:
    One page; the device has no entry at the start.  Looking the page up and mapping it, if the
    range is valid, is one step: what comes in between is flag_is_no_sequence.
    The start of an invalidation, HMM's callback and the drivers' are one step; no struct hmm is
    made while an invalidation is open, as mm_take_all_locks() has it.  hmm_put() frees at once.
    A driver that closes clears its device's entries and then unregisters.  Where a range is filled
    meanwhile, against the rules, the device keeps the new entry: a fault of the driver's that
    comes on top of HMM's in ByMmUnlocked and ByMirrorUnserialised.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 02/11: Use hmm_mirror not mm as an argument for
    hmm_range_register (v5.3)
    mm/hmm.c, v5.2 and v5.3: hmm_range_register(), hmm_get_or_create(), hmm_mirror_unregister()
    mm/mmap.c: mm_take_all_locks() wants mmap_sem for writing
"""

from typing import Any

from mmviz.engine import Case, Map, Verdict, World, expecting, field
from mmviz.engine.case import Actor, Property
from mmviz.kernel.hmm_of_mm import HmmOfMm, MirroringHmm, RangedDevice
from mmviz.kernel.hmm_range import HmmRange
from mmviz.kernel.page import Page
from mmviz.kernel.pagetable import PageTable
from mmviz.scenarios.hmm import RANGES, patch
from mmviz.scenarios.hmm.double_unregister import DriverFile
from mmviz.scenarios.invalidate_page.range_start_only import (
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
    await close(k)
    await k.file.lock.mutex_unlock()


async def zap_page_range(k: Mirrored) -> None:
    """The process gives its page back."""
    hmm = await k.mm.hmm_invalidate_range_start(k.gpu)
    page = await k.cpu.zap_pte_range(VA)
    await k.mm.hmm_invalidate_range_end(hmm)
    if page is not None:
        await page.put_page()


async def by_mm(k: Mirrored) -> None:
    """Fill through the mm's struct hmm, which is made if need be, under mmap_sem for writing."""
    await k.mm.mmap_sem.down_write()
    await fill(k, await k.mm.hmm_get_or_create(k.fresh))
    await k.mm.mmap_sem.up_write()


async def by_mm_reading(k: Mirrored) -> None:
    """The same, under mmap_sem for reading."""
    await k.mm.mmap_sem.down_read()
    await fill(k, await k.mm.hmm_get_or_create(k.fresh))
    await k.mm.mmap_sem.up_read()


async def by_mm_unlocked(k: Mirrored) -> None:
    """Fill through the mm's struct hmm, if it has one, asked without a lock."""
    hmm = await k.mm.read_once_hmm()
    if hmm is not None and await hmm.kref_get_unless_zero():
        await fill(k, hmm)


async def by_mirror(k: Mirrored) -> None:
    """Fill through the struct hmm that the mirror is registered on."""
    hmm = k.hmm  # mirror->hmm
    await hmm.kref_get()
    await fill(k, hmm)


async def by_mirror_locked(k: Mirrored) -> None:
    """The same under the driver's own mutex, while the mirror is registered."""
    await k.file.lock.mutex_lock()
    if await k.file.is_registered():
        await by_mirror(k)
    await k.file.lock.mutex_unlock()


BAD: tuple[Property, ...] = (
    "use_after_free",
    "refcount_resurrected",
    "bug_in_mm_take_all_locks",
    device_reads_freed_page,
    device_keeps_stale_entry,
)
UNTOLD = ("device_reads_freed_page", "device_keeps_stale_entry")


def case(
    name: str,
    variant: str,
    title: str,
    states: int,
    fault: Actor,
    *fails: str,
    closes: Actor = close,
    **more: Any,
) -> Case:
    """Close on CPU0, fill on CPU1, and reclaim on CPU2."""
    return Case(
        name=name,
        id=variant,
        title=title,
        world=Mirrored,
        actors={"CPU0": closes, "CPU1": fault, "CPU2": zap_page_range},
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(fails, Verdict.SOMETIMES)),
        states=states,
        **more,
    )


CASES = (
    case(
        "ByMm",
        "HMM-02/02a",
        "by the mm: a struct hmm without a mirror is made, as v5.2 does",
        701,
        by_mm,
        *UNTOLD,
        shipped=("v5.2", "v5.2"),
        schedules={"there is no mirror to tell": "CPU0*5 CPU1*6 CPU2*4"},
        proposed=RANGES,
    ),
    case(
        "ByMmReading",
        "HMM-02/02a (mmap_sem read)",
        "the same with mmap_sem held for reading, as its callers do",
        389,
        by_mm_reading,
        "bug_in_mm_take_all_locks",
        *UNTOLD,
        shipped=("v5.2", "v5.2"),
        proposed=RANGES,
    ),
    case(
        "ByMmUnlocked",
        "HMM-02/02b",
        "tempting: by the mm, asked without a lock, and none is made",
        293,
        by_mm_unlocked,
        "use_after_free",
        *UNTOLD,
        schedules={"gone after the load": "CPU1 CPU0*5 CPU1"},
    ),
    case(
        "ByMirrorUnserialised",
        "HMM-02/02d",
        "by the mirror, and the caller does not keep it registered",
        606,
        by_mirror,
        "use_after_free",
        "refcount_resurrected",
        *UNTOLD,
        schedules={"gone before the call": "CPU0*5 CPU1"},
    ),
    case(
        "ByMirrorSerialised",
        "HMM-02/02c",
        "by the mirror, which the caller keeps registered, as merged v5.3",
        175,
        by_mirror_locked,
        closes=close_locked,
        shipped=("v5.3", "v5.4"),
        proposed=patch(2),
    ),
)

SPARE = {
    "await by_mirror(k)": (
        "It is one of the two that the mutex keeps apart: without it no device is filled."
    ),
    "await close(k)": (
        "It is one of the two that the mutex keeps apart: without it the mirror stays."
    ),
}
