"""A process exits, and the driver's file is closed in the middle of ops->release().

hmm_release() takes each mirror off the list and tells its driver that the process has exited.  v5.2
drops the semaphore for that, so that the driver may unregister in the callback.  But now a driver
that unregisters on another CPU finds its mirror off the list already, is through at once, and frees
it; then the callback is called for a mirror that is gone.

Promise: When hmm_mirror_unregister() returns, no callback for the mirror runs or will run.

Memory model: sequentially consistent.

Simplified:
    One mirror.  Struct hmm stays; so does the memory of its semaphore.
    ops->release() notes in the mirror that there is nothing to do any more; HMM touches the mirror
    to find that callback, here in the same step.
    In OwnCount hmm_release() itself takes the mirror off the list; the process always exits here.

Sources:
    <20180322012848.6936-1-jglisse@redhat.com>: mm/hmm: HMM should have a callback before MM is
    destroyed v3, in Andrew Morton's tree in April 2018
    The series of <20190523153436.19102-1-jgg@ziepe.ca>, from June 2019 (v5.3): Remove confusing
    comment and logic from hmm_release
    mm/hmm.c, v5.2 and v5.3: hmm_release(), hmm_mirror_unregister()
"""

from functools import partial
from typing import Any

from mmviz.engine import Case, Verdict, World, at_end, atomic, expecting, field, mark
from mmviz.engine.case import Property
from mmviz.kernel.locks import RwSemaphore
from mmviz.kernel.rculist import HEAD, ListEntry, ListHead
from mmviz.kernel.refcount import Kref, Slab
from mmviz.scenarios.hmm import patch


class DriversMirror(ListEntry, Slab, Kref):
    """A struct hmm_mirror inside a driver's own object.

    Attributes:
        next: its link in struct hmm's list.
        refs: the driver's own count, for a driver that has one.
        stopped: the driver was told that the process has exited.

    Source: include/linux/hmm.h.
    """

    next: str = HEAD
    refs: int = 1
    stopped: bool = False

    @atomic("driver")
    def release(self) -> None:
        """Hear that the process has exited, and use it no more."""
        self.stopped = True


class Registered(World):
    """One mirror on the list of a struct hmm."""

    mirrors_sem: RwSemaphore = field(default_factory=RwSemaphore)
    mirrors: ListHead = field(default_factory=lambda: ListHead(name="hmm->mirrors"))
    mirror: DriversMirror = field(default_factory=DriversMirror)

    def __post_init__(self) -> None:
        self.mirrors.first = self.mirror


def registered(refs: int) -> Registered:
    """Return the world; the driver counts `refs` who need the mirror."""
    return Registered(mirror=DriversMirror(refs=refs))


@at_end
def mirror_is_leaked(k: Registered) -> bool:
    """The mirror is never freed: memory is lost with every process that used the device."""
    return not k.mirror.freed


async def hmm_mirror_unregister(k: Registered) -> None:
    """Take the mirror off the list, wherever hmm_release() may be."""
    await k.mirrors_sem.down_write()
    await k.mirrors.list_del_init(k.mirror)
    await k.mirrors_sem.up_write()


class DropForRelease:
    """Takes each mirror off the list, and drops the semaphore around the callback."""

    refs = 1

    async def hmm_release(self, k: Registered) -> None:
        """The process exits: every mirror is taken off, and its driver told."""
        await k.mirrors_sem.down_write()
        while True:
            mark("next mirror")
            mirror = await k.mirrors.list_first()
            if mirror is None:
                break
            await k.mirrors.list_del_init(mirror)
            await k.mirrors_sem.up_write()
            await self.release(k)
            await k.mirrors_sem.down_write()
        await k.mirrors_sem.up_write()

    async def release(self, k: Registered) -> None:
        await k.mirror.release()

    async def close(self, k: Registered) -> None:
        """The device's file is closed, and the mirror freed."""
        await hmm_mirror_unregister(k)
        await k.mirror.kfree()


class OwnCount(DropForRelease):
    """The same, and the driver counts for itself who still needs the mirror."""

    refs = 2  # the file and the process

    async def release(self, k: Registered) -> None:
        await k.mirror.release()
        await self.put(k)

    async def close(self, k: Registered) -> None:
        """The device's file is closed: one less needs the mirror."""
        await self.put(k)

    async def put(self, k: Registered) -> None:
        if await k.mirror.kref_put():
            await k.mirror.kfree()


class ReadLock(DropForRelease):
    """Holds the semaphore for reading while it calls every mirror's driver."""

    async def hmm_release(self, k: Registered) -> None:
        """The process exits: the driver of every mirror on the list is told."""
        await k.mirrors_sem.down_read()
        if await k.mirrors.list_first() is not None:
            await self.release(k)
        await k.mirrors_sem.up_read()


class UnregisterInRelease(ReadLock):
    """The driver unregisters in its callback, as it could before."""

    async def release(self, k: Registered) -> None:
        await k.mirror.release()
        await hmm_mirror_unregister(k)


BAD: tuple[Property, ...] = ("use_after_free", mirror_is_leaked)


def case(
    era: DropForRelease,
    variant: str,
    title: str,
    states: int,
    *fails: str,
    **more: Any,
) -> Case:
    """Exit on CPU0 and close on CPU1."""
    return Case(
        name=type(era).__name__,
        id=variant,
        title=title,
        world=partial(registered, era.refs),
        actors={"CPU0": era.hmm_release, "CPU1": era.close},
        bad=BAD,
        expect=expecting(BAD, dict.fromkeys(fails, Verdict.SOMETIMES)),
        states=states,
        **more,
    )


CASES = (
    case(
        DropForRelease(),
        "X-6/6a",
        "the semaphore is dropped around the callback, as shipped until v5.2",
        36,
        "use_after_free",
        shipped=("v4.17", "v5.2"),
        schedules={"freed before the callback": "CPU0*4 CPU1*4 CPU0"},
        proposed=("2018-03-21", "<20180322012848.6936-1-jglisse@redhat.com>"),
    ),
    case(
        UnregisterInRelease(),
        "X-6/6c",
        "the semaphore is held for reading, and the driver unregisters in the callback",
        14,
        stuck=True,
        schedules={"waits for itself": "CPU0*3"},
    ),
    case(
        OwnCount(),
        "X-6/6d",
        "dropped as in v5.2, and the driver counts for itself who needs the mirror",
        26,
    ),
    case(
        ReadLock(),
        "X-6/6b",
        "the semaphore is held for reading while the drivers are told, as merged v5.3",
        19,
        shipped=("v5.3", "v5.4"),
        proposed=patch(11, revision=2),
    ),
)

SPARE = {
    "OwnCount: await k.mirror.release()": (
        "What the driver does when it is told is not modelled; the put after it is."
    ),
}
