"""A CPU that one task keeps, and the work that lru_add_drain_all() needs on every CPU."""

from mmviz.engine import Struct, atomic, current, warn
from mmviz.kernel.sync.locks import might_sleep


class Runqueue(Struct):
    """A CPU of a kernel without preemption: the running task keeps it until it gives it up.

    Attributes:
        curr: the task that runs.
        realtime: that task is a real-time one, so a worker never gets the CPU from it while it can
            run.  Never changes.

    Source: kernel/sched/core.c, __schedule(), __cond_resched().
    """

    curr: str | None = None
    realtime: bool = False

    @atomic("kernel/sched/core.c")
    def schedule_out(self) -> None:
        """Give up the CPU: a worker may run here now."""
        if self.curr != current().name:
            warn("runs_without_cpu", f"{current().name} gives up a CPU that it does not have")
        self.curr = None

    @atomic("kernel/sched/core.c", when=lambda rq: rq.curr is None)
    def schedule_in(self) -> None:
        """Get the CPU again."""
        self.curr = current().name

    @atomic("kernel/sched/core.c")
    def should_resched(self) -> bool:
        """Tell whether another task has the right to run: none has before a real-time task."""
        return not self.realtime

    async def cond_resched(self) -> None:
        """Let other tasks run, if one has the right to."""
        if await self.should_resched():
            await self.schedule_out()
            await self.schedule_in()


class LruAddDrain(Struct):
    """The work item of lru_add_drain_all() on one CPU.

    Attributes:
        cpu: where it must run. Never changes.
        queued: it waits for a worker of that CPU.

    Source: mm/swap.c, __lru_add_drain_all(), lru_add_drain_per_cpu().
    Simplified: the item is done in the step in which the worker takes it.
    """

    cpu: Runqueue
    queued: bool = False

    @atomic("kernel/workqueue.c")
    def queue_work_on(self) -> None:
        """Queue the item for a worker of the CPU."""
        self.queued = True

    @atomic("kernel/workqueue.c", when=lambda drain: not drain.queued)
    def flush_work(self) -> None:
        """Wait until the item has run."""
        might_sleep("flush_work()")

    async def lru_add_drain_all(self) -> None:
        """Queue the item, and wait until it has run."""
        await self.queue_work_on()
        await self.flush_work()

    @atomic("mm/swap.c", when=lambda drain: drain.queued and drain.cpu.curr is None)
    def lru_add_drain_per_cpu(self) -> None:
        """Run the item, on its CPU and nowhere else."""
        self.queued = False
