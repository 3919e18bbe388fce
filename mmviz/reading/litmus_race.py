"""A litmus test as a race: memory, registers, store buffers, and an actor a thread.

Nothing of the test's text is run.  An actor is a function whose lines say "do the next action" and
where to go on; the actions are data, and what a reader sees as the source are these in words.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from mmviz.engine import Case, Map, Step, Struct, World, at_end, atomic, field
from mmviz.kernel.sync.locks import SpinLock
from mmviz.kernel.sync.store_buffer import Store, StoreBuffer, drain_stores, load, store
from mmviz.reading import litmus_program as steps
from mmviz.reading.lines import coroutine, statement
from mmviz.reading.litmus_order import BUFFERED
from mmviz.reading.litmus_program import Action, Done, Get, Jump, Program, Thread, actions, address
from mmviz.reading.litmus_text import Parts, Place, Value, holds
from mmviz.reading.litmus_tokens import Unread

MODELS = {"sc": "sequentially consistent", "tso": "x86-TSO, total store order"}
WAITS = {steps.FENCE, steps.LOCKED, steps.LOCK, steps.TRYLOCK, steps.RCU_BEGIN, steps.RCU_END}
MEMORY = {steps.LOAD, steps.STORE, steps.LOCKED}
CITED = {
    steps.LOCK: "include/linux/spinlock.h",
    steps.TRYLOCK: "include/linux/spinlock.h",
    steps.UNLOCK: "include/linux/spinlock.h",
    steps.IS_LOCKED: "include/linux/spinlock.h",
    steps.RCU_LOCK: "include/linux/rcupdate.h",
    steps.RCU_UNLOCK: "include/linux/rcupdate.h",
    steps.RCU_BEGIN: "kernel/rcu/tree.c",
    steps.RCU_END: "kernel/rcu/tree.c",
}
SAID = {
    steps.LOAD: "Load: the newest store in this CPU's buffer, or else what memory holds.",
    steps.STORE: "Store: on x86-TSO into this CPU's store buffer.",
    steps.LOCKED: "A locked instruction: load and store in one step, with an empty store buffer.",
    steps.FENCE: "A full barrier: wait until every store of this CPU has reached memory.",
    steps.NOTHING: "Nothing to wait for: the memory model keeps this order by itself.",
    steps.LOCAL: "Only registers.",
    steps.LOCK: "Take the lock: a locked instruction.",
    steps.TRYLOCK: "Take the lock if it is free.",
    steps.IS_LOCKED: "Look whether the lock is taken.",
    steps.UNLOCK: "Drop the lock: a store.",
    steps.RCU_LOCK: "Enter a read-side critical section.",
    steps.RCU_UNLOCK: "Leave the read-side critical section, once the stores before have drained.",
    steps.RCU_BEGIN: "Begin a grace period: record which readers are inside now.",
    steps.RCU_END: "End the grace period, once these readers have left.",
}


class ReadSection(Struct):
    """A CPU as a reader of RCU.

    Attributes:
        entered: how many sections it has entered.
        left: how many of them it has left, as the others see it.
        depth: how many are inside each other now.
        awaited: (thread, section) for each reader that its own grace period waits for.

    Source: kernel/rcu/tree.c; Alglave, Maranget, McKenney, Parri, Stern, Frightening Small Children
    and Disconcerting Grown-ups: Concurrency in the Linux Kernel, 2018, section 4.
    Simplified: a section is left when the stores in it have reached memory, as they have when the
    CPU passes through a quiescent state.
    """

    entered: int = 0
    left: int = 0
    depth: int = 0
    awaited: tuple[tuple[int, int], ...] = ()


class Reached(NamedTuple):
    """What a thread's step may use, looked up before the step: which objects never changes."""

    memory: Map[str, Any]
    registers: Map[str, Any]
    buffer: Any
    locks: Mapping[str, SpinLock]
    readers: Sequence[ReadSection]


class Unbuffered:
    """A CPU without a store buffer: its stores are in memory at once."""

    stores: tuple[Store, ...] = ()
    put, get = staticmethod(store), staticmethod(load)


class Litmus(World):
    """The machine of a litmus test; a subclass has what belongs to its threads and its locks.

    Attributes:
        cells: location -> what it holds.
        lock_names: of its spinlocks, in the order of its fields lock0, lock1, …
        count: how many threads there are.
        has_rcu: whether each of them has a ReadSection, in the fields reader0, reader1, …
    """

    cells: Map[str, Any] = field(default_factory=lambda: Map({}))
    lock_names: ClassVar[tuple[str, ...]] = ()
    count: ClassVar[int] = 0
    has_rcu: ClassVar[bool] = False

    def part(self, name: str) -> Any:
        """Return the object in a field."""
        return getattr(self, name)

    @property
    def memory(self) -> Map[str, Any]:
        """Location -> what it holds."""
        found: Map[str, Any] = self.part("cells")
        return found

    def registers(self, at: int) -> Map[str, Any]:
        """Return the registers of a thread, by its number."""
        found: Map[str, Any] = self.part(f"registers{at}")
        return found

    def buffer(self, at: int) -> Any:
        """Return the store buffer of a thread's CPU, or what stands for one without buffers."""
        return getattr(self, f"buffer{at}", Unbuffered)

    def lock(self, name: str) -> SpinLock:
        """Return a lock."""
        found: SpinLock = self.part(f"lock{self.lock_names.index(name)}")
        return found

    def reached(self, at: int) -> Reached:
        """Return what a thread's steps may use."""
        locks = {name: self.lock(name) for name in self.lock_names}
        readers = [self.part(f"reader{each}") for each in range(self.count) if self.has_rcu]
        return Reached(self.memory, self.registers(at), self.buffer(at), locks, readers)


def _machine(names: Sequence[str], locks: Sequence[str], count: int) -> Any:
    """Return the world's class of a test: a field for each of its objects."""
    inside = {"__annotations__": dict.fromkeys(names, Struct), "__doc__": Litmus.__doc__}
    has_rcu = any(name.startswith("reader") for name in names)
    own = {"lock_names": tuple(locks), "count": count, "has_rcu": has_rcu}
    return type("LitmusMachine", (Litmus,), inside | own)


def litmus_case(parts: Parts, program: Program, model: str) -> Case:
    """Return the case of a test.

    Args:
        parts: the test.
        program: its threads.
        model: "sc" or "tso".
    """
    threads = program.threads
    memory = {name: parts.init.get(Place(None, name), 0) for name in program.locations}
    kinds = [{node.kind for node in actions(thread)} for thread in threads]
    has_rcu = any(kind.startswith("rcu") for each in kinds for kind in each)
    buffered = [bool(each & BUFFERED) and model == "tso" for each in kinds]

    def parts_of(at: int, thread: Thread) -> dict[str, Struct]:
        name = thread.name
        registers: Map[str, Any] = Map(thread.registers, name=f"{name} registers")
        found: dict[str, Struct] = {f"registers{at}": registers}
        if model == "tso":
            found[f"buffer{at}"] = StoreBuffer(name=f"{name} buffer")
        if has_rcu:
            found[f"reader{at}"] = ReadSection(name=f"{name} RCU")
        return found

    def objects() -> dict[str, Struct]:
        found: dict[str, Struct] = {
            f"lock{at}": SpinLock(name=f"lock {each}") for at, each in enumerate(program.locks)
        }
        for at, thread in enumerate(threads):
            found |= parts_of(at, thread)
        return found

    machine = _machine(list(objects()), program.locks, len(threads))

    def world() -> Any:
        return machine(cells=Map(memory, name="memory"), **objects())

    actors = {thread.name: _actor(at, thread, buffered[at]) for at, thread in enumerate(threads)}
    drains = {f"SB{thread.number}": _drain(at) for at, thread in enumerate(threads) if buffered[at]}
    return Case(
        name=parts.name,
        world=world,
        actors=actors | drains,
        daemons=tuple(drains),
        bad=(_asked(parts, {each.number: at for at, each in enumerate(threads)}),),
        title=f"litmus test, {'C' if parts.arch == 'C' else 'x86'}",
        promise=_promise(parts),
        memory=MODELS[model],
        declares=False,
    )


def _asked(parts: Parts, at: Mapping[int, int]) -> Callable[[Any], bool]:
    """Return the bad state: the condition, or of `forall` that it does not hold.

    Args:
        parts: the test.
        at: number of a thread -> its place among the threads.
    """
    is_exists = parts.quantifier != "forall"

    def asked(k: Any) -> bool:
        def held(place: Place) -> Value:
            if place.thread is None and place.name in k.lock_names:
                return int(k.lock(place.name).owner is not None)
            holder = k.memory if place.thread is None else k.registers(at[place.thread])
            found: Value = holder[place.name]
            return found

        if parts.filter is not None and not holds(parts.filter, held):
            return False
        return holds(parts.prop, held) == is_exists

    asked.__name__ = asked.__qualname__ = "condition_holds" if is_exists else "condition_fails"
    words = _condition(parts)
    asked.__doc__ = (
        f"A final state with {words}." if is_exists else f"A final state without {words}."
    )
    return at_end(asked)


def _condition(parts: Parts) -> str:
    return parts.condition.partition(" ")[2]


def _promise(parts: Parts) -> str:
    start = "Every final state has" if parts.quantifier == "forall" else "No final state has"
    return f"{start} {_condition(parts)}"


def _drain(at: int) -> Callable[[Any], Any]:
    async def store_buffer(k: Any) -> None:
        await drain_stores(k.buffer(at))

    return store_buffer


# -- steps ----------------------------------------------------------------------------------------


def _step(at: int, name: str, action: Action, number: int) -> Callable[[Any], Step[Any]]:
    """Return what describes an action as a step of the world.

    Args:
        at: the number of the thread.
        name: the thread.
        action: what it does.
        number: of the action in its thread.
    """
    kind = action.kind

    def old(use: Reached, get: Get) -> Value:
        assert action.where is not None
        where = address(action.where(get))
        if kind in MEMORY:
            found: Value = use.buffer.get(use.memory, where)
            return found
        return int(use.buffer.get(use.locks[where], "owner") is not None)

    def is_open(use: Reached) -> bool:
        get = use.registers.__getitem__
        if kind == steps.RCU_END:
            awaited = use.readers[at].awaited
            return all(use.readers[who].left >= section for who, section in awaited)
        if use.buffer.stores:
            if kind == steps.TRYLOCK:
                return bool(old(use, get))
            plain = action.is_plain
            return plain is not None and plain(old(use, get), get)
        if kind == steps.LOCK:
            assert action.where is not None
            return use.locks[address(action.where(get))].owner is None
        return True

    def do(use: Reached) -> Any:
        registers, buffer = use.registers, use.buffer
        get = registers.__getitem__
        if kind.startswith("rcu"):
            _rcu(use, at, action)
            return None
        found = 0 if action.where is None or kind in (steps.STORE, steps.LOCK) else old(use, get)
        done = Done() if action.effect is None else action.effect(found, get)
        if kind in (steps.LOCK, steps.UNLOCK) or (kind == steps.TRYLOCK and not found):
            assert action.where is not None
            lock = use.locks[address(action.where(get))]
            if kind == steps.UNLOCK:
                if buffer.get(lock, "owner") != name:
                    call = f"{action.function}({', '.join(action.words)})"
                    raise Unread(f"{call}: {name} does not hold the lock here", action.line)
                buffer.put(lock, "owner", None)
            else:
                lock.owner = name
        elif done.new is not None and kind in MEMORY:
            assert action.where is not None
            where = address(action.where(get))
            if kind == steps.STORE:
                buffer.put(use.memory, where, done.new)
            else:
                use.memory[where] = done.new
        for register, value in done.registers.items():
            registers[register] = value
        return done.answer

    def describe(k: Litmus) -> Step[Any]:
        use = k.reached(at)

        def body(k: Litmus, *_: str) -> Any:
            return do(use)

        body.__name__ = body.__qualname__ = action.function
        body.__doc__ = SAID[kind]
        body.__dict__["kind"], body.__dict__["number"] = kind, number
        when = (lambda *_: is_open(use)) if kind in WAITS else None
        return atomic(CITED.get(kind, "hardware"), when)(body)(k, *action.words)

    return describe


def _rcu(use: Reached, at: int, action: Action) -> None:
    own, kind = use.readers[at], action.kind
    if kind == steps.RCU_LOCK:
        if not own.depth:
            own.entered += 1
        own.depth += 1
    elif kind == steps.RCU_UNLOCK:
        if not own.depth:
            raise Unread(
                f"rcu_read_unlock() stands outside of a read-side section of P{at}", action.line
            )
        own.depth -= 1
        if not own.depth:
            use.buffer.put(own, "left", own.entered)
    elif kind == steps.RCU_BEGIN:
        readers = enumerate(use.readers)
        inside = [(who, each.entered) for who, each in readers if each.entered > each.left]
        own.awaited = tuple(inside)
    else:
        own.awaited = ()


# -- code -----------------------------------------------------------------------------------------


def _actor(at: int, thread: Thread, is_buffered: bool) -> Callable[[Any], Any]:
    """Return a coroutine function with a line for each action.

    `at` is the node at which it goes on after a jump, and 0 elsewhere.
    """
    targets = {thread.labels[node.label] for node in thread.nodes if isinstance(node, Jump)}
    made: list[Callable[[Any], Step[Any]]] = []
    body: list[ast.stmt] = [statement("at = 0")] if targets else []
    sources: list[str] = []
    for number, node in enumerate(thread.nodes):
        if number in targets:
            body.append(statement(f"if at == {number}:\n at = 0"))
        action = node.test if isinstance(node, Jump) else node
        text = ""
        if action is not None:
            made.append(_step(at, thread.name, action, len(made)))
            sources.append(action.source or f"{action.function}({', '.join(action.words)})")
            text = f"await steps[{len(made) - 1}](k)"
        if isinstance(node, Jump):
            target = thread.labels[node.label]
            taken = f"{target} if ({text}) == {node.when} else 0" if text else str(target)
            text = f"at = {taken}"
        body.append(statement(f"if at == 0:\n {text}" if targets else text, len(sources)))
    if is_buffered or not made:
        if is_buffered:
            made.append(lambda k: k.buffer(at).drained())
            sources.append("its last store reaches memory")
        else:
            idle = Action(steps.NOTHING, "nop", (), "nop", 0)
            made.append(_step(at, thread.name, idle, 0))
            sources.append(idle.source)
        body.append(statement(f"await steps[{len(made) - 1}](k)", len(sources)))
    return coroutine(thread.name, body, made, sources, "litmus test")


def values_at(places: Sequence[Place], paths: Sequence[str], program: Program) -> list[int]:
    """Return where in the list of all paths the places lie."""
    found = []
    for place in places:
        if place.thread is not None:
            path = f"P{place.thread} registers[{place.name}]"
        elif place.name in program.locks:
            path = f"lock {place.name}.owner"
        else:
            path = f"memory[{place.name}]"
        found.append(paths.index(path))
    return found
