"""One requester id for both devices: which orders of release get better by it, and which do not.

As in release_order CPU0 unplugs a while CPU1 ends VFIO's use of the group, frees V and unplugs b.
But here a and b have one requester id, so the hardware has one entry.  Whoever moves b moves the
entry, and a's DMA with it: nothing is left of V in the table when V is freed.  What nobody moves is
the driver's own note of what a is attached to.  So a driver without such notes is safe now, and one
that cleans its notes up under its lock is; the others trade a wild DMA for a wild pointer.

Promise: Whatever a device is attached to is alive: no domain is freed while hardware or the
    driver still points at it.

Memory model: sequentially consistent; locks and the order of the steps do the rest.

Simplified:
    As release_order and driver_helps_itself, whose orders and drivers these are; release leaves a
    RID alone that another device has.
    A driver without notes (CountPointersOnly) knows whether it still has an alias of a device;
    whether b is translated is then judged by what the group is on.
    The orders that are not here with one RID are in shared_rid (n3, n5, n12) and
    in driver_helps_itself (n6, n7, n11).

Sources:
    <YxuGQDCzDsvKV2W8@nvidia.com> Re: [PATCH 4/4] iommu: Fix ordering of iommu_release_device()
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> (the patch discussed)
    <e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com> (Robin Murphy's alternatives)
    drivers/iommu/iommu.c: iommu_release_device(), __iommu_attach_device()
    9ac8545199a1 (v5.8) release before removal; 24dfb197c3b7 (v6.4) ipmmu-vmsa
"""

from dataclasses import replace

from mmviz.kernel.iommu import CountedDomain
from mmviz.kernel.iommu_alias import AliasAwareTableIommu
from mmviz.scenarios.iommu_group.driver_helps_itself import (
    ReleaseUnderDriverLock,
    case,
    free_and_clean_up,
    free_and_clean_up_notes,
)
from mmviz.scenarios.iommu_group.release_order import (
    ALWAYS,
    SHARED,
    SOMETIMES,
    DelistThenRelease,
    HoldGroupReference,
    PutGroupFirst,
    ReleaseTakesMutex,
    ReleaseThenDelist,
)

CASES = (
    replace(
        case(
            "PutGroupFirst",
            "n1-shared",
            "before 9ac8545199a1 (5.8-rc): off the list, put the group, release",
            105,
            PutGroupFirst(),
            rids=SHARED,
            device_attached_to_freed_domain=ALWAYS,
            use_after_free=ALWAYS,
        ),
        kind="ordering",
    ),
    replace(
        case(
            "ReleaseThenDelist",
            "n2-shared",
            "as shipped v5.8 to v6.3: release, then off the list",
            167,
            ReleaseThenDelist(),
            rids=SHARED,
            use_after_free=SOMETIMES,
            attach_after_release=SOMETIMES,
        ),
        shipped=("v5.8", "v6.3"),
    ),
    case(
        "HoldGroupReference",
        "n4-shared",
        "from the replies: series v1 with an extra group reference around it",
        158,
        HoldGroupReference(),
        rids=SHARED,
        use_after_free=SOMETIMES,
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        "CleanUpWithoutLock",
        "n9-shared",
        "(4) domain_free makes devices forget it, without a lock",
        126,
        DelistThenRelease(),
        rids=SHARED,
        free=free_and_clean_up,
        use_after_free=SOMETIMES,
    ),
    replace(
        case(
            "ReleaseTakesMutex",
            "n13-shared",
            "the merged order with a driver that takes the mutex again (ipmmu-vmsa until v6.3)",
            13,
            ReleaseTakesMutex(),
            rids=SHARED,
        ),
        kind="ordering",
        stuck=True,
    ),
    case(
        "CountPointersOnly",
        "n8-shared",
        "(3) a driver without pointers of its own counts nothing, and need not",
        69,
        DelistThenRelease(),
        domain=CountedDomain,
        driver=AliasAwareTableIommu,
        rids=SHARED,
    ),
    case(
        "CleanUpNotesOnly",
        "n10-shared",
        "(4) with a lock, the driver's own notes; there is nothing else to clean up",
        181,
        ReleaseUnderDriverLock(),
        rids=SHARED,
        free=free_and_clean_up_notes,
    ),
)

SPARE = {
    "await k.v.iommu_domain_free()": (
        "A domain that is never freed harms nobody in this model but memory."
    ),
    "CleanUpNotesOnly: await k.group.mutex.mutex_lock()": (
        "On the list or off it, a's note is cleaned up under the driver's lock."
    ),
    "await k.group.iommu_group_put()": "Whether the group's own memory is freed is not judged.",
}
