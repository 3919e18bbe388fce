"""Unplug one of two devices that the IOMMU cannot tell apart.

Devices a and b sit behind a bridge: their DMA carries the same requester id, so the hardware has
one entry for both.  VFIO uses the group; a is unplugged, b stays in use.  A change of a's
entry is a change of b's.  It is tempting to attach the leaving device to the default domain, but
that takes b's translation away.  Release means: leave the domain, but do not change a shared RID.

Promise: As long as VFIO uses device b, b's DMA goes through VFIO's domain V.

Memory model: sequentially consistent; everything here is done under group->mutex.

Simplified:
    A lost translation is bad in itself, since b may send DMA at any time; the device's steps show
    where it goes.
    A driver knows the aliases of a device by its list of devices with the same RID.
    No IOTLB: an entry works as soon as it is written.
    The WARN that comes with the rebinding, and complains of this legal use, is left out.
    VfioEnds...: the race of release_order with one RID.  Moving b moves the hardware for a too, so
    only the driver's own pointer dangles; the other orders are in one_rid_for_two.
    VfioEndsRebindToDefault: the race on V does no harm, as the research notes have it.  But CPU0
    may come first, while b is still in use, and then b loses its translation as in RebindToDefault;
    so the model says Sometimes where the notes say safe for this race.

Sources:
    <YxuGQDCzDsvKV2W8@nvidia.com> why rebinding breaks the device that stays, and what release means
    <b753aecb-ee2a-2cd0-1df2-0c3e977b4cb9@arm.com> most drivers of 2022 disable the RID blindly;
    SMMUv2 handles shared stream ids
    <e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com> the patch that rebinds
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> the patch discussed
    drivers/iommu/iommu.c: iommu_release_device(), __iommu_attach_device()
    drivers/iommu/arm/arm-smmu/arm-smmu.c: stream ids that several devices share
    drivers/iommu/intel/iommu.c: domain_context_clear(), whose comment says that it may leave
    dependent devices unable to operate
    dba9ca9d41f5 (v6.4) one critical section
"""

from functools import partial

from mmviz.engine import Race
from mmviz.kernel.iommu.iommu import BlindIommu
from mmviz.kernel.provenance import shipped
from mmviz.scenarios.iommu_group import (
    BLIND_DRIVERS,
    CHECKED,
    MERGED,
    MURPHY_ALTERNATIVES,
    SERIES_V1,
    SHARED_RID_REPLY,
)
from mmviz.scenarios.iommu_group.release_order import (
    DelistThenRelease,
    RebindToDefault,
    ReleaseUnderMutex,
)
from mmviz.scenarios.iommu_group.worlds import (
    BAD,
    DISTINCT,
    SHARED,
    dma,
    plug,
    survivor_loses_translation,
    unplug_a,
    vfio_ends_then_b_is_unplugged,
)

# Device a is unplugged while device b is in use.
race = Race(
    world=partial(plug, SHARED),
    actors={"CPU0": unplug_a, "DEV": dma},
    bad=BAD,
    daemons=["DEV"],
)

race.case(
    "B2/o3",
    "tempting: attach the leaving device to the default domain",
    of=RebindToDefault,
    always=[survivor_loses_translation],
    kind="ordering",
    states=27,
    source=MURPHY_ALTERNATIVES,
)

race.case(
    "B2/o2",
    "the merged order with a driver that blocks the RID (most drivers in 2022)",
    name="BlindDriver",
    of=ReleaseUnderMutex,
    world=partial(plug, SHARED, driver=BlindIommu),
    always=[survivor_loses_translation],
    kind="ordering",
    states=21,
    source=BLIND_DRIVERS,
)

race.case(
    "B2/o1",
    "the merged order (v6.4) with a driver that leaves a shared RID alone",
    name="AliasAwareDriver",
    of=ReleaseUnderMutex,
    states=21,
    source=shipped("v6.4", said=SHARED_RID_REPLY, checked=CHECKED),
)

race.case(
    "B2/o3-distinct",
    "for comparison: the same rebinding where each device has its own RID",
    name="RebindDistinctRids",
    of=RebindToDefault,
    world=partial(plug, DISTINCT),
    states=27,
    source=MURPHY_ALTERNATIVES,
)

race.case(
    "B2/o2-distinct",
    "for comparison: a driver that blocks the RID where each device has its own",
    name="BlindDriverDistinctRids",
    of=ReleaseUnderMutex,
    world=partial(plug, DISTINCT, driver=BlindIommu),
    states=21,
    source=MERGED,
)

race.case(
    "B2/o1-distinct",
    "for comparison: the driver that leaves a shared RID alone where none is shared",
    name="AliasAwareDriverDistinctRids",
    of=ReleaseUnderMutex,
    world=partial(plug, DISTINCT),
    states=21,
    source=MERGED,
)

# Beside the unplug of a, VFIO ends its use of the group, and b is unplugged too.
VFIO_ENDS = {"CPU0": unplug_a, "CPU1": vfio_ends_then_b_is_unplugged}

race.case(
    "B1/n3-shared",
    "series v1 with one RID, while VFIO ends: only the driver's pointer dangles",
    name="VfioEndsDelistThenRelease",
    of=DelistThenRelease,
    actors=VFIO_ENDS,
    daemons=(),
    sometimes=["use_after_free"],
    states=92,
    source=SERIES_V1,
)

race.case(
    "B1/n12-shared",
    "rebinding with one RID, while VFIO ends",
    name="VfioEndsRebindToDefault",
    of=RebindToDefault,
    actors=VFIO_ENDS,
    daemons=(),
    sometimes=[survivor_loses_translation],
    states=82,
    source=MURPHY_ALTERNATIVES,
)

race.case(
    "B1/n5-shared",
    "the merged order (v6.4) with one RID, while VFIO ends",
    name="VfioEndsReleaseUnderMutex",
    of=ReleaseUnderMutex,
    actors=VFIO_ENDS,
    daemons=(),
    states=53,
    source=MERGED,
)
