"""A driver takes a device out of its group, and the IOMMU driver is not notified.

iommu_group_remove_device() is exported, for groups that have no IOMMU driver behind them.  Called
for a real device it takes the device off the list and puts the group; the last put frees the
default domain.  The IOMMU driver has not been told to let go: the hardware's table still leads
there.

Promise: No domain is freed while hardware or the driver still points at it.

Memory model: sequentially consistent; one thread alone gets it wrong.

Simplified:
    One device, the last of its group.  Its release by the core comes afterwards, as until v6.3.
    DMA has no step: it may come at any time, so a table entry that leads to a freed domain is bad
    in itself.
    The cases with a WARN are as wrong; that the kernel says so is a property of its own here.
    The WARN stands beside the removal from the list, in one step; in the mails it comes before the
    mutex is taken.
    No blocking domain: a group that has an IOMMU driver has a default domain.

Sources:
    <YxpiBEbGHECGGq5Q@nvidia.com> a WARN if the group has a default or a blocking domain
    <38bac59a-808d-5e91-227a-a3a06633c091@arm.com> objects that a real device always has one
    <Yxs+1s+MPENLTUpG@nvidia.com> why the function cannot work, and a WARN if the group is attached
    to any domain
    <YxuGQDCzDsvKV2W8@nvidia.com> the same, against Robin Murphy's check
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> the patch discussed
    drivers/iommu/iommu.c: iommu_group_remove_device(), iommu_group_release()
    drivers/vfio/vfio_main.c: callers for groups without an IOMMU driver
    drivers/iommu/fsl_pamu_domain.c: a caller with an IOMMU driver, but without default domains
    9ac8545199a1 (v5.8) the core's release before the removal
    df15d76dcaca, aa0958570f24 (v6.6) one shared path
"""

from functools import partial
from typing import Protocol

from mmviz.engine import Map, Race, World, atomic, warn
from mmviz.kernel.iommu.iommu import BLOCKED, Device, Domain, Iommu, IommuGroup
from mmviz.kernel.provenance import mistake, shipped
from mmviz.scenarios.iommu_group import CHECKED, KEEP_GROUP, MERGED_REPLY


class WarnsOfDomain(IommuGroup):
    """A group that complains when a device leaves it while it is attached to a domain.

    Source: <Yxs+1s+MPENLTUpG@nvidia.com>, WARN_ON(group->domain); not merged.
    """

    @atomic("include/linux/list.h")
    def list_del(self, dev: Device) -> None:
        """Take the device off the group's list, and complain if the group has a domain."""
        if self.domain is not None:
            warn("misuse_is_reported", f"{self.name} has a domain, and a driver removes a device")
        super().list_del(dev).do()


class WarnsOfDefaultDomain(IommuGroup):
    """A group that complains when a device leaves it while a default domain exists.

    Source: <YxpiBEbGHECGGq5Q@nvidia.com>, WARN_ON(group->blocking_domain ||
    group->default_domain); not merged.
    """

    @atomic("include/linux/list.h")
    def list_del(self, dev: Device) -> None:
        """Take the device off the list, and complain if the group has a default domain."""
        if self.default_domain is not None:
            warn("misuse_is_reported", f"{self.name} has a default domain of its own")
        super().list_del(dev).do()


class Outside(World):
    """A device in a group."""

    a: Device
    group: IommuGroup
    iommu: Iommu
    d: Domain


def outside(
    has_domain: bool = True, group: type[IommuGroup] = IommuGroup, own: bool = False
) -> Outside:
    """The group's last device, on the default domain if there is one, or on a driver's own."""
    a, d = Device("01:00.0", name="device a"), Domain(name="domain D")
    table: Map[str, Domain | str] = Map({a.rid: BLOCKED}, name="IOMMU")
    iommu = Iommu(table, (a,))
    if has_domain or own:
        iommu.attach(a, d)
    domain = d if has_domain else None
    members = group(refs=1, default_domain=domain, domain=domain, devices=(a,), name="group")
    return Outside(a, members, iommu, d)


def device_attached_to_freed_domain(k: Outside) -> bool:
    """A device's DMA is translated by the page tables of a freed domain: it may land anywhere."""
    return any(isinstance(to, Domain) and to.freed for to in k.iommu.table.values())


class Removal(Protocol):
    """What iommu_group_remove_device() does, and what becomes of the device then."""

    async def iommu_group_remove_device(self, k: Outside) -> None: ...


async def driver(k: Outside, removal: Removal) -> None:
    """A driver removes the last device of a group."""
    await removal.iommu_group_remove_device(k)


race = Race(
    "B5",
    world=outside,
    actors={"CPU0": driver},
    bad=(device_attached_to_freed_domain, "use_after_free", "misuse_is_reported"),
    kind="ordering",
)
LEGAL = shipped("v5.8", "v6.3", where="9ac8545199a1")


@race.case(
    "q1",
    "a device with an IOMMU driver is removed from outside",
    name="OutsideRealDevice",
    always=[device_attached_to_freed_domain, "use_after_free"],
    states=5,
    source=mistake("<Yxs+1s+MPENLTUpG@nvidia.com>", "2022-09-09"),
)
class OffTheListOnly:
    """Off the list, put; the core's release comes later."""

    async def iommu_group_remove_device(self, k: Outside) -> None:
        await k.group.list_del(k.a)
        await k.group.iommu_group_put()
        domain = await k.iommu.release_device(k.a)
        await k.iommu.detach_and_free(k.a, domain)


race.case(
    "q4",
    "the same, and the kernel complains of the domain that the group is attached to",
    name="OutsideWarned",
    of=OffTheListOnly,
    world=partial(outside, group=WarnsOfDomain),
    always=[device_attached_to_freed_domain, "use_after_free", "misuse_is_reported"],
    states=5,
    source=MERGED_REPLY,
)

race.case(
    "q4-default",
    "the same, and the kernel complains of a default domain",
    name="OutsideWarnedOfDefault",
    of=OffTheListOnly,
    world=partial(outside, group=WarnsOfDefaultDomain),
    always=[device_attached_to_freed_domain, "use_after_free", "misuse_is_reported"],
    states=5,
    source=KEEP_GROUP,
)

race.case(
    "q2",
    "a group without an IOMMU driver, as VFIO emulates",
    name="OutsideNoDriver",
    of=OffTheListOnly,
    world=partial(outside, has_domain=False),
    states=5,
    source=LEGAL,
)

race.case(
    "q3",
    "a driver's own domain, and no default domain that the group could free (FSL PAMU)",
    name="OutsideOwnDomain",
    of=OffTheListOnly,
    world=partial(outside, has_domain=False, own=True),
    states=5,
    source=LEGAL,
)


@race.case(
    "q5",
    "as in v6.6: removal of a real device releases it in full",
    states=7,
    source=shipped("v6.6", where="aa0958570f24", checked=CHECKED),
)
class SharedPath:
    """As for an unplug: a device with an IOMMU driver is released in full."""

    async def iommu_group_remove_device(self, k: Outside) -> None:
        await k.group.mutex.mutex_lock()  # redundant: only one CPU acts
        await k.group.list_del(k.a)  # redundant: the list is not walked again
        # redundant: the reading half of a release; the writing half does what is judged
        domain = await k.iommu.release_device(k.a)
        await k.iommu.detach_and_free(k.a, domain)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()  # redundant: a group that is kept keeps its domain
