"""Exercises of the thread invalidate_page: a fault that maps too late, and a late callback.

The worlds are those of the races, and check what a race leaves to its reader: an entry changes
only under its lock, and a fault is answered.
"""

from mmviz.lessons.exercise import SCHEDULE, Bounds, Exercise, Misconception
from mmviz.scenarios.invalidate_page.worlds.checked import (
    THREE_CPUS,
    ActsWithCheck,
    FaultingMirror,
    SharingMirror,
    UnmappedMirror,
)
from mmviz.scenarios.invalidate_page.worlds.mirror import VA


def fault_is_answered(k: FaultingMirror) -> bool:
    """The handler does not give up: it has mapped a page, or its last lookup has found none."""
    return k.gpu.answered or not k.cpu.found


def device_has_fresh_page(k: FaultingMirror) -> bool:
    """The device can get the page that CPU1 has mapped afresh."""
    return k.gpu.pte[VA] is k.fresh


def device_has_the_page(k: FaultingMirror) -> bool:
    """A fault that nothing disturbs maps the page."""
    return k.gpu.answered and k.gpu.pte[VA] is k.page


def reclaim_has_the_page(k: UnmappedMirror) -> bool:
    """Reclaim has unmapped the page, no CPU finds it in its TLB, and its memory is free."""
    return k.page.is_free and not k.cpu.unflushed


def process_has_fresh_page(k: UnmappedMirror) -> bool:
    """CPU1 can map a fresh page at the address."""
    return k.cpu.pte[VA] is k.fresh


FAULT_RULES = """
- `k.gpu.map(VA, page)` and `k.gpu.unmap(VA)` may be called only while the driver's
  mutex `k.update` is held.
- Each page that `get_user_pages()` returns has a reference, which the handler puts once,
  whichever way it goes on.
- The handler must not give up: it returns when it has mapped a page, or when its last
  lookup found none. While an invalidation is under way it may go round its loop.
"""
WORDS = """What they record is read, each in one step, by
`k.notifier.read_mmu_invalidate_seq()`,
`k.notifier.read_mmu_invalidate_in_progress()`,
`k.notifier.mmu_invalidate_seq_changed(seq)`, and
`k.notifier.mmu_invalidate_retry(seq)`, which checks both words."""

CALLBACK_RULES = """
- `k.cpu.ptep_clear_flush(VA)` clears the entry and flushes the TLBs. It may be called
  only while the page-table lock `k.cpu.ptl` is held.
- The page has two references, the mapping's and reclaim's own. Reclaim puts both, each
  once, and the page must be free in the end.
- `invalidate_page(k)` is the driver's callback: the device lets go of its entry. Here
  the device does not fault, so no fault can bring the entry back.
- CPU1 must be able to fault and get a fresh page. CPU2 takes the page-table lock for a
  moment, too.
"""

EXERCISES = (
    Exercise(
        name="invalidate_page/stale_answer",
        title="Find the run in which a check comes true too late",
        task="""
A GPU's driver handles a fault. It samples a sequence number, looks the page up, checks
that no invalidation has come in between, takes its mutex, and maps the page. Meanwhile
`madvise()` on CPU0 takes the page away, and CPU1 touches the address again.

Find a schedule in which the device has a page that the process has lost, although no
invalidation is under way. Write the actors in the order of their steps:
`"GPU*3 CPU0*2 …"`.
""",
        race="invalidate_page/sequence_and_counter",
        case="CheckOutsideLock",
        asks=SCHEDULE,
        goal="device_keeps_stale_entry",
        hints=(
            "A check says what was true when it was made. What may happen after it?",
            "Stop the GPU between its check and its `mutex_lock()`.",
            "GPU*3 takes it past the check. Let CPU0 finish the whole invalidation, then the GPU.",
        ),
        variants=(
            {
                "case": "CounterOnly",
                "title": "Find the run that a counter alone does not notice",
                "task": """
A GPU's driver handles a fault. It looks the page up, takes its mutex, checks that no
invalidation is under way *now*, and maps the page. Meanwhile `madvise()` on CPU0 takes
the page away, and CPU1 touches the address again.

Find a schedule in which the device has a page that the process has lost, although no
invalidation is under way. Write the actors in the order of their steps:
`"GPU*3 CPU0*2 …"`.
""",
                "hints": (
                    "A counter says what is under way now, and nothing of what has been.",
                    "Let an invalidation begin and end while the GPU sleeps.",
                    "The GPU looks the page up in its first step. Then CPU0 runs to its end.",
                ),
            },
            {
                "case": "SequenceAtStart",
                "title": "Find the run that a number bumped at the start does not notice",
                "task": """
A GPU's driver handles a fault. It samples a sequence number, looks the page up, takes
its mutex, checks that the number is still the same, and maps the page. `madvise()` on
CPU0 takes the page away; the driver bumps the number when an invalidation *begins*.
CPU1 touches the address again.

Find a schedule in which the device has a page that the process has lost, although no
invalidation is under way. Write the actors in the order of their steps:
`"GPU*3 CPU0*2 …"`.
""",
                "hints": (
                    "When is a sample taken that has seen the bump, and not the new entry?",
                    "Let CPU0 begin: it bumps the number, and the CPU's entry is still there.",
                    "CPU0*5 ends range_start. Now the GPU samples, looks up, and maps.",
                ),
            },
        ),
        minutes=8,
    ),
    Exercise(
        name="invalidate_page/check_and_map",
        title="Map a page only while the check is still true",
        task=f"""
The driver's fault handler maps a page that the CPU may have given up meanwhile. Change
`fault()` so that the device never keeps such a page.
{FAULT_RULES}
The driver's two callbacks stay as they are. They record each invalidation under
`k.update`: `invalidate_range_start()` counts one more in progress and clears the
device's entry; `invalidate_range_end()` bumps the sequence and counts one fewer.
{WORDS}
""",
        race="invalidate_page/sequence_and_counter",
        case="CheckOutsideLock",
        writes=("fault",),
        jobs=(fault_is_answered,),
        outcomes=(device_has_fresh_page,),
        alone={"GPU": device_has_the_page},
        polls=True,
        world=FaultingMirror,
        hints=(
            "The check is right when it is made, and old when the page is mapped. What would have "
            "to wait in between?",
            "range_start takes `k.update`. Nothing can begin while you hold it.",
            "Take the mutex, check, map, drop the mutex. On the way back to the top of the loop "
            "drop the mutex too, and put the page.",
        ),
        solved="SequenceAndCounter",
        misconceptions=(
            Misconception(
                "a check holds until it is used",
                "Between an `if` and the line below it any other actor may run. Only a lock that "
                "the others take as well keeps the answer true.",
                "CheckOutsideLock",
                {"world": ActsWithCheck},
            ),
        ),
        variants=(
            {
                "case": "CounterOnly",
                "writes": ("sample", "must_retry"),
                "title": "Notice an invalidation that has come and gone",
                "task": """
The driver's fault handler calls `sample()` before it looks the page up, and
`must_retry()` under its mutex before it maps the page. They look at a counter alone.
Change both so that the device never keeps a page that the CPU has given up.

- `sample()` returns an int; `must_retry()` gets it as `seq`, and returns whether the
  handler has to look the page up again.
- A fault that no invalidation disturbs must map its page, so `must_retry()` may not say
  yes each time.
- The driver's two callbacks stay as they are. They record each invalidation under
  `k.update`: `invalidate_range_start()` counts one more in progress and clears the
  device's entry; `invalidate_range_end()` bumps the sequence and counts one fewer.

"""
                + WORDS
                + "\n",
                "hints": (
                    "What does the counter say when an invalidation has begun and ended since the "
                    "lookup?",
                    "The sequence number changes at the end of each invalidation. When must the "
                    "old value be read?",
                    "Return the sequence from sample(); in must_retry() check both words.",
                ),
                "misconceptions": (),
            },
        ),
        minutes=15,
    ),
    Exercise(
        name="invalidate_page/callback_in_time",
        title="Call the driver before another CPU can map a fresh page",
        task=f"""
Reclaim takes a page away that a device maps as well. It clears the CPU's entry, drops
the page-table lock, and only then calls the driver. In between CPU1 may fault and get a
fresh page: CPU and device use different pages for one address. Change
`try_to_unmap_one()` so that this cannot happen.
{CALLBACK_RULES}
""",
        race="invalidate_page/callback_after_unlock",
        case="CallbackAfterUnlock",
        writes=("try_to_unmap_one",),
        jobs=(reclaim_has_the_page,),
        outcomes=(process_has_fresh_page,),
        alone={"CPU0": reclaim_has_the_page},
        world=UnmappedMirror,
        actors=THREE_CPUS,
        hints=(
            "From which step on can CPU1 map a fresh page? And from which step on has the device "
            "let go of the old one?",
            "CPU1's fault needs the page-table lock, and an entry that is clear.",
            "Call invalidate_page(k) before the lock is dropped, or before it is taken.",
        ),
        solved="CallbackUnderLock",
        misconceptions=(
            Misconception(
                "the device sees the CPU's page table",
                "The device has entries of its own. Clearing the CPU's entry changes none of them; "
                "only the callback does.",
                "CallbackAfterUnlock",
                {"world": SharingMirror},
            ),
        ),
        variants=(
            {
                "case": "PagePutBeforeCallback",
                "misconceptions": (),
                "task": f"""
Reclaim takes a page away that a device maps as well. It clears the CPU's entry, drops
the page-table lock, puts both references, and only then calls the driver. So the device
may use memory that is free, and CPU and device may use different pages for one address.
Change `try_to_unmap_one()` so that neither can happen.
{CALLBACK_RULES}
""",
            },
        ),
        minutes=10,
    ),
    Exercise(
        name="invalidate_page/short_hold",
        title="Call the driver without the page-table lock",
        task=f"""
A callback under the page-table lock is right, and it costs: every fault of the process
waits for a driver, and the callback must not sleep. Write `try_to_unmap_one()` so that
CPU and device never use different pages, and at most two lines run between taking and
dropping `k.cpu.ptl`; the lines of the callback count.
{CALLBACK_RULES}
""",
        race="invalidate_page/callback_after_unlock",
        case="CallbackAfterUnlock",
        writes=("try_to_unmap_one",),
        jobs=(reclaim_has_the_page,),
        outcomes=(process_has_fresh_page,),
        alone={"CPU0": reclaim_has_the_page},
        world=UnmappedMirror,
        actors=THREE_CPUS,
        hints=(
            "The callback may come too late. Can it come too early?",
            "In this model the device does not fault. Once it has let go, its entry stays clear.",
            "Call invalidate_page(k) first; then lock, clear, unlock, and put both references.",
        ),
        solved="CallbackBeforeLock",
        cheaper=Bounds(under={"cpu.ptl": 2}),
        excluded={"CallbackUnderLock": "the driver's callback runs under the page-table lock"},
        variants=({"case": "PagePutBeforeCallback"},),
        minutes=10,
    ),
)
