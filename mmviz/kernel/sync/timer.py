"""Timers: code that runs later, on its own, in an object that may be gone by then."""

from mmviz.engine import Struct, atomic, current


class TimerWheel(Struct):
    """A CPU's timer wheel: a struct timer_base.

    Attributes:
        timers: the pending timers; time is not modelled, so each may expire at any moment.
        running_timer: the timer whose function runs now.
        runner: the actor that runs it.

    Source: kernel/time/timer.c, struct timer_base, expire_timers(), v6.15.
    Simplified: one base; no clock, so a timer expires whenever it is pending.
    """

    timers: "frozenset[TimerList]" = frozenset()
    running_timer: "TimerList | None" = None
    runner: str | None = None

    @atomic(
        "kernel/time/timer.c",
        when=lambda base, timer: timer in base.timers and base.running_timer is None,
    )
    def expire_timers(self, timer: "TimerList") -> None:
        """Take an expired timer off the wheel, and begin its function."""
        timer.detach()
        self.running_timer, self.runner = timer, current().name

    @atomic("kernel/time/timer.c")
    def timer_done(self) -> None:
        """End the timer's function; the timer itself may be freed by now."""
        self.running_timer = self.runner = None


class TimerList(Struct):
    """A struct timer_list; it lies in the object that it works on.

    Attributes:
        base: where it is queued. Never changes.
        function: it has a function; NULL after a shutdown, and then it cannot be armed again.

    Source: kernel/time/timer.c, __mod_timer(), __timer_delete_sync(), v6.15.  timer_delete() and
    timer_delete_sync() were called del_timer() and del_timer_sync() until v6.1; the old names
    stayed as wrappers until v6.14.  timer_shutdown_sync() came in v6.2.
    Simplified: no expiry time; only a timer that was not shut down is ever initialised.
    """

    base: TimerWheel
    function: bool = True

    @property
    def is_pending(self) -> bool:
        """Whether it is on the wheel: timer_pending()."""
        return self in self.base.timers

    def detach(self) -> bool:
        """Take it off the wheel, inside a step; return whether it was there."""
        was = self.function and self.is_pending  # both fields lie in the timer's memory
        self.base.timers -= {self}
        return was

    @atomic("kernel/time/timer.c")
    def mod_timer(self) -> bool:
        """Arm the timer, unless it was shut down; return whether it was pending already."""
        was = self.is_pending
        if self.function:
            self.base.timers |= {self}
        return was

    @atomic("kernel/time/timer.c")
    def timer_delete(self) -> bool:
        """Take the timer off the wheel; its function may be running, and may arm it again."""
        return self.detach()

    @atomic("kernel/time/timer.c", when=lambda timer: timer.base.running_timer is not timer)
    def timer_delete_sync(self) -> bool:
        """Take the timer off the wheel once its function does not run; it may be armed again."""
        return self.detach()

    @atomic("kernel/time/timer.c")
    def timer_shutdown(self) -> bool:
        """Take the timer off the wheel for good; its function may still be running."""
        was = self.detach()
        self.function = False
        return was

    @atomic("kernel/time/timer.c", when=lambda timer: timer.base.running_timer is not timer)
    def timer_shutdown_sync(self) -> bool:
        """Take the timer off the wheel once its function does not run, for good."""
        was = self.detach()
        self.function = False
        return was
