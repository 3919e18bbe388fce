"""Unplug one of two devices that the IOMMU cannot tell apart.

Devices a and b sit behind a bridge: their DMA carries the same requester id, so the hardware has
one entry for both.  VFIO uses the group; a is unplugged, b stays in use.  Whatever is done to a's
entry is done to b's.  To attach the leaving device to the default domain is appealing, and takes
the translation away under b.  Release means: let go of the domain, but leave a shared RID alone.

Promise: As long as VFIO uses device b, b's DMA goes through VFIO's domain V.

Memory model: sequentially consistent; everything here is done under group->mutex.

Simplified:
    A lost translation is bad in itself, since b may send DMA at any time; the device is there to
    show what then becomes of it.
    A driver knows the aliases of a device by its list of devices with the same RID.
    No IOTLB: an entry works as soon as it is written.
    The WARN that comes with the rebinding, and complains of this legal use, is left out.
    VfioEnds...: the race of release_order with one RID.  Moving b moves the hardware for a too, so
    only the driver's own pointer is left to dangle; the other orders are in one_rid_for_two.
    VfioEndsRebindToDefault: the race on V does no harm, as the reference has it.  But CPU0 may come
    first, while b is still in use, and then b loses its translation as in RebindToDefault; so the
    model says Sometimes where the reference says safe for this race.

Sources:
    <YxuGQDCzDsvKV2W8@nvidia.com> Re: [PATCH 4/4] iommu: Fix ordering of iommu_release_device()
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> (the patch discussed)
    drivers/iommu/iommu.c: iommu_release_device(), __iommu_attach_device()
    drivers/iommu/arm/arm-smmu/arm-smmu.c: stream ids that several devices share
    dba9ca9d41f5 (v6.4) one critical section
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from mmviz.engine import Case, Verdict, expecting
from mmviz.kernel.iommu import BlindIommu, Domain, Iommu
from mmviz.scenarios.iommu_group.release_order import (
    BAD,
    DISTINCT,
    SHARED,
    DelistThenRelease,
    Plug,
    RebindToDefault,
    Release,
    ReleaseUnderMutex,
    plug,
    vfio_ends_then_b_is_unplugged,
)

Second = dict[str, Callable[[Plug], Coroutine[Any, Any, None]]]
SOMETIMES, ALWAYS = Verdict.SOMETIMES, Verdict.ALWAYS


async def dma(k: Plug) -> None:
    """Device b works for VFIO's user."""
    await k.iommu.translate(k.b)
    await k.iommu.translate(k.b)


def case(
    name: str,
    variant: str,
    title: str,
    states: int,
    order: Release,
    driver: type[Iommu] = Iommu,
    rids: tuple[str, str] = SHARED,
    vfio_ends: bool = False,
    domain: type[Domain] = Domain,
    shipped: tuple[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Unplug device a while b is in use; or while VFIO ends and b is unplugged too."""
    beside: Second = {"DEV": dma}
    if vfio_ends:
        beside = {"CPU1": lambda k: vfio_ends_then_b_is_unplugged(k, order)}
    return Case(
        name=name,
        id=variant,
        title=title,
        proposed=proposed,
        world=partial(plug, rids, domain, driver),
        actors={"CPU0": lambda k: order.iommu_release_device(k, k.a)} | beside,
        daemons=() if vfio_ends else ("DEV",),
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        kind="ordering" if ALWAYS in broken.values() else "race",
        shipped=shipped,
    )


CASES = (
    case(
        "RebindToDefault",
        "B2/o3",
        "tempting: attach the leaving device to the default domain",
        33,
        RebindToDefault(),
        survivor_loses_translation=ALWAYS,
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        "BlindDriver",
        "B2/o2",
        "the merged order with a driver that blocks the RID (most drivers in 2022)",
        24,
        ReleaseUnderMutex(),
        BlindIommu,
        survivor_loses_translation=ALWAYS,
    ),
    case(
        "AliasAwareDriver",
        "B2/o1",
        "the merged order (v6.4) with a driver that leaves a shared RID alone",
        21,
        ReleaseUnderMutex(),
        shipped=("v6.4", ""),
        proposed=("2022-09-09", "<YxuGQDCzDsvKV2W8@nvidia.com>"),
    ),
    case(
        "RebindDistinctRids",
        "B2/o3-distinct",
        "for comparison: the same rebinding where each device has its own RID",
        27,
        RebindToDefault(),
        rids=DISTINCT,
    ),
    case(
        "BlindDriverDistinctRids",
        "B2/o2-distinct",
        "for comparison: a driver that blocks the RID where each device has its own",
        21,
        ReleaseUnderMutex(),
        BlindIommu,
        rids=DISTINCT,
        shipped=("v6.4", ""),
    ),
    case(
        "AliasAwareDriverDistinctRids",
        "B2/o1-distinct",
        "for comparison: the driver that leaves a shared RID alone where none is shared",
        21,
        ReleaseUnderMutex(),
        rids=DISTINCT,
        shipped=("v6.4", ""),
        proposed=("2022-09-09", "<Yxs+1s+MPENLTUpG@nvidia.com>"),
    ),
    case(
        "VfioEndsDelistThenRelease",
        "B1/n3-shared",
        "series v1 with one RID, while VFIO ends: only the driver's pointer dangles",
        100,
        DelistThenRelease(),
        vfio_ends=True,
        use_after_free=SOMETIMES,
        proposed=("2022-09-08", "<4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com>"),
    ),
    case(
        "VfioEndsRebindToDefault",
        "B1/n12-shared",
        "rebinding with one RID, while VFIO ends",
        109,
        RebindToDefault(),
        vfio_ends=True,
        survivor_loses_translation=SOMETIMES,
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        "VfioEndsReleaseUnderMutex",
        "B1/n5-shared",
        "the merged order (v6.4) with one RID, while VFIO ends",
        61,
        ReleaseUnderMutex(),
        vfio_ends=True,
        proposed=("2022-09-09", "<Yxs+1s+MPENLTUpG@nvidia.com>"),
    ),
)
