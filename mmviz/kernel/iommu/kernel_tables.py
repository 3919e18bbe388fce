"""The kernel's page tables as an IOMMU sees them that shares a process's."""

from mmviz.engine import Struct, atomic, field
from mmviz.kernel.sync.locks import SpinLock, might_sleep


class TablePage(Struct):
    """A page that is a kernel page table at first.

    Attributes:
        use: "page table"; "free"; or "data", once it has another owner.

    Source: arch/x86/mm/pgtable.c; include/linux/mm.h, pagetable_free_kernel().
    """

    use: str = "page table"


class KernelTables(Struct):
    """The kernel's part of the page tables: an upper entry and the table that it leads to.

    Attributes:
        pmd: the upper entry: the table, or None.
        deferred: tables that wait for the work item which frees them.
        work_queued: the work item waits for a worker.
        page_table_lock: init_mm's; an actor that edits the entries may hold it.

    Source: mm/vmalloc.c, vunmap_range(); mm/pgtable-generic.c, pagetable_free_kernel().
    """

    pmd: TablePage | None
    deferred: frozenset[TablePage] = frozenset()
    work_queued: bool = False
    page_table_lock: SpinLock = field(default_factory=SpinLock)

    @atomic("include/linux/pgtable.h")
    def pmd_clear(self) -> TablePage | None:
        """Clear the upper entry; return the table that it led to."""
        table, self.pmd = self.pmd, None
        return table

    @atomic("arch/x86/mm/tlb.c")
    def flush_tlb_kernel_range(self) -> None:
        """Flush the CPUs' TLBs; the IOMMU does not hear of it."""

    @atomic("mm/page_alloc.c")
    def free_page(self, table: TablePage) -> None:
        """Free the page: the next allocation may get it."""
        table.use = "free"

    @atomic("mm/page_alloc.c", when=lambda _tables, page: page.use == "free")
    def alloc_page(self, page: TablePage) -> None:
        """Get the free page, and fill it."""
        page.use = "data"

    @atomic("mm/pgtable-generic.c")
    def pagetable_free_kernel(self, table: TablePage) -> None:
        """Put the table on the list, and queue the work item that frees it."""
        self.deferred |= {table}
        self.work_queued = True

    @atomic("kernel/workqueue.c")
    def schedule_work(self) -> None:
        """Queue a work item."""
        self.work_queued = True

    @atomic("kernel/workqueue.c", when=lambda tables: tables.work_queued)
    def process_one_work(self) -> frozenset[TablePage]:
        """Take the list of tables."""
        self.work_queued = False
        taken, self.deferred = self.deferred, frozenset()
        return taken

    @atomic("mm/pgtable-generic.c")
    def free_deferred(self, tables: frozenset[TablePage]) -> None:
        """Free each table of the list."""
        for table in tables:
            table.use = "free"


class PagingCache(Struct):
    """An IOMMU's caches for a PASID that shares a process's page tables.

    Attributes:
        tables: what it walks. Never changes.
        upper: the table to which a cached upper entry leads; None if there is none.
        leaf: a translation of the kernel's address is cached; a user's request is refused, so it
            never is.

    Source: Intel VT-d specification, paging-structure caches;
    drivers/iommu/iommu-sva.c, iommu_sva_invalidate_kva_range().
    Simplified: one upper entry; a walk is two steps.
    """

    tables: KernelTables
    upper: TablePage | None = None
    leaf: bool = False

    @atomic("hardware")
    def walk_upper(self) -> TablePage | None:
        """Find the table: by the cached upper entry, or by the one in memory, which is kept."""
        if self.upper is None:
            self.upper = self.tables.pmd
        return self.upper

    @atomic("hardware")
    def walk_table(self, table: TablePage) -> str:
        """Read an entry of the table and set its Accessed bit; then refuse the user's request."""
        return table.use

    @atomic("drivers/iommu/iommu-sva.c")
    def flush_leaf(self) -> None:
        """Invalidate translations of the range, but not the upper entries that were cached."""
        self.leaf = False

    @atomic("drivers/iommu/iommu-sva.c")
    def iommu_sva_invalidate_kva_range(self) -> None:
        """Invalidate all that the IOMMU has cached of the range, upper entries as well."""
        self.upper = None

    @atomic("drivers/iommu/iommu-sva.c")
    def invalidate_under_mutex(self) -> None:
        """Take iommu_sva_lock, a mutex, and invalidate as above."""
        might_sleep("mutex_lock(iommu_sva_lock)")
        self.upper = None
