"""A wait queue, step by step: queue up, check the condition, sleep."""

from mmviz.engine import Struct, atomic, current


class WaitQueueHead(Struct):
    """A wait_queue_head_t, and the actors that a wake-up would wake.

    Attributes:
        waiters: the actors that are queued and would sleep; a wake-up makes them runnable.

    Source: kernel/sched/wait.c, prepare_to_wait_event(), finish_wait().
    Simplified: a task that is woken leaves the queue at once; no timeouts.
    """

    waiters: frozenset[str] = frozenset()

    @atomic("kernel/sched/wait.c")
    def prepare_to_wait(self) -> None:
        """Queue up, and set the task to sleep when it next schedules."""
        self.waiters |= {current().name}

    @atomic("kernel/sched/core.c", when=lambda queue: current().name not in queue.waiters)
    def schedule(self) -> None:
        """Sleep until a wake-up; return at once if there has been one since queueing up."""

    @atomic("kernel/sched/wait.c")
    def finish_wait(self) -> None:
        """Leave the queue, awake."""
        self.waiters -= {current().name}

    @atomic("kernel/sched/wait.c")
    def wake_up_all(self) -> None:
        """Wake every actor that is queued now."""
        self.waiters = frozenset()
