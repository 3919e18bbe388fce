"""HMM's mirrors: a driver's end of struct hmm, and the semaphore that guards their list."""

from mmviz.engine import Allocated, atomic, field
from mmviz.kernel.hmm.hmm import Hmm
from mmviz.kernel.sync.locks import RwSemaphore
from mmviz.kernel.sync.poison import follow
from mmviz.kernel.sync.refcount import Slab


class MirrorsSem(Allocated, RwSemaphore):
    """The mirrors_sem inside a struct hmm: it is freed with it.

    Attributes:
        writer: the actor that holds it for writing.
        readers: the actors that hold it for reading.

    Source: mm/hmm.c, struct hmm.
    """

    writer: str | None = None
    readers: frozenset[str] = frozenset()


class MirroredHmm(Hmm):
    """A struct hmm with the semaphore that guards its list of mirrors.

    Attributes:
        mirrors_sem: held for writing while a mirror joins or leaves.

    Source: mm/hmm.c, v5.2.
    Simplified: as `Hmm`; each mirror records whether it is on the list.
    """

    mirrors_sem: MirrorsSem = field(default_factory=MirrorsSem)

    def free(self) -> None:
        """Free the memory and the semaphore in it, inside a step."""
        self.mirrors_sem.free()
        super().free()


class HmmMirror(Slab):
    """A driver's struct hmm_mirror.

    Attributes:
        hmm: the struct hmm it is registered on.
        listed: it is on that struct hmm's list.

    Source: include/linux/hmm.h, mm/hmm.c.
    """

    hmm: MirroredHmm | None = None
    listed: bool = False

    @atomic("mm/hmm.c")
    def read_hmm(self) -> MirroredHmm | None:
        """Load mirror->hmm, taking no reference on what it names."""
        return self.hmm

    @atomic("mm/hmm.c")
    def set_hmm(self, hmm: MirroredHmm | None) -> None:
        """Write mirror->hmm: NULL, or a poison."""
        self.hmm = hmm

    @atomic("mm/hmm.c")
    def xchg_hmm(self) -> MirroredHmm | None:
        """Load mirror->hmm and clear it in one operation."""
        hmm, self.hmm = self.hmm, None
        return hmm

    @atomic("include/linux/list.h")
    def list_del_init(self) -> None:
        """Take the mirror off the list; a second call changes nothing."""
        self.listed = False

    @atomic("include/linux/list.h")
    def list_del(self) -> None:
        """Take the mirror off the list, and poison its links."""
        if not self.listed:
            follow(f"{self.name}.list")
        self.listed = False


class PoisonedSem(MirrorsSem):
    """What lies at the offset of mirrors_sem from a poisoned pointer: nothing.

    Source: include/linux/poison.h.
    """

    @atomic("kernel/locking/rwsem.c")
    def down_write(self) -> None:
        """Follow the poisoned pointer to a semaphore."""
        follow("mirror->hmm")
