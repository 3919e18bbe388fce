"""An interval notifier is removed in the middle of an invalidation.

While an invalidation is open nothing leaves the tree of intervals; a removal is put off to its end.
mmu_interval_notifier_remove() waits for that end, because its caller is going to free the interval.
It used to look at the number alone.  But the end moves the number first and then takes the interval
from the tree, all under a lock: who looks without the lock goes between the two.

Promise: When the removal returns, nobody touches the interval any more.

Memory model: sequentially consistent; a wake-up is seen at once.

Simplified:
    One interval, one invalidation.  The callback writes the interval's number and does no more.
    mmu_interval_seq_released() looks under the lock in one step.
    Nobody looks for the interval in the tree after the invalidation.
    The driver's own lock around the callback is left out.
    What is in the lock alone, start and removal, is one step; it needs the lock all the same.

Sources:
    99cb252f5e68 (v5.5): mm/mmu_notifier: add an interval tree notifier
    319561669a59 (v5.18): wait for the end under the subscriptions' lock
    mm/mmu_notifier.c: mmu_interval_notifier_remove(), mn_itree_inv_end(),
    mmu_interval_seq_released()
"""

from typing import Any

from mmviz.engine import Case, Verdict, World, expecting, field
from mmviz.engine.case import Actor, Property
from mmviz.kernel.interval_seq import DeferringSubscriptions, IntervalSub
from mmviz.scenarios.hmm import INTERVALS


class Subscribed(World):
    """An mm with one interval in its tree."""

    subs: DeferringSubscriptions = field(default_factory=DeferringSubscriptions)
    interval: IntervalSub = field(default_factory=IntervalSub)

    def __post_init__(self) -> None:
        self.subs.itree = self.interval


class LookUnderLock:
    """Waits for the end, and looks under the lock."""

    async def mmu_interval_notifier_remove(self, k: Subscribed) -> None:
        await k.subs.lock.spin_lock()
        seq = await k.subs.mmu_interval_notifier_remove()
        await k.subs.lock.spin_unlock()
        if seq:
            await self.wait(k, seq)

    async def wait(self, k: Subscribed, seq: int) -> None:
        await k.subs.mmu_interval_seq_released(seq)

    async def invalidate(self, k: Subscribed, interval: IntervalSub) -> None:
        """The driver's callback."""
        await interval.mmu_interval_set_seq(await k.subs.cur_seq())

    async def close(self, k: Subscribed) -> None:
        """The driver removes its interval and frees it."""
        await self.mmu_interval_notifier_remove(k)
        await k.interval.kfree()


class LookWithoutLock(LookUnderLock):
    """Waits for the end, and looks at the number alone."""

    async def wait(self, k: Subscribed, seq: int) -> None:
        await k.subs.wait_event(seq)


class NoWait(LookUnderLock):
    """Puts the removal off, and returns."""

    async def wait(self, k: Subscribed, seq: int) -> None:
        pass


class RemoveInCallback(LookUnderLock):
    """The driver's callback removes the interval."""

    async def invalidate(self, k: Subscribed, interval: IntervalSub) -> None:
        await interval.mmu_interval_set_seq(await k.subs.cur_seq())
        await self.mmu_interval_notifier_remove(k)


async def invalidate_range(k: Subscribed, era: LookUnderLock) -> None:
    """Something is unmapped: start, callback, end."""
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


BAD: tuple[Property, ...] = ("use_after_free", "sleeps_in_atomic")


def case(
    era: LookUnderLock,
    variant: str,
    title: str,
    states: int,
    verdict: Verdict = Verdict.NEVER,
    **more: Any,
) -> Case:
    """Invalidate on CPU0, and remove on CPU1 unless the callback does."""
    actors: dict[str, Actor] = {"CPU0": lambda k: invalidate_range(k, era)}
    if not isinstance(era, RemoveInCallback):
        actors["CPU1"] = era.close
    return Case(
        name=type(era).__name__,
        id=variant,
        title=title,
        world=Subscribed,
        actors=actors,
        bad=BAD,
        expect=expecting(BAD, use_after_free=verdict),
        states=states,
        kind="race" if len(actors) > 1 else "ordering",
        **more,
    )


CASES = (
    case(
        NoWait(),
        "X-4/4c",
        "puts the removal off, and does not wait for it",
        46,
        verdict=Verdict.SOMETIMES,
        schedules={"freed under the callback": "CPU0*3 CPU1*4 CPU0*2"},
    ),
    case(
        LookWithoutLock(),
        "X-4/4d",
        "waits for the number to move, without the lock, as shipped v5.5 to v5.17",
        44,
        verdict=Verdict.SOMETIMES,
        shipped=("v5.5", "v5.17"),
        schedules={"between number and tree": "CPU0*4 CPU1*3 CPU0*3 CPU1*2 CPU0"},
        proposed=INTERVALS,
    ),
    case(
        RemoveInCallback(),
        "X-4/4f",
        "the callback removes its own interval",
        9,
        stuck=True,
        schedules={"waits for itself": "CPU0*8"},
    ),
    case(
        LookUnderLock(),
        "X-4/4e",
        "waits for the number to move, and looks under the lock, as since v5.18",
        39,
        shipped=("v5.18", ""),
        proposed=("2022-04-20", "<20220420043734.476348-1-apopple@nvidia.com>"),
    ),
)
