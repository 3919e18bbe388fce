"""A rule in capital letters, and a rule that is checked.

Who registers a mirror must hold mmap_sem for writing; v5.2 says so in a comment.  A driver that
holds it for reading gets away with that as long as somebody else has made the struct hmm before.
One day it is the first, with two threads: one is told that there is no memory, and the other meets
an old check deep in mm_take_all_locks().  An assertion says the same thing in every run.

Promise: A driver that breaks the rule is found out the first time it does.

Memory model: sequentially consistent.

Simplified:
    As create_meets_dying, whose drivers and creation these are; the old hmm does not die here.
    Both threads hold mmap_sem in the same way.
    No run of CommentOnlyFirst completes; so what fails in some run of it counts as Always.
    An assertion that is compiled out is a comment; AssertionCompiledOut differs from CommentOnly in
    how struct hmm is made, which nobody does there.  Where somebody does, v5.3 registers before it
    publishes: the old check stops the machine before anybody can be told that there is no memory,
    so AssertionCompiledOutFirst fails, and not by timing as the reference has it.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 08/11: Use lockdep instead of comments (v5.3)
    9ffbe8ac05db: lockdep_assert_held_exclusive() becomes lockdep_assert_held_write()
    mm/hmm.c, v5.2 and v5.3: hmm_mirror_register(); mm/mmap.c: mm_take_all_locks()
"""

from functools import partial
from typing import Any

from mmviz.engine import Case, Oops, Verdict, at_end, atomic, expecting, field
from mmviz.engine.case import Property
from mmviz.kernel.hmm import RegisteringMm
from mmviz.kernel.locks import RwSemaphore
from mmviz.kernel.taint import Taint
from mmviz.scenarios.hmm import COUNTED, patch
from mmviz.scenarios.hmm.create_meets_dying import (
    FINAL,
    V52,
    PublishIfNone,
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
def misuse_goes_unnoticed(k: Ruled) -> bool:
    """A rule was broken, and nothing complained: it will fail with a user, not in a test."""
    return isinstance(k, UnderReadLock) and not k.taint.warned


async def hmm_mirror_register(k: Ruled, era: PublishIfNone, who: int, asserts: bool) -> None:
    """A driver registers a mirror, with mmap_sem held in its own way."""
    reads = isinstance(k, UnderReadLock)
    if reads:
        await k.mm.mmap_sem.down_read()
    else:
        await k.mm.mmap_sem.down_write()
    if asserts:
        await k.taint.lockdep_assert_held_write(k.mm.mmap_sem)
    hmm, ret = await era.hmm_get_or_create(k, k.fresh[who], False)
    await k.drivers[who].hmm_mirror_register(hmm, ret)
    if reads:
        await k.mm.mmap_sem.up_read()
    else:
        await k.mm.mmap_sem.up_write()


BAD: tuple[Property, ...] = (
    create_fails_by_timing,
    mm_has_two_hmms,
    "bug_in_mm_take_all_locks",
    "lockdep_complains",
    misuse_goes_unnoticed,
)


def case(
    name: str,
    variant: str,
    title: str,
    era: PublishIfNone,
    states: int,
    world: type[Ruled] = UnderReadLock,
    exists: bool = True,
    asserts: bool = False,
    kind: str = "",
    broken: dict[str, Verdict] | None = None,
    **more: Any,
) -> Case:
    """Register mirrors on CPU1 and CPU2."""
    return Case(
        name=name,
        id=variant,
        title=title,
        world=partial(ruled, world, exists),
        actors={
            f"CPU{i + 1}": partial(hmm_mirror_register, era=era, who=i, asserts=asserts)
            for i in range(2)
        },
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        kind=kind or ("ordering" if exists else "race"),
        **more,
    )


ALWAYS = Verdict.ALWAYS

CASES = (
    case(
        "CommentOnlyFirst",
        "HMM-08/08a (no hmm yet)",
        "a comment, as shipped v5.2; two drivers under a read lock are the first",
        V52,
        53,
        exists=False,
        shipped=("v5.2", "v5.2"),
        schedules={"no memory, they say": "CPU1*2 CPU2*2 CPU1 CPU2*3"},
        broken={"create_fails_by_timing": ALWAYS, "bug_in_mm_take_all_locks": ALWAYS},
        proposed=COUNTED,
    ),
    case(
        "CommentOnly",
        "HMM-08/08a",
        "a comment, as shipped v5.2; somebody else has made the struct hmm",
        V52,
        36,
        shipped=("v5.2", "v5.2"),
        broken={"misuse_goes_unnoticed": ALWAYS},
        proposed=COUNTED,
    ),
    case(
        "AssertionCompiledOut",
        "HMM-08/08c",
        "an assertion, in a kernel without lockdep",
        FINAL,
        25,
        broken={"misuse_goes_unnoticed": ALWAYS},
    ),
    case(
        "AssertionCompiledOutFirst",
        "HMM-08/08c (no hmm yet)",
        "the same; a driver under a read lock is the first, and creates as merged v5.3",
        FINAL,
        14,
        exists=False,
        kind="ordering",
        broken={"bug_in_mm_take_all_locks": ALWAYS},
    ),
    case(
        "Assertion",
        "HMM-08/08b",
        "an assertion, as merged v5.3: it complains in every run",
        FINAL,
        36,
        asserts=True,
        shipped=("v5.3", "v5.4"),
        broken={"lockdep_complains": ALWAYS},
        proposed=patch(8),
    ),
    case(
        "WriteLock",
        "HMM-08/08d",
        "the rule is kept: mmap_sem for writing, and the creation that was merged in v5.3",
        FINAL,
        25,
        world=Ruled,
        exists=False,
        asserts=True,
        shipped=("v5.3", "v5.4"),
        proposed=patch(8),
    ),
)
