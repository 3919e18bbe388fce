"""Read sections and grace periods: RCU and its sleepable kind."""

from typing import ClassVar

from mmviz.engine import Allocated, Oops, Struct, atomic, current
from mmviz.kernel.sync.locks import enter, leave, might_sleep


class Srcu(Struct):
    """A srcu_struct: readers may sleep; a grace period waits for the readers inside at its start.

    Attributes:
        readers: actors inside a read section.
        awaited: (waiter, reader) for each reader that a grace period waits for.

    Source: kernel/rcu/srcutree.c.
    Simplified: an actor is in at most one section at a time; a grace period begins in one
    step and ends in another, and waits only for the readers that were inside when it began.
    """

    forbids_sleep: ClassVar[bool] = False
    readers: frozenset[str] = frozenset()
    awaited: frozenset[tuple[str, str]] = frozenset()

    @atomic("include/linux/srcu.h")
    def srcu_read_lock(self) -> None:
        """Enter a read section: what is found in it is not freed until the section ends."""
        self._enter()

    @atomic("include/linux/srcu.h")
    def srcu_read_unlock(self) -> None:
        """Leave the read section."""
        self._leave("srcu_read_unlock()")

    @atomic("kernel/rcu/srcutree.c")
    def start_poll_synchronize_srcu(self) -> None:
        """Begin a grace period: record which readers are inside now."""
        self.begin(current().name)

    @atomic("kernel/rcu/srcutree.c", when=lambda srcu: not srcu.is_awaiting(current().name))
    def synchronize_srcu(self) -> None:
        """End the grace period once every reader recorded at its beginning has left."""
        might_sleep("synchronize_srcu()")

    def begin(self, waiter: str) -> None:
        """Record for `waiter` which readers are inside now, inside a step."""
        self.awaited |= {(waiter, reader) for reader in self.readers}

    def is_awaiting(self, waiter: str) -> bool:
        """Return whether a reader recorded for `waiter` is still inside."""
        return any((waiter, reader) in self.awaited for reader in self.readers)

    def _enter(self) -> None:
        self.readers |= {current().name}
        enter(self)

    def _leave(self, function: str) -> None:
        leave(self, function)
        name = current().name
        self.readers -= {name}
        self.awaited = frozenset(pair for pair in self.awaited if pair[1] != name)


class Rcu(Srcu):
    """Plain RCU: a reader must not sleep.

    Source: include/linux/rcupdate.h.
    Simplified: as `Srcu`.
    """

    forbids_sleep: ClassVar[bool] = True

    @atomic("include/linux/rcupdate.h")
    def rcu_read_lock(self) -> None:
        """Enter a read section; sleeping is forbidden in it."""
        self._enter()

    @atomic("include/linux/rcupdate.h")
    def rcu_read_unlock(self) -> None:
        """Leave the read section."""
        self._leave("rcu_read_unlock()")

    @atomic("kernel/rcu/tree.c")
    def start_poll_synchronize_rcu(self) -> None:
        """Begin a grace period: record which readers are inside now."""
        self.begin(current().name)

    @atomic("kernel/rcu/tree.c", when=lambda rcu: not rcu.is_awaiting(current().name))
    def synchronize_rcu(self) -> None:
        """End the grace period once every reader recorded at its beginning has left."""
        might_sleep("synchronize_rcu()")


class SrcuCallbacks(Srcu):
    """SRCU with call_srcu(): an object is freed after a grace period.

    Attributes:
        callbacks: the objects to free, in the order they were handed over.

    Source: kernel/rcu/srcutree.c, call_srcu() and srcu_invoke_callbacks().
    Simplified: callbacks run when the readers recorded for any of them have left; where they only
    free an object, srcu_invoke_callbacks() runs all of them in one step.
    """

    callbacks: tuple[Allocated, ...] = ()

    @atomic("kernel/rcu/srcutree.c")
    def call_srcu(self, obj: Allocated) -> None:
        """Hand an object over to be freed after a grace period, and return at once."""
        if obj.freed:  # the queued rcu_head is inside it
            raise Oops("use_after_free", f"queues {obj.name}, but {obj.name} was freed")
        self.begin("call_srcu")
        self.callbacks = (*self.callbacks, obj)

    @atomic(
        "kernel/rcu/srcutree.c",
        when=lambda srcu: bool(srcu.callbacks) and not srcu.is_awaiting("call_srcu"),
    )
    def srcu_invoke_callbacks(self) -> None:
        """Free the objects handed over, once every reader recorded at that time has left."""
        for obj in self.callbacks:
            obj.free()
        self.callbacks = ()

    @atomic(
        "kernel/rcu/rcu_segcblist.c",
        when=lambda srcu: bool(srcu.callbacks) and not srcu.is_awaiting("call_srcu"),
    )
    def rcu_cblist_dequeue(self) -> Allocated:
        """Take the oldest object handed over, once every reader recorded at that time has left."""
        oldest, *later = self.callbacks
        self.callbacks = tuple(later)
        return oldest


class RcuSynchronize(Allocated):
    """What synchronize_srcu() has on its stack: its callback, and the completion it waits for.

    Attributes:
        done: the callback has run.

    Source: kernel/rcu/srcutree.c, __synchronize_srcu(); kernel/rcu/update.c.
    Simplified: the completion inside is a flag.
    """

    done: bool = False

    @atomic("kernel/rcu/update.c")
    def wakeme_after_rcu(self) -> None:
        """Wake the waiter: its grace period is over."""
        self.done = True

    @atomic("kernel/sched/completion.c", when=lambda rcu: rcu.done)
    def wait_for_completion(self) -> None:
        """Sleep until the grace period is over and all earlier callbacks have run."""
        might_sleep("wait_for_completion()")
