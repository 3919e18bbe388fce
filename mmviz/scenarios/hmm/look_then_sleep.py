"""Waiting for a range to become valid: look first, or queue up first.

A range is not valid while an invalidation is under way.  Who waits for it and looks before it
queues up can miss the wake-up that comes in between.  wait_event_timeout() queues up first, so a
shortcut in front of it adds nothing, and it takes something away: a caller that must not sleep is
found out only on the days when there is something to wait for.

Promise: Who waits is woken, and who must not wait is found out in every run.

Memory model: sequentially consistent; a wake-up is one step.

Simplified:
    One range, one waiter; one invalidation is under way at the start and ends.
    The kernel waits for one second at most and then gives up; here it waits for ever, so what is
    a stall there is stuck here.
    The answer is a hint, and what is done with it is another race: wait_is_no_proof.
    A waiter that has been woken is off the queue, so finish_wait() matters only to one that did
    not sleep; nobody looks at the queue after that.
    A waiter that did not queue up, or did not sleep, would spin until the range is valid: slow, and
    right in the end.  The wake-up of an exit could go: that of the invalidation's end comes, too.
    WaitEventOrDead also looks for the exit that may come; as merged, the range is a user of the
    address space, and no exit can come.
    A caller that must not sleep is a bug whatever it calls.  sleeps_in_atomic is how it is found
    out: in every run of WaitEventInAtomic, in some of ShortcutInAtomic.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 06/11: Remove duplicate condition test before
    wait_event_timeout (v5.3)
    include/linux/hmm.h, v5.2: hmm_range_wait_until_valid(); mm/hmm.c: hmm_invalidate_range_end()
    include/linux/wait.h: ___wait_event(); kernel/sched/core.c: __might_sleep()
"""

from functools import partial
from typing import Any

from mmviz.engine import Case, Verdict, World, at_end, expecting, field, mark
from mmviz.engine.case import Actor, Property
from mmviz.kernel.hmm_range import HmmRange, RangedHmm
from mmviz.kernel.locks import SpinLock
from mmviz.kernel.taint import Taint
from mmviz.kernel.waitqueue import WaitQueueHead
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
    """Somebody waited under a spinlock, and nothing complained: one day the CPU hangs."""
    return isinstance(k, WaitingInAtomic) and not k.taint.warned


async def look_then_sleep(k: Waiting) -> None:
    """Look; if there is something to wait for, queue up and sleep."""
    if await k.range.hmm_range_valid():
        return
    await k.wq.prepare_to_wait()
    await k.wq.schedule()


async def wait_event(k: Waiting, or_dead: bool = False) -> None:
    """Queue up, look, sleep, and look again."""
    await k.taint.might_sleep("wait_event_timeout()")
    while True:
        mark("again")
        await k.wq.prepare_to_wait()
        if await k.range.hmm_range_valid() or (or_dead and await k.hmm.read_dead()):
            break
        await k.wq.schedule()
    await k.wq.finish_wait()


async def wait_event_or_dead(k: Waiting) -> None:
    """The same, and an exit ends the wait, too."""
    await wait_event(k, or_dead=True)


async def shortcut(k: Waiting) -> None:
    """Look first, and only then do it properly."""
    if await k.range.hmm_range_valid():
        return
    await wait_event(k)


async def under_spinlock(k: Waiting, wait: Actor) -> None:
    """A driver waits where it must not sleep."""
    await k.lock.spin_lock()
    await wait(k)
    await k.lock.spin_unlock()


async def hmm_invalidate_range_end(k: Waiting) -> None:
    """The invalidation ends: the range is valid, and who waits is told."""
    await k.hmm.hmm_invalidate_range_end()
    await k.wq.wake_up_all()


async def wake_first(k: Waiting) -> None:
    """The invalidation ends, and who waits is told too early."""
    await k.wq.wake_up_all()
    await k.hmm.hmm_invalidate_range_end()


async def hmm_release(k: Waiting) -> None:
    """The process exits: no range is valid any more, and who waits is told."""
    await k.hmm.hmm_release()
    await k.wq.wake_up_all()


BAD: tuple[Property, ...] = ("sleeps_in_atomic", misuse_goes_unnoticed)


def case(
    name: str,
    variant: str,
    title: str,
    states: int,
    wait: Actor,
    end: Actor = hmm_invalidate_range_end,
    exits: bool = False,
    in_atomic: bool = False,
    stuck: bool = False,
    broken: dict[str, Verdict] | None = None,
    **more: Any,
) -> Case:
    """End an invalidation on CPU0 while CPU1 waits for that."""
    actors: dict[str, Actor] = {
        "CPU0": end,
        "CPU1": partial(under_spinlock, wait=wait) if in_atomic else wait,
    }
    if exits:
        actors["CPU2"] = hmm_release
    return Case(
        name=name,
        id=variant,
        title=title,
        world=WaitingInAtomic if in_atomic else Waiting,
        actors=actors,
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        stuck=stuck,
        kind="ordering" if in_atomic else "race",
        **more,
    )


CASES = (
    case(
        "LookThenSleep",
        "HMM-06/06a",
        "looks, then queues up and sleeps: the wake-up comes in between",
        12,
        look_then_sleep,
        stuck=True,
        schedules={"the wake-up is lost": "CPU1 CPU0*2 CPU1"},
    ),
    case(
        "WakeFirst",
        "HMM-06/06c",
        "queues up first, and is woken before there is anything to see",
        19,
        wait_event,
        end=wake_first,
        stuck=True,
        schedules={"woken too early": "CPU0 CPU1*3 CPU0"},
    ),
    case(
        "ShortcutInAtomic",
        "HMM-06/06d",
        "a shortcut before wait_event, as shipped v5.2, under a driver's spinlock",
        30,
        shortcut,
        in_atomic=True,
        shipped=("v5.2", "v5.2"),
        schedules={"nothing to wait for": "CPU0*2 CPU1*3"},
        broken={"sleeps_in_atomic": Verdict.SOMETIMES, "misuse_goes_unnoticed": Verdict.SOMETIMES},
        proposed=RANGES,
    ),
    case(
        "ExitUnseen",
        "HMM-06/06f",
        "as posted in May 2019: does not look for an exit, which may still come",
        90,
        wait_event,
        exits=True,
        stuck=True,
        schedules={"the exit undoes it": "CPU0*2 CPU1 CPU2*2 CPU1*2"},
        proposed=patch(6),
    ),
    case(
        "WaitEventInAtomic",
        "HMM-06/06e (in atomic)",
        "no shortcut, as merged v5.3: the misuse is found out, whenever it happens",
        23,
        wait_event,
        in_atomic=True,
        shipped=("v5.3", "v5.4"),
        broken={"sleeps_in_atomic": Verdict.ALWAYS},
        proposed=patch(6),
    ),
    case(
        "WaitEventOrDead",
        "HMM-06/06b",
        "queues up, looks, sleeps; an exit ends the wait, too",
        120,
        wait_event_or_dead,
        exits=True,
    ),
    case(
        "WaitEvent",
        "HMM-06/06e",
        "no shortcut and no exit to look for: the range is a user, as merged v5.3",
        18,
        wait_event,
        shipped=("v5.3", "v5.4"),
        schedules={"the wake-up comes in between": "CPU1*3 CPU0*2 CPU1*4"},
        proposed=patch(6),
    ),
)

SPARE = {
    "if await k.range.hmm_range_valid() or (or_dead and await k.hmm.read_dead()):": (
        "The invalidation ends and the process exits in every run: either ends the wait."
    ),
}
