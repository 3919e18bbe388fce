"""Exercises of the thread hmm: one reference, one callback, one mirror.

The worlds are those of the races, and check what a race leaves to its reader: a list changes only
under mirrors_sem, and a mirror on the list is told of an invalidation.
"""

import re
from typing import Final

from mmviz.engine import at_end
from mmviz.lessons.exercise import SCHEDULE, Bounds, Exercise, Misconception
from mmviz.scenarios.hmm import free_under_callback
from mmviz.scenarios.hmm.worlds.checked import (
    EXIT_FREES,
    NO_CALL_FREES,
    CalledBack,
    Released,
    WaitsForReaders,
    close_file,
    registered,
    taken_by_look,
)
from mmviz.scenarios.hmm.worlds.mirrors import Registered

# hmm/double_unregister: one mirror, unregistered by two threads.


def mirror_is_off_the_list(k: Registered) -> bool:
    """The mirror is off the list."""
    return not k.mirrors[0].listed


def reference_is_put(k: Registered) -> bool:
    """The mirror's reference is put, once; it was the last one, so struct hmm is freed."""
    return k.hmm.freed and k.hmm.refs == 0


def mirror_is_kept(k: Registered) -> bool:
    """The mirror is not freed: the driver still has it."""
    return not k.mirrors[0].freed


def mirror_is_unregistered(k: Registered) -> bool:
    """A call that comes alone takes the mirror off the list, and puts its reference."""
    return mirror_is_off_the_list(k) and reference_is_put(k)


EITHER: Final = {"CPU0": mirror_is_unregistered, "CPU1": mirror_is_unregistered}


# hmm/free_under_callback: one struct hmm, freed while a callback runs on it.


def memory_is_freed(k: CalledBack) -> bool:
    """Struct hmm is freed, at once or by SRCU, and its count is zero."""
    return k.hmm.freed and k.hmm.refs == 0


def mirrors_are_told(k: CalledBack) -> bool:
    """A mirror that is still on the list when the callback returns has been told."""
    return not k.srcu.missed


def mm_has_no_hmm(k: CalledBack) -> bool:
    """The notifier is off the mm's list, and mm->hmm is NULL."""
    return k.mm.hmm is None and k.mm.notifier is None


def device_is_told(k: CalledBack) -> bool:
    """The callback tells the mirrors of the invalidation."""
    return k.hmm.told


# hmm/release_meets_unregister: one mirror, unregistered while its driver is told of the exit.


def mirror_is_freed(k: Released) -> bool:
    """The driver has unregistered its mirror and freed it."""
    return k.mirror.freed and k.mirrors.first is None


def told_at_most_once(k: Released) -> bool:
    """The driver is told of the exit once at most."""
    return k.mirror.told < 2


def driver_is_told(k: Released) -> bool:
    """A driver whose file stays open is told of the exit."""
    return k.mirror.told > 0


@at_end
def driver_is_not_told(k: Released) -> bool:
    """A driver that has unregistered first is not told."""
    return not k.mirror.told


UNREGISTER_RULES = """
- In the end the mirror is off the list, and its reference on struct hmm is put,
  once. It is the last one, so `hmm_put(hmm)` frees struct hmm, and `mirrors_sem`
  in it.
- `list_del_init()` and `list_del()` may be called only while `hmm.mirrors_sem` is
  held for writing.
- Beside the mirror's `read_hmm()` and `set_hmm(None)` there is `xchg_hmm()`, which
  reads the pointer and clears it in one step. The driver has its own mutex,
  `k.file.lock`, and two questions that are one step each: `k.file.is_registered()`,
  and `k.file.must_unregister()`, which says True to the first caller only.
- Either call may also come alone, and has to do all of it then.
"""

CPU0_LAST = """- CPU0 may also come last, when the mirror is freed already. It must not touch it
  then; what lies in `k.file` is still there.
"""

SECOND_WAITS = f"""
Two threads call `hmm_mirror_unregister()` for one mirror. When the call on CPU1
returns, the driver frees the mirror. With `xchg_hmm()` one thread wins; but if CPU1
is the other one it returns at once, and frees a mirror that CPU0 still takes off the
list. Change the method so that no thread touches the mirror once it is freed.
{UNREGISTER_RULES}{CPU0_LAST}"""

SHORT_MUTEX = f"""
As before, CPU1 frees the mirror when its call of `hmm_mirror_unregister()` returns. A
mutex around the whole call is right. But putting the reference does not touch the
mirror, and may take long. Write the method so that at most five lines run between
taking and dropping `k.file.lock`.
{UNREGISTER_RULES}{CPU0_LAST}"""


def other_way(task: str) -> str:
    """Return a task with the two CPUs in each other's place."""
    return re.sub(r"\bCPU([01])\b", lambda found: f"CPU{1 - int(found[1])}", task)


EXERCISES = (
    Exercise(
        name="hmm/both_have_found_it",
        title="Find the run in which both threads believe they are first",
        task="""
The exit of a process and the close of its device's file both unregister one mirror.
A thread that finds `mirror->hmm` NULL leaves; the other one takes the mirror off the
list, makes the pointer NULL, and puts the mirror's reference, which frees struct hmm.

Find a schedule in which a thread uses struct hmm after it was freed. Write the actors
in the order of their steps: `"CPU0*2 CPU1 …"`.
""",
        race="hmm/double_unregister",
        case="ClearedPointer",
        asks=SCHEDULE,
        goal="use_after_free",
        hints=(
            "The look at the pointer and the clearing of it are two steps.",
            "Let both threads look before one of them clears.",
            "One step of each; then CPU0 alone until it has freed struct hmm; then CPU1.",
        ),
        variants=(
            {
                "case": "LookAgain",
                "title": "Find the run in which the second look comes too late",
                "task": """
The exit of a process and the close of its device's file both unregister one mirror.
A thread that finds `mirror->hmm` NULL leaves. So does one that finds it NULL when it
looks again under `mirrors_sem`, which lies in struct hmm. The other one puts the
mirror's reference, which frees struct hmm.

Find a schedule in which a thread uses struct hmm after it was freed. Write the actors
in the order of their steps: `"CPU0*2 CPU1 …"`.
""",
                "hints": (
                    "Where is the semaphore under which a thread looks again?",
                    "Let both threads look the first time before one of them goes on.",
                    "One step of each; then CPU0 alone until it has freed struct hmm; then CPU1.",
                ),
            },
            {
                "case": "ExchangeThenFree",
                "title": "Find the run in which the second thread does not wait",
                "task": """
The exit of a process and the close of its device's file both unregister one mirror.
One thread takes the pointer by `xchg()`, and only that one unregisters. The other
takes the NULL for "done". On CPU1 the driver then frees the mirror.

Find a schedule in which a thread uses memory after it was freed. Write the actors in
the order of their steps: `"CPU0*2 CPU1 …"`.
""",
                "hints": (
                    "Only one thread unregisters. What does the other do meanwhile?",
                    "The thread that comes second is the one that frees.",
                    "CPU0 takes the pointer and the semaphore. Then CPU1 runs to its end.",
                ),
            },
        ),
        minutes=6,
    ),
    Exercise(
        name="hmm/one_put",
        title="Two threads unregister, one reference is put",
        task=f"""
The exit of a process (CPU0) and the close of its file (CPU1) both call
`hmm_mirror_unregister()` for one mirror. Both may find that there is something to do.
Change the method so that one reference is put, whichever thread comes first, and no
thread touches struct hmm once it is freed.
{UNREGISTER_RULES}
The mirror itself is not freed here, so a thread that has nothing to do may return
before the other has finished.
""",
        race="hmm/double_unregister",
        case="ClearedPointer",
        writes=("hmm_mirror_unregister",),
        jobs=(mirror_is_off_the_list, reference_is_put, mirror_is_kept),
        world=registered,
        alone=EITHER,
        actors=NO_CALL_FREES,
        hints=(
            "Which step decides that a thread is the one that unregisters? Is it one step?",
            "A look and a write that follows it are two steps. A second look under "
            "`mirrors_sem` does not help: the semaphore lies in the memory that is freed.",
            "Take the pointer by `xchg_hmm()`, or ask under the driver's own mutex.",
        ),
        solved="ExchangeThenFree",
        misconceptions=(
            Misconception(
                "looking and taking are one step",
                "`read_hmm()` and `set_hmm(None)` are two steps, and the other thread may look in "
                "between. `xchg_hmm()` is one.",
                "ClearedPointer",
                {"world": taken_by_look},
            ),
        ),
        variants=(
            {
                "case": "LookAgain",
                "task": f"""
The exit of a process (CPU0) and the close of its file (CPU1) both call
`hmm_mirror_unregister()` for one mirror. A thread looks at `mirror->hmm`, and looks
again under `mirrors_sem`. But the semaphore lies in struct hmm, which the other thread
may have freed by then. Change the method so that one reference is put, whichever thread
comes first, and no thread touches struct hmm once it is freed.
{UNREGISTER_RULES}
""",
                "misconceptions": (),
            },
        ),
        excluded={
            "LookAgainOfTwo": "another mirror keeps struct hmm there; here there is none",
        },
        minutes=12,
    ),
    Exercise(
        name="hmm/the_second_waits",
        title="The thread that comes second frees the mirror",
        task=SECOND_WAITS,
        race="hmm/double_unregister",
        case="ExchangeThenFree",
        writes=("hmm_mirror_unregister",),
        also=("hmm_put",),
        jobs=(mirror_is_off_the_list, reference_is_put),
        world=registered,
        alone=EITHER,
        hints=(
            "What has the thread to know that is about to free the mirror?",
            "It has to wait for the other thread. What can a thread sleep on that is not freed?",
            "Hold `k.file.lock` over `k.file.must_unregister()` and over all that touches the "
            "mirror. The pointer in the mirror cannot be asked: the mirror may be gone.",
        ),
        solved="""
            import mmviz
            from mmviz.scenarios.hmm.double_unregister import hmm_put


            class Mine(GIVEN):
                async def hmm_mirror_unregister(self, k):
                    mirror = k.mirrors[0]
                    await k.file.lock.mutex_lock()
                    if await k.file.must_unregister():
                        hmm = await mirror.read_hmm()
                        await hmm.mirrors_sem.down_write()
                        await mirror.list_del()
                        await hmm.mirrors_sem.up_write()
                        await hmm_put(hmm)
                    await k.file.lock.mutex_unlock()
            """,
        variants=({"actors": EXIT_FREES, "task": other_way(SECOND_WAITS)},),
        excluded={
            "LookAgainOfTwo": "another mirror keeps struct hmm there; here there is none",
        },
        minutes=15,
    ),
    Exercise(
        name="hmm/short_mutex",
        title="Hold the driver's mutex no longer than the mirror needs",
        task=SHORT_MUTEX,
        race="hmm/double_unregister",
        case="ExchangeThenFree",
        writes=("hmm_mirror_unregister",),
        also=("hmm_put",),
        jobs=(mirror_is_off_the_list, reference_is_put),
        world=registered,
        alone=EITHER,
        hints=(
            "Which lines touch the mirror? Only they have to be over when it is freed.",
            "`hmm_put(hmm)` touches struct hmm, which one thread alone still has.",
            "Drop `k.file.lock` when the mirror is off the list, and put the reference then.",
        ),
        solved="""
            import mmviz
            from mmviz.scenarios.hmm.double_unregister import hmm_put


            class Mine(GIVEN):
                async def hmm_mirror_unregister(self, k):
                    mirror = k.mirrors[0]
                    hmm = None
                    await k.file.lock.mutex_lock()
                    if await k.file.must_unregister():
                        hmm = await mirror.read_hmm()
                        await hmm.mirrors_sem.down_write()
                        await mirror.list_del()
                        await hmm.mirrors_sem.up_write()
                    await k.file.lock.mutex_unlock()
                    if hmm is not None:
                        await hmm_put(hmm)
            """,
        cheaper=Bounds(under={"file.lock": 5}),
        variants=({"actors": EXIT_FREES, "task": other_way(SHORT_MUTEX)},),
        excluded={
            "LookAgainOfTwo": "another mirror keeps struct hmm there; here there is none",
            "CalledOnce": "it puts the reference under the mutex",
        },
        minutes=12,
    ),
    Exercise(
        name="hmm/freed_under_callback",
        title="Keep struct hmm for as long as a callback works on it",
        task="""
Reclaim (CPU1) walks the mm's notifiers inside an SRCU read section, and calls
`hmm_invalidate_range_start()` for the struct hmm that it has found. Meanwhile the
driver's file is closed (CPU0): its mirror leaves the list, and the last `hmm_put()`
takes the notifier off the mm's list, clears `mm->hmm`, and calls `free_memory()`.
A callback that has begun may meet memory that is gone, or a pointer that is NULL.

Change the callback `hmm_invalidate_range_start(k, notifier)` and
`free_memory(k, hmm)` so that neither can happen.

- The callback tells the mirrors by `await hmm.sync_cpu_device_pagetables()`. It may
  return without that only when no mirror is on the list any more.
- Struct hmm is freed once. `hmm.kfree()` frees it at once; `k.srcu.call_srcu(hmm)`
  hands it to a worker, which frees it when each reader that is inside now has left.
- `notifier` is the struct hmm itself: the notifier lies in it (`container_of`).
- A reference that the callback takes has to be put: `await self.hmm_put(k, hmm)`.
  `kref_get_unless_zero()` says whether it took one; `kref_get()` complains when the
  count is zero.
""",
        race="hmm/free_under_callback",
        case="LookedUpByMm",
        writes=("hmm_invalidate_range_start", "free_memory"),
        jobs=(memory_is_freed, mirrors_are_told, mm_has_no_hmm),
        alone={"CPU1": device_is_told},
        world=CalledBack,
        actors=free_under_callback.race.actors | {"CPU0": close_file},
        hints=(
            "A callback has two problems: how it finds struct hmm, and how long that is there.",
            "The callback was called with the notifier, so it needs no `mm->hmm`. And a count "
            "cannot be asked when it lies in freed memory.",
            "Use `notifier`. Free by `call_srcu()`: the read section of the walk keeps the memory.",
        ),
        solved="FreedAfterGracePeriod",
        misconceptions=(
            Misconception(
                "memory that is used is not freed",
                "A read section stops nothing by itself: `kfree()` frees at once. Only who frees "
                "by `call_srcu()`, or waits for a grace period, waits for readers.",
                "ContainerOf",
                {"world": WaitsForReaders},
            ),
        ),
        variants=({"case": "ContainerOf"}, {"case": "PlainKrefGet", "misconceptions": ()}),
        minutes=15,
    ),
    Exercise(
        name="hmm/release_and_unregister",
        title="Tell a driver of the exit while its mirror is there",
        task="""
A process exits, and `hmm_release()` on CPU0 tells the driver of each mirror on the
list, by `self.release(k)`. It drops `mirrors_sem` around the callback. Meanwhile the
driver's file is closed on CPU1: the mirror leaves the list, and is freed. So the
callback may come to a mirror that is gone. Change `hmm_release()` so that it cannot.

- A driver whose mirror is on the list must be told, once; one that has unregistered
  before need not be.
- `list_del_init()` may be called only while `k.mirrors_sem` is held for writing.
- `k.mirrors.list_first()` returns the mirror, or None. There is at most one.
- `close()` on CPU1 stays as it is: it takes `k.mirrors_sem` for writing, takes the
  mirror off the list, drops the semaphore, and frees the mirror.
""",
        race="hmm/release_meets_unregister",
        case="DropForRelease",
        writes=("hmm_release",),
        jobs=(mirror_is_freed, told_at_most_once),
        outcomes=(driver_is_not_told,),
        alone={"CPU0": driver_is_told},
        world=Released,
        hints=(
            "What keeps CPU1 from freeing the mirror between two lines of `hmm_release()`?",
            "CPU1 needs the semaphore before it frees. When may CPU0 drop it?",
            "Hold `k.mirrors_sem`, for reading is enough, until the callback has returned.",
        ),
        solved="ReadLock",
        variants=(
            {
                "case": "UnregisterInRelease",
                "title": "Tell a driver of the exit, and let its callback return",
                "task": """
A process exits, and `hmm_release()` on CPU0 tells the driver of the mirror on the list,
by calling the driver's `release()` while it holds `k.mirrors_sem` for reading. This
driver unregisters its mirror in the callback, which needs the same semaphore for
writing. Change `release()` so that every run completes.

- The driver is told of the exit, once, by `await k.mirror.release()`.
- The mirror need not be unregistered in the callback: `close()` on CPU1 unregisters it,
  and frees it.
""",
                "writes": ("release",),
                "solved": "ReadLock",
                "hints": (
                    "Which thread can drop the semaphore that the callback waits for?",
                    "The callback runs while its own thread holds the semaphore for reading.",
                    "Stop the driver in the callback, and leave the unregistering to `close()`.",
                ),
            },
        ),
        excluded={"OwnCount": "the driver has a count of its own there; here it has none"},
        minutes=12,
    ),
)
