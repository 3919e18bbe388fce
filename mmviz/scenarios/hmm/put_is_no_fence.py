"""mmu_notifier_put() returns at once, and so must not be the last thing a driver does.

It takes the notifier off the list and returns; from then on the driver gets no more callbacks for
the process.  If the device can still reach a page then, it can reach that page after it was
freed.  And one callback is still to come: SRCU frees the notifier by a function of the driver,
which is gone if the module is unloaded first.  A module calls mmu_notifier_synchronize() for that.
Since v5.4 this waits for a grace period and not for the callbacks; whether that is enough depends
on whether SRCU keeps one list of callbacks or a list for each CPU.

Promise: When a driver puts its notifier, its device has no entries left, and the driver's code
    stays until the last callback has run.

Memory model: sequentially consistent; an SRCU grace period waits for the readers it found.

Simplified:
    As count_and_list_under_one_lock; the notifier has one user, and no other user comes.
    One page; the device does not fault, its driver has stopped that before.
    A module cannot be unloaded while one of its files is open; here the close unloads it itself.
    In PutInRelease the process exits while the driver is open, and reclaim runs as well; the module
    stays.
    synchronize_srcu() queues a callback of its own and waits for that.  Where all callbacks are in
    one list they run in the order of that list, so it waits for those queued before, too.  Where
    each CPU has a list, one that was queued on another CPU may still be pending; here that is so
    in UnmapPutSynchronizePerCpu.  A driver that puts and waits on the same CPU is safe there, too.

Sources:
    <20190806231548.25242-1-jgg@ziepe.ca>, the series; 2c7933f53f6b (v5.4): mm/mmu_notifiers: add a
    get/put scheme for the registration; with it mmu_notifier_synchronize() is synchronize_srcu()
    b972216e27d1 (v3.17): mmu_notifier: add call_srcu and sync function for listener to delay call
    and sync; until v5.3 mmu_notifier_synchronize() is srcu_barrier()
    mm/mmu_notifier.c: mmu_notifier_put(), mmu_notifier_free_rcu(), mmu_notifier_synchronize() and
    their documentation; mn_hlist_release()
    kernel/rcu/srcutree.c, v5.10: __call_srcu() queues on this CPU, __synchronize_srcu() calls it
    994f706872e6 (v5.19): srcu: Make Tree SRCU able to operate without snp_node array (one list,
    the boot CPU's; a list for each CPU from 128 CPUs on, or under contention)
"""

from collections.abc import Awaitable, Callable
from functools import partial

from mmviz.engine import Map, Race, atomic, field
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierSubscriptions
from mmviz.kernel.notifier.users import CountedNotifier
from mmviz.kernel.notifier.walk import walk_notifiers
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.kfree_rcu import InOrderSrcu, Module, NotifierSrcu
from mmviz.scenarios.hmm import CHECKED, GET_PUT
from mmviz.scenarios.hmm.count_and_list_under_one_lock import OneSection
from mmviz.scenarios.hmm.worlds.subscribed import Subscribed
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    VA,
    device_keeps_stale_entry,
    device_reads_freed_page,
)


class ModulesTable(DevicePageTable):
    """A device's page table whose entries a module's code clears.

    Attributes:
        module: that module. Never changes.

    Source: any driver's invalidate_range_start() callback.
    """

    module: Module = field(kw_only=True)

    @atomic("driver")
    def unmap(self, address: str) -> None:
        """Clear the device's entry; this is the module's code."""
        self.module.call("invalidate_range_start")
        self.pte[address] = None


class Mirrored(Subscribed):
    """A process with one page, which a device's driver, a module, mirrors."""

    module: Module = field(kw_only=True)
    srcu: NotifierSrcu = field(kw_only=True)
    gpu: ModulesTable = field(kw_only=True)
    cpu: PageTable = field(kw_only=True)
    page: Page = field(default_factory=lambda: Page(pfn=7))
    mm: MmuNotifierSubscriptions = field(default_factory=MmuNotifierSubscriptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cpu.pte[VA] = self.gpu.pte[VA] = self.page


def mirrored(srcu: type[NotifierSrcu] = InOrderSrcu) -> Mirrored:
    """Return the world, with one list of SRCU callbacks or another kind of SRCU."""
    module, empty = Module(), dict[str, Page | None]({VA: None})
    return Mirrored(
        module=module,
        srcu=srcu(module=module),
        gpu=ModulesTable(Map(empty), module=module),
        cpu=PageTable(Map(empty)),
    )


API = OneSection()
Close = Callable[[Mirrored], Awaitable[None]]
Release = Callable[[Mirrored, CountedNotifier], Awaitable[None]]


async def mmu_notifier_synchronize(k: Mirrored) -> None:
    """Wait for a grace period, as since v5.4."""
    await k.srcu.start_poll_synchronize_srcu()
    await k.srcu.synchronize_srcu()


async def invalidate(k: Mirrored, notifier: CountedNotifier) -> None:
    """The driver's callback for a page that goes: it finds its device by the notifier."""
    # redundant: without this use of the notifier nothing touches one that is gone
    await notifier.invalidate_range_start()
    await k.gpu.unmap(VA)


async def zap_page_range(k: Mirrored) -> None:
    """The process frees its page; before that, notifiers on the list are called."""
    # redundant in PutInRelease: the device's entry goes before the page does
    await k.mm.mmu_notifier_invalidate_range_start()
    await walk_notifiers(k.srcu, k.list.hlist_for_each_entry_rcu, partial(invalidate, k))
    page = await k.cpu.zap_pte_range(VA)
    # redundant in PutInRelease: the device's entry goes before the page does
    await k.mm.mmu_notifier_invalidate_range_end()
    if page is not None:
        # redundant in PutInRelease: whether the page is freed is not judged
        await page.put_page()


async def exit_mmap(k: Mirrored, release: Release) -> None:
    """The process exits: the driver's release() is called, and the page freed."""
    await walk_notifiers(k.srcu, k.list.hlist_for_each_entry_rcu, partial(release, k))
    page = await k.cpu.zap_pte_range(VA)
    if page is not None:
        await page.put_page()  # redundant: whether the page is freed is not judged


async def mmu_notifier_free_rcu(k: Mirrored) -> None:
    """A kernel worker frees what was put, by the driver's free_notifier()."""
    await k.srcu.mmu_notifier_free_rcu()


async def module_exit(k: Mirrored, close: Close) -> None:
    """The device's file is closed, and the driver's module unloaded."""
    await close(k)


race = Race(
    "X-5",
    world=mirrored,
    actors={"CPU0": module_exit, "CPU1": zap_page_range, "kworker": mmu_notifier_free_rcu},
    bad=(
        "use_after_free",
        "calls_unloaded_code",
        device_reads_freed_page,
        device_keeps_stale_entry,
    ),
)


@race.case(
    "5c",
    "the module goes without waiting for SRCU",
    name="NoSynchronize",
    sometimes=["calls_unloaded_code"],
    states=141,
    schedules={"the worker comes too late": "CPU0*7 kworker"},
    source=constructed("why modules are asked to call mmu_notifier_synchronize() on exit"),
)
async def close_without_synchronize(k: Mirrored) -> None:
    """The driver clears its device's entries, puts, and goes."""
    await k.gpu.unmap(VA)
    await API.mmu_notifier_put(k, k.notifier)
    await k.module.free_module()


@race.case(
    "5d",
    "the device's entries are left as they are when the driver puts",
    name="EntriesLeft",
    sometimes=[device_reads_freed_page, device_keeps_stale_entry],
    states=146,
    schedules={"no driver is notified": "CPU0*5 CPU1*7"},
    source=constructed("why mmu_notifier_put() asks to drop all entries before it is called"),
)
async def close_with_entries(k: Mirrored) -> None:
    """The driver puts, and leaves its device's entries as they are."""
    await API.mmu_notifier_put(k, k.notifier)
    await mmu_notifier_synchronize(k)
    await k.module.free_module()


@race.case(
    "5e",
    "as since v5.4: the driver puts in its release() callback, when the process exits",
    name="PutInRelease",
    actors={"CPU1": exit_mmap, "CPU2": zap_page_range, "kworker": mmu_notifier_free_rcu},
    states=194,
    source=shipped("v5.4", said=GET_PUT, checked=CHECKED),
)
async def release(k: Mirrored, notifier: CountedNotifier) -> None:
    """The driver's callback for a process that exits: it clears the entries and puts."""
    await k.gpu.unmap(VA)
    await API.mmu_notifier_put(k, notifier)


@race.case(
    "5a (list per CPU)",
    "as v5.4 to v5.18: the wait is a grace period, and each CPU has a list of callbacks",
    name="UnmapPutSynchronizePerCpu",
    world=partial(mirrored, NotifierSrcu),
    sometimes=["calls_unloaded_code"],
    states=192,
    schedules={"the callback is in another list": "CPU0*9 kworker"},
    source=shipped("v5.4", "v5.18", said=GET_PUT),
)
@race.case(
    "5a",
    "as since v5.19: the wait is a grace period, and all callbacks are in one list",
    name="UnmapPutSynchronize",
    states=156,
    note="with a list for each CPU, as on large machines, the wait is not enough",
    source=shipped("v5.19", where="994f706872e6", checked=CHECKED),
)
async def close(k: Mirrored) -> None:
    """The driver clears its device's entries, puts, waits for a grace period, and goes."""
    await k.gpu.unmap(VA)
    await API.mmu_notifier_put(k, k.notifier)
    await mmu_notifier_synchronize(k)
    await k.module.free_module()


@race.case(
    "5a (srcu_barrier)",
    "the same with srcu_barrier(), as until v5.3: waits for the callbacks, in whichever list",
    name="UnmapPutBarrier",
    world=partial(mirrored, NotifierSrcu),
    states=123,
    source=constructed(
        "the wait of v3.17 to v5.3 with v5.4's put: it needs no assumption on lists"
    ),
)
async def close_with_barrier(k: Mirrored) -> None:
    """The driver clears its device's entries, puts, waits for the callbacks, and goes."""
    await k.gpu.unmap(VA)
    await API.mmu_notifier_put(k, k.notifier)
    await k.srcu.srcu_barrier()
    # redundant: the rest is there to make this line safe; without it the module stays
    await k.module.free_module()
