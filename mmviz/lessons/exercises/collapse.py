"""Exercises of the thread collapse: GUP-fast in a page table that is taken away."""

from mmviz.engine import at_end
from mmviz.lessons.exercise import SCHEDULE, Exercise
from mmviz.scenarios.collapse.gup_fast_in_old_table import Machine


@at_end
def interrupts_are_on(k: Machine) -> bool:
    """CPU0 has its interrupts on again."""
    return not k.mm.irqs_off["CPU0"]


@at_end
def page_is_pinned(k: Machine) -> bool:
    """GUP-fast can pin the page, and the process still maps it."""
    return k.page.is_maybe_dma_pinned and k.mm.pmd is k.table


@at_end
def range_is_collapsed(k: Machine) -> bool:
    """The collapse can succeed."""
    return k.mm.pmd is k.huge


STORY = """
CPU0 pins a page with GUP-fast: it reads the PMD, then the entry, pins the page, and looks again.
CPU1 collapses the range: it clears the PMD, checks that the page has no other reference, copies the
page into a huge one and frees it. The TLBs are flushed by broadcast, which interrupts no CPU.
"""
FIRST = """
Before it clears the PMD, CPU1 interrupts every CPU, and waits for those with interrupts off.
"""
BEFORE_FREE = """
Before it frees the page table, CPU1 interrupts every CPU, and waits for those with interrupts off.
"""
PIN_IT = """
GUP-fast looks at the entry again, and not at the PMD. Write a schedule of CPU0 and CPU1 that
completes, after which the pinned page is not mapped any more. A shortest one counts more.
"""
LOOK_AGAIN = """
Write `is_unchanged(k, table, page)`, which GUP-fast awaits after it has pinned: return whether it
may keep the pin. Steps that you may await: `k.mm.pmdp_get_lockless()`,
`k.mm.ptep_get_lockless(table)`. A pin that is right must remain possible.
"""

EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="collapse/pin_it",
        title="Find a run that pins a page the process has lost",
        task=f"{STORY}\n{PIN_IT}",
        race="collapse/gup_fast_in_old_table",
        case="EntryAgain",
        asks=SCHEDULE,
        goal="pins_page_not_mapped",
        hints=(
            "The collapse checks the references once. When must the pin come?",
            "The entry in the old table is cleared only when the page is copied.",
        ),
        variants=(
            {"case": "InterruptFirst", "task": f"{STORY}\n{FIRST}\n{PIN_IT}"},
            {"case": "SyncWithoutRecheck", "task": f"{STORY}\n{BEFORE_FREE}\n{PIN_IT}"},
        ),
        minutes=5,
    ),
    Exercise(
        name="collapse/look_again",
        title="What must GUP-fast look at again?",
        task=f"{STORY}\n{LOOK_AGAIN}",
        race="collapse/gup_fast_in_old_table",
        case="EntryAgain",
        writes=("is_unchanged",),
        jobs=(interrupts_are_on,),
        outcomes=(page_is_pinned, range_is_collapsed),
        hints=(
            "What does CPU1 change before it checks the references?",
            "If CPU1 has not seen the pin, the PMD was clear before the pin.",
        ),
        solved="PmdAgain",
        variants=(
            {
                "case": "InterruptFirst",
                "solved": "PmdAgain",
                "task": f"{STORY}\n{FIRST}\n{LOOK_AGAIN}",
            },
        ),
    ),
)
