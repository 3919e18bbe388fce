"""A group whose default domain may be changed, and devices that know their group."""

from mmviz.engine import Oops, atomic
from mmviz.kernel.iommu import Device, Domain, Iommu, IommuGroup


class GroupedDevice(Device):
    """A struct device that points at its group.

    Attributes:
        iommu_group: dev->iommu_group, None once the device has left it.

    Source: include/linux/device.h.
    """

    iommu_group: "IommuGroup | None" = None

    @atomic("drivers/iommu/iommu.c")
    def iommu_get_domain_for_dev(self) -> Domain | None:
        """Look which domain the device's group is attached to."""
        if self.iommu_group is None:
            raise Oops("null_dereference", f"{self}->iommu_group is NULL already")
        return self.iommu_group.domain

    @atomic("drivers/iommu/iommu.c")
    def clear_iommu_group(self) -> None:
        """Forget the group."""
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
