"""The core calls a callback that the listener does not implement.

There are two ways to listen: range_start with range_end, or invalidate_range.  A listener picks
one, so the core must call both.  A fix in v4.13-rc replaced the single-page callback by
invalidate_range alone; KVM implements only the other two, so no call reached it, the page was
freed, and the guest went on with it.  The mistake has a mirror image: a device that shares the
CPU's page table implements invalidate_range alone, and its call comes too late if only range_end
implies it.

Promise: Every listener is notified of the change before its device can observe it.

Memory model: sequentially consistent; the device's walk is one step and takes no lock.

Simplified:
    One address, two pages, one listener, one unmapping, one CPU fault, one device fault.
    In the case of v4.13-rc the core's count is not raised: it called no range_start.
    A full gather batch, which is freed before range_end, is another unmapping, not a size.
    A callback that is called for too short a range is in huge_page_in_part.

Sources:
    <20170831211738.17922-1-jglisse@redhat.com>: two ways to listen
    aac2fea94f7a (v4.13-rc): rmap: do not call mmu_notifier_invalidate_page() under ptl; posted as
    <20170804134928.l4klfcnqatni7vsc@black.fi.intel.com>, which changes page_mkclean_one(), and
    <20170809161709.9278-1-jglisse@redhat.com>, which changes try_to_unmap_one()
    785373b4c387 (v4.13-rc): the revert
    369ea8242c0f (v4.13): mm/rmap: update to new mmu_notifier semantic v2
    include/linux/mmu_notifier.h, v4.13: which callbacks to implement
    1af5a8109904 (v6.6): invalidate_range() is tied to the TLB flush
"""

from mmviz.engine import Race
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierOps
from mmviz.kernel.provenance import candidate, constructed, shipped
from mmviz.scenarios.invalidate_page import BRACKETED
from mmviz.scenarios.invalidate_page.range_start_only import SequenceAndCounter
from mmviz.scenarios.invalidate_page.worlds.judged_at_end import device_keeps_stale_entry
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    VA,
    GuardedMirror,
    Mirror,
    cpu_and_device_disagree,
    device_reads_freed_page,
    page_refs_out_of_balance,
)
from mmviz.scenarios.invalidate_page.worlds.unmapping import (
    device_faults,
    do_user_addr_fault,
    try_to_unmap_one,
    zap_full_batch,
    zap_page_range,
)
from mmviz.scenarios.invalidate_page.worlds.walking import HardwareWalks, ToldAtEnd


async def try_to_unmap_one_range_only(k: Mirror, driver: MmuNotifierOps) -> None:
    """Reclaim takes the page away, and calls invalidate_range after the walk."""
    await k.cpu.ptl.spin_lock()
    page = await k.cpu.ptep_clear_flush(VA)
    await k.cpu.ptl.spin_unlock()
    await driver.invalidate_range(k)
    if page is not None:
        await page.put_page()


# CPU0 unmaps the page while CPU1 touches the address, and the device does so, too.
race = Race(
    world=GuardedMirror,
    actors={"CPU0": try_to_unmap_one, "CPU1": do_user_addr_fault, "GPU": device_faults},
    bad=(
        device_reads_freed_page,
        device_keeps_stale_entry,
        cpu_and_device_disagree,
        page_refs_out_of_balance,
    ),
)

race.case(
    "MN-H/H0",
    "the core calls invalidate_range alone, the listener has start and end, as in v4.13-rc",
    name="RangeCallbackOnly",
    of=SequenceAndCounter,
    actors=race.actors | {"CPU0": try_to_unmap_one_range_only},
    sometimes=[device_reads_freed_page, device_keeps_stale_entry, cpu_and_device_disagree],
    kind="ordering",
    states=108,
    schedules={"the guest is never notified": "GPU*7 CPU0*4 CPU1"},
    source=candidate("v4.13", "aac2fea94f7a", "2017-08-04"),
)
race.case(
    "MN-H/H1",
    "the core calls start and end, the listener has invalidate_range, which end implies",
    name="ToldAtEnd",
    of=ToldAtEnd,
    world=Mirror,
    actors=race.actors | {"CPU0": zap_page_range},
    sometimes=[cpu_and_device_disagree],
    states=39,
    schedules={"a fresh page in between": "CPU0*2 CPU1 CPU0*3"},
    source=constructed("the core must call both kinds of listeners"),
)
race.case(
    "MN-H/H1 (full batch)",
    "the same, and the page is freed before range_end",
    name="ToldAtEndFullBatch",
    of=ToldAtEnd,
    world=Mirror,
    actors=race.actors | {"CPU0": zap_full_batch},
    sometimes=[cpu_and_device_disagree, device_reads_freed_page],
    kind="ordering",
    states=42,
    schedules={"freed before range_end": "CPU0*3"},
    source=constructed("the same where the page is freed before range_end"),
)
race.case(
    "MN-H/H2",
    "the core calls all three, the listener has start and end, as merged v4.13",
    name="AllCallbacks",
    of=SequenceAndCounter,
    states=293,
    schedules={"told in time": "CPU0*8 CPU1 CPU0*5 GPU*7"},
    source=shipped("v4.13", "v6.5", said=BRACKETED),
)
race.case(
    "MN-H/H2 (range)",
    "the core calls all three, the listener has invalidate_range, as merged v4.13",
    name="AllCallbacksHardwareWalks",
    of=HardwareWalks,
    world=Mirror,
    states=43,
    source=shipped("v4.13", "v6.5", said=BRACKETED),
)
