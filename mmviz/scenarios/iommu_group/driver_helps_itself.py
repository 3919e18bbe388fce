"""Can the IOMMU driver survive the race on its own?

The core's order stays as in release_order: a device is taken off the group's list, and released
later, while VFIO frees its domain V.  Three ways were proposed for the driver to cope: (2) detach
the device in a callback under the group's mutex; (3) count references on the domain; (4) clean up
in domain_free everything that is still attached.  Each can be made to work, and in each one part
is easily forgotten: the hardware also holds a pointer.

Promise: Whatever a device is attached to is alive: no domain is freed while hardware or the
    driver still points at it.

Memory model: sequentially consistent; locks and the order of the steps do the rest.

Simplified:
    As release_order: DMA has no step, a device's note and its table entry change in one step.
    So CountReferences would be as safe if it counted only one of the two; a driver that keeps no
    note (CountTableEntry) shows what the table's own reference is for, and one RID for two devices
    (CountReferencesSharedRid) what the note's is for.
    A counted domain lives until the last device is detached.  Until then a may do DMA through V,
    which is harmless only because VFIO has unmapped V.
    In the clean-up cases with a lock, the driver's lock covers all of release.

Sources:
    <e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com> Robin Murphy's three alternatives; (4) clears
    the notes under a lock, and says nothing of the hardware (n10)
    <YxuGQDCzDsvKV2W8@nvidia.com> every driver has a hidden reference, to point the hardware at
    the page tables; a callback is troublesome where devices share a RID (n6-blind)
    <YxvQNTD1U4bs5TZD@nvidia.com> so each driver must count it while it is programmed (n7-table),
    beside the notes of the first mail (n7)
    <b753aecb-ee2a-2cd0-1df2-0c3e977b4cb9@arm.com> only notes that release_device() can reach
    matter (n8); most drivers disable the RID blindly
    drivers/iommu/iommu.c: iommu_release_device(), iommu_domain_free()
    include/linux/iommu.h: struct iommu_ops, detach_dev until 1b932ceddd19 (v6.3)
    dba9ca9d41f5 (v6.4) what was merged instead: one critical section
"""

from functools import partial

from mmviz.engine import Race
from mmviz.kernel.iommu.iommu import (
    BlindIommu,
    CountedDomain,
    Device,
    TableOnlyIommu,
    UncountedTableIommu,
)
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.iommu_group import (
    BLIND_DRIVERS,
    COUNT_HARDWARE,
    MURPHY_ALTERNATIVES,
    SHARED_RID_REPLY,
)
from mmviz.scenarios.iommu_group.release_order import DelistThenRelease
from mmviz.scenarios.iommu_group.worlds import (
    BAD,
    SHARED,
    Plug,
    device_attached_to_freed_domain,
    plug,
    survivor_loses_translation,
    unplug_a,
    vfio_ends_and_the_driver_cleans_up,
    vfio_ends_then_b_is_unplugged,
)

# The release of device a, against the end of VFIO's use and the release of b.
race = Race(
    "B1",
    world=plug,
    actors={"CPU0": unplug_a, "CPU1": vfio_ends_then_b_is_unplugged},
    bad=BAD,
)
# The same, and VFIO's domain is freed by the driver's own function.
CLEANED_UP = race.actors | {"CPU1": vfio_ends_and_the_driver_cleans_up}

# (3) The driver counts references on the domain; the core's order is that of series v1.

race.case(
    "n8",
    "(3) tempting: a driver without pointers of its own counts nothing",
    name="CountPointersOnly",
    of=DelistThenRelease,
    world=partial(plug, domain=CountedDomain, driver=UncountedTableIommu),
    sometimes=[device_attached_to_freed_domain],
    states=85,
    source=MURPHY_ALTERNATIVES,
)

race.case(
    "n7-table",
    "(3) the same driver counts the pointer in the hardware's table",
    name="CountTableEntry",
    of=DelistThenRelease,
    world=partial(plug, domain=CountedDomain, driver=TableOnlyIommu),
    states=85,
    source=COUNT_HARDWARE,
)

race.case(
    "n7",
    "(3) the driver counts its notes and the table's entries",
    name="CountReferences",
    of=DelistThenRelease,
    world=partial(plug, domain=CountedDomain),
    states=85,
    source=COUNT_HARDWARE,
)

race.case(
    "n7-shared",
    "(3) notes and entries are counted, a and b share one RID",
    name="CountReferencesSharedRid",
    of=DelistThenRelease,
    world=partial(plug, SHARED, CountedDomain),
    states=85,
    source=COUNT_HARDWARE,
)

# (4) The driver's domain_free() cleans up what is still attached.


@race.case(
    "n9",
    "(4) tempting: domain_free clears the devices' pointers to it, without a lock",
    actors=CLEANED_UP,
    sometimes=[device_attached_to_freed_domain, "use_after_free"],
    states=109,
    source=constructed("what the lock in domain_free is for"),
)
class CleanUpWithoutLock(DelistThenRelease):
    """(4) without a lock."""

    async def domain_free(self, k: Plug) -> None:
        await k.iommu.list_del_init(k.v)
        await k.v.iommu_domain_free()


class ReleaseUnderDriverLock:
    """(4) Release holds the driver's own lock, which domain_free takes too."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        # redundant in one_rid_for_two: a's note is cleaned up under the driver's lock in any case
        await k.group.mutex.mutex_lock()
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        await k.iommu.lock.spin_lock()
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.iommu.lock.spin_unlock()
        # redundant in one_rid_for_two: whether the group's own memory is freed is not judged
        await k.group.iommu_group_put()


@race.case(
    "n10",
    "(4) as proposed: with a lock, but only the driver's own notes",
    actors=CLEANED_UP,
    sometimes=[device_attached_to_freed_domain],
    states=150,
    source=MURPHY_ALTERNATIVES,
)
class CleanUpNotesOnly(ReleaseUnderDriverLock):
    """(4) with the lock, for what the driver itself points at."""

    async def domain_free(self, k: Plug) -> None:
        await k.iommu.lock.spin_lock()
        await k.iommu.list_del_init(k.v)
        await k.iommu.lock.spin_unlock()
        await k.v.iommu_domain_free()  # redundant: a domain that is never freed costs memory only


@race.case(
    "n11-shared",
    "(4) the same where a and b share one RID",
    name="CleanUpSharedRid",
    world=partial(plug, SHARED),
    actors=CLEANED_UP,
    states=157,
    source=constructed("(4) with the hardware's entries, where devices share a RID"),
)
@race.case(
    "n11",
    "(4) with a lock, and the hardware's entries too",
    actors=CLEANED_UP,
    states=157,
    source=constructed("what (4) also needs: the hardware's entries must be cleared"),
)
class CleanUpUnderLock(ReleaseUnderDriverLock):
    """(4) with the lock, and the hardware's entries are cleared too."""

    async def domain_free(self, k: Plug) -> None:
        await k.iommu.lock.spin_lock()
        # redundant in CleanUpSharedRid: moving b has led the shared entry away from V already
        await k.iommu.block_rids_of(k.v)
        await k.iommu.list_del_init(k.v)
        await k.iommu.lock.spin_unlock()
        await k.v.iommu_domain_free()  # redundant: a domain that is never freed costs memory only


@race.case(
    "n11-blind",
    "(4) the shared RID is blocked without checking where it leads now",
    world=partial(plug, SHARED),
    actors=CLEANED_UP,
    sometimes=[survivor_loses_translation],
    states=176,
    source=constructed("why domain_free must look where a RID leads"),
)
class CleanUpBlindly(ReleaseUnderDriverLock):
    """(4) with the lock, but it blocks a RID without checking where it leads."""

    async def domain_free(self, k: Plug) -> None:
        await k.iommu.lock.spin_lock()
        await k.iommu.block_rids_of_devices(k.v)
        await k.iommu.list_del_init(k.v)
        await k.iommu.lock.spin_unlock()
        await k.v.iommu_domain_free()


# (2) The driver detaches the device in a callback.


@race.case(
    "n6-blind",
    "(2) with a driver that blocks the shared RID",
    name="DetachBlindly",
    world=partial(plug, SHARED, driver=BlindIommu),
    sometimes=[survivor_loses_translation],
    states=111,
    source=BLIND_DRIVERS,
)
@race.case(
    "n6-shared",
    "(2) the same where a and b share one RID",
    name="DetachSharedRid",
    world=partial(plug, SHARED),
    states=93,
    source=SHARED_RID_REPLY,
)
@race.case("n6", "(2) a callback under the mutex", states=93, source=MURPHY_ALTERNATIVES)
class DetachUnderMutex:
    """(2) A callback detaches the device while the mutex is held; release comes later."""

    async def iommu_release_device(self, k: Plug, dev: Device) -> None:
        await k.group.mutex.mutex_lock()
        attached = await k.iommu.detach_dev(dev)
        await k.iommu.let_go(dev, attached)
        await k.group.list_del(dev)
        await k.group.mutex.mutex_unlock()
        domain = await k.iommu.release_device(dev)
        await k.iommu.detach_and_free(dev, domain)
        await k.group.iommu_group_put()
