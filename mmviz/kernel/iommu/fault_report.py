"""Where a device's error is reported: the kernel's log, its user's queue, or nowhere."""

from mmviz.engine import Struct, atomic, field, warn
from mmviz.kernel.iommu.io_mm import IoMm
from mmviz.kernel.iommu.pasid import NOT_PRESENT, Smmu
from mmviz.kernel.mm.mm_struct import Pgd


class ErrorReport(Struct):
    """Where a driver reports that a DMA failed.

    Attributes:
        queue_error: the owner of the queue can see that its work failed.

    Source: drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c, arm_smmu_evtq_thread(); a queue's status
    in drivers/misc/uacce.
    """

    queue_error: bool = False

    @atomic("kernel/printk/printk.c")
    def dev_err(self) -> None:
        """Print that a DMA failed."""
        warn("user_fills_kernel_log", "a DMA to an unmapped address is printed")

    @atomic("driver")
    def fail_queue(self) -> None:
        """Mark the queue as failed: only its owner sees it."""
        self.queue_error = True


class ReportingSmmu(Smmu):
    """An IOMMU that decides by an error's cause whether to report it.

    Attributes:
        io_mm: the process; while a bond is listed a user may cause errors; the last put
            completes the unbind. Never changes.
        prints_faults: an unmapped address is reported as well. Never changes.
        ratelimited: the log takes one line and drops the rest. Never changes.
        printed: that line.

    Source: as Smmu; drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c, event 0x0a C_BAD_CD.
    """

    io_mm: IoMm = field(kw_only=True)
    prints_faults: bool = False
    ratelimited: bool = False
    printed: bool = False

    def print(self, text: str) -> None:
        """Report an error to the log, inside a step."""
        if self.ratelimited and self.printed:
            return
        self.printed = True
        if self.io_mm.bonds:
            warn("user_fills_kernel_log", text)

    def walked_table(self) -> Pgd | None:
        """Find the table to walk, inside a step, and judge whether the log reports it correctly."""
        if self.cached_entry is None and isinstance(self.entry, Pgd):
            self.cached_entry = self.entry
        if self.cached_entry is None and self.entry == NOT_PRESENT:
            self.print("event C_BAD_CD: a DMA met no PASID entry")
        elif self.io_mm.refs == 0:
            warn("driver_bug_unreported", "a DMA after unbind is not reported")
        elif self.prints_faults and (self.cached_entry is None or self.cached_entry.page is None):
            self.print("event F_TRANSLATION: an address is not mapped")
        return self.cached_entry
