"""A mirror is registered while the old struct hmm is dying.

Every mm has at most one struct hmm; who registers a mirror takes the one there is or makes one.
v5.2 looks without a lock, and publishes a new one only where there is none.  A driver that closes
leaves a dying one behind for a moment: no reference can be had from it, and it still is in the way.
So a process that could be mirrored is told that there is no memory, or the count of freed memory is
asked.

Promise: A process gets its struct hmm whenever it could have one, and never two.

Memory model: sequentially consistent; steps under page_table_lock are one step each.

Simplified:
    The old hmm has one mirror and dies; each registering thread has fresh memory at hand.
    The list of notifiers is left out: nobody is called back here.
    mm_take_all_locks() checks mmap_sem by itself when it creates; it is left out here.
    A registration that a signal interrupts returns -EINTR here; v5.2 says -ENOMEM for that, too.
    No callback of a notifier runs, so a grace period is over at once.
    The worker may idle for ever, so a run may end before the old hmm is freed, or without that.
    In FinalNoMmapSem and the v5.2 cases without the semaphore nobody holds it at all.
    PublishThenFail: the reference names the freed struct hmm; the thread that comes too late to
    find it is told that there is no memory, as in TwoCreators.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 04/11: Simplify hmm_get_or_create()
    8a9320b7ec5d (v5.3): mm/hmm: Simplify hmm_get_or_create and make it reliable
    mm/hmm.c, v5.2: hmm_get_or_create(), hmm_free(); v5.3: the same
"""

from functools import partial
from typing import Any

from mmviz.engine import Case, Verdict, World, at_end, expecting, field, mark
from mmviz.engine.case import Actor, Property
from mmviz.kernel.hmm import Hmm, RegisteringMm, Registration
from mmviz.kernel.rcu import RcuSynchronize, SrcuCallbacks
from mmviz.kernel.softirq import BottomHalves
from mmviz.scenarios.hmm import COUNTED, patch

Got = tuple[Hmm | None, str]


class Registering(World):
    """An mm, its old struct hmm if it has one, and two threads with memory for a new one."""

    mm: RegisteringMm = field(default_factory=RegisteringMm)
    old: Hmm = field(default_factory=lambda: Hmm(name="old hmm"))
    fresh: tuple[Hmm, ...] = field(default_factory=lambda: (Hmm(name="hmm 1"), Hmm(name="hmm 2")))
    drivers: tuple[Registration, ...] = field(
        default_factory=lambda: (Registration(name="driver 1"), Registration(name="driver 2"))
    )
    srcu: SrcuCallbacks = field(default_factory=SrcuCallbacks)
    rcu: RcuSynchronize = field(default_factory=lambda: RcuSynchronize(name="rcu_synchronize"))
    bh: BottomHalves = field(default_factory=BottomHalves)


def registering(old: bool) -> Registering:
    """Return the world, with an old struct hmm or without."""
    k = Registering()
    k.mm.hmm = k.old if old else None
    return k


def create_fails_by_timing(k: Registering) -> bool:
    """A program cannot use its device: no memory, it is told, though there is."""
    return any(driver.ret == "-ENOMEM" for driver in k.drivers)


def mm_has_two_hmms(k: Registering) -> bool:
    """One process has two struct hmm: what is done through one, drivers on the other miss."""
    one, two = (driver.hmm for driver in k.drivers)
    return one is not None and two is not None and one is not two


@at_end
def unused_hmm_is_leaked(k: Registering) -> bool:
    """Memory for a struct hmm that nobody got is lost with every attempt that fails."""
    refused = [hmm for hmm, driver in zip(k.fresh, k.drivers, strict=True) if driver.ret[:1] == "-"]
    return not all(hmm.freed for hmm in refused)


class PublishIfNone:
    """Looks without a lock, publishes where there is none, registers last."""

    async def hmm_get_or_create(self, k: Registering, fresh: Hmm, signalled: bool) -> Got:
        hmm = await k.mm.read_once_hmm()
        if hmm is not None and await hmm.kref_get_unless_zero():
            return hmm, "0"
        if not await k.mm.publish_if_none(fresh):
            await fresh.kfree()
            return None, "-ENOMEM"
        if not await k.mm.do_mmu_notifier_register(signalled):
            await k.mm.forget(fresh)
            await fresh.kfree()
            return None, "-EINTR"
        return fresh, "0"

    async def hmm_free(self, k: Registering) -> None:
        await k.mm.forget(k.old)
        await k.old.kfree()


class RegisterThenPublish(PublishIfNone):
    """Looks under page_table_lock, registers, and only then publishes over what is dying."""

    async def hmm_get_or_create(self, k: Registering, fresh: Hmm, signalled: bool) -> Got:
        hmm = await k.mm.mm_get_hmm()
        if hmm is not None:
            return hmm, "0"
        if not await k.mm.do_mmu_notifier_register(signalled):
            await fresh.kfree()
            return None, "-EINTR"
        await k.mm.publish(fresh)
        return fresh, "0"

    async def hmm_free(self, k: Registering) -> None:
        await k.mm.forget(k.old)
        await k.srcu.call_srcu(k.old)

    async def hmm_free_rcu(self, k: Registering) -> None:
        await k.old.kfree()


async def hmm_mirror_unregister(k: Registering, era: PublishIfNone) -> None:
    """The old driver closes; its reference is the last."""
    if await k.old.kref_put():
        await era.hmm_free(k)


async def hmm_mirror_register(
    k: Registering, era: PublishIfNone, who: int, signalled: bool = False, locked: bool = True
) -> None:
    """A driver asks for a mirror of the process."""
    if locked:
        await k.mm.mmap_sem.down_write()
    hmm, ret = await era.hmm_get_or_create(k, k.fresh[who], signalled)
    await k.drivers[who].hmm_mirror_register(hmm, ret)
    if locked:
        await k.mm.mmap_sem.up_write()


async def srcu_invoke_callbacks(k: Registering, era: RegisterThenPublish) -> None:
    """A kernel worker runs what is handed over to SRCU."""
    while True:
        mark("next callback")
        head = await k.srcu.rcu_cblist_dequeue()
        await k.bh.local_bh_disable()
        if head is k.old:
            await era.hmm_free_rcu(k)
        else:
            await k.rcu.wakeme_after_rcu()
        await k.bh.local_bh_enable()


BAD: tuple[Property, ...] = (
    "use_after_free",
    create_fails_by_timing,
    mm_has_two_hmms,
    unused_hmm_is_leaked,
    "sleeps_in_atomic",
)


def case(
    name: str,
    variant: str,
    title: str,
    era: PublishIfNone,
    states: int,
    creators: int = 1,
    dying: bool = True,
    locked: bool = True,
    signalled: bool = False,
    broken: dict[str, Verdict] | None = None,
    **more: Any,
) -> Case:
    """Close on CPU0 if there is an old hmm, and register on the CPUs after it."""
    actors: dict[str, Actor] = {}
    if dying:
        actors["CPU0"] = lambda k: hmm_mirror_unregister(k, era)
    for i in range(creators):
        actors[f"CPU{i + 1}"] = partial(
            hmm_mirror_register, era=era, who=i, signalled=signalled and i == 0, locked=locked
        )
    if dying and isinstance(era, RegisterThenPublish):
        actors["kworker"] = lambda k: srcu_invoke_callbacks(k, era)
    return Case(
        name=name,
        id=variant,
        title=title,
        world=partial(registering, dying),
        actors=actors,
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        daemons=("kworker",) if "kworker" in actors else (),
        **more,
    )


SOMETIMES = Verdict.SOMETIMES
V52, FINAL = PublishIfNone(), RegisterThenPublish()

CASES = (
    case(
        "PublishIfNone",
        "HMM-04/04a",
        "publishes only where there is none, and a dying one is in the way, as shipped v5.2",
        V52,
        50,
        shipped=("v5.2", "v5.2"),
        schedules={
            "the dying one is in the way": "CPU1*2 CPU0 CPU1*3",
            "the count is gone": "CPU1*2 CPU0*3 CPU1",
        },
        broken={"use_after_free": SOMETIMES, "create_fails_by_timing": SOMETIMES},
        proposed=COUNTED,
    ),
    case(
        "TwoCreators",
        "HMM-04/04b",
        "v5.2's, and two threads create without mmap_sem",
        V52,
        52,
        creators=2,
        dying=False,
        locked=False,
        broken={"create_fails_by_timing": SOMETIMES},
    ),
    case(
        "PublishThenFail",
        "HMM-04/04c",
        "v5.2's without mmap_sem: published, found by another thread, and then not registered",
        V52,
        81,
        creators=2,
        dying=False,
        locked=False,
        signalled=True,
        schedules={"found before it fails": "CPU1*2 CPU2*2 CPU1*3 CPU2"},
        broken={"use_after_free": SOMETIMES, "create_fails_by_timing": SOMETIMES},
    ),
    case(
        "FinalNoMmapSem",
        "HMM-04/04g",
        "the merged order under page_table_lock alone: two threads find none and publish",
        FINAL,
        37,
        creators=2,
        dying=False,
        locked=False,
        broken={"mm_has_two_hmms": SOMETIMES},
    ),
    case(
        "RegisterThenPublish",
        "HMM-04/04f",
        "mmap_sem to create, page_table_lock for the pointer, cleared first, as merged v5.3",
        FINAL,
        176,
        creators=2,
        shipped=("v5.3", "v5.3"),
        proposed=patch(4, revision=4),
    ),
    case(
        "RegisterFailsThenNothing",
        "HMM-04/04f (register fails)",
        "the same, and the first registration is interrupted",
        FINAL,
        190,
        creators=2,
        signalled=True,
        shipped=("v5.3", "v5.3"),
        proposed=patch(4, revision=4),
    ),
)

SPARE = {
    "await k.srcu.call_srcu(k.old)": (
        "The worker may idle for ever, so memory that never comes back is no bad state."
    ),
    "await k.old.kfree()": (
        "The worker may idle for ever, so memory that never comes back is no bad state."
    ),
    "await k.bh.local_bh_disable()": (
        "This callback takes no lock that sleeps; in mmap_sem_in_callback one does."
    ),
    "await k.bh.local_bh_enable()": "The worker does nothing else that could sleep.",
}
