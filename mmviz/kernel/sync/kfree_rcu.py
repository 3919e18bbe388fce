"""Memory that is freed after its readers have left, and modules that may be unloaded first."""

from mmviz.engine import Allocated, Oops, Struct, atomic, field
from mmviz.kernel.sync.rcu import Rcu, SrcuCallbacks


class KfreeRcu(Rcu, SrcuCallbacks):
    """Plain RCU with kfree_rcu(): an object is freed after a grace period.

    Source: include/linux/rcupdate.h, kfree_rcu().
    Simplified: as SrcuCallbacks.
    """

    @atomic("include/linux/rcupdate.h")
    def kfree_rcu(self, obj: Allocated) -> None:
        """Hand an object over to be freed after a grace period, and return at once."""
        self.call_srcu(obj).do()

    @atomic("kernel/rcu/tree.c")
    def rcu_do_batch(self) -> None:
        """Free the objects handed over, once every reader recorded at that time has left."""
        self.srcu_invoke_callbacks().do()


class Module(Struct):
    """A driver that is a module: its code may be unloaded.

    Attributes:
        loaded: its text is mapped.

    Source: kernel/module/main.c.
    """

    loaded: bool = True

    @atomic("kernel/module/main.c")
    def free_module(self) -> None:
        """Unmap the module's code: a later call finds nothing there."""
        self.loaded = False

    def call(self, function: str) -> None:
        """Run a function of the module, inside a step."""
        if not self.loaded:
            raise Oops("calls_unloaded_code", f"{function}() is called, but its module is gone")

    @atomic("driver")
    def release(self) -> None:
        """Tell the driver that the process exits: the module's code runs."""
        self.call("release")


class NotifierSrcu(SrcuCallbacks):
    """The SRCU of mmu notifiers: the driver's free_notifier() frees what was put.

    Attributes:
        module: the driver. Never changes.

    Source: mm/mmu_notifier.c, mmu_notifier_free_rcu(), mmu_notifier_synchronize().
    """

    module: Module = field(kw_only=True)

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_free_rcu(self) -> None:
        """Call free_notifier() for what was put, once every recorded reader has left."""
        self.srcu_invoke_callbacks().do()
        self.module.call("free_notifier")

    @atomic("kernel/rcu/srcutree.c", when=lambda srcu: not srcu.callbacks)
    def srcu_barrier(self) -> None:
        """Wait until every callback that was queued has run."""


class InOrderSrcu(NotifierSrcu):
    """A NotifierSrcu whose grace period ends only after the callbacks queued before it have run.

    Source: kernel/rcu/srcutree.c, while SRCU is small (since 994f706872e6, v5.19): all callbacks
    are on one CPU's list and run in order; Documentation/RCU does not promise it.
    Simplified: its guard replaces the wait for the caller's own readers.
    """

    @atomic(
        "kernel/rcu/srcutree.c",
        when=lambda srcu: not srcu.callbacks,
    )
    def synchronize_srcu(self) -> None:
        """End the grace period once the callbacks queued before it have run."""
        super().synchronize_srcu().do()
