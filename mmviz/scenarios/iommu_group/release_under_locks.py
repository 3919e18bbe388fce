"""May the group's mutex be held while the driver releases a device?

It is the right fix for release_order, so the thread asked what speaks against it.  A driver's
release must not take the mutex again.  The driver core holds the device's own lock around an
unplug, so no path may take the two locks the other way round; root's change of the group's type in
sysfs did need both.  And a driver may ask in release which domain its device has, so the device
must still know its group; the answer is NULL otherwise, and a driver that believes it does not
detach the device at all.

Promise: An unplug and a change of type both run to their ends, and no device is left attached to a
    freed domain.

Memory model: sequentially consistent; locks and the order of the steps do the rest.

Simplified:
    As release_order, without VFIO: the group is on its default domain D, and the change of type
    moves the listed devices to a domain N and frees D.
    Only device a is unplugged.
    A driver that asks for the domain uses the answer only to decide whether to detach.
    DeviceLockThenMutex: release is under the mutex, as since v6.4.  Until v6.3 it was not; the
    device's lock alone kept the change of type out then.

Sources:
    <Yxs+1s+MPENLTUpG@nvidia.com> the mutex held across release; the group forgotten afterwards
    <YxuGQDCzDsvKV2W8@nvidia.com> which reasons are there not to hold it?
    <YxpiBEbGHECGGq5Q@nvidia.com> s390 asks for its domain: the device keeps its group until then
    <YxvQNTD1U4bs5TZD@nvidia.com> an audit of the functions that drivers may call
    <YyyTxx0HnA3maxEk@nvidia.com> ipmmu-vmsa deadlocks; iommu_get_domain_for_dev() takes no lock
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> forgets the group before release
    drivers/iommu/iommu.c: iommu_release_device(), iommu_group_store_type(),
    iommu_get_domain_for_dev(), which returns NULL for a device without a group
    drivers/iommu/s390-iommu.c: s390_iommu_release_device() until bf8d2dd2ed08: if (domain)
    08a27c1c3ecf (v5.11) the type may be changed in sysfs
    24dfb197c3b7 (v6.4) ipmmu-vmsa; 33793748de8f, 49a22aae7d9c (v6.4) no device_lock in sysfs
    dba9ca9d41f5 (v6.4) one critical section
"""

from mmviz.engine import Map, Race, World, field
from mmviz.kernel.iommu.iommu import BLOCKED, Domain, Iommu
from mmviz.kernel.iommu.sysfs import GroupedDevice, TypedGroup
from mmviz.kernel.provenance import constructed, shipped
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios.iommu_group import IPMMU_VMSA, MERGED, MERGED_REPLY, SERIES_V1


class Typed(World):
    """A group of two devices on its default domain D, and a domain N to come."""

    a: GroupedDevice
    b: GroupedDevice
    group: TypedGroup
    iommu: Iommu
    d: Domain
    n: Domain
    device_lock: Mutex = field(default_factory=lambda: Mutex(name="device_lock of a"))


def typed() -> Typed:
    """The kernel's own drivers use the group."""
    a = GroupedDevice("01:00.0", name="device a")
    b = GroupedDevice("02:00.0", name="device b")
    d, n = Domain(name="domain D"), Domain(name="domain N")
    table: Map[str, Domain | str] = Map({a.rid: BLOCKED, b.rid: BLOCKED}, name="IOMMU")
    iommu = Iommu(table, (a, b))
    group = TypedGroup(refs=2, default_domain=d, domain=d, devices=(a, b), name="group")
    for dev in (a, b):
        iommu.attach(dev, d)
        dev.iommu_group = group
    return Typed(a, b, group, iommu, d, n)


def device_attached_to_freed_domain(k: Typed) -> bool:
    """A device's DMA is translated by the page tables of a freed domain: it may land anywhere."""
    return any(isinstance(to, Domain) and to.freed for to in k.iommu.table.values())


class LockFreeCallback:
    """The merged order, with a driver whose release takes no lock of the core's."""

    async def iommu_release_device(self, k: Typed) -> None:
        await k.device_lock.mutex_lock()
        await k.group.mutex.mutex_lock()
        await k.group.list_del(k.a)
        await self.callback(k)
        await k.group.mutex.mutex_unlock()
        await self.leave(k)
        await k.device_lock.mutex_unlock()

    async def callback(self, k: Typed) -> None:
        domain = await k.iommu.release_device(k.a)
        await k.iommu.detach_and_free(k.a, domain)

    async def leave(self, k: Typed) -> None:
        await k.a.clear_iommu_group()
        await k.group.iommu_group_put()


async def change_type(k: Typed) -> None:
    """Move the group to its new default domain, free the old one."""
    await k.group.iommu_change_dev_def_domain(k.n, k.iommu)
    await k.d.iommu_domain_free()


async def mutex_then_device_lock(k: Typed) -> None:
    """Root changes the type, and the locks are taken the wrong way round."""
    await k.group.mutex.mutex_lock()
    await k.device_lock.mutex_lock()
    await change_type(k)
    await k.device_lock.mutex_unlock()
    await k.group.mutex.mutex_unlock()


async def device_lock_then_mutex(k: Typed) -> None:
    """Root changes the type, and the locks are taken as the driver core takes them."""
    # redundant in DeviceLockThenMutex: the unplug holds both locks, either keeps it out
    await k.device_lock.mutex_lock()
    # redundant in DeviceLockThenMutex: the unplug holds both locks, either keeps it out
    await k.group.mutex.mutex_lock()
    await change_type(k)
    await k.group.mutex.mutex_unlock()
    await k.device_lock.mutex_unlock()


async def mutex_only(k: Typed) -> None:
    """Root changes the type under the mutex: enough, once release is under it."""
    await k.group.mutex.mutex_lock()
    await change_type(k)
    await k.group.mutex.mutex_unlock()


async def unplug_a(k: Typed, release: LockFreeCallback) -> None:
    """Device a is unplugged."""
    await release.iommu_release_device(k)


# The unplug of device a, against a change of the group's type.
race = Race(
    "B4",
    world=typed,
    actors={"CPU0": unplug_a, "CPU1": mutex_only},
    bad=(device_attached_to_freed_domain, "use_after_free", "null_dereference"),
)


@race.case(
    "p1",
    "a driver whose release takes the mutex that is held",
    deadlock=True,
    kind="ordering",
    states=14,
    source=IPMMU_VMSA,
)
class CallbackTakesMutex(LockFreeCallback):
    """As ipmmu-vmsa until v6.3: it detaches by a function that takes the mutex."""

    async def callback(self, k: Typed) -> None:
        await k.group.mutex.mutex_lock()
        await super().callback(k)
        await k.group.mutex.mutex_unlock()


@race.case(
    "p3",
    "tempting: the same driver, released outside the mutex",
    sometimes=[device_attached_to_freed_domain, "use_after_free"],
    states=49,
    source=SERIES_V1,
)
class CallbackOutside(CallbackTakesMutex):
    """The same driver, released when the mutex is dropped."""

    async def iommu_release_device(self, k: Typed) -> None:
        await k.device_lock.mutex_lock()
        await k.group.mutex.mutex_lock()
        await k.group.list_del(k.a)
        await k.group.mutex.mutex_unlock()
        await self.callback(k)
        await self.leave(k)
        await k.device_lock.mutex_unlock()


race.case(
    "p4",
    "sysfs takes the mutex, then the device's lock",
    name="MutexThenDeviceLock",
    of=LockFreeCallback,
    actors=race.actors | {"CPU1": mutex_then_device_lock},
    deadlock=True,
    states=35,
    source=constructed("the order that iommu_group_store_type() had to avoid until v6.3"),
)


@race.case(
    "p7-after",
    "the same driver, asking before the device forgets its group",
    states=40,
    source=MERGED_REPLY,
)
class CallbackAsksDomain(LockFreeCallback):
    """As s390 in 2022: the driver asks which domain its device has, and leaves that."""

    async def callback(self, k: Typed) -> None:
        if await k.a.iommu_get_domain_for_dev() is not None:
            await super().callback(k)


@race.case(
    "p7-before",
    "a driver asks for its domain when the device has forgotten its group",
    sometimes=[device_attached_to_freed_domain],
    kind="ordering",
    states=42,
    source=SERIES_V1,
)
class GroupForgottenFirst(CallbackAsksDomain):
    """The answer is NULL, and the driver, which looks at it, leaves the device attached."""

    async def callback(self, k: Typed) -> None:
        await k.a.clear_iommu_group()
        await super().callback(k)


@race.case(
    "p7-trusting",
    "the same, and the driver does not look at the answer",
    always=["null_dereference"],
    kind="ordering",
    states=20,
    source=constructed("what the driver's look at the answer is for"),
)
class AnswerNotTested(LockFreeCallback):
    """The answer is NULL, and the driver follows it."""

    async def callback(self, k: Typed) -> None:
        await k.a.clear_iommu_group()
        domain = await k.a.iommu_get_domain_for_dev()
        await k.a.enter_detach(domain)
        await super().callback(k)


race.case(
    "p5",
    "sysfs takes the device's lock, then the mutex (until v6.3)",
    name="DeviceLockThenMutex",
    of=LockFreeCallback,
    actors=race.actors | {"CPU1": device_lock_then_mutex},
    states=30,
    source=shipped("v5.11", "v6.3", where="08a27c1c3ecf"),
)

race.case(
    "p2",
    "the merged order alone, with a driver whose release takes none of the core's locks",
    name="CallbackTakesNoLock",
    of=LockFreeCallback,
    actors={"CPU0": unplug_a},
    kind="ordering",
    states=10,
    source=MERGED,
)

race.case(
    "p6",
    "as merged in v6.4: sysfs takes the mutex only",
    name="MutexOnly",
    of=LockFreeCallback,
    states=38,
    source=MERGED,
)
