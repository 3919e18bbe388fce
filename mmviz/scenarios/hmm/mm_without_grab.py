"""The process is gone, and struct hmm still points to its mm.

A mirror belongs to an open file of the device, and a file can outlive its process.  When the
process exits, its mm_struct stays for as long as the notifier is registered.  Closing the file
unregisters the notifier, which may put the last reference on the mm_struct; the very next line of
hmm_free() takes a lock in it.  This needs no race, only a process that exits before the close.

Promise: The mm_struct is allocated wherever hmm->mm is followed, and freed in the end.

Memory model: sequentially consistent; every count is changed in one step.

Simplified:
    One process with one user, one mirror, one struct hmm that is registered once.
    No notifier callback runs; what the SRCU grace period is for is in free_under_callback.
    mm->hmm is changed under page_table_lock, within one step.
    v5.2 also calls hmm_mm_destroy() in __mmdrop(); it would find a count of zero and change
    nothing.
    An exit unmaps nothing here, except for the device's file in GetInsteadOfGrab.
    RfcForgetsInErrorPath is one thread: the process itself registers, fails and exits.

Sources:
    <20190523153436.19102-4-jgg@ziepe.ca>: [RFC PATCH 03/11] mm/hmm: Hold a mmgrab from hmm to mm
    <20190606184438.31646-4-jgg@ziepe.ca>: v2 of it, whose notes mend the error path
    <20190624210110.5098-5-jgg@ziepe.ca>: v4 04/12, where mmdrop() is in the SRCU callback (v5.3)
    mm/hmm.c, v5.2 and v5.3: hmm_free(), hmm_get_or_create()
    mm/mmu_notifier.c: mmu_notifier_unregister_no_release() puts a reference on the mm
    kernel/fork.c: mmput(), __mmdrop()
"""

from functools import partial
from typing import Protocol

from mmviz.engine import Race, World, at_end, field
from mmviz.engine.race import Role
from mmviz.kernel.hmm.hmm import CountedMm, Hmm
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.rcu import SrcuCallbacks
from mmviz.scenarios.hmm import COUNTED, patch


class Opened(World):
    """A process that has a mirror through an open file; its notifier pins the mm_struct."""

    mm: CountedMm = field(default_factory=CountedMm)
    hmm: Hmm = field(default_factory=Hmm)
    srcu: SrcuCallbacks = field(default_factory=SrcuCallbacks)


def opened(users: int, references: int) -> Opened:
    """Return the world with a registered hmm; `references` are on the mm_struct."""
    k = Opened(CountedMm(mm_users=users, mm_count=references))
    k.mm.hmm = k.mm.notifier = k.hmm
    k.hmm.mm = k.mm
    return k


NOT_GRABBED = partial(opened, users=1, references=2)
GRABBED = partial(opened, users=1, references=3)
GOT_AS_USER = partial(opened, users=2, references=2)


def not_registered() -> Opened:
    """Return the world before a mirror is registered."""
    return Opened(CountedMm())


def mm_names_freed_hmm(k: Opened) -> bool:
    """mm->hmm names a struct hmm that was freed: the next lookup works on other memory."""
    return not k.mm.freed and k.mm.hmm is not None and k.mm.hmm.freed


@at_end
def mm_struct_is_leaked(k: Opened) -> bool:
    """The mm_struct is never freed: memory is lost with every process that used a device."""
    return not k.mm.freed


@at_end
def hmm_is_leaked(k: Opened) -> bool:
    """Struct hmm is never freed: memory is lost with every process that used a device."""
    return not k.hmm.freed


class Freeing(Protocol):
    async def hmm_free(self, k: Opened) -> None: ...


class Deferring(Freeing, Protocol):
    async def hmm_free_rcu(self, k: Opened) -> None: ...


class Creating(Protocol):
    async def hmm_get_or_create(self, k: Opened) -> None: ...


async def mmput(k: Opened) -> bool:
    """The process exits; return whether it was the last user."""
    if not await k.mm.mmput():
        return False
    await k.mm.mmdrop()
    return True


async def hmm_mirror_unregister(k: Opened, driver: Freeing) -> None:
    """The device's file is closed."""
    await k.hmm.list_del_init()
    if await k.hmm.kref_put():
        await driver.hmm_free(k)


async def srcu_invoke_callbacks(k: Opened, driver: Deferring) -> None:
    """A kernel worker runs the callback of struct hmm."""
    await k.srcu.rcu_cblist_dequeue()
    await driver.hmm_free_rcu(k)


async def exit_closes_file(k: Opened, driver: Deferring) -> None:
    """The process exits; only unmapping the device's file closes that, too."""
    if await mmput(k):
        await hmm_mirror_unregister(k, driver)
        await srcu_invoke_callbacks(k, driver)


async def register_and_exit(k: Opened, driver: Creating) -> None:
    """The process cannot register a mirror, and exits."""
    await driver.hmm_get_or_create(k)
    await mmput(k)


EXIT_AND_CLOSE: dict[str, Role] = {"CPU0": mmput, "CPU1": hmm_mirror_unregister}

race = Race(
    "HMM-03",
    world=GRABBED,
    actors=EXIT_AND_CLOSE | {"kworker": srcu_invoke_callbacks},
    bad=("use_after_free", mm_names_freed_hmm, mm_struct_is_leaked, hmm_is_leaked),
    kind="ordering",
)


@race.case(
    "03a",
    "as shipped in v5.2: nothing pins the mm_struct but the notifier",
    world=NOT_GRABBED,
    actors=EXIT_AND_CLOSE,
    sometimes=["use_after_free"],
    states=19,
    schedules={"closed after the exit": "CPU0*2 CPU1*4"},
    source=shipped("v5.2", "v5.2", said=COUNTED),
)
class NoGrab:
    """The notifier's registration is all that keeps the mm_struct."""

    async def hmm_free(self, k: Opened) -> None:
        """Unregister, which may free the mm_struct, and clear mm->hmm in it."""
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)
        await k.mm.forget(k.hmm)
        await k.hmm.kfree()


@race.case(
    "03b",
    "as posted in May 2019: a reference of its own, put at the end of hmm_free()",
    states=27,
    source=patch(3),
)
class GrabUntilFree:
    """hmm_get_or_create() took a reference; hmm_free() puts it after its last use of the mm."""

    async def hmm_free(self, k: Opened) -> None:
        """Unregister, clear mm->hmm, and put the reference on the mm_struct."""
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)
        await k.mm.forget(k.hmm)
        await k.mm.mmdrop()
        await k.srcu.call_srcu(k.hmm)

    async def hmm_free_rcu(self, k: Opened) -> None:
        """Free struct hmm."""
        await k.hmm.kfree()


@race.case(
    "03c",
    "as posted in May 2019: the error path of hmm_get_or_create() forgets the reference",
    world=not_registered,
    actors={"CPU0": register_and_exit},
    always=[mm_struct_is_leaked],
    states=5,
    source=patch(3),
)
class RfcForgetsInErrorPath:
    """Takes the reference, fails to register the notifier, and returns."""

    async def hmm_get_or_create(self, k: Opened) -> None:
        """Grab the mm_struct, fail, and free struct hmm only."""
        await k.mm.mmgrab()
        await k.hmm.kfree()  # the notifier could not be registered


@race.case(
    "03e",
    "tempting: hmm_free() puts the reference, and the SRCU callback still uses the mm",
    sometimes=["use_after_free"],
    states=28,
    schedules={"the callback comes last": "CPU0*2 CPU1*5 kworker*2"},
    source=constructed("why the reference must last as long as the last use of hmm->mm"),
)
class DropThenUse:
    """The callback clears mm->hmm, after the reference has been put."""

    async def hmm_free(self, k: Opened) -> None:
        """Unregister, and put the reference on the mm_struct."""
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)
        await k.mm.mmdrop()
        await k.srcu.call_srcu(k.hmm)

    async def hmm_free_rcu(self, k: Opened) -> None:
        """Clear mm->hmm, and free struct hmm."""
        await k.mm.forget(k.hmm)
        await k.hmm.kfree()


@race.case(
    "03f",
    "the reference is never put",
    always=[mm_struct_is_leaked],
    states=24,
    source=constructed("what the mmdrop() is for"),
)
class GrabAndNeverDrop(GrabUntilFree):
    """The reference is taken, and never put."""

    async def hmm_free(self, k: Opened) -> None:
        """Unregister, and clear mm->hmm."""
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)
        await k.mm.forget(k.hmm)
        await k.srcu.call_srcu(k.hmm)


@race.case(
    "03d",
    "as merged in v5.3: a reference of its own, put in the SRCU callback",
    states=27,
    schedules={"closed after the exit": "CPU0*2 CPU1*5 kworker*3"},
    source=shipped("v5.3", "v5.3", said=patch(4, revision=4)),
)
class GrabUntilCallback:
    """The reference lasts as long as the memory of struct hmm."""

    async def hmm_free(self, k: Opened) -> None:
        """Clear mm->hmm, and unregister."""
        await k.mm.forget(k.hmm)
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)
        await k.srcu.call_srcu(k.hmm)

    async def hmm_free_rcu(self, k: Opened) -> None:
        """Put the reference on the mm_struct, and free struct hmm."""
        await k.mm.mmdrop()
        await k.hmm.kfree()


@race.case(
    "03g",
    "tempting: mmget() in place of mmgrab(), while the process has the device's file mapped",
    world=GOT_AS_USER,
    actors={"CPU0": exit_closes_file},
    always=[mm_struct_is_leaked, hmm_is_leaked],
    states=2,
    source=constructed("why mmgrab() and not mmget(): the exit waits for the file, and vice versa"),
)
class GetInsteadOfGrab(GrabUntilCallback):
    """Keeps the address space, where the memory of the mm_struct would be enough."""

    async def hmm_free_rcu(self, k: Opened) -> None:
        """Leave as a user of the address space, and free struct hmm."""
        await mmput(k)
        await k.hmm.kfree()
