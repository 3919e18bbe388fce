"""Shared virtual addressing: one PASID, its table entry, the caches, and a device's DMA."""

from typing import Literal

from mmviz.engine import Struct, atomic, field, warn
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.page import Page

Absent = Literal["not present", "not present, faults disabled"]
NOT_PRESENT: Absent = "not present"
NOT_PRESENT_QUIET: Absent = "not present, faults disabled"


class Smmu(Struct):
    """An IOMMU that walks a process's own page table for one PASID.

    Attributes:
        entry: the PASID's table entry in memory: a pgd, NOT_PRESENT (each use is reported) or
            NOT_PRESENT_QUIET (VT-d's fault processing disable).
        cached_entry: the IOMMU's copy of an entry that was present.
        iotlb: the page that the IOMMU last found for the address.

    Source: drivers/iommu/arm/arm-smmu-v3; the entry is its context descriptor (CD).
    Simplified: one PASID, one address; an entry that is not present is not cached; a command
    works at once, and a wait for the last one's completion is enough, because the command
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
    def arm_smmu_write_ctx_desc(self, entry: Pgd | Absent) -> None:
        """Write the PASID's entry in memory; cached copies of the old one stay."""
        self.entry = entry

    @atomic("drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c")
    def arm_smmu_sync_cd(self) -> None:
        """Invalidate the IOMMU's copy of the PASID's entry."""
        self.cached_entry = None

    @atomic("drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c")
    def arm_smmu_tlb_inv_asid(self) -> None:
        """Invalidate the IOMMU's translations."""
        self.iotlb = None


class DmaQueue(Struct):
    """A queue of work on a device, all of it with the PASID of one process.

    Attributes:
        smmu: the IOMMU that translates. Never changes.
        inflight: the page that a DMA under way will access.
        stopped: the queue starts no new DMA.

    Source: what drivers/misc/uacce/uacce.c calls a queue.
    Simplified: one DMA at a time, to one address; request and walk are one step.
    """

    smmu: Smmu
    inflight: Page | None = None
    stopped: bool = False

    def find(self) -> Page | None:
        """Find the page, inside a step."""
        return self.smmu.translate()

    @atomic("hardware", when=lambda queue: not queue.stopped)
    def translate(self) -> Page | None:
        """Start a DMA, which is now under way: find the page in the device's cache or the IOMMU."""
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
        """Wait until the commands are done and every DMA that used a dropped entry has finished."""

    @atomic("driver")
    def start_queue(self) -> None:
        """Let the device start work."""
        self.stopped = False

    @atomic("driver")
    def stop_queue(self) -> None:
        """Tell the device to start no more work."""
        self.stopped = True

    @atomic("driver", when=lambda queue: queue.inflight is None)
    def drain_queue(self) -> None:
        """Wait until the work under way is done."""


class SvaDevice(DmaQueue):
    """A device that works on a process's addresses, with an address cache of its own (ATS).

    Attributes:
        atc: the translation that the device caches; it uses it without asking the IOMMU.

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
        """Invalidate the device's cached translation."""
        self.atc = None


class Ioasid(Struct):
    """The allocator of PASIDs, with one number left.

    Attributes:
        owner: the process that holds the number, "" while it is free.

    Source: drivers/iommu/ioasid.c, until v6.3; an IDA since.
    Simplified: one number; an actor that wants it waits until it is free.
    """

    owner: str = ""

    @atomic("drivers/iommu/ioasid.c", when=lambda pool, _owner: not pool.owner)
    def ioasid_alloc(self, owner: str) -> None:
        """Take the number for a process."""
        self.owner = owner

    @atomic("drivers/iommu/ioasid.c")
    def ioasid_free(self) -> None:
        """Free the number: the next process may get it."""
        self.owner = ""


class DropsPasid(MmStruct):
    """An mm whose last reference frees its PASID.

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
    """The domains attached to a group's PASIDs; here, to one PASID.

    Attributes:
        domain: the process whose domain is attached, None while the slot is free.

    Source: drivers/iommu/iommu.c, struct iommu_group, pasid_array (v6.2).
    """

    domain: MmStruct | None = None

    @atomic("drivers/iommu/iommu.c")
    def iommu_attach_device_pasid(self, mm: MmStruct) -> bool:
        """Take the slot for a process; fail with -EBUSY while another process holds it."""
        if self.domain is not None:
            warn("bind_refused", f"-EBUSY: the slot is still {self.domain}'s")
            return False
        self.domain = mm
        return True

    @atomic("drivers/iommu/iommu.c")
    def iommu_detach_device_pasid(self) -> None:
        """Free the slot."""
        self.domain = None
