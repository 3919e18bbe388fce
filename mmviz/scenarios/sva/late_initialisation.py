"""A notifier is on the list before its fields are set.

mmu_notifier_get() calls the driver's alloc_notifier() with the mm and nothing else, puts what it
returns on the list, and only then may the driver fill in the rest.  Meanwhile a second bind may
find the notifier, and a callback may come.  The patch under discussion passed the data down.  That
is not needed: the second bind waits for the lock that bind takes anyway, and a callback that acts
through bonds finds none yet.

Promise: No code uses a field of the notifier before it is set, and a process has one notifier for
    each domain that shares its page table.

Memory model: sequentially consistent; what becomes visible becomes so in the order of the code.
    The patch's author worried about weaker CPUs: a callback must see the fields if it sees the
    bond.

Simplified:
    Two binds of one process, for two devices of one domain; callbacks come at any time.
    The library of series v4 and mmu_notifier_get() have one notifier for each process and ops.
    SMMUv3 has one for each domain and process (v5.11 to v6.10: {domain, mm}; since v6.11 it is a
    part of the SVA domain, of which a process has one for each IOMMU).  With one domain these are
    the same.
    release() is left out: it cannot run, since bind's caller is a user of the process.
    Two notifiers for one process harm no memory here; each has one of the bonds.

Sources:
    <20200224182401.353359-2-jean-philippe@linaro.org> 2020-02-24, Brucker: the patch
    <20200224190056.GT31668@ziepe.ca> 2020-02-24, Gunthorpe: late initialisation was the intended
    pattern; use the lock that is there, and the list of bonds is empty
    <20200225092439.GB375953@myrica> 2020-02-25, Brucker: what a callback has to see
    mm/mmu_notifier.c: mmu_notifier_get(), mmu_notifier_get_locked(); 2c7933f53f6b (v5.4)
    32784a9562fb (v5.11) SMMUv3: arm_smmu_mmu_notifier, one per {domain, mm} pair
    d38c28dbefee (v6.11) SMMUv3: mmu_notifier_register() with a finished object, in the domain
    2f26e0a9c986 (v4.4) VT-d: intel_svm_bind_mm() looks up, fills in and registers under pasid_mutex
"""

from typing import Protocol

from mmviz.engine import Race, World, field
from mmviz.kernel.iommu.io_mm import InitialisedLater, IoMmNotifierList, SvaBond
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios.sva import PRIVATE_DATA, USE_BIND_LOCK


class TwoBinds(World):
    """A process without a notifier, and what two binds may allocate for it."""

    list: IoMmNotifierList = field(default_factory=IoMmNotifierList)
    lock: Mutex = field(default_factory=Mutex)
    io_mm1: InitialisedLater = field(default_factory=InitialisedLater)
    io_mm2: InitialisedLater = field(default_factory=InitialisedLater)
    bond1: SvaBond = field(default_factory=SvaBond)
    bond2: SvaBond = field(default_factory=SvaBond)


def two_notifiers_for_one_process(k: TwoBinds) -> bool:
    """One domain has two notifiers for one process, and will drop only one of them."""
    return len(k.list.notifiers) > 1


class Driver(Protocol):
    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None: ...
    async def callback(self, io_mm: InitialisedLater) -> None: ...


async def init(io_mm: InitialisedLater) -> None:
    """Fill in what alloc_notifier() could not."""
    await io_mm.init_pasid()
    await io_mm.init_ctx()


async def bind_first_device(k: TwoBinds, driver: Driver) -> None:
    """iommu_sva_bind_device() of one device."""
    await driver.bind(k, k.io_mm1, k.bond1)


async def bind_second_device(k: TwoBinds, driver: Driver) -> None:
    """iommu_sva_bind_device() of the other device."""
    await driver.bind(k, k.io_mm2, k.bond2)


async def mmu_notifier_invalidate_range(k: TwoBinds, driver: Driver) -> None:
    """Call every notifier on the list, at any time."""
    while True:
        for io_mm in await k.list.mn_hlist_invalidate():
            await driver.callback(io_mm)


race = Race(
    "A7",
    world=TwoBinds,
    actors={
        "CPU0": bind_first_device,
        "CPU1": bind_second_device,
        "CPU2": mmu_notifier_invalidate_range,
    },
    daemons=("CPU2",),
    bad=("uses_uninitialised_field", two_notifiers_for_one_process),
)


class Callback:
    """Acts through bonds: where there is none it touches nothing."""

    async def callback(self, io_mm: InitialisedLater) -> None:
        for _ in await io_mm.list_for_each_entry():
            await io_mm.use_ctx()


@race.case(
    "g1",
    "initialised after it is on the list, without a lock",
    sometimes=["uses_uninitialised_field"],
    states=167,
    schedules={"the second bind finds it at once": "CPU0 CPU1*2"},
    source=constructed("what the lock around late initialisation is for"),
)
class LateWithoutLock(Callback):
    """Published first, filled in later, and the second bind does not wait."""

    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None:
        io_mm = await k.list.mmu_notifier_get(fresh)
        if io_mm is fresh:
            await init(io_mm)
        await io_mm.use_pasid()
        await io_mm.list_add(bond)


@race.case(
    "g3",
    "tempting: under the lock, but the bond is linked first",
    sometimes=["uses_uninitialised_field"],
    states=151,
    source=constructed("why the bond is linked last: no callback takes the lock"),
)
class BondBeforeInit(Callback):
    """The lock keeps the other bind out, but not the callback."""

    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None:
        await k.lock.mutex_lock()
        io_mm = await k.list.mmu_notifier_get(fresh)
        await io_mm.list_add(bond)
        if io_mm is fresh:
            await init(io_mm)
        await io_mm.use_pasid()
        await k.lock.mutex_unlock()


@race.case(
    "g2",
    "as the reply proposed: all under the lock, callbacks act through bonds",
    states=69,
    source=USE_BIND_LOCK,
)
class LateUnderLock(LateWithoutLock):
    """Publish, initialise and link the bond in one critical section."""

    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None:
        await k.lock.mutex_lock()
        await super().bind(k, fresh, bond)
        await k.lock.mutex_unlock()


@race.case(
    "g4",
    "under the lock, but the callback does not ask for bonds",
    sometimes=["uses_uninitialised_field"],
    states=91,
    source=constructed("the reply's argument needs callbacks that act through bonds"),
)
class CallbackWithoutBond(LateUnderLock):
    """The callback uses the notifier's own fields at once."""

    async def callback(self, io_mm: InitialisedLater) -> None:
        await io_mm.use_ctx()


@race.case(
    "g5",
    "as the patch: complete before it is on the list",
    states=111,
    source=PRIVATE_DATA,
)
class PrivateData(Callback):
    """What alloc_notifier() returns is complete."""

    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None:
        await init(fresh)
        io_mm = await k.list.mmu_notifier_get(fresh)
        # redundant in PrivateData: it uses the field, and does not set it
        await io_mm.use_pasid()
        # redundant in PrivateData: without a bond a callback does nothing, and all is set by now
        await io_mm.list_add(bond)


@race.case(
    "g7",
    "a finished notifier is registered, and no lock excludes the other bind",
    sometimes=[two_notifiers_for_one_process],
    states=222,
    source=constructed("what the lock around lookup and registration is for"),
)
class RegisterWithoutLock(Callback):
    """The driver looks for its own notifier, and registers a finished one."""

    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None:
        io_mm = await k.list.find()
        if io_mm is None:
            io_mm = fresh
            await init(io_mm)
            await k.list.mmu_notifier_register(io_mm)
        await io_mm.use_pasid()
        await io_mm.list_add(bond)


@race.case(
    "g6",
    "a finished notifier is registered under a lock (VT-d v4.4, SMMUv3 v5.11)",
    states=67,
    source=shipped("v4.4", where="2f26e0a9c986", checked=("v6.16", "2026-11-28")),
)
class RegisterUnderLock(RegisterWithoutLock):
    """Lookup and registration in one critical section."""

    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None:
        await k.lock.mutex_lock()
        await super().bind(k, fresh, bond)
        await k.lock.mutex_unlock()
