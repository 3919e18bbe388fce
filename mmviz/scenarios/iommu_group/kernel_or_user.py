"""A kernel driver and a user get devices of one group at the same time.

The devices of a group cannot be isolated from each other, so they belong to the kernel's drivers or
to one user.  Both sides check that the other is not there, and then take the group.  If check and
take are not one critical section, each may check before the other takes.  VFIO used to check when
the group was opened, and to be notified when a driver was bound later; by then there is only
BUG_ON().

Promise: No kernel driver and user work on one group at a time, and a user's device never reaches
    the kernel's domain, nor loses the user's.

Memory model: sequentially consistent; group->mutex does the rest.

Simplified:
    One kernel driver, for device b, and one user, of device a.  Both give the group back.
    To look and to take are two steps here, so that the mutex has something to protect.
    A kernel driver looks for an owner only; the kernel also looks at the group's domain.
    A new device that joins the group is there in the cases that say so.
    No DMA steps: flags tell whose device works, and the table tells what it reaches.
    ClaimBlocksNothing: the driver's detach_dev leaves a device's translation as it is.

Sources:
    <YxuGQDCzDsvKV2W8@nvidia.com> iommu_device_use_default_domain() in the thread's diagram
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> the patch discussed
    drivers/iommu/iommu.c: iommu_device_use_default_domain(), iommu_group_claim_dma_owner(),
    iommu_probe_device()
    drivers/vfio/vfio.c (until v5.18): vfio_iommu_group_notifier()
    cba3345cc494 (v3.6) VFIO, with the notifier and its BUG_ON()
    <20220218005521.172832-2-baolu.lu@linux.intel.com> ownership, where a claim detaches the devices
    1ea2a07a532b (v5.19) ownership; a device that joins a claimed group is not moved to the default
    domain any more
    0286300e6045 (v5.19) claim attaches the blocking domain
"""

from functools import partial

from mmviz.engine import Map, Race, World
from mmviz.kernel.iommu.dma_owner import OwnedGroup
from mmviz.kernel.iommu.iommu import BLOCKED, Device, Domain, Iommu
from mmviz.kernel.provenance import constructed, proposed_elsewhere, shipped
from mmviz.scenarios.iommu_group import CHECKED


class Owned(World):
    """A group of two devices on the default domain; a third may join; a user has domain V."""

    a: Device
    b: Device
    joining: Device
    group: OwnedGroup
    iommu: Iommu
    d: Domain
    v: Domain


OWN_RID, RID_OF_A = "03:00.0", "01:00.0"


def owned(rid: str = OWN_RID) -> Owned:
    """The group is unused; a device with that RID may join it."""
    a, b = Device("01:00.0", name="device a"), Device("02:00.0", name="device b")
    c, d, v = Device(rid, name="new device"), Domain(name="domain D"), Domain(name="domain V")
    rids = dict.fromkeys((a.rid, b.rid, c.rid), BLOCKED)
    table: Map[str, Domain | str] = Map(dict(rids), name="IOMMU")
    iommu = Iommu(table, (a, b, c))
    for dev in (a, b):
        iommu.attach(dev, d)
    group = OwnedGroup(refs=2, default_domain=d, domain=d, devices=(a, b), name="group")
    return Owned(a, b, c, group, iommu, d, v)


def kernel_and_user_mixed(k: Owned) -> bool:
    """A kernel driver and a user share a group: the user's device can reach kernel memory."""
    return k.group.kernel_dma and k.group.user_dma


def user_reaches_kernel_domain(k: Owned) -> bool:
    """A user's device is on the kernel's domain: by DMA it reaches memory of the kernel."""
    return k.group.user_dma and any(to is k.d for to in k.iommu.table.values())


def user_loses_translation(k: Owned) -> bool:
    """A user's device is on the user's domain, its RID is not: the user's work fails or strays."""
    return k.group.user_dma and k.a.domain is k.v and k.iommu.table[k.a.rid] is not k.v


class OwnershipUnderMutex:
    """Look and take are one under the mutex; a claimed group is blocked until it is attached."""

    async def lock(self, k: Owned) -> None:
        await k.group.mutex.mutex_lock()

    async def unlock(self, k: Owned) -> None:
        await k.group.mutex.mutex_unlock()

    async def block(self, k: Owned) -> None:
        await k.group.set_blocking_domain(k.iommu)

    async def use(self, k: Owned) -> bool:
        await self.lock(k)
        usable = await k.group.is_usable()
        if usable:
            await k.group.use()
        await self.unlock(k)
        return usable

    async def bound(self, k: Owned) -> None:
        pass

    async def claim(self, k: Owned) -> bool:
        await self.lock(k)
        claimable = await k.group.is_claimable()
        if claimable:
            await k.group.claim("vfio")
            await self.block(k)
        await self.unlock(k)
        return claimable

    async def unuse(self, k: Owned) -> None:
        await self.lock(k)
        await k.group.unuse()
        await self.unlock(k)


async def really_probe(k: Owned, rule: OwnershipUnderMutex) -> None:
    """A kernel driver takes device b, works, and leaves."""
    if not await rule.use(k):
        return
    await k.group.start_kernel_driver()
    await rule.bound(k)
    await k.group.stop_kernel_driver()
    await rule.unuse(k)


async def vfio_group_open(k: Owned, rule: OwnershipUnderMutex) -> None:
    """A user takes device a, attaches its domain, works, and leaves."""
    if not await rule.claim(k):
        return
    await k.group.start_user()
    await rule.lock(k)
    await k.group.iommu_attach_group(k.v, k.iommu)
    await rule.unlock(k)
    await k.group.stop_user()
    await rule.lock(k)
    await k.group.release_dma_owner(k.iommu)
    await rule.unlock(k)


async def iommu_probe_device(k: Owned, to_default: bool = False) -> None:
    """A new device joins the group, and is attached to what the group is, or to the default."""
    await k.group.mutex.mutex_lock()
    domain = k.d if to_default else await k.group.domain_of_group()
    await k.group.list_add(k.joining, domain, k.iommu)
    await k.group.mutex.mutex_unlock()


# A kernel driver's probe, against a user's open.
race = Race(
    "B7",
    world=owned,
    actors={"CPU0": really_probe, "CPU1": vfio_group_open},
    bad=(
        kernel_and_user_mixed,
        user_reaches_kernel_domain,
        user_loses_translation,
        "bug_on",
    ),
)


@race.case(
    "t3",
    "until v5.18: VFIO looks when the group is opened, and is told of drivers later",
    sometimes=[kernel_and_user_mixed, "bug_on"],
    states=111,
    source=shipped("v3.6", "v5.18", where="cba3345cc494"),
)
class LookWhenOpened(OwnershipUnderMutex):
    """The kernel's drivers do not check for a user; VFIO is notified when one was bound."""

    async def use(self, k: Owned) -> bool:
        await self.lock(k)
        await k.group.use()
        await self.unlock(k)
        return True

    async def bound(self, k: Owned) -> None:
        await k.group.vfio_group_notifier()


@race.case(
    "t2",
    "tempting: both sides look first, without a lock",
    sometimes=[kernel_and_user_mixed],
    states=72,
    schedules={"both look, both take": "CPU0 CPU1 CPU0*2 CPU1*3"},
    source=constructed("what the mutex is for"),
)
class OwnershipUnlocked(OwnershipUnderMutex):
    """The same tests, without the mutex."""

    async def lock(self, k: Owned) -> None:
        pass

    async def unlock(self, k: Owned) -> None:
        pass


@race.case(
    "t4",
    "a claim that leaves the devices where they are (before 0286300e6045)",
    sometimes=[user_reaches_kernel_domain],
    kind="ordering",
    states=56,
    source=proposed_elsewhere("2022-02-18", "<20220218005521.172832-2-baolu.lu@linux.intel.com>"),
)
class ClaimBlocksNothing(OwnershipUnderMutex):
    """A claim notes the owner and attaches nothing."""

    async def block(self, k: Owned) -> None:
        pass


# A third device joins the group meanwhile.
ON_DEFAULT = race.actors | {"CPU2": partial(iommu_probe_device, to_default=True)}
ON_GROUP_DOMAIN = race.actors | {"CPU2": iommu_probe_device}
UNTIL_V5_18 = "what iommu_probe_device() did until v5.18, under the ownership of v5.19"
OWNERSHIP = shipped("v5.19", where="1ea2a07a532b", checked=CHECKED)

race.case(
    "t5-default",
    "a device joins a claimed group, and is attached to the default domain",
    name="JoinsOnDefault",
    of=OwnershipUnderMutex,
    actors=ON_DEFAULT,
    sometimes=[user_reaches_kernel_domain],
    states=172,
    source=constructed(UNTIL_V5_18),
)

race.case(
    "t5-default-shared",
    "the same, and the new device has the RID of the user's",
    name="AliasJoinsOnDefault",
    of=OwnershipUnderMutex,
    world=partial(owned, RID_OF_A),
    actors=ON_DEFAULT,
    sometimes=[user_reaches_kernel_domain, user_loses_translation],
    states=172,
    source=constructed(UNTIL_V5_18),
)

race.case(
    "t5",
    "a device joins, and is attached to what the group is attached to",
    name="JoinsOnGroupDomain",
    of=OwnershipUnderMutex,
    actors=ON_GROUP_DOMAIN,
    states=170,
    source=OWNERSHIP,
)

race.case(
    "t5-shared",
    "a device with the RID of the user's joins, and is attached to what the group is",
    name="AliasJoinsOnGroupDomain",
    of=OwnershipUnderMutex,
    world=partial(owned, RID_OF_A),
    actors=ON_GROUP_DOMAIN,
    states=170,
    source=OWNERSHIP,
)

race.case(
    "t1",
    "as in v5.19: look and take under the mutex",
    of=OwnershipUnderMutex,
    states=58,
    source=OWNERSHIP,
)
