"""mmap_sem is taken in an SRCU callback, where nobody may sleep.

If mm->hmm is changed under mmap_sem alone, its rules fit in one sentence; so the series had it when
it was posted.  But struct hmm dies in a callback of SRCU, which runs with bottom halves disabled,
and mmap_sem is a lock that sleeps.  Within weeks a tester's lockdep said so.  And whoever waits for
SRCU while it holds mmap_sem waits for that callback, which waits for mmap_sem.

Promise: What runs in an SRCU callback takes no lock that sleeps.

Memory model: sequentially consistent; steps under page_table_lock are one step each.

Simplified:
    As create_meets_dying, whose processes, drivers and worker these are.
    The worker may idle for ever, so a run may end before the callback has run, or without it.
    The callback complains before it waits, as might_sleep() does.
    ClearWhateverIsThere is MmapSemInCallback with another mistake, so it sleeps there as well.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 04/11: Simplify hmm_get_or_create()
    8a9320b7ec5d (v5.3): page_table_lock guards the pointer instead
    kernel/rcu/srcutree.c: srcu_invoke_callbacks() disables bottom halves, __synchronize_srcu()
"""

from dataclasses import replace

from mmviz.engine import Case, Verdict
from mmviz.scenarios.hmm import patch
from mmviz.scenarios.hmm.create_meets_dying import (
    FINAL,
    Registering,
    RegisterThenPublish,
    case,
)


class MmapSemInCallback(RegisterThenPublish):
    """Changes mm->hmm only under mmap_sem, in the SRCU callback, too."""

    async def hmm_free(self, k: Registering) -> None:
        await k.srcu.call_srcu(k.old)

    async def hmm_free_rcu(self, k: Registering) -> None:
        await k.mm.mmap_sem.down_write()
        await k.mm.forget(k.old)
        await k.mm.mmap_sem.up_write()
        await k.old.kfree()


class ClearWhateverIsThere(MmapSemInCallback):
    """Does not look whether mm->hmm still is the one that dies."""

    async def hmm_free_rcu(self, k: Registering) -> None:
        await k.mm.mmap_sem.down_write()
        await k.mm.clear_hmm()
        await k.mm.mmap_sem.up_write()
        await k.old.kfree()


async def synchronize_srcu(k: Registering) -> None:
    """Somebody waits for a grace period of the same SRCU while it holds mmap_sem."""
    await k.mm.mmap_sem.down_write()
    await k.srcu.call_srcu(k.rcu)
    await k.rcu.wait_for_completion()
    await k.mm.mmap_sem.up_write()


def waited_for(alone: Case) -> Case:
    """Return the case with somebody who waits for SRCU, and so may get stuck."""
    return replace(alone, actors={**alone.actors, "CPU2": synchronize_srcu}, stuck=True)


SOMETIMES = Verdict.SOMETIMES

CASES = (
    case(
        "MmapSemInCallback",
        "HMM-04/04d",
        "as posted, May and June 2019: the SRCU callback takes mmap_sem",
        MmapSemInCallback(),
        61,
        broken={"sleeps_in_atomic": SOMETIMES},
        proposed=patch(4),
    ),
    waited_for(
        case(
            "MmapSemInCallbackWaitedFor",
            "HMM-04/04d (synchronize_srcu)",
            "the same, while somebody waits for SRCU under mmap_sem",
            MmapSemInCallback(),
            249,
            schedules={"each waits for the other": "CPU0*2 CPU2*2 kworker*2"},
            broken={"sleeps_in_atomic": SOMETIMES},
            proposed=patch(4),
        )
    ),
    case(
        "ClearWhateverIsThere",
        "HMM-04/04e",
        "the same callback clears mm->hmm without looking whose it is by now",
        ClearWhateverIsThere(),
        234,
        creators=2,
        broken={"sleeps_in_atomic": SOMETIMES, "mm_has_two_hmms": SOMETIMES},
    ),
    case(
        "RegisterThenPublish",
        "HMM-04/04f",
        "the callback only frees; page_table_lock guards the pointer, as merged v5.3",
        FINAL,
        176,
        creators=2,
        shipped=("v5.3", "v5.3"),
        proposed=patch(4, revision=4),
    ),
)

SPARE = {
    "await k.srcu.call_srcu(k.old)": (
        "The worker may idle for ever, so memory that never comes back is no bad state."
    ),
    "RegisterThenPublish: await k.old.kfree()": (
        "The worker may idle for ever, so memory that never comes back is no bad state."
    ),
}
