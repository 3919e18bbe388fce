"""A VFIO user keeps the group's file open, and the device is unplugged.

Unplug waits for the device's own users; the group's file is another matter.  As long as it has a
container set the group is on VFIO's domain.  If VFIO lets the unplug proceed, the IOMMU driver
releases a device that is on a user's domain, and closing the file later attaches a device that is
gone.  If VFIO waits for the file, user space that keeps the file open hangs the unplug.

Promise: Every unplug completes, and by then VFIO no longer uses the device.

Memory model: sequentially consistent; locks and the order of the steps do the rest.

Simplified:
    One device, the only one of its group; one open file.
    The core's order is that of v5.8 to v6.3, release then off the list; in NoWaitMergedCore it is
    the merged one.  That core complains of what is a bad state here, released_while_owned.
    Until v5.18 only the unplug of a group's last device waited for the file; here each device is
    the last.
    Waiting is modelled without the vfio_group's lock.
    VFIO's domain is not freed: release_order shows what would follow.

Sources:
    drivers/vfio/vfio_main.c (vfio.c until v5.18): vfio_unregister_group_dev(),
    vfio_device_remove_group(), VFIO_GROUP_UNSET_CONTAINER
    6586b561a91c (2017) the last device's unplug waits until the group has no container
    dc15f82f5329 (v5.19) no longer waits
    <1665222631-202970-1-git-send-email-chenxiang66@hisilicon.com> a report of what follows
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> the thread's patch, with the same
    warning from s390
    <YxuGQDCzDsvKV2W8@nvidia.com> why ownership must have been released when the last device goes
    ca5f21b25749 (v6.1-rc) waits for all users
    3dd59a7dcb97 (v6.1) takes the group away from the file instead
"""

from typing import Protocol

from mmviz.engine import Map, Race, World, field
from mmviz.kernel.iommu.iommu import BLOCKED, Device, Domain, IommuGroup
from mmviz.kernel.iommu.vfio import OwnedIommu, VfioGroup
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.iommu_group import CHECKED


class Opened(World):
    """A device in a group of its own, on VFIO's domain V."""

    a: Device
    group: IommuGroup
    iommu: OwnedIommu
    v: Domain
    d: Domain
    vfio: VfioGroup = field(default_factory=VfioGroup)


def opened() -> Opened:
    """VFIO's user has the group's file open, and its container set."""
    a, v, d = Device("01:00.0", name="device a"), Domain(name="domain V"), Domain(name="domain D")
    table: Map[str, Domain | str] = Map({a.rid: BLOCKED}, name="IOMMU")
    iommu = OwnedIommu(table, (a,), user_domain=v)
    iommu.attach(a, v)
    group = IommuGroup(refs=2, default_domain=d, domain=v, devices=(a,), name="group")
    return Opened(a, group, iommu, v, d)


class Vfio(Protocol):
    """How VFIO unregisters a device, and how the core then releases it."""

    async def unregister(self, k: Opened) -> None: ...
    async def iommu_release_device(self, k: Opened) -> None: ...


async def unplug(k: Opened, vfio: Vfio) -> None:
    """VFIO's driver is unbound from the device, then the core releases it."""
    await k.vfio.vfio_device_put_registration()
    await vfio.unregister(k)
    await vfio.iommu_release_device(k)


async def detach_group(k: Opened) -> None:
    """The group goes back to the kernel's domain."""
    # redundant in DisassociateFileKept: nothing acts through the file
    await k.group.mutex.mutex_lock()
    await k.group.iommu_group_set_core_domain(k.d, k.iommu)
    await k.group.mutex.mutex_unlock()


async def vfio_group_unset_container(k: Opened) -> None:
    """The user gives the group back, if it still is VFIO's."""
    await k.vfio.group_lock.mutex_lock()
    if await k.vfio.has_iommu_group():
        await detach_group(k)
    await k.vfio.drop_user()
    await k.vfio.group_lock.mutex_unlock()


# The unplug, against the close of the group's file.
race = Race(
    "B8",
    world=opened,
    actors={"CPU0": unplug, "CPU1": vfio_group_unset_container},
    bad=("attach_after_release", "released_while_owned", "use_after_free"),
)
# The same, and the user never closes the file: CPU1 takes no step.
KEPT = {"CPU0": unplug}
NO_WAIT = shipped("v5.19", "v6.0", where="dc15f82f5329")
WAIT = shipped("v5.8", "v5.18", where="6586b561a91c")  # with the core's order of v5.8
DISASSOCIATE = shipped("v6.1", where="3dd59a7dcb97", checked=CHECKED)


@race.case(
    "u1-kept",
    "the same, and the file stays open",
    name="NoWaitFileKept",
    actors=KEPT,
    always=["released_while_owned"],
    kind="ordering",
    states=8,
    source=NO_WAIT,
)
@race.case(
    "u1",
    "as in v5.19 and v6.0: unregistering does not wait, the file is closed later",
    sometimes=["attach_after_release", "released_while_owned"],
    states=102,
    schedules={"closed between release and removal": "CPU0*3 CPU1*4"},
    source=NO_WAIT,
)
class NoWait:
    """Unregistering returns at once."""

    async def unregister(self, k: Opened) -> None:
        pass

    async def iommu_release_device(self, k: Opened) -> None:
        domain = await k.iommu.release_device(k.a)
        await k.iommu.detach_and_free(k.a, domain)
        await k.group.mutex.mutex_lock()
        await k.group.list_del(k.a)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()


@race.case(
    "u4",
    "not waiting, with the core's merged order (v6.4): the core complains, and rightly so",
    sometimes=["released_while_owned"],
    states=62,
    source=constructed("that the core's order does not make up for VFIO's"),
)
class NoWaitMergedCore(NoWait):
    """The same, with the core's one critical section."""

    async def iommu_release_device(self, k: Opened) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(k.a)
        domain = await k.iommu.release_device(k.a)
        await k.iommu.detach_and_free(k.a, domain)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()


@race.case("u2", "wait for the file's users, who close it", states=30, source=WAIT)
@race.case(
    "u2-kept",
    "until v5.18: wait for the file's users, who keep it open",
    name="WaitForUsersFileKept",
    actors=KEPT,
    deadlock=True,
    kind="ordering",
    states=2,
    source=WAIT,
)
class WaitForUsers(NoWait):
    """Unregistering waits until the group has no container."""

    async def unregister(self, k: Opened) -> None:
        await k.vfio.wait_for_users()


@race.case(
    "u3",
    "as merged in v6.1: take the group away from the file",
    states=61,
    source=DISASSOCIATE,
)
@race.case(
    "u3-kept",
    "take the group away from a file that stays open",
    name="DisassociateFileKept",
    actors=KEPT,
    kind="ordering",
    states=14,
    source=DISASSOCIATE,
)
class Disassociate(NoWait):
    """The file is left with nothing."""

    async def unregister(self, k: Opened) -> None:
        # redundant in DisassociateFileKept: nothing acts through the file
        await k.vfio.group_lock.mutex_lock()
        await detach_group(k)
        # redundant in DisassociateFileKept: nothing acts through the file
        await k.vfio.disassociate()
        await k.vfio.group_lock.mutex_unlock()
