"""The lock of one mapping, which a fault may take in place of mmap_lock."""

from mmviz.engine import Struct, atomic, current
from mmviz.kernel.sync.locks import enter, leave, might_sleep


class VmaLock(Struct):
    """The per-VMA lock: faults read-lock it, what changes the mapping write-locks it.

    Attributes:
        writer: the actor that has write-locked the mapping.
        readers: the actors whose faults have read-locked it.

    Source: include/linux/mm.h, include/linux/mmap_lock.h, mm/memory.c, since v6.4 (5e31275cc997).
    Simplified: the two sequence numbers of the kernel are one fact, write-locked or not; a lookup
    under RCU comes before the lock, and the mapping is never detached here.
    """

    writer: str | None = None
    readers: frozenset[str] = frozenset()

    @atomic("include/linux/mm.h")
    def vma_start_read(self) -> bool:
        """Read-lock the mapping unless it is write-locked; return whether that worked."""
        if self.writer is not None:
            return False
        self.readers |= {current().name}
        enter(self)
        return True

    @atomic("include/linux/mm.h")
    def vma_end_read(self) -> None:
        """Drop the read lock of the mapping."""
        leave(self, "vma_end_read()", current().name in self.readers)
        self.readers -= {current().name}

    @atomic("include/linux/mm.h", when=lambda lock: not lock.readers)
    def vma_start_write(self) -> None:
        """Wait for the faults that are under way, and keep new ones out."""
        might_sleep("vma_start_write()")
        self.writer = current().name
        enter(self)

    @atomic("include/linux/mmap_lock.h")
    def vma_end_write_all(self) -> None:
        """Let faults in again; mmap_write_unlock() does so for all mappings at once."""
        leave(self, "vma_end_write_all()", self.writer == current().name)
        self.writer = None
