"""The group's default domain is freed by a driver that has been unloaded.

The default domain went with the group's last reference.  That reference need not be a device's:
whoever has a VFIO group file or a sysfs file open holds one, too.  If the devices are gone by then,
so may be the IOMMU driver, and its domain_free() with it.  Freeing the domain when the last device
leaves is right; freeing it when any device leaves is not.

Promise: The domains of a group are freed by code that is still there, when no device uses them.

Memory model: sequentially consistent; the order of the steps does the rest.

Simplified:
    Devices a and b are unplugged one after the other, each release in one go: no mutex is shown,
    see release_order for what it is for.
    One reference on the driver's module for both devices, put with the second.
    DMA has no step: a table entry that leads to a freed domain is bad in itself.

Sources:
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com>: off the list, release, then domains
    drivers/iommu/iommu.c: iommu_group_release(), iommu_deinit_device()
    9ac8545199a1 (v5.8); df15d76dcaca, aa0958570f24, cfb6ee65f760 (v6.6)
"""

from typing import Any, Protocol

from mmviz.engine import Case, Map, Verdict, World, expecting
from mmviz.kernel.iommu import BLOCKED, Device, Domain, Iommu
from mmviz.kernel.iommu_module import IommuModule, ModularGroup


class Modular(World):
    """A group of two devices, which somebody else holds too."""

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
    async def iommu_release_device(self, k: Any, dev: Device) -> None: ...


async def release(k: Modular, dev: Device) -> None:
    """The driver lets go."""
    domain = await k.iommu.release_device(dev)
    await k.iommu.detach_and_free(dev, domain)


class PutThenRelease:
    async def iommu_release_device(self, k: Modular, dev: Device) -> None:
        await k.group.list_del(dev)
        await k.group.iommu_group_put()
        await release(k, dev)


class LastPutFrees:
    """The domain lives as long as the group."""

    async def iommu_release_device(self, k: Modular, dev: Device) -> None:
        await release(k, dev)
        await k.group.list_del(dev)
        await k.group.iommu_group_put()


class LastDeviceFrees:
    """The domain lives as long as a device is in the group."""

    async def iommu_release_device(self, k: Modular, dev: Device) -> None:
        await k.group.list_del(dev)
        await release(k, dev)
        await k.group.iommu_deinit_device()
        await k.group.iommu_group_put()


class AnyDeviceFrees:
    async def iommu_release_device(self, k: Modular, dev: Device) -> None:
        await k.group.list_del(dev)
        await release(k, dev)
        await k.group.iommu_deinit_domains()
        await k.group.iommu_group_put()


async def unplug(k: Modular, order: Order) -> None:
    """Both devices go, then the driver's reference."""
    await order.iommu_release_device(k, k.a)
    await order.iommu_release_device(k, k.b)
    await k.driver.module_put()


async def delete_module(k: Modular) -> None:
    """Root unloads the IOMMU driver."""
    await k.driver.try_stop_module()
    await k.driver.free_module()


async def vfio_group_fops_release(k: Modular) -> None:
    """Somebody closes a file that held the group."""
    await k.group.iommu_group_put()


BAD = (device_attached_to_freed_domain, "use_after_free", "calls_unloaded_code")
SOMETIMES, ALWAYS = Verdict.SOMETIMES, Verdict.ALWAYS


def case(
    order: Order,
    variant: str,
    title: str,
    *,
    states: int,
    name: str = "",
    module: bool = True,
    shipped: tuple[str, str] | None = None,
    schedules: dict[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the unplugs against the unloading and whoever holds the group."""
    unload = {"CPU1": delete_module} if module else {}
    return Case(
        name=name or type(order).__name__,
        id=f"B6/{variant}",
        title=title,
        world=modular,
        actors={
            "CPU0": lambda k: unplug(k, order),
            **unload,
            "CPU2": vfio_group_fops_release,
        },
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        schedules=schedules or {},
        kind="ordering" if ALWAYS in broken.values() else "race",
        shipped=shipped,
    )


CASES = (
    case(
        PutThenRelease(),
        "s1",
        "before 9ac8545199a1 (5.8-rc): the group is put before the driver lets go",
        states=26,
        device_attached_to_freed_domain=SOMETIMES,
        use_after_free=SOMETIMES,
        calls_unloaded_code=SOMETIMES,
    ),
    case(
        LastPutFrees(),
        "s2",
        "as v5.8 to v6.5, and the IOMMU driver is a module",
        states=25,
        schedules={"the file is closed when the driver is gone": "CPU0*9 CPU1*2 CPU2"},
        shipped=("v5.8", "v6.5"),
        calls_unloaded_code=SOMETIMES,
    ),
    case(
        AnyDeviceFrees(),
        "s4",
        "tempting: domains are freed at release, whoever is left in the group",
        states=18,
        device_attached_to_freed_domain=ALWAYS,
        use_after_free=ALWAYS,
    ),
    case(
        LastPutFrees(),
        "s2-builtin",
        "as v5.8 to v6.5, where the driver cannot be unloaded",
        name="LastPutFreesBuiltIn",
        module=False,
        states=20,
        shipped=("v5.8", "v6.5"),
    ),
    case(
        LastDeviceFrees(),
        "s3",
        "as in v6.6: the domains go with the last device",
        states=28,
        shipped=("v6.6", ""),
    ),
)

SPARE = {
    "LastDeviceFrees: await k.group.iommu_group_put()": (
        "The last device has freed the domains; the group's own memory is not modelled."
    ),
}
