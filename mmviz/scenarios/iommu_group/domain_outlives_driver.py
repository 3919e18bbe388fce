"""The group's default domain is freed by a driver that has been unloaded.

The default domain went with the group's last reference.  That reference need not be a device's: an
open VFIO group file or sysfs file holds one, too.  If the devices are gone by then, the IOMMU
driver may be gone as well, and its domain_free() with it.  Freeing the domain when the last device
leaves is right; freeing it when any device leaves is not.

Promise: The domains of a group are freed by code that is still loaded, when no device uses them.

Memory model: sequentially consistent; the order of the steps does the rest.

Simplified:
    Devices a and b are unplugged one after the other, each release in one step: no mutex is
    modelled; release_order shows what it is for.
    One reference on the driver's module for both devices, put with the second.
    DMA has no step: a table entry that leads to a freed domain is bad in itself.

Sources:
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> off the list, release, then free
    the domains
    drivers/iommu/iommu.c: iommu_group_release(), iommu_deinit_device()
    a6a4c7e2c5b8 (v5.8-rc1) the group is put before the release; 9ac8545199a1 (v5.8) after it
    df15d76dcaca, aa0958570f24, cfb6ee65f760 (v6.6) the domains are freed with the last device
"""

from typing import Protocol

from mmviz.engine import Map, Race, World
from mmviz.kernel.iommu.iommu import BLOCKED, Device, Domain, Iommu
from mmviz.kernel.iommu.module import IommuModule, ModularGroup
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.iommu_group import CHECKED, RELEASE_CANDIDATE


class Modular(World):
    """A group of two devices, with one more reference: an open file's."""

    a: Device
    b: Device
    group: ModularGroup
    iommu: Iommu
    d: Domain
    driver: IommuModule


def modular() -> Modular:
    """Both devices are on the default domain."""
    a, b = Device("01:00.0", name="device a"), Device("02:00.0", name="device b")
    d, driver = Domain(name="domain D"), IommuModule()
    table: Map[str, Domain | str] = Map({a.rid: BLOCKED, b.rid: BLOCKED}, name="IOMMU")
    iommu = Iommu(table, (a, b))
    for dev in (a, b):
        iommu.attach(dev, d)
    group = ModularGroup(
        refs=3, default_domain=d, domain=d, devices=(a, b), driver=driver, name="group"
    )
    return Modular(a, b, group, iommu, d, driver)


def device_attached_to_freed_domain(k: Modular) -> bool:
    """A device's DMA is translated by the page tables of a freed domain: it may land anywhere."""
    return any(isinstance(to, Domain) and to.freed for to in k.iommu.table.values())


class Order(Protocol):
    """An order in which a device is released and the group's domains are freed."""

    async def iommu_release_device(self, k: Modular, dev: Device) -> None: ...


async def release(k: Modular, dev: Device) -> None:
    """The driver releases the device."""
    domain = await k.iommu.release_device(dev)
    await k.iommu.detach_and_free(dev, domain)


async def unplug(k: Modular, order: Order) -> None:
    """Both devices are unplugged, then their reference on the driver is put."""
    await order.iommu_release_device(k, k.a)
    await order.iommu_release_device(k, k.b)
    await k.driver.module_put()


async def delete_module(k: Modular) -> None:
    """Root unloads the IOMMU driver."""
    await k.driver.try_stop_module()
    await k.driver.free_module()


async def vfio_group_fops_release(k: Modular) -> None:
    """A file that held the group is closed."""
    await k.group.iommu_group_put()


# The unplugs, against the unloading of the driver and the close of a file.
race = Race(
    "B6",
    world=modular,
    actors={"CPU0": unplug, "CPU1": delete_module, "CPU2": vfio_group_fops_release},
    bad=(device_attached_to_freed_domain, "use_after_free", "calls_unloaded_code"),
)
PUT_FREES = shipped("v5.8", "v6.5", where="9ac8545199a1")


@race.case(
    "s1",
    "before 9ac8545199a1 (5.8-rc): the group is put before the driver's release",
    sometimes=[device_attached_to_freed_domain, "use_after_free", "calls_unloaded_code"],
    states=26,
    source=RELEASE_CANDIDATE,
)
class PutThenRelease:
    """The group's reference is put before the driver has released the device."""

    async def iommu_release_device(self, k: Modular, dev: Device) -> None:
        await k.group.list_del(dev)
        await k.group.iommu_group_put()
        await release(k, dev)


@race.case(
    "s2",
    "as v5.8 to v6.5, and the IOMMU driver is a module",
    sometimes=["calls_unloaded_code"],
    states=25,
    schedules={"the file is closed when the driver is gone": "CPU0*9 CPU1*2 CPU2"},
    source=PUT_FREES,
)
class LastPutFrees:
    """The domain lives as long as the group."""

    async def iommu_release_device(self, k: Modular, dev: Device) -> None:
        await release(k, dev)
        await k.group.list_del(dev)
        await k.group.iommu_group_put()


@race.case(
    "s4",
    "tempting: domains are freed at each release, even if a device is left in the group",
    always=[device_attached_to_freed_domain, "use_after_free"],
    kind="ordering",
    states=18,
    source=constructed("what the test for an empty list in iommu_deinit_device() is for"),
)
class AnyDeviceFrees:
    """The first device that leaves takes the group's domains with it."""

    async def iommu_release_device(self, k: Modular, dev: Device) -> None:
        await k.group.list_del(dev)
        await release(k, dev)
        await k.group.iommu_deinit_domains()
        await k.group.iommu_group_put()


race.case(
    "s2-builtin",
    "as v5.8 to v6.5, where the driver cannot be unloaded",
    name="LastPutFreesBuiltIn",
    of=LastPutFrees,
    actors={"CPU0": unplug, "CPU2": vfio_group_fops_release},
    states=20,
    source=PUT_FREES,
)


@race.case(
    "s3",
    "as in v6.6: the domains go with the last device",
    states=28,
    source=shipped("v6.6", where="aa0958570f24", checked=CHECKED),
)
class LastDeviceFrees:
    """The domain lives as long as a device is in the group."""

    async def iommu_release_device(self, k: Modular, dev: Device) -> None:
        await k.group.list_del(dev)
        await release(k, dev)
        await k.group.iommu_deinit_device()
        # redundant: the last device has freed the domains; the group's memory is not modelled
        await k.group.iommu_group_put()
