"""A VFIO user keeps the group's file open, and the device is unplugged.

Unplug waits for the device's own users; the group's file is another matter.  As long as it has a
container set the group is on VFIO's domain.  If VFIO lets the unplug go on, the IOMMU driver
releases a device that is on a user's domain, and the file's close later attaches one that is gone.
If it waits for the file, user space that keeps the file open hangs the unplug.

Promise: An unplug gets to its end, and by then VFIO has left the device alone.

Memory model: sequentially consistent; locks and the order of the steps do the rest.

Simplified:
    One device, the only one of its group; one open file.
    The core's order is that of v5.8 to v6.3, release then off the list; in NoWaitMergedCore it is
    the merged one.  That core complains of what is a property here, released_while_owned.
    VFIO's domain is not freed: release_order has what would follow.

Sources:
    <YxuGQDCzDsvKV2W8@nvidia.com> Re: [PATCH 4/4] iommu: Fix ordering of iommu_release_device()
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> (the series' last patch)
    drivers/vfio/vfio_main.c: vfio_unregister_group_dev(), VFIO_GROUP_UNSET_CONTAINER
    ca5f21b25749 (v6.1) waits for all users; 3dd59a7dcb97 (v6.1) disassociates instead
"""

from typing import Any, Protocol

from mmviz.engine import Case, Map, Verdict, World, expecting, field
from mmviz.kernel.iommu import BLOCKED, Device, Domain, IommuGroup
from mmviz.kernel.vfio import OwnedIommu, VfioGroup


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
    async def unregister(self, k: Any) -> None: ...
    async def iommu_release_device(self, k: Any) -> None: ...


async def unplug(k: Opened, vfio: Vfio) -> None:
    """VFIO's driver is unbound from the device, then the core releases it."""
    await k.vfio.vfio_device_put_registration()
    await vfio.unregister(k)
    await vfio.iommu_release_device(k)


async def detach_group(k: Opened) -> None:
    """The group goes back to the kernel's domain."""
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


async def keep_file_open(k: Opened) -> None:
    """The user keeps the file and does nothing: an actor without a step."""


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


class NoWaitMergedCore(NoWait):
    """The same, with the core's one critical section."""

    async def iommu_release_device(self, k: Opened) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(k.a)
        domain = await k.iommu.release_device(k.a)
        await k.iommu.detach_and_free(k.a, domain)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()


class WaitForUsers(NoWait):
    async def unregister(self, k: Opened) -> None:
        await k.vfio.wait_for_users()


class Disassociate(NoWait):
    """The file is left with nothing."""

    async def unregister(self, k: Opened) -> None:
        await k.vfio.group_lock.mutex_lock()
        await detach_group(k)
        await k.vfio.disassociate()
        await k.vfio.group_lock.mutex_unlock()


BAD = ("attach_after_release", "released_while_owned", "use_after_free")
SOMETIMES, ALWAYS = Verdict.SOMETIMES, Verdict.ALWAYS


def case(
    vfio: Vfio,
    variant: str,
    title: str,
    *,
    states: int,
    kept: bool = False,
    stuck: bool = False,
    shipped: tuple[str, str] | None = None,
    schedules: dict[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the unplug against the file's close, if it is closed at all."""
    return Case(
        name=type(vfio).__name__ + ("FileKept" if kept else ""),
        id=f"B8/{variant}",
        title=title,
        world=opened,
        actors={
            "CPU0": lambda k: unplug(k, vfio),
            "CPU1": keep_file_open if kept else vfio_group_unset_container,
        },
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        schedules=schedules or {},
        stuck=stuck,
        kind="ordering" if kept else "race",
        shipped=shipped,
    )


CASES = (
    case(
        NoWait(),
        "u1",
        "as in v6.0: unregistering does not wait, the file is closed some time",
        states=102,
        schedules={"closed between release and removal": "CPU0*3 CPU1*4"},
        shipped=("v6.0", "v6.0"),
        attach_after_release=SOMETIMES,
        released_while_owned=SOMETIMES,
    ),
    case(
        NoWait(),
        "u1-kept",
        "the same, and the file stays open",
        states=8,
        kept=True,
        shipped=("v6.0", "v6.0"),
        released_while_owned=ALWAYS,
    ),
    case(
        NoWaitMergedCore(),
        "u4",
        "not waiting, with the core's merged order (v6.4): it complains, rightly",
        states=62,
        released_while_owned=SOMETIMES,
    ),
    case(
        WaitForUsers(),
        "u2-kept",
        "tempting: wait for the file's users, who keep it open",
        states=2,
        kept=True,
        stuck=True,
    ),
    case(WaitForUsers(), "u2", "wait for the file's users, who close it", states=30),
    case(
        Disassociate(),
        "u3-kept",
        "take the group away from a file that stays open",
        states=14,
        kept=True,
        shipped=("v6.1", ""),
    ),
    case(
        Disassociate(),
        "u3",
        "as merged in v6.1: take the group away from the file",
        states=61,
        shipped=("v6.1", ""),
    ),
)

SPARE = {
    "DisassociateFileKept: await k.group.mutex.mutex_lock()": (
        "The file stays open and nobody acts through it, so nobody is there to be kept out."
    ),
    "DisassociateFileKept: await k.vfio.group_lock.mutex_lock()": (
        "The file stays open and nobody acts through it, so nobody is there to be kept out."
    ),
    "DisassociateFileKept: await k.vfio.group_lock.mutex_unlock()": (
        "The file stays open and nobody comes for this lock again."
    ),
    "DisassociateFileKept: await k.vfio.disassociate()": (
        "Nobody acts through the file here; where it is closed, Disassociate needs this line."
    ),
}
