"""mmap_sem is taken in an SRCU callback, where nothing may sleep.

If mm->hmm is changed under mmap_sem alone, its rules fit in one sentence, and so the series had it
when it was posted.  But struct hmm dies in a callback of SRCU, which runs with bottom halves
disabled, and mmap_sem is a lock that sleeps.  Within weeks a tester's lockdep reported it.  A
thread that waits for SRCU while it holds mmap_sem is worse: it waits for that callback, and the
callback waits for mmap_sem.

Promise: Code that runs in an SRCU callback takes no lock that sleeps.

Memory model: sequentially consistent; steps under page_table_lock are one step each.

Simplified:
    As create_meets_dying, whose processes, drivers and worker these are.
    The worker may idle forever, so a run may end before the callback has run, or without it.
    The callback complains before it waits, as might_sleep() does.
    ClearWhateverIsThere is MmapSemInCallback with one more mistake, so it sleeps there, too.
    In MmapSemInCallbackWaitedFor the thread that waits for SRCU stands for any caller of
    synchronize_srcu() on the notifiers' SRCU that holds mmap_sem.

Sources:
    <20190523153436.19102-5-jgg@ziepe.ca>: [RFC PATCH 04/11] mm/hmm: Simplify hmm_get_or_create and
    make it reliable (mmap_sem in the callback)
    <20190624210110.5098-5-jgg@ziepe.ca>: v4 04/12, 8a9320b7ec5d (v5.3): page_table_lock guards the
    pointer instead; its notes name the report
    kernel/rcu/srcutree.c: srcu_invoke_callbacks() disables bottom halves, __synchronize_srcu()
"""

from mmviz.engine import Race
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.hmm import patch
from mmviz.scenarios.hmm.create_meets_dying import RegisterThenPublish
from mmviz.scenarios.hmm.worlds.registration import (
    BAD,
    CLOSE_AND_REGISTER,
    CLOSE_AND_REGISTER_TWICE,
    Registering,
    mm_has_two_hmms,
    srcu_invoke_callbacks,
    with_old_hmm,
)


async def synchronize_srcu(k: Registering) -> None:
    """A thread waits for a grace period of the same SRCU while it holds mmap_sem."""
    await k.mm.mmap_sem.down_write()
    await k.srcu.call_srcu(k.rcu)
    await k.rcu.wait_for_completion()
    await k.mm.mmap_sem.up_write()


race = Race(
    "HMM-04",
    world=with_old_hmm,
    actors=CLOSE_AND_REGISTER | {"kworker": srcu_invoke_callbacks},
    daemons=("kworker",),
    bad=BAD,
)


@race.case(
    "04d",
    "as posted in May and June 2019: the SRCU callback takes mmap_sem",
    sometimes=["sleeps_in_atomic"],
    states=61,
    source=patch(4),
)
class MmapSemInCallback(RegisterThenPublish):
    """Changes mm->hmm only under mmap_sem, in the SRCU callback, too."""

    async def hmm_free(self, k: Registering) -> None:
        """Leave everything to the callback."""
        await k.srcu.call_srcu(k.old)

    async def hmm_free_rcu(self, k: Registering) -> None:
        """Clear mm->hmm under mmap_sem, and free struct hmm."""
        await k.mm.mmap_sem.down_write()
        await k.mm.forget(k.old)
        await k.mm.mmap_sem.up_write()
        await k.old.kfree()


race.case(
    "04d (synchronize_srcu)",
    "the same, while a thread waits for SRCU under mmap_sem",
    name="MmapSemInCallbackWaitedFor",
    of=MmapSemInCallback,
    actors=race.actors | {"CPU2": synchronize_srcu},
    sometimes=["sleeps_in_atomic"],
    deadlock=True,
    states=242,
    schedules={"each waits for the other": "CPU0*2 CPU2*2 kworker*2"},
    source=patch(4),
)


@race.case(
    "04e",
    "the same callback clears mm->hmm without looking what it names by now",
    actors=CLOSE_AND_REGISTER_TWICE,
    sometimes=["sleeps_in_atomic", mm_has_two_hmms],
    states=234,
    source=constructed("why the callback must compare before it clears"),
)
class ClearWhateverIsThere(MmapSemInCallback):
    """Clears mm->hmm although it may name the successor."""

    async def hmm_free_rcu(self, k: Registering) -> None:
        """Clear mm->hmm under mmap_sem, and free struct hmm."""
        await k.mm.mmap_sem.down_write()
        await k.mm.clear_hmm()
        await k.mm.mmap_sem.up_write()
        await k.old.kfree()


race.case(
    "04f",
    "as merged in v5.3: the callback only frees; page_table_lock guards the pointer",
    of=RegisterThenPublish,
    actors=CLOSE_AND_REGISTER_TWICE,
    states=176,
    source=shipped("v5.3", "v5.3", said=patch(4, revision=4)),
)
