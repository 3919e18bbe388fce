"""Exercises of the thread mremap: what was seen before a lock was taken."""

from mmviz.engine import at_end
from mmviz.lessons.exercise import SCHEDULE, Exercise
from mmviz.scenarios.mremap.table_is_gone import Machine

STORY = """
CPU0 moves a mapping with mremap(): it has seen that the PMD leads to a page table. CPU1 collapses
the file's pages for another process, and takes this page table away under `i_mmap_rwsem` alone.
"""


@at_end
def nothing_is_left_behind(k: Machine) -> bool:
    """No page table is at the old address any more."""
    return k.mm.old_pmd is None


def table_is_moved(k: Machine) -> bool:
    """The page table can come to the new address as a whole."""
    return k.mm.new_pmd is k.table


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="mremap/break_it",
        title="Find a run that makes a page table of nothing",
        task=f"""{STORY}
Write a schedule of CPU0 and CPU1 after which a PMD is populated from a clear one. A shortest one
counts more.
""",
        race="mremap/table_is_gone",
        case="LookBeforeLocks",
        asks=SCHEDULE,
        goal="populates_from_nothing",
        hints=(
            "What CPU0 has seen must not be there any more when it moves it.",
            "CPU0 has looked, and has not taken i_mmap_rwsem yet.",
        ),
        variants=({"case": "LookTwice"},),
        minutes=5,
    ),
    Exercise(
        name="mremap/look_and_move",
        title="Move what is still there",
        task=f"""{STORY}
Write `move(k)`, which CPU0 awaits when it has seen a page table: move the table as a whole if it is
still there. Steps that you may await: `k.i_mmap_rwsem.mutex_lock()`,
`k.i_mmap_rwsem.mutex_unlock()`, `k.mm.pmd_none()`, `k.mm.move_normal_pmd()`, `k.mm.move_ptes()`.
""",
        race="mremap/table_is_gone",
        case="LookBeforeLocks",
        writes=("move",),
        jobs=(nothing_is_left_behind,),
        outcomes=(table_is_moved,),
        hints=(
            "What CPU0 has seen is older than the lock.",
            "Look again when nothing can change it any more.",
        ),
        solved="LookUnderLocks",
        variants=({"case": "LookTwice"}, {"case": "LookAfter"}),
    ),
)
