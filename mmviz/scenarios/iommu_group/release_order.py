"""A device stays attached to a domain that has been freed.

VFIO has put a group of two devices, a and b, on its own domain V.  CPU0 unplugs a: it takes a
off the group's list, and asks the IOMMU driver to release it.  Meanwhile CPU1 ends VFIO's use of
the group: it moves every device *that is still listed* back to the default domain D, and frees V.
If a is off the list but not yet released, it is not moved.  The hardware goes on walking V's page
tables for a, and the driver's release then follows a's pointer to V.

Promise: Whatever a device is attached to is alive: no domain is freed while hardware or the
    driver still points at it.

Memory model: sequentially consistent; group->mutex or the order of the steps does the rest.

Simplified:
    VFIO ends its use with iommu_detach_group(); all listed devices move to the default domain in
    one step under group->mutex.  Where the mail's diagram says iommu_device_use_default_domain(b),
    the AsMailed cases take that step: the kernel's function moves no device, it counts a user, and
    fails with -EBUSY while VFIO owns the group.  So there VFIO first gives the group up, which the
    diagram takes for granted; what VFIO does before, and b's unbinding, are left out.
    The driver's release is two steps: read the pointer; then use it, block the RID and free the
    driver's data.
    DMA has no step of its own: a table entry that leads to a freed domain is bad in itself.
    No IOTLB and no blocking domain.
    VFIO holds no group reference, and has unmapped V.
    HoldGroupReference puts the device's reference after the release, Murphy's mail before it; the
    extra reference makes the two the same.
    The sanity WARNs are in warn_at_removal.

Sources:
    <Yxs+1s+MPENLTUpG@nvidia.com> the diagram; the mutex held across release, as merged
    <YxuGQDCzDsvKV2W8@nvidia.com> the diagram again, and the alternatives discussed
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> the patch discussed (n3)
    <87b7041e-bc8d-500c-7167-04190e3795a9@arm.com> Robin Murphy's extra reference (n4)
    <38bac59a-808d-5e91-227a-a3a06633c091@arm.com> Robin Murphy sees the race: a domain may become
    invalid at any point after the mutex has been dropped
    <e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com> his patch that holds and rebinds (n12)
    drivers/iommu/iommu.c: iommu_release_device(), iommu_group_remove_device(),
    iommu_detach_group(), iommu_domain_free(), iommu_group_release(),
    iommu_device_use_default_domain(), iommu_group_release_dma_owner()
    a6a4c7e2c5b8 (v5.8-rc1) removal before release; 9ac8545199a1 (v5.8) release before removal
    dba9ca9d41f5 (v6.4) one critical section
    aa0958570f24 (v6.6) iommu_deinit_device(): release, then the domains with the last device
    24dfb197c3b7 (v6.4) ipmmu-vmsa stops taking the group's mutex in release
"""

from mmviz.engine import Race
from mmviz.kernel.iommu.dma_owner import OwnedGroup
from mmviz.kernel.iommu.iommu import Device
from mmviz.kernel.iommu.module import IommuModule, ModularGroup
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.iommu_group import (
    CHECKED,
    IPMMU_VMSA,
    MERGED,
    MURPHY_ALTERNATIVES,
    MURPHY_REFERENCE,
    RELEASE_CANDIDATE,
    RELEASE_FIRST,
    SERIES_V1,
)
from mmviz.scenarios.iommu_group.worlds import (
    BAD,
    Plug,
    Release,
    device_attached_to_freed_domain,
    iommu_domain_free,
    plug,
    unplug_a,
    vfio_ends_then_b_is_unplugged,
)


class OwnedPlug(Plug):
    """The same group, which knows its owner."""

    group: OwnedGroup


def owned_plug() -> OwnedPlug:
    """VFIO uses the group, and owns it."""
    k = plug()
    group = OwnedGroup(
        refs=2, default_domain=k.d, domain=k.v, devices=(k.a, k.b), owner="vfio", owner_cnt=1
    )
    return OwnedPlug(k.a, k.b, group, k.iommu, k.v, k.d)


class ModularPlug(Plug):
    """The same group, whose default domain goes with the last device."""

    group: ModularGroup
    module: IommuModule


def modular_plug() -> ModularPlug:
    """VFIO uses the group; both devices hold the driver's module."""
    k, module = plug(), IommuModule(refs=2)
    group = ModularGroup(refs=2, default_domain=k.d, domain=k.v, devices=(k.a, k.b), driver=module)
    return ModularPlug(k.a, k.b, group, k.iommu, k.v, k.d, module)


async def iommu_group_release_dma_owner(k: OwnedPlug) -> None:
    """VFIO gives the group up: the listed devices go back to the default domain."""
    await k.group.mutex.mutex_lock()
    await k.group.release_dma_owner(k.iommu)
    await k.group.mutex.mutex_unlock()


async def iommu_device_use_default_domain(k: OwnedPlug, dev: Device) -> bool:
    """The driver core is about to bind a kernel driver to dev; False is -EBUSY."""
    await k.group.mutex.mutex_lock()
    usable = await k.group.iommu_device_use_default_domain(dev)
    await k.group.mutex.mutex_unlock()
    return usable


async def right_column(k: OwnedPlug, order: Release) -> None:
    """CPU1 of the diagram, line by line."""
    if await iommu_device_use_default_domain(k, k.b):
        await iommu_domain_free(k)
        await order.iommu_release_device(k, k.b)


async def vfio_ends_as_mailed(k: OwnedPlug, order: Release) -> None:
    """CPU1 of the diagram, and before it what the diagram takes for granted."""
    await iommu_group_release_dma_owner(k)
    await right_column(k, order)


race = Race(
    "B1",
    world=plug,
    actors={"CPU0": unplug_a, "CPU1": vfio_ends_then_b_is_unplugged},
    bad=BAD,
)


@race.case(
    "n3",
    "as proposed in 2022 (series v1): off the list, unlock, release",
    sometimes=[device_attached_to_freed_domain, "use_after_free"],
    states=92,
    schedules={"the thread's own run": "CPU0*3 CPU1*10 CPU0*2"},
    source=SERIES_V1,
)
class DelistThenRelease:
    """Off the list under the mutex, released after it."""

    async def __iommu_group_remove_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()  # redundant in ways_to_leave: only one CPU acts
        await k.group.list_del(dev)  # redundant in ways_to_leave: the list is not walked again
        await k.group.mutex.mutex_unlock()

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await self.__iommu_group_remove_device(k, dev)
        # dev is on no list now
        # redundant in ways_to_leave: b keeps its translation whether a is released or not
        domain = await k.iommu.release_device(dev)
        # redundant in ways_to_leave: b keeps its translation whether a is released or not
        await k.iommu.detach_and_free(dev, domain)
        # redundant: whether the group's own memory is freed is not judged
        await k.group.iommu_group_put()


@race.case(
    "n1",
    "before 9ac8545199a1 (5.8-rc): off the list, put the group, release",
    always=[device_attached_to_freed_domain, "use_after_free"],
    kind="ordering",
    states=105,
    source=RELEASE_CANDIDATE,
)
class PutGroupFirst:
    """The group's reference is put before the driver has released the device."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()  # the last reference frees the default domain
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)


@race.case(
    "n2",
    "as shipped v5.8 to v6.3: release, then off the list",
    sometimes=["use_after_free", "attach_after_release"],
    states=159,
    source=RELEASE_FIRST,
)
class ReleaseThenDelist:
    """Released first, and still on the list."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()


@race.case(
    "n4",
    "from the replies: series v1 with an extra group reference around it",
    sometimes=[device_attached_to_freed_domain, "use_after_free"],
    states=138,
    source=MURPHY_REFERENCE,
)
class HoldGroupReference(DelistThenRelease):
    """An extra reference keeps the group and its default domain; V belongs to VFIO."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.iommu_group_get()
        await super().iommu_release_device(k, dev)
        await k.group.iommu_group_put()


@race.case(
    "n12",
    "from the replies: attach the leaving device to the default domain first",
    states=82,
    source=MURPHY_ALTERNATIVES,
)
class RebindToDefault:
    """(5) Before it leaves, dev is attached to the default domain."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        # redundant in RebindToDefault: both CPUs lead device a to D
        await k.group.mutex.mutex_lock()
        if await k.group.is_on_foreign_domain():
            await k.iommu.attach_dev(dev, k.d)
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        # redundant in RebindToDefault: D is not freed here
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        # redundant: whether the group's own memory is freed is not judged
        await k.group.iommu_group_put()


@race.case(
    "n12-held",
    "from the replies, as the patch there has it: rebind, and hold a group reference",
    states=126,
    source=MURPHY_ALTERNATIVES,
)
class HoldAndRebind:
    """(5) as mailed: the device's own reference goes early, an extra one keeps the group."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.iommu_group_get()
        # redundant: both CPUs lead device a to D
        await k.group.mutex.mutex_lock()
        if await k.group.is_on_foreign_domain():
            await k.iommu.attach_dev(dev, k.d)
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()  # redundant: a reference too many only keeps D
        domain = await k.iommu.release_device(dev)  # redundant: the extra reference keeps D
        await k.iommu.detach_and_free(dev, domain)
        await k.group.iommu_group_put()  # redundant: whether D is freed at all is not judged


@race.case(
    "n5",
    "as merged in v6.4: one critical section",
    source=MERGED,
    states=53,
)
class ReleaseUnderMutex:
    """(1) One critical section: an actor that holds the mutex finds dev listed, or released."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.mutex.mutex_unlock()
        # redundant: whether the group's own memory is freed is not judged
        await k.group.iommu_group_put()


@race.case(
    "n13",
    "the merged order with a driver that takes the mutex again (ipmmu-vmsa until v6.3)",
    deadlock=True,
    kind="ordering",
    states=13,
    source=IPMMU_VMSA,
)
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


@race.case(
    "n5-v6.6",
    "since v6.6: iommu_deinit_device() also frees the group's domains with the last device",
    world=modular_plug,
    note="no verdict changed: the domains are freed after the release, under the same mutex",
    source=shipped("v6.6", where="aa0958570f24", checked=CHECKED),
    states=61,
)
class DomainsWithLastDevice:
    """(1) as in v6.6: the last put of the group has no domain left to free."""

    async def iommu_release_device(self, k: ModularPlug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        # redundant: the last put would free the domain as well
        await k.group.iommu_deinit_device()
        await k.group.mutex.mutex_unlock()
        # redundant: whether the group's own memory is freed is not judged
        await k.group.iommu_group_put()


@race.case(
    "n5-v6.6-early",
    "tempting on v6.6: the domains are freed before the driver releases the last device",
    world=modular_plug,
    always=[device_attached_to_freed_domain, "use_after_free"],
    kind="ordering",
    source=constructed("what the order inside iommu_deinit_device() is for"),
    states=57,
)
class DomainsBeforeRelease:
    """The last device is still attached to the domain that goes."""

    async def iommu_release_device(self, k: ModularPlug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        await k.group.iommu_deinit_device()
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()


race.case(
    "n3-mailed",
    "series v1, line by line as in the reply's diagram",
    name="AsMailed",
    of=DelistThenRelease,
    world=owned_plug,
    actors=race.actors | {"CPU1": vfio_ends_as_mailed},
    sometimes=[device_attached_to_freed_domain, "use_after_free"],
    states=115,
    schedules={"as mailed": "CPU0*3 CPU1*13 CPU0*2"},
    source=SERIES_V1,
)

race.case(
    "n5-mailed",
    "the merged order (v6.4): the diagram's third line has to wait",
    name="AsMailedUnderMutex",
    of=ReleaseUnderMutex,
    world=owned_plug,
    actors=race.actors | {"CPU1": vfio_ends_as_mailed},
    states=66,
    source=MERGED,
)

race.case(
    "n3-mailed-owned",
    "the diagram to the letter: VFIO still owns the group, and b's driver gets -EBUSY",
    name="AsMailedStillOwned",
    of=DelistThenRelease,
    world=owned_plug,
    actors=race.actors | {"CPU1": right_column},
    states=24,
    source=constructed("the diagram's third line alone moves no device"),
)


race.dial(
    "ReleaseUnderMutex",
    "list_del",
    why="the group's mutex is held around the load and the store of the list",
)
