"""Work that another context does, and calls that wait for it."""

from mmviz.engine import Allocated, Struct, atomic, current, field
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


class WorkStruct(Struct):
    """A struct work_struct that lies in the object it works on.

    Attributes:
        pending: WORK_STRUCT_PENDING: it is queued, or its timer is.

    Source: include/linux/workqueue.h; kernel/workqueue.c, v6.15.
    Simplified: as WorkerPool.
    """

    pending: bool = False


class DelayedWork(WorkStruct):
    """A struct delayed_work: a timer queues the work.

    Source: include/linux/workqueue.h.
    Simplified: as WorkerPool.
    """


class WorkerPool(Struct):
    """The workers of a pool, which outlive every work.

    Attributes:
        worklist: the works that wait for a worker.
        timers: the delayed works whose timer is pending.
        current_work: the work that runs now.
        worker: the actor that runs it.

    Source: kernel/workqueue.c, struct worker_pool, process_one_work(), v6.15.
    Simplified: one worker, so works do not run at the same time; no delays, so a delayed work's
    timer expires whenever it is pending.
    """

    worklist: frozenset[WorkStruct] = frozenset()
    timers: frozenset[DelayedWork] = frozenset()
    current_work: WorkStruct | None = None
    worker: str | None = None

    @atomic(
        "kernel/workqueue.c",
        when=lambda pool, work: work in pool.worklist and pool.current_work is None,
    )
    def process_one_work(self, work: WorkStruct) -> None:
        """Take the work off the list and begin it; from here on it can be queued again."""
        self.worklist -= {work}
        work.pending = False
        self.current_work, self.worker = work, current().name

    @atomic("kernel/workqueue.c")
    def work_done(self) -> None:
        """End the work; the work itself may be freed by now."""
        self.current_work = self.worker = None

    @atomic("kernel/workqueue.c", when=lambda pool, work: work in pool.timers)
    def delayed_work_timer_fn(self, work: DelayedWork) -> None:
        """The timer of a delayed work expires: queue the work."""
        assert work.pending
        self.timers -= {work}
        self.worklist |= {work}

    def is_busy(self, work: WorkStruct) -> bool:
        """Return whether a worker has the work, or will have it soon."""
        return work in self.worklist or self.current_work is work

    def grab(self, work: WorkStruct) -> bool:
        """Take the work off the list or its timer, inside a step; return whether it was pending."""
        was = work.pending
        work.pending = False
        self.worklist -= {work}
        self.timers -= {work}
        return was


class WorkqueueStruct(Allocated):
    """A struct workqueue_struct, as far as its users see it.

    Attributes:
        pool: its workers. Never changes.

    Source: kernel/workqueue.c, queue_work_on(), queue_delayed_work_on(), mod_delayed_work_on(),
    cancel_delayed_work(), __cancel_work_sync(), flush_delayed_work(), destroy_workqueue(), v6.15.
    Simplified: as WorkerPool.  A work that is queued while a cancel waits is cancelled too; the
    kernel refuses it.  destroy_workqueue() waits until nothing is queued or runs, and frees; the
    kernel refuses, with a warning, what other code queues meanwhile.
    """

    pool: WorkerPool = field(kw_only=True)

    @atomic("kernel/workqueue.c")
    def queue_work(self, work: WorkStruct) -> bool:
        """Queue the work unless it is pending; return whether it was queued."""
        pool = self.pool
        if work.pending:
            return False
        work.pending = True
        pool.worklist |= {work}
        return True

    @atomic("kernel/workqueue.c")
    def queue_delayed_work(self, work: DelayedWork) -> bool:
        """Arm the work's timer unless the work is pending; return whether it was armed."""
        pool = self.pool
        if work.pending:
            return False
        work.pending = True
        pool.timers |= {work}
        return True

    @atomic("kernel/workqueue.c")
    def mod_delayed_work(self, work: DelayedWork) -> bool:
        """Arm the work's timer anew, even if the work is pending; return whether it was."""
        pool = self.pool
        was = pool.grab(work)
        work.pending = True
        pool.timers |= {work}
        return was

    @atomic("kernel/workqueue.c")
    def cancel_delayed_work(self, work: DelayedWork) -> bool:
        """Take the work off its timer or list; it may be running, and may queue itself again."""
        return self.pool.grab(work)

    @atomic("kernel/workqueue.c", when=lambda wq, work: wq.pool.current_work is not work)
    def cancel_work_sync(self, work: WorkStruct) -> bool:
        """Take the work off the list once it does not run; return whether it was pending."""
        might_sleep("cancel_work_sync()")
        return self.pool.grab(work)

    @atomic("kernel/workqueue.c", when=lambda wq, work: wq.pool.current_work is not work)
    def cancel_delayed_work_sync(self, work: DelayedWork) -> bool:
        """Take the work off its timer or list once it does not run; return whether it was pending.

        A work that queues itself again is cancelled too.
        """
        might_sleep("cancel_delayed_work_sync()")
        return self.pool.grab(work)

    @atomic("kernel/workqueue.c")
    def expedite(self, work: DelayedWork) -> None:
        """The first half of flush_delayed_work(): a work that waits for its timer is queued now."""
        pool = self.pool
        if work in pool.timers:
            pool.timers -= {work}
            pool.worklist |= {work}

    @atomic("kernel/workqueue.c", when=lambda wq, work: not wq.pool.is_busy(work))
    def wait_for_work(self, work: WorkStruct) -> None:
        """Wait until the work is neither queued nor running, as flush_work() does."""
        might_sleep("flush_work()")
        assert work.name

    async def flush_delayed_work(self, work: DelayedWork) -> None:
        """Queue the work now if its timer is pending, and wait until it has run."""
        await self.expedite(work)
        await self.wait_for_work(work)

    @atomic(
        "kernel/workqueue.c",
        when=lambda wq: not wq.pool.worklist and wq.pool.current_work is None,
    )
    def destroy_workqueue(self) -> None:
        """Wait until no work is queued or running, and free the workqueue."""
        might_sleep("destroy_workqueue()")
        self.free()


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
