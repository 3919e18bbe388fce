"""What the IOMMU library keeps about a process whose address space devices share."""

from mmviz.engine import Struct, atomic, field, warn
from mmviz.kernel.sync.locks import Mutex
from mmviz.kernel.sync.refcount import Slab


class SvaBond(Slab):
    """A struct iommu_bond: one device bound to one process.

    Attributes:
        io_mm: the process's io_mm; None once the bond is detached from it.
        cleared: release() has run for it (v5 of the series).
        refs: how often the device was bound; the last unbind frees it.

    Source: drivers/iommu/iommu-sva.c of the SVA series v4 and v5 (2020), not merged; today a
    struct iommu_sva with its domain.
    """

    io_mm: "IoMm | None" = None
    cleared: bool = False
    refs: int = 1

    @atomic("drivers/iommu/iommu-sva.c")
    def io_mm_of_bond(self) -> "IoMm | None":
        """Read which process the bond belongs to; None once it is detached."""
        return self.io_mm

    @atomic("drivers/iommu/iommu-sva.c")
    def forget_io_mm(self) -> None:
        """Detach the bond from its process."""
        self.io_mm = None

    @atomic("drivers/iommu/iommu-sva.c")
    def set_cleared(self) -> None:
        """Record in the bond that its process has exited."""
        self.cleared = True

    @atomic("include/linux/refcount.h")
    def refcount_inc(self) -> None:
        """Count one more bind of the same device."""
        self.refs += 1

    @atomic("include/linux/refcount.h")
    def refcount_dec_and_test(self) -> bool:
        """Count one fewer bind; return whether none is left."""
        self.refs -= 1
        return self.refs == 0


class IoMm(Slab):
    """A struct io_mm: a process's address space, shared by the drivers that bind it.

    Attributes:
        refs: one for each bond; the last one unlinks it from the mm.
        bonds: the devices that are bound.
        cleared: release() has run, so nothing may be installed (v5 of the series).
        lock: iommu_sva_lock, which guards all this.

    Source: as SvaBond.
    Simplified: the last reference does not free it; its memory is freed after a grace period, which
    sva/free_under_reader shows.
    """

    refs: int = 0
    bonds: tuple[SvaBond, ...] = ()
    cleared: bool = False
    lock: Mutex = field(default_factory=Mutex)

    @atomic("include/linux/list.h")
    def list_add(self, bond: SvaBond) -> None:
        """Put a bond on the list: callbacks see it from here on."""
        self.bonds = (*self.bonds, bond)

    @atomic("include/linux/list.h")
    def list_del(self, bond: SvaBond) -> None:
        """Take a bond off the list: callbacks no longer see it."""
        self.bonds = tuple(other for other in self.bonds if other is not bond)

    @atomic("include/linux/list.h")
    def list_is_empty(self) -> bool:
        """Check whether the list of bonds is empty."""
        return not self.bonds

    @atomic("include/linux/rculist.h")
    def list_for_each_entry(self) -> tuple[SvaBond, ...]:
        """Begin a walk over the bonds that are listed now."""
        return self.bonds

    @atomic("drivers/iommu/iommu-sva.c")
    def set_cleared(self) -> None:
        """Record that the process has exited: nothing may be installed for it from here on."""
        self.cleared = True

    @atomic("drivers/iommu/iommu-sva.c")
    def is_cleared(self) -> bool:
        """Check whether the process has exited."""
        return self.cleared

    @atomic("drivers/iommu/iommu-sva.c")
    def io_mm_get(self) -> None:
        """Take a reference on the io_mm."""
        self.refs += 1

    @atomic("drivers/iommu/iommu-sva.c")
    def io_mm_put(self) -> None:
        """Put a reference; the last one ends the subscription to the process."""
        if self.refs == 0:
            warn("refcount_underflow", f"{self.name}: a reference is put, but the count is zero")
            return
        self.refs -= 1


class InitialisedLater(IoMm):
    """An io_mm with fields that its alloc_notifier() cannot fill in, because it gets only the mm.

    Attributes:
        pasid: the process's number; 0 until it is set.
        ctx: the driver's own data; "" until it is set.

    Source: as SvaBond; mm/mmu_notifier.c, mmu_notifier_get().
    """

    pasid: int = 0
    ctx: str = ""

    @atomic("drivers/iommu/iommu-sva.c")
    def init_pasid(self) -> None:
        """Fill in the PASID."""
        self.pasid = 1

    @atomic("drivers/iommu/iommu-sva.c")
    def init_ctx(self) -> None:
        """Fill in the driver's data."""
        self.ctx = "context"

    @atomic("drivers/iommu/iommu-sva.c")
    def use_pasid(self) -> None:
        """Program the device with the process's PASID."""
        if self.pasid == 0:
            warn("uses_uninitialised_field", f"{self.name}.pasid is used before it was set")

    @atomic("drivers/iommu/iommu-sva.c")
    def use_ctx(self) -> None:
        """Use the driver's data in a callback."""
        if not self.ctx:
            warn("uses_uninitialised_field", f"{self.name}.ctx is used before it was set")


class IoMmNotifierList(Struct):
    """The notifiers on an mm's list.

    Attributes:
        notifiers: in the order they were added.

    Source: mm/mmu_notifier.c, struct mmu_notifier_subscriptions.
    """

    notifiers: tuple[InitialisedLater, ...] = ()

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_get(self, fresh: InitialisedLater) -> InitialisedLater:
        """Return the notifier of these ops, or put a fresh one on the list."""
        if not self.notifiers:
            self.notifiers = (fresh,)
        return self.notifiers[0]

    @atomic("driver")
    def find(self) -> InitialisedLater | None:
        """Look for the driver's notifier; without a lock another bind may add one at any moment."""
        return self.notifiers[0] if self.notifiers else None

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_register(self, notifier: InitialisedLater) -> None:
        """Put a notifier on the list without checking for others."""
        self.notifiers = (*self.notifiers, notifier)

    @atomic("mm/mmu_notifier.c")
    def mn_hlist_invalidate(self) -> tuple[InitialisedLater, ...]:
        """Begin to notify the listed notifiers of an unmapping."""
        return self.notifiers
