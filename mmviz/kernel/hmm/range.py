"""HMM's ranges: what a driver looks up in an address space that may change or end."""

from mmviz.engine import Allocated, Struct, atomic, field
from mmviz.kernel.mm.mm_count import MmCount
from mmviz.kernel.sync.poison import follow
from mmviz.kernel.sync.refcount import Kref, Slab


class VmArea(Allocated):
    """A struct vm_area_struct.

    Attributes:
        vm_flags: what its user may do.

    Source: include/linux/mm_types.h.
    Simplified: one stands for all of them, and for the page tables below.
    """

    vm_flags: str = "VM_READ"


class AddressSpace(MmCount):
    """An mm_struct with the mapping that exit_mmap() frees.

    Attributes:
        vma: its one mapping.

    Source: mm/mmap.c, find_vma(), exit_mmap().
    Simplified: as `MmCount`; exit_mmap() frees in one step, and takes no mmap_sem, as in v5.2.
    """

    vma: VmArea = field(default_factory=VmArea)

    @atomic("mm/mmap.c")
    def find_vma(self) -> str:
        """Find the mapping and read its flags; an exit does not wait for that."""
        return self.vma.vm_flags

    @atomic("mm/mmap.c")
    def exit_mmap(self) -> None:
        """Unmap everything and free the mappings, even while a thread uses them."""
        self.vma.free()


class HmmRange(Struct):
    """A struct hmm_range: what a driver looks up.

    Attributes:
        valid: nothing has changed in it so far.

    Source: include/linux/hmm.h, v5.2.
    """

    valid: bool = False

    @atomic("include/linux/hmm.h")
    def hmm_range_valid(self) -> bool:
        """Return whether the range is still valid: a hint, without the driver's lock."""
        return self.valid


class RangedHmm(Slab):
    """A struct hmm with the ranges that are registered on it.

    Attributes:
        dead: its process has exited.
        notifiers: invalidations that have begun and not ended.
        ranges: the registered ranges.

    Source: mm/hmm.c, v5.2.
    Simplified: its count and its mirrors are `Hmm`'s; what is done under its lock is one step.
    """

    dead: bool = False
    notifiers: int = 0
    ranges: tuple[HmmRange, ...] = ()

    @atomic("mm/hmm.c")
    def read_dead(self) -> bool:
        """Check without a lock whether the process has exited; it may exit at any moment."""
        return self.dead

    @atomic("mm/hmm.c")
    def hmm_range_register(self, range_: HmmRange) -> None:
        """List the range; it is valid unless an invalidation is under way."""
        self.ranges = (*self.ranges, range_)
        range_.valid = self.notifiers == 0

    @atomic("mm/hmm.c")
    def hmm_range_unregister(self, range_: HmmRange) -> None:
        """Take the range off the list."""
        self.ranges = tuple(other for other in self.ranges if other is not range_)
        range_.valid = False

    @atomic("mm/hmm.c")
    def hmm_release(self) -> None:
        """Record that the process has exited, and make every listed range invalid."""
        self.dead = True
        for range_ in self.ranges:
            range_.valid = False

    @atomic("mm/hmm.c")
    def hmm_invalidate_range_end(self) -> None:
        """Count one fewer invalidation; after the last, make every listed range valid again."""
        self.notifiers -= 1
        if self.notifiers == 0:
            for range_ in self.ranges:
                range_.valid = True


class HeldHmm(RangedHmm, Kref):
    """A struct hmm that a registered range keeps alive.

    Attributes:
        refs: the kref inside.

    Source: mm/hmm.c, hmm_range_register(), hmm_put().
    """

    refs: int = 1


class HeldRange(HmmRange):
    """A struct hmm_range with its pointer to struct hmm.

    Attributes:
        hmm: the struct hmm it is registered on; its value afterwards differs by case.

    Source: include/linux/hmm.h.
    """

    valid: bool = True
    hmm: HeldHmm | None = None

    @atomic("mm/hmm.c")
    def read_hmm(self) -> HeldHmm | None:
        """Load range->hmm, taking no reference on what it names."""
        return self.hmm

    @atomic("mm/hmm.c")
    def set_hmm(self, hmm: HeldHmm | None) -> None:
        """Write range->hmm: NULL, or a poison."""
        self.hmm = hmm


class PoisonedHmm(HeldHmm):
    """What a poisoned range->hmm points at: nothing is mapped at that address.

    Source: include/linux/poison.h.
    """

    @atomic("mm/hmm.c")
    def read_dead(self) -> bool:
        """Follow the poisoned pointer to struct hmm."""
        follow("range->hmm")

    @atomic("mm/hmm.c")
    def hmm_range_unregister(self, range_: HmmRange) -> None:
        """Follow the poisoned pointer to the lock in struct hmm."""
        follow("range->hmm")
