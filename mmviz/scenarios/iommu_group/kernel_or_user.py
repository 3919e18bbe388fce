"""A kernel driver and a user get devices of one group at the same time.

The devices of a group cannot be isolated from each other, so they belong to the kernel's drivers or
to one user.  Both sides look whether the other is there, and then take the group.  If look and take
are not one, each may look before the other takes.  The old way was to look when the group was
opened, and to notice a driver that came later; by then there is only BUG_ON().

Promise: No kernel driver and user work on one group at a time, and a user's device never reaches
    the kernel's domain, nor loses the user's.

Memory model: sequentially consistent; group->mutex does the rest.

Simplified:
    One kernel driver, for device b, and one user, of device a.  Both give the group back.
    To look and to take are two steps here, so that the mutex has something to protect.
    A new device that joins the group is there in the cases that say so.
    No DMA steps: whose device works is noted, and the table tells what it reaches.

Sources:
    <YxuGQDCzDsvKV2W8@nvidia.com> Re: [PATCH 4/4] iommu: Fix ordering of iommu_release_device()
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> (the patch discussed)
    drivers/iommu/iommu.c: iommu_device_use_default_domain(), iommu_group_claim_dma_owner()
    1ea2a07a532b (v5.19) ownership; 0286300e6045 (v5.19) claim attaches the blocking domain
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from mmviz.engine import Case, Map, Verdict, World, expecting
from mmviz.kernel.dma_owner import OwnedGroup
from mmviz.kernel.iommu import BLOCKED, Device, Domain, Iommu


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


def owned(rid: str) -> Owned:
    """Nobody uses the group."""
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


class OwnershipUnlocked(OwnershipUnderMutex):
    async def lock(self, k: Owned) -> None:
        pass

    async def unlock(self, k: Owned) -> None:
        pass


class LookWhenOpened(OwnershipUnderMutex):
    """The kernel's drivers ask nobody; VFIO is told when one was bound."""

    async def use(self, k: Owned) -> bool:
        await self.lock(k)
        await k.group.use()
        await self.unlock(k)
        return True

    async def bound(self, k: Owned) -> None:
        await k.group.vfio_group_notifier()


class ClaimBlocksNothing(OwnershipUnderMutex):
    async def block(self, k: Owned) -> None:
        pass


async def really_probe(k: Owned, rule: OwnershipUnderMutex) -> None:
    """A kernel driver takes device b, works, and leaves."""
    if not await rule.use(k):
        return
    await k.group.start_kernel_driver()
    if isinstance(rule, LookWhenOpened):
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


async def iommu_probe_device(k: Owned, to_default: bool) -> None:
    """A new device joins the group, and is attached to what the group is, or to the default."""
    await k.group.mutex.mutex_lock()
    domain = k.d if to_default else await k.group.domain_of_group()
    await k.group.list_add(k.joining, domain, k.iommu)
    await k.group.mutex.mutex_unlock()


BAD = (
    kernel_and_user_mixed,
    user_reaches_kernel_domain,
    user_loses_translation,
    "bug_on",
)
SOMETIMES = Verdict.SOMETIMES
Joins = Callable[[Owned], Coroutine[Any, Any, None]]


def case(
    rule: OwnershipUnderMutex,
    variant: str,
    title: str,
    *,
    states: int,
    name: str = "",
    joins: Joins | None = None,
    rid: str = OWN_RID,
    kind: str = "race",
    shipped: tuple[str, str] | None = None,
    schedules: dict[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Race a kernel driver's probe against a user's open, and a new device's arrival."""
    arrives = {"CPU2": joins} if joins is not None else {}
    return Case(
        name=name or type(rule).__name__,
        id=f"B7/{variant}",
        title=title,
        world=partial(owned, rid),
        actors={
            "CPU0": lambda k: really_probe(k, rule),
            "CPU1": lambda k: vfio_group_open(k, rule),
            **arrives,
        },
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        schedules=schedules or {},
        shipped=shipped,
        kind=kind,
    )


CASES = (
    case(
        LookWhenOpened(),
        "t3",
        "until v5.18: VFIO looks when the group is opened, and hears of drivers later",
        states=111,
        kernel_and_user_mixed=SOMETIMES,
        bug_on=SOMETIMES,
    ),
    case(
        OwnershipUnlocked(),
        "t2",
        "tempting: both sides look first, without a lock",
        states=72,
        schedules={"both look, both take": "CPU0 CPU1 CPU0*2 CPU1*3"},
        kernel_and_user_mixed=SOMETIMES,
    ),
    case(
        ClaimBlocksNothing(),
        "t4",
        "a claim that leaves the devices where they are (before 0286300e6045)",
        states=56,
        kind="ordering",
        user_reaches_kernel_domain=SOMETIMES,
    ),
    case(
        OwnershipUnderMutex(),
        "t5-default",
        "a device joins a claimed group, and is attached to the default domain",
        name="JoinsOnDefault",
        joins=partial(iommu_probe_device, to_default=True),
        states=172,
        user_reaches_kernel_domain=SOMETIMES,
    ),
    case(
        OwnershipUnderMutex(),
        "t5-default-shared",
        "the same, and the new device has the RID of the user's",
        name="AliasJoinsOnDefault",
        joins=partial(iommu_probe_device, to_default=True),
        rid=RID_OF_A,
        states=172,
        user_reaches_kernel_domain=SOMETIMES,
        user_loses_translation=SOMETIMES,
    ),
    case(
        OwnershipUnderMutex(),
        "t5",
        "a device joins, and is attached to what the group is attached to",
        name="JoinsOnGroupDomain",
        joins=partial(iommu_probe_device, to_default=False),
        states=170,
    ),
    case(
        OwnershipUnderMutex(),
        "t5-shared",
        "a device with the RID of the user's joins, and is attached to what the group is",
        name="AliasJoinsOnGroupDomain",
        joins=partial(iommu_probe_device, to_default=False),
        rid=RID_OF_A,
        states=170,
    ),
    case(
        OwnershipUnderMutex(),
        "t1",
        "as in v5.19: look and take under the mutex",
        states=58,
        shipped=("v5.19", ""),
    ),
)
