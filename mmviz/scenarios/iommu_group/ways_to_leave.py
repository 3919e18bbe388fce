"""More ways to let a device leave while its alias is in use.

As in shared_rid, a is unplugged and b, with the same requester id, stays in use.  What the core
asks of the driver for a alone (attach it to another domain, detach it, attach it afresh) happens
to b as well.  It is right only if the driver looks which other devices have the RID, or if the core
asks it for the whole group on purpose.

Promise: As long as VFIO uses device b, b's DMA goes through the domain that b is attached to.

Memory model: sequentially consistent; all but CountReferences is done under group->mutex.

Simplified:
    As shared_rid.
    WholeGroup keeps b's note and b's entry together; that b is moved away from VFIO's domain is
    what the core means there, and a question for the user of b.  With RIDs of their own it is the
    same.
    AttachDetachesFirst is not an unplug: a is attached again to the domain it has.
    ReleaseDomain: the domain for leaving devices is the default domain D here, a static blocking
    domain in the kernel.  The thread does not speak of it; that a driver which does not look at
    aliases breaks b follows from the code.

Sources:
    <e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com> the patch detaches where no default domain exists
    (o4); the callback (o5); the references (o6)
    <YxvQNTD1U4bs5TZD@nvidia.com> the references must count the table's entries too (o6)
    <YxuGQDCzDsvKV2W8@nvidia.com> operations work only on every device of a group (o8); a second
    attach with the same parameters is a NOP (o9)
    <b753aecb-ee2a-2cd0-1df2-0c3e977b4cb9@arm.com> most drivers of 2022 disable the RID blindly
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> the patch discussed
    drivers/iommu/iommu.c: __iommu_detach_device(), __iommu_group_set_domain(),
    iommu_deinit_device()
    0061ffe289e1 (v6.9) release_domain
    81e921fd3216 (v6.9) VT-d uses it; drivers/iommu/intel/iommu.c, domain_context_clear(), clears
    the entries of all aliases
"""

from functools import partial

from mmviz.engine import Race
from mmviz.kernel.iommu.alias import AliasAwareAttachIommu, RidWideDetachIommu
from mmviz.kernel.iommu.iommu import BlindIommu, CountedDomain, Device
from mmviz.kernel.provenance import constructed, shipped
from mmviz.scenarios.iommu_group import (
    BLIND_DRIVERS,
    CHECKED,
    COUNT_HARDWARE,
    MURPHY_ALTERNATIVES,
    SHARED_RID_REPLY,
)
from mmviz.scenarios.iommu_group.driver_helps_itself import DetachUnderMutex
from mmviz.scenarios.iommu_group.release_order import DelistThenRelease
from mmviz.scenarios.iommu_group.worlds import (
    BAD,
    DISTINCT,
    SHARED,
    Plug,
    dma,
    plug,
    survivor_loses_translation,
    unplug_a,
)

# Device a is unplugged while device b is in use.
race = Race(
    "B2",
    world=partial(plug, SHARED),
    actors={"CPU0": unplug_a, "DEV": dma},
    bad=BAD,
    daemons=["DEV"],
)
RELEASE_DOMAIN = shipped("v6.9", where="0061ffe289e1", checked=CHECKED)


@race.case(
    "o4-distinct",
    "for comparison: the same where each device has its own RID",
    name="DetachDeviceDistinctRids",
    world=partial(plug, DISTINCT, driver=RidWideDetachIommu),
    states=30,
    source=MURPHY_ALTERNATIVES,
)
@race.case(
    "o4",
    "the leaving device is detached",
    world=partial(plug, SHARED, driver=RidWideDetachIommu),
    always=[survivor_loses_translation],
    kind="ordering",
    states=30,
    source=MURPHY_ALTERNATIVES,
)
class DetachDevice:
    """Before it leaves, dev is detached: there is no default domain to go to."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        if await k.group.is_on_foreign_domain():
            attached = await k.iommu.detach_dev(dev)
            await k.iommu.let_go(dev, attached)
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.iommu_group_put()


# (2) and (3) again, with b in use.

race.case(
    "o5-blind",
    "a callback under the mutex, of a driver that blocks the RID",
    name="DetachCallbackBlindly",
    of=DetachUnderMutex,
    world=partial(plug, SHARED, driver=BlindIommu),
    always=[survivor_loses_translation],
    kind="ordering",
    states=27,
    source=BLIND_DRIVERS,
)

race.case(
    "o5",
    "the same callback, of a driver that leaves a shared RID alone",
    name="DetachCallback",
    of=DetachUnderMutex,
    states=27,
    source=MURPHY_ALTERNATIVES,
)

race.case(
    "o6",
    "references on the domain, and a driver that leaves a shared RID alone",
    name="CountReferences",
    of=DelistThenRelease,
    world=partial(plug, SHARED, CountedDomain),
    states=21,
    source=COUNT_HARDWARE,
)


@race.case(
    "o7-distinct",
    "for comparison: the same where each device has its own RID",
    name="ReleaseDomainDistinctRids",
    world=partial(plug, DISTINCT),
    states=24,
    source=RELEASE_DOMAIN,
)
@race.case(
    "o7-aware",
    "the same, and attaching leaves a shared RID alone",
    name="ReleaseDomainAliasAware",
    world=partial(plug, SHARED, driver=AliasAwareAttachIommu),
    states=24,
    source=constructed("what release_domain asks of a driver where devices share a RID"),
)
@race.case(
    "o7",
    "tempting (v6.9): the core attaches a domain made for leaving devices",
    always=[survivor_loses_translation],
    kind="ordering",
    states=24,
    source=RELEASE_DOMAIN,
)
class ReleaseDomain:
    """In the merged order the core attaches a domain made for leaving devices."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        await k.iommu.attach_dev(dev, k.d)
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()


race.case(
    "o5-distinct",
    "for comparison: the callback where each device has its own RID",
    name="DetachCallbackDistinctRids",
    of=DetachUnderMutex,
    world=partial(plug, DISTINCT, driver=BlindIommu),
    states=27,
    source=MURPHY_ALTERNATIVES,
)

race.case(
    "o6-distinct",
    "for comparison: references where each device has its own RID",
    name="CountReferencesDistinctRids",
    of=DelistThenRelease,
    world=partial(plug, DISTINCT, CountedDomain),
    states=21,
    source=COUNT_HARDWARE,
)


@race.case(
    "o8",
    "each device of the group is moved, then one leaves",
    states=24,
    source=SHARED_RID_REPLY,
)
class WholeGroup:
    """There is no operation on one device: all are moved, then one leaves."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()  # redundant: only one CPU acts
        # redundant: a device that is not moved stays on V, which is not freed here
        await k.group.iommu_group_set_core_domain(k.d, k.iommu)
        await k.group.list_del(dev)  # redundant: the list is not walked again
        # redundant: b keeps its translation whether a is released or not
        domain = await k.iommu.release_device(dev)
        # redundant: b keeps its translation whether a is released or not
        await k.iommu.detach_and_free(dev, domain)
        await k.group.mutex.mutex_unlock()
        # redundant: whether the group's own memory is freed is not judged
        await k.group.iommu_group_put()


async def iommu_attach_group(k: Plug) -> None:
    """Attach device a to the domain b has; the driver detaches a device before it attaches it."""
    await k.group.mutex.mutex_lock()
    attached = await k.iommu.detach_dev(k.a)
    await k.iommu.let_go(k.a, attached)
    await k.iommu.attach_dev(k.a, k.v)
    await k.group.mutex.mutex_unlock()


race.case(
    "o9",
    "a driver that detaches a device before it attaches it",
    name="AttachDetachesFirst",
    of=iommu_attach_group,
    actors={"CPU0": iommu_attach_group, "DEV": dma},
    world=partial(plug, SHARED, driver=RidWideDetachIommu),
    always=[survivor_loses_translation],
    kind="ordering",
    states=18,
    source=constructed("why a second attach with the same parameters must be a NOP"),
)

race.case(
    "o9-distinct",
    "for comparison: that driver where each device has its own RID",
    name="AttachDetachesFirstDistinctRids",
    of=iommu_attach_group,
    actors={"CPU0": iommu_attach_group, "DEV": dma},
    world=partial(plug, DISTINCT, driver=RidWideDetachIommu),
    states=18,
    source=constructed("that the same attach is harmless where no RID is shared"),
)
