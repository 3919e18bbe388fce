"""A group whose default domain root may change, and devices that point at their group."""

from mmviz.engine import Oops, atomic
from mmviz.kernel.iommu.iommu import Device, Domain, Iommu, IommuGroup


class GroupedDevice(Device):
    """A struct device that points at its group.

    Attributes:
        iommu_group: dev->iommu_group, None after the device has left the group.

    Source: include/linux/device.h.
    """

    iommu_group: "IommuGroup | None" = None

    @atomic("drivers/iommu/iommu.c")
    def iommu_get_domain_for_dev(self) -> Domain | None:
        """Read which domain the device's group is attached to; None without a group."""
        return self.iommu_group.domain if self.iommu_group is not None else None

    @atomic("driver")
    def enter_detach(self, domain: Domain | None) -> None:
        """Enter the driver's detach function, which follows the pointer to the domain."""
        if domain is None:
            raise Oops("null_dereference", f"the domain that {self} is to leave is NULL")

    @atomic("drivers/iommu/iommu.c")
    def clear_iommu_group(self) -> None:
        """Clear the device's pointer to its group."""
        self.iommu_group = None


class TypedGroup(IommuGroup):
    """A group whose type, and with it the default domain, root may change in sysfs.

    Source: drivers/iommu/iommu.c, iommu_group_store_type().
    """

    @atomic("drivers/iommu/iommu.c")
    def iommu_change_dev_def_domain(self, domain: Domain, iommu: Iommu) -> None:
        """Make another domain the default one, and move each listed device there."""
        for dev in self.devices:
            iommu.attach(dev, domain)
        self.domain = self.default_domain = domain
