"""The RCU list helpers promise readers that hold no lock.

Struct hmm keeps its ranges in a list.  v5.2 changes the list with the helpers for RCU, although
all code that walks it holds hmm->lock.  That is not wrong, but it invites a walk without the lock.
A range often lies on the stack of a driver's function, which returns as soon as the range is off
the list.  Without a grace period, the reader then writes into a stack frame that is in use again.

Promise: A walk of the list finds only ranges that still exist.

Memory model: sequentially consistent; so the helpers differ only in what they leave in an element.

Simplified:
    One range, which is registered at the start.
    The notifier walks the list once.
    A stack frame whose function has returned counts as freed.
    In the lockless cases the driver still takes the lock; with one writer it is not needed.
    LockedRcuList and LockedPlainList have the same verdicts: under the lock it does not matter
    which helper is used.
    hmm->lock is a mutex, as in v5.2; since v5.3 it is a spinlock, hmm->ranges_lock.
    As merged, the range is unregistered with list_del_init(), which leaves an empty link and not a
    poison.
    Nothing looks at range->valid; the walk's work is to write it.

Sources:
    <20190523153436.19102-12-jgg@ziepe.ca>: [RFC PATCH 11/11] mm/hmm: Do not use list*_rcu() for
    hmm->ranges (v5.3)
    <20190129165428.3931-6-jglisse@redhat.com>: mm/hmm: improve driver API to work and wait over a
    range (a3e0d41c2b1f, v5.2: the helpers)
    mm/hmm.c, v5.2 and v5.3: hmm_range_register(), hmm_range_unregister(),
    hmm_invalidate_range_start()
    include/linux/rculist.h: list_del_rcu(); include/linux/list.h: list_del()
    Documentation/vm/hmm.rst, v5.2: the range as a local variable
"""

from typing import Protocol

from mmviz.engine import Race, World, atomic, field
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.locks import Mutex
from mmviz.kernel.sync.rcu import Rcu
from mmviz.kernel.sync.rculist import ListEntry, ListHead
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
        """Write range->valid; if its function has returned, the frame belongs to another."""
        self.valid = False

    @atomic("driver")
    def return_from_function(self) -> None:
        """Return: another function's frame uses this memory from here on."""
        self.free()


class Ranges(World):
    """A driver's function has a range on its stack and on the list."""

    range: StackRange = field(default_factory=StackRange)
    ranges: ListHead = field(default_factory=lambda: ListHead(name="hmm->ranges"))
    lock: Mutex = field(default_factory=lambda: Mutex(name="hmm->lock"))
    rcu: Rcu = field(default_factory=Rcu)

    def __post_init__(self) -> None:
        self.ranges.first = self.range


class Listing(Protocol):
    async def hmm_range_unregister(self, k: Ranges) -> None: ...

    async def hmm_invalidate_range_start(self, k: Ranges) -> None: ...


async def list_for_each_entry(k: Ranges) -> None:
    """Walk the list and invalidate what is on it."""
    entry = await k.ranges.list_first()
    if entry is not None:
        await k.range.invalidate()  # it is the only one
        await entry.list_next()


async def hmm_range_unregister(k: Ranges, listing: Listing) -> None:
    """The driver's function takes its range off the list and returns."""
    await listing.hmm_range_unregister(k)


async def hmm_invalidate_range_start(k: Ranges, listing: Listing) -> None:
    """The notifier invalidates every range on the list."""
    await listing.hmm_invalidate_range_start(k)


race = Race(
    "HMM-11",
    world=Ranges,
    actors={"CPU0": hmm_range_unregister, "CPU1": hmm_invalidate_range_start},
    bad=("use_after_free", "follows_poisoned_pointer", "sleeps_in_atomic"),
)


class Lockless:
    """A reader that holds no lock."""

    async def hmm_invalidate_range_start(self, k: Ranges) -> None:
        """Walk the list in an RCU section."""
        await k.rcu.rcu_read_lock()
        await list_for_each_entry(k)
        await k.rcu.rcu_read_unlock()


class Locked:
    """A reader that takes the lock."""

    async def hmm_invalidate_range_start(self, k: Ranges) -> None:
        """Walk the list under the lock."""
        await k.lock.mutex_lock()
        await list_for_each_entry(k)
        await k.lock.mutex_unlock()


class RcuListFunctions:
    """A writer that uses the list helpers for RCU."""

    async def hmm_range_unregister(self, k: Ranges) -> None:
        """Take the range off the list, and return."""
        await k.lock.mutex_lock()
        await k.ranges.list_del_rcu()
        await k.lock.mutex_unlock()
        await k.range.return_from_function()


class PlainListFunctions:
    """A writer that uses the usual list helpers."""

    async def hmm_range_unregister(self, k: Ranges) -> None:
        """Take the range off the list, and return."""
        await k.lock.mutex_lock()
        await k.ranges.list_del()
        await k.lock.mutex_unlock()
        await k.range.return_from_function()


@race.case(
    "11c",
    "what the RCU helpers invite: no lock to read, and the function returns at once",
    sometimes=["use_after_free"],
    states=38,
    schedules={"the stack is gone": "CPU1*2 CPU0*4 CPU1"},
    source=constructed("what a lockless walk would meet with v5.2's helpers"),
)
class LocklessRcuList(Lockless, RcuListFunctions):
    """The reader is in an RCU section, and the helpers suit it."""


@race.case(
    "11e",
    "no lock to read, and list_del() poisons the link under the reader",
    sometimes=["use_after_free", "follows_poisoned_pointer"],
    states=40,
    schedules={
        "the link is poisoned": "CPU1*3 CPU0*2 CPU1",
        "the stack is gone": "CPU1*2 CPU0*4 CPU1",
    },
    source=constructed("what a lockless walk would meet with the usual helpers"),
)
class LocklessPlainList(Lockless, PlainListFunctions):
    """The reader is in an RCU section, and the writer does not expect it."""


@race.case(
    "11d",
    "no lock to read, and the function waits for the readers before it returns",
    states=48,
    source=constructed("what a lockless walk would need"),
)
class LocklessGracePeriod(Lockless):
    """The reader is in an RCU section, and the function waits for it before it returns."""

    async def hmm_range_unregister(self, k: Ranges) -> None:
        """Take the range off the list, wait for the readers, and return."""
        await k.lock.mutex_lock()  # redundant: the lock is for writers, and there is one
        await k.ranges.list_del_rcu()
        await k.lock.mutex_unlock()
        await k.rcu.start_poll_synchronize_rcu()
        await k.rcu.synchronize_rcu()
        # redundant: the wait is for the sake of this line; without it the stack frame stays
        await k.range.return_from_function()


@race.case(
    "11a",
    "as shipped in v5.2: the lock on both sides, with RCU helpers that no reader needs",
    states=20,
    source=shipped("v5.2", "v5.2", said=RANGES),
)
class LockedRcuList(Locked, RcuListFunctions):
    """The lock on both sides, and the helpers for RCU."""


@race.case(
    "11b",
    "as merged in v5.3: the lock on both sides, with the usual helpers",
    states=20,
    source=shipped("v5.3", "v5.4", said=patch(11)),
)
class LockedPlainList(Locked, PlainListFunctions):
    """The lock on both sides, and the usual helpers."""
