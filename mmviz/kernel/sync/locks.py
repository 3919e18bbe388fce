"""Locks, and the contexts in which sleeping is forbidden."""

from typing import ClassVar

from mmviz.engine import Struct, atomic, current, warn


def enter(section: Struct) -> None:
    """Record that the acting task is in a lock or read section."""
    task = current()
    task.held = (*task.held, section)


def leave(section: Struct, function: str, this_way: bool = True) -> None:
    """Record that the acting task has left a section; complain if it was not in it.

    Args:
        section: a lock or read section.
        function: what leaves it.
        this_way: the task entered it in the way that `function` leaves.
    """
    task = current()
    held = list(task.held)
    if section not in held or not this_way:
        how = "" if section not in held else " in this way"
        warn("unlock_not_owner", f"{function}: {task.name} does not hold {section.name}{how}")
        return
    held.reverse()
    held.remove(section)
    task.held = tuple(reversed(held))


def in_atomic() -> bool:
    """Return whether the acting task is in a section that forbids sleeping."""
    return any(getattr(type(section), "forbids_sleep", False) for section in current().held)


def might_sleep(function: str) -> None:
    """Complain when a function that may sleep is called where sleeping is forbidden.

    Source: kernel/sched/core.c, __might_sleep(): it complains even if nothing would sleep.
    """
    if in_atomic():
        holds = ", ".join(
            section.name
            for section in current().held
            if getattr(type(section), "forbids_sleep", False)
        )
        warn("sleeps_in_atomic", f"{current().name} calls {function} while it holds {holds}")


class OwnedLock(Struct):
    """A lock that one actor holds at a time.

    Attributes:
        owner: the actor that holds it.
    """

    owner: str | None = None

    def take(self) -> bool:
        """Take the lock if it is free, inside a step; return whether it was."""
        if self.owner is not None:
            return False
        self.owner = current().name
        enter(self)
        return True

    def drop(self, function: str) -> None:
        """Drop the lock, inside a step."""
        leave(self, function)
        self.owner = None


class SpinLock(OwnedLock):
    """A spinlock; its holder must not sleep.

    Source: include/linux/spinlock.h.
    Simplified: a waiter blocks and does not spin; no interrupts.
    """

    forbids_sleep: ClassVar[bool] = True

    @atomic("include/linux/spinlock.h", when=lambda lock: lock.owner is None)
    def spin_lock(self) -> None:
        """Take the spinlock; sleeping is forbidden until it is dropped."""
        self.take()

    @atomic("include/linux/spinlock.h")
    def spin_trylock(self) -> bool:
        """Take the spinlock if it is free; return whether it was."""
        return self.take()

    @atomic("include/linux/spinlock.h")
    def spin_unlock(self) -> None:
        """Drop the spinlock."""
        self.drop("spin_unlock()")


class Mutex(OwnedLock):
    """A sleeping lock.

    Source: kernel/locking/mutex.c.
    Simplified: no queue; any waiter may get it next.
    """

    @atomic("kernel/locking/mutex.c", when=lambda lock: lock.owner is None)
    def mutex_lock(self) -> None:
        """Take the mutex, sleeping while another actor holds it."""
        might_sleep("mutex_lock()")
        self.take()

    @atomic("kernel/locking/mutex.c")
    def mutex_trylock(self) -> bool:
        """Take the mutex if it is free; return whether it was."""
        return self.take()

    @atomic("kernel/locking/mutex.c")
    def mutex_unlock(self) -> None:
        """Drop the mutex."""
        self.drop("mutex_unlock()")


class RwSemaphore(Struct):
    """A sleeping lock for many readers or one writer, such as mmap_lock.

    Attributes:
        writer: the actor that holds it for writing.
        readers: the actors that hold it for reading.

    Source: kernel/locking/rwsem.c.
    Simplified: a waiting writer does not keep new readers out.
    """

    writer: str | None = None
    readers: frozenset[str] = frozenset()

    @atomic("kernel/locking/rwsem.c", when=lambda lock: lock.writer is None)
    def down_read(self) -> None:
        """Take the lock for reading."""
        might_sleep("down_read()")
        self.readers |= {current().name}
        enter(self)

    @atomic("kernel/locking/rwsem.c")
    def down_read_trylock(self) -> bool:
        """Take the lock for reading unless a writer holds it; return whether it was taken."""
        if self.writer is not None:
            return False
        self.readers |= {current().name}
        enter(self)
        return True

    @atomic("kernel/locking/rwsem.c")
    def up_read(self) -> None:
        """Drop the lock taken for reading."""
        leave(self, "up_read()", current().name in self.readers)
        self.readers -= {current().name}

    @atomic("kernel/locking/rwsem.c", when=lambda lock: lock.writer is None and not lock.readers)
    def down_write(self) -> None:
        """Take the lock for writing."""
        might_sleep("down_write()")
        self.writer = current().name
        enter(self)

    @atomic("kernel/locking/rwsem.c")
    def up_write(self) -> None:
        """Drop the lock taken for writing."""
        leave(self, "up_write()", self.writer == current().name)
        self.writer = None


class QueuedRwSemaphore(Struct):
    """A rw_semaphore with its queue: a waiting writer keeps later readers out.

    Attributes:
        writer: the actor that holds it for writing.
        readers: the actors that hold it for reading, each as often as it took it.
        waiting: the writer that is first in the queue.

    Source: kernel/locking/rwsem.c, rwsem_down_write_slowpath(), rwsem_down_read_slowpath().
    Simplified: at most one writer waits; a reader that is kept out is not queued itself.
    """

    writer: str | None = None
    readers: tuple[str, ...] = ()
    waiting: str | None = None

    @atomic(
        "kernel/locking/rwsem.c", when=lambda lock: lock.writer is None and lock.waiting is None
    )
    def down_read(self) -> None:
        """Take the lock for reading, behind a waiting writer."""
        might_sleep("down_read()")
        self.readers = (*self.readers, current().name)
        enter(self)

    @atomic("kernel/locking/rwsem.c")
    def up_read(self) -> None:
        """Drop the lock taken for reading."""
        leave(self, "up_read()", current().name in self.readers)
        held = list(self.readers)
        if current().name in held:
            held.remove(current().name)
        self.readers = tuple(held)

    @atomic("kernel/locking/rwsem.c", when=lambda lock: lock.waiting is None)
    def rwsem_down_write_slowpath(self) -> None:
        """Queue up for writing: later readers wait behind this writer."""
        might_sleep("down_write()")
        self.waiting = current().name

    @atomic("kernel/locking/rwsem.c", when=lambda lock: lock.writer is None and not lock.readers)
    def down_write(self) -> None:
        """Take the lock for writing, and leave the queue."""
        self.waiting = None
        self.writer = current().name
        enter(self)

    @atomic("kernel/locking/rwsem.c")
    def up_write(self) -> None:
        """Drop the lock taken for writing."""
        leave(self, "up_write()", self.writer == current().name)
        self.writer = None


class SeqCount(Struct):
    """A sequence count: odd while a writer is inside.

    Attributes:
        sequence: bumped when a writer enters and when it leaves.

    Source: include/linux/seqlock.h.
    Simplified: a reader that finds it odd waits, as read_seqcount_begin() spins.
    """

    sequence: int = 0

    @atomic("include/linux/seqlock.h")
    def write_seqcount_begin(self) -> None:
        """Make the sequence odd: overlapping readers will have to retry."""
        self.sequence += 1

    @atomic("include/linux/seqlock.h")
    def write_seqcount_end(self) -> None:
        """Make the sequence even again."""
        self.sequence += 1

    @atomic("include/linux/seqlock.h", when=lambda count: count.sequence % 2 == 0)
    def read_seqcount_begin(self) -> int:
        """Wait until no writer is inside, and return the sequence."""
        return self.sequence

    @atomic("include/linux/seqlock.h")
    def raw_read_seqcount(self) -> int:
        """Return the sequence, odd or even, without waiting."""
        return self.sequence

    @atomic("include/linux/seqlock.h")
    def read_seqcount_retry(self, start: int) -> bool:
        """Return whether a writer has entered or left since the sequence was read."""
        return self.sequence != start


class WaitQueue(Struct):
    """A completion: waiters sleep until the wake-up.

    Attributes:
        woken: a wake-up has happened.

    Source: include/linux/wait.h, as DECLARE_COMPLETION() uses it.
    Simplified: one wake-up is for every waiter, and a later wait returns at once.
    """

    woken: bool = False

    @atomic("include/linux/wait.h", when=lambda queue: queue.woken)
    def wait_event(self) -> None:
        """Sleep until the wake-up; what was read before may have changed by then."""
        might_sleep("wait_event()")

    @atomic("kernel/sched/wait.c")
    def wake_up_all(self) -> None:
        """Wake every waiter."""
        self.woken = True
