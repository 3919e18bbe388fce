"""A CPU's stores: through a buffer, as on x86, or straight to memory.

What total store order shows: a load that takes effect before an older store of the same CPU, which
is the only reordering of x86.  So a missing `smp_mb()` is found, and so is a release or an acquire
where a full barrier is needed.  What it cannot show is a missing `smp_wmb()`, `smp_rmb()`, release
or acquire: those matter on weaker machines (arm64, POWER), where stores reach other CPUs out of
order and loads are done early.
"""

from typing import Any, NamedTuple

from mmviz.engine import Map, ModelError, Struct, atomic


class Store(NamedTuple):
    """A store that has not reached memory yet.

    Attributes:
        on: the object that is written.
        field: which of its fields; of a Map, which key.
        value: what it will hold.
    """

    on: Struct
    field: str
    value: Any

    def __str__(self) -> str:
        return f"{self.on.path(self.field)} = {self.value}"


def load(on: Struct, field: str) -> Any:
    """Return what memory holds, inside a step."""
    _known(on, field)
    return on[field] if isinstance(on, Map) else getattr(on, field)


def store(on: Struct, field: str, value: Any) -> None:
    """Change memory, inside a step."""
    _known(on, field)
    if isinstance(on, Map):
        on[field] = value
    else:
        setattr(on, field, value)


def _known(on: Struct, field: str) -> None:
    """Check that a field exists: it is written as a string, so nothing else would."""
    known = [key for key, _ in on._values.items()]
    if field not in known:
        raise ModelError(
            f"{on.name or type(on).__name__} has no field {field!r}; write one of its fields: "
            + ", ".join(map(str, known))
        )


def _is_empty(buffer: "StoreBuffer", *_: Any) -> bool:
    return not buffer.stores


class StoreBuffer(Struct):
    """One CPU's store buffer; the CPU's stores and loads go through it.

    The buffer drains by an actor of its own (`drain_stores`).  Where a bad state is judged at the
    end, each CPU's actor ends with `await buffer.drained()`: what still waits is not in memory.

    Attributes:
        stores: what waits, the oldest first.

    Source: x86-TSO: Sewell, Sarkar, Owens, Nardelli, Myreen, x86-TSO: A rigorous and usable
    programmer's model for x86 multiprocessors, 2010; Documentation/memory-barriers.txt;
    arch/x86/include/asm/barrier.h, arch/x86/include/asm/atomic.h.
    Simplified: only what a scenario sends through it is buffered, not its locks; the compiler
    reorders nothing; a locked instruction waits for its own buffer to drain and does not drain it.
    """

    stores: tuple[Store, ...] = ()

    @atomic("include/asm-generic/rwonce.h")
    def WRITE_ONCE(self, on: Struct, field: str, value: Any) -> None:  # noqa: N802, kernel's name
        """Store a value: it goes to the end of the buffer, and no other CPU sees it yet."""
        self.put(on, field, value)

    @atomic("include/asm-generic/rwonce.h")
    def READ_ONCE(self, on: Struct, field: str) -> Any:  # noqa: N802, kernel's name
        """Load a value: the newest one in this CPU's buffer, or else what memory holds."""
        return self.get(on, field)

    @atomic("arch/x86/include/asm/barrier.h")
    def smp_store_release(self, on: Struct, field: str, value: Any) -> None:
        """Store a value after all that came before: on x86 a plain store."""
        self.put(on, field, value)

    @atomic("arch/x86/include/asm/barrier.h")
    def smp_load_acquire(self, on: Struct, field: str) -> Any:
        """Load a value before all that comes after: on x86 a plain load."""
        return self.get(on, field)

    @atomic("include/asm-generic/barrier.h")
    def smp_wmb(self) -> None:
        """Order stores among themselves: on x86 nothing, the buffer is first in, first out."""

    @atomic("include/asm-generic/barrier.h")
    def smp_rmb(self) -> None:
        """Order loads among themselves: on x86 nothing, loads are done in order."""

    @atomic("include/asm-generic/barrier.h", when=_is_empty)
    def smp_mb(self) -> None:
        """Wait until every store of this CPU has reached memory."""

    @atomic("arch/x86/include/asm/cmpxchg.h", when=_is_empty)
    def xchg(self, on: Struct, field: str, value: Any) -> Any:
        """Exchange a value in one locked instruction, a full barrier; return the old one."""
        was = load(on, field)
        store(on, field, value)
        return was

    @atomic("arch/x86/include/asm/cmpxchg.h", when=_is_empty)
    def cmpxchg(self, on: Struct, field: str, old: Any, new: Any) -> Any:
        """Store the new value if the old one is there, a full barrier; return what was there."""
        was = load(on, field)
        if was == old:
            store(on, field, new)
        return was

    @atomic("arch/x86/include/asm/atomic.h", when=_is_empty)
    def atomic_fetch_add(self, on: Struct, field: str, value: int) -> int:
        """Add in one locked instruction, a full barrier; return the old value."""
        was: int = load(on, field)
        store(on, field, was + value)
        return was

    @atomic("hardware", when=lambda buffer: bool(buffer.stores))
    def drain(self) -> None:
        """The oldest store reaches memory."""
        oldest, *rest = self.stores
        store(oldest.on, oldest.field, oldest.value)
        self.stores = tuple(rest)

    @atomic("hardware", when=_is_empty)
    def drained(self) -> None:
        """The last store of this CPU has reached memory: what it did is over."""

    def put(self, on: Struct, field: str, value: Any) -> None:
        """Store a value, inside a step."""
        _known(on, field)
        self.stores = (*self.stores, Store(on, field, value))

    def get(self, on: Struct, field: str) -> Any:
        """Load a value, inside a step."""
        for waiting in reversed(self.stores):
            if waiting.on is on and waiting.field == field:
                return waiting.value
        return load(on, field)

    def unfinished(self) -> str:
        """Say what still waits: a state in which something does is not the end of a run."""
        if not self.stores:
            return ""
        return f"{self.stores[0]} waits in {self.name}; end the CPU's actor with `await drained()`"


class NoStoreBuffer(StoreBuffer):
    """Sequential consistency, for a case that is judged under both: every store is visible at once.

    Source: Lamport, How to Make a Multiprocessor Computer That Correctly Executes Multiprocess
    Programs, 1979.
    Simplified: nothing; smp_mb() has nothing to wait for.
    """

    def put(self, on: Struct, field: str, value: Any) -> None:
        """Store a value, which every CPU sees from now on."""
        store(on, field, value)


async def drain_stores(buffer: StoreBuffer) -> None:
    """The memory system drains a CPU's stores, one at a time and at any time."""
    while True:
        await buffer.drain()
