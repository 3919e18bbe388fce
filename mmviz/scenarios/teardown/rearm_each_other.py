"""A timer queues a work, and the work arms the timer.

A Bluetooth driver closes its device: it stops the timer, destroys the workqueue and frees its data,
in which both the timer and the work lie.  The timer's function queues the work, and the work arms
the timer.  If the timer is stopped first, a work that is still queued arms it again, and it expires
in freed memory.  If the workqueue is destroyed first, the timer expires and queues a work on what
is no longer there.  Stopping one of them twice does not help either.  Only a timer that cannot be
armed any more breaks the circle.

Promise: Neither timer nor work runs on the driver's data after it is freed.

Memory model: sequentially consistent; the wheel and the list of works change under their locks.

Simplified:
    One timer and one work; hci_qca has two timers and four works.
    Time is not modelled: a pending timer may expire at any moment.
    destroy_workqueue() waits until nothing is queued or runs; the kernel also refuses, with a
    warning, what is queued meanwhile.
    Opening the device is left out: the timer is pending at the start.
    A WARN() that a shutdown timer is armed again stands for the kernel's message.

Sources:
    <20220407161745.7d6754b3@gandalf.local.home> Rostedt's report and first proposal
    <875yfitpdu.ffs@tglx> Gleixner reviews v6: arming a shutdown timer warns in legal use
    <87iljhsftt.ffs@tglx> Gleixner: both orders of hci_qca's teardown are broken
    <20221123201306.823305113@linutronix.de> the series that was merged, v3
    drivers/bluetooth/hci_qca.c qca_close(), hci_ibs_wake_retrans_timeout(), qca_wq_awake_device()
    72ef98445aca (v5.19) destroys the workqueue first (CVE-2022-49555)
    kernel/time/timer.c timer_shutdown_sync(), whose comment describes the circle
"""

from typing import Protocol

from mmviz.engine import Race, World, atomic, field, warn
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.refcount import Slab
from mmviz.kernel.sync.timer import TimerList, TimerWheel
from mmviz.kernel.sync.workqueue import WorkerPool, WorkqueueStruct, WorkStruct
from mmviz.scenarios.teardown import BOTH_ORDERS_BROKEN, CHECKED, TIMER_SHUTDOWN, WARN_ON_REARM


class WarningTimer(TimerList):
    """A timer that reports an attempt to arm it after its shutdown.

    Source: <20221110064147.343514404@goodmis.org>, mod_timer() with WARN_ON_ONCE().
    """

    @atomic("kernel/time/timer.c")
    def mod_timer(self) -> bool:
        """Arm the timer; after a shutdown, warn instead."""
        if not self.function:
            warn("warns_of_legal_use", f"{self.name} is armed after its shutdown")
        return super().mod_timer().do()


class QcaData(Slab):
    """The driver's data, with a timer and a work inside.

    Attributes:
        wake_retrans_timer: queues the work when it expires.
        ws_awake_device: arms the timer when it runs.

    Source: drivers/bluetooth/hci_qca.c, struct qca_data.
    """

    wake_retrans_timer: TimerList = field(embedded=True, kw_only=True)
    ws_awake_device: WorkStruct = field(default_factory=WorkStruct)


class Driver(World):
    """An open device whose timer is pending."""

    base: TimerWheel
    pool: WorkerPool
    workqueue: WorkqueueStruct
    qca: QcaData


def machine(timer: type[TimerList] = TimerList) -> Driver:
    """Build the open device."""
    base, pool = TimerWheel(), WorkerPool()
    wake = timer(base)
    base.timers = frozenset({wake})
    return Driver(
        base=base,
        pool=pool,
        workqueue=WorkqueueStruct(pool=pool),
        qca=QcaData(wake_retrans_timer=wake),
    )


def warning_machine() -> Driver:
    """Build the open device with a timer that warns."""
    return machine(WarningTimer)


class Teardown(Protocol):
    """How the driver stops its timer and its work."""

    async def stop(self, k: Driver) -> None: ...


async def qca_close(k: Driver, teardown: Teardown) -> None:
    """The device is closed: stop what runs, and free the data."""
    await teardown.stop(k)
    await k.qca.kfree()


async def timers(k: Driver) -> None:
    """The timer expires: hci_ibs_wake_retrans_timeout() queues the work."""
    while True:
        await k.base.expire_timers(k.qca.wake_retrans_timer)
        await k.workqueue.queue_work(k.qca.ws_awake_device)
        await k.base.timer_done()


async def kworker(k: Driver) -> None:
    """The work runs: qca_wq_awake_device() arms the timer."""
    while True:
        await k.pool.process_one_work(k.qca.ws_awake_device)
        await k.qca.wake_retrans_timer.mod_timer()
        await k.pool.work_done()


# One close against the timer and the work.
race = Race(
    world=machine,
    actors={"CPU0": qca_close, "timers": timers, "kworker": kworker},
    daemons=("timers", "kworker"),
    bad=("use_after_free", "warns_of_legal_use"),
)


@race.case(
    "T1/a",
    "as shipped until v5.18: del_timer() does not wait, then destroy the workqueue",
    sometimes=["use_after_free"],
    source=shipped("v4.3", "v5.18", "0ff252c1976d"),
    states=41,
)
class DeleteThenDestroy:
    """Take the timer off the wheel, and destroy the workqueue."""

    async def stop(self, k: Driver) -> None:
        await k.qca.wake_retrans_timer.timer_delete()
        await k.workqueue.destroy_workqueue()


@race.case(
    "T1/b",
    "tempting: wait for the timer's function, then destroy the workqueue",
    sometimes=["use_after_free"],
    source=constructed("the missing _sync is not the whole bug: a queued work arms the timer"),
    states=37,
)
class DeleteSyncThenDestroy:
    """Wait for the timer's function; a work that it has queued arms the timer again."""

    async def stop(self, k: Driver) -> None:
        await k.qca.wake_retrans_timer.timer_delete_sync()
        await k.workqueue.destroy_workqueue()


@race.case(
    "T1/c",
    "as shipped v5.19 to v6.1: destroy the workqueue, then wait for the timer",
    sometimes=["use_after_free"],
    source=shipped("v5.19", "v6.1", "72ef98445aca", said=BOTH_ORDERS_BROKEN),
    states=18,
)
class DestroyThenDeleteSync:
    """The work cannot arm the timer any more, but the timer still queues the work."""

    async def stop(self, k: Driver) -> None:
        await k.workqueue.destroy_workqueue()
        await k.qca.wake_retrans_timer.timer_delete_sync()


@race.case(
    "T1/d",
    "tempting: stop the timer, cancel the work, stop the timer again",
    sometimes=["use_after_free"],
    source=constructed("stopping twice: between cancel and delete the timer queues the work"),
    states=76,
)
class DeleteTwice:
    """After the second delete the work may be queued once more."""

    async def stop(self, k: Driver) -> None:
        await k.qca.wake_retrans_timer.timer_delete_sync()
        await k.workqueue.cancel_work_sync(k.qca.ws_awake_device)
        await k.qca.wake_retrans_timer.timer_delete_sync()


@race.case(
    "T1/e",
    "as proposed in v6: a shutdown after which arming the timer is a warning",
    world=warning_machine,
    sometimes=["warns_of_legal_use"],
    source=WARN_ON_REARM,
    states=23,
)
class ShutdownWithWarning:
    """Correct, and every close may print a warning about a work that does nothing wrong."""

    async def stop(self, k: Driver) -> None:
        await k.qca.wake_retrans_timer.timer_shutdown_sync()
        await k.workqueue.destroy_workqueue()


@race.case(
    "T1/f",
    "tempting: a shutdown that does not wait for the timer's function",
    sometimes=["use_after_free"],
    source=constructed("timer_shutdown() leaves a function that may be running"),
    states=32,
)
class ShutdownWithoutWaiting:
    """The timer's function may still be running, and queues the work on what is gone."""

    async def stop(self, k: Driver) -> None:
        await k.qca.wake_retrans_timer.timer_shutdown()
        await k.workqueue.destroy_workqueue()


@race.case(
    "T1/g",
    "as merged in v6.2: shut the timer down, then destroy the workqueue",
    source=shipped("v6.2", said=TIMER_SHUTDOWN, checked=CHECKED),
    states=19,
)
class ShutdownThenDestroy:
    """The last work runs, and its attempt to arm the timer is ignored."""

    async def stop(self, k: Driver) -> None:
        await k.qca.wake_retrans_timer.timer_shutdown_sync()
        await k.workqueue.destroy_workqueue()
