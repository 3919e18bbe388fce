"""The RCU list helpers promise readers that hold no lock.

Struct hmm keeps its ranges in a list.  v5.2 changes it with the helpers for RCU, though everybody
who walks it holds hmm->lock.  Nothing is wrong with that, but it invites somebody to walk the list
without the lock.  A range often lies on the stack of a driver's function, which returns as soon as
the range is off the list: without a grace period the reader writes into somebody else's stack.

Promise: Whoever walks the list finds only ranges that are there.

Memory model: sequentially consistent; so the helpers differ only in what they leave in an element.

Simplified:
    One range; it is registered at the start.  The notifier walks the list once.
    A stack frame that was returned from counts as freed.
    In the lockless cases the driver still takes the lock; one writer does not need it.
    LockedRcuList and LockedPlainList show the same: which helper it is does not matter there.
    Nobody looks at hmm->valid; the walk's work is to write it.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 11/11: Do not use list*_rcu() for hmm->ranges
    mm/hmm.c, v5.2 and v5.3: hmm_range_register(), hmm_range_unregister(),
    hmm_invalidate_range_start(); include/linux/rculist.h
"""

from typing import Any

from mmviz.engine import Case, Verdict, World, atomic, expecting, field
from mmviz.engine.case import Property
from mmviz.kernel.locks import Mutex
from mmviz.kernel.rcu import Rcu
from mmviz.kernel.rculist import ListEntry, ListHead
from mmviz.scenarios.hmm import RANGES, patch


class StackRange(ListEntry):
    """A struct hmm_range on the stack of a driver's function.

    Attributes:
        next: where the list goes on.
        valid: nothing has changed in it so far.

    Source: include/linux/hmm.h; Documentation/vm/hmm.rst shows it as a local variable.
    """

    valid: bool = True

    @atomic("mm/hmm.c")
    def invalidate(self) -> None:
        """Write range->valid; if its function has returned, that is somebody else's stack."""
        self.valid = False

    @atomic("driver")
    def return_from_function(self) -> None:
        """Return: the stack frame is somebody else's from here on."""
        self.free()


class Ranges(World):
    """A driver's function has a range on its stack and on the list."""

    range: StackRange = field(default_factory=StackRange)
    ranges: ListHead = field(default_factory=lambda: ListHead(name="hmm->ranges"))
    lock: Mutex = field(default_factory=lambda: Mutex(name="hmm->lock"))
    rcu: Rcu = field(default_factory=Rcu)

    def __post_init__(self) -> None:
        self.ranges.first = self.range


async def list_for_each_entry(k: Ranges) -> None:
    """Walk the list and invalidate what is on it."""
    entry = await k.ranges.list_first()
    if entry is not None:
        await k.range.invalidate()  # it is the only one
        await entry.list_next()


class LockedPlainList:
    """The lock on both sides, and the usual helpers."""

    async def hmm_invalidate_range_start(self, k: Ranges) -> None:
        """The notifier invalidates every range on the list."""
        await k.lock.mutex_lock()
        await list_for_each_entry(k)
        await k.lock.mutex_unlock()

    async def hmm_range_unregister(self, k: Ranges) -> None:
        """The driver's function takes its range off the list and returns."""
        await k.lock.mutex_lock()
        await k.ranges.list_del()
        await k.lock.mutex_unlock()
        await k.range.return_from_function()


class LockedRcuList(LockedPlainList):
    """The lock on both sides, and the helpers for RCU."""

    async def hmm_range_unregister(self, k: Ranges) -> None:
        """The driver's function takes its range off the list and returns."""
        await k.lock.mutex_lock()
        await k.ranges.list_del_rcu()
        await k.lock.mutex_unlock()
        await k.range.return_from_function()


class LocklessPlainList(LockedPlainList):
    """The reader is in an RCU section, and the writer does not know."""

    async def hmm_invalidate_range_start(self, k: Ranges) -> None:
        """The notifier invalidates every range on the list."""
        await k.rcu.rcu_read_lock()
        await list_for_each_entry(k)
        await k.rcu.rcu_read_unlock()


class LocklessRcuList(LocklessPlainList):
    """The reader is in an RCU section, and the helpers suit it."""

    async def hmm_range_unregister(self, k: Ranges) -> None:
        """The driver's function takes its range off the list and returns."""
        await LockedRcuList().hmm_range_unregister(k)


class LocklessGracePeriod(LocklessPlainList):
    """The same, and the function waits for the readers before it returns."""

    async def hmm_range_unregister(self, k: Ranges) -> None:
        """The driver's function takes its range off the list, waits and returns."""
        await k.lock.mutex_lock()
        await k.ranges.list_del_rcu()
        await k.lock.mutex_unlock()
        await k.rcu.start_poll_synchronize_rcu()
        await k.rcu.synchronize_rcu()
        await k.range.return_from_function()


BAD: tuple[Property, ...] = ("use_after_free", "follows_poisoned_pointer", "sleeps_in_atomic")


def case(
    list_: LockedPlainList,
    variant: str,
    title: str,
    states: int,
    *fails: str,
    **more: Any,
) -> Case:
    """Return from the driver's function on CPU0 while CPU1 walks the list."""
    return Case(
        name=type(list_).__name__,
        id=variant,
        title=title,
        world=Ranges,
        actors={
            "CPU0": list_.hmm_range_unregister,
            "CPU1": list_.hmm_invalidate_range_start,
        },
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(fails, Verdict.SOMETIMES)),
        states=states,
        **more,
    )


CASES = (
    case(
        LocklessRcuList(),
        "HMM-11/11c",
        "what the helpers invite: no lock to read, and the function returns at once",
        38,
        "use_after_free",
        schedules={"the stack is gone": "CPU1*2 CPU0*4 CPU1"},
    ),
    case(
        LocklessPlainList(),
        "HMM-11/11e",
        "no lock to read, and list_del() poisons the link under the reader",
        40,
        "use_after_free",
        "follows_poisoned_pointer",
        schedules={
            "the link is poisoned": "CPU1*3 CPU0*2 CPU1",
            "the stack is gone": "CPU1*2 CPU0*4 CPU1",
        },
    ),
    case(
        LocklessGracePeriod(),
        "HMM-11/11d",
        "no lock to read, and the function waits for the readers before it returns",
        48,
    ),
    case(
        LockedRcuList(),
        "HMM-11/11a",
        "the lock on both sides, with helpers that nobody needs, as shipped v5.2",
        20,
        shipped=("v5.2", "v5.2"),
        proposed=RANGES,
    ),
    case(
        LockedPlainList(),
        "HMM-11/11b",
        "the lock on both sides, with the usual helpers, as merged v5.3",
        20,
        shipped=("v5.3", "v5.4"),
        proposed=patch(11),
    ),
)

SPARE = {
    "LocklessGracePeriod: await k.lock.mutex_lock()": "The lock is for writers, and there is one.",
    "LocklessGracePeriod: await k.lock.mutex_unlock()": (
        "The lock is for writers, and there is one."
    ),
    "LocklessGracePeriod: await k.range.return_from_function()": (
        "It is what the wait is for: without it the stack frame stays."
    ),
}
