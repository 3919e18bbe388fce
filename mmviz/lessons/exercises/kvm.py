"""Exercises of the thread kvm: an array that is walked under another lock."""

from mmviz.engine import at_end
from mmviz.lessons.exercise import SCHEDULE, Exercise
from mmviz.scenarios.kvm.array_under_another_lock import Machine


@at_end
def array_is_replaced(k: Machine) -> bool:
    """The current array is the new one, and the old one is freed."""
    return k.kvm.nested_mmus is k.tmp and k.old.freed


@at_end
def back_pointer_is_adjusted(k: Machine) -> bool:
    """The page table's back pointer leads to the new array."""
    return k.pgt.mmu is k.tmp


STORY = """
CPU0 initialises a virtual CPU, and the array of shadow MMUs must grow. CPU1 runs the MMU notifier,
which walks the array under `mmu_lock`. CPU2 changes an MMU of the array under `mmu_lock`.
"""

EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="kvm/break_it",
        title="Find a run in which the notifier walks a freed array",
        task=f"""{STORY}
CPU0 holds only `config_lock`. Write a schedule of CPU0, CPU1 and CPU2 after which code uses the
array that was freed. A shortest one counts more.
""",
        race="kvm/array_under_another_lock",
        case="UnderConfigLock",
        asks=SCHEDULE,
        goal="use_after_free",
        hints=(
            "Two locks do not exclude each other.",
            "CPU1 reads which array is current before CPU0 frees it.",
        ),
        variants=({"case": "BackPointersLate"},),
        minutes=5,
    ),
    Exercise(
        name="kvm/grow",
        title="Replace the array that others walk",
        task=f"""{STORY}
Write `grow(k)`: allocate `k.tmp`, copy `k.old` into it, adjust the back pointers, make it the
current array, and free `k.old`. Nothing may sleep under `k.mmu_lock`, and no change that CPU2 makes
may be lost. Steps that you may await: `k.mmu_lock.spin_lock()`, `k.mmu_lock.spin_unlock()`,
`k.kvm.kvcalloc(k.tmp)` and `k.kvm.kvfree(k.old)` (both may sleep), `k.kvm.memcpy(k.tmp, k.old)`,
`k.kvm.adjust_back_pointers(k.tmp)`, `k.kvm.swap(k.tmp)`.
""",
        race="kvm/array_under_another_lock",
        case="UnderConfigLock",
        writes=("grow",),
        jobs=(array_is_replaced, back_pointer_is_adjusted),
        hints=(
            "Which of the steps may sleep, and which may be seen half done?",
            "What a walker may see must change under mmu_lock, in one critical section.",
            "Allocate before the lock, and free after it.",
        ),
        solved="BehindMmuLock",
        variants=({"case": "CopyOutside"}, {"case": "BackPointersLate"}),
    ),
)
