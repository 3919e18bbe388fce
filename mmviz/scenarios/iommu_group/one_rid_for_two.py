"""One requester id for both devices: which orders of release become safer, and which do not.

As in release_order CPU0 unplugs a while CPU1 ends VFIO's use of the group, frees V and unplugs b.
But here a and b have one requester id, so the hardware has one entry.  Moving b moves the entry,
and a's DMA with it: the table has nothing left of V when V is freed.  The driver's own note of what
a is attached to does not move.  So a driver without such notes is safe now, and so is one that
cleans its notes up under its lock; the others trade a wild DMA for a wild pointer.

Promise: Whatever a device is attached to is alive: no domain is freed while hardware or the
    driver still points at it.

Memory model: sequentially consistent; locks and the order of the steps do the rest.

Simplified:
    As release_order and driver_helps_itself, whose orders and drivers these are.
    Release leaves a RID alone that another device has.
    A driver without notes (CountPointersOnly) knows whether it still has an alias of a device.
    Whether b is translated with such a driver is judged by what the group is on.
    The orders that are not here with one RID are in shared_rid (n3, n5, n12) and in
    driver_helps_itself (n6, n7, n11).

Sources:
    <YxuGQDCzDsvKV2W8@nvidia.com> what to expect of devices that share a RID
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> the patch discussed
    <87b7041e-bc8d-500c-7167-04190e3795a9@arm.com> Robin Murphy's extra reference (n4)
    <e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com> his alternatives (n8, n10)
    drivers/iommu/iommu.c: iommu_release_device(), __iommu_attach_device()
    a6a4c7e2c5b8 (v5.8-rc1) removal before release; 9ac8545199a1 (v5.8) release before removal
    24dfb197c3b7 (v6.4) ipmmu-vmsa
"""

from functools import partial

from mmviz.engine import Race
from mmviz.kernel.iommu.alias import AliasAwareTableIommu
from mmviz.kernel.iommu.iommu import CountedDomain
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.iommu_group import (
    IPMMU_VMSA,
    MURPHY_ALTERNATIVES,
    MURPHY_REFERENCE,
    RELEASE_CANDIDATE,
    RELEASE_FIRST,
)
from mmviz.scenarios.iommu_group.driver_helps_itself import CleanUpNotesOnly, CleanUpWithoutLock
from mmviz.scenarios.iommu_group.release_order import (
    DelistThenRelease,
    HoldGroupReference,
    PutGroupFirst,
    ReleaseTakesMutex,
    ReleaseThenDelist,
)
from mmviz.scenarios.iommu_group.worlds import (
    BAD,
    SHARED,
    device_attached_to_freed_domain,
    plug,
    unplug_a,
    vfio_ends_and_the_driver_cleans_up,
    vfio_ends_then_b_is_unplugged,
)

# The race of release_order, with one RID.
race = Race(
    "B1",
    world=partial(plug, SHARED),
    actors={"CPU0": unplug_a, "CPU1": vfio_ends_then_b_is_unplugged},
    bad=BAD,
)
# The same, and VFIO's domain is freed by the driver's own function.
CLEANED_UP = race.actors | {"CPU1": vfio_ends_and_the_driver_cleans_up}

race.case(
    "n1-shared",
    "before 9ac8545199a1 (5.8-rc): off the list, put the group, release",
    of=PutGroupFirst,
    sometimes=[device_attached_to_freed_domain],
    always=["use_after_free"],
    kind="ordering",
    states=105,
    source=RELEASE_CANDIDATE,
)

race.case(
    "n2-shared",
    "as shipped v5.8 to v6.3: release, then off the list",
    of=ReleaseThenDelist,
    sometimes=["use_after_free", "attach_after_release"],
    states=159,
    source=RELEASE_FIRST,
)

race.case(
    "n4-shared",
    "from the replies: series v1 with an extra group reference around it",
    of=HoldGroupReference,
    sometimes=["use_after_free"],
    states=138,
    source=MURPHY_REFERENCE,
)

race.case(
    "n9-shared",
    "(4) domain_free clears the devices' pointers to it, without a lock",
    of=CleanUpWithoutLock,
    actors=CLEANED_UP,
    sometimes=["use_after_free"],
    states=109,
    source=constructed("what the lock in domain_free is for, where devices share a RID"),
)

race.case(
    "n13-shared",
    "the merged order with a driver that takes the mutex again (ipmmu-vmsa until v6.3)",
    of=ReleaseTakesMutex,
    deadlock=True,
    kind="ordering",
    states=13,
    source=IPMMU_VMSA,
)

race.case(
    "n8-shared",
    "(3) a driver without pointers of its own counts nothing, and need not",
    name="CountPointersOnly",
    of=DelistThenRelease,
    world=partial(plug, SHARED, CountedDomain, AliasAwareTableIommu),
    states=69,
    source=MURPHY_ALTERNATIVES,
)

race.case(
    "n10-shared",
    "(4) with a lock, the driver's own notes; there is nothing else to clean up",
    of=CleanUpNotesOnly,
    actors=CLEANED_UP,
    states=150,
    source=MURPHY_ALTERNATIVES,
)
