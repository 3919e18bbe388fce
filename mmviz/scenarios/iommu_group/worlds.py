"""What several races of this thread share: a group of two devices on VFIO's own domain."""

from typing import Protocol

from mmviz.engine import Map, World
from mmviz.kernel.iommu.iommu import BLOCKED, Device, Domain, Iommu, IommuGroup, TableOnlyIommu


class Plug(World):
    """A group of two devices behind one IOMMU, both attached to VFIO's domain V."""

    a: Device
    b: Device
    group: IommuGroup
    iommu: Iommu
    v: Domain
    d: Domain


DISTINCT, SHARED = ("01:00.0", "02:00.0"), ("00:1e.0", "00:1e.0")


def plug(
    rids: tuple[str, str] = DISTINCT,
    domain: type[Domain] = Domain,
    driver: type[Iommu] = Iommu,
) -> Plug:
    """Build the group as VFIO uses it, of devices with those requester ids."""
    a, b = Device(rids[0], name="device a"), Device(rids[1], name="device b")
    v, d = domain(name="domain V"), domain(name="domain D")
    table: Map[str, Domain | str] = Map(dict.fromkeys(rids, BLOCKED), name="IOMMU")
    iommu = driver(table, (a, b))
    for dev in (a, b):
        iommu.attach(dev, v)
    group = IommuGroup(refs=2, default_domain=d, domain=v, devices=(a, b))
    return Plug(a, b, group, iommu, v, d)


def device_attached_to_freed_domain(k: Plug) -> bool:
    """A device's DMA is translated by the page tables of a freed domain: it may land anywhere."""
    return any(isinstance(to, Domain) and to.freed for to in k.iommu.table.values())


def survivor_loses_translation(k: Plug) -> bool:
    """Device b is in use, and its DMA is no longer translated: its user's work fails."""
    to = k.b.priv and k.group.domain if isinstance(k.iommu, TableOnlyIommu) else k.b.domain
    return bool(to) and k.b in k.group.devices and k.iommu.table[k.b.rid] is not to


class Release(Protocol):
    """An order in which the core releases a device."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None: ...


async def iommu_detach_group(k: Plug) -> None:
    """The group leaves VFIO's domain."""
    await k.group.mutex.mutex_lock()
    await k.group.iommu_group_set_core_domain(k.d, k.iommu)
    await k.group.mutex.mutex_unlock()


async def iommu_domain_free(k: Plug) -> None:
    """VFIO frees its domain."""
    await k.v.iommu_domain_free()


async def vfio_ends_then_b_is_unplugged(k: Plug, order: Release) -> None:
    """What VFIO does when its last user leaves, then the release of device b."""
    await iommu_detach_group(k)
    await iommu_domain_free(k)
    await order.iommu_release_device(k, k.b)


class DomainFree(Release, Protocol):
    """An order, and a driver whose domain_free() does more than free the domain."""

    async def domain_free(self, k: Plug) -> None: ...


async def vfio_ends_and_the_driver_cleans_up(k: Plug, driver: DomainFree) -> None:
    """The same, where the driver's own domain_free() runs."""
    await iommu_detach_group(k)
    await driver.domain_free(k)
    await driver.iommu_release_device(k, k.b)


async def unplug_a(k: Plug, order: Release) -> None:
    """Device a is unplugged."""
    await order.iommu_release_device(k, k.a)


async def dma(k: Plug) -> None:
    """Device b works for VFIO's user."""
    await k.iommu.translate(k.b)
    await k.iommu.translate(k.b)


BAD = (
    device_attached_to_freed_domain,
    "use_after_free",
    "attach_after_release",
    survivor_loses_translation,
)
