"""A process exits, and the driver's file is closed in the middle of ops->release().

When a process exits, hmm_release() tells the driver of each mirror.  v5.2 takes each mirror off the
list and drops the semaphore around the callback, so that the driver may unregister in it.  But now
a driver that unregisters on another CPU finds its mirror off the list already.  It returns at once
and frees the mirror; then the callback is called for a mirror that is gone.

Promise: When hmm_mirror_unregister() returns, no callback for the mirror runs or will run.

Memory model: sequentially consistent.

Simplified:
    One mirror.
    Struct hmm is never freed, and neither is the memory of its semaphore.
    ops->release() only notes in the mirror that the process has exited.  HMM reads the mirror to
    find that callback; here both are one step.
    A driver with its own count (OwnCount) does not unregister: hmm_release() has taken the mirror
    off the list, because the process always exits here.

Sources:
    <20180322012848.6936-1-jglisse@redhat.com>: mm/hmm: HMM should have a callback before MM is
    destroyed v3 (the callback, with the semaphore dropped around it; v4.17)
    <20190606184438.31646-12-jgg@ziepe.ca>: [PATCH v2 11/11] mm/hmm: Remove confusing comment and
    logic from hmm_release (the race, and the fix of v5.3)
    mm/hmm.c, v5.2 and v5.3: hmm_release(), hmm_mirror_unregister()
    include/linux/hmm.h: struct hmm_mirror, struct hmm_mirror_ops
"""

from typing import Protocol

from mmviz.engine import Race, World, at_end, atomic, field
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.kernel.sync.locks import RwSemaphore
from mmviz.kernel.sync.rculist import LIST_HEAD, ListEntry, ListHead
from mmviz.kernel.sync.refcount import Kref, Slab
from mmviz.scenarios.hmm import patch


class DriversMirror(ListEntry, Slab, Kref):
    """A struct hmm_mirror inside a driver's own object.

    Attributes:
        next: its link in struct hmm's list.
        refs: the driver's own count, for a driver that has one.
        stopped: the driver was told that the process has exited.

    Source: include/linux/hmm.h.
    """

    next: str = LIST_HEAD
    refs: int = 1
    stopped: bool = False

    @atomic("driver")
    def release(self) -> None:
        """Tell the driver that the process has exited; it does not use the mirror any more."""
        self.stopped = True


class Registered(World):
    """One mirror on the list of a struct hmm."""

    mirrors_sem: RwSemaphore = field(default_factory=RwSemaphore)
    mirrors: ListHead = field(default_factory=lambda: ListHead(name="hmm->mirrors"))
    mirror: DriversMirror = field(default_factory=DriversMirror)

    def __post_init__(self) -> None:
        self.mirrors.first = self.mirror


def counted() -> Registered:
    """Return the world of a driver that counts the users of its mirror: file and process."""
    return Registered(mirror=DriversMirror(refs=2))


@at_end
def mirror_is_leaked(k: Registered) -> bool:
    """The mirror is never freed: memory is lost with every process that used the device."""
    return not k.mirror.freed


class Era(Protocol):
    async def hmm_release(self, k: Registered) -> None: ...

    async def close(self, k: Registered) -> None: ...


async def hmm_mirror_unregister(k: Registered) -> None:
    """Take the mirror off the list, wherever hmm_release() may be."""
    await k.mirrors_sem.down_write()
    await k.mirrors.list_del_init(k.mirror)
    await k.mirrors_sem.up_write()


async def hmm_release(k: Registered, era: Era) -> None:
    """The process exits: the driver of every mirror on the list is told."""
    await era.hmm_release(k)


async def close(k: Registered, era: Era) -> None:
    """The device's file is closed: the driver has no more use for the mirror."""
    await era.close(k)


race = Race(
    "X-6",
    world=Registered,
    actors={"CPU0": hmm_release, "CPU1": close},
    bad=("use_after_free", mirror_is_leaked),
)


@race.case(
    "6a",
    "as shipped v4.17 to v5.2: the semaphore is dropped around the callback",
    sometimes=["use_after_free"],
    states=36,
    schedules={"freed before the callback": "CPU0*4 CPU1*4 CPU0"},
    source=shipped(
        "v4.17",
        "v5.2",
        said=proposed_elsewhere("2018-03-22", "<20180322012848.6936-1-jglisse@redhat.com>"),
    ),
)
class DropForRelease:
    """Takes each mirror off the list, and drops the semaphore around the callback."""

    async def hmm_release(self, k: Registered) -> None:
        """Take every mirror off the list, and tell its driver."""
        await k.mirrors_sem.down_write()
        while True:
            mirror = await k.mirrors.list_first()
            if mirror is None:
                break
            await k.mirrors.list_del_init(mirror)
            await k.mirrors_sem.up_write()
            await self.release(k)
            await k.mirrors_sem.down_write()
        await k.mirrors_sem.up_write()

    async def release(self, k: Registered) -> None:
        """Run the driver's ops->release()."""
        await k.mirror.release()

    async def close(self, k: Registered) -> None:
        """Unregister the mirror, and free it."""
        await hmm_mirror_unregister(k)
        await k.mirror.kfree()


@race.case(
    "6b",
    "as merged in v5.3: the semaphore is held for reading while the drivers are notified",
    states=19,
    source=shipped("v5.3", "v5.4", said=patch(11, revision=2)),
)
class ReadLock(DropForRelease):
    """Holds the semaphore for reading while it calls the driver of every mirror."""

    async def hmm_release(self, k: Registered) -> None:
        """Tell the driver of every mirror on the list."""
        await k.mirrors_sem.down_read()
        if await k.mirrors.list_first() is not None:
            await self.release(k)
        await k.mirrors_sem.up_read()


@race.case(
    "6c",
    "the semaphore is held for reading, and the driver unregisters in the callback",
    deadlock=True,
    states=14,
    schedules={"waits for itself": "CPU0*3"},
    source=constructed("v5.3 forbids to unregister in ops->release(); this is why"),
)
class UnregisterInRelease(ReadLock):
    """The driver unregisters in its callback, as v5.2 allows."""

    async def release(self, k: Registered) -> None:
        """Stop, and unregister."""
        await k.mirror.release()
        await hmm_mirror_unregister(k)


@race.case(
    "6d",
    "dropped as in v5.2, but the driver counts the users of the mirror",
    world=counted,
    states=25,
    source=constructed("a driver can protect itself against v5.2 with a count of its own"),
)
class OwnCount(DropForRelease):
    """As v5.2, and the driver counts its users of the mirror: the file and the process."""

    async def release(self, k: Registered) -> None:
        """Stop, and put the process's reference."""
        # redundant: what the driver stops is not modelled; the put after it is
        await k.mirror.release()
        await self.put(k)

    async def close(self, k: Registered) -> None:
        """Put the file's reference."""
        await self.put(k)

    async def put(self, k: Registered) -> None:
        """Put a reference; the last one frees the mirror."""
        if await k.mirror.kref_put():
            await k.mirror.kfree()
