"""A notifier is on the list before its fields are set.

mmu_notifier_get() calls the driver's alloc_notifier() with the mm and nothing else, puts what it
returns on the list, and only then may the driver fill in the rest.  Meanwhile a second bind may
find the notifier, and a callback may come.  Should data be passed down, as the patch under
discussion did?  It need not: the second bind waits for the lock that bind takes anyway, and a
callback that acts through bonds finds none yet.

Promise: Nobody uses a field of the notifier before it is set, and a process has one notifier.

Memory model: sequentially consistent; what becomes visible becomes so in the order of the code.

Simplified:
    Two binds of one process, for two devices; callbacks come at any time.
    release() is left out: it cannot run, since whoever binds is a user of the process.
    Two notifiers for one process harm no memory here; each has one of the bonds.

Sources:
    Jason Gunthorpe, 2020-02-24, on "mm/mmu_notifiers: pass private data down to alloc_notifier()",
    in the thread of <20200313191324.GG31668@ziepe.ca>
    mm/mmu_notifier.c: mmu_notifier_get(), mmu_notifier_get_locked(); 2c7933f53f6b (v5.4)
    d38c28dbefee (v6.11) SMMUv3: mmu_notifier_register() with a finished object
"""

from typing import Protocol

from mmviz.engine import Case, Verdict, World, expecting, field, mark
from mmviz.kernel.io_mm import InitialisedLater, NotifierList, SvaBond
from mmviz.kernel.locks import Mutex


class TwoBinds(World):
    """A process without a notifier, and what two binds may allocate for it."""

    list: NotifierList = field(default_factory=NotifierList)
    lock: Mutex = field(default_factory=Mutex)
    io_mm1: InitialisedLater = field(default_factory=InitialisedLater)
    io_mm2: InitialisedLater = field(default_factory=InitialisedLater)
    bond1: SvaBond = field(default_factory=SvaBond)
    bond2: SvaBond = field(default_factory=SvaBond)


def two_notifiers_for_one_process(k: TwoBinds) -> bool:
    """The driver has two notifiers for one process, and will take leave of one only."""
    return len(k.list.notifiers) > 1


class Driver(Protocol):
    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None: ...
    async def callback(self, io_mm: InitialisedLater) -> None: ...


async def init(io_mm: InitialisedLater) -> None:
    """Fill in what alloc_notifier() could not."""
    await io_mm.init_pasid()
    await io_mm.init_ctx()


class Callback:
    """Acts through bonds: where there is none it touches nothing."""

    async def callback(self, io_mm: InitialisedLater) -> None:
        for _ in await io_mm.list_for_each_entry():
            await io_mm.use_ctx()


class LateWithoutLock(Callback):
    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None:
        io_mm = await k.list.mmu_notifier_get(fresh)
        if io_mm is fresh:
            await init(io_mm)
        await io_mm.use_pasid()
        await io_mm.list_add(bond)


class LateUnderLock(LateWithoutLock):
    """Publish, initialise and link the bond in one critical section."""

    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None:
        await k.lock.mutex_lock()
        await super().bind(k, fresh, bond)
        await k.lock.mutex_unlock()


class BondBeforeInit(Callback):
    """The lock keeps the other bind out, and not the callback."""

    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None:
        await k.lock.mutex_lock()
        io_mm = await k.list.mmu_notifier_get(fresh)
        await io_mm.list_add(bond)
        if io_mm is fresh:
            await init(io_mm)
        await io_mm.use_pasid()
        await k.lock.mutex_unlock()


class CallbackWithoutBond(LateUnderLock):
    async def callback(self, io_mm: InitialisedLater) -> None:
        await io_mm.use_ctx()


class PrivateData(Callback):
    """As the patch: what alloc_notifier() returns is complete."""

    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None:
        await init(fresh)
        io_mm = await k.list.mmu_notifier_get(fresh)
        await io_mm.use_pasid()
        await io_mm.list_add(bond)


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


class RegisterUnderLock(RegisterWithoutLock):
    async def bind(self, k: TwoBinds, fresh: InitialisedLater, bond: SvaBond) -> None:
        await k.lock.mutex_lock()
        await super().bind(k, fresh, bond)
        await k.lock.mutex_unlock()


async def iommu_sva_bind_device(
    k: TwoBinds, driver: Driver, fresh: InitialisedLater, bond: SvaBond
) -> None:
    """Bind one device."""
    await driver.bind(k, fresh, bond)


async def mmu_notifier_invalidate_range(k: TwoBinds, driver: Driver) -> None:
    """Tell whoever is on the list, at any time."""
    while True:
        mark("next invalidation")
        for io_mm in await k.list.mn_hlist_invalidate():
            await driver.callback(io_mm)


BAD = ("uses_uninitialised_field", two_notifiers_for_one_process)
SOMETIMES = Verdict.SOMETIMES


def case(
    driver: Driver,
    variant: str,
    title: str,
    *,
    states: int,
    shipped: tuple[str, str] | None = None,
    schedules: dict[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race two binds and a callback."""
    return Case(
        name=type(driver).__name__,
        id=f"A7/{variant}",
        title=title,
        proposed=proposed,
        world=TwoBinds,
        actors={
            "CPU0": lambda k: iommu_sva_bind_device(k, driver, k.io_mm1, k.bond1),
            "CPU1": lambda k: iommu_sva_bind_device(k, driver, k.io_mm2, k.bond2),
            "CPU2": lambda k: mmu_notifier_invalidate_range(k, driver),
        },
        daemons=("CPU2",),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        schedules=schedules or {},
        shipped=shipped,
    )


CASES = (
    case(
        LateWithoutLock(),
        "g1",
        "initialised after it is on the list, without a lock",
        states=167,
        schedules={"the second bind finds it at once": "CPU0 CPU1*2"},
        uses_uninitialised_field=SOMETIMES,
    ),
    case(
        BondBeforeInit(),
        "g3",
        "tempting: under the lock, but the bond is linked first",
        states=151,
        uses_uninitialised_field=SOMETIMES,
    ),
    case(
        CallbackWithoutBond(),
        "g4",
        "under the lock, but the callback does not ask for bonds",
        states=91,
        uses_uninitialised_field=SOMETIMES,
    ),
    case(
        RegisterWithoutLock(),
        "g7",
        "a finished notifier is registered, and nobody excludes the other bind",
        states=230,
        two_notifiers_for_one_process=SOMETIMES,
    ),
    case(LateUnderLock(), "g2", "all under the lock, callbacks act through bonds", states=69),
    case(
        PrivateData(),
        "g5",
        "as the patch: complete before it is on the list",
        states=111,
        proposed=("2020-02-24", "<20200224182401.353359-1-jean-philippe@linaro.org>"),
    ),
    case(
        RegisterUnderLock(),
        "g6",
        "a finished notifier is registered under a lock (SMMUv3 v6.11, VT-d)",
        states=67,
        shipped=("v6.11", ""),
    ),
)

SPARE = {
    "PrivateData: await io_mm.use_pasid()": "It is a use of the field, not a part of setting it.",
    "PrivateData: await io_mm.list_add(bond)": (
        "Without a bond callbacks do nothing, and all is set by then anyway."
    ),
}
