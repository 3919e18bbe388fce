"""Whether the kernel has complained: what makes a misuse visible."""

from mmviz.engine import Struct, atomic, current, warn
from mmviz.kernel.locks import RwSemaphore, in_atomic, might_sleep


class Taint(Struct):
    """The kernel's taint, which a complaint leaves behind for everybody to see.

    Attributes:
        warned: TAINT_WARN: something has complained.

    Source: kernel/panic.c, add_taint(); /proc/sys/kernel/tainted.
    """

    warned: bool = False

    @atomic("kernel/sched/core.c")
    def might_sleep(self, function: str) -> None:
        """Complain where sleeping is forbidden, whether or not anything would sleep."""
        self.warned |= in_atomic()
        might_sleep(function)

    @atomic("include/linux/lockdep.h")
    def lockdep_assert_held_write(self, sem: RwSemaphore) -> None:
        """Complain unless the semaphore is held for writing."""
        if sem.writer != current().name:
            self.warned = True
            warn("lockdep_complains", f"{current().name} does not hold {sem.name} for writing")
