"""Drivers that register a mirror of one process while its old struct hmm dies."""

from functools import partial
from typing import Final, Protocol

from mmviz.engine import World, at_end, field
from mmviz.engine.race import Role
from mmviz.kernel.hmm.hmm import Hmm, RegisteringMm, Registration
from mmviz.kernel.sync.rcu import RcuSynchronize, SrcuCallbacks
from mmviz.kernel.sync.softirq import BottomHalves

Got = tuple[Hmm | None, str]
"""What hmm_get_or_create() gives: a struct hmm, or none and the error."""


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


def with_old_hmm() -> Registering:
    """Build the world with an old struct hmm, whose last mirror is about to go."""
    k = Registering()
    k.mm.hmm = k.old
    return k


def create_fails_by_timing(k: Registering) -> bool:
    """A registration fails with -ENOMEM although there is memory: a program loses its device."""
    return any(driver.ret == "-ENOMEM" for driver in k.drivers)


def mm_has_two_hmms(k: Registering) -> bool:
    """One process has two struct hmm: what is done through one, drivers on the other miss."""
    one, two = (driver.hmm for driver in k.drivers)
    return one is not None and two is not None and one is not two


@at_end
def unused_hmm_is_leaked(k: Registering) -> bool:
    """A registration has failed, and the memory it had for a struct hmm is lost."""
    refused = [hmm for hmm, driver in zip(k.fresh, k.drivers, strict=True) if driver.ret[:1] == "-"]
    return not all(hmm.freed for hmm in refused)


BAD: Final = (
    "use_after_free",
    create_fails_by_timing,
    mm_has_two_hmms,
    unused_hmm_is_leaked,
    "sleeps_in_atomic",
)


class Creation(Protocol):
    """How a struct hmm is found or made, and how one is unpublished and freed."""

    async def hmm_get_or_create(self, k: Registering, fresh: Hmm, signalled: bool) -> Got:
        """Return the mm's struct hmm, or publish `fresh`."""

    async def hmm_free(self, k: Registering) -> None:
        """Let the old struct hmm go: its last reference was put."""


class DeferredCreation(Creation, Protocol):
    """The same where a callback of SRCU frees the old struct hmm."""

    async def hmm_free_rcu(self, k: Registering) -> None:
        """Free the old struct hmm, in the SRCU callback."""


async def hmm_mirror_unregister(k: Registering, creation: Creation) -> None:
    """The old driver closes; its reference is the last."""
    if await k.old.kref_put():
        await creation.hmm_free(k)


async def hmm_mirror_register(
    k: Registering, creation: Creation, who: int, signalled: bool = False, locked: bool = True
) -> None:
    """A driver asks for a mirror of the process; a signal may interrupt it if `signalled`."""
    if locked:
        await k.mm.mmap_sem.down_write()
    hmm, ret = await creation.hmm_get_or_create(k, k.fresh[who], signalled)
    await k.drivers[who].hmm_mirror_register(hmm, ret)
    if locked:
        await k.mm.mmap_sem.up_write()


async def srcu_invoke_callbacks(k: Registering, creation: DeferredCreation) -> None:
    """A kernel worker runs what is handed over to SRCU."""
    while True:
        head = await k.srcu.rcu_cblist_dequeue()
        # redundant in create_meets_dying: the callback takes no lock
        # that sleeps; in mmap_sem_in_callback one does
        await k.bh.local_bh_disable()
        if head is k.old:
            # redundant in create_meets_dying: memory that is never freed is not judged
            await creation.hmm_free_rcu(k)
        else:
            await k.rcu.wakeme_after_rcu()
        await k.bh.local_bh_enable()  # redundant in create_meets_dying: nothing else could sleep


CLOSE_AND_REGISTER: Final[dict[str, Role]] = {
    "CPU0": hmm_mirror_unregister,
    "CPU1": partial(hmm_mirror_register, who=0),
}
CLOSE_AND_REGISTER_TWICE: Final[dict[str, Role]] = CLOSE_AND_REGISTER | {
    "CPU2": partial(hmm_mirror_register, who=1),
    "kworker": srcu_invoke_callbacks,
}
