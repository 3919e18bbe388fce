"""Two drivers bind one process, and the process may end before either unbinds.

Each driver that binds takes a reference on what the library keeps of the process (the io_mm), and
gets a bond.  The devices share one table, so both use one entry.  When the process ends, what puts
the references: release(), or each driver's unbind as always?  If both may, each must know of the
other.  If only unbind does, release() has nothing to undo but the entry.

Promise: Each reference is put once, no bond is used after it is freed, and the entry leads
    to a page table exactly as long as a bond needs it.

Memory model: sequentially consistent; iommu_sva_lock orders the accesses.

Simplified:
    Both devices are bound already.
    Caches and DMA are left out, see exit_during_dma.
    BindTwice: the same device is bound a second time, which only counts on its bond.
    The walk over the bonds takes the list as it is when it begins.
    The last reference frees nothing here: sva/free_under_reader has the grace period.

Sources:
    <20200228151339.GS31668@ziepe.ca> 2020-02-28, Gunthorpe: get in bind, and put where the bond is
    freed; release() only invalidates
    <20200306095614.GA50020@myrica> 2020-03-06, Brucker: how v4's release() detaches each bond
    drivers/iommu/iommu-sva.c of the SVA series v4 (2020-02-24): io_mm_get(), io_mm_put(),
    io_mm_attach(), io_mm_detach_locked(), io_mm_release(), iommu_sva_unbind_generic()
    drivers/iommu/iommu-sva.c of the SVA series v5 (2020-04-14): io_mm_release(), io_mm_detach()
"""

from typing import Any, Protocol

from mmviz.engine import Race, World, at_end, field
from mmviz.kernel.iommu.io_mm import IoMm, SvaBond
from mmviz.kernel.iommu.pasid import NOT_PRESENT, Smmu
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.mm_struct import mmput as put_user
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.sva import SERIES_V4, SERIES_V5


class TwoBonds(World):
    """A process with two bonds and one entry."""

    mm: MmStruct
    smmu: Smmu
    io_mm: IoMm
    bond1: SvaBond
    bond2: SvaBond
    dummy: Pgd = field(default_factory=lambda: Pgd(name="dummy pgd"))


def two_bonds() -> TwoBonds:
    """Two drivers have bound the process."""
    mm = MmStruct(pgd=Pgd(name="pgd"), mm_count=2, subscribed=True)
    io_mm = IoMm(refs=2)
    bonds = SvaBond(io_mm=io_mm), SvaBond(io_mm=io_mm)
    io_mm.bonds = bonds
    return TwoBonds(mm, Smmu(mm.pgd), io_mm, *bonds)


def bond_loses_translation(k: TwoBonds) -> bool:
    """The process lives and is bound, and its PASID's entry is not present: its DMA fails."""
    return bool(k.io_mm.bonds) and k.mm.mm_users > 0 and not isinstance(k.smmu.entry, Pgd)


@at_end
def entry_left_behind(k: TwoBonds) -> bool:
    """All is unbound, and the PASID's entry still leads into the memory of the process."""
    return isinstance(k.smmu.entry, Pgd)


@at_end
def reference_leaked(k: TwoBonds) -> bool:
    """All is unbound, and one reference was never put: memory is lost until reboot."""
    return k.io_mm.refs > 0


class Library(Protocol):
    async def release(self, k: Any) -> None: ...
    async def unbind(self, k: Any, bond: SvaBond) -> None: ...


async def mmput(k: TwoBonds, library: Library) -> None:
    """The process ends."""
    await put_user(k.mm, lambda: library.release(k))


async def unbind_first_device(k: TwoBonds, library: Library) -> None:
    """iommu_sva_unbind_device() of one driver."""
    await library.unbind(k, k.bond1)


async def unbind_second_device(k: TwoBonds, library: Library) -> None:
    """iommu_sva_unbind_device() of the other driver."""
    await library.unbind(k, k.bond2)


async def detach(k: TwoBonds, bond: SvaBond) -> None:
    """Take the bond off the list, clear the entry with the last one, and put its reference."""
    await k.io_mm.list_del(bond)
    if await k.io_mm.list_is_empty():
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
    await k.io_mm.io_mm_put()


race = Race(
    "A6",
    world=two_bonds,
    actors={"CPU0": mmput, "CPU1": unbind_first_device, "CPU2": unbind_second_device},
    bad=(
        "refcount_underflow",
        "use_after_free",
        bond_loses_translation,
        entry_left_behind,
        reference_leaked,
    ),
)


class Locking:
    """iommu_sva_lock around release() and unbind."""

    async def release(self, k: TwoBonds) -> None:
        await k.io_mm.lock.mutex_lock()
        await self.locked_release(k)
        await k.io_mm.lock.mutex_unlock()

    async def unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        await k.io_mm.lock.mutex_lock()
        await self.locked_unbind(k, bond)
        await k.io_mm.lock.mutex_unlock()

    async def locked_release(self, k: TwoBonds) -> None:
        """What release() does, the lock held."""

    async def locked_unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        """What unbind does, the lock held."""


@race.case(
    "f2",
    "v4 of the series if unbind does not ask whether release() has put",
    sometimes=["refcount_underflow"],
    states=285,
    source=constructed("what v4's test of bond->io_mm is for"),
)
class ReleaseDetachesUnasked(Locking):
    """release() and unbind both put the bond's reference."""

    async def locked_release(self, k: TwoBonds) -> None:
        for bond in await k.io_mm.list_for_each_entry():
            await bond.forget_io_mm()
            await detach(k, bond)

    async def locked_unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        await detach(k, bond)
        await bond.kfree()


@race.case(
    "f1",
    "v4: release() detaches, under the lock",
    states=225,
    source=SERIES_V4,
)
class ReleaseDetaches(ReleaseDetachesUnasked):
    """v4: release() detaches and puts; a bond without io_mm tells unbind that it did."""

    async def locked_unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        if await bond.io_mm_of_bond() is not None:
            await detach(k, bond)
        await bond.kfree()


@race.case(
    "f3",
    "v4 without its lock: release() puts between the test and the put of unbind",
    sometimes=["refcount_underflow", "use_after_free"],
    states=2337,
    source=constructed("what v4's iommu_sva_lock is for"),
)
class ReleaseDetachesUnlocked(ReleaseDetaches):
    """Between the test and the put, release() puts."""

    async def release(self, k: TwoBonds) -> None:
        await self.locked_release(k)

    async def unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        await self.locked_unbind(k, bond)


@race.case(
    "f4",
    "v5: release() only clears, unbind puts",
    states=266,
    source=SERIES_V5,
)
class ReleaseClears(Locking):
    """v5, and the thread's advice: release() makes the entry fail; only unbind puts."""

    async def locked_release(self, k: TwoBonds) -> None:
        for bond in await k.io_mm.list_for_each_entry():
            await bond.set_cleared()
            await k.smmu.arm_smmu_write_ctx_desc(k.dummy)

    async def locked_unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        await detach(k, bond)
        await bond.kfree()


@race.case(
    "f5",
    "v5 without its lock: the bond is freed, the entry comes back",
    sometimes=["use_after_free", entry_left_behind],
    states=1277,
    source=constructed("what v5's iommu_sva_lock is for"),
)
class ReleaseClearsUnlocked(ReleaseClears):
    """release() still walks the bonds that unbind frees."""

    async def release(self, k: TwoBonds) -> None:
        await self.locked_release(k)

    async def unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        await self.locked_unbind(k, bond)


@race.case(
    "f6",
    "the first driver's unbind takes the entry that both use",
    sometimes=[bond_loses_translation],
    states=302,
    source=constructed("what detach_domain is for: the entry is shared"),
)
class FirstUnbindClears(ReleaseClears):
    """Each unbind takes the entry away, whether or not another bond uses it."""

    async def locked_unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
        await super().locked_unbind(k, bond)


@race.case(
    "f7-put",
    "the second bind puts the reference it does not need",
    states=1018,
    source=SERIES_V4,
)
class BindTwice(ReleaseClears):
    """A second bind finds the bond and puts the io_mm's reference it came with."""

    async def unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        await k.io_mm.lock.mutex_lock()
        await self.bind_again(k, bond)
        await k.io_mm.lock.mutex_unlock()
        await super().unbind(k, bond)
        await super().unbind(k, bond)

    async def bind_again(self, k: TwoBonds, bond: SvaBond) -> None:
        await k.io_mm.io_mm_get()
        await bond.refcount_inc()
        await k.io_mm.io_mm_put()

    async def locked_unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        if await bond.refcount_dec_and_test():
            await super().locked_unbind(k, bond)


@race.case(
    "f7",
    "tempting: a second bind raises the bond's count, and keeps a reference too",
    always=[reference_leaked],
    kind="ordering",
    states=954,
    source=constructed("what the put in io_mm_attach() is for"),
)
class BindTwiceNoPut(BindTwice):
    """The second bind keeps a reference that no unbind puts."""

    async def bind_again(self, k: TwoBonds, bond: SvaBond) -> None:
        await k.io_mm.io_mm_get()
        await bond.refcount_inc()
