"""The state of the kernel's test driver for device memory: its page table and its memory."""

from typing import ClassVar, NamedTuple

from mmviz.engine import atomic, field
from mmviz.kernel.conformance.buffer_vma import DevicePage, HmmPfn, WordPage, ZeroPage, word_page
from mmviz.kernel.mm.page import Page
from mmviz.kernel.notifier.interval import MMU_NOTIFY_MIGRATE, MmuIntervalNotifier
from mmviz.kernel.sync.locks import Mutex

DPT_XA_TAG_WRITE, DPT_XA_TAG_ATOMIC = "W", "ATOMIC"
PROT_DEV_PRIVATE_LOCAL = "DEV_PRIVATE_LOCAL"
PROT_DEV_COHERENT_LOCAL, PROT_DEV_COHERENT_REMOTE = "DEV_COHERENT_LOCAL", "DEV_COHERENT_REMOTE"
PROT_ERROR, PROT_NONE, PROT_READ, PROT_WRITE, PROT_ZERO = "ERROR", "NONE", "READ", "WRITE", "ZERO"


class DeviceEntry(NamedTuple):
    """An entry of the device's page table: a page pointer and its tag.

    Attributes:
        page: what the device reads and writes.
        tag: DPT_XA_TAG_WRITE, DPT_XA_TAG_ATOMIC, or "" for reading only.
    """

    page: WordPage
    tag: str = ""


class DmirrorPage(MmuIntervalNotifier):
    """What the driver keeps of one page of the process.

    Attributes:
        mutex: guards the device's page table; the pages share it.
        mdevice: the device whose memory is this driver's own. Never changes.
        entry: the table's entry for the page, None where the device would fault.

    Source: lib/test_hmm.c, struct dmirror, dmirror_interval_invalidate().
    Simplified: the driver has one interval notifier for the whole process; here each page has its
    own, so that a callback needs no address.
    """

    mutex: Mutex = field(kw_only=True)
    mdevice: str = field(kw_only=True)
    entry: DeviceEntry | None = None

    async def invalidate(self, event: str, owner: str) -> None:
        """Erase the entry, unless this driver itself migrates the page."""
        if event == MMU_NOTIFY_MIGRATE and owner == self.mdevice:
            return
        await self.mutex.mutex_lock()
        await self.mmu_interval_set_seq()
        await self.dmirror_do_update()
        await self.mutex.mutex_unlock()

    @atomic("lib/test_hmm.c")
    def dmirror_do_update(self) -> None:
        """Erase the device's entry."""
        self.entry = None

    @atomic("lib/test_hmm.c")
    def dmirror_do_fault(self, page: WordPage, write: bool) -> None:
        """Let the device read the page, and write it if the process may."""
        self.entry = DeviceEntry(page, DPT_XA_TAG_WRITE if write else "")

    @atomic("lib/test_hmm.c")
    def dmirror_atomic_map(self, page: Page) -> None:
        """Let the device do atomic operations on the page, which no CPU may access now."""
        self.entry = DeviceEntry(word_page(page), DPT_XA_TAG_ATOMIC)

    @atomic("lib/test_hmm.c")
    def dmirror_migrate_finalize_and_map(self, page: DevicePage, write: bool) -> None:
        """Let the device access the page that was moved to its memory."""
        self.entry = DeviceEntry(page, DPT_XA_TAG_WRITE if write else "")

    @atomic("lib/test_hmm.c")
    def dmirror_do_read(self) -> int | None:
        """The device reads the word through any entry; None if there is none."""
        return None if self.entry is None else self.entry.page.word

    @atomic("lib/test_hmm.c")
    def dmirror_do_write(self, word: int) -> bool:
        """The device writes the word if the entry is tagged for it; return whether it was."""
        if self.entry is None or self.entry.tag != DPT_XA_TAG_WRITE:
            return False
        self.entry.page.word = word
        return True

    @atomic("lib/test_hmm.c")
    def is_atomic(self) -> bool:
        """Check whether the entry is tagged for atomic operations."""
        return self.entry is not None and self.entry.tag == DPT_XA_TAG_ATOMIC


class DmirrorDevicePage(DevicePage):
    """A page of the test driver's device memory.

    Attributes:
        zone_device_data: the entry of the page table that may name it. Never changes.

    Source: lib/test_hmm.c, dmirror_devmem_alloc_page(), dmirror_devmem_fault().
    """

    zone_device_data: DmirrorPage = field(kw_only=True)

    async def migrate_to_ram(self) -> None:
        """Erase the device's entry for the page, which is about to be copied back."""
        await self.zone_device_data.mutex.mutex_lock()
        await self.zone_device_data.dmirror_do_update()
        await self.zone_device_data.mutex.mutex_unlock()


class CoherentDevicePage(DmirrorDevicePage):
    """A DmirrorDevicePage that CPUs can access (v6.0)."""

    coherent: ClassVar[bool] = True


def protection(pfn: HmmPfn, mdevice: str) -> str:
    """Return the HMM_DMIRROR_PROT_ words for what a lookup for a device found.

    Source: lib/test_hmm.c, dmirror_mkentry().
    """
    if pfn.error:
        return PROT_ERROR
    if pfn.page is None:
        return PROT_NONE
    right = PROT_WRITE if pfn.write else PROT_READ
    if isinstance(pfn.page, DevicePage):
        is_local = pfn.page.owner == mdevice
        remote = PROT_DEV_COHERENT_LOCAL if is_local else PROT_DEV_COHERENT_REMOTE
        return f"{remote if pfn.page.coherent else PROT_DEV_PRIVATE_LOCAL}|{right}"
    return f"{PROT_ZERO}|{right}" if isinstance(pfn.page, ZeroPage) else right
