"""VFIO's view of a group: its open files, and whether it still has the IOMMU group."""

from mmviz.engine import Struct, atomic, field, warn
from mmviz.kernel.iommu.iommu import Device, Domain, Iommu
from mmviz.kernel.sync.locks import Mutex


class VfioGroup(Struct):
    """A struct vfio_group.

    Attributes:
        users: open files that have the group's container set.
        iommu_group: VFIO still has the IOMMU group; False after the disassociation.
        registered: a user can open the device.
        group_lock: guards all this.

    Source: drivers/vfio/vfio_main.c, vfio_group_set_container(), vfio_unregister_group_dev().
    """

    users: int = 1
    iommu_group: bool = True
    registered: bool = True
    group_lock: Mutex = field(default_factory=Mutex)

    @atomic("drivers/vfio/vfio_main.c")
    def vfio_device_put_registration(self) -> None:
        """Refuse to open the device from now on."""
        self.registered = False

    @atomic("drivers/vfio/vfio_main.c", when=lambda vfio: vfio.users == 0)
    def wait_for_users(self) -> None:
        """Wait until no file has the group's container set."""

    @atomic("drivers/vfio/vfio_main.c")
    def has_iommu_group(self) -> bool:
        """Check whether VFIO still has the IOMMU group."""
        return self.iommu_group

    @atomic("drivers/vfio/vfio_main.c")
    def disassociate(self) -> None:
        """Drop the IOMMU group: the file stays open, and its calls fail from now on."""
        self.iommu_group = False

    @atomic("drivers/vfio/vfio_main.c")
    def drop_user(self) -> None:
        """Count one fewer open file."""
        self.users -= 1


class OwnedIommu(Iommu):
    """An IOMMU that complains when a device is released while a user's domain is attached.

    Attributes:
        user_domain: that domain. Never changes.

    Source: as Iommu; the rule of iommu_release_device() is that ownership has been released.
    """

    user_domain: Domain = field(kw_only=True)

    @atomic("driver")
    def release_device(self, dev: Device) -> Domain | None:
        """Begin to release a device: read its domain, which must not be freed from here on."""
        if dev.domain is self.user_domain:
            warn("released_while_owned", f"{dev} is released while {dev.domain} is attached")
        return dev.domain
