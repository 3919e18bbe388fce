"""Exercises of the thread amd_iommu: when an invalidation is done."""

from mmviz.engine import at_end
from mmviz.lessons.exercise import SCHEDULE, Exercise
from mmviz.lessons.worlds import watched
from mmviz.scenarios.amd_iommu import level_and_root_apart
from mmviz.scenarios.amd_iommu.queued_is_not_done import Machine


@at_end
def tables_are_freed(k: Machine) -> bool:
    """Every page table that was taken out is freed."""
    return all(table.freed for table in k.tables.values())


@at_end
def translations_are_gone(k: Machine) -> bool:
    """The IOMMU has no translation of them left."""
    return all(table is None for table in k.iommu.iotlb.values())


@at_end
def table_has_grown(k: level_and_root_apart.Machine) -> bool:
    """Root and mode say four levels."""
    return (k.pgtable.root, k.pgtable.mode) == (4, 4)


STORY = """
CPU1 and CPU2 take page tables out of domains behind one IOMMU. Each queues an invalidation, waits
until the IOMMU has run it, and frees its tables. To wait, a CPU queues a completion wait with a
number, and polls a word in memory to which the IOMMU stores that number.
"""

EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="amd_iommu/break_it",
        title="Find a run in which tables are freed too early",
        task=f"""{STORY}
A CPU that finds `need_sync` clear returns at once: the other CPU has queued a completion wait.
Write a schedule of CPU1, CPU2 and IOMMU after which the IOMMU has a translation that leads to freed
tables. A shortest one counts more.
""",
        race="amd_iommu/queued_is_not_done",
        case="NumberUnderLock",
        asks=SCHEDULE,
        goal="iommu_walks_freed_tables",
        hints=(
            "The flag is cleared when a completion wait is queued, not when it is done.",
            "Let CPU2 queue its invalidation before CPU1 queues its completion wait.",
            "The IOMMU need not run at all.",
        ),
        variants=({"case": "FlagUnderLock"}, {"case": "WaitUnderLock"}),
        minutes=5,
    ),
    Exercise(
        name="amd_iommu/wait_for_it",
        title="Wait until the commands are done",
        task=f"""{STORY}
Write `iommu_completion_wait(k)`: when it returns, every command that this CPU queued before must
have been run. The CPU must not poll with `k.iommu.lock` held. Steps that you may await:
`k.iommu.lock.spin_lock()`, `k.iommu.lock.spin_unlock()`, `k.iommu.test_need_sync()`,
`k.iommu.get_cmdsem_val()` (draws the next number), `k.iommu.last_cmdsem_val()` (the last number
that was drawn), `k.iommu.queue_completion_wait(number)`, `k.iommu.wait_on_sem(number)`.
""",
        race="amd_iommu/queued_is_not_done",
        case="NumberUnderLock",
        writes=("iommu_completion_wait",),
        jobs=(tables_are_freed, translations_are_gone),
        hints=(
            "What does a clear need_sync say, and what not?",
            "The buffer is run in order. Which completion wait covers this CPU's command?",
            "With nothing to queue, wait for the number that was drawn last.",
        ),
        solved="WaitForLast",
        variants=({"case": "NumberOutsideLock"}, {"case": "WaitUnderLock"}),
    ),
    Exercise(
        name="amd_iommu/two_words",
        title="Read two words that belong together",
        task="""
CPU0 adds a level to a page table: it writes the root pointer and the number of levels. CPU1 walks
the table, and reads both. Write `increase_address_space(k)` (root and mode become 4) and
`fetch_pte(k)`, which returns `(root, mode)`: a pair that belonged together. Steps that you may
await: `k.pgtable.set_root(4)`, `k.pgtable.set_mode(4)`, `k.pgtable.read_root()`,
`k.pgtable.read_mode()`, `k.lock.spin_lock()`, `k.lock.spin_unlock()`,
`k.seqcount.write_seqcount_begin()`, `k.seqcount.write_seqcount_end()`,
`k.seqcount.read_seqcount_begin()` (waits for a writer to end),
`k.seqcount.read_seqcount_retry(start)`.
""",
        race="amd_iommu/level_and_root_apart",
        case="RootFirst",
        writes=("increase_address_space", "fetch_pte"),
        jobs=(table_has_grown, watched.walk_goes_by_what_was_read),
        world=watched.page_table,
        hints=(
            "In which order could the two be written so that no read comes between them?",
            "In none. How does the reader notice that it was interrupted?",
            "Read the count before and after; if it has changed, read again.",
        ),
        solved="Sequence",
        variants=({"case": "ModeFirst"}, {"case": "SameOrder"}),
    ),
)
