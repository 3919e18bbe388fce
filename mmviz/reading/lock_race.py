"""A lock report as a race: the locks, and for each actor what it does with them, one step a line.

Nothing of the report's text is run.  An actor is a function whose lines only say "do the next
action"; the actions are data, and what a reader sees as the source are these actions in words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from mmviz.engine import Case, Map, Struct, World, atomic, current, field
from mmviz.kernel.sync.locks import (
    Mutex,
    QueuedRwSemaphore,
    SpinLock,
    WaitQueue,
    enter,
    leave,
    might_sleep,
)
from mmviz.kernel.sync.rcu import Srcu
from mmviz.reading.lines import Line, actor

Action = tuple[str, str | None]
"""What, "lock", "rlock", "unlock", "sync", "wait", "complete" or of `ON_A_CPU`; and the lock."""
Actors = Mapping[str, Sequence[Action]]
REPORT = "lock report"
MUTEX, RWSEM, SPIN, RWLOCK = "mutex", "rwsem", "spinlock", "rwlock"
QUEUED = {RWSEM: "queued rwsem", RWLOCK: "queued rwlock"}  # whose writers are seen to wait
SRCU, WORK, TIMER, COMPLETION = "srcu", "work", "timer", "completion"


class Cpu(Struct):
    """A CPU that takes interrupts, unless they are off.

    Attributes:
        off: whether they are off.
        interrupted: whether a handler runs, which does not return before it has its locks.

    Source: include/linux/irqflags.h; kernel/softirq.c, irq_enter().
    Simplified: one interrupt, which comes where the report says.
    """

    off: bool = False
    interrupted: bool = False

    @atomic("kernel/softirq.c", when=lambda cpu: not cpu.off)
    def irq_enter(self) -> None:
        """An interrupt comes: its handler runs in place of what it interrupted."""
        self.interrupted = True

    @atomic("include/linux/irqflags.h")
    def local_irq_disable(self) -> None:
        """Turn interrupts off on this CPU."""
        self.off = True

    @atomic("include/linux/irqflags.h")
    def local_irq_enable(self) -> None:
        """Turn interrupts on again."""
        self.off = False


class Allocation(Struct):
    """An allocation of memory by a task, which reclaims some where it has to.

    Attributes:
        reclaims: whether it does, and takes locks for that.

    Source: mm/page_alloc.c; mm/vmscan.c.
    Simplified: it reclaims where the report says, and does not return before it has its locks.
    """

    reclaims: bool = False

    @atomic("mm/vmscan.c")
    def try_to_free_pages(self) -> None:
        """Reclaim memory, in the task that allocates some: no interrupt."""
        self.reclaims = True


class RwLock(Struct):
    """A rwlock_t, whose holders must not sleep: a waiting writer keeps later readers out.

    Attributes:
        writer: the actor that holds it for writing.
        readers: the actors that hold it for reading, each as often as it took it.
        waiting: the writer that is first in the queue.

    Source: kernel/locking/qrwlock.c.
    Simplified: at most one writer waits; an interrupt's readers queue up as the others do.
    """

    forbids_sleep: ClassVar[bool] = True
    writer: str | None = None
    readers: tuple[str, ...] = ()
    waiting: str | None = None

    @atomic(
        "kernel/locking/qrwlock.c", when=lambda lock: lock.writer is None and lock.waiting is None
    )
    def read_lock(self) -> None:
        """Take the lock for reading, behind a waiting writer."""
        self.readers = (*self.readers, current().name)
        enter(self)

    @atomic("kernel/locking/qrwlock.c")
    def read_unlock(self) -> None:
        """Drop the lock taken for reading."""
        leave(self, "read_unlock()")
        held = list(self.readers)
        if current().name in held:
            held.remove(current().name)
        self.readers = tuple(held)

    @atomic("kernel/locking/qrwlock.c", when=lambda lock: lock.waiting is None)
    def queued_write_lock_slowpath(self) -> None:
        """Queue up for writing: later readers wait behind this writer."""
        self.waiting = current().name

    @atomic("kernel/locking/qrwlock.c", when=lambda lock: lock.writer is None and not lock.readers)
    def write_lock(self) -> None:
        """Take the lock for writing, and leave the queue."""
        self.waiting = None
        self.writer = current().name
        enter(self)

    @atomic("kernel/locking/qrwlock.c")
    def write_unlock(self) -> None:
        """Drop the lock taken for writing."""
        leave(self, "write_unlock()")
        self.writer = None


class Work(Struct):
    """What stands for a work or a workqueue, as a worker holds it and a flush waits for it.

    Attributes:
        running: the actor that runs it, and completes it later.

    Source: kernel/workqueue.c, process_one_work() and __flush_workqueue(), as they tell lockdep.
    Simplified: it runs at most once at a time; who waits while it does not run goes on.
    """

    running: str | None = None

    @atomic("kernel/workqueue.c", when=lambda work: work.running is None)
    def process_one_work(self) -> None:
        """Begin the work."""
        self.running = current().name

    @atomic("kernel/workqueue.c")
    def complete(self) -> None:
        """End the work: who waits for it may go on."""
        self.running = None

    @atomic("kernel/workqueue.c", when=lambda work: work.running is None)
    def flush_work(self) -> None:
        """Wait until the work does not run."""


class Timer(Struct):
    """What stands for a timer, as its function holds it and timer_delete_sync() waits for it.

    Attributes:
        running: the actor that runs its function.

    Source: kernel/time/timer.c, call_timer_fn() and __timer_delete_sync(), as they tell lockdep.
    Simplified: as Work.
    """

    running: str | None = None

    @atomic("kernel/time/timer.c", when=lambda timer: timer.running is None)
    def call_timer_fn(self) -> None:
        """Begin the timer's function."""
        self.running = current().name

    @atomic("kernel/time/timer.c")
    def timer_done(self) -> None:
        """End the timer's function."""
        self.running = None

    @atomic("kernel/time/timer.c", when=lambda timer: timer.running is None)
    def timer_delete_sync(self) -> None:
        """Wait until the timer's function does not run."""


class Locks(World):
    """The locks of a report, and the CPUs where interrupts or reclaim matter.

    Attributes:
        takes: for each actor the lock that each of its lines takes or waits for, "" for none: no
            state, but part of the class.
    """

    takes: ClassVar[Mapping[str, Sequence[str]]] = MappingProxyType({})
    locks: Map[str, Struct] = field(default_factory=lambda: Map({}))
    cpus: Map[str, Struct] = field(default_factory=lambda: Map({}))


MAKES = {
    MUTEX: Mutex,
    RWSEM: QueuedRwSemaphore,
    SPIN: SpinLock,
    RWLOCK: RwLock,
    QUEUED[RWSEM]: QueuedRwSemaphore,
    QUEUED[RWLOCK]: RwLock,
    SRCU: Srcu,
    WORK: Work,
    TIMER: Timer,
    COMPLETION: WaitQueue,
}
FUNCTIONS = {
    (MUTEX, "lock"): ("mutex_lock",),
    (MUTEX, "unlock"): ("mutex_unlock",),
    (SPIN, "lock"): ("spin_lock",),
    (SPIN, "unlock"): ("spin_unlock",),
    (RWSEM, "rlock"): ("down_read",),
    (RWSEM, "runlock"): ("up_read",),
    (RWSEM, "lock"): ("down_write",),
    (RWSEM, "unlock"): ("up_write",),
    (SRCU, "rlock"): ("srcu_read_lock",),
    (SRCU, "runlock"): ("srcu_read_unlock",),
    (SRCU, "sync"): ("start_poll_synchronize_srcu", "synchronize_srcu"),
    (WORK, "lock"): ("process_one_work",),
    (WORK, "wait"): ("flush_work",),
    (WORK, "complete"): ("complete",),
    (TIMER, "lock"): ("call_timer_fn",),
    (TIMER, "wait"): ("timer_delete_sync",),
    (TIMER, "complete"): ("timer_done",),
    (COMPLETION, "wait"): ("wait_event",),
    (COMPLETION, "complete"): ("wake_up_all",),
    (RWLOCK, "rlock"): ("read_lock",),
    (RWLOCK, "runlock"): ("read_unlock",),
    (RWLOCK, "lock"): ("write_lock",),
    (RWLOCK, "unlock"): ("write_unlock",),
}
FUNCTIONS |= {
    (QUEUED[kind], what): made for (kind, what), made in FUNCTIONS.items() if kind in QUEUED
}
FUNCTIONS |= {
    (QUEUED[RWSEM], "lock"): ("rwsem_down_write_slowpath", "down_write"),
    (QUEUED[RWLOCK], "lock"): ("queued_write_lock_slowpath", "write_lock"),
}
TAKES = frozenset({"lock", "rlock", "sync", "wait"})
ON_A_CPU = {
    "interrupt": "irq_enter",
    "reclaim": "try_to_free_pages",
    "irq_off": "local_irq_disable",
    "irq_on": "local_irq_enable",
}


def steps_of(kind: str, what: str) -> int:
    """Return how many steps an action takes."""
    return 1 if what in ON_A_CPU else len(FUNCTIONS[kind, what])


def _cpu(name: str, own: Sequence[Action]) -> Struct:
    if any(what == "reclaim" for what, _ in own):
        return Allocation(name=f"allocation of {name}")
    return Cpu(name=f"interrupts of {name}")


def _srcu(function: str, lock: str) -> type[Srcu]:
    """Return an SRCU whose grace periods are what the report's own function waits for."""

    def start_poll_synchronize_srcu(srcu: Srcu) -> None:
        """Begin a grace period: record which readers are inside now."""
        srcu.begin(current().name)

    def synchronize_srcu(srcu: Srcu) -> None:
        """End the grace period once every reader recorded at its beginning has left."""
        might_sleep("synchronize_srcu()")

    for body in (start_poll_synchronize_srcu, synchronize_srcu):
        body.__dict__["label"] = f"{function}({lock})"
    file = "kernel/rcu/srcutree.c"
    own = {
        "start_poll_synchronize_srcu": atomic(file)(start_poll_synchronize_srcu),
        "synchronize_srcu": atomic(file, when=lambda srcu: not srcu.is_awaiting(current().name))(
            synchronize_srcu
        ),
    }
    return type("Srcu", (Srcu,), {"__doc__": Srcu.__doc__, **own})


def lock_case(
    title: str, kinds: Mapping[str, str], actors: Actors, syncs: Mapping[str, str]
) -> Case:
    """Return the case of a report.

    Args:
        title: what it is.
        kinds: for each lock what it is, "mutex" for example.
        actors: for each actor what it does; "runlock" drops what was taken for reading.
        syncs: for each lock that is an SRCU the function that waits for its grace period.
    """
    cpus = [name for name, own in actors.items() if any(what in ON_A_CPU for what, _ in own)]

    takes: dict[str, list[str]] = {name: [] for name in actors}
    for name, own in actors.items():
        for what, lock in own:
            steps = steps_of(kinds.get(lock or "", ""), what)
            takes[name] += [""] * (steps - 1) + [lock if lock and what in TAKES else ""]
    of_report = type("Locks", (Locks,), {"takes": MappingProxyType(takes)})

    makes = {name: MAKES[kind] for name, kind in kinds.items()}
    makes |= {name: _srcu(function, name) for name, function in syncs.items()}

    def world() -> Locks:
        made: Locks = of_report(
            locks=Map({name: make(name=name) for name, make in makes.items()}),
            cpus=Map({name: _cpu(name, actors[name]) for name in cpus}),
        )
        return made

    code = {
        name: actor(
            name, [line for each in own for line in _lines(each, name, kinds, syncs)], REPORT
        )
        for name, own in actors.items()
    }
    return Case(
        name="LockReport",
        world=world,
        actors=code,
        bad=(),
        title=title,
        promise="Every actor gets its locks, and finishes",
        declares=False,
    )


def _lines(
    action: Action, owner: str, kinds: Mapping[str, str], syncs: Mapping[str, str]
) -> Iterator[Line]:
    """Yield the lines that do an action."""
    what, name = action
    if name is None:
        function = ON_A_CPU[what]
        yield Line(f"{function}()", lambda k: getattr(k.cpus[owner], function)())
        return
    for function in FUNCTIONS[kinds[name], what]:
        said = syncs.get(name, function) if what == "sync" else function
        yield Line(f"{said}({name})", _on(name, function))


def _on(name: str, function: str) -> Callable[[Any], Any]:
    return lambda k: getattr(k.locks[name], function)()
