"""An entry that names a folio in a device's memory, and the migration back to the system's."""

from mmviz.engine import Struct, atomic, field, warn
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import SpinLock


class DevicePrivateMapping(Struct):
    """The one mapping of a folio in device memory.

    Attributes:
        pte: the entry: device-private, or present once the folio has been migrated.
        copy: the page of system memory that it is migrated to. Never changes.
        ptl: the page-table lock.

    Source: mm/memory.c, do_swap_page(); mm/migrate_device.c.
    Simplified: the mapping holds one reference on the folio.
    """

    pte: Pte
    copy: Page
    ptl: SpinLock = field(default_factory=SpinLock)

    @atomic("mm/memory.c")
    def ptep_get(self) -> Pte:
        """Read the entry; without the page-table lock it may change at any moment."""
        return self.pte

    def move(self, page: Page) -> bool:
        """Move the entry to the copy, inside a step, unless there are unexpected references.

        The mapping's and that of the task that migrates are expected.
        """
        if self.pte.private and page.refs != 2:
            warn("migration_aborted", f"{page} has {page.refs} references, 2 are expected")
        if page.refs != 2 or not self.pte.private:
            return False
        self.pte = Pte(self.copy)
        page.put()
        return True

    @atomic("mm/migrate.c")
    def folio_migrate_mapping(self, page: Page) -> bool:
        """Move the entry to the copy; the caller holds the page-table lock."""
        return self.move(page)

    @atomic("include/linux/memremap.h", when=lambda mapping, _page: mapping.ptl.owner is None)
    def migrate_to_ram(self, page: Page) -> bool:
        """The driver migrates the folio back, under the page-table lock."""
        return self.move(page)
