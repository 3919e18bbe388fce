"""A delayed work is cancelled, and runs nevertheless.

A driver polls its device with a delayed work that queues itself again, and its interrupt handler
asks for an early poll.  When the device is removed, the driver cancels the work and frees its data.
cancel_delayed_work() takes the work off its timer, but one that runs already goes on, in freed
memory.  Waiting for it is not enough, as it queues itself once more; and even the cancel that waits
is too early while the interrupt handler may still queue the work.

Promise: The work does not run on the driver's data after it is freed.

Memory model: sequentially consistent; timers and list of works change under their locks.

Simplified:
    No delays: the work's timer may expire at any moment.
    One interrupt; free_irq() waits until its handler does not run.
    The poll itself is one step.

Sources:
    kernel/workqueue.c cancel_delayed_work(), whose comment says that the work may still run
    kernel/workqueue.c cancel_delayed_work_sync(), flush_delayed_work(), mod_delayed_work_on()
    kernel/irq/manage.c free_irq(): does not return while the handler runs
"""

from typing import Protocol

from mmviz.engine import Race, Struct, World, atomic, current, field
from mmviz.kernel.provenance import constructed, mistake
from mmviz.kernel.sync.refcount import Slab
from mmviz.kernel.sync.workqueue import DelayedWork, WorkerPool, WorkqueueStruct


class IrqDesc(Struct):
    """An interrupt line of the device.

    Attributes:
        requested: a handler is registered.
        running: the actor that runs the handler.

    Source: kernel/irq/manage.c, request_irq(), free_irq(), __synchronize_irq().
    """

    requested: bool = True
    running: str | None = None

    @atomic("kernel/irq/handle.c", when=lambda irq: irq.requested)
    def handle_irq_event(self) -> None:
        """The device interrupts: the handler begins."""
        self.running = current().name

    @atomic("kernel/irq/handle.c")
    def handled(self) -> None:
        """The handler ends."""
        self.running = None

    @atomic("kernel/irq/manage.c", when=lambda irq: irq.running is None)
    def free_irq(self) -> None:
        """Remove the handler once it does not run."""
        self.requested = False


class Poller(Slab):
    """The driver's data.

    Attributes:
        poll: the delayed work.
        level: what the last poll has read.
    """

    poll: DelayedWork = field(default_factory=DelayedWork)
    level: int = 0

    @atomic("driver")
    def read_level(self) -> None:
        """Poll the device."""
        self.level = 1


class Device(World):
    """A device that is polled, with its timer pending."""

    pool: WorkerPool
    wq: WorkqueueStruct
    irq: IrqDesc
    poller: Poller


def machine() -> Device:
    """Build the device, which is about to be polled."""
    pool, poller = WorkerPool(), Poller()
    poller.poll.pending = True
    pool.timers = frozenset({poller.poll})
    return Device(pool, WorkqueueStruct(pool=pool), IrqDesc(), poller)


class Removal(Protocol):
    """How the driver stops the work."""

    async def stop(self, k: Device) -> None: ...


async def remove(k: Device, removal: Removal) -> None:
    """The device is removed: stop what runs, and free the data."""
    await removal.stop(k)
    await k.poller.kfree()


async def timers(k: Device) -> None:
    """The work's timer expires."""
    while True:
        await k.pool.delayed_work_timer_fn(k.poller.poll)


async def kworker(k: Device) -> None:
    """The work: poll, and queue itself for the next time."""
    while True:
        await k.pool.process_one_work(k.poller.poll)
        await k.poller.read_level()
        await k.wq.queue_delayed_work(k.poller.poll)
        await k.pool.work_done()


async def interrupt(k: Device) -> None:
    """The device interrupts once: poll early."""
    await k.irq.handle_irq_event()
    await k.wq.mod_delayed_work(k.poller.poll)
    await k.irq.handled()


# One removal against the timer, the work and one interrupt.
race = Race(
    world=machine,
    actors={"CPU0": remove, "timers": timers, "kworker": kworker, "IRQ": interrupt},
    daemons=("timers", "kworker", "IRQ"),
    bad=("use_after_free",),
)


@race.case(
    "T2/a",
    "free the interrupt, cancel the work without waiting",
    sometimes=["use_after_free"],
    source=mistake("kernel/workqueue.c cancel_delayed_work()"),
    states=124,
)
class Cancel:
    """A work that runs already is not stopped."""

    async def stop(self, k: Device) -> None:
        await k.irq.free_irq()
        await k.wq.cancel_delayed_work(k.poller.poll)


@race.case(
    "T2/b",
    "tempting: wait until the work has run",
    sometimes=["use_after_free"],
    source=constructed("a work that queues itself is queued again when the flush returns"),
    states=125,
)
class Flush:
    """The work that is waited for queues itself again."""

    async def stop(self, k: Device) -> None:
        await k.irq.free_irq()
        await k.wq.flush_delayed_work(k.poller.poll)


@race.case(
    "T2/c",
    "tempting: cancel the work and wait, then free the interrupt",
    sometimes=["use_after_free"],
    source=constructed("what still queues the work is stopped before the work"),
    states=108,
)
class CancelSyncFirst:
    """The interrupt queues the work after the cancel."""

    async def stop(self, k: Device) -> None:
        await k.wq.cancel_delayed_work_sync(k.poller.poll)
        await k.irq.free_irq()


@race.case(
    "T2/d",
    "free the interrupt, then cancel the work and wait",
    source=constructed("the order and the function that kernel/workqueue.c asks for"),
    states=80,
)
class FreeIrqThenCancelSync:
    """Nothing else queues the work any more, and the work cannot queue itself again."""

    async def stop(self, k: Device) -> None:
        await k.irq.free_irq()
        await k.wq.cancel_delayed_work_sync(k.poller.poll)
