"""mmu_notifier_put() returns at once, and so must not be the last thing a driver does.

It takes the notifier off the list and goes on; nobody is told about the process from then on.
What the device still can reach then, it can reach when it has been freed.  And somebody is still
to come: SRCU frees the notifier by the driver's own function, which a module that is unloaded
meanwhile does not have any more.

Promise: When a driver's code or its hold on a process goes, nothing still needs it.

Memory model: sequentially consistent; an SRCU grace period waits for the readers it found.

Simplified:
    As count_and_list_under_one_lock; the notifier has one user, and nobody comes for another.
    One page; the device does not fault, its driver has stopped that before.
    A module cannot be unloaded while a file of its is open; here the close does it itself.
    In PutInRelease the process exits while the driver is open, and reclaim comes as well; the
    module stays.
    mmu_notifier_synchronize() waits for what was queued for SRCU, by a barrier.

Sources:
    2c7933f53f6b (v5.4): mm/mmu_notifiers: add a get/put scheme for the registration
    mm/mmu_notifier.c: mmu_notifier_put(), mmu_notifier_free_rcu(), mmu_notifier_synchronize(),
    mn_hlist_release()
"""

from functools import partial
from typing import Any

from mmviz.engine import Case, Map, Verdict, atomic, expecting, field
from mmviz.engine.case import Actor, Property
from mmviz.kernel.kfree_rcu import Module, NotifierSrcu
from mmviz.kernel.notifier import MmuNotifierSubscriptions
from mmviz.kernel.notifier_users import CountedNotifier
from mmviz.kernel.notifier_walk import walk_notifiers
from mmviz.kernel.page import Page
from mmviz.kernel.pagetable import DevicePageTable, PageTable
from mmviz.scenarios.hmm import GET_PUT
from mmviz.scenarios.hmm.count_and_list_under_one_lock import OneSection, Subscribed
from mmviz.scenarios.invalidate_page.range_start_only import (
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


def mirrored() -> Mirrored:
    """Return the world."""
    module, empty = Module(), dict[str, Page | None]({VA: None})
    return Mirrored(
        module=module,
        srcu=NotifierSrcu(module=module),
        gpu=ModulesTable(Map(empty), module=module),
        cpu=PageTable(Map(empty)),
    )


API = OneSection()


async def close(k: Mirrored) -> None:
    """The driver clears its device's entries, puts, waits for SRCU, and goes."""
    await k.gpu.unmap(VA)
    await API.mmu_notifier_put(k, k.notifier)
    await k.srcu.srcu_barrier()  # mmu_notifier_synchronize()
    await k.module.free_module()


async def close_without_synchronize(k: Mirrored) -> None:
    """The driver clears its device's entries, puts, and goes."""
    await k.gpu.unmap(VA)
    await API.mmu_notifier_put(k, k.notifier)
    await k.module.free_module()


async def close_with_entries(k: Mirrored) -> None:
    """The driver puts, and leaves its device's entries as they are."""
    await API.mmu_notifier_put(k, k.notifier)
    await k.srcu.srcu_barrier()
    await k.module.free_module()


async def invalidate(k: Mirrored, notifier: CountedNotifier) -> None:
    """The driver's callback for a page that goes: it finds its device by the notifier."""
    await notifier.invalidate_range_start()
    await k.gpu.unmap(VA)


async def zap_page_range(k: Mirrored) -> None:
    """The process gives its page back; notifiers on the list are told before."""
    await k.mm.mmu_notifier_invalidate_range_start()
    await walk_notifiers(k.srcu, k.list.hlist_for_each_entry_rcu, partial(invalidate, k))
    page = await k.cpu.zap_pte_range(VA)
    await k.mm.mmu_notifier_invalidate_range_end()
    if page is not None:
        await page.put_page()


async def release(k: Mirrored, notifier: CountedNotifier) -> None:
    """The driver's callback for a process that exits."""
    await k.gpu.unmap(VA)
    await API.mmu_notifier_put(k, notifier)


async def exit_mmap(k: Mirrored) -> None:
    """The process exits; the driver's release() clears the entries and puts."""
    await walk_notifiers(k.srcu, k.list.hlist_for_each_entry_rcu, partial(release, k))
    page = await k.cpu.zap_pte_range(VA)
    if page is not None:
        await page.put_page()


async def mmu_notifier_free_rcu(k: Mirrored) -> None:
    """A kernel worker frees what was put, by the driver's free_notifier()."""
    await k.srcu.mmu_notifier_free_rcu()


BAD: tuple[Property, ...] = (
    "use_after_free",
    "calls_unloaded_code",
    device_reads_freed_page,
    device_keeps_stale_entry,
)


def case(
    name: str,
    variant: str,
    title: str,
    states: int,
    actors: dict[str, Actor],
    *fails: str,
    **more: Any,
) -> Case:
    """Let `actors` end a mirror while a worker frees its notifier."""
    return Case(
        name=name,
        id=variant,
        title=title,
        world=mirrored,
        actors={**actors, "kworker": mmu_notifier_free_rcu},
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(fails, Verdict.SOMETIMES)),
        states=states,
        **more,
    )


CASES = (
    case(
        "NoSynchronize",
        "X-5/5c",
        "the module goes without waiting for SRCU",
        141,
        {"CPU0": close_without_synchronize, "CPU1": zap_page_range},
        "calls_unloaded_code",
        schedules={"the worker comes too late": "CPU0*7 kworker"},
    ),
    case(
        "EntriesLeft",
        "X-5/5d",
        "the device's entries are left as they are when the driver puts",
        113,
        {"CPU0": close_with_entries, "CPU1": zap_page_range},
        "device_reads_freed_page",
        "device_keeps_stale_entry",
        schedules={"nobody is told": "CPU0*5 CPU1*7"},
    ),
    case(
        "PutInRelease",
        "X-5/5e",
        "the driver puts in its release() callback, when the process exits",
        194,
        {"CPU1": exit_mmap, "CPU2": zap_page_range},
        shipped=("v5.4", ""),
        proposed=GET_PUT,
    ),
    case(
        "UnmapPutSynchronize",
        "X-5/5a",
        "entries first, then the put, then the wait, as since v5.4",
        123,
        {"CPU0": close, "CPU1": zap_page_range},
        shipped=("v5.4", ""),
        proposed=GET_PUT,
    ),
)

SPARE = {
    "await notifier.invalidate_range_start()": (
        "It is what may come too late: without it nobody touches a notifier that is gone."
    ),
    "PutInRelease: await page.put_page()": "The page that stays allocated is no bad state here.",
    "PutInRelease: await k.mm.mmu_notifier_invalidate_range_start()": (
        "It counts for the sake of device_keeps_stale_entry, and the entry goes before the page's."
    ),
    "PutInRelease: await k.mm.mmu_notifier_invalidate_range_end()": (
        "It counts for the sake of device_keeps_stale_entry."
    ),
    "PutInRelease: await k.lock.spin_lock()": "There is one user, and nobody comes for another.",
    "PutInRelease: if not await notifier.refcount_dec_and_test():": (
        "There is one user, so it always is the last."
    ),
    "PutInRelease: await k.lock.spin_unlock()": "Nobody else takes the lock.",
    "await k.module.free_module()": "It is what the rest makes safe: without it nothing goes.",
}
