"""Which check tells a wrong removal from a right one?

A WARN at removal was wanted, for whoever takes a device out of a group that is still in use.  Each
check proposed looks at the group's domain or its owner.  But of two devices that a user has, one
may be unplugged with the domain attached, and quite rightly.  A check that fires there is switched
off soon; one that is silent on a mistake was not worth writing.

Promise: A check fires on each wrong removal, and on no right one.

Memory model: nothing runs at the same time here.

Simplified:
    One CPU takes a device out of a group in each situation of the list, one after the other; the
    situations do not touch each other.  Each check is asked about the removals it was meant for.

Sources:
    <YxuGQDCzDsvKV2W8@nvidia.com> Re: [PATCH 4/4] iommu: Fix ordering of iommu_release_device(), in
    answer to Robin Murphy's check
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> (the patch discussed)
    drivers/iommu/iommu.c: iommu_release_device(), iommu_group_remove_device()
    dba9ca9d41f5 (v6.4) the check that was merged
"""

from collections.abc import Callable, Coroutine
from typing import Any

from mmviz.engine import Case, Verdict, World, expecting
from mmviz.engine.step import Step
from mmviz.kernel.group_check import BLOCKING, DEFAULT, NO_DOMAIN, USERS, Situation


class Situations(World):
    """The groups a device may be taken out of."""

    releases: tuple[Situation, ...]
    removals: tuple[Situation, ...]


def situations() -> Situations:
    """All that the thread names."""
    releases = (
        Situation(USERS, 1, name="one of two VFIO devices on V"),
        Situation(BLOCKING, 1, name="one of two claimed devices, blocked"),
        Situation(DEFAULT, 1, name="an idle device beside a kernel driver's"),
        Situation(DEFAULT, 0, last=True, name="the last device, its owner gone"),
        Situation(USERS, 1, last=True, legal=False, name="the last device, still on V"),
        Situation(BLOCKING, 1, last=True, legal=False, name="the last device, still claimed"),
    )
    removals = (
        Situation(DEFAULT, external=True, legal=False, name="from outside, on the default domain"),
        Situation(USERS, 1, external=True, legal=False, name="from outside, on V"),
        Situation(NO_DOMAIN, external=True, name="from outside, without an IOMMU driver"),
    )
    return Situations(releases, removals)


Check = Callable[[Situation], Step[None]]


async def iommu_release_device(k: Situations, check: Check) -> None:
    """Release a device by the core in each situation."""
    for situation in k.releases:
        await check(situation)


async def iommu_group_remove_device(k: Situations, check: Check) -> None:
    """Remove a device from outside in each situation."""
    for situation in k.removals:
        await check(situation)


async def every_removal(k: Situations, check: Check) -> None:
    """Both: the check stands in what both ways share."""
    await iommu_release_device(k, check)
    await iommu_group_remove_device(k, check)


BAD = ("warns_of_legal_use", "misses_misuse")
ALWAYS = Verdict.ALWAYS


def case(
    name: str,
    variant: str,
    title: str,
    actor: Callable[[Situations, Check], Coroutine[Any, Any, None]],
    check: Check,
    *,
    states: int,
    shipped: tuple[str, str] | None = None,
    proposed: tuple[str, str] | None = None,
    **broken: Verdict,
) -> Case:
    """Ask one check about all the removals it is meant for."""
    return Case(
        name=name,
        id=f"B3/{variant}",
        title=title,
        world=situations,
        actors={"CPU0": lambda k: actor(k, check)},
        bad=BAD,
        expect=expecting(BAD, broken),
        states=states,
        kind="ordering",
        shipped=shipped,
        proposed=proposed,
    )


CASES = (
    case(
        "ForeignDomain",
        "M",
        "tempting: any domain that is not the kernel's, at every removal",
        every_removal,
        Situation.warn_on_foreign_domain,
        states=10,
        warns_of_legal_use=ALWAYS,
        misses_misuse=ALWAYS,
        proposed=("2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"),
    ),
    case(
        "OwnerOrDomain",
        "G0",
        "an owner, or a domain that is not the default one, at every release",
        iommu_release_device,
        Situation.warn_on_owner,
        states=7,
        warns_of_legal_use=ALWAYS,
    ),
    case(
        "OwnerOfEmptyGroup",
        "G",
        "as merged in v6.4: the same, when the last device leaves",
        iommu_release_device,
        Situation.warn_on_owner_of_empty_group,
        states=7,
        shipped=("v6.4", ""),
        proposed=("2022-09-08", "<4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com>"),
    ),
    case(
        "AnyDomain",
        "E",
        "any domain at all, when a driver removes the device from outside",
        iommu_group_remove_device,
        Situation.warn_on_domain,
        states=4,
    ),
)

SPARE = {
    "OwnerOfEmptyGroup: await check(situation)": (
        "What a check misses, the check itself says; without one nothing is said."
    ),
    "AnyDomain: await check(situation)": (
        "What a check misses, the check itself says; without one nothing is said."
    ),
}
