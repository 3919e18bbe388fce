"""Work that another context does, and calls that wait for it."""

from mmviz.engine import Struct, atomic, current
from mmviz.kernel.sync.locks import might_sleep


class Work(Struct):
    """A work_struct.

    Attributes:
        queued: it waits for a worker.
        running: the actor that runs it, None while it does not run.

    Source: kernel/workqueue.c.
    Simplified: each work has a worker of its own.
    """

    queued: bool = False
    running: str | None = None

    @atomic("kernel/workqueue.c")
    def schedule_work(self) -> None:
        """Queue the work for a worker."""
        self.queued = True

    @atomic("kernel/workqueue.c", when=lambda work: work.queued)
    def process_one_work(self) -> None:
        """Take the work off the queue and begin it."""
        self.queued = False
        self.running = current().name

    @atomic("kernel/workqueue.c")
    def work_done(self) -> None:
        """End the work: an actor that flushes it may go on."""
        self.running = None

    @atomic("kernel/workqueue.c", when=lambda work: not work.queued and work.running is None)
    def flush_work(self) -> None:
        """Wait until the work is neither queued nor running."""
        might_sleep("flush_work()")


class DrainWait(Struct):
    """A device that has to finish what it has begun, and the actors that sleep until then.

    Attributes:
        busy: it still has a job.
        waiters: the actors that sleep until it has none.

    Source: a driver's own; include/linux/wait.h.
    """

    busy: bool = True
    waiters: frozenset[str] = frozenset()

    @atomic("kernel/sched/wait.c")
    def prepare_to_wait(self) -> None:
        """Go to sleep until the device is idle."""
        might_sleep("wait_event()")
        self.waiters |= {current().name}

    @atomic("kernel/sched/wait.c", when=lambda device: not device.busy)
    def finish_wait(self) -> None:
        """Wake up: the device is idle."""
        self.waiters -= {current().name}

    @atomic("driver")
    def ask_to_stop(self) -> None:
        """Tell the device to finish, and return at once."""

    @atomic("hardware")
    def drained(self) -> None:
        """Finish the last job."""
        self.busy = False


class PageFaultQueue(Struct):
    """A device's page faults, for all processes, in order.

    Attributes:
        faults: the processes that wait for a page.

    Source: drivers/infiniband/hw/mlx5/odp.c, mlx5_ib_eqe_pf_action().
    """

    faults: tuple[str, ...] = ()

    @atomic("drivers/infiniband/hw/mlx5/odp.c")
    def resolve(self) -> None:
        """Answer the oldest fault."""
        self.faults = self.faults[1:]

    @atomic("hardware", when=lambda queue: not queue.faults)
    def all_resolved(self) -> None:
        """Wait until no fault is left."""
