"""A mirror is unregistered twice, one call after the other.

A driver that unregisters twice has a bug.  In v5.2 the second call does nothing, so the bug stays
until the two calls race.  A poison in mirror->hmm stops the machine where the bug is.  What was
merged poisons only the links of the list, and before the second call comes to them, it takes a
semaphore in memory that may have been freed.

Promise: A second call is reported the first time it is made.

Memory model: one thread; nothing comes in between.

Simplified:
    As double_unregister, whose mirrors these are.
    The driver calls twice in a row, or once.
    hmm_put() frees at once, as in v5.2.  Since v5.3 struct hmm is freed after an SRCU grace period:
    in PoisonedLinks a second call that comes before its end meets the poison of the links.
    PoisonedSem stands for the address that a poisoned pointer leads to; there is no memory there.

Sources:
    <20190523153436.19102-10-jgg@ziepe.ca>: [RFC PATCH 09/11] mm/hmm: Remove racy protection against
    double-unregistration; as posted, with a poison in mirror->hmm
    <20190606184438.31646-12-jgg@ziepe.ca>: [PATCH v2 11/11] mm/hmm: Remove confusing comment and
    logic from hmm_release; list_del() in place of list_del_init()
    <20190614004450.20252-1-jgg@ziepe.ca>, the third revision, which drops the poison of the pointer
    mm/hmm.c, v5.2 and v5.3: hmm_mirror_unregister()
    include/linux/poison.h; include/linux/list.h: list_del()
"""

from functools import partial
from typing import Protocol

from mmviz.engine import Race, at_end, bad, field
from mmviz.kernel.hmm.mirror import MirroredHmm, PoisonedSem
from mmviz.kernel.provenance import shipped
from mmviz.scenarios.hmm import COUNTED, patch
from mmviz.scenarios.hmm.double_unregister import CalledOnce, ClearedPointer
from mmviz.scenarios.hmm.worlds.mirrors import Registered, hmm_put, mirrors_of_one_hmm


class WithPoison(Registered):
    """Registered mirrors; `poison` is where a poisoned pointer leads."""

    poison: MirroredHmm = field(
        default_factory=lambda: MirroredHmm(mirrors_sem=PoisonedSem(), name="POISON_INUSE")
    )


class CalledTwice(WithPoison):
    """The same, where the driver calls twice."""


def registered(world: type[WithPoison], mirrors: int) -> WithPoison:
    """Return the world with some mirrors on one struct hmm."""
    return world(*mirrors_of_one_hmm(mirrors))


@at_end
@bad(witness=lambda k: [each.path("hmm") for each in k.mirrors])  # the second call found NULL
def misuse_goes_unnoticed(k: WithPoison) -> bool:
    """A mirror was unregistered twice, and nothing complained: the driver's bug stays."""
    return isinstance(k, CalledTwice)


class Unregister(Protocol):
    async def hmm_mirror_unregister(self, k: WithPoison) -> None: ...


async def close(k: WithPoison, era: Unregister) -> None:
    """The driver unregisters its mirror; one with the bug forgets that, and does it again."""
    await era.hmm_mirror_unregister(k)
    if isinstance(k, CalledTwice):
        await era.hmm_mirror_unregister(k)


race = Race(
    "HMM-09",
    world=partial(registered, CalledTwice, 1),
    actors={"CPU0": close},
    bad=("use_after_free", "follows_poisoned_pointer", misuse_goes_unnoticed),
    kind="ordering",
)


race.case(
    "09c",
    "as shipped in v5.2: the second call finds NULL and returns",
    of=ClearedPointer,
    always=[misuse_goes_unnoticed],
    states=9,
    source=shipped("v5.2", "v5.2", said=COUNTED),
)


@race.case(
    "09g (poison)",
    "as posted in May 2019: the second call follows the poison, and is reported",
    always=["follows_poisoned_pointer"],
    states=10,
    source=patch(9),
)
class PoisonedPointer:
    """Overwrites mirror->hmm with a poison."""

    async def hmm_mirror_unregister(self, k: WithPoison) -> None:
        """Take the mirror off the list, put its reference, and poison the pointer."""
        mirror = k.mirrors[0]
        hmm = await mirror.read_hmm()
        assert hmm is not None, "it is poisoned, not cleared"
        await hmm.mirrors_sem.down_write()
        await mirror.list_del_init()
        await hmm.mirrors_sem.up_write()
        await hmm_put(hmm)
        await mirror.set_hmm(k.poison)


@race.case(
    "09f",
    "as merged in v5.3: the driver calls once, as it must",
    name="CalledOnce",
    world=partial(registered, WithPoison, 1),
    states=7,
    source=shipped("v5.3", "v5.4", said=patch(9)),
)
@race.case(
    "09g (list poison, another holder)",
    "the same, while another mirror keeps struct hmm: the second call is reported",
    name="PoisonedLinksOfTwo",
    world=partial(registered, CalledTwice, 2),
    always=["follows_poisoned_pointer"],
    states=9,
    source=shipped("v5.3", "v5.4", said=patch(11, revision=2)),
)
@race.case(
    "09g (list poison)",
    "as merged in v5.3: the second call meets freed memory before it meets the poison",
    always=["use_after_free"],
    states=9,
    source=shipped("v5.3", "v5.4", said=patch(11, revision=2)),
)
class PoisonedLinks:
    """Leaves mirror->hmm as it is; list_del() poisons the links."""

    async def hmm_mirror_unregister(self, k: WithPoison) -> None:
        """Take the mirror off the list, which poisons its links, and put its reference."""
        await CalledOnce().unregister_once(k.mirrors[0])
