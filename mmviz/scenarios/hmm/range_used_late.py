"""A range is used after it was unregistered.

v5.2 writes NULL to range->hmm when a range is unregistered, and each call looks for that first.
A driver that calls too late is told that the range is not valid, and never learns of its bug; and
the test protects nobody, for between looking and following the pointer, struct hmm can go.  A
poison in place of NULL protects nobody either, but it does not keep the secret.

Promise: A late use is found out, and a timely one finds struct hmm alive.

Memory model: sequentially consistent.

Simplified:
    One range, which has the only reference on struct hmm; hmm_put() frees at once.
    A use reads range->hmm once and looks at one thing in struct hmm; what it waits for is left out.
    `told` is what a call has returned to the driver where it found nothing to do.
    The poisoned struct hmm is where a poisoned pointer leads: there is nothing at that address.
    A driver that serialises its calls is safe with NULL as with a poison: it makes no late ones.
    A poison that is followed is a misuse that was found out, and a bad state of its own; so
    PoisonFirst, which follows its own, has that where the reference speaks of a use after free.

Sources:
    <20190523153436.19102-1-jgg@ziepe.ca>, patch 10/11: Poison hmm_range during unregister (v5.3)
    include/linux/hmm.h and mm/hmm.c, v5.2: hmm_range_wait_until_valid(), hmm_range_unregister()
    include/linux/poison.h
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from mmviz.engine import Case, Struct, Verdict, World, atomic, expecting, field
from mmviz.engine.case import Property
from mmviz.kernel.hmm_range import HeldHmm, HeldRange, PoisonedHmm
from mmviz.scenarios.hmm import RANGES, patch
from mmviz.scenarios.hmm.double_unregister import DriverFile


class Caller(Struct):
    """The driver's code that calls HMM.

    Attributes:
        told: what a call that found nothing to do has returned, "" if none has.

    Source: the kernel has it in a register.
    """

    told: str = ""

    @atomic("driver")
    def is_told(self, ret: str) -> None:
        """Return to the driver, as if all were well."""
        self.told = ret


class Looking(World):
    """A registered range, and a driver that uses and unregisters it."""

    hmm: HeldHmm = field(default_factory=HeldHmm)
    range: HeldRange = field(default_factory=HeldRange)
    poison: PoisonedHmm = field(default_factory=lambda: PoisonedHmm(name="POISON_INUSE"))
    file: DriverFile = field(default_factory=DriverFile)
    driver: Caller = field(default_factory=Caller)

    def __post_init__(self) -> None:
        self.hmm.ranges = (self.range,)
        self.range.hmm = self.hmm


def misuse_goes_unnoticed(k: Looking) -> bool:
    """A range was used too late, and all is well, the driver is told: its bug lives on."""
    return k.driver.told != ""


class NullPointer:
    """Writes NULL in the end, and looks for NULL first."""

    async def hmm_range_wait_until_valid(self, k: Looking) -> None:
        hmm = await k.range.read_hmm()
        if hmm is None:
            await k.driver.is_told("not valid")
            return
        await hmm.read_dead()

    async def hmm_range_unregister(self, k: Looking) -> None:
        hmm = await k.range.read_hmm()
        if hmm is None:
            await k.driver.is_told("done")
            return
        await self.leave(k, hmm)
        await k.range.set_hmm(None)

    async def leave(self, k: Looking, hmm: HeldHmm) -> None:
        await hmm.hmm_range_unregister(k.range)
        if await hmm.kref_put():
            await hmm.kfree()


class Poison(NullPointer):
    """Writes a poison in the end, and looks for nothing."""

    async def hmm_range_wait_until_valid(self, k: Looking) -> None:
        hmm = await k.range.read_hmm()
        assert hmm is not None, "it is never cleared here"
        await hmm.read_dead()

    async def hmm_range_unregister(self, k: Looking) -> None:
        hmm = await k.range.read_hmm()
        assert hmm is not None, "it is never cleared here"
        await self.leave(k, hmm)
        await k.range.set_hmm(k.poison)


class PoisonFirst(Poison):
    """Writes the poison before it is through with the pointer."""

    async def hmm_range_unregister(self, k: Looking) -> None:
        await k.range.set_hmm(k.poison)
        await super().hmm_range_unregister(k)


async def once(k: Looking, era: NullPointer) -> None:
    """The driver unregisters its range."""
    await era.hmm_range_unregister(k)


async def twice(k: Looking, era: NullPointer) -> None:
    """The driver unregisters its range, and forgets that it has."""
    await era.hmm_range_unregister(k)
    await era.hmm_range_unregister(k)


async def use(k: Looking, era: NullPointer) -> None:
    """Another thread of the driver waits for the range."""
    await era.hmm_range_wait_until_valid(k)


async def once_locked(k: Looking, era: NullPointer) -> None:
    """The driver unregisters its range under a mutex of its own."""
    await k.file.lock.mutex_lock()
    if await k.file.must_unregister():
        await era.hmm_range_unregister(k)
    await k.file.lock.mutex_unlock()


async def use_locked(k: Looking, era: NullPointer) -> None:
    """Another thread of the driver waits for the range, if it still is registered."""
    await k.file.lock.mutex_lock()
    if await k.file.is_registered():
        await era.hmm_range_wait_until_valid(k)
    await k.file.lock.mutex_unlock()


BAD: tuple[Property, ...] = (
    "use_after_free",
    "follows_poisoned_pointer",
    misuse_goes_unnoticed,
)


def case(
    name: str,
    variant: str,
    title: str,
    era: NullPointer,
    states: int,
    *actors: Callable[..., Coroutine[Any, Any, None]],
    broken: dict[str, Verdict] | None = None,
    **more: Any,
) -> Case:
    """Let the driver's threads call, CPU0 first."""
    return Case(
        name=name,
        id=variant,
        title=title,
        world=Looking,
        actors={f"CPU{i}": partial(actor, era=era) for i, actor in enumerate(actors)},
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        kind="race" if len(actors) > 1 else "ordering",
        **more,
    )


SOMETIMES, ALWAYS = Verdict.SOMETIMES, Verdict.ALWAYS
V52, V53 = ("v5.2", "v5.2"), ("v5.3", "v5.4")

CASES = (
    case(
        "NullRace",
        "HMM-10/10a",
        "NULL, while another thread uses the range, as shipped v5.2",
        NullPointer(),
        22,
        once,
        use,
        shipped=V52,
        schedules={
            "it goes after the look": "CPU1 CPU0*4 CPU1",
            "it comes late": "CPU0*5 CPU1*2",
        },
        broken={"use_after_free": SOMETIMES, "misuse_goes_unnoticed": SOMETIMES},
        proposed=RANGES,
    ),
    case(
        "PoisonRace",
        "HMM-10/10b",
        "a poison, while another thread uses the range, as merged v5.3",
        Poison(),
        22,
        once,
        use,
        shipped=V53,
        schedules={
            "it goes after the look": "CPU1 CPU0*4 CPU1",
            "it comes late": "CPU0*5 CPU1*2",
        },
        broken={"use_after_free": SOMETIMES, "follows_poisoned_pointer": SOMETIMES},
        proposed=patch(10),
    ),
    case(
        "NullTwice",
        "HMM-10/10d (NULL)",
        "NULL, and the driver unregisters twice, as shipped v5.2",
        NullPointer(),
        8,
        twice,
        shipped=V52,
        broken={"misuse_goes_unnoticed": ALWAYS},
        proposed=RANGES,
    ),
    case(
        "PoisonTwice",
        "HMM-10/10d (poison)",
        "a poison, and the driver unregisters twice: found out, as merged v5.3",
        Poison(),
        8,
        twice,
        shipped=V53,
        broken={"follows_poisoned_pointer": ALWAYS},
        proposed=patch(10),
    ),
    case(
        "PoisonFirst",
        "HMM-10/10e",
        "the poison is written before hmm_range_unregister() is through with the pointer",
        PoisonFirst(),
        4,
        once,
        broken={"follows_poisoned_pointer": ALWAYS},
    ),
    case(
        "NullSerialised",
        "HMM-10/10c (NULL)",
        "NULL, and the driver's mutex keeps use and unregister apart",
        NullPointer(),
        24,
        once_locked,
        use_locked,
    ),
    case(
        "PoisonSerialised",
        "HMM-10/10c (poison)",
        "a poison, and the driver's mutex keeps use and unregister apart",
        Poison(),
        24,
        once_locked,
        use_locked,
    ),
)
