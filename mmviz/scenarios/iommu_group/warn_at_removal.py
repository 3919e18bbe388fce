"""Which check tells a wrong removal from a right one?

A WARN at removal was wanted, against code that takes a device out of a group still in use.  Each
check proposed looks at the group's domain or its owner.  But of two devices that a user has, one
may be unplugged with the domain attached, and quite rightly.  A check that fires there is soon
switched off; one that is silent on a mistake is useless.

Promise: A check fires on each wrong removal, and on no right one.

Memory model: nothing runs at the same time here.

Simplified:
    One CPU takes a device out of a group in each situation of the list, one after the other; the
    situations do not touch each other.
    Each check is asked about the removals it was meant for.

Sources:
    <e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com> Robin Murphy's check, at every removal (M)
    <Yxs+1s+MPENLTUpG@nvidia.com> the check at release that was merged (G), and the one for removals
    from outside (E)
    <YxuGQDCzDsvKV2W8@nvidia.com> why M fires too often, and what the test for an empty list is for
    <4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com> the patch discussed, without a check
    drivers/iommu/iommu.c: iommu_release_device(), iommu_group_remove_device()
    dba9ca9d41f5 (v6.4) the check that was merged
"""

from collections.abc import Callable

from mmviz.engine import Race, World
from mmviz.engine.step import Step
from mmviz.kernel.iommu.group_check import BLOCKING, DEFAULT, NO_DOMAIN, USERS, Situation
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.iommu_group import MERGED, MERGED_REPLY, MURPHY_ALTERNATIVES


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
        # redundant: a check that is not made says nothing of what it misses
        await check(situation)


async def iommu_group_remove_device(k: Situations, check: Check) -> None:
    """Remove a device from outside in each situation."""
    for situation in k.removals:
        # redundant: a check that is not made says nothing of what it misses
        await check(situation)


async def every_removal(k: Situations, check: Check) -> None:
    """Both: the check stands in what both ways share."""
    await iommu_release_device(k, check)
    await iommu_group_remove_device(k, check)


# A check, asked about all the removals it is meant for.
race = Race(
    "B3",
    world=situations,
    actors={"CPU0": iommu_release_device},
    bad=("warns_of_legal_use", "misses_misuse"),
    kind="ordering",
)

race.case(
    "M",
    "tempting: any domain that is not the kernel's, at every removal",
    name="ForeignDomain",
    of=Situation.warn_on_foreign_domain,
    actors={"CPU0": every_removal},
    always=["warns_of_legal_use", "misses_misuse"],
    states=10,
    source=MURPHY_ALTERNATIVES,
)

race.case(
    "G0",
    "an owner, or a domain that is not the default one, at every release",
    name="OwnerOrDomain",
    of=Situation.warn_on_owner,
    always=["warns_of_legal_use"],
    states=7,
    source=constructed("what the test for an empty list is for"),
)

race.case(
    "G",
    "as merged in v6.4: the same, when the last device leaves",
    name="OwnerOfEmptyGroup",
    of=Situation.warn_on_owner_of_empty_group,
    states=7,
    source=MERGED,
)

race.case(
    "E",
    "any domain at all, when a driver removes the device from outside",
    name="AnyDomain",
    of=Situation.warn_on_domain,
    actors={"CPU0": iommu_group_remove_device},
    states=4,
    source=MERGED_REPLY,
)
