"""A range is used after it was unregistered.

v5.2 writes NULL to range->hmm when a range is unregistered, and each call looks for that first.  A
driver that calls too late is told that the range is not valid, and its bug is never found.  The
test does not protect the call either: between the look and the use of the pointer, struct hmm can
be freed.  A poison in place of NULL does not protect it any better, but it does not hide the bug.

Promise: A late use is reported, and a timely one finds struct hmm alive.

Memory model: sequentially consistent.

Simplified:
    One range, which has the only reference on struct hmm.
    hmm_put() frees at once, as in v5.2; since v5.3 it is freed after an SRCU grace period.
    A use reads range->hmm once and looks at one thing in struct hmm; the wait is left out.
    `told` is what a call has returned to the driver where it found nothing to do.
    PoisonedHmm stands for the address that a poisoned pointer leads to; there is no memory there.
    A driver that serialises its calls is safe with NULL and with a poison: it makes no late calls.
    A poison that is followed is a misuse that is reported, and a bad state of its own.  So
    PoisonFirst, which follows its own poison, has that bad state and no use after free.

Sources:
    <20190523153436.19102-11-jgg@ziepe.ca>: [RFC PATCH 10/11] mm/hmm: Poison hmm_range during
    unregister (v5.3)
    <20190129165428.3931-6-jglisse@redhat.com>: mm/hmm: improve driver API to work and wait over a
    range (a3e0d41c2b1f, v5.2: NULL)
    <20190806231548.25242-1-jgg@ziepe.ca>, the series: hmm: use mmu_notifier_get/put for struct hmm
    (v5.4: a range has no reference on struct hmm any more)
    include/linux/hmm.h, v5.2: hmm_range_wait_until_valid()
    mm/hmm.c, v5.2 to v5.4: hmm_range_unregister(); include/linux/poison.h
"""

from typing import Protocol

from mmviz.engine import Race, Struct, World, atomic, field
from mmviz.kernel.hmm.range import HeldHmm, HeldRange, PoisonedHmm
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.hmm import RANGES, patch
from mmviz.scenarios.hmm.worlds.mirrors import DriverFile


class Caller(Struct):
    """The driver's code that calls HMM.

    Attributes:
        told: what a call that found nothing to do has returned, "" if none has.

    Source: the kernel has it in a register.
    """

    told: str = ""

    @atomic("driver")
    def is_told(self, ret: str) -> None:
        """Return to the driver, as if the call had been correct."""
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
    """A range was used too late, but the call returned as if nothing were wrong: the bug stays."""
    return k.driver.told != ""


class Ranges(Protocol):
    async def hmm_range_wait_until_valid(self, k: Looking) -> None: ...

    async def hmm_range_unregister(self, k: Looking) -> None: ...


async def once(k: Looking, era: Ranges) -> None:
    """The driver unregisters its range."""
    await era.hmm_range_unregister(k)


async def twice(k: Looking, era: Ranges) -> None:
    """The driver unregisters its range, forgets that, and does it again."""
    await era.hmm_range_unregister(k)
    await era.hmm_range_unregister(k)


async def use(k: Looking, era: Ranges) -> None:
    """Another thread of the driver waits for the range."""
    await era.hmm_range_wait_until_valid(k)


async def once_locked(k: Looking, era: Ranges) -> None:
    """The driver unregisters its range under a mutex of its own."""
    await k.file.lock.mutex_lock()
    if await k.file.must_unregister():
        await era.hmm_range_unregister(k)
    await k.file.lock.mutex_unlock()


async def use_locked(k: Looking, era: Ranges) -> None:
    """Another thread of the driver waits for the range, if it is still registered."""
    await k.file.lock.mutex_lock()
    if await k.file.is_registered():
        await era.hmm_range_wait_until_valid(k)
    await k.file.lock.mutex_unlock()


race = Race(
    "HMM-10",
    world=Looking,
    actors={"CPU0": once, "CPU1": use},
    bad=("use_after_free", "follows_poisoned_pointer", misuse_goes_unnoticed),
)
SERIALISED = {"CPU0": once_locked, "CPU1": use_locked}
TWICE = {"CPU0": twice}
SCHEDULES = {"it goes after the look": "CPU1 CPU0*4 CPU1", "it comes late": "CPU0*5 CPU1*2"}


@race.case(
    "10c (NULL)",
    "NULL, and the driver's mutex keeps use and unregister apart",
    name="NullSerialised",
    actors=SERIALISED,
    states=24,
    source=constructed("what a driver needs, with NULL as with a poison"),
)
@race.case(
    "10d (NULL)",
    "as shipped in v5.2: NULL, and the driver unregisters twice",
    name="NullTwice",
    actors=TWICE,
    always=[misuse_goes_unnoticed],
    kind="ordering",
    states=8,
    source=shipped("v5.2", "v5.2", said=RANGES),
)
@race.case(
    "10a",
    "as shipped in v5.2: NULL, while another thread uses the range",
    name="NullRace",
    sometimes=["use_after_free", misuse_goes_unnoticed],
    states=22,
    schedules=SCHEDULES,
    source=shipped("v5.2", "v5.2", said=RANGES),
)
class NullPointer:
    """Writes NULL in the end, and looks for NULL first."""

    async def hmm_range_wait_until_valid(self, k: Looking) -> None:
        """Return if the range has no struct hmm; else look into that."""
        hmm = await k.range.read_hmm()
        if hmm is None:
            await k.driver.is_told("not valid")
            return
        await hmm.read_dead()

    async def hmm_range_unregister(self, k: Looking) -> None:
        """Return if the range has no struct hmm; else leave it, and write NULL."""
        hmm = await k.range.read_hmm()
        if hmm is None:
            await k.driver.is_told("done")
            return
        await self.leave(k, hmm)
        await k.range.set_hmm(None)

    async def leave(self, k: Looking, hmm: HeldHmm) -> None:
        """Take the range off the list, and put its reference."""
        await hmm.hmm_range_unregister(k.range)
        if await hmm.kref_put():
            await hmm.kfree()


@race.case(
    "10c (poison)",
    "a poison, and the driver's mutex keeps use and unregister apart",
    name="PoisonSerialised",
    actors=SERIALISED,
    states=24,
    source=constructed("what a driver needs, with a poison as with NULL"),
)
@race.case(
    "10d (poison)",
    "as merged in v5.3: a poison, and the driver unregisters twice: the misuse is reported",
    name="PoisonTwice",
    actors=TWICE,
    always=["follows_poisoned_pointer"],
    kind="ordering",
    states=8,
    source=shipped("v5.3", "v5.4", said=patch(10)),
)
@race.case(
    "10b",
    "as merged in v5.3: a poison, while another thread uses the range",
    name="PoisonRace",
    sometimes=["use_after_free", "follows_poisoned_pointer"],
    states=22,
    schedules=SCHEDULES,
    source=shipped("v5.3", "v5.3", said=patch(10)),
)
class Poison(NullPointer):
    """Writes a poison in the end, and looks for nothing."""

    async def hmm_range_wait_until_valid(self, k: Looking) -> None:
        """Look into the range's struct hmm."""
        hmm = await k.range.read_hmm()
        assert hmm is not None, "it is never cleared here"
        await hmm.read_dead()

    async def hmm_range_unregister(self, k: Looking) -> None:
        """Leave the range's struct hmm, and write a poison."""
        hmm = await k.range.read_hmm()
        assert hmm is not None, "it is never cleared here"
        await self.leave(k, hmm)
        await k.range.set_hmm(k.poison)


@race.case(
    "10e",
    "hmm_range_unregister() writes the poison before its own last use of the pointer",
    actors={"CPU0": once},
    always=["follows_poisoned_pointer"],
    kind="ordering",
    states=4,
    source=constructed("why the poison is written last"),
)
class PoisonFirst(Poison):
    """Writes the poison before its own last use of the pointer."""

    async def hmm_range_unregister(self, k: Looking) -> None:
        """Write a poison, and then try to leave struct hmm."""
        await k.range.set_hmm(k.poison)
        await super().hmm_range_unregister(k)
