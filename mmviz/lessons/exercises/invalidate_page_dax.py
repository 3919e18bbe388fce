"""An exercise of the thread invalidate_page: a size that is known too late."""

from mmviz.engine import at_end
from mmviz.lessons.exercise import Exercise
from mmviz.scenarios.invalidate_page.start_before_walk import Machine


@at_end
def no_invalidation_is_open(k: Machine) -> bool:
    """Every invalidation that has begun has ended."""
    return not k.mirror.invalidated


def page_a_is_clean(k: Machine) -> bool:
    """Page A can be made clean."""
    return "A" not in k.dax.writable


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="invalidate_page/start_before_walk",
        title="Tell the drivers before the lock, and of the right size",
        task="""
CPU0 makes an entry clean and read-only. Drivers must hear of it before the lock of the entry is
taken, because they may sleep. CPU1 may replace the entry of page A by one that maps A and B. The
device may map a page while no invalidation covers it.

Write `follow_pte_pmd(k)`: no page may be clean while the device can write it. Where you find that
the entry has changed, you may give up. Steps that you may await: `k.dax.pmd_huge()` (tell whether
one entry maps both), `k.dax.ptl.spin_lock()`, `k.dax.ptl.spin_unlock()`, `k.dax.wrprotect()`,
`k.mirror.mmu_notifier_invalidate_range_start(pages)` with `COVERS[PTE]` or `COVERS[PMD]`,
`k.mirror.mmu_notifier_invalidate_range_end()`.
""",
        race="invalidate_page/start_before_walk",
        case="SizeOfTheLook",
        writes=("follow_pte_pmd",),
        jobs=(no_invalidation_is_open,),
        outcomes=(page_a_is_clean,),
        hints=(
            "What has CPU0 seen, and what may the entry be when the lock is held?",
            "Either tell the drivers of all that it may be, or look again under the lock.",
        ),
        solved="LookAgain",
        variants=({"case": "OnePage"}, {"case": "StartUnderLock"}),
    ),
)
