"""The one struct hmm of an mm, as ranges of v5.2 look it up and an invalidation finds it."""

from mmviz.engine import Oops, atomic, field
from mmviz.kernel.hmm.range import HeldHmm, HmmRange
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierSubscriptions
from mmviz.kernel.sync.locks import RwSemaphore


class MirroringHmm(HeldHmm):
    """A struct hmm with its count, its ranges and its mirrors.

    Attributes:
        mirrors: drivers' mirrors on its list.

    Source: include/linux/hmm.h, mm/hmm.c, v5.2.
    """

    mirrors: int = 1

    @atomic("include/linux/list.h")
    def list_del_init(self) -> None:
        """Take the mirror off the list."""
        self.mirrors -= 1


class RangedDevice(DevicePageTable):
    """A device's page table, filled through a range.

    Source: Documentation/vm/hmm.rst.
    """

    @atomic("driver")
    def map_if_valid(self, address: str, cpu: PageTable, range_: HmmRange) -> None:
        """If the range is valid, look the page up and map it for the device."""
        if range_.valid:
            self.pte[address] = cpu.pte[address]


class HmmOfMm(MmuNotifierSubscriptions):
    """The mm's struct hmm, whose notifier is the one on its list.

    Attributes:
        hmm: mm->hmm.
        mmap_sem: the semaphore of the address space.

    Source: mm/hmm.c, mm/mmu_notifier.c, v5.2.
    Simplified: the start of an invalidation, HMM's callback and the drivers' are one step.
    """

    hmm: MirroringHmm | None = None
    mmap_sem: RwSemaphore = field(default_factory=RwSemaphore)

    @atomic("mm/hmm.c")
    def read_once_hmm(self) -> MirroringHmm | None:
        """Load mm->hmm without a lock: it may be cleared and freed at any moment."""
        return self.hmm

    @atomic("mm/hmm.c", when=lambda mm, _fresh: mm.active_invalidate_ranges == 0)
    def hmm_get_or_create(self, fresh: MirroringHmm) -> MirroringHmm:
        """Get the mm's struct hmm, or create one, which needs mmap_sem held for writing."""
        if self.hmm is not None and self.hmm.get_unless_zero():
            return self.hmm
        if self.mmap_sem.writer is None:
            raise Oops("bug_in_mm_take_all_locks", "mmap_sem is not held for writing")
        self.hmm = fresh
        return fresh

    @atomic("mm/hmm.c")
    def forget(self, hmm: MirroringHmm) -> None:
        """Take the notifier off the list and clear mm->hmm if it still is this one."""
        if self.hmm is hmm:
            self.hmm = None

    @atomic("mm/hmm.c")
    def hmm_invalidate_range_start(self, gpu: RangedDevice) -> MirroringHmm | None:
        """Make every range invalid, and clear the device's entries if struct hmm has a mirror."""
        self.active_invalidate_ranges += 1
        if self.hmm is not None:
            self.hmm.notifiers += 1
            for range_ in self.hmm.ranges:
                range_.valid = False
            if self.hmm.mirrors:
                for address in gpu.pte:
                    gpu.pte[address] = None
        return self.hmm

    @atomic("mm/hmm.c")
    def hmm_invalidate_range_end(self, hmm: MirroringHmm | None) -> None:
        """Make the ranges valid again."""
        self.active_invalidate_ranges -= 1
        if hmm is not None and self.hmm is hmm:
            hmm.notifiers -= 1
            for range_ in hmm.ranges:
                range_.valid = True
