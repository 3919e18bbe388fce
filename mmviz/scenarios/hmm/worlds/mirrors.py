"""Mirrors that are registered on one struct hmm, and the driver's file that owns one."""

from functools import partial
from typing import Final

from mmviz.engine import Struct, World, atomic, field
from mmviz.kernel.hmm.mirror import HmmMirror, MirroredHmm
from mmviz.kernel.sync.locks import Mutex


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
        """Return whether the mirror still has to be unregistered; after this it does not."""
        must, self.registered = self.registered, False
        return must

    @atomic("driver")
    def is_registered(self) -> bool:
        """Return whether the mirror is still registered."""
        return self.registered


class Registered(World):
    """Mirrors of one process, registered on its struct hmm."""

    hmm: MirroredHmm
    mirrors: tuple[HmmMirror, ...]
    file: DriverFile = field(default_factory=DriverFile)


def mirrors_of_one_hmm(count: int) -> tuple[MirroredHmm, tuple[HmmMirror, ...]]:
    """Return a struct hmm and some mirrors on it, with a reference each."""
    hmm = MirroredHmm(refs=count, mirrors=count)
    names = ("mirror", "other mirror")[:count]
    return hmm, tuple(HmmMirror(hmm=hmm, listed=True, name=name) for name in names)


def registered(count: int) -> Registered:
    """Return the world with some mirrors on one struct hmm."""
    return Registered(*mirrors_of_one_hmm(count))


ONE_MIRROR: Final = partial(registered, 1)
TWO_MIRRORS: Final = partial(registered, 2)


async def hmm_put(hmm: MirroredHmm) -> None:
    """Put the mirror's reference; the last one frees struct hmm."""
    if await hmm.kref_put():
        await hmm.kfree()
