"""Two drivers bind one process, and the process may end before either unbinds.

Each driver that binds takes a reference on what the library keeps of the process (the io_mm), and
gets a bond.  The devices share one table, so both use one entry.  When the process ends, who puts
the references: release(), or each driver's unbind as always?  If both may, each must know of the
other; if only unbind does, release() has nothing to undo but the entry.

Promise: Each reference is put once, no bond is used after it is freed, and the entry leads
    somewhere exactly as long as a bond needs it.

Memory model: sequentially consistent; iommu_sva_lock does the rest.

Simplified:
    Both devices are bound already; caches and DMA are left out, see exit_during_dma.
    BindTwice: the same device is bound a second time, which only counts on its bond.
    The walk over the bonds takes the list as it is when it begins.
    The last reference frees nothing here: sva/free_under_reader has the grace period.

Sources:
    Jason Gunthorpe, 2020-03-13, <20200313191324.GG31668@ziepe.ca>: get in bind, put in unbind only
    drivers/iommu/iommu-sva.c of the SVA series v4 (2020-02-24) and v5 (2020-04-14):
    io_mm_get(), io_mm_put(), io_mm_detach_all(), iommu_sva_unbind_generic()
"""

from typing import Any, Protocol

from mmviz.engine import Case, Verdict, World, at_end, expecting, field
from mmviz.kernel.io_mm import IoMm, SvaBond
from mmviz.kernel.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm_struct import mmput as put_user
from mmviz.kernel.pasid import NOT_PRESENT, Smmu


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
    """All is unbound, and somebody's reference was never put: memory is lost until reboot."""
    return k.io_mm.refs > 0


class Library(Protocol):
    async def release(self, k: Any) -> None: ...
    async def unbind(self, k: Any, bond: SvaBond) -> None: ...


async def mmput(k: TwoBonds, library: Library) -> None:
    """The process ends."""
    await put_user(k.mm, lambda: library.release(k))


async def iommu_sva_unbind_device(k: TwoBonds, library: Library, bond: SvaBond) -> None:
    """One driver ends its use of the process."""
    await library.unbind(k, bond)


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


async def detach(k: TwoBonds, bond: SvaBond) -> None:
    """Off the list; the last one takes the entry along; put the bond's reference."""
    await k.io_mm.list_del(bond)
    if await k.io_mm.list_is_empty():
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
    await k.io_mm.io_mm_put()


class ReleaseDetaches(Locking):
    """v4: release() detaches and puts; a bond without io_mm tells unbind that it did."""

    async def locked_release(self, k: TwoBonds) -> None:
        for bond in await k.io_mm.list_for_each_entry():
            await bond.forget_io_mm()
            await detach(k, bond)

    async def locked_unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        if await bond.io_mm_of_bond() is not None:
            await detach(k, bond)
        await bond.kfree()


class ReleaseDetachesUnasked(ReleaseDetaches):
    async def locked_unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        await detach(k, bond)
        await bond.kfree()


class ReleaseDetachesUnlocked(ReleaseDetaches):
    async def release(self, k: TwoBonds) -> None:
        await self.locked_release(k)

    async def unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        await self.locked_unbind(k, bond)


class ReleaseClears(Locking):
    """v5, and the thread's advice: release() makes the entry fail; only unbind puts."""

    async def locked_release(self, k: TwoBonds) -> None:
        for bond in await k.io_mm.list_for_each_entry():
            await bond.set_cleared()
            await k.smmu.arm_smmu_write_ctx_desc(k.dummy)

    async def locked_unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        await detach(k, bond)
        await bond.kfree()


class ReleaseClearsUnlocked(ReleaseClears):
    async def release(self, k: TwoBonds) -> None:
        await self.locked_release(k)

    async def unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        await self.locked_unbind(k, bond)


class FirstUnbindClears(ReleaseClears):
    """Whoever unbinds takes the entry away."""

    async def locked_unbind(self, k: TwoBonds, bond: SvaBond) -> None:
        await k.smmu.arm_smmu_write_ctx_desc(NOT_PRESENT)
        await super().locked_unbind(k, bond)


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


class BindTwiceNoPut(BindTwice):
    async def bind_again(self, k: TwoBonds, bond: SvaBond) -> None:
        await k.io_mm.io_mm_get()
        await bond.refcount_inc()


BAD = (
    "refcount_underflow",
    "use_after_free",
    bond_loses_translation,
    entry_left_behind,
    reference_leaked,
)
SOMETIMES, ALWAYS = Verdict.SOMETIMES, Verdict.ALWAYS


def case(
    library: Library,
    variant: str,
    title: str,
    *,
    states: int,
    kind: str = "race",
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the exit against both drivers' unbind."""
    return Case(
        name=type(library).__name__,
        id=f"A6/{variant}",
        title=title,
        proposed=proposed,
        world=two_bonds,
        actors={
            "CPU0": lambda k: mmput(k, library),
            "CPU1": lambda k: iommu_sva_unbind_device(k, library, k.bond1),
            "CPU2": lambda k: iommu_sva_unbind_device(k, library, k.bond2),
        },
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        kind=kind,
    )


CASES = (
    case(
        ReleaseDetachesUnasked(),
        "f2",
        "v4 of the series if unbind does not ask whether release() has put",
        states=285,
        refcount_underflow=SOMETIMES,
    ),
    case(
        ReleaseDetachesUnlocked(),
        "f3",
        "v4 without its lock: asked, then put by the other",
        states=3462,
        refcount_underflow=SOMETIMES,
        use_after_free=SOMETIMES,
    ),
    case(
        ReleaseClearsUnlocked(),
        "f5",
        "v5 without its lock: the bond goes, the entry comes back",
        states=1739,
        use_after_free=SOMETIMES,
        entry_left_behind=SOMETIMES,
    ),
    case(
        FirstUnbindClears(),
        "f6",
        "the first driver's unbind takes the entry that both use",
        states=302,
        bond_loses_translation=SOMETIMES,
    ),
    case(
        BindTwiceNoPut(),
        "f7",
        "tempting: a second bind counts on the bond, and keeps a reference too",
        states=954,
        kind="ordering",
        reference_leaked=ALWAYS,
    ),
    case(BindTwice(), "f7-put", "the second bind puts the reference it does not need", states=1018),
    case(
        ReleaseDetaches(),
        "f1",
        "v4: release() detaches, under the lock",
        states=225,
        proposed=("2020-02-24", "<20200224182401.353359-1-jean-philippe@linaro.org>"),
    ),
    case(
        ReleaseClears(),
        "f4",
        "v5: release() only clears, unbind puts",
        states=266,
        proposed=("2020-04-14", "<20200414170252.714402-1-jean-philippe@linaro.org>"),
    ),
)
