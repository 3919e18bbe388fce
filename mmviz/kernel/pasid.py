"""Shared virtual addressing: one PASID, its table entry, the caches, and a device's DMA."""

from mmviz.engine import Struct, atomic, warn
from mmviz.kernel.mm_struct import Pgd
from mmviz.kernel.page import Page

NOT_PRESENT = "not present"
NOT_PRESENT_QUIET = "not present, faults disabled"


class Smmu(Struct):
    """An IOMMU that walks a process's own page table for one PASID.

    Attributes:
        entry: the PASID's table entry in memory: a pgd, NOT_PRESENT (each use is reported) or
            NOT_PRESENT_QUIET (VT-d's fault processing disable).
        cached_entry: the IOMMU's copy of an entry that was present.
        iotlb: the page the IOMMU last found for the address.

    Source: drivers/iommu/arm/arm-smmu-v3; the entry is its context descriptor (CD).
    Simplified: one PASID, one address; an entry that is not present is not cached; a command
    works at once, and only the last one's completion has to be waited for, since the command
    queue is in order.
    """

    entry: Pgd | str
    cached_entry: Pgd | None = None
    iotlb: Page | None = None

    def translate(self) -> Page | None:
        """Find the page, inside a step: in the IOTLB, or by a walk that fills the caches."""
        if self.iotlb is None:
            table = self.walked_table()
            self.iotlb = table.page if table is not None else None
        return self.iotlb

    def walked_table(self) -> Pgd | None:
        """Find the table to walk, inside a step: by the cached entry, or by the one in memory."""
        if self.cached_entry is None:
            if isinstance(self.entry, Pgd):
                self.cached_entry = self.entry
            elif self.entry == NOT_PRESENT:
                warn("user_fills_kernel_log", "event C_BAD_CD: a DMA met no PASID entry")
        return self.cached_entry

    @atomic("drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c")
    def arm_smmu_write_ctx_desc(self, entry: Pgd | str) -> None:
        """Write the PASID's entry in memory; copies of the old one stay where they are."""
        self.entry = entry

    @atomic("drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c")
    def arm_smmu_sync_cd(self) -> None:
        """Make the IOMMU forget its copy of the PASID's entry."""
        self.cached_entry = None

    @atomic("drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c")
    def arm_smmu_tlb_inv_asid(self) -> None:
        """Make the IOMMU forget the translations it found."""
        self.iotlb = None


class DmaQueue(Struct):
    """A queue of work on a device, all of it with the PASID of one process.

    Attributes:
        smmu: the IOMMU that translates. Never changes.
        inflight: the page a DMA is on its way to.
        stopped: nothing is started any more.

    Source: what drivers/misc/uacce/uacce.c calls a queue.
    Simplified: one DMA at a time, to one address; asking and walking are one step.
    """

    smmu: Smmu
    inflight: Page | None = None
    stopped: bool = False

    def find(self) -> Page | None:
        """Find the page, inside a step."""
        return self.smmu.translate()

    @atomic("hardware", when=lambda queue: not queue.stopped)
    def translate(self) -> Page | None:
        """Start a DMA: find the page in the device's own cache, or ask the IOMMU."""
        self.inflight = self.find()
        return self.inflight

    @atomic("hardware")
    def access(self) -> None:
        """Finish the DMA: read or write the page."""
        self.inflight = None

    @atomic(
        "drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c", when=lambda queue: queue.inflight is None
    )
    def arm_smmu_cmdq_issue_sync(self) -> None:
        """Wait until the commands are done: a DMA that used what they dropped has landed."""

    @atomic("driver")
    def start_queue(self) -> None:
        """Let the device work."""
        self.stopped = False

    @atomic("driver")
    def stop_queue(self) -> None:
        """Tell the device to start no more work."""
        self.stopped = True

    @atomic("driver", when=lambda queue: queue.inflight is None)
    def drain_queue(self) -> None:
        """Wait until the work it has begun is done."""


class SvaDevice(DmaQueue):
    """A device that works on a process's addresses, with an address cache of its own (ATS).

    Attributes:
        atc: the translation the device keeps; it is used without asking the IOMMU.

    Source: PCIe Address Translation Services.
    Simplified: as DmaQueue.
    """

    atc: Page | None = None

    def find(self) -> Page | None:
        """Find the page, inside a step: in the device's cache, or with the IOMMU's help."""
        if self.atc is None:
            self.atc = self.smmu.translate()
        return self.atc

    @atomic("drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c")
    def arm_smmu_atc_inv_domain(self) -> None:
        """Make the device forget the translation it keeps."""
        self.atc = None
