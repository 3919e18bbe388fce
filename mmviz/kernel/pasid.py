"""Shared virtual addressing: one PASID, its table entry, the caches, and a device's DMA."""

from mmviz.engine import Struct, atomic, field, warn
from mmviz.kernel.mm_struct import MmStruct, Pgd
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
        """Start a DMA: find the page in the device's cache or the IOMMU; it is under way now."""
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


class Ioasid(Struct):
    """The allocator of PASIDs, with one number left to give.

    Attributes:
        owner: the process that has the number, "" while it is free.

    Source: drivers/iommu/ioasid.c, until v6.3; an IDA since.
    Simplified: one number; who wants it waits until it is free.
    """

    owner: str = ""

    @atomic("drivers/iommu/ioasid.c", when=lambda pool, _owner: not pool.owner)
    def ioasid_alloc(self, owner: str) -> None:
        """Take the number for a process."""
        self.owner = owner

    @atomic("drivers/iommu/ioasid.c")
    def ioasid_free(self) -> None:
        """Give the number back: the next process may get it."""
        self.owner = ""


class DropsPasid(MmStruct):
    """An mm whose last reference gives its PASID back.

    Source: kernel/fork.c, __mmdrop() since 2667ed10d9f0 (v5.18-rc6).
    """

    ioasid: Ioasid = field(kw_only=True)

    @atomic("kernel/fork.c")
    def mmdrop(self) -> None:
        """Put a reference on the struct; the last one frees the pgd and the PASID."""
        super().mmdrop().do()
        if self.mm_count == 0:
            self.ioasid.ioasid_free().do()


class PasidArray(Struct):
    """What a group has attached to its PASIDs; here, to one.

    Attributes:
        domain: the process whose domain is attached, None while there is none.

    Source: drivers/iommu/iommu.c, struct iommu_group, pasid_array (v6.2).
    """

    domain: MmStruct | None = None

    @atomic("drivers/iommu/iommu.c")
    def iommu_attach_device_pasid(self, mm: MmStruct) -> bool:
        """Take the slot for a process; say -EBUSY while another has it."""
        if self.domain is not None:
            warn("bind_refused", f"-EBUSY: the slot still is {self.domain}'s")
            return False
        self.domain = mm
        return True

    @atomic("drivers/iommu/iommu.c")
    def iommu_detach_device_pasid(self) -> None:
        """Give the slot back."""
        self.domain = None
