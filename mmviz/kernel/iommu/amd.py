"""AMD's IOMMU: the command buffer, its completion waits, and the translations it caches."""

from typing import NamedTuple

from mmviz.engine import Allocated, Map, Struct, atomic, field, warn
from mmviz.kernel.sync.locks import SpinLock, in_atomic


class Command(NamedTuple):
    """A command in the buffer: the domain to invalidate, or the number to store when it is done."""

    domain: str = ""
    number: int = 0

    def __str__(self) -> str:
        return f"inv-{self.domain}" if self.domain else f"CWAIT({self.number})"


class IoPageTable(Allocated):
    """Page-table pages of a domain that an unmap has taken out, until they are freed.

    Source: include/linux/generic_pt/iommu.h; drivers/iommu/iommu-pages.c.
    """

    @atomic("drivers/iommu/iommu-pages.c")
    def iommu_put_pages_list(self) -> None:
        """Free the pages."""
        self.free()


class AmdIommu(Struct):
    """An IOMMU with its command buffer; it runs commands one after another, in their order.

    Attributes:
        buffer: the commands that the hardware has not run yet.
        need_sync: a command was queued, and no completion wait after it.
        cmd_sem_val: the number of the last completion wait that was drawn.
        cmd_sem: the word in memory that the hardware writes the number to.
        iotlb: by domain, the page table that a cached translation leads to; None if there is none.
        lock: guards buffer, need_sync and, since v7.0, cmd_sem_val.

    Source: drivers/iommu/amd/iommu.c, __iommu_queue_command_sync(), build_completion_wait(),
    wait_on_sem().
    Simplified: the buffer is never full; an invalidation is one command.
    """

    iotlb: Map[str, IoPageTable | None]
    buffer: tuple[Command, ...] = ()
    need_sync: bool = False
    cmd_sem_val: int = 0
    cmd_sem: int = 0
    lock: SpinLock = field(default_factory=SpinLock)

    @atomic("drivers/iommu/amd/iommu.c", when=lambda iommu, *_: iommu.lock.owner is None)
    def iommu_queue_command(self, domain: str) -> None:
        """Queue the invalidation of a domain, and note that its completion must be waited for."""
        self.buffer = (*self.buffer, Command(domain))
        self.need_sync = True

    @atomic("drivers/iommu/amd/iommu.c")
    def test_need_sync(self) -> bool:
        """Read whether a command was queued after the last completion wait."""
        return self.need_sync

    @atomic("drivers/iommu/amd/iommu.c")
    def get_cmdsem_val(self) -> int:
        """Draw the next number."""
        self.cmd_sem_val += 1
        return self.cmd_sem_val

    @atomic("drivers/iommu/amd/iommu.c")
    def last_cmdsem_val(self) -> int:
        """Read the number that was drawn last."""
        return self.cmd_sem_val

    @atomic("drivers/iommu/amd/iommu.c")
    def queue_completion_wait(self, number: int) -> None:
        """Queue a completion wait; what was queued before it is taken care of."""
        self.buffer = (*self.buffer, Command(number=number))
        self.need_sync = False

    @atomic("drivers/iommu/amd/iommu.c")
    def poll_sem(self) -> None:
        """Begin to poll the word: a busy wait, however long the hardware takes."""
        if in_atomic():
            warn("busy_waits_with_irqs_off", "wait_on_sem() polls with iommu->lock held")

    @atomic("drivers/iommu/amd/iommu.c", when=lambda iommu, number: iommu.cmd_sem >= number)
    def sem_reached(self, number: int) -> None:
        """Go on when the word has reached the number."""

    async def wait_on_sem(self, number: int) -> None:
        """Poll the word in memory until the hardware has stored the number, or a later one."""
        await self.poll_sem()
        await self.sem_reached(number)

    @atomic("hardware", when=lambda iommu: iommu.buffer != ())
    def run_command(self) -> None:
        """Run the oldest command: forget a domain's translations, or store a number."""
        command, *later = self.buffer
        self.buffer = tuple(later)
        if command.domain:
            self.iotlb[command.domain] = None
        else:
            self.cmd_sem = command.number
