"""The core calls a callback that the listener does not have.

There are two ways to listen: range_start with range_end, or invalidate_range.  A listener picks
one, so the core must call both.  A fix in v4.13-rc replaced the single-page callback by
invalidate_range alone; KVM has only the other two, so nobody told it anything, the page was
freed, and the guest went on with it.  The mistake has a mirror image: a device that shares the
CPU's page table listens to invalidate_range alone, and hears it too late if only range_end
brings it along.

Promise: Every listener hears of the change before the device can see anything wrong.

Memory model: sequentially consistent; the device's walk is one step and takes no lock.

Simplified:
    One address, two pages, one listener, one unmapping, one CPU fault, one device fault.
    The full gather batch that is freed on the way is a parameter of the unmapping.
    A callback that is called for too short a range is in huge_page_in_part.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: two ways to listen
    aac2fea94f7a (v4.13-rc): rmap: do not call mmu_notifier_invalidate_page() under ptl; posted as
    <20170804134928.l4klfcnqatni7vsc@black.fi.intel.com>, reverted by 785373b4c387
    369ea8242c0f (v4.13): mm/rmap: update to new mmu_notifier semantic v2
    include/linux/mmu_notifier.h, v4.13: which callbacks to implement
"""

from typing import Any

from mmviz.engine import Case, Verdict, at_end, expecting
from mmviz.kernel.notifier import MmuNotifierOps
from mmviz.scenarios.invalidate_page import BRACKETED
from mmviz.scenarios.invalidate_page.new_page_before_notify import ToldAtEnd
from mmviz.scenarios.invalidate_page.range_start_only import (
    VA,
    Driver,
    GuardedMirror,
    Mirror,
    SequenceAndCounter,
    cpu_and_device_disagree,
    device_reads_freed_page,
    do_user_addr_fault,
    page_refs_out_of_balance,
    zap_full_batch,
    zap_page_range,
)
from mmviz.scenarios.invalidate_page.told_under_ptl import HardwareWalks, try_to_unmap_one


@at_end
def device_keeps_stale_entry(k: Mirror) -> bool:
    """All is done, and the device still works on a page that the process has lost."""
    page = k.gpu.pte[VA]
    return page is not None and page is not k.cpu.pte[VA]


async def try_to_unmap_one_range_only(k: Mirror, driver: MmuNotifierOps) -> None:
    """Reclaim takes the page away, and calls invalidate_range after the walk."""
    await k.cpu.ptl.spin_lock()
    page = await k.cpu.ptep_clear_flush(VA)
    await k.cpu.ptl.spin_unlock()
    await driver.invalidate_range(k)
    if page is not None:
        await page.put_page()


STALE = (device_reads_freed_page, device_keeps_stale_entry, cpu_and_device_disagree)
BAD = (*STALE, page_refs_out_of_balance)


def case(
    name: str,
    variant: str,
    title: str,
    states: int,
    unmap: Any,
    driver: Driver,
    expect: dict[Any, Verdict],
    **more: Any,
) -> Case:
    """Unmap the page on CPU0 while CPU1 touches the address, and the device too."""
    return Case(
        name=name,
        id=variant,
        title=title,
        world=GuardedMirror if isinstance(driver, SequenceAndCounter) else Mirror,
        actors={
            "CPU0": lambda k: unmap(k, driver),
            "CPU1": do_user_addr_fault,
            "GPU": driver.fault,
        },
        bad=BAD,
        expect=expecting(BAD, expect),
        states=states,
        **more,
    )


SOMETIMES, ALWAYS = Verdict.SOMETIMES, Verdict.ALWAYS

CASES = (
    case(
        "RangeCallbackOnly",
        "MN-H/H0",
        "the core calls invalidate_range alone, the listener has start and end, as in v4.13-rc",
        108,
        try_to_unmap_one_range_only,
        SequenceAndCounter(),
        dict.fromkeys(STALE, SOMETIMES),
        kind="ordering",
        schedules={"nobody told the guest": "GPU*7 CPU0*4 CPU1"},
        proposed=("2017-08-04", "<20170804134928.l4klfcnqatni7vsc@black.fi.intel.com>"),
    ),
    case(
        "ToldAtEnd",
        "MN-H/H1",
        "the core calls start and end, the listener has invalidate_range, which end implies",
        39,
        zap_page_range,
        ToldAtEnd(),
        {cpu_and_device_disagree: SOMETIMES},
        schedules={"a fresh page in between": "CPU0*2 CPU1 CPU0*3"},
    ),
    case(
        "ToldAtEndFullBatch",
        "MN-H/H1 (full batch)",
        "the same, and the page is freed before range_end",
        42,
        zap_full_batch,
        ToldAtEnd(),
        {cpu_and_device_disagree: SOMETIMES, device_reads_freed_page: SOMETIMES},
        kind="ordering",
        schedules={"freed before range_end": "CPU0*3"},
    ),
    case(
        "AllCallbacks",
        "MN-H/H2",
        "the core calls all three, the listener has start and end, as merged v4.13",
        293,
        try_to_unmap_one,
        SequenceAndCounter(),
        {},
        schedules={"told in time": "CPU0*8 CPU1 CPU0*5 GPU*7"},
        shipped=("v4.13", "v6.5"),
        proposed=BRACKETED,
    ),
    case(
        "AllCallbacksHardwareWalks",
        "MN-H/H2 (range)",
        "the core calls all three, the listener has invalidate_range, as merged v4.13",
        43,
        try_to_unmap_one,
        HardwareWalks(),
        {},
        shipped=("v4.13", "v6.5"),
        proposed=BRACKETED,
    ),
)

SPARE = {
    "await k.mm.mmu_notifier_invalidate_range_start()": (
        "The core's count is asked for nothing here: what is stale is judged in the end."
    ),
    "await k.mm.mmu_notifier_invalidate_range_end()": (
        "The core's count is asked for nothing here: what is stale is judged in the end."
    ),
    "AllCallbacks: await k.cpu.ptl.spin_lock()": (
        "Whoever has start and end is kept off by its count; the lock is for invalidate_range."
    ),
    "AllCallbacks: await k.update.mutex_lock()": (
        "Both words are written in one step; order_of_the_words writes them in two."
    ),
}
