"""Two threads unregister one mirror.

The file of the device is closed while the process exits, and both paths unregister the mirror.
v5.2 has a protection for that: whoever finds mirror->hmm NULL leaves.  But both may have found it
before one clears it, and then one of them takes a semaphore in freed memory, or puts a reference
that belongs to another mirror.  To look again under the semaphore is too late, for the semaphore is
in the memory that goes.  Nothing in HMM can make this right; the caller has to call once.

Promise: One mirror gives back one reference, and nobody touches a struct hmm that is gone.

Memory model: sequentially consistent; xchg() is one step.

Simplified:
    One struct hmm; the mirrors on it have one reference each, and nothing else has one.
    hmm_put() frees at once: nobody is in a notifier callback.
    The second put of one reference is an underflow where the first put has not freed anything yet.
    The other mirror stays registered.  Nobody walks the list, so nothing here depends on taking
    mirrors_sem once the caller sees to it that there is only one call.
    Only the last two cases free the mirror, on CPU1.  In ExchangeThenFree CPU0 may also come when
    that is done, which is the driver's own fault; the named run is the one that xchg() invites.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 09/11: Remove racy protection against
    double-unregistration (v5.3)
    mm/hmm.c, v5.2 and v5.3: hmm_mirror_unregister(), hmm_put()
"""

from functools import partial
from typing import Any

from mmviz.engine import Case, Struct, Verdict, World, atomic, expecting, field
from mmviz.engine.case import Property
from mmviz.kernel.hmm_mirror import HmmMirror, MirroredHmm
from mmviz.kernel.locks import Mutex
from mmviz.scenarios.hmm import COUNTED, patch


class DriverFile(Struct):
    """What a driver keeps of an open file.

    Attributes:
        registered: the mirror still has to be unregistered.
        lock: guards that.

    Source: any driver that mirrors; drivers/gpu/drm/nouveau/nouveau_svm.c has such a mutex.
    """

    registered: bool = True
    lock: Mutex = field(default_factory=Mutex)

    @atomic("driver")
    def must_unregister(self) -> bool:
        """Say whether the mirror still has to be unregistered; from now on it has not."""
        must, self.registered = self.registered, False
        return must

    @atomic("driver")
    def is_registered(self) -> bool:
        """Say whether there still is something to use."""
        return self.registered


class Registered(World):
    """Mirrors of one process; CPU0 and CPU1 unregister the first."""

    hmm: MirroredHmm
    mirrors: tuple[HmmMirror, ...]
    file: DriverFile = field(default_factory=DriverFile)


def registered(mirrors: int) -> Registered:
    """Return the world with some mirrors on one struct hmm."""
    hmm = MirroredHmm(refs=mirrors, mirrors=mirrors)
    names = ("mirror", "other mirror")[:mirrors]
    return Registered(hmm, tuple(HmmMirror(hmm=hmm, listed=True, name=name) for name in names))


def reference_is_stolen(k: Registered) -> bool:
    """A mirror relies on a reference that is gone: struct hmm will be freed under its device."""
    return k.hmm.refs < sum(mirror.listed for mirror in k.mirrors)


async def hmm_put(hmm: MirroredHmm) -> None:
    """Put the mirror's reference; the last one frees struct hmm."""
    if await hmm.kref_put():
        await hmm.kfree()


class ClearedPointer:
    """Leaves if mirror->hmm is NULL, and makes it NULL."""

    frees = False

    async def hmm_mirror_unregister(self, k: Registered) -> None:
        mirror = k.mirrors[0]
        hmm = await mirror.read_hmm()
        if hmm is None:
            return
        await hmm.mirrors_sem.down_write()
        await mirror.list_del_init()
        await mirror.set_hmm(None)
        await hmm.mirrors_sem.up_write()
        await hmm_put(hmm)


class LookAgain(ClearedPointer):
    """Looks again when it has the semaphore."""

    async def hmm_mirror_unregister(self, k: Registered) -> None:
        mirror = k.mirrors[0]
        hmm = await mirror.read_hmm()
        if hmm is None:
            return
        await hmm.mirrors_sem.down_write()
        if await mirror.read_hmm() is None:
            await hmm.mirrors_sem.up_write()
            return
        await mirror.list_del_init()
        await mirror.set_hmm(None)
        await hmm.mirrors_sem.up_write()
        await hmm_put(hmm)


class ExchangeThenFree(ClearedPointer):
    """Takes the pointer so that only one can; the other takes that for "done"."""

    frees = True

    async def hmm_mirror_unregister(self, k: Registered) -> None:
        mirror = k.mirrors[0]
        hmm = await mirror.xchg_hmm()
        if hmm is None:
            return
        await hmm.mirrors_sem.down_write()
        await mirror.list_del_init()
        await hmm.mirrors_sem.up_write()
        await hmm_put(hmm)


class CalledOnce(ClearedPointer):
    """The driver's own mutex sees to it that there is one call."""

    frees = True

    async def hmm_mirror_unregister(self, k: Registered) -> None:
        await k.file.lock.mutex_lock()
        if await k.file.must_unregister():
            await self.unregister_once(k.mirrors[0])
        await k.file.lock.mutex_unlock()

    async def unregister_once(self, mirror: HmmMirror) -> None:
        hmm = await mirror.read_hmm()
        assert hmm is not None, "it is never cleared here"
        await hmm.mirrors_sem.down_write()
        await mirror.list_del()
        await hmm.mirrors_sem.up_write()
        await hmm_put(hmm)


async def mmput(k: Registered, era: ClearedPointer) -> None:
    """The process exits, and the driver lets go of its mirror."""
    await era.hmm_mirror_unregister(k)


async def close(k: Registered, era: ClearedPointer) -> None:
    """The device's file is closed."""
    await era.hmm_mirror_unregister(k)
    if era.frees:
        await k.mirrors[0].kfree()


BAD: tuple[Property, ...] = ("use_after_free", "refcount_underflow", reference_is_stolen)


def case(
    era: ClearedPointer,
    variant: str,
    title: str,
    states: int,
    *fails: str,
    mirrors: int = 1,
    **more: Any,
) -> Case:
    """Unregister the first of some mirrors on CPU0 and on CPU1."""
    return Case(
        name=type(era).__name__ + ("OfTwo" if mirrors == 2 else ""),
        id=variant,
        title=title,
        world=partial(registered, mirrors),
        actors={"CPU0": lambda k: mmput(k, era), "CPU1": lambda k: close(k, era)},
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(fails, Verdict.SOMETIMES)),
        states=states,
        **more,
    )


V52 = ("v5.2", "v5.2")

CASES = (
    case(
        ClearedPointer(),
        "HMM-09/09a",
        "whoever finds NULL leaves, as shipped v5.2; the mirror has the only reference",
        67,
        "use_after_free",
        "refcount_underflow",
        shipped=V52,
        schedules={"both have found it": "CPU0 CPU1 CPU0*6 CPU1"},
        proposed=COUNTED,
    ),
    case(
        ClearedPointer(),
        "HMM-09/09b",
        "the same, while another mirror has a reference, too",
        47,
        "reference_is_stolen",
        mirrors=2,
        shipped=V52,
        schedules={"both have found it": "CPU0 CPU1 CPU0*5 CPU1*5"},
        proposed=COUNTED,
    ),
    case(
        LookAgain(),
        "HMM-09/09d",
        "tempting: looks again under the semaphore, which is in the memory that goes",
        55,
        "use_after_free",
        schedules={"the semaphore is gone": "CPU0 CPU1 CPU0*7 CPU1"},
    ),
    case(
        LookAgain(),
        "HMM-09/09d (another holder)",
        "the same, while another mirror has a reference, too",
        41,
        mirrors=2,
    ),
    case(
        ExchangeThenFree(),
        "HMM-09/09e",
        "tempting: xchg(), and the one that comes second frees the mirror",
        34,
        "use_after_free",
        schedules={"the loser frees": "CPU0*2 CPU1*2 CPU0"},
    ),
    case(
        CalledOnce(),
        "HMM-09/09f",
        "the caller sees to it that there is one call, as merged v5.3",
        29,
        shipped=("v5.3", "v5.4"),
        proposed=patch(9),
    ),
)

SPARE = {
    "CalledOnce: hmm = await mirror.read_hmm()": (
        "The mirror always names the same struct hmm here, so there is one answer only."
    ),
    "CalledOnce: await hmm.mirrors_sem.down_write()": (
        "Nobody walks the list meanwhile, and the driver's mutex lets one call in."
    ),
    "CalledOnce: await hmm.mirrors_sem.up_write()": "Nobody else takes the semaphore.",
}
