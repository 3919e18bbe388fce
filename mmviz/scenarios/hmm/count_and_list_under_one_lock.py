"""The count and the list change under one lock.

From v5.4 on the core itself keeps one notifier for each process and driver: mmu_notifier_get()
finds it or makes it, mmu_notifier_put() unlinks it with its last user and has it freed when no
callback runs any more.  Finding and counting are one section of the lock, and so are counting
down and unlinking.  With two sections, mmu_notifier_get() can find a notifier whose last user has
just left.

Promise: A notifier stays from mmu_notifier_get() to mmu_notifier_put(), and while its callback
    runs.

Memory model: sequentially consistent; an SRCU grace period waits for the readers it found.

Simplified:
    One process, one driver, the notifier it has and the next one.
    mmap_lock, under which the second thread makes the next one, is left out: it is the only thread
    that makes one.
    The callback runs once.
    The worker that frees may idle forever, and a run may end before it.
    What the notifier tells the device is another scenario: put_is_no_fence.

Sources:
    2c7933f53f6b (v5.4): mm/mmu_notifiers: add a get/put scheme for the registration
    mm/mmu_notifier.c: mmu_notifier_get_locked(), mmu_notifier_put(), mmu_notifier_free_rcu()
    Documentation of mmu_notifier_put() in the same file
"""

from typing import Protocol

from mmviz.engine import Race, field
from mmviz.kernel.notifier.users import CountedNotifier
from mmviz.kernel.notifier.walk import walk_notifiers
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.hmm import CHECKED, GET_PUT
from mmviz.scenarios.hmm.worlds.subscribed import Subscribed


class Opened(Subscribed):
    """A process with one notifier, and memory for the next one."""

    fresh: CountedNotifier = field(default_factory=lambda: CountedNotifier(name="next notifier"))


class Api(Protocol):
    """mmu_notifier_get() and mmu_notifier_put()."""

    async def mmu_notifier_get(self, k: Opened) -> CountedNotifier:
        """Return the driver's notifier, with one user more."""

    async def mmu_notifier_put(self, k: Subscribed, notifier: CountedNotifier) -> None:
        """Give one user back; with the last one the notifier goes."""


async def close(k: Subscribed, api: Api) -> None:
    """One file of the driver is closed."""
    await api.mmu_notifier_put(k, k.notifier)


async def open_and_close(k: Opened, api: Api) -> None:
    """The driver is opened for the same process, used, and closed."""
    notifier = await api.mmu_notifier_get(k)
    await notifier.use()
    await api.mmu_notifier_put(k, notifier)


async def mmu_notifier_invalidate_range_start(k: Subscribed) -> None:
    """Reclaim tells the process's notifiers."""
    await walk_notifiers(
        k.srcu, k.list.hlist_for_each_entry_rcu, CountedNotifier.invalidate_range_start
    )


async def srcu_invoke_callbacks(k: Subscribed) -> None:
    """A kernel worker frees what was handed over to SRCU."""
    while True:
        await k.srcu.srcu_invoke_callbacks()


# The last user leaves, while another thread opens the driver again and reclaim walks the list.
race = Race(
    world=Opened,
    actors={
        "CPU0": close,
        "CPU1": open_and_close,
        "CPU2": mmu_notifier_invalidate_range_start,
        "kworker": srcu_invoke_callbacks,
    },
    daemons=("kworker",),
    bad=("use_after_free", "refcount_resurrected", "sleeps_in_atomic"),
)


@race.case(
    "X-5/5b",
    "tempting: the count under the lock, and then the list under the lock",
    sometimes=["use_after_free", "refcount_resurrected"],
    states=1000,
    schedules={"found without a user": "CPU0*3 CPU1*3 CPU0*4 kworker CPU1"},
    source=constructed("shows why the count and the list change in one section"),
)
class TwoSections:
    """Counts down in one section of the lock, and unlinks in the next."""

    async def mmu_notifier_get(self, k: Opened) -> CountedNotifier:
        """Find and count in one section; make the next notifier if there is none."""
        await k.lock.spin_lock()
        found = await k.list.find_get_mmu_notifier()
        await k.lock.spin_unlock()
        if found is not None:
            return found
        await k.lock.spin_lock()
        await k.list.hlist_add_head_rcu(k.fresh)
        await k.lock.spin_unlock()
        return k.fresh

    async def mmu_notifier_put(self, k: Subscribed, notifier: CountedNotifier) -> None:
        """Count down, drop the lock, and take it again to unlink."""
        await k.lock.spin_lock()
        last = await notifier.refcount_dec_and_test()
        await k.lock.spin_unlock()
        if not last:
            return
        await k.lock.spin_lock()
        await k.list.hlist_del_init_rcu(notifier)
        await k.lock.spin_unlock()
        await k.srcu.call_srcu(notifier)


@race.case(
    "X-5/5a",
    "both in one section, as since v5.4",
    states=544,
    source=shipped("v5.4", said=GET_PUT, checked=CHECKED),
)
class OneSection(TwoSections):
    """Counts down and unlinks in one section of the lock."""

    async def mmu_notifier_put(self, k: Subscribed, notifier: CountedNotifier) -> None:
        """Count down, and unlink with the last user, before the lock is dropped."""
        # redundant in PutInRelease: there is one user, and no thread asks for another
        await k.lock.spin_lock()
        # redundant in PutInRelease: there is one user, so it always is the last
        if not await notifier.refcount_dec_and_test():
            await k.lock.spin_unlock()
            return
        await k.list.hlist_del_init_rcu(notifier)
        await k.lock.spin_unlock()
        # redundant: the worker may idle forever, so memory that is never freed is not judged
        await k.srcu.call_srcu(notifier)


race.dial(
    "OneSection",
    "refcount_dec_and_test",
    why="the lock is held from before the load until after the store: it makes them one",
)
