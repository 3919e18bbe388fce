"""A helper says that the process is alive.

hmm_mirror_mm_is_alive() looks through the mirror at struct hmm and its `dead`.  Its own comment
calls it an optimisation.  A driver that relies on it may look for mappings that an exit has freed
meanwhile; and a mirror that is being unregistered leads to a struct hmm that is freed.  The
reliable question is mmget_not_zero(), because its answer still holds afterwards.

Promise: A driver that looks for a mapping holds a user's reference on the address space.

Memory model: sequentially consistent; every field is read in a step of its own.

Simplified:
    As armed_after_release, whose process and exit these are; no range is listed.
    Closing the driver frees struct hmm at once: the mirror had the last reference.
    The optional work that the hint may save is one look at the device's own list of work.
    HintOnly: with mmget_not_zero() in place the hint decides about the work alone, so leaving it
    out breaks nothing.

Sources:
    <20190523153436.19102-8-jgg@ziepe.ca>, patch 07/11: Delete hmm_mirror_mm_is_alive()
    <20190403193318.16478-11-jglisse@redhat.com>: mm/hmm: add helpers to test if mm is still alive
    include/linux/hmm.h, v5.2: hmm_mirror_mm_is_alive(), and the comment that limits its use
    include/linux/sched/mm.h: mmget_not_zero()
"""

from collections.abc import Awaitable, Callable

from mmviz.engine import Race, Struct, atomic, field
from mmviz.kernel.hmm.range import RangedHmm
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.scenarios.hmm import CHECKED, patch
from mmviz.scenarios.hmm.worlds.exiting_process import Mirrored, mmput


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
        """Load mirror->hmm without a lock: the mirror may be unregistered at any moment."""
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


async def hmm_mirror_unregister(k: WithMirror) -> None:
    """The driver closes: with the mirror's reference struct hmm goes."""
    await k.mirror.clear_hmm()
    await k.hmm.kfree()


Worker = Callable[[WithMirror], Awaitable[None]]


async def work(k: WithMirror, worker: Worker) -> None:
    """A worker of the driver has something to do for the process."""
    await worker(k)


# A worker of the driver, against the exit of the process or the end of the driver.
race = Race(world=WithMirror, actors={"CPU0": mmput, "kworker": work}, bad=("use_after_free",))


@race.case(
    "HMM-07/07a",
    "the helper's answer lets a driver look for the mapping",
    name="BelieveHelper",
    sometimes=["use_after_free"],
    states=30,
    schedules={"it dies after the answer": "kworker*2 CPU0*5 kworker"},
    source=constructed("relies on the helper for more than its comment allows"),
)
async def believe(k: WithMirror) -> None:
    """Look for the mapping if the helper says that the process is alive."""
    if await hmm_mirror_mm_is_alive(k):
        await k.mm.find_vma()


@race.case(
    "HMM-07/07b",
    "the helper saves work, and mmget_not_zero() guards the mapping",
    name="HintOnly",
    states=54,
    source=proposed_elsewhere("2019-04-03", "<20190403193318.16478-11-jglisse@redhat.com>"),
)
@race.case(
    "HMM-07/07d",
    "the helper is asked about a mirror that is being unregistered",
    name="DeadMirror",
    sometimes=["use_after_free"],
    actors={"CPU0": hmm_mirror_unregister, "kworker": work},
    states=30,
    schedules={"the mirror leads nowhere": "kworker CPU0*2 kworker"},
    source=constructed("the same hint, asked of a mirror that another thread unregisters"),
)
async def spare_work(k: WithMirror) -> None:
    """Skip the optional work if the helper says that the process is dead."""
    if await hmm_mirror_mm_is_alive(k):
        await k.mirror.prepare()
    await be_a_user(k)


@race.case(
    "HMM-07/07c",
    "no helper, only mmget_not_zero(), as merged in v5.3",
    name="GetNotZero",
    states=23,
    source=shipped("v5.3", said=patch(7), checked=CHECKED),
)
async def be_a_user(k: WithMirror) -> None:
    """Become a user of the address space, if it still has one."""
    if await k.mm.mmget_not_zero():
        await k.mm.find_vma()
        await mmput(k)


race.dial(
    "GetNotZero",
    "mmget_not_zero",
    sometimes=["use_after_free"],
    why="the last user leaves after the count was seen above 0: the question is the old hint again",
)
