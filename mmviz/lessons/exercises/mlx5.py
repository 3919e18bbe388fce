"""Exercises of the thread mlx5: a mutex that is held too short, and too long."""

from mmviz.engine import at_end
from mmviz.lessons.exercise import SCHEDULE, Exercise
from mmviz.scenarios.mlx5.fix_becomes_report import Machine

STORY = """
CPU0 deregisters a memory region: its key is revoked, and goes back to a cache under `rb_lock`. CPU1
runs an MMU notifier: under `umem_mutex` it posts a work request for the key, unless the region is
marked as gone. CPU2 allocates memory with `rb_lock` held, and reclaim runs the same notifier.
"""


@at_end
def key_is_revoked(k: Machine) -> bool:
    """The key is revoked, and the region is marked as gone."""
    return not k.mr.key_valid and k.mr.gone


@at_end
def key_is_in_the_cache(k: Machine) -> bool:
    """The key is in the cache again, once."""
    return k.cache.keys == 1


def key_in_the_cache_is_valid(k: Machine) -> bool:
    """The cache hands out a key that still leads to the region."""
    return bool(k.cache.keys) and k.mr.key_valid


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="mlx5/deadlock",
        title="Find the run that lockdep reports",
        task=f"""{STORY}
Here CPU0 holds `umem_mutex` until the key is in the cache. Write a schedule of CPU0, CPU1 and CPU2
after which no actor can take a step. A shortest one counts more.
""",
        race="mlx5/fix_becomes_report",
        case="MutexOverAll",
        asks=SCHEDULE,
        goal="deadlock",
        hints=(
            "Who holds one of the two locks and wants the other?",
            "Let CPU0 take umem_mutex, and CPU2 rb_lock.",
        ),
        variants=(
            {
                "case": "WithoutMutex",
                "goal": "posts_for_revoked_key",
                "title": "Find a run that posts a request for a revoked key",
                "task": f"{STORY}\nHere CPU0 takes no mutex for the revoke. Write a schedule after "
                "which a work request names a key that was revoked.",
                "hints": (
                    "The notifier asks whether the region is gone, and then posts.",
                    "Let CPU0 revoke the key, and CPU1 run before CPU0 marks the region as gone.",
                ),
            },
        ),
        minutes=5,
    ),
    Exercise(
        name="mlx5/hold_it_shorter",
        title="Hold the mutex as long as it is needed",
        task=f"""{STORY}
Write `dereg(k)`: revoke the key, mark the region as gone, and then put the key into the cache.
Steps that you may await: `k.mr.umem_mutex.mutex_lock()`, `k.mr.umem_mutex.mutex_unlock()`,
`k.mr.mlx5r_umr_revoke_mr()`, `k.mr.mark_gone()`, and `store(k)`, which takes `rb_lock`.
""",
        race="mlx5/fix_becomes_report",
        case="MutexOverAll",
        writes=("dereg",),
        also=("store",),
        bad=(key_in_the_cache_is_valid,),
        jobs=(key_is_revoked, key_is_in_the_cache),
        hints=(
            "Which of the steps must the notifier not come between?",
            "The cache has a lock of its own. Must the two be held together?",
        ),
        solved="RevokeUnderMutex",
        excluded={"AllocateBefore": "it changes what CPU2 does, which is not asked"},
        variants=({"case": "WithoutMutex"}, {"case": "MarkLate"}),
    ),
)
