"""A mirror is registered while the old struct hmm is dying.

Every mm has at most one struct hmm; a registration takes the one there is or makes one.  v5.2
looks without a lock, and publishes a new one only where mm->hmm is NULL.  A driver that closes
leaves a dying one behind for a moment: its count is zero, so no reference can be had from it, and
it still occupies mm->hmm.  So a registration that could succeed fails with -ENOMEM, or it asks the
count of freed memory.

Promise: A process gets its struct hmm whenever it could have one, and never two.

Memory model: sequentially consistent; steps under page_table_lock are one step each.

Simplified:
    The old hmm has one mirror and dies; each registering thread has fresh memory at hand.
    The list of notifiers is left out: no callback runs here.
    So a grace period is over at once.
    mm_take_all_locks() checks mmap_sem by itself when it creates; it is left out here.
    A registration that a signal interrupts returns -EINTR here; v5.2 says -ENOMEM for that, too.
    Whether there is a signal is left open in two cases: the environment decides.
    The worker may idle forever, so a run may end before the old hmm is freed, or without that.
    In FinalNoMmapSem and the v5.2 cases without the semaphore no thread holds it at all.
    PublishThenFail: the reference names the freed struct hmm; a thread that comes too late to
    find it gets -ENOMEM, as in TwoCreators.

Sources:
    <20190523153436.19102-5-jgg@ziepe.ca>, patch 04/11: Simplify hmm_get_or_create()
    8a9320b7ec5d (v5.3): mm/hmm: Simplify hmm_get_or_create and make it reliable
    mm/hmm.c, v5.2: hmm_get_or_create(), hmm_free()
    mm/hmm.c, v5.3: hmm_get_or_create(), hmm_free(), hmm_free_rcu()
"""

from functools import partial

from mmviz.engine import Race, choose, environment
from mmviz.kernel.hmm.hmm import Hmm
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.hmm import COUNTED, patch
from mmviz.scenarios.hmm.worlds.registration import (
    BAD,
    CLOSE_AND_REGISTER,
    CLOSE_AND_REGISTER_TWICE,
    Got,
    Registering,
    create_fails_by_timing,
    hmm_mirror_register,
    mm_has_two_hmms,
    with_old_hmm,
)

# One driver closes, and two others register a mirror of the same process.
race = Race(
    world=with_old_hmm,
    actors=CLOSE_AND_REGISTER_TWICE,
    daemons=("kworker",),
    bad=BAD,
)

WITHOUT_MMAP_SEM = {
    f"CPU{who + 1}": partial(hmm_mirror_register, who=who, locked=False) for who in range(2)
}
WITHOUT_MMAP_SEM_INTERRUPTED = WITHOUT_MMAP_SEM | {
    "CPU1": partial(hmm_mirror_register, who=0, locked=False, signalled=True),
    "environment": environment,
}


@race.case(
    "HMM-04/04a",
    "publishes only where mm->hmm is NULL, and a dying one is in the way, as shipped in v5.2",
    sometimes=["use_after_free", create_fails_by_timing],
    actors=CLOSE_AND_REGISTER,
    daemons=(),
    states=42,
    schedules={
        "the dying one is in the way": "CPU1*2 CPU0 CPU1*3",
        "the count is gone": "CPU1*2 CPU0*3 CPU1",
    },
    source=shipped("v5.2", "v5.2", said=COUNTED),
)
class PublishIfNone:
    """Looks without a lock, publishes where mm->hmm is NULL, registers last."""

    async def hmm_get_or_create(self, k: Registering, fresh: Hmm, signalled: bool) -> Got:
        """Return the struct hmm that is there, or publish `fresh` and then register it."""
        hmm = await k.mm.read_once_hmm()
        if hmm is not None and await hmm.kref_get_unless_zero():
            return hmm, "0"
        if not await k.mm.publish_if_none(fresh):
            await fresh.kfree()
            return None, "-ENOMEM"
        interrupted = signalled and await choose("a signal interrupts the registration")
        if not await k.mm.do_mmu_notifier_register(interrupted):
            await k.mm.forget(fresh)
            await fresh.kfree()
            return None, "-EINTR"
        return fresh, "0"

    async def hmm_free(self, k: Registering) -> None:
        """Clear mm->hmm, and free at once."""
        await k.mm.forget(k.old)
        await k.old.kfree()


race.case(
    "HMM-04/04b",
    "v5.2's, and two threads create without mmap_sem",
    name="TwoCreators",
    of=PublishIfNone,
    world=Registering,
    actors=WITHOUT_MMAP_SEM,
    daemons=(),
    sometimes=[create_fails_by_timing],
    states=52,
    source=constructed("breaks the rule, which v5.2 states in a comment, that mmap_sem is held"),
)
race.case(
    "HMM-04/04c",
    "v5.2's without mmap_sem: published, found by another thread, and then not registered",
    name="PublishThenFail",
    of=PublishIfNone,
    world=Registering,
    actors=WITHOUT_MMAP_SEM_INTERRUPTED,
    daemons=(),
    sometimes=["use_after_free", create_fails_by_timing],
    states=129,
    schedules={"found before it fails": "CPU1*3 CPU2*2 environment CPU1*4 CPU2"},
    source=constructed("the same broken rule, where the first registration may be interrupted"),
)


@race.case(
    "HMM-04/04f",
    "mmap_sem to create, page_table_lock for the pointer, cleared first, as merged in v5.3",
    states=176,
    source=shipped("v5.3", "v5.3", said=patch(4, revision=4)),
)
class RegisterThenPublish:
    """Looks under page_table_lock, registers, and only then publishes over what is dying."""

    async def hmm_get_or_create(self, k: Registering, fresh: Hmm, signalled: bool) -> Got:
        """Return a struct hmm that lives, or register `fresh` and then publish it."""
        hmm = await k.mm.mm_get_hmm()
        if hmm is not None:
            return hmm, "0"
        interrupted = signalled and await choose("a signal interrupts the registration")
        if not await k.mm.do_mmu_notifier_register(interrupted):
            await fresh.kfree()
            return None, "-EINTR"
        await k.mm.publish(fresh)
        return fresh, "0"

    async def hmm_free(self, k: Registering) -> None:
        """Clear mm->hmm first, and free after a grace period."""
        await k.mm.forget(k.old)
        # redundant: the worker may idle forever, so memory that is never freed is not judged
        await k.srcu.call_srcu(k.old)

    async def hmm_free_rcu(self, k: Registering) -> None:
        """Free the memory: no callback can still have it."""
        await k.old.kfree()


race.case(
    "HMM-04/04g",
    "the merged order under page_table_lock alone: two threads find none and publish",
    name="FinalNoMmapSem",
    of=RegisterThenPublish,
    world=Registering,
    actors=WITHOUT_MMAP_SEM,
    daemons=(),
    sometimes=[mm_has_two_hmms],
    states=37,
    source=constructed("shows what mmap_sem is for in the merged order"),
)
race.case(
    "HMM-04/04f (register fails)",
    "the same, and the first registration may be interrupted",
    name="RegisterFailsThenNothing",
    of=RegisterThenPublish,
    actors=CLOSE_AND_REGISTER_TWICE
    | {
        "CPU1": partial(hmm_mirror_register, who=0, signalled=True),
        "environment": environment,
    },
    states=274,
    source=shipped("v5.3", "v5.3", said=patch(4, revision=4)),
)


race.dial(
    "TwoCreators",
    "publish_if_none",
    sometimes=[mm_has_two_hmms, create_fails_by_timing],
    why="without page_table_lock around the look and the store, both creators find none",
)
