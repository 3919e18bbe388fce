"""A device stays attached to a domain that has been freed.

VFIO has put a group of two devices, a and b, on its own domain V.  CPU0 unplugs a: it takes a
off the group's list, and asks the IOMMU driver to release it.  Meanwhile CPU1 ends VFIO's use of
the group: it moves every device *that is still listed* back to the default domain D, and frees V.
If a is off the list but not yet released, nobody moves it.  The hardware goes on walking V's page
tables for a, and the driver's release then follows a's pointer to V.

Promise: Whatever a device is attached to is alive: no domain is freed while hardware or the
    driver still points at it.

Memory model: sequentially consistent; group->mutex or the order of the steps does the rest.

Simplified:
    Where the mail says iommu_device_use_default_domain(b), the group's way back to its default
    domain is modelled, iommu_detach_group(); taken literally it would return -EBUSY here.
    Moving all listed devices to the default domain is one step under group->mutex; the driver's
    release is two: read the pointer; then use it, block the RID and free the driver's data.
    DMA has no step of its own: a table entry that leads to a freed domain is bad in itself.
    No IOTLB, no blocking domain, no owner count; VFIO holds no group reference and has unmapped V.
    The sanity WARNs are in warn_at_removal.

Sources:
    <YxuGQDCzDsvKV2W8@nvidia.com> Re: [PATCH 4/4] iommu: Fix ordering of iommu_release_device()
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> (the patch discussed)
    <87b7041e-bc8d-500c-7167-04190e3795a9@arm.com> (Robin Murphy, who sees the race), and
    <e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com> (his proposals n4 and n12)
    drivers/iommu/iommu.c: iommu_release_device(), iommu_group_remove_device(),
    iommu_detach_group(), iommu_domain_free(), iommu_group_release()
    9ac8545199a1 (v5.8) release before removal; dba9ca9d41f5 (v6.4) one critical section
    24dfb197c3b7 (v6.4) ipmmu-vmsa stops taking the group's mutex in release
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from mmviz.engine import Case, Map, Verdict, World, expecting
from mmviz.kernel.iommu import BLOCKED, Device, Domain, Iommu, IommuGroup, TableOnlyIommu


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
    rids: tuple[str, str] = DISTINCT, domain: type[Domain] = Domain, driver: type[Iommu] = Iommu
) -> Plug:
    """Build the group as VFIO uses it."""
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
    async def iommu_release_device(self, k: Plug, dev: Device) -> None: ...


async def iommu_detach_group(k: Plug) -> None:
    """The group leaves VFIO's domain."""
    await k.group.mutex.mutex_lock()
    await k.group.iommu_group_set_core_domain(k.d, k.iommu)
    await k.group.mutex.mutex_unlock()


async def iommu_domain_free(k: Plug) -> None:
    """VFIO's domain goes."""
    await k.v.iommu_domain_free()


async def vfio_ends_then_b_is_unplugged(
    k: Plug, order: Release, free: Callable[[Plug], Awaitable[None]] = iommu_domain_free
) -> None:
    """What VFIO does when its last user leaves, then the release of device b."""
    await iommu_detach_group(k)
    await free(k)
    await order.iommu_release_device(k, k.b)


class DelistThenRelease:
    """Off the list under the mutex, released after it."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        domain = await k.iommu.release_device(dev)  # nobody moves dev any more
        await k.iommu.detach_and_free(dev, domain)
        await k.group.iommu_group_put()


class PutGroupFirst:
    """The group's reference goes before the driver has let go."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()  # the last one frees the default domain
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)


class ReleaseThenDelist:
    """Released first, and still on the list."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()


class HoldGroupReference(DelistThenRelease):
    """An extra reference keeps the group and its default domain; V belongs to VFIO."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.iommu_group_get()
        await super().iommu_release_device(k, dev)
        await k.group.iommu_group_put()


class RebindToDefault:
    """(5) Before it leaves, dev is attached to the default domain."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        if await k.group.is_on_foreign_domain():
            await k.iommu.attach_dev(dev, k.d)
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.iommu_group_put()


class ReleaseUnderMutex:
    """(1) One critical section: whoever finds the list sees dev moved or released."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()


class ReleaseTakesMutex(ReleaseUnderMutex):
    """(1) with a driver whose release takes the group's mutex itself."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        await k.group.mutex.mutex_lock()  # release_device -> arm_iommu_detach_device -> here
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.mutex.mutex_unlock()
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()


BAD = (
    device_attached_to_freed_domain,
    "use_after_free",
    "attach_after_release",
    survivor_loses_translation,
)
SOMETIMES, ALWAYS = Verdict.SOMETIMES, Verdict.ALWAYS


def case(
    order: Release,
    variant: str,
    title: str,
    states: int,
    kind: str = "race",
    shipped: tuple[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the release of device a against the end of VFIO's use and the release of b."""
    return Case(
        name=type(order).__name__,
        id=f"B1/{variant}",
        title=title,
        proposed=proposed,
        world=plug,
        actors={
            "CPU0": lambda k: order.iommu_release_device(k, k.a),
            "CPU1": lambda k: vfio_ends_then_b_is_unplugged(k, order),
        },
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        kind=kind,
        shipped=shipped,
    )


CASES = (
    replace(
        case(
            DelistThenRelease(),
            "n3",
            "as proposed in 2022 (series v1): off the list, unlock, release",
            states=100,
            device_attached_to_freed_domain=SOMETIMES,
            use_after_free=SOMETIMES,
        ),
        schedules={"the thread's own run": "CPU0*3 CPU1*10 CPU0*2"},
        proposed=("2022-09-08", "<4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com>"),
    ),
    case(
        PutGroupFirst(),
        "n1",
        "before 9ac8545199a1 (5.8-rc): off the list, put the group, release",
        states=105,
        kind="ordering",
        device_attached_to_freed_domain=ALWAYS,
        use_after_free=ALWAYS,
    ),
    case(
        ReleaseThenDelist(),
        "n2",
        "as shipped v5.8 to v6.3: release, then off the list",
        states=167,
        shipped=("v5.8", "v6.3"),
        use_after_free=SOMETIMES,
        attach_after_release=SOMETIMES,
    ),
    case(
        HoldGroupReference(),
        "n4",
        "from the replies: series v1 with an extra group reference around it",
        states=158,
        device_attached_to_freed_domain=SOMETIMES,
        use_after_free=SOMETIMES,
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        RebindToDefault(),
        "n12",
        "from the replies: attach the leaving device to the default domain first",
        states=109,
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        ReleaseUnderMutex(),
        "n5",
        "as merged in v6.4: one critical section",
        states=61,
        shipped=("v6.4", ""),
        proposed=("2022-09-09", "<Yxs+1s+MPENLTUpG@nvidia.com>"),
    ),
    replace(
        case(
            ReleaseTakesMutex(),
            "n13",
            "the merged order with a driver that takes the mutex again (ipmmu-vmsa until v6.3)",
            states=13,
            kind="ordering",
        ),
        stuck=True,
    ),
)

SPARE = {
    "RebindToDefault: await k.group.mutex.mutex_lock()": "Both CPUs lead device a to D.",
    "RebindToDefault: domain = await k.iommu.release_device(dev)": "Nobody frees D here.",
    "await k.group.iommu_group_put()": "Whether the group's own memory is freed is not judged.",
}
