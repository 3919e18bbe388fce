"""Two threads unregister one mirror.

The file of the device is closed while the process exits, and both paths unregister the mirror.
v5.2 has a protection for that: a thread that finds mirror->hmm NULL leaves.  But both may have
found it before one clears it, and then one of them takes a semaphore in freed memory, or puts a
reference that belongs to another mirror.  A second look under the semaphore is too late: the
semaphore is in the memory that is freed.  HMM itself cannot prevent this; the caller has to call
once.

Promise: One mirror gives back one reference, and no thread touches a struct hmm that is gone.

Memory model: sequentially consistent; xchg() is one step.

Simplified:
    One struct hmm; the mirrors on it have one reference each, and nothing else has one.
    hmm_put() frees at once: no notifier callback runs.
    The second put of one reference is an underflow where the first put has not freed anything yet.
    The other mirror stays registered.
    The list of mirrors is not walked; so where the caller calls once, nothing depends on
    mirrors_sem.
    Only the last two cases free the mirror, on CPU1.  In ExchangeThenFree CPU0 may also come after
    that, which is the driver's own fault; the named run is the one that xchg() invites.

Sources:
    <20190523153436.19102-10-jgg@ziepe.ca>, patch 09/11: Remove racy protection against
    double-unregistration (v5.3)
    mm/hmm.c, v5.2 and v5.3: hmm_mirror_unregister(), hmm_put()
"""

from typing import Protocol

from mmviz.engine import Race
from mmviz.kernel.hmm.mirror import HmmMirror
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.hmm import COUNTED, patch
from mmviz.scenarios.hmm.worlds.mirrors import ONE_MIRROR, TWO_MIRRORS, Registered, hmm_put


def reference_is_stolen(k: Registered) -> bool:
    """A mirror relies on a reference that is gone: struct hmm will be freed under its device."""
    return k.hmm.refs < sum(mirror.listed for mirror in k.mirrors)


class Unregister(Protocol):
    """How the first mirror is unregistered.

    Attributes:
        frees: the driver frees the mirror when its file is closed.
    """

    frees: bool

    async def hmm_mirror_unregister(self, k: Registered) -> None:
        """Take the mirror off the list, and put its reference."""


async def mmput(k: Registered, unregister: Unregister) -> None:
    """The process exits, and the driver unregisters its mirror."""
    await unregister.hmm_mirror_unregister(k)


async def close(k: Registered, unregister: Unregister) -> None:
    """The device's file is closed."""
    await unregister.hmm_mirror_unregister(k)
    if unregister.frees:
        await k.mirrors[0].kfree()


# The exit of the process and the close of the file unregister one mirror.
race = Race(
    world=ONE_MIRROR,
    actors={"CPU0": mmput, "CPU1": close},
    bad=("use_after_free", "refcount_underflow", reference_is_stolen),
)


@race.case(
    "HMM-09/09b",
    "the same, while another mirror has a reference, too",
    name="ClearedPointerOfTwo",
    world=TWO_MIRRORS,
    sometimes=[reference_is_stolen],
    states=47,
    schedules={"both have found it": "CPU0 CPU1 CPU0*5 CPU1*5"},
    source=shipped("v5.2", "v5.2", said=COUNTED),
)
@race.case(
    "HMM-09/09a",
    "a thread that finds NULL leaves, as shipped in v5.2; the mirror has the only reference",
    sometimes=["use_after_free", "refcount_underflow"],
    states=67,
    schedules={"both have found it": "CPU0 CPU1 CPU0*6 CPU1"},
    source=shipped("v5.2", "v5.2", said=COUNTED),
)
class ClearedPointer:
    """Leaves if mirror->hmm is NULL, and makes it NULL."""

    frees = False

    async def hmm_mirror_unregister(self, k: Registered) -> None:
        """Look at mirror->hmm, and clear it under mirrors_sem."""
        mirror = k.mirrors[0]
        hmm = await mirror.read_hmm()
        if hmm is None:
            return
        await hmm.mirrors_sem.down_write()
        await mirror.list_del_init()
        await mirror.set_hmm(None)
        await hmm.mirrors_sem.up_write()
        await hmm_put(hmm)


@race.case(
    "HMM-09/09d (another holder)",
    "the same, while another mirror has a reference, too",
    name="LookAgainOfTwo",
    world=TWO_MIRRORS,
    states=41,
    source=constructed("the second look helps where another reference keeps the semaphore"),
)
@race.case(
    "HMM-09/09d",
    "tempting: looks again under the semaphore, which is in the memory that is freed",
    sometimes=["use_after_free"],
    states=55,
    schedules={"the semaphore is gone": "CPU0 CPU1 CPU0*7 CPU1"},
    source=constructed("a lock inside the object cannot guard the object's own life"),
)
class LookAgain:
    """Looks again when it has the semaphore."""

    frees = False

    async def hmm_mirror_unregister(self, k: Registered) -> None:
        """Look at mirror->hmm without the semaphore, and again under it."""
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


@race.case(
    "HMM-09/09e",
    "tempting: xchg(), and the thread that comes second frees the mirror",
    sometimes=["use_after_free"],
    states=33,
    schedules={"the loser frees": "CPU0*2 CPU1*2 CPU0"},
    source=constructed("one winner is not enough: the loser does not wait for it"),
)
class ExchangeThenFree:
    """Takes the pointer so that only one thread can; the other takes that for "done"."""

    frees = True

    async def hmm_mirror_unregister(self, k: Registered) -> None:
        """Take mirror->hmm with xchg(), and leave if another thread has it."""
        mirror = k.mirrors[0]
        hmm = await mirror.xchg_hmm()
        if hmm is None:
            return
        await hmm.mirrors_sem.down_write()
        await mirror.list_del_init()
        await hmm.mirrors_sem.up_write()
        await hmm_put(hmm)


@race.case(
    "HMM-09/09f",
    "the caller ensures a single call, as merged in v5.3",
    states=28,
    source=shipped("v5.3", "v5.4", said=patch(9)),
)
class CalledOnce:
    """The driver's own mutex ensures a single call."""

    frees = True

    async def hmm_mirror_unregister(self, k: Registered) -> None:
        """Ask under the driver's mutex whether the mirror still has to be unregistered."""
        await k.file.lock.mutex_lock()
        if await k.file.must_unregister():
            await self.unregister_once(k.mirrors[0])
        await k.file.lock.mutex_unlock()

    async def unregister_once(self, mirror: HmmMirror) -> None:
        """v5.3's hmm_mirror_unregister(): no look at all."""
        # redundant in CalledOnce: the mirror always names the same struct hmm here
        hmm = await mirror.read_hmm()
        assert hmm is not None, "it is never cleared here"
        # redundant in CalledOnce: the list is not walked, and the mutex lets one call in
        await hmm.mirrors_sem.down_write()
        await mirror.list_del()
        await hmm.mirrors_sem.up_write()
        await hmm_put(hmm)


race.dial(
    "ExchangeThenFree",
    "xchg_hmm",
    sometimes=["use_after_free", "refcount_underflow"],
    why="both callers load the pointer before either clears it, so both put and free",
)
