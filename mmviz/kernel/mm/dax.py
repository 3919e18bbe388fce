"""A range of a DAX mapping: one PMD, or the PTEs below it, and a device that mirrors it."""

from mmviz.engine import Struct, atomic, current, field, warn
from mmviz.kernel.sync.locks import SpinLock, might_sleep

PTE, PMD = "pte", "pmd"
A, B = "A", "B"
COVERS = {PTE: frozenset({A}), PMD: frozenset({A, B})}


class DaxRange(Struct):
    """Two pages of a file, of which one entry may map one or both.

    Attributes:
        entry: PTE, an entry of page A alone; or PMD, one of both.
        writable: what the CPU may write through the entry.
        ptl: the lock of the entry.

    Source: mm/memory.c, follow_pte_pmd(); fs/dax.c, dax_mapping_entry_mkclean(), v4.13.
    Simplified: two pages stand for the many of a PMD.
    """

    entry: str = PTE
    writable: frozenset[str] = COVERS[PTE]
    ptl: SpinLock = field(default_factory=SpinLock)

    @atomic("mm/memory.c")
    def pmd_huge(self) -> bool:
        """Look at the PMD; without the lock it may change at any moment."""
        return self.entry == PMD

    @atomic("mm/memory.c")
    def wrprotect(self) -> None:
        """Make the entry clean and read-only, with its lock held: the CPU faults on a write."""
        if self.ptl.owner != current().name:
            warn("lockdep_complains", f"{current().name} does not hold {self.ptl.name}")
        self.writable -= COVERS[self.entry]

    @atomic("fs/dax.c", when=lambda dax: dax.ptl.owner is None)
    def dax_iomap_pmd_fault(self) -> None:
        """A write fault maps both pages by one PMD, under the lock."""
        self.entry, self.writable = PMD, COVERS[PMD]


class Mirror(Struct):
    """A device that mirrors the range, and the invalidations that are under way.

    Attributes:
        range: what it mirrors.  Never changes.
        writable: what the device may write.
        invalidated: what an invalidation that has begun covers: nothing of it is mapped anew.

    Source: virt/kvm/kvm_main.c and drivers/infiniband/core/umem_odp.c do so with a counter.
    """

    range: DaxRange
    writable: frozenset[str] = COVERS[PTE]
    invalidated: frozenset[str] = frozenset()

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_invalidate_range_start(self, pages: frozenset[str]) -> None:
        """Tell the device that these pages are about to change; it unmaps them, and may sleep."""
        might_sleep("mmu_notifier_invalidate_range_start()")
        self.invalidated = pages
        self.writable -= pages

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_invalidate_range_end(self) -> None:
        """Tell the device that the change is over; it may sleep, too."""
        might_sleep("mmu_notifier_invalidate_range_end()")
        self.invalidated = frozenset()

    @atomic("driver", when=lambda mirror, page: page not in mirror.invalidated)
    def map(self, page: str) -> None:
        """The device faults: it maps the page if the CPU may write it."""
        if page in self.range.writable:
            self.writable |= {page}
