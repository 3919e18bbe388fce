"""The holders and waiters of each lock, since when, and the order in which locks are taken."""

from collections.abc import Iterable, Iterator
from functools import singledispatch
from itertools import combinations
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from mmviz.engine import Frame, Model, Struct
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import (
    Mutex,
    OwnedLock,
    QueuedRwSemaphore,
    RwSemaphore,
    SeqCount,
    SpinLock,
    WaitQueue,
)
from mmviz.kernel.sync.rcu import Rcu, Srcu
from mmviz.scene.cards import Values
from mmviz.scene.reach import Reach, structs_in

MOST_STATES = 20_000  # searched for the orders in which actors want locks


@singledispatch
def kind(lock: Struct) -> str:
    """Return the kind of a lock or section, "spinlock"."""
    return "section"


@singledispatch
def mode(lock: Struct, values: Values, actor: str) -> str:
    """Return how an actor has a lock, as the lock records it: "holding", or "" for not."""
    return ""


def _kind_of(*classes: type[Struct], word: str) -> None:
    for each in classes:
        kind.register(each)(lambda _lock: word)


_kind_of(OwnedLock, word="lock")
_kind_of(SpinLock, word="spinlock")
_kind_of(Mutex, word="mutex")
_kind_of(RwSemaphore, QueuedRwSemaphore, word="rw_semaphore")
_kind_of(SeqCount, word="seqcount")
_kind_of(WaitQueue, word="wait queue")
_kind_of(Page, word="page lock")
_kind_of(Rcu, word="RCU")
_kind_of(Srcu, word="SRCU")


@mode.register
def _(lock: OwnedLock, values: Values, actor: str) -> str:
    return "holding" if values[lock.path("owner")] == actor else ""


@mode.register
def _(page: Page, values: Values, actor: str) -> str:
    return "holding" if values[page.path("locked")] == actor else ""


@mode.register(RwSemaphore)
@mode.register(QueuedRwSemaphore)
def _(lock: Struct, values: Values, actor: str) -> str:
    if values[lock.path("writer")] == actor:
        return "writing"
    return "reading" if actor in values[lock.path("readers")] else ""


@mode.register
def _(srcu: Srcu, values: Values, actor: str) -> str:
    return "reading" if actor in values[srcu.path("readers")] else ""


LOCKS = (OwnedLock, RwSemaphore, QueuedRwSemaphore, SeqCount, WaitQueue, Srcu)


class Hold(NamedTuple):
    """How an actor has a lock ("holding", "reading", "writing"), and since which step."""

    mode: str
    since: int


class Wait(NamedTuple):
    """The step an actor waits to take, since when it waits, and for which locks."""

    label: str
    since: int
    locks: tuple[str, ...]


class Order(NamedTuple):
    """An actor that has one lock takes, or wants, another."""

    outer: str
    inner: str


class Use(NamedTuple):
    """The actor that used an order, its first step that did, and whether it only wants the lock."""

    actor: str
    step: int
    wants: bool


class LockState(NamedTuple):
    """The state of all locks after a step.

    Attributes:
        holds: (lock, actor) -> how the actor has the lock, and since when.
        waits: actor -> what it waits for.
        orders: the orders used so far -> the first use by each actor.
        slept: the steps so far that slept in an atomic section: (step, actor, sentence).
    """

    holds: dict[tuple[str, str], Hold]
    waits: dict[str, Wait]
    orders: dict[Order, tuple[Use, ...]]
    slept: tuple[tuple[int, str, str], ...]


def used_locks(reach: Reach, model: Model) -> list[Struct]:
    """Return the locks and sections that some run uses, in the order of the world."""
    used = {id(lock) for actor in reach.labels for lock in ever_held(reach, actor)}
    for (struct, _), path in zip(model.ledger.owner, model.ledger.paths, strict=True):
        if isinstance(struct, LOCKS) and reach.varies(path):
            used.add(id(struct))
    return [struct for struct in model.ledger.structs if id(struct) in used]


def ever_held(reach: Reach, actor: str) -> Iterator[Struct]:
    """Yield the locks and sections that an actor may have in some run."""
    for held in reach.values.get(f"{actor}.held", ()):
        yield from structs_in(held)


def lock_paths(model: Model) -> frozenset[str]:
    """Return the fields in which locks record their holders; these order steps, without data."""
    return frozenset(
        path
        for (struct, key), path in zip(model.ledger.owner, model.ledger.paths, strict=True)
        if (isinstance(struct, Page) and key == "locked")
        or (isinstance(struct, LOCKS) and not isinstance(struct, SeqCount))
    )


class Possible(NamedTuple):
    """Every lock order that some run uses, and the most actors that may wait at once."""

    orders: list[Order]
    waiting: int


def possible(reach: Reach, model: Model, known: Iterable[Struct]) -> Possible:
    """Return every order in which some run takes, or wants, two locks, and how many may wait.

    The orders taken are complete. Orders that are only wanted are searched in the first
    MOST_STATES states; if there are more states, all actors are assumed to wait.
    """
    names = {lock.name for lock in known}
    found: dict[Order, None] = {}
    for actor in reach.labels:
        for held in reach.values.get(f"{actor}.held", ()):
            found |= dict.fromkeys(_taken(held))
    asked: set[tuple[Any, ...]] = set()
    seen, queue, most = {model.start}, [model.start], 0
    for state in queue:
        if model.is_dead(state):
            continue
        waiting = 0
        for p, actor in enumerate(model.actors):
            after = model.successor(state, p)
            if after is not None:
                if after not in seen and len(seen) < MOST_STATES:
                    seen.add(after)
                    queue.append(after)
                continue
            waiting += not model.is_done(state, p)
            key = model.situation(state, actor, f"{actor}.held")
            if key in asked:
                continue
            asked.add(key)
            held = key[-1]
            for inner in wanted(model, state, actor):
                found |= {Order(outer.name, inner): None for outer in held if outer.name != inner}
        most = max(most, waiting)
    orders = [order for order in found if set(order) <= names]
    return Possible(orders, most if len(seen) < MOST_STATES else len(model.actors))


def _taken(held: tuple[Struct, ...]) -> Iterator[Order]:
    """Yield the orders of a stack of locks."""
    for outer, inner in combinations(held, 2):
        if outer is not inner:
            yield Order(outer.name, inner.name)


def wanted(model: Model, state: int, actor: str) -> tuple[str, ...]:
    """Return the locks that a blocked actor waits for."""
    p = model.index[actor]
    step = model.location(state, p).step
    if step is None or model.is_dead(state):
        return ()
    if isinstance(step.on, (*LOCKS, Page)):
        return (step.on.name,)
    owners = model.ledger.owner
    looked = {id(owners[slot][0]): owners[slot] for slot in model.execute(state, p, step).reads}
    cells = dict(zip(model.ledger.paths, model.cells(state), strict=True))
    return tuple(
        lock.name
        for lock, _ in looked.values()
        if isinstance(lock, (*LOCKS, Page)) and any(mode(lock, cells, a) for a in model.actors)
    )


class LockHistory:
    """The state of all locks, frame by frame; each frame is computed once.

    Args:
        known: the locks.
    """

    def __init__(self, known: list[Struct]) -> None:
        self.known = known
        self._of: WeakKeyDictionary[Frame, LockState] = WeakKeyDictionary()

    def at(self, frame: Frame) -> LockState:
        """Return the state of all locks in a frame."""
        waiting = []
        for each in frame.back():
            if each in self._of:
                break
            waiting.append(each)
        for each in reversed(waiting):
            before = self._of[each.before] if each.before is not None else LockState({}, {}, {}, ())
            self._of[each] = self._next(each, before)
        return self._of[frame]

    def _next(self, frame: Frame, before: LockState) -> LockState:
        model, values = frame.model, frame.values
        holds: dict[tuple[str, str], Hold] = {}
        waits: dict[str, Wait] = {}
        used = {order: list(uses) for order, uses in before.orders.items()}

        def use(order: Order, actor: str, wants: bool) -> None:
            uses = used.setdefault(order, [])
            if actor not in {each.actor for each in uses}:
                uses.append(Use(actor, frame.index, wants))

        for actor in model.actors:
            held = values[f"{actor}.held"]
            for lock in self.known:
                how = self._mode(frame, lock, actor, before)
                if how:
                    earlier = before.holds.get((lock.name, actor))
                    kept = earlier is not None and earlier.mode == how
                    since = earlier.since if earlier and kept else frame.index
                    holds[lock.name, actor] = Hold(how, since)
            for order in _taken(held):
                use(order, actor, False)
            if actor in frame.blocked and not values["dead"]:
                label = frame.next[actor].label if actor in frame.next else ""
                past = before.waits.get(actor)
                since = past.since if past and past.label == label else frame.index
                waits[actor] = Wait(label, since, wanted(model, frame.state, actor))
                for inner in waits[actor].locks:
                    for outer in held:
                        if outer.name != inner:
                            use(Order(outer.name, inner), actor, True)
        slept = before.slept
        new = [text for bad_state, text in frame.complaints if bad_state == "sleeps_in_atomic"]
        slept = (*slept, *((frame.index, frame.actor, text) for text in new))
        orders = {order: tuple(uses) for order, uses in used.items()}
        return LockState(holds, waits, orders, slept)

    def _mode(self, frame: Frame, lock: Struct, actor: str, before: LockState) -> str:
        """Return how an actor has a lock, as the lock or the actor records it."""
        values = frame.values
        if isinstance(lock, SeqCount):
            if values[lock.path("sequence")] % 2 == 0:
                return ""
            inside = (lock.name, actor) in before.holds
            others = any(name == lock.name for name, _ in before.holds)
            return "writing" if inside or (not others and frame.actor == actor) else ""
        return mode(lock, values, actor) or ("inside" if lock in values[f"{actor}.held"] else "")
