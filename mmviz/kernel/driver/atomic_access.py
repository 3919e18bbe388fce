"""A device's access to a page for atomic operations."""

from mmviz.engine import Struct, atomic
from mmviz.kernel.mm.page import Page


class AtomicAccess(Struct):
    """A device's page-table entry with the right to do atomic operations.

    Attributes:
        page: what the entry names, None while the device would fault.
        exclusive: the entry lets the device do atomic operations, so neither a CPU nor another
            device may write.

    Source: drivers/gpu/drm/nouveau/nouveau_svm.c, nouveau_atomic_range_fault().
    Simplified: one entry; the device's own TLB is flushed within the step that clears it.
    """

    page: Page | None = None
    exclusive: bool = False

    @atomic("driver")
    def map(self, page: Page) -> None:
        """Let the device read and write the page, while the CPU may do so too."""
        self.page, self.exclusive = page, False

    @atomic("driver")
    def map_atomic(self, page: Page) -> None:
        """Let the device do atomic operations on the page, which no CPU may access now."""
        self.page, self.exclusive = page, True

    @atomic("driver")
    def unmap(self) -> None:
        """Clear the device's entry: no new operation begins, but one under way continues."""
        self.page, self.exclusive = None, False
