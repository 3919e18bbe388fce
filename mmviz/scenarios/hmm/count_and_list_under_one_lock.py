"""The count and the list change under one lock.

From v5.4 on the core itself keeps one notifier for each process and driver: mmu_notifier_get()
finds it or makes it, mmu_notifier_put() unlinks it with its last user and has it freed when no
callback runs any more.  Finding and counting are one section of the lock, and so are counting
down and unlinking.  Otherwise somebody finds one whose last user has just left.

Promise: Whoever gets a notifier has it until they put it, and a callback has it while it runs.

Memory model: sequentially consistent; an SRCU grace period waits for the readers it found.

Simplified:
    One process, one driver, the notifier it has and the next one; mmap_lock, under which the second
    thread would make that, is left out: nobody else makes one.
    The callback runs once.  The worker that frees may idle for ever, and a run may end before it.
    What the notifier tells the device is another scenario: put_is_no_fence.

Sources:
    2c7933f53f6b (v5.4): mm/mmu_notifiers: add a get/put scheme for the registration
    mm/mmu_notifier.c: mmu_notifier_get_locked(), mmu_notifier_put(), mmu_notifier_free_rcu()
    Documentation of mmu_notifier_put() in the same file
"""

from typing import Any

from mmviz.engine import Case, Verdict, World, expecting, field, mark
from mmviz.engine.case import Property
from mmviz.kernel.locks import SpinLock
from mmviz.kernel.notifier_users import CountedNotifier, NotifierList
from mmviz.kernel.notifier_walk import walk_notifiers
from mmviz.kernel.rcu import SrcuCallbacks
from mmviz.scenarios.hmm import GET_PUT


class Subscribed(World):
    """A process with one notifier, which has one user."""

    lock: SpinLock = field(default_factory=lambda: SpinLock(name="subscriptions->lock"))
    list: NotifierList = field(default_factory=lambda: NotifierList(name="subscriptions->list"))
    notifier: CountedNotifier = field(default_factory=CountedNotifier)
    srcu: SrcuCallbacks = field(default_factory=SrcuCallbacks)

    def __post_init__(self) -> None:
        self.list.first = self.notifier


class Opened(Subscribed):
    """The same, and memory for the next notifier."""

    fresh: CountedNotifier = field(default_factory=lambda: CountedNotifier(name="next notifier"))


class OneSection:
    """Counts down and unlinks in one section of the lock."""

    async def mmu_notifier_get(self, k: Opened) -> CountedNotifier:
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
        await k.lock.spin_lock()
        if not await notifier.refcount_dec_and_test():
            await k.lock.spin_unlock()
            return
        await k.list.hlist_del_init_rcu(notifier)
        await k.lock.spin_unlock()
        await k.srcu.call_srcu(notifier)


class TwoSections(OneSection):
    """Counts down in one section of the lock, and unlinks in the next."""

    async def mmu_notifier_put(self, k: Subscribed, notifier: CountedNotifier) -> None:
        await k.lock.spin_lock()
        last = await notifier.refcount_dec_and_test()
        await k.lock.spin_unlock()
        if not last:
            return
        await k.lock.spin_lock()
        await k.list.hlist_del_init_rcu(notifier)
        await k.lock.spin_unlock()
        await k.srcu.call_srcu(notifier)


async def close(k: Subscribed, api: OneSection) -> None:
    """One file of the driver is closed."""
    await api.mmu_notifier_put(k, k.notifier)


async def open_and_close(k: Opened, api: OneSection) -> None:
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
        mark("next callbacks")
        await k.srcu.srcu_invoke_callbacks()


BAD: tuple[Property, ...] = ("use_after_free", "refcount_resurrected", "sleeps_in_atomic")


def case(
    api: OneSection,
    variant: str,
    title: str,
    states: int,
    *fails: str,
    **more: Any,
) -> Case:
    """Close on CPU0, open and close on CPU1, and invalidate on CPU2."""
    return Case(
        name=type(api).__name__,
        id=variant,
        title=title,
        world=Opened,
        actors={
            "CPU0": lambda k: close(k, api),
            "CPU1": lambda k: open_and_close(k, api),
            "CPU2": mmu_notifier_invalidate_range_start,
            "kworker": srcu_invoke_callbacks,
        },
        daemons=("kworker",),
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(fails, Verdict.SOMETIMES)),
        states=states,
        **more,
    )


CASES = (
    case(
        TwoSections(),
        "X-5/5b",
        "tempting: the count under the lock, and then the list under the lock",
        1136,
        "use_after_free",
        "refcount_resurrected",
        schedules={"found without a user": "CPU0*3 CPU1*3 CPU0*4 kworker CPU1"},
    ),
    case(
        OneSection(),
        "X-5/5a",
        "both in one section, as since v5.4",
        599,
        shipped=("v5.4", ""),
        proposed=GET_PUT,
    ),
)

SPARE = {
    "await k.srcu.call_srcu(notifier)": (
        "The worker may idle for ever, so memory that never comes back is no bad state."
    ),
}
