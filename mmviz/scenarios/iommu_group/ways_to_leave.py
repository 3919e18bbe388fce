"""More ways to let a device leave while its alias is in use.

As in shared_rid, a is unplugged and b, with the same requester id, stays in use.  Whatever the core
asks of the driver for a alone, to attach it to another domain, to detach it, to attach it
afresh, it asks of b as well, unless the driver looks who else has the RID, or unless the core asks
it for the group as a whole and means it.

Promise: As long as VFIO uses device b, b's DMA goes through the domain that b is attached to.

Memory model: sequentially consistent; all but CountReferences is done under group->mutex.

Simplified:
    As shared_rid.
    WholeGroup keeps b's note and b's entry together; that b is moved away from VFIO's domain is
    what the core means there, and a question for whoever uses b.
    With RIDs of their own it is the same.
    AttachDetachesFirst is no unplug: a is attached again to the domain it has.
    ReleaseDomain is derived from the kernel's code, nobody in the thread speaks of it.

Sources:
    <YxuGQDCzDsvKV2W8@nvidia.com> Re: [PATCH 4/4] iommu: Fix ordering of iommu_release_device()
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> (the patch discussed)
    drivers/iommu/iommu.c: __iommu_detach_device(), __iommu_group_set_domain(),
    iommu_deinit_device(); 0061ffe289e1 (v6.9) release_domain
"""

from dataclasses import replace

from mmviz.kernel.iommu import BlindIommu, CountedDomain, Device
from mmviz.kernel.iommu_alias import AliasAwareAttachIommu, RidWideDetachIommu
from mmviz.scenarios.iommu_group.driver_helps_itself import DetachUnderMutex
from mmviz.scenarios.iommu_group.release_order import DISTINCT, DelistThenRelease, Plug
from mmviz.scenarios.iommu_group.shared_rid import ALWAYS, case, dma


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


class WholeGroup:
    """There is no operation on one device: all are moved, then one leaves."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.iommu_group_set_core_domain(k.d, k.iommu)
        await k.group.list_del(dev)
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.mutex.mutex_unlock()
        await k.group.iommu_group_put()


async def iommu_attach_group(k: Plug) -> None:
    """Attach device a to the domain b has; the driver detaches a device before it attaches it."""
    await k.group.mutex.mutex_lock()
    attached = await k.iommu.detach_dev(k.a)
    await k.iommu.let_go(k.a, attached)
    await k.iommu.attach_dev(k.a, k.v)
    await k.group.mutex.mutex_unlock()


CASES = (
    case(
        "DetachDevice",
        "B2/o4",
        "the leaving device is detached",
        36,
        DetachDevice(),
        RidWideDetachIommu,
        survivor_loses_translation=ALWAYS,
    ),
    case(
        "DetachDeviceDistinctRids",
        "B2/o4-distinct",
        "for comparison: the same where each device has its own RID",
        30,
        DetachDevice(),
        RidWideDetachIommu,
        rids=DISTINCT,
    ),
    case(
        "DetachCallbackBlindly",
        "B2/o5-blind",
        "a callback under the mutex, of a driver that blocks the RID",
        33,
        DetachUnderMutex(),
        BlindIommu,
        survivor_loses_translation=ALWAYS,
    ),
    case(
        "DetachCallback",
        "B2/o5",
        "the same callback, of a driver that leaves a shared RID alone",
        27,
        DetachUnderMutex(),
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        "CountReferences",
        "B2/o6",
        "references on the domain, and a driver that leaves a shared RID alone",
        21,
        DelistThenRelease(),
        domain=CountedDomain,
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        "ReleaseDomain",
        "B2/o7",
        "tempting (v6.9): the core attaches a domain made for leaving devices",
        29,
        ReleaseDomain(),
        survivor_loses_translation=ALWAYS,
    ),
    case(
        "ReleaseDomainAliasAware",
        "B2/o7-aware",
        "the same, and attaching leaves a shared RID alone",
        24,
        ReleaseDomain(),
        AliasAwareAttachIommu,
    ),
    case(
        "ReleaseDomainDistinctRids",
        "B2/o7-distinct",
        "for comparison: the same where each device has its own RID",
        24,
        ReleaseDomain(),
        rids=DISTINCT,
    ),
    case(
        "DetachCallbackDistinctRids",
        "B2/o5-distinct",
        "for comparison: the callback where each device has its own RID",
        27,
        DetachUnderMutex(),
        BlindIommu,
        rids=DISTINCT,
    ),
    case(
        "CountReferencesDistinctRids",
        "B2/o6-distinct",
        "for comparison: references where each device has its own RID",
        21,
        DelistThenRelease(),
        domain=CountedDomain,
        rids=DISTINCT,
    ),
    case(
        "WholeGroup",
        "B2/o8",
        "each device of the group is moved, then one leaves",
        30,
        WholeGroup(),
    ),
    replace(
        case(
            "AttachDetachesFirst",
            "B2/o9",
            "a driver that detaches a device before it attaches it",
            21,
            WholeGroup(),
            RidWideDetachIommu,
            survivor_loses_translation=ALWAYS,
        ),
        actors={"CPU0": iommu_attach_group, "DEV": dma},
    ),
    replace(
        case(
            "AttachDetachesFirstDistinctRids",
            "B2/o9-distinct",
            "for comparison: that driver where each device has its own RID",
            18,
            WholeGroup(),
            RidWideDetachIommu,
            rids=DISTINCT,
        ),
        actors={"CPU0": iommu_attach_group, "DEV": dma},
    ),
)

LET_GO = "Device b keeps its translation all the same; that a is let go matters in release_order."
SPARE = {
    "await k.group.mutex.mutex_lock()": "Device b only works on; nobody is there to be kept out.",
    "await k.group.mutex.mutex_unlock()": "Nobody comes for the mutex again.",
    "await k.group.list_del(dev)": "Nobody walks the group's list after this.",
    "await k.group.iommu_group_put()": (
        "A group that keeps a reference is never freed; its memory is not judged here."
    ),
    "await k.group.iommu_group_set_core_domain(k.d, k.iommu)": (
        "Where nobody is moved, b stays on V, which is not freed here."
    ),
    "domain = await k.iommu.release_device(dev)": LET_GO,
    "await k.iommu.detach_and_free(dev, domain)": LET_GO,
}
