"""Can the IOMMU driver survive the race on its own?

The core's order stays as in release_order: a device is off the group's list, and released later,
while VFIO frees its domain V.  Three ways were proposed for the driver to cope.  Let go of the
domain in a callback under the group's mutex; count references on the domain; or clean up in
domain_free whatever is still attached.  Each can be made to work, and each has a part that is
easily forgotten: the hardware holds a pointer too.

Promise: Whatever a device is attached to is alive: no domain is freed while hardware or the
    driver still points at it.

Memory model: sequentially consistent; locks and the order of the steps do the rest.

Simplified:
    As release_order: DMA has no step, a device's note and its table entry change in one step.
    So CountReferences would be as safe if it counted only one of the two; a driver that keeps no
    note (CountTableEntry) shows what the table's own reference is for, and one RID for two devices
    (CountReferencesSharedRid) what the note's is for.
    A domain that is counted lives until the last device lets go: a's DMA through V stays possible
    until then, which is harmless only because VFIO has unmapped V.
    CleanUpUnderLock: the driver's lock covers all of release.

Sources:
    <e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com> (Robin Murphy's three alternatives), answered by
    <YxuGQDCzDsvKV2W8@nvidia.com> Re: [PATCH 4/4] iommu: Fix ordering of iommu_release_device()
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> (the patch discussed)
    drivers/iommu/iommu.c: iommu_release_device(), iommu_domain_free(); include/linux/iommu.h:
    struct iommu_ops, detach_dev until 1b932ceddd19 (v6.3)
    dba9ca9d41f5 (v6.4) what was merged instead: one critical section
"""

from collections.abc import Awaitable, Callable
from functools import partial

from mmviz.engine import Case, Verdict, expecting
from mmviz.kernel.iommu import (
    BlindIommu,
    CountedDomain,
    Device,
    Domain,
    Iommu,
    TableOnlyIommu,
    UncountedTableIommu,
)
from mmviz.scenarios.iommu_group.release_order import (
    BAD,
    DISTINCT,
    SHARED,
    SOMETIMES,
    DelistThenRelease,
    Plug,
    Release,
    iommu_domain_free,
    plug,
    vfio_ends_then_b_is_unplugged,
)


class DetachUnderMutex:
    """(2) A callback lets go of the domain while the mutex is held; release comes later."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        attached = await k.iommu.detach_dev(dev)
        await k.iommu.let_go(dev, attached)
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.iommu_group_put()


class ReleaseUnderDriverLock:
    """(4) Release holds the driver's own lock, which domain_free takes too."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        await k.iommu.lock.spin_lock()
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.iommu.lock.spin_unlock()
        await k.group.iommu_group_put()


async def free_and_clean_up(k: Plug) -> None:
    """(4) without a lock."""
    await k.iommu.list_del_init(k.v)
    await k.v.iommu_domain_free()


async def free_and_clean_up_notes(k: Plug) -> None:
    """(4) with the lock, for what the driver itself points at."""
    await k.iommu.lock.spin_lock()
    await k.iommu.list_del_init(k.v)
    await k.iommu.lock.spin_unlock()
    await k.v.iommu_domain_free()


async def free_and_clean_up_hardware(k: Plug) -> None:
    """(4) with the lock, and the hardware lets go as well."""
    await k.iommu.lock.spin_lock()
    await k.iommu.block_rids_of(k.v)
    await k.iommu.list_del_init(k.v)
    await k.iommu.lock.spin_unlock()
    await k.v.iommu_domain_free()


async def free_and_block_devices(k: Plug) -> None:
    """(4) with the lock, but it blocks a RID without looking where it leads."""
    await k.iommu.lock.spin_lock()
    await k.iommu.block_rids_of_devices(k.v)
    await k.iommu.list_del_init(k.v)
    await k.iommu.lock.spin_unlock()
    await k.v.iommu_domain_free()


def case(
    name: str,
    variant: str,
    title: str,
    states: int,
    order: Release,
    *,
    domain: type[Domain] = Domain,
    driver: type[Iommu] = Iommu,
    rids: tuple[str, str] = DISTINCT,
    free: Callable[[Plug], Awaitable[None]] = iommu_domain_free,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race the release of device a against the end of VFIO's use and the release of b."""
    return Case(
        name=name,
        id=f"B1/{variant}",
        title=title,
        proposed=proposed,
        world=partial(plug, rids, domain, driver),
        actors={
            "CPU0": lambda k: order.iommu_release_device(k, k.a),
            "CPU1": lambda k: vfio_ends_then_b_is_unplugged(k, order, free),
        },
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
    )


CASES = (
    case(
        "CountPointersOnly",
        "n8",
        "(3) tempting: a driver without pointers of its own counts nothing",
        85,
        DelistThenRelease(),
        domain=CountedDomain,
        driver=UncountedTableIommu,
        device_attached_to_freed_domain=SOMETIMES,
    ),
    case(
        "CountTableEntry",
        "n7-table",
        "(3) the same driver counts the pointer in the hardware's table",
        85,
        DelistThenRelease(),
        domain=CountedDomain,
        driver=TableOnlyIommu,
    ),
    case(
        "CountReferences",
        "n7",
        "(3) the driver counts its notes and the table's entries",
        93,
        DelistThenRelease(),
        domain=CountedDomain,
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        "CountReferencesSharedRid",
        "n7-shared",
        "(3) notes and entries are counted, a and b share one RID",
        93,
        DelistThenRelease(),
        domain=CountedDomain,
        rids=SHARED,
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        "CleanUpWithoutLock",
        "n9",
        "(4) tempting: domain_free makes devices forget it, without a lock",
        126,
        DelistThenRelease(),
        free=free_and_clean_up,
        device_attached_to_freed_domain=SOMETIMES,
        use_after_free=SOMETIMES,
    ),
    case(
        "CleanUpNotesOnly",
        "n10",
        "(4) tempting: with a lock, but only the driver's own notes",
        181,
        ReleaseUnderDriverLock(),
        free=free_and_clean_up_notes,
        device_attached_to_freed_domain=SOMETIMES,
    ),
    case(
        "CleanUpUnderLock",
        "n11",
        "(4) with a lock, and the hardware's entries too",
        189,
        ReleaseUnderDriverLock(),
        free=free_and_clean_up_hardware,
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        "CleanUpSharedRid",
        "n11-shared",
        "(4) the same where a and b share one RID",
        189,
        ReleaseUnderDriverLock(),
        rids=SHARED,
        free=free_and_clean_up_hardware,
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        "CleanUpBlindly",
        "n11-blind",
        "(4) the shared RID is blocked without looking where it leads now",
        196,
        ReleaseUnderDriverLock(),
        rids=SHARED,
        free=free_and_block_devices,
        survivor_loses_translation=SOMETIMES,
    ),
    case(
        "DetachUnderMutex",
        "n6",
        "(2) a callback under the mutex",
        123,
        DetachUnderMutex(),
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        "DetachSharedRid",
        "n6-shared",
        "(2) the same where a and b share one RID",
        123,
        DetachUnderMutex(),
        rids=SHARED,
        proposed=("2022-09-09", "<YxuGQDCzDsvKV2W8@nvidia.com>"),
    ),
    case(
        "DetachBlindly",
        "n6-blind",
        "(2) with a driver that blocks the shared RID",
        133,
        DetachUnderMutex(),
        driver=BlindIommu,
        rids=SHARED,
        survivor_loses_translation=SOMETIMES,
    ),
)

SPARE = {
    "await k.v.iommu_domain_free()": (
        "A domain that is never freed harms nobody in this model but memory."
    ),
    "CleanUpSharedRid: await k.iommu.block_rids_of(k.v)": (
        "There is one entry for both devices, and moving b has led it away from V already."
    ),
}
