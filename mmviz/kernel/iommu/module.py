"""An IOMMU driver that is a module, whose code frees the group's domains."""

from mmviz.engine import atomic, field
from mmviz.kernel.iommu.iommu import IommuGroup
from mmviz.kernel.sync.kfree_rcu import Module


class IommuModule(Module):
    """An IOMMU driver's module.

    Attributes:
        refs: one for each of its devices; at zero it may be unloaded.

    Source: drivers/iommu/iommu.c, try_module_get() in probe, module_put() in release.
    """

    refs: int = 1

    @atomic("kernel/module/main.c")
    def module_put(self) -> None:
        """Put a reference on the driver's module."""
        self.refs -= 1

    @atomic("kernel/module/main.c", when=lambda module: module.refs == 0)
    def try_stop_module(self) -> None:
        """Wait until no reference on the module is left."""


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
        """Put a reference on the group; the last one frees a remaining default domain."""
        if self.put():
            self.free_default_domain()

    @atomic("drivers/iommu/iommu.c")
    def iommu_deinit_device(self) -> None:
        """Free the group's domains if this was its last device."""
        if not self.devices:
            self.free_default_domain()

    @atomic("drivers/iommu/iommu.c")
    def iommu_deinit_domains(self) -> None:
        """Free the group's domains, even if devices remain in the group."""
        self.free_default_domain()
