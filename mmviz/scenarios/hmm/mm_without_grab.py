"""The process is gone, and struct hmm still points to its mm.

A mirror hangs on an open file of the device, and a file can outlive its process.  When the process
exits, its mm_struct stays for as long as the notifier is registered.  Closing the file unregisters
the notifier, and with that may put the last reference on the mm_struct; the very next line of
hmm_free() takes a lock in it.  No race is needed, only a process that exits before it closes.

Promise: As long as there is a struct hmm, the mm_struct it points to is allocated.

Memory model: sequentially consistent; every count is changed in one step.

Simplified:
    One process with one user, one mirror, one struct hmm that is registered once.
    Nobody runs a notifier callback: what the SRCU grace period is for is free_under_callback.
    mm->hmm is changed under page_table_lock within one step; hmm_mm_destroy(), which v5.2 calls
    in __mmdrop(), finds a count of zero there and changes nothing.
    An exit unmaps nothing here, except for the device's file in the case that says so.
    RfcForgetsInErrorPath is one thread: the process itself registers, fails and exits.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 03/11: Hold a mmgrab from hmm to mm
    mm/hmm.c, v5.2 and v5.3: hmm_free(), hmm_get_or_create()
    mm/mmu_notifier.c: mmu_notifier_unregister_no_release() puts a reference on the mm
    kernel/fork.c: mmput(), __mmdrop()
"""

from functools import partial
from typing import Any

from mmviz.engine import Case, Verdict, World, at_end, expecting, field
from mmviz.engine.case import Actor, Property
from mmviz.kernel.hmm import CountedMm, Hmm
from mmviz.kernel.rcu import SrcuCallbacks
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
    return k


def mm_names_freed_hmm(k: Opened) -> bool:
    """mm->hmm names a struct hmm that was freed: whoever looks next works on other memory."""
    return not k.mm.freed and k.mm.hmm is not None and k.mm.hmm.freed


@at_end
def mm_struct_is_leaked(k: Opened) -> bool:
    """The mm_struct is never freed: memory is lost with every process that used a device."""
    return not k.mm.freed


@at_end
def hmm_is_leaked(k: Opened) -> bool:
    """Struct hmm is never freed: memory is lost with every process that used a device."""
    return not k.hmm.freed


class NoGrab:
    """The notifier's registration is all that keeps the mm_struct."""

    world = staticmethod(partial(opened, users=1, references=2))

    async def hmm_free(self, k: Opened) -> None:
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)
        await k.mm.forget(k.hmm)
        await k.hmm.kfree()


class GrabUntilFree(NoGrab):
    """hmm_get_or_create() took a reference; hmm_free() puts it when it is through with the mm."""

    world = staticmethod(partial(opened, users=1, references=3))

    async def hmm_free(self, k: Opened) -> None:
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)
        await k.mm.forget(k.hmm)
        await k.mm.mmdrop()
        await k.srcu.call_srcu(k.hmm)

    async def hmm_free_rcu(self, k: Opened) -> None:
        await k.hmm.kfree()


class DropThenUse(GrabUntilFree):
    """The callback clears mm->hmm, after the reference has been put."""

    async def hmm_free(self, k: Opened) -> None:
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)
        await k.mm.mmdrop()
        await k.srcu.call_srcu(k.hmm)

    async def hmm_free_rcu(self, k: Opened) -> None:
        await k.mm.forget(k.hmm)
        await k.hmm.kfree()


class GrabAndNeverDrop(GrabUntilFree):
    """The reference is taken, and forgotten."""

    async def hmm_free(self, k: Opened) -> None:
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)
        await k.mm.forget(k.hmm)
        await k.srcu.call_srcu(k.hmm)


class GrabUntilCallback(GrabUntilFree):
    """The reference lasts as long as the memory of struct hmm."""

    async def hmm_free(self, k: Opened) -> None:
        await k.mm.forget(k.hmm)
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)
        await k.srcu.call_srcu(k.hmm)

    async def hmm_free_rcu(self, k: Opened) -> None:
        await k.mm.mmdrop()
        await k.hmm.kfree()


class GetInsteadOfGrab(GrabUntilCallback):
    """Keeps the address space, where its memory would be enough."""

    world = staticmethod(partial(opened, users=2, references=2))

    async def hmm_free_rcu(self, k: Opened) -> None:
        await mmput(k)
        await k.hmm.kfree()


class RfcForgetsInErrorPath(NoGrab):
    """Takes the reference, fails to register the notifier, and leaves."""

    world = staticmethod(lambda: Opened(CountedMm()))

    async def hmm_get_or_create(self, k: Opened) -> None:
        await k.mm.mmgrab()
        await k.hmm.kfree()  # the notifier could not be registered


async def mmput(k: Opened) -> bool:
    """The process exits; say whether it was the last user."""
    if not await k.mm.mmput():
        return False
    await k.mm.mmdrop()
    return True


async def hmm_mirror_unregister(k: Opened, driver: NoGrab) -> None:
    """The device's file is closed."""
    await k.hmm.list_del_init()
    if await k.hmm.kref_put():
        await driver.hmm_free(k)


async def srcu_invoke_callbacks(k: Opened, driver: GrabUntilFree) -> None:
    """A kernel worker runs the callback of struct hmm."""
    await k.srcu.rcu_cblist_dequeue()
    await driver.hmm_free_rcu(k)


async def exit_closes_file(k: Opened, driver: GrabUntilFree) -> None:
    """The process exits; only unmapping the device's file closes that, too."""
    if await mmput(k):
        await hmm_mirror_unregister(k, driver)
        await srcu_invoke_callbacks(k, driver)


async def register_and_exit(k: Opened, driver: RfcForgetsInErrorPath) -> None:
    """The process cannot register a mirror, and exits."""
    await driver.hmm_get_or_create(k)
    await mmput(k)


BAD: tuple[Property, ...] = (
    "use_after_free",
    mm_names_freed_hmm,
    mm_struct_is_leaked,
    hmm_is_leaked,
)


def exit_and_close(driver: NoGrab) -> dict[str, Actor]:
    """Return the actors: an exit, a close, and the worker where one is needed."""
    actors: dict[str, Actor] = {
        "CPU0": mmput,
        "CPU1": lambda k: hmm_mirror_unregister(k, driver),
    }
    if isinstance(driver, GrabUntilFree):
        actors["kworker"] = lambda k: srcu_invoke_callbacks(k, driver)
    return actors


def case(
    driver: NoGrab,
    variant: str,
    title: str,
    states: int,
    actors: dict[str, Actor] | None = None,
    broken: dict[str, Verdict] | None = None,
    **more: Any,
) -> Case:
    """Exit on CPU0 and close on CPU1, unless `actors` says otherwise."""
    return Case(
        name=type(driver).__name__,
        id=variant,
        title=title,
        world=driver.world,
        actors=actors or exit_and_close(driver),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        kind="ordering",
        **more,
    )


MAPPED, FAILS = GetInsteadOfGrab(), RfcForgetsInErrorPath()

CASES = (
    case(
        NoGrab(),
        "HMM-03/03a",
        "nothing pins the mm_struct but the notifier, as shipped v5.2",
        19,
        shipped=("v5.2", "v5.2"),
        schedules={"closed after the exit": "CPU0*2 CPU1*4"},
        broken={"use_after_free": Verdict.SOMETIMES},
        proposed=COUNTED,
    ),
    case(
        GrabUntilFree(),
        "HMM-03/03b",
        "as posted in May 2019: a reference of its own, put at the end of hmm_free()",
        27,
        proposed=patch(3),
    ),
    case(
        FAILS,
        "HMM-03/03c",
        "as posted: the error path of hmm_get_or_create() forgets the reference",
        5,
        actors={"CPU0": lambda k: register_and_exit(k, FAILS)},
        broken={"mm_struct_is_leaked": Verdict.ALWAYS},
        proposed=patch(3),
    ),
    case(
        DropThenUse(),
        "HMM-03/03e",
        "tempting: hmm_free() puts the reference, and the SRCU callback still uses the mm",
        28,
        schedules={"the callback comes last": "CPU0*2 CPU1*5 kworker*2"},
        broken={"use_after_free": Verdict.SOMETIMES},
    ),
    case(
        GrabAndNeverDrop(),
        "HMM-03/03f",
        "the reference is never put",
        24,
        broken={"mm_struct_is_leaked": Verdict.ALWAYS},
    ),
    case(
        MAPPED,
        "HMM-03/03g",
        "tempting: mmget() in place of mmgrab(), while the process has the device's file mapped",
        2,
        actors={"CPU0": lambda k: exit_closes_file(k, MAPPED)},
        broken={"mm_struct_is_leaked": Verdict.ALWAYS, "hmm_is_leaked": Verdict.ALWAYS},
    ),
    case(
        GrabUntilCallback(),
        "HMM-03/03d",
        "a reference of its own, put in the SRCU callback, as merged v5.3",
        27,
        shipped=("v5.3", "v5.3"),
        schedules={"closed after the exit": "CPU0*2 CPU1*5 kworker*3"},
        proposed=patch(4, revision=4),
    ),
)
