"""Ownership of a group: its devices do DMA for the kernel's drivers, or for one user."""

from mmviz.engine import Oops, atomic
from mmviz.kernel.iommu.iommu import BLOCKED, Device, Domain, Iommu, IommuGroup


class OwnedGroup(IommuGroup):
    """A group with an owner.

    Attributes:
        owner: the user who claimed the group, "" while the kernel's drivers may use it.
        owner_cnt: how many drivers use it, or one for the owner.
        kernel_dma: a kernel driver works with one of the devices. The kernel has no such flag; it
            shows that the driver's probe has succeeded.
        user_dma: a user may start DMA on one of the devices. The kernel has no such flag either.

    Source: drivers/iommu/iommu.c, iommu_device_use_default_domain(),
    iommu_group_claim_dma_owner(), iommu_group_release_dma_owner() (v5.19).
    """

    owner: str = ""
    owner_cnt: int = 0
    kernel_dma: bool = False
    user_dma: bool = False

    @atomic("drivers/iommu/iommu.c")
    def is_usable(self) -> bool:
        """Check whether a kernel driver may use the group; without the mutex that may change."""
        return not self.owner

    @atomic("drivers/iommu/iommu.c")
    def is_claimable(self) -> bool:
        """Check whether the group is unused; without the mutex that may change."""
        return self.owner_cnt == 0

    @atomic("drivers/iommu/iommu.c")
    def use(self) -> None:
        """Count a kernel driver as a user of the default domain."""
        self.owner_cnt += 1

    @atomic("drivers/iommu/iommu.c")
    def iommu_device_use_default_domain(self, dev: Device) -> bool:
        """Count dev's driver as a user of the default domain; False, -EBUSY, in an owned group."""
        if self.owner_cnt and (self.owner or self.domain is not self.default_domain):
            return False
        self.owner_cnt += 1
        return True

    @atomic("drivers/iommu/iommu.c")
    def unuse(self) -> None:
        """Stop counting one kernel driver as a user."""
        self.owner_cnt -= 1

    @atomic("drivers/iommu/iommu.c")
    def claim(self, owner: str) -> None:
        """Record the owner."""
        self.owner = owner
        self.owner_cnt = 1

    @atomic("drivers/iommu/iommu.c")
    def set_blocking_domain(self, iommu: Iommu) -> None:
        """Block all DMA of the group."""
        for dev in self.devices:
            iommu.unlink(dev, dev.domain)
            iommu.program(dev.rid, BLOCKED)
        self.domain = None

    @atomic("drivers/iommu/iommu.c")
    def release_dma_owner(self, iommu: Iommu) -> None:
        """Give the group back to the kernel, on its default domain."""
        self.owner, self.owner_cnt = "", 0
        self.attach_all(self.default_domain, iommu)

    @atomic("drivers/iommu/iommu.c")
    def iommu_attach_group(self, domain: Domain, iommu: Iommu) -> None:
        """Attach each listed device to the owner's domain."""
        self.attach_all(domain, iommu)

    def attach_all(self, domain: Domain | None, iommu: Iommu) -> None:
        """Attach each listed device, inside a step."""
        if domain is not None:
            for dev in self.devices:
                iommu.attach(dev, domain)
        self.domain = domain

    @atomic("driver")
    def start_kernel_driver(self) -> None:
        """A kernel driver begins to use its device."""
        self.kernel_dma = True

    @atomic("driver")
    def stop_kernel_driver(self) -> None:
        """The kernel driver stops using its device."""
        self.kernel_dma = False

    @atomic("drivers/vfio/vfio_main.c")
    def start_user(self) -> None:
        """The user gets the device."""
        self.user_dma = True

    @atomic("drivers/vfio/vfio_main.c")
    def stop_user(self) -> None:
        """The user gives the device back."""
        self.user_dma = False

    @atomic("drivers/vfio/vfio.c")
    def vfio_group_notifier(self) -> None:
        """VFIO learns, after the fact, that a driver was bound."""
        if self.user_dma:
            raise Oops("bug_on", "BUG_ON(): a driver was bound to a group that a user owns")

    @atomic("drivers/iommu/iommu.c")
    def domain_of_group(self) -> Domain | None:
        """Read which domain the group is attached to; None means that it is blocked."""
        return self.domain

    @atomic("drivers/iommu/iommu.c")
    def list_add(self, dev: Device, domain: Domain | None, iommu: Iommu) -> None:
        """Add a new device to the group, and attach it."""
        self.devices = (*self.devices, dev)
        if domain is not None:
            iommu.attach(dev, domain)
