"""An exercise of the thread sva: the kernel's page tables, which the IOMMU walks, too."""

from mmviz.engine import at_end
from mmviz.lessons.exercise import Exercise
from mmviz.scenarios.sva.kernel_tables_shared import Machine


@at_end
def page_is_given_back(k: Machine) -> bool:
    """The page is free, or has another owner."""
    return k.page.use != "page table"


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="sva/give_it_back",
        title="Give a page table back that the IOMMU may still walk",
        task="""
CPU0 has cleared the upper entry and flushed the CPUs' TLBs. The IOMMU may have kept the entry, and
walk on through it. CPU0 must not sleep with the page-table lock held, so the rest is put off: CPU0
calls `pagetable_free_kernel()`, and a worker runs later.

Write `work(k)`, which the worker awaits. Steps that you may await: `k.tables.process_one_work()`
(waits for the work, and returns the tables), `k.tables.free_deferred(tables)`,
`k.iommu.flush_leaf()`, `k.iommu.iommu_sva_invalidate_kva_range()`.
""",
        race="sva/kernel_tables_shared",
        case="FreeThenInvalidate",
        writes=("work",),
        jobs=(page_is_given_back,),
        hints=(
            "When may the page have another owner, and what does the IOMMU know then?",
            "A user's request is refused at the leaf: what is it that the IOMMU has cached?",
        ),
        solved="InvalidateThenFree",
        variants=(
            {
                "solved": """
                    import mmviz


                    class Mine(GIVEN):
                        async def work(self, k):
                            tables = await k.tables.process_one_work()
                            await k.iommu.iommu_sva_invalidate_kva_range()
                            await k.tables.free_deferred(tables)
                    """
            },
        ),
    ),
)
