"""A device that walks the CPU's page table, and the two moments at which it can be notified."""

from typing import Any

from mmviz.scenarios.invalidate_page.worlds.mirror import VA
from mmviz.scenarios.invalidate_page.worlds.unmapping import Driver


class HardwareWalks(Driver):
    """The device walks the CPU's page table; only its cache has to be flushed."""

    async def invalidate_range(self, k: Any) -> None:
        await k.gpu.unmap(VA)

    async def fault(self, k: Any) -> None:
        await k.gpu.walk(k.cpu, VA)


class ToldAtEnd(HardwareWalks):
    """Implements invalidate_range(); the core calls it only as a part of range_end."""

    async def invalidate_range_end(self, k: Any) -> None:
        await self.invalidate_range(k)
