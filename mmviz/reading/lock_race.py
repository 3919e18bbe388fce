"""A lock report as a race: the locks, and for each actor what it does with them, one step a line.

Nothing of the report's text is run.  An actor is a function whose lines only say "do the next
action"; the actions are data, and what a reader sees as the source are these actions in words.
"""

import ast
import linecache
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from types import FunctionType
from typing import Any, NamedTuple

from mmviz.engine import Case, Map, Struct, World, atomic, current, field
from mmviz.kernel.sync.locks import Mutex, QueuedRwSemaphore, SpinLock
from mmviz.kernel.sync.rcu import Srcu

Action = tuple[str, str | None]
"""("lock", "rlock", "unlock", "sync", "wait", "complete", "irq_off", "irq_on", "interrupt")."""
Actors = Mapping[str, Sequence[Action]]
MUTEX, RWSEM, SPIN, SRCU, WORK = "mutex", "rwsem", "spinlock", "srcu", "work"
_reports = count(1)


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


class Work(Struct):
    """What lockdep calls a completion of a work, of a workqueue, or of a completion.

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


class Locks(World):
    """The locks of a report, and the CPUs where interrupts matter."""

    locks: Map[str, Struct] = field(default_factory=lambda: Map({}))
    cpus: Map[str, Cpu] = field(default_factory=lambda: Map({}))


class Line(NamedTuple):
    """A line of an actor: what is read there, and the step."""

    words: str
    step: Callable[[Any], Any]


MAKES = {MUTEX: Mutex, RWSEM: QueuedRwSemaphore, SPIN: SpinLock, SRCU: Srcu, WORK: Work}
FUNCTIONS = {
    (MUTEX, "lock"): ("mutex_lock",),
    (MUTEX, "unlock"): ("mutex_unlock",),
    (SPIN, "lock"): ("spin_lock",),
    (SPIN, "unlock"): ("spin_unlock",),
    (RWSEM, "rlock"): ("down_read",),
    (RWSEM, "runlock"): ("up_read",),
    (RWSEM, "lock"): ("rwsem_down_write_slowpath", "down_write"),
    (RWSEM, "unlock"): ("up_write",),
    (SRCU, "rlock"): ("srcu_read_lock",),
    (SRCU, "runlock"): ("srcu_read_unlock",),
    (SRCU, "sync"): ("start_poll_synchronize_srcu", "synchronize_srcu"),
    (WORK, "lock"): ("process_one_work",),
    (WORK, "wait"): ("flush_work",),
    (WORK, "complete"): ("complete",),
}
ON_A_CPU = {
    "interrupt": "irq_enter",
    "irq_off": "local_irq_disable",
    "irq_on": "local_irq_enable",
}


def steps_of(kind: str, what: str) -> int:
    """Return how many steps an action takes."""
    return 1 if what in ON_A_CPU else len(FUNCTIONS[kind, what])


def lock_case(title: str, kinds: Mapping[str, str], actors: Actors) -> Case:
    """Return the case of a report.

    Args:
        title: what it is.
        kinds: for each lock what it is, "mutex" for example.
        actors: for each actor what it does; "runlock" drops what was taken for reading.
    """
    cpus = [name for name, own in actors.items() if any(what in ON_A_CPU for what, _ in own)]

    def world() -> Locks:
        return Locks(
            locks=Map({name: MAKES[kind](name=name) for name, kind in kinds.items()}),
            cpus=Map({name: Cpu(name=f"interrupts of {name}") for name in cpus}),
        )

    code = {
        name: _actor(name, [line for each in own for line in _lines(each, name, kinds)])
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


def _lines(action: Action, actor: str, kinds: Mapping[str, str]) -> Iterator[Line]:
    """Yield the lines that do an action."""
    what, name = action
    if name is None:
        function = ON_A_CPU[what]
        yield Line(f"{function}()", lambda k: getattr(k.cpus[actor], function)())
        return
    for function in FUNCTIONS[kinds[name], what]:
        yield Line(f"{function}({name})", _on(name, function))


def _on(name: str, function: str) -> Callable[[Any], Any]:
    return lambda k: getattr(k.locks[name], function)()


def _actor(name: str, lines: Sequence[Line]) -> Callable[[Any], Any]:
    """Return a coroutine function with a line for each step."""
    file = f"<lock report {next(_reports)}>"
    steps = tuple(line.step for line in lines)
    body: list[ast.stmt] = []
    for number, _ in enumerate(steps):
        at: dict[str, Any] = {"lineno": number + 1, "col_offset": 0}
        at |= {"end_lineno": number + 1, "end_col_offset": 0}
        step = ast.Subscript(
            ast.Name("steps", ast.Load(), **at), ast.Constant(number, **at), ast.Load(), **at
        )
        call = ast.Call(step, [ast.Name("k", ast.Load(), **at)], [], **at)
        body.append(ast.Expr(ast.Await(call, **at), **at))
    arguments = ast.arguments([], [ast.arg("k", lineno=1, col_offset=0)], None, [], [], None, [])
    function = ast.AsyncFunctionDef(
        "actor", arguments, body, [], None, None, lineno=1, col_offset=0
    )
    module = ast.fix_missing_locations(ast.Module([function], []))
    scope: dict[str, Any] = {"steps": steps}
    exec(compile(module, file, "exec"), scope)
    made: FunctionType = scope["actor"]
    made.__qualname__ = made.__name__ = "".join(c if c.isalnum() else "_" for c in name)
    made.__code__ = made.__code__.replace(co_name=made.__name__)
    linecache.cache[file] = (0, None, [f"{line.words}\n" for line in lines], file)
    return made
