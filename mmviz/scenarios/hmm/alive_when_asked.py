"""A helper says that the process is alive.

hmm_mirror_mm_is_alive() looks through the mirror at struct hmm and its `dead`.  Its own comment
calls it an optimisation.  Whoever believes it finds mappings that an exit has freed meanwhile, and
a mirror that was unregistered leads to no struct hmm at all.  The one honest question is
mmget_not_zero(), because its answer still holds afterwards.

Promise: Whoever looks for a mapping has a user's reference on the address space.

Memory model: sequentially consistent; every field is read in a step of its own.

Simplified:
    As armed_after_release, whose process and exit these are; no range is listed.
    Closing the driver frees struct hmm at once: the mirror had the last reference.
    The optional work that the hint may spare is one look at the device's own list of work.
    With mmget_not_zero() in place the hint changes nothing but the work: asked or not, all holds.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 07/11: Delete hmm_mirror_mm_is_alive()
    <20190403193318.16478-11-jglisse@redhat.com>: mm/hmm: add helpers to test if mm is still alive
    include/linux/hmm.h, v5.2: hmm_mirror_mm_is_alive()
    include/linux/sched/mm.h: mmget_not_zero()
"""

from typing import Any

from mmviz.engine import Case, Struct, Verdict, atomic, expecting, field
from mmviz.engine.case import Actor, Property
from mmviz.kernel.hmm_range import RangedHmm
from mmviz.scenarios.hmm import patch
from mmviz.scenarios.hmm.armed_after_release import Mirrored, mmput


class Mirror(Struct):
    """A driver's struct hmm_mirror.

    Attributes:
        hmm: the struct hmm it is registered on; v5.2 clears it when it unregisters.
        work: things the driver would do for a living process.

    Source: include/linux/hmm.h.
    """

    hmm: RangedHmm | None
    work: int = 1

    @atomic("include/linux/hmm.h")
    def read_hmm(self) -> RangedHmm | None:
        """Load mirror->hmm, under no lock: the mirror may be unregistered the next moment."""
        return self.hmm

    @atomic("mm/hmm.c")
    def clear_hmm(self) -> None:
        """Clear mirror->hmm: the mirror is unregistered."""
        self.hmm = None

    @atomic("driver")
    def prepare(self) -> None:
        """Do the work that is of no use for a dead process."""
        self.work = 0


class WithMirror(Mirrored):
    """A mirrored process and the driver's mirror of it."""

    mirror: Mirror = field(default_factory=lambda: Mirror(None))

    def __post_init__(self) -> None:
        self.mirror.hmm = self.hmm


async def hmm_mirror_mm_is_alive(k: WithMirror) -> bool:
    """Look from the mirror to hmm->dead."""
    hmm = await k.mirror.read_hmm()
    return hmm is not None and not await hmm.read_dead()


async def believe(k: WithMirror) -> None:
    """Take the helper's word."""
    if await hmm_mirror_mm_is_alive(k):
        await k.mm.find_vma()


async def spare_work(k: WithMirror) -> None:
    """Take the helper's word for work that may be spared, and ask again for the rest."""
    if await hmm_mirror_mm_is_alive(k):
        await k.mirror.prepare()
    await be_a_user(k)


async def be_a_user(k: WithMirror) -> None:
    """Become a user of the address space, if it still has one."""
    if await k.mm.mmget_not_zero():
        await k.mm.find_vma()
        await mmput(k)


async def hmm_mirror_unregister(k: WithMirror) -> None:
    """The driver closes: with the mirror's reference struct hmm goes."""
    await k.mirror.clear_hmm()
    await k.hmm.kfree()


BAD: tuple[Property, ...] = ("use_after_free",)


def case(
    name: str,
    variant: str,
    title: str,
    worker: Actor,
    states: int,
    other: Actor = mmput,
    verdict: Verdict = Verdict.NEVER,
    **more: Any,
) -> Case:
    """Exit, or close the driver, on CPU0 while a worker of the driver works."""
    return Case(
        name=name,
        id=variant,
        title=title,
        world=WithMirror,
        actors={"CPU0": other, "kworker": worker},
        bad=BAD,
        expect=expecting(BAD, use_after_free=verdict),
        states=states,
        **more,
    )


CASES = (
    case(
        "BelieveHelper",
        "HMM-07/07a",
        "the helper's answer lets a driver look for the mapping",
        believe,
        30,
        verdict=Verdict.SOMETIMES,
        schedules={"it dies after the answer": "kworker*2 CPU0*5 kworker"},
    ),
    case(
        "DeadMirror",
        "HMM-07/07d",
        "the helper is asked about a mirror that is being unregistered",
        spare_work,
        30,
        other=hmm_mirror_unregister,
        verdict=Verdict.SOMETIMES,
        schedules={"the mirror leads nowhere": "kworker CPU0*2 kworker"},
    ),
    case(
        "HintOnly",
        "HMM-07/07b",
        "the helper spares work, and mmget_not_zero() guards the mapping",
        spare_work,
        54,
        proposed=("2019-04-03", "<20190403193318.16478-11-jglisse@redhat.com>"),
    ),
    case(
        "GetNotZero",
        "HMM-07/07c",
        "no helper, only mmget_not_zero(), as merged v5.3",
        be_a_user,
        23,
        shipped=("v5.3", ""),
        proposed=patch(7),
    ),
)
