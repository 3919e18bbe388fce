"""IOMMU groups, their devices, domains, and the table by which the hardware translates."""

from typing import Any

from mmviz.engine import Allocated, Map, Struct, atomic, field, warn
from mmviz.kernel.sync.locks import Mutex, SpinLock
from mmviz.kernel.sync.refcount import Kref

BLOCKED = "blocked"


class Device(Struct):
    """A struct device behind an IOMMU.

    Attributes:
        rid: the requester ID that its DMA carries; aliases share one. Never changes.
        domain: the IOMMU driver's own record of the domain the device is attached to.
        priv: the IOMMU driver's data for the device exists, dev_iommu_priv_get().

    Source: include/linux/iommu.h, struct dev_iommu; arm-smmu-v3's master->domain and s390's
    zdev->s390_domain are such records.
    """

    rid: str
    domain: "Domain | None" = None
    priv: bool = True


class Domain(Allocated):
    """A struct iommu_domain: page tables for DMA, and the devices attached to them.

    Attributes:
        devices: the driver's list of the devices it attached.

    Source: include/linux/iommu.h, struct iommu_domain.
    Simplified: no mappings inside; the driver's struct around it and its page tables are
    allocated and freed with it.
    """

    devices: tuple[Device, ...] = ()

    @atomic("drivers/iommu/iommu.c")
    def iommu_domain_free(self) -> None:
        """Free the domain and its page tables, even if something still points at them."""
        self.owner_leaves()

    def owner_leaves(self) -> None:
        """Drop the creator's hold on the domain, inside a step: here, free it."""
        self.free()

    def list_add(self, dev: Device) -> None:
        """Put a device on the list, inside a step."""
        self.devices = (*self.devices, dev)

    def list_del(self, dev: Device) -> None:
        """Take a device off the list, inside a step."""
        self.devices = tuple(other for other in self.devices if other is not dev)

    def hold(self) -> None:
        """Take a reference, inside a step, if the driver counts references."""

    def drop(self) -> None:
        """Put a reference, inside a step, if the driver counts references."""


class CountedDomain(Domain):
    """A domain whose driver counts references; the last one frees it.

    Attributes:
        refs: one for the creator, one for each device's record, one for each RID that uses it.

    Source: Robin Murphy's second alternative, <e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>; not
    merged.
    """

    refs: int = 1

    def owner_leaves(self) -> None:
        """Put the creator's reference, inside a step."""
        self.drop()

    def hold(self) -> None:
        """Take a reference, inside a step."""
        self.refs += 1

    def drop(self) -> None:
        """Put a reference, inside a step; the last one frees the domain."""
        self.refs -= 1
        if self.refs == 0:
            self.free()


class Iommu(Struct):
    """An IOMMU with its driver: the table by RID, and the driver's operations.

    Attributes:
        table: RID -> the domain whose page tables the hardware walks, or BLOCKED.
        masters: the devices behind it. Never changes.
        lock: the driver's own lock.

    Source: SMMUv3 stream table, VT-d context table, AMD device table.
    Simplified: software pointers and the table entry change in one step; no IOTLB here.
    """

    table: Map[str, Any]
    masters: tuple[Device, ...]
    lock: SpinLock = field(default_factory=SpinLock)

    def attach(self, dev: Device, domain: Domain) -> None:
        """Attach a device, inside a step; for a second alias the table is already right."""
        if not dev.priv:
            warn("attach_after_release", f"attach_dev() on {dev}, whose driver data is gone")
            return
        self.unlink(dev, dev.domain)
        domain.list_add(dev)
        domain.hold()
        dev.domain = domain
        self.program(dev.rid, domain)

    def unlink(self, dev: Device, domain: Domain | None) -> None:
        """Clear a device's record of a domain, inside a step."""
        if domain is not None:
            domain.list_del(dev)
            domain.drop()
        dev.domain = None

    def program(self, rid: str, domain: Domain | str) -> None:
        """Point a RID at a domain's page tables, or block it, inside a step."""
        old = self.table[rid]
        if old is domain:
            return
        self.table[rid] = domain
        if isinstance(domain, Domain):
            domain.hold()
        if isinstance(old, Domain):
            old.drop()

    def block(self, dev: Device) -> None:
        """Stop a device's DMA, inside a step, unless an alias of it is attached."""
        peers = [m for m in self.masters if m is not dev and m.rid == dev.rid]
        if not any(peer.domain is not None for peer in peers):
            self.program(dev.rid, BLOCKED)

    @atomic("hardware")
    def translate(self, dev: Device) -> Domain | str:
        """Find the page tables for a DMA of the device by the RID it carries."""
        to: Domain | str = self.table[dev.rid]
        return to

    @atomic("driver")
    def attach_dev(self, dev: Device, domain: Domain) -> None:
        """Attach a device to a domain: record it, and point its RID at the page tables."""
        self.attach(dev, domain)

    @atomic("driver")
    def release_device(self, dev: Device) -> Domain | None:
        """Begin to release a device: read its domain, which must not be freed from here on."""
        return dev.domain

    @atomic("driver")
    def detach_dev(self, dev: Device) -> Domain | None:
        """Begin to detach a device: read its domain, which must not be freed from here on."""
        return dev.domain

    @atomic("driver")
    def let_go(self, dev: Device, domain: Domain | None) -> None:
        """Take the device off that domain's list and stop its DMA; the driver's data stays."""
        self.unlink(dev, domain)
        self.block(dev)

    @atomic("driver")
    def detach_and_free(self, dev: Device, domain: Domain | None) -> None:
        """Take the device off that domain's list, stop its DMA, free the driver's data."""
        self.unlink(dev, domain)
        self.block(dev)
        dev.priv = False

    @atomic("driver")
    def list_del_init(self, domain: Domain) -> None:
        """Clear the domain in the record of each device that is still attached."""
        for dev in domain.devices:
            dev.domain = None
        domain.devices = ()

    @atomic("driver")
    def block_rids_of(self, domain: Domain) -> None:
        """Block each RID whose table entry still leads to the domain."""
        for rid, to in self.table.items():
            if to is domain:
                self.program(rid, BLOCKED)

    @atomic("driver")
    def block_rids_of_devices(self, domain: Domain) -> None:
        """Block the RID of each device that is still attached, even if it leads elsewhere."""
        for dev in domain.devices:
            self.program(dev.rid, BLOCKED)


class BlindIommu(Iommu):
    """A driver that blocks a device's RID at release, even if another device uses it.

    Source: <b753aecb-ee2a-2cd0-1df2-0c3e977b4cb9@arm.com>: most drivers of 2022 did, arm-smmu
    handles shared stream ids; the comment above domain_context_clear() in intel/iommu.c.
    """

    def block(self, dev: Device) -> None:
        """Stop a device's DMA, and that of its aliases, inside a step."""
        self.program(dev.rid, BLOCKED)


class TableOnlyIommu(Iommu):
    """A driver that records nothing in its devices: only the table says where each is attached."""

    def attach(self, dev: Device, domain: Domain) -> None:
        """Attach a device, inside a step."""
        self.program(dev.rid, domain)


class UncountedTableIommu(TableOnlyIommu):
    """A TableOnlyIommu that takes no reference for the pointer in the table."""

    def program(self, rid: str, domain: Domain | str) -> None:
        """Point a RID at a domain's page tables, or block it, inside a step."""
        self.table[rid] = domain


class IommuGroup(Kref):
    """A struct iommu_group: devices the IOMMU cannot isolate from each other.

    Attributes:
        refs: one for each device in the group; the last one frees the default domain.
        mutex: protects all below.
        devices: the members that operations on the group reach.
        domain: what the group is attached to now.
        default_domain: what the kernel's own drivers use; None without an IOMMU driver.

    Source: drivers/iommu/iommu.c, struct iommu_group, iommu_group_release().
    Simplified: no blocking domain and no owner count; VFIO holds no group reference.
    """

    default_domain: Domain | None = field(kw_only=True)
    domain: Domain | None = field(kw_only=True)
    devices: tuple[Device, ...] = field(kw_only=True)
    mutex: Mutex = field(default_factory=Mutex)

    @atomic("include/linux/list.h")
    def list_del(self, dev: Device) -> None:
        """Take the device off the group's list: operations on the group no longer reach it."""
        self.devices = tuple(other for other in self.devices if other is not dev)

    @atomic("drivers/iommu/iommu.c")
    def iommu_group_set_core_domain(self, domain: Domain, iommu: Iommu) -> None:
        """Move each device that is still listed back to the kernel's own domain."""
        for dev in self.devices:
            iommu.attach(dev, domain)
        self.domain = domain

    @atomic("drivers/iommu/iommu.c")
    def is_on_foreign_domain(self) -> bool:
        """Check whether the group is on a domain that is not the kernel's own."""
        return self.domain is not self.default_domain

    @atomic("drivers/iommu/iommu.c")
    def iommu_group_get(self) -> None:
        """Take a reference on the group."""
        self.get()

    @atomic("drivers/iommu/iommu.c")
    def iommu_group_put(self) -> None:
        """Put a reference on the group; the last one frees its default domain."""
        if self.put() and self.default_domain is not None:
            self.default_domain.owner_leaves()
