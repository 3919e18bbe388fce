"""An interval notifier is removed in the middle of an invalidation.

While an invalidation is open, the tree of intervals does not change: a removal is deferred to its
end.  mmu_interval_notifier_remove() waits for that end, because its caller is going to free the
interval.  Until v5.17 it waited for the invalidation's number to move.  But the end moves the
number first and then takes the interval from the tree, both under a lock.  A remover that looks
without the lock can run between the two.

Promise: When the removal returns, the core does not touch the interval any more.

Memory model: sequentially consistent; a wake-up is seen at once.

Simplified:
    One interval, one invalidation.
    The callback writes the interval's number and does nothing else; the driver's own lock around
    it is left out.
    Start and removal are one step each inside the lock; they need the lock all the same.
    mmu_interval_seq_released() takes the lock, looks and drops it in one step.
    No other invalidation looks the interval up in the tree afterwards.

Sources:
    99cb252f5e68 (v5.5): mm/mmu_notifier: add an interval tree notifier
    319561669a59 (v5.18): mm/mmu_notifier.c: fix race in mmu_interval_notifier_remove()
    mm/mmu_notifier.c: mmu_interval_notifier_remove(), mn_itree_inv_end(),
    mmu_interval_seq_released(); the documentation of mmu_interval_notifier_remove() there
"""

from typing import Protocol

from mmviz.engine import Race, World, field
from mmviz.kernel.notifier.interval_seq import DeferringSubscriptions, IntervalSub
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.scenarios.hmm import CHECKED, INTERVALS


class Subscribed(World):
    """An mm with one interval in its tree."""

    subs: DeferringSubscriptions = field(default_factory=DeferringSubscriptions)
    interval: IntervalSub = field(default_factory=IntervalSub)

    def __post_init__(self) -> None:
        self.subs.itree = self.interval


class Era(Protocol):
    async def invalidate(self, k: Subscribed, interval: IntervalSub) -> None: ...

    async def close(self, k: Subscribed) -> None: ...


async def invalidate_range(k: Subscribed, era: Era) -> None:
    """A range is unmapped: start, callback, end."""
    await k.subs.lock.spin_lock()
    interval = await k.subs.mn_itree_inv_start_range()
    await k.subs.lock.spin_unlock()
    if interval is None:
        return
    await era.invalidate(k, interval)
    await k.subs.lock.spin_lock()
    await k.subs.make_seq_even()
    await k.subs.interval_tree_remove()
    await k.subs.lock.spin_unlock()


async def close(k: Subscribed, era: Era) -> None:
    """The driver removes its interval and frees it."""
    await era.close(k)


race = Race(
    "X-4",
    world=Subscribed,
    actors={"CPU0": invalidate_range, "CPU1": close},
    bad=("use_after_free", "sleeps_in_atomic"),
)


class Remover:
    """What the variants share: they differ in how the removal waits."""

    async def mmu_interval_notifier_remove(self, k: Subscribed) -> None:
        """Take the interval from the tree; during an invalidation, defer that and wait."""
        await k.subs.lock.spin_lock()
        seq = await k.subs.mmu_interval_notifier_remove()
        await k.subs.lock.spin_unlock()
        if seq:
            await self.wait(k, seq)

    async def wait(self, k: Subscribed, seq: int) -> None:
        """Wait for the end of the invalidation with that number."""
        await k.subs.mmu_interval_seq_released(seq)

    async def invalidate(self, k: Subscribed, interval: IntervalSub) -> None:
        """Run the driver's callback."""
        await interval.mmu_interval_set_seq(await k.subs.cur_seq())

    async def close(self, k: Subscribed) -> None:
        """Remove the interval, and free it."""
        await self.mmu_interval_notifier_remove(k)
        await k.interval.kfree()


@race.case(
    "4c",
    "the removal is deferred, and the caller does not wait for it",
    sometimes=["use_after_free"],
    states=46,
    schedules={"freed under the callback": "CPU0*3 CPU1*4 CPU0*2"},
    source=constructed("what the wait in mmu_interval_notifier_remove() is for"),
)
class NoWait(Remover):
    """Defers the removal, and returns."""

    async def wait(self, k: Subscribed, seq: int) -> None:
        """Return at once."""


@race.case(
    "4d",
    "as shipped v5.5 to v5.17: waits for the number to move, without the lock",
    sometimes=["use_after_free"],
    states=44,
    schedules={"between number and tree": "CPU0*4 CPU1*3 CPU0*3 CPU1*2 CPU0"},
    source=shipped("v5.5", "v5.17", said=INTERVALS),
)
class LookWithoutLock(Remover):
    """Waits for the end, and looks at the number without the lock."""

    async def wait(self, k: Subscribed, seq: int) -> None:
        """Wait until the number has moved."""
        await k.subs.wait_event(seq)


@race.case(
    "4f",
    "the callback removes its own interval",
    deadlock=True,
    kind="ordering",
    actors={"CPU0": invalidate_range},
    states=9,
    schedules={"waits for itself": "CPU0*8"},
    source=constructed("why its documentation forbids to remove an interval in a callback"),
)
class RemoveInCallback(Remover):
    """The driver's callback removes the interval."""

    async def invalidate(self, k: Subscribed, interval: IntervalSub) -> None:
        """Run the driver's callback, which waits for the end of its own invalidation."""
        await interval.mmu_interval_set_seq(await k.subs.cur_seq())
        await self.mmu_interval_notifier_remove(k)


@race.case(
    "4e",
    "as since v5.18: waits for the number to move, and looks under the lock",
    states=39,
    source=shipped(
        "v5.18",
        said=proposed_elsewhere("2022-04-20", "<20220420043734.476348-1-apopple@nvidia.com>"),
        checked=CHECKED,
    ),
)
class LookUnderLock(Remover):
    """Waits for the end, and looks at the number under the lock."""
