"""A CPU's stores: through a buffer, as on x86, or straight to memory."""

from typing import Any, NamedTuple

from mmviz.engine import Struct, atomic, mark


class Store(NamedTuple):
    """A store that has not reached memory yet.

    Attributes:
        on: the object that is written.
        field: which of its fields.
        value: what it will hold.
    """

    on: Struct
    field: str
    value: Any

    def __str__(self) -> str:
        return f"{self.on.path(self.field)} = {self.value}"


class StoreBuffer(Struct):
    """One CPU's store buffer; the CPU's stores and loads go through it.

    Attributes:
        stores: what waits, the oldest first.

    Source: x86-TSO: Sewell, Sarkar, Owens, Nardelli, Myreen, x86-TSO: A rigorous and usable
    programmer's model for x86 multiprocessors, 2010; Documentation/memory-barriers.txt.
    Simplified: only what a scenario sends through it is buffered, not its locks; a locked
    instruction is a store and a full barrier.
    """

    stores: tuple[Store, ...] = ()

    @atomic("include/asm-generic/rwonce.h")
    def WRITE_ONCE(self, on: Struct, field: str, value: Any) -> None:  # noqa: N802, kernel's name
        """Store a value: it goes to the end of the buffer, and no other CPU sees it yet."""
        self.stores = (*self.stores, Store(on, field, value))

    @atomic("include/asm-generic/rwonce.h")
    def READ_ONCE(self, on: Struct, field: str) -> Any:  # noqa: N802, kernel's name
        """Load a value: the newest one in this CPU's buffer, or else what memory holds."""
        for store in reversed(self.stores):
            if store.on is on and store.field == field:
                return store.value
        return getattr(on, field)

    @atomic("hardware", when=lambda buffer: bool(buffer.stores))
    def drain(self) -> None:
        """The oldest store reaches memory."""
        store, *rest = self.stores
        setattr(store.on, store.field, store.value)
        self.stores = tuple(rest)

    @atomic("include/asm-generic/barrier.h", when=lambda buffer: not buffer.stores)
    def smp_mb(self) -> None:
        """Wait until every store of this CPU has reached memory."""


class NoStoreBuffer(StoreBuffer):
    """Sequential consistency, for a case that is judged under both: every store is visible at once.

    Source: Lamport, How to Make a Multiprocessor Computer That Correctly Executes Multiprocess
    Programs, 1979.
    Simplified: nothing; smp_mb() has nothing to wait for.
    """

    @atomic("include/asm-generic/rwonce.h")
    def WRITE_ONCE(self, on: Struct, field: str, value: Any) -> None:  # noqa: N802, kernel's name
        """Store a value, which every CPU sees from now on."""
        setattr(on, field, value)


async def drain_stores(buffer: StoreBuffer) -> None:
    """The memory system drains a CPU's stores, one at a time and at any time."""
    while True:
        mark("drain")
        await buffer.drain()
