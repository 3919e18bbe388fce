"""SVA as the IOMMU core has it today: handles, domains, and the devices that are attached."""

from errno import EBUSY, EINVAL

from mmviz.engine import Struct, atomic, field, warn
from mmviz.kernel.sync.locks import Mutex
from mmviz.kernel.sync.refcount import Slab


class SvaDomain(Slab):
    """An iommu_domain of type SVA: a process's page table, for the devices of one IOMMU.

    Attributes:
        iommu: the IOMMU of the device it was allocated for.
        users: how many binds use it.

    Source: drivers/iommu/iommu-sva.c, include/linux/iommu.h, v6.2 to v6.8.
    """

    iommu: str = ""
    users: int = 0

    @atomic("drivers/iommu/iommu-sva.c")
    def iommu_sva_domain_alloc(self, iommu: str) -> None:
        """Allocate a domain that fits a device of this IOMMU."""
        self.iommu = iommu

    @atomic("drivers/iommu/iommu-sva.c")
    def users_inc(self) -> None:
        """Count one more bind that uses the domain."""
        self.users += 1

    @atomic("drivers/iommu/iommu-sva.c")
    def users_dec_and_test(self) -> bool:
        """Count one fewer; return whether none is left."""
        self.users -= 1
        return self.users == 0


class PasidDevice(Struct):
    """A device, and what its PASID table has for the process.

    Attributes:
        iommu: the IOMMU that it is behind. Never changes.
        domain: the domain that is attached to the process's PASID.

    Source: drivers/iommu/iommu.c, iommu_attach_device_pasid(), iommu_detach_device_pasid(), v6.8.
    Simplified: a group of one device; the core's pasid_array and the driver's table are one.
    """

    iommu: str
    domain: SvaDomain | None = None

    @atomic("drivers/iommu/iommu.c")
    def iommu_get_domain_for_dev_pasid(self) -> SvaDomain | None:
        """Look which domain is attached to the PASID."""
        return self.domain

    @atomic("drivers/iommu/iommu.c")
    def iommu_attach_device_pasid(self, domain: SvaDomain) -> int:
        """Attach the domain to the PASID: 0, -EBUSY if one is attached, -EINVAL if it cannot."""
        if self.domain is not None:
            return -EBUSY
        if domain.iommu != self.iommu:
            return -EINVAL
        self.domain = domain
        return 0

    @atomic("drivers/iommu/iommu.c")
    def iommu_detach_device_pasid(self) -> None:
        """Take the domain away from the PASID: what the device sends with it fails."""
        self.domain = None


class SvaHandle(Slab):
    """A struct iommu_sva: what a driver gets for a bind.

    Attributes:
        dev: the device that is bound.
        domain: the domain it is attached to.
        users: how many binds share the handle.

    Source: drivers/iommu/iommu-sva.c, v6.8 (65d4418c5002).
    """

    dev: PasidDevice | None = None
    domain: SvaDomain | None = None
    users: int = 0

    @atomic("drivers/iommu/iommu-sva.c")
    def fill_in(self, dev: PasidDevice, domain: SvaDomain) -> None:
        """Record the device and the domain."""
        self.dev, self.domain = dev, domain

    @atomic("drivers/iommu/iommu-sva.c")
    def device_and_domain(self) -> tuple[PasidDevice, SvaDomain]:
        """Read which device the handle is for, and the domain it is attached to."""
        assert self.dev is not None
        assert self.domain is not None
        return self.dev, self.domain

    @atomic("include/linux/refcount.h")
    def refcount_set(self) -> None:
        """The handle has one user."""
        self.users = 1

    @atomic("include/linux/refcount.h")
    def refcount_inc(self) -> None:
        """Count one more bind that shares the handle."""
        self.users += 1

    @atomic("include/linux/refcount.h")
    def refcount_dec_and_test(self) -> bool:
        """Count one fewer; return whether none is left."""
        if self.users == 0:
            warn("refcount_underflow", f"{self.name}: a user is put, but the count is zero")
            return False
        self.users -= 1
        return self.users == 0


class IommuMm(Struct):
    """What mm->iommu_mm keeps of a process: its domains, and the handles that were given out.

    Attributes:
        domains: one for each IOMMU that a bound device is behind.
        handles: the handles that a second bind of the same device may share.
        lock: iommu_sva_lock.

    Source: include/linux/iommu.h, struct iommu_mm_data, v6.8 (092edaddb660, 65d4418c5002).
    """

    domains: tuple[SvaDomain, ...] = ()
    handles: tuple[SvaHandle, ...] = ()
    lock: Mutex = field(default_factory=Mutex)

    @atomic("include/linux/list.h")
    def list_for_each_entry(self) -> tuple[SvaDomain, ...]:
        """Walk over the domains of the process."""
        return self.domains

    @atomic("drivers/iommu/iommu-sva.c")
    def find_handle(self, dev: PasidDevice) -> SvaHandle | None:
        """Look for the handle of a device that is bound already."""
        return next((each for each in self.handles if each.dev is dev), None)

    @atomic("include/linux/list.h")
    def list_add(self, item: SvaDomain | SvaHandle) -> None:
        """Put a domain or a handle on its list."""
        if isinstance(item, SvaDomain):
            self.domains = (*self.domains, item)
        else:
            self.handles = (*self.handles, item)

    @atomic("include/linux/list.h")
    def list_del(self, item: SvaDomain | SvaHandle) -> None:
        """Take a domain or a handle off its list."""
        self.domains = tuple(each for each in self.domains if each is not item)
        self.handles = tuple(each for each in self.handles if each is not item)
