"""The kernel's taint: the visible mark of a reported misuse."""

from mmviz.engine import Struct, atomic, current, warn
from mmviz.kernel.sync.locks import RwSemaphore, in_atomic, might_sleep


class Taint(Struct):
    """The kernel's taint, a visible mark that a complaint leaves behind.

    Attributes:
        warned: TAINT_WARN: a warning has been printed.

    Source: kernel/panic.c, add_taint(); /proc/sys/kernel/tainted.
    """

    warned: bool = False

    @atomic("kernel/sched/core.c")
    def might_sleep(self, function: str) -> None:
        """Complain where sleeping is forbidden, even if nothing would sleep."""
        self.warned |= in_atomic()
        might_sleep(function)

    @atomic("include/linux/lockdep.h")
    def lockdep_assert_held_write(self, sem: RwSemaphore) -> None:
        """Complain unless the semaphore is held for writing."""
        if sem.writer != current().name:
            self.warned = True
            warn("lockdep_complains", f"{current().name} does not hold {sem.name} for writing")
