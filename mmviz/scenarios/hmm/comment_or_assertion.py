"""A rule in capital letters, and a rule that is checked.

A driver that registers a mirror must hold mmap_sem for writing; v5.2 says so in a comment.  A
driver that holds it for reading gets away with that as long as another driver has made the struct
hmm before.  If it is the first, and registers from two threads, one registration fails with
-ENOMEM, and the other one meets an old check deep in mm_take_all_locks().  An assertion complains
of the same mistake in every run.

Promise: A driver that breaks the rule is reported the first time it does.

Memory model: sequentially consistent.

Simplified:
    As create_meets_dying, whose drivers and creation these are; the old hmm does not die here.
    Both threads hold mmap_sem in the same way.
    No run of CommentOnlyFirst completes; so what fails in some run of it counts as Always.
    An assertion that is compiled out has no effect, as a comment has none.  AssertionCompiledOut
    differs from CommentOnly in how struct hmm is made, which no thread does there.
    AssertionCompiledOutFirst: v5.3 registers before it publishes, so the old check stops the
    machine before a registration could fail with -ENOMEM.  It fails, and not by timing as the
    reference has it.

Sources:
    <20190523153436.19102-9-jgg@ziepe.ca>, patch 08/11: Use lockdep instead of comments (v5.3)
    9ffbe8ac05db: lockdep_assert_held_exclusive() becomes lockdep_assert_held_write()
    mm/hmm.c, v5.2 and v5.3: hmm_mirror_register()
    mm/mmap.c: mm_take_all_locks()
"""

from functools import partial

from mmviz.engine import Oops, Race, at_end, atomic, bad, field
from mmviz.kernel.hmm.hmm import RegisteringMm
from mmviz.kernel.provenance import shipped
from mmviz.kernel.sync.locks import RwSemaphore
from mmviz.kernel.sync.taint import Taint
from mmviz.scenarios.hmm import COUNTED, patch
from mmviz.scenarios.hmm.create_meets_dying import PublishIfNone, RegisterThenPublish
from mmviz.scenarios.hmm.worlds.registration import (
    Creation,
    Registering,
    create_fails_by_timing,
    mm_has_two_hmms,
)


class CheckingMm(RegisteringMm):
    """An mm whose registration of a notifier checks mmap_sem.

    Source: mm/mmap.c, mm_take_all_locks(): BUG_ON(down_read_trylock(&mm->mmap_sem)).
    """

    @atomic("mm/mmu_notifier.c")
    def do_mmu_notifier_register(self, signalled: bool) -> bool:
        """Register the notifier; stop the machine if mmap_sem could be taken for reading."""
        if self.mmap_sem.writer is None:
            raise Oops("bug_in_mm_take_all_locks", "mmap_sem is not held for writing")
        return not signalled


class Ruled(Registering):
    """Two drivers that hold mmap_sem for writing when they register."""

    mm: CheckingMm
    taint: Taint = field(default_factory=Taint)


class UnderReadLock(Ruled):
    """Two drivers that hold it for reading."""


def ruled(world: type[Ruled], exists: bool) -> Ruled:
    """Return the world; there is a struct hmm already, or none."""
    k = world(mm=CheckingMm(mmap_sem=RwSemaphore(name="mmap_sem")))
    k.mm.hmm = k.old if exists else None
    return k


@at_end
@bad(witness=lambda k: [k.mm.mmap_sem, k.taint])
def misuse_goes_unnoticed(k: Ruled) -> bool:
    """A rule was broken without a complaint: it will fail on a user's machine, not in a test."""
    return isinstance(k, UnderReadLock) and not k.taint.warned


async def hmm_mirror_register(k: Ruled, creation: Creation, who: int, asserts: bool) -> None:
    """A driver registers a mirror, with mmap_sem held in its own way."""
    reads = isinstance(k, UnderReadLock)
    if reads:
        await k.mm.mmap_sem.down_read()
    else:
        await k.mm.mmap_sem.down_write()
    if asserts:
        await k.taint.lockdep_assert_held_write(k.mm.mmap_sem)
    hmm, ret = await creation.hmm_get_or_create(k, k.fresh[who], False)
    await k.drivers[who].hmm_mirror_register(hmm, ret)
    if reads:
        await k.mm.mmap_sem.up_read()
    else:
        await k.mm.mmap_sem.up_write()


REGISTER_TWICE = {
    f"CPU{who + 1}": partial(hmm_mirror_register, who=who, asserts=False) for who in range(2)
}
REGISTER_TWICE_ASSERTED = {
    f"CPU{who + 1}": partial(hmm_mirror_register, who=who, asserts=True) for who in range(2)
}
NONE_YET = partial(ruled, UnderReadLock, False)

# Two threads register mirrors under a read lock; another driver has made the struct hmm.
race = Race(
    world=partial(ruled, UnderReadLock, True),
    actors=REGISTER_TWICE,
    bad=(
        create_fails_by_timing,
        mm_has_two_hmms,
        "bug_in_mm_take_all_locks",
        "lockdep_complains",
        misuse_goes_unnoticed,
    ),
)

race.case(
    "HMM-08/08a (no hmm yet)",
    "a comment, as shipped in v5.2; two drivers under a read lock are the first",
    name="CommentOnlyFirst",
    of=PublishIfNone,
    world=NONE_YET,
    sometimes=[create_fails_by_timing],
    always=["bug_in_mm_take_all_locks"],
    states=53,
    schedules={"no memory, by timing": "CPU1*2 CPU2*2 CPU1 CPU2*3"},
    source=shipped("v5.2", "v5.2", said=COUNTED),
)
race.case(
    "HMM-08/08a",
    "a comment, as shipped in v5.2; another driver has made the struct hmm",
    name="CommentOnly",
    of=PublishIfNone,
    always=[misuse_goes_unnoticed],
    kind="ordering",
    states=36,
    source=shipped("v5.2", "v5.2", said=COUNTED),
)
race.case(
    "HMM-08/08c",
    "an assertion, as merged in v5.3, in a kernel built without lockdep",
    name="AssertionCompiledOut",
    of=RegisterThenPublish,
    always=[misuse_goes_unnoticed],
    kind="ordering",
    states=25,
    source=shipped("v5.3", "v5.4", said=patch(8)),
)
race.case(
    "HMM-08/08c (no hmm yet)",
    "the same; a driver under a read lock is the first, and creates as merged in v5.3",
    name="AssertionCompiledOutFirst",
    of=RegisterThenPublish,
    world=NONE_YET,
    always=["bug_in_mm_take_all_locks"],
    kind="ordering",
    states=14,
    source=shipped("v5.3", "v5.4", said=patch(8)),
)
race.case(
    "HMM-08/08b",
    "an assertion, as merged in v5.3: it complains in every run",
    name="Assertion",
    of=RegisterThenPublish,
    actors=REGISTER_TWICE_ASSERTED,
    always=["lockdep_complains"],
    kind="ordering",
    states=36,
    source=shipped("v5.3", "v5.4", said=patch(8)),
)
race.case(
    "HMM-08/08d",
    "the rule is kept: mmap_sem for writing, and the creation that was merged in v5.3",
    name="WriteLock",
    of=RegisterThenPublish,
    world=partial(ruled, Ruled, False),
    actors=REGISTER_TWICE_ASSERTED,
    states=25,
    source=shipped("v5.3", "v5.4", said=patch(8)),
)
