"""Exercises of the thread kvm: an array that is walked under another lock."""

from mmviz.engine import at_end
from mmviz.lessons.exercise import SCHEDULE, Exercise
from mmviz.lessons.worlds import watched
from mmviz.scenarios.kvm import valid_but_inactive
from mmviz.scenarios.kvm.array_under_another_lock import Machine


@at_end
def array_is_replaced(k: Machine) -> bool:
    """The current array is the new one, and the old one is freed."""
    return k.kvm.nested_mmus is k.tmp and k.old.freed


@at_end
def back_pointer_is_adjusted(k: Machine) -> bool:
    """The page table's back pointer leads to the new array."""
    return k.pgt.mmu is k.tmp


@at_end
def cache_is_active(k: valid_but_inactive.Machine) -> bool:
    """The cache is active, and on the list."""
    return k.gpc.active and k.gpc.on_list


@at_end
def cache_is_refreshed(k: valid_but_inactive.Machine) -> bool:
    """A refresh can map the page."""
    return k.gpc.khva is not None


STORY = """
CPU0 initialises a virtual CPU, and the array of shadow MMUs must grow. CPU1 runs the MMU notifier,
which walks the array under `mmu_lock`. CPU2 changes an MMU of the array under `mmu_lock`.
"""

EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="kvm/break_it",
        title="Find a run in which the notifier walks a freed array",
        task=f"""{STORY}
Write a schedule of CPU0, CPU1 and CPU2 after which code uses the array that was freed. A shortest
one counts more.
""",
        race="kvm/array_under_another_lock",
        case="UnderConfigLock",
        asks=SCHEDULE,
        goal="use_after_free",
        hints=(
            "Two locks do not exclude each other.",
            "CPU1 reads which array is current before CPU0 frees it.",
        ),
        variants=(
            {
                "case": "BackPointersLate",
                "hints": (
                    "A new array is found, and the page table in it leads back to an array.",
                    "Let CPU0 free the old array, and CPU1 run before the back pointers change.",
                ),
            },
        ),
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
    Exercise(
        name="kvm/who_is_registered",
        title="What may a cache be used for before it is active?",
        task="""
CPU0 refreshes a cache: it maps a page of the guest, and sets `valid`. CPU1 uses the page if the
cache is valid. CPU2 takes the page away: it clears `valid` of every cache that is on the list.
CPU3 activates the cache.

Write `may_refresh(k)` and `may_use(k)`, which CPU0 and CPU1 await with `k.gpc.lock` held, and
`activate(k)`. In the end the cache is active and on the list. Steps that you may await:
`k.gpc.is_active()`, `k.gpc.is_valid()`, `k.gpc.clear()`, `k.gpc.list_add()`,
`k.gpc.set_active()`, `k.gpc.lock.spin_lock()`, `k.gpc.lock.spin_unlock()`.
""",
        race="kvm/valid_but_inactive",
        case="NotAsked",
        writes=("may_refresh", "may_use", "activate"),
        jobs=(cache_is_active,),
        outcomes=(cache_is_refreshed, watched.page_is_used),
        world=watched.cache,
        hints=(
            "CPU2 finds only what is on the list.",
            "What must be true of a cache before a refresh may map a page?",
            "Put it on the list first, and say that it is active after that.",
        ),
        solved="BothAsk",
        variants=({"case": "ReaderAsks"}, {"case": "ActiveFirst"}),
    ),
)
