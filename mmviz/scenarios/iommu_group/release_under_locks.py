"""May the group's mutex be held while the driver releases a device?

It is the right fix for release_order, so somebody had to find out what speaks against it.  A
driver's release must not take the mutex again.  The driver core holds the device's own lock around
an unplug, so nobody may take the two locks the other way round; root's change of the group's type
in sysfs did need both.  And a driver may ask in release which domain its device has, so the device
must still know its group.

Promise: An unplug and a change of type both get to their ends, and no device is left attached to a
    freed domain.

Memory model: sequentially consistent; locks and the order of the steps do the rest.

Simplified:
    As release_order, without VFIO: the group is on its default domain D, and the change of type
    moves the listed devices to a domain N and frees D.
    Only device a is unplugged.

Sources:
    <YxuGQDCzDsvKV2W8@nvidia.com> Re: [PATCH 4/4] iommu: Fix ordering of iommu_release_device()
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> (the patch discussed), and the audit
    of 2022-09-09 to 09-22 that followed
    drivers/iommu/iommu.c: iommu_release_device(), iommu_group_store_type()
    24dfb197c3b7 (v6.4) ipmmu-vmsa; 33793748de8f, 49a22aae7d9c (v6.4) no device_lock in sysfs
    dba9ca9d41f5 (v6.4) one critical section
"""

from collections.abc import Callable, Coroutine
from typing import Any

from mmviz.engine import Case, Map, Verdict, World, expecting, field
from mmviz.kernel.iommu import BLOCKED, Domain, Iommu
from mmviz.kernel.iommu_sysfs import GroupedDevice, TypedGroup
from mmviz.kernel.locks import Mutex

SOMETIMES, ALWAYS = Verdict.SOMETIMES, Verdict.ALWAYS


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


Step = Callable[[Typed], Coroutine[Any, Any, None]]


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


class CallbackTakesMutex(LockFreeCallback):
    """As ipmmu-vmsa until v6.3: it detaches by a function that takes the mutex."""

    async def callback(self, k: Typed) -> None:
        await k.group.mutex.mutex_lock()
        await super().callback(k)
        await k.group.mutex.mutex_unlock()


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


class CallbackAsksDomain(LockFreeCallback):
    """As s390: the driver asks which domain its device has."""

    async def callback(self, k: Typed) -> None:
        await k.a.iommu_get_domain_for_dev()
        await super().callback(k)


class GroupForgottenFirst(CallbackAsksDomain):
    async def callback(self, k: Typed) -> None:
        await k.a.clear_iommu_group()
        await super().callback(k)


async def change_type(k: Typed) -> None:
    """Move the group to its new default domain, free the old one."""
    await k.group.iommu_change_dev_def_domain(k.n, k.iommu)
    await k.d.iommu_domain_free()


async def mutex_then_device_lock(k: Typed) -> None:
    """The wrong way round."""
    await k.group.mutex.mutex_lock()
    await k.device_lock.mutex_lock()
    await change_type(k)
    await k.device_lock.mutex_unlock()
    await k.group.mutex.mutex_unlock()


async def device_lock_then_mutex(k: Typed) -> None:
    """As the driver core takes them."""
    await k.device_lock.mutex_lock()
    await k.group.mutex.mutex_lock()
    await change_type(k)
    await k.group.mutex.mutex_unlock()
    await k.device_lock.mutex_unlock()


async def mutex_only(k: Typed) -> None:
    """Enough, once release is under the mutex."""
    await k.group.mutex.mutex_lock()
    await change_type(k)
    await k.group.mutex.mutex_unlock()


async def iommu_group_store_type(k: Typed, locks: Step) -> None:
    """Root writes another type to the group's file in sysfs."""
    await locks(k)


BAD = (device_attached_to_freed_domain, "use_after_free", "null_dereference")


def case(
    name: str,
    variant: str,
    title: str,
    release: LockFreeCallback,
    locks: Step | None,
    *,
    states: int,
    stuck: bool = False,
    kind: str = "race",
    shipped: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the unplug of device a against a change of the group's type, if there is one."""
    sysfs = {"CPU1": lambda k: iommu_group_store_type(k, locks)} if locks else {}
    return Case(
        name=name,
        id=f"B4/{variant}",
        title=title,
        world=typed,
        actors={"CPU0": release.iommu_release_device, **sysfs},
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        stuck=stuck,
        kind=kind,
        shipped=shipped,
    )


CASES = (
    case(
        "CallbackTakesMutex",
        "p1",
        "a driver whose release takes the mutex that is held",
        CallbackTakesMutex(),
        mutex_only,
        states=14,
        stuck=True,
        kind="ordering",
    ),
    case(
        "CallbackOutside",
        "p3",
        "tempting: the same driver, released outside the mutex",
        CallbackOutside(),
        mutex_only,
        states=52,
        device_attached_to_freed_domain=SOMETIMES,
        use_after_free=SOMETIMES,
    ),
    case(
        "MutexThenDeviceLock",
        "p4",
        "sysfs takes the mutex, then the device's lock",
        LockFreeCallback(),
        mutex_then_device_lock,
        states=35,
        stuck=True,
    ),
    case(
        "GroupForgottenFirst",
        "p7-before",
        "a driver asks for its domain when the device has forgotten its group",
        GroupForgottenFirst(),
        mutex_only,
        states=18,
        kind="ordering",
        null_dereference=ALWAYS,
    ),
    case(
        "CallbackAsksDomain",
        "p7-after",
        "the same driver, asking before the device forgets its group",
        CallbackAsksDomain(),
        mutex_only,
        states=43,
    ),
    case(
        "DeviceLockThenMutex",
        "p5",
        "sysfs takes the device's lock, then the mutex (until v6.3)",
        LockFreeCallback(),
        device_lock_then_mutex,
        states=30,
    ),
    case(
        "CallbackTakesNoLock",
        "p2",
        "the merged order alone, with a driver whose release takes none of the core's locks",
        LockFreeCallback(),
        None,
        states=10,
        kind="ordering",
    ),
    case(
        "MutexOnly",
        "p6",
        "as merged in v6.4: sysfs takes the mutex only",
        LockFreeCallback(),
        mutex_only,
        states=41,
        shipped=("v6.4", ""),
    ),
)

SPARE = {
    "DeviceLockThenMutex: await k.device_lock.mutex_lock()": (
        "The unplug holds both locks, so either of them keeps it out."
    ),
    "DeviceLockThenMutex: await k.group.mutex.mutex_lock()": (
        "The unplug holds both locks, so either of them keeps it out."
    ),
}
