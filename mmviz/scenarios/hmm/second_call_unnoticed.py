"""A mirror is unregistered twice, one call after the other.

A driver that unregisters twice has a bug.  v5.2 makes nothing of the second call, so the bug lives
on until the two calls meet.  A pointer that is poisoned instead stops the machine where the bug is.
What was merged poisons the links of the list only, and before it comes to them, the second call
takes a semaphore that may be gone.

Promise: A second call is found out the first time it is made.

Memory model: one thread; nothing comes in between.

Simplified:
    As double_unregister, whose mirrors these are.  The driver calls twice in a row, or once.
    The poisoned semaphore is where a poisoned pointer leads: there is nothing at that address.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 09/11: Remove racy protection against
    double-unregistration; as posted, with a poison
    <20190606184438.31646-12-jgg@ziepe.ca>, v2 11/11: list_del() in place of list_del_init(); the
    poison of the pointer is dropped in the third revision
    mm/hmm.c, v5.3: hmm_mirror_unregister(); include/linux/poison.h; include/linux/list.h
"""

from functools import partial
from typing import Any

from mmviz.engine import Case, Verdict, at_end, expecting, field
from mmviz.engine.case import Property
from mmviz.kernel.hmm_mirror import HmmMirror, MirroredHmm, PoisonedSem
from mmviz.scenarios.hmm import COUNTED, patch
from mmviz.scenarios.hmm.double_unregister import CalledOnce, ClearedPointer, Registered, hmm_put


class WithPoison(Registered):
    """The same mirrors; `poison` is where a poisoned pointer leads."""

    poison: MirroredHmm = field(
        default_factory=lambda: MirroredHmm(mirrors_sem=PoisonedSem(), name="POISON_INUSE")
    )


class CalledTwice(WithPoison):
    """The same, where the driver calls twice."""


def registered(world: type[WithPoison], mirrors: int) -> WithPoison:
    """Return the world with some mirrors on one struct hmm."""
    hmm = MirroredHmm(refs=mirrors, mirrors=mirrors)
    names = ("mirror", "other mirror")[:mirrors]
    return world(hmm, tuple(HmmMirror(hmm=hmm, listed=True, name=name) for name in names))


@at_end
def misuse_goes_unnoticed(k: WithPoison) -> bool:
    """A mirror was unregistered twice, and nothing complained: the driver's bug lives on."""
    return isinstance(k, CalledTwice)


class PoisonedPointer:
    """Overwrites mirror->hmm with a poison."""

    async def hmm_mirror_unregister(self, k: WithPoison) -> None:
        mirror = k.mirrors[0]
        hmm = await mirror.read_hmm()
        assert hmm is not None, "it is poisoned, not cleared"
        await hmm.mirrors_sem.down_write()
        await mirror.list_del_init()
        await hmm.mirrors_sem.up_write()
        await hmm_put(hmm)
        await mirror.set_hmm(k.poison)


class PoisonedLinks:
    """Leaves mirror->hmm as it is; list_del() poisons the links."""

    async def hmm_mirror_unregister(self, k: WithPoison) -> None:
        await CalledOnce().unregister_once(k.mirrors[0])


Era = ClearedPointer | PoisonedPointer | PoisonedLinks


async def close(k: WithPoison, era: Era) -> None:
    """The driver unregisters, and forgets that it has."""
    await era.hmm_mirror_unregister(k)
    if isinstance(k, CalledTwice):
        await era.hmm_mirror_unregister(k)


BAD: tuple[Property, ...] = (
    "use_after_free",
    "follows_poisoned_pointer",
    misuse_goes_unnoticed,
)


def case(
    name: str,
    variant: str,
    title: str,
    era: Era,
    states: int,
    always: str = "",
    calls: int = 2,
    mirrors: int = 1,
    **more: Any,
) -> Case:
    """Unregister the first of some mirrors twice, or once."""
    return Case(
        name=name,
        id=variant,
        title=title,
        world=partial(registered, CalledTwice if calls == 2 else WithPoison, mirrors),
        actors={"CPU0": lambda k: close(k, era)},
        bad=BAD,
        expect=expecting(BAD, {always: Verdict.ALWAYS} if always else None),
        states=states,
        kind="ordering",
        **more,
    )


V53 = ("v5.3", "v5.4")

CASES = (
    case(
        "ClearedPointer",
        "HMM-09/09c",
        "the second call finds NULL and leaves, as shipped v5.2",
        ClearedPointer(),
        9,
        "misuse_goes_unnoticed",
        shipped=("v5.2", "v5.2"),
        proposed=COUNTED,
    ),
    case(
        "PoisonedPointer",
        "HMM-09/09g (poison)",
        "as posted in May 2019: the second call follows the poison, and is found out",
        PoisonedPointer(),
        10,
        "follows_poisoned_pointer",
        proposed=patch(9),
    ),
    case(
        "PoisonedLinks",
        "HMM-09/09g (list poison)",
        "as merged v5.3: the second call meets freed memory before it meets the poison",
        PoisonedLinks(),
        9,
        "use_after_free",
        shipped=V53,
        proposed=patch(11, revision=2),
    ),
    case(
        "PoisonedLinksOfTwo",
        "HMM-09/09g (list poison, another holder)",
        "the same, while another mirror keeps struct hmm: the second call is found out",
        PoisonedLinks(),
        9,
        "follows_poisoned_pointer",
        mirrors=2,
        shipped=V53,
        proposed=patch(11, revision=2),
    ),
    case(
        "CalledOnce",
        "HMM-09/09f",
        "the driver calls once, as it must",
        PoisonedLinks(),
        7,
        calls=1,
        shipped=V53,
        proposed=patch(9),
    ),
)
