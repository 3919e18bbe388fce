"""A driver takes a device out of its group, and the IOMMU driver is not told.

iommu_group_remove_device() is exported, for groups that have no IOMMU driver behind them.  Called
for a real device it takes the device off the list and puts the group; the last put frees the
default domain.  Nobody has told the IOMMU driver to let go: the hardware's table still leads there.

Promise: No domain is freed while hardware or the driver still points at it.

Memory model: sequentially consistent; one thread alone gets it wrong.

Simplified:
    One device, the last of its group.  Its release by the core comes afterwards, as until v6.3.
    DMA has no step: it may come at any time, so a table entry that leads to a freed domain is bad
    in itself.
    OutsideWarned is as wrong; the kernel says so, which is a property of its own here.

Sources:
    <YxuGQDCzDsvKV2W8@nvidia.com> Re: [PATCH 4/4] iommu: Fix ordering of iommu_release_device()
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> (the patch discussed)
    drivers/iommu/iommu.c: iommu_group_remove_device(), iommu_group_release()
    drivers/iommu/fsl_pamu_domain.c, a caller; df15d76dcaca, aa0958570f24 (v6.6) one shared path
"""

from functools import partial
from typing import Protocol

from mmviz.engine import Case, Map, Verdict, World, atomic, expecting, warn
from mmviz.kernel.iommu import BLOCKED, Device, Domain, Iommu, IommuGroup

ALWAYS = Verdict.ALWAYS


class WarnsOfDomain(IommuGroup):
    """A group that complains when it is left with a domain set.

    Source: the WARN proposed in the thread, not merged.
    """

    @atomic("include/linux/list.h")
    def list_del(self, dev: Device) -> None:
        """Take the device off the group's list, and complain if the group has a domain."""
        if self.domain is not None:
            warn("misuse_is_reported", f"{self.name} has a domain, and a driver removes a device")
        super().list_del(dev).do()


class Outside(World):
    """A device in a group."""

    a: Device
    group: IommuGroup
    iommu: Iommu
    d: Domain


def outside(has_domain: bool = True, warns: bool = False, own: bool = False) -> Outside:
    """The group's last device, on the default domain if there is one, or on a driver's own."""
    a, d = Device("01:00.0", name="device a"), Domain(name="domain D")
    table: Map[str, Domain | str] = Map({a.rid: BLOCKED}, name="IOMMU")
    iommu = Iommu(table, (a,))
    if has_domain or own:
        iommu.attach(a, d)
    domain = d if has_domain else None
    kind = WarnsOfDomain if warns else IommuGroup
    group = kind(refs=1, default_domain=domain, domain=domain, devices=(a,), name="group")
    return Outside(a, group, iommu, d)


def device_attached_to_freed_domain(k: Outside) -> bool:
    """A device's DMA is translated by the page tables of a freed domain: it may land anywhere."""
    return any(isinstance(to, Domain) and to.freed for to in k.iommu.table.values())


class Removal(Protocol):
    async def iommu_group_remove_device(self, k: Outside) -> None: ...


class OffTheListOnly:
    """Off the list, put; the core's release comes later."""

    async def iommu_group_remove_device(self, k: Outside) -> None:
        await k.group.list_del(k.a)
        await k.group.iommu_group_put()
        domain = await k.iommu.release_device(k.a)
        await k.iommu.detach_and_free(k.a, domain)


class SharedPath:
    """As for an unplug: a device with an IOMMU driver is released in full."""

    async def iommu_group_remove_device(self, k: Outside) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(k.a)
        domain = await k.iommu.release_device(k.a)
        await k.iommu.detach_and_free(k.a, domain)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()


BAD = (device_attached_to_freed_domain, "use_after_free", "misuse_is_reported")


def case(
    name: str,
    variant: str,
    title: str,
    removal: Removal,
    *,
    states: int,
    has_domain: bool = True,
    warns: bool = False,
    own: bool = False,
    shipped: tuple[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Let a driver remove the last device of a group."""
    return Case(
        name=name,
        id=f"B5/{variant}",
        title=title,
        world=partial(outside, has_domain, warns, own),
        actors={"CPU0": removal.iommu_group_remove_device},
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        kind="ordering",
        shipped=shipped,
        proposed=proposed,
    )


CASES = (
    case(
        "OutsideRealDevice",
        "q1",
        "a device with an IOMMU driver is removed from outside",
        OffTheListOnly(),
        states=5,
        device_attached_to_freed_domain=ALWAYS,
        use_after_free=ALWAYS,
    ),
    case(
        "OutsideWarned",
        "q4",
        "the same, and the kernel complains",
        OffTheListOnly(),
        warns=True,
        states=5,
        device_attached_to_freed_domain=ALWAYS,
        use_after_free=ALWAYS,
        misuse_is_reported=ALWAYS,
        proposed=("2022-09-08", "<YxpiBEbGHECGGq5Q@nvidia.com>"),
    ),
    case(
        "OutsideNoDriver",
        "q2",
        "a group without an IOMMU driver, as VFIO emulates",
        OffTheListOnly(),
        has_domain=False,
        states=5,
    ),
    case(
        "OutsideOwnDomain",
        "q3",
        "a driver's own domain, and no default domain that the group could free (FSL PAMU)",
        OffTheListOnly(),
        has_domain=False,
        own=True,
        states=5,
    ),
    case(
        "SharedPath",
        "q5",
        "as in v6.6: removal of a real device releases it in full",
        SharedPath(),
        states=7,
        shipped=("v6.6", ""),
    ),
)

SPARE = {
    "SharedPath: await k.group.mutex.mutex_lock()": (
        "One thread alone: nobody is there to be kept out."
    ),
    "SharedPath: await k.group.mutex.mutex_unlock()": (
        "One thread alone: nobody comes for the mutex again."
    ),
    "SharedPath: await k.group.list_del(k.a)": (
        "Nobody walks the group's list after the removal here."
    ),
    "SharedPath: domain = await k.iommu.release_device(k.a)": (
        "The reading and the writing half of a release; the second one does what is judged here."
    ),
    "SharedPath: await k.group.iommu_group_put()": (
        "A group that keeps a reference keeps its domain: memory is lost, and nothing dangles."
    ),
}
