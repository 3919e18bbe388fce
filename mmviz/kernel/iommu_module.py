"""An IOMMU driver that is a module, and the group's domains, which its code frees."""

from mmviz.engine import atomic, field
from mmviz.kernel.iommu import IommuGroup
from mmviz.kernel.kfree_rcu import Module


class IommuModule(Module):
    """An IOMMU driver's module.

    Attributes:
        refs: one for each device it has; without any it may be unloaded.

    Source: drivers/iommu/iommu.c, try_module_get() in probe, module_put() in release.
    """

    refs: int = 1

    @atomic("kernel/module/main.c")
    def module_put(self) -> None:
        """Put a reference on the driver's module."""
        self.refs -= 1

    @atomic("kernel/module/main.c", when=lambda module: module.refs == 0)
    def try_stop_module(self) -> None:
        """Wait until nobody has a reference on the module."""


class ModularGroup(IommuGroup):
    """A group whose default domain is freed by code of the driver's module.

    Attributes:
        driver: the module. Never changes.

    Source: drivers/iommu/iommu.c, iommu_group_release(); iommu_deinit_device() since v6.6.
    """

    driver: IommuModule = field(kw_only=True)

    def free_default_domain(self) -> None:
        """Free the default domain by the driver's code, inside a step."""
        if self.default_domain is not None:
            self.driver.call("domain_free")
            self.default_domain.owner_leaves()
            self.default_domain = self.domain = None

    @atomic("drivers/iommu/iommu.c")
    def iommu_group_put(self) -> None:
        """Put a reference on the group; the last one frees a default domain that is left."""
        if self.put():
            self.free_default_domain()

    @atomic("drivers/iommu/iommu.c")
    def iommu_deinit_device(self) -> None:
        """Free the group's domains if this was its last device."""
        if not self.devices:
            self.free_default_domain()

    @atomic("drivers/iommu/iommu.c")
    def iommu_deinit_domains(self) -> None:
        """Free the group's domains, whoever still is in the group."""
        self.free_default_domain()
