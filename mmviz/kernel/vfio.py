"""VFIO's view of a group: who has its file open, and whether it still has the group."""

from mmviz.engine import Struct, atomic, field, warn
from mmviz.kernel.iommu import Device, Domain, Iommu
from mmviz.kernel.locks import Mutex


class VfioGroup(Struct):
    """A struct vfio_group.

    Attributes:
        users: open files that have the group's container set.
        iommu_group: it still has the IOMMU group; False once it was disassociated.
        registered: the device can be opened by its own file.
        group_lock: guards all this.

    Source: drivers/vfio/vfio_main.c, vfio_group_set_container(), vfio_unregister_group_dev().
    """

    users: int = 1
    iommu_group: bool = True
    registered: bool = True
    group_lock: Mutex = field(default_factory=Mutex)

    @atomic("drivers/vfio/vfio_main.c")
    def vfio_device_put_registration(self) -> None:
        """Let nobody open the device any more."""
        self.registered = False

    @atomic("drivers/vfio/vfio_main.c", when=lambda vfio: vfio.users == 0)
    def wait_for_users(self) -> None:
        """Wait until nobody has the group's file open."""

    @atomic("drivers/vfio/vfio_main.c")
    def has_iommu_group(self) -> bool:
        """Look whether the group is still VFIO's to act on."""
        return self.iommu_group

    @atomic("drivers/vfio/vfio_main.c")
    def disassociate(self) -> None:
        """Forget the IOMMU group: the file stays open and is good for nothing any more."""
        self.iommu_group = False

    @atomic("drivers/vfio/vfio_main.c")
    def drop_user(self) -> None:
        """Count one open file less."""
        self.users -= 1


class OwnedIommu(Iommu):
    """An IOMMU that complains when a device is released while a user's domain is attached.

    Attributes:
        user_domain: that domain. Never changes.

    Source: as Iommu; the rule is that the device's driver is gone, and with it all use of DMA.
    """

    user_domain: Domain = field(kw_only=True)

    @atomic("driver")
    def release_device(self, dev: Device) -> Domain | None:
        """Begin to release a device: read its domain, which must not be freed from here on."""
        if dev.domain is self.user_domain:
            warn("released_while_owned", f"{dev} is released, and is on {dev.domain} still")
        return dev.domain
