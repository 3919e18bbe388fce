"""Waiting for a range to become valid: look first, or queue up first.

A range is not valid while an invalidation is under way.  A waiter that looks before it queues up
can miss the wake-up that comes in between.  wait_event_timeout() queues up first and then looks.  A
shortcut in front of it adds nothing, and it hides a bug: a caller that must not sleep is reported
only in the runs in which there is something to wait for.

Promise: A waiter is woken, and a caller that must not sleep is reported in every run.

Memory model: sequentially consistent; a wake-up is one step.

Simplified:
    One range, one waiter; one invalidation is under way at the start, and ends.
    The kernel waits for at most one second and then gives up.  There is no timeout here, so what is
    a stall of one second there is a deadlock here.  WaitEventTimeout has one, which may end the
    sleep at any moment.
    What the caller does with the answer, a hint, is another race: wait_is_no_proof.
    A waiter that has been woken is off the queue, so finish_wait() matters only to a waiter that
    did not sleep; nothing looks at the queue after that.
    A waiter that did not queue up, or did not sleep, would spin until the range is valid: slow, but
    correct in the end.
    In WaitEventOrDead the exit's wake-up could be left out, because the end of the invalidation
    wakes the waiter, too.
    WaitEventOrDead also looks for the exit, which may come, as v5.2 does.  As merged, the range is
    a user of the address space, so no exit can come.
    v5.2's shortcut also returns when the process has exited; in ShortcutInAtomic no process exits.
    A caller that must not sleep has a bug whichever function it calls.  sleeps_in_atomic stands for
    the report: in every run of WaitEventInAtomic, in some runs of ShortcutInAtomic.

Sources:
    <20190523153436.19102-7-jgg@ziepe.ca>: [RFC PATCH 06/11] mm/hmm: Remove duplicate condition test
    before wait_event_timeout (v5.3)
    <20190129165428.3931-6-jglisse@redhat.com>: mm/hmm: improve driver API to work and wait over a
    range (a3e0d41c2b1f, v5.2: the shortcut)
    include/linux/hmm.h, v5.2: hmm_range_wait_until_valid()
    mm/hmm.c, v5.2: hmm_invalidate_range_end(), hmm_release()
    include/linux/wait.h: ___wait_event(); kernel/sched/core.c: __might_sleep()
"""

from collections.abc import Awaitable, Callable

from mmviz.engine import Race, World, at_end, environment, field
from mmviz.kernel.hmm.range import HmmRange, RangedHmm
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.locks import SpinLock
from mmviz.kernel.sync.taint import Taint
from mmviz.kernel.sync.waitqueue import WaitQueueHead
from mmviz.scenarios.hmm import RANGES, patch


class Waiting(World):
    """A registered range while an invalidation is under way."""

    range: HmmRange = field(default_factory=HmmRange)
    hmm: RangedHmm = field(default_factory=lambda: RangedHmm(notifiers=1))
    wq: WaitQueueHead = field(default_factory=lambda: WaitQueueHead(name="hmm->wq"))
    lock: SpinLock = field(default_factory=lambda: SpinLock(name="driver->lock"))
    taint: Taint = field(default_factory=Taint)

    def __post_init__(self) -> None:
        self.hmm.ranges = (self.range,)


class WaitingInAtomic(Waiting):
    """The same, where the driver waits while it holds a spinlock."""


@at_end
def misuse_goes_unnoticed(k: Waiting) -> bool:
    """A driver waited under a spinlock, and nothing complained: one day the CPU hangs."""
    return isinstance(k, WaitingInAtomic) and not k.taint.warned


Wait = Callable[[Waiting], Awaitable[None]]


async def hmm_range_wait_until_valid(k: Waiting, wait: Wait) -> None:
    """A driver waits until its range is valid."""
    await wait(k)


async def under_spinlock(k: Waiting, wait: Wait) -> None:
    """A driver waits where it must not sleep."""
    await k.lock.spin_lock()
    await wait(k)
    await k.lock.spin_unlock()


async def hmm_invalidate_range_end(k: Waiting) -> None:
    """The invalidation ends: the range is valid, and waiters are woken."""
    await k.hmm.hmm_invalidate_range_end()
    await k.wq.wake_up_all()


async def wake_first(k: Waiting) -> None:
    """The invalidation ends, and waiters are woken too early."""
    await k.wq.wake_up_all()
    await k.hmm.hmm_invalidate_range_end()


async def hmm_release(k: Waiting) -> None:
    """The process exits: no range is valid any more, and waiters are woken."""
    await k.hmm.hmm_release()
    await k.wq.wake_up_all()


race = Race(
    "HMM-06",
    world=Waiting,
    actors={"CPU0": hmm_invalidate_range_end, "CPU1": hmm_range_wait_until_valid},
    bad=("sleeps_in_atomic", misuse_goes_unnoticed),
)
IN_ATOMIC = race.actors | {"CPU1": under_spinlock}
EXIT = race.actors | {"CPU2": hmm_release}


@race.case(
    "06a",
    "looks, then queues up and sleeps: the wake-up comes in between",
    name="LookThenSleep",
    deadlock=True,
    states=12,
    schedules={"the wake-up is lost": "CPU1 CPU0*2 CPU1"},
    source=constructed("why a waiter must queue up before it looks"),
)
async def look_then_sleep(k: Waiting) -> None:
    """Look; if there is something to wait for, queue up and sleep."""
    if await k.range.hmm_range_valid():
        return
    await k.wq.prepare_to_wait()
    await k.wq.schedule()


@race.case(
    "06e",
    "as merged in v5.3: no shortcut, and no exit to look for, as the range is a user",
    name="WaitEvent",
    states=18,
    schedules={"the wake-up comes in between": "CPU1*3 CPU0*2 CPU1*4"},
    source=shipped("v5.3", "v5.4", said=patch(6)),
)
@race.case(
    "06f",
    "as posted in May 2019: does not look for an exit, which may still come",
    name="ExitUnseen",
    actors=EXIT,
    deadlock=True,
    states=90,
    schedules={"the exit undoes it": "CPU0*2 CPU1 CPU2*2 CPU1*2"},
    source=patch(6),
)
@race.case(
    "06e (in atomic)",
    "as merged in v5.3: no shortcut, so the misuse is reported whenever it happens",
    name="WaitEventInAtomic",
    world=WaitingInAtomic,
    actors=IN_ATOMIC,
    always=["sleeps_in_atomic"],
    kind="ordering",
    states=23,
    source=shipped("v5.3", "v5.4", said=patch(6)),
)
@race.case(
    "06c",
    "queues up first, but is woken before the range is valid",
    name="WakeFirst",
    actors=race.actors | {"CPU0": wake_first},
    deadlock=True,
    states=19,
    schedules={"woken too early": "CPU0 CPU1*3 CPU0"},
    source=constructed("why the range must be valid before waiters are woken"),
)
async def wait_event(k: Waiting, or_dead: bool = False) -> None:
    """Queue up, look, sleep, and look again."""
    await k.taint.might_sleep("wait_event_timeout()")
    while True:
        await k.wq.prepare_to_wait()
        # redundant in WaitEventOrDead: in every run both the end and the exit come, and wake it
        if await k.range.hmm_range_valid() or (or_dead and await k.hmm.read_dead()):
            break
        await k.wq.schedule()
    await k.wq.finish_wait()


@race.case(
    "06b",
    "queues up, looks, sleeps; an exit ends the wait, too",
    name="WaitEventOrDead",
    actors=EXIT,
    states=110,
    source=constructed("v5.2's wait, which looks for an exit, without v5.2's shortcut"),
)
async def wait_event_or_dead(k: Waiting) -> None:
    """The same, and an exit ends the wait, too."""
    await wait_event(k, or_dead=True)


@race.case(
    "06d",
    "as shipped in v5.2: a shortcut before wait_event, under a driver's spinlock",
    name="ShortcutInAtomic",
    world=WaitingInAtomic,
    actors=IN_ATOMIC,
    sometimes=["sleeps_in_atomic", misuse_goes_unnoticed],
    kind="ordering",
    states=30,
    schedules={"nothing to wait for": "CPU0*2 CPU1*3"},
    source=shipped("v5.2", "v5.2", said=RANGES),
)
async def shortcut(k: Waiting) -> None:
    """Look first, and only then wait properly."""
    if await k.range.hmm_range_valid():
        return
    await wait_event(k)


@race.case(
    "06e-timeout",
    "as merged in v5.3, with its timeout: the wait ends in every run",
    name="WaitEventTimeout",
    actors=race.actors | {"environment": environment},
    states=26,
    source=shipped("v5.3", "v5.4", said=patch(6)),
)
async def wait_event_with_timeout(k: Waiting) -> None:
    """Queue up, look, and sleep until a wake-up or until the time is over."""
    await k.wq.wait_event_timeout(k.range.hmm_range_valid)
