"""I/O page faults: a device asks for a page and waits for the answer."""

from mmviz.engine import Oops, Struct, atomic, warn
from mmviz.kernel.mm.mm_struct import MmStruct
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable

SUCCESS = "success"
INVALID = "invalid"


class PageRequest(Struct):
    """A page request of a device, and the answer to it.

    Attributes:
        pending: the device waits for an answer.
        response: SUCCESS, after which the device retries, or INVALID, after which it gives up.

    Source: PCIe Page Request Interface; drivers/iommu/io-pgfault.c, iommu_page_response().
    Simplified: one request at a time.
    """

    pending: bool = False
    response: str = ""

    @atomic("hardware")
    def request(self) -> None:
        """Ask for the page."""
        self.pending = True

    @atomic("hardware", when=lambda prq: not prq.pending)
    def answer(self) -> str:
        """Wait for the answer."""
        return self.response

    @atomic("drivers/iommu/io-pgfault.c", when=lambda prq: prq.pending)
    def iommu_report_device_fault(self) -> None:
        """Wait for a page request."""

    @atomic("drivers/iommu/io-pgfault.c")
    def iommu_page_response(self, response: str) -> None:
        """Answer the device."""
        self.pending = False
        self.response = response


class FaultableMm(MmStruct):
    """An mm whose page a fault handler may look up.

    Attributes:
        torn_down: exit_mmap() has run. The kernel keeps no such flag; a second run must never
            happen.

    Source: mm/gup.c; the walk goes through tables that exit_mmap() frees.
    """

    torn_down: bool = False

    @atomic("mm/mmap.c")
    def exit_mmap(self) -> None:
        """Unmap everything; pages and lower tables are freed, even if caches still hold them."""
        if self.torn_down:
            warn("torn_down_twice", f"exit_mmap() runs on {self.name} a second time")
        self.torn_down = True
        super().exit_mmap().do()

    @atomic("mm/gup.c")
    def get_user_pages(self) -> Page | None:
        """Walk the process's page table; after the teardown the walk finds nothing."""
        if self.pgd.freed:
            raise Oops("use_after_free", "the handler walks a pgd that was freed")
        return self.pgd.page


class ShadowTable(DevicePageTable):
    """A device's own copy of page-table entries, which it walks itself.

    Source: as DevicePageTable; KVM's SPTEs and the NIC's table of RDMA ODP are such copies.
    """

    @atomic("hardware")
    def translate(self, address: str) -> Page | None:
        """Look the page up in the device's table; the DMA is under way from here on."""
        return self.pte[address]
