"""A wait queue, step by step: queue up, check the condition, sleep; and completions."""

from collections.abc import Callable

from mmviz.engine import Step, Struct, atomic, current
from mmviz.engine.choose import ask, decided, hear
from mmviz.kernel.sync.locks import might_sleep


class WaitQueueHead(Struct):
    """A wait_queue_head_t, and the actors that a wake-up would wake.

    Attributes:
        waiters: the actors that are queued and would sleep; a wake-up makes them runnable.

    Source: kernel/sched/wait.c, prepare_to_wait_event(), finish_wait().
    Simplified: a task that is woken leaves the queue at once; a timeout may end a sleep at any
    moment, and only where the case has the `environment` among its actors.
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

    @atomic(
        "kernel/time/sleep_timeout.c",
        when=lambda queue: current().name not in queue.waiters or decided(),
    )
    def schedule_timeout_ends(self) -> bool:
        """Go on after a wake-up, or because the time is over; return whether it was a wake-up."""
        woken = current().name not in self.waiters
        hear()
        return woken

    async def schedule_timeout(self) -> bool:
        """Sleep until a wake-up, or until the environment decides that the time is over.

        Returns:
            Whether there was a wake-up.

        Source: kernel/time/sleep_timeout.c (kernel/time/timer.c until v6.12), schedule_timeout().
        """
        await ask("the sleep times out")
        # redundant in WaitEventTimeout: a sleep that does not begin is one whose time is over
        return await self.schedule_timeout_ends()

    async def wait_event_timeout(self, condition: Callable[[], Step[bool]]) -> bool:
        """Sleep until a condition holds or the time is over; return whether it holds.

        Args:
            condition: describes the step that evaluates it.

        Source: include/linux/wait.h, ___wait_event(), ___wait_cond_timeout().
        Simplified: one sleep; the kernel goes back to sleep for the rest of the time when it is
        woken and the condition does not hold.
        """
        # redundant in WaitEventTimeout: a wake-up that is missed costs the rest of the time
        await self.prepare_to_wait()
        # redundant in WaitEventTimeout: what the condition says is not judged
        if not await condition():
            await self.schedule_timeout()
        # redundant in WaitEventTimeout: nothing looks at the queue after that
        await self.finish_wait()
        # redundant in WaitEventTimeout: what the condition says is not judged
        return await condition()


class Completion(Struct):
    """A struct completion; it lies in the object whose end it reports.

    Attributes:
        done: how many waiters may go on.

    Source: kernel/sched/completion.c, v6.15.
    Simplified: no complete_all(); a timeout may end a wait at any moment.
    """

    done: int = 0

    @atomic("kernel/sched/completion.c")
    def complete(self) -> None:
        """Let one waiter go on."""
        self.done += 1

    @atomic("kernel/sched/completion.c", when=lambda completion: completion.done > 0)
    def wait_for_completion(self) -> None:
        """Sleep until complete() was called once for this waiter."""
        might_sleep("wait_for_completion()")
        self.done -= 1

    @atomic("kernel/sched/completion.c")
    def try_wait_for_completion(self) -> bool:
        """Take a completion if there is one; return whether there was."""
        if not self.done:
            return False
        self.done -= 1
        return True

    @atomic("kernel/sched/completion.c")
    def completion_done(self) -> bool:
        """Return whether complete() was called and no waiter has taken it: not who still waits."""
        return self.done > 0

    @atomic("kernel/sched/completion.c", when=lambda completion: completion.done > 0 or decided())
    def wait_ends(self) -> bool:
        """Go on after complete(), or because the time is over; return whether it was complete()."""
        hear()
        if not self.done:
            return False
        self.done -= 1
        return True

    async def wait_for_completion_timeout(self) -> bool:
        """Sleep until complete(), or until the environment decides that the time is over.

        Returns:
            Whether complete() was called.
        """
        await ask("the wait times out")
        return await self.wait_ends()
