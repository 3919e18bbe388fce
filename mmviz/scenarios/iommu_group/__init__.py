"""Releasing a device from an IOMMU group while VFIO takes its domain away.

The thread: Jason Gunthorpe and Robin Murphy, September 2022, in reply to the patch
<4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com>.  In which order, and under which
lock, must the core forget a device that is being unplugged, so that no device is left attached to
a domain that its owner frees meanwhile?  Five answers were on the table:

1. hold group->mutex across the driver's release (merged half a year later: dba9ca9d41f5, v6.4);
2. let the driver detach in a callback under the mutex;
3. let the driver count references on the domain;
4. let the driver's domain_free() clean up what is still attached;
5. attach the leaving device to the default domain first.

The races call them (1) to (5).

Gunthorpe would go further than (1): arguably all device ops belong under the mutex
(<YxuGQDCzDsvKV2W8@nvidia.com>).  Murphy answers that half of them have no group yet, or are meant
to call back into code that takes the mutex (<b753aecb-ee2a-2cd0-1df2-0c3e977b4cb9@arm.com>); what
becomes of that is in release_under_locks.
"""

from typing import Final

from mmviz.kernel.provenance import candidate, mistake, proposed, shipped

# The newest kernel whose drivers/iommu/iommu.c and drivers/vfio/group.c were looked at (a tree of
# v6.18.15 that has later changes of these files, too).
CHECKED: Final = ("v6.18", "2026-11-28")

# The patch that the thread answers: off the list, release, then put the group.
SERIES_V1: Final = proposed(
    "2022-09-08", "<4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com>"
)
# Murphy: an extra group reference around the release.
MURPHY_REFERENCE: Final = proposed("2022-09-08", "<87b7041e-bc8d-500c-7167-04190e3795a9@arm.com>")
# Gunthorpe: the device knows its group until it is released; a WARN on the group's own domains.
KEEP_GROUP: Final = proposed("2022-09-08", "<YxpiBEbGHECGGq5Q@nvidia.com>")
# Gunthorpe: the diagram of the race; the mutex held across release, as merged; the merged WARN.
MERGED_REPLY: Final = proposed("2022-09-09", "<Yxs+1s+MPENLTUpG@nvidia.com>")
# Murphy: three alternatives to the mutex, and a patch that holds the group and rebinds the device.
MURPHY_ALTERNATIVES: Final = proposed(
    "2022-09-09", "<e0ff6dc1-91b3-2e41-212c-c83a2bf2b3a8@arm.com>"
)
# Gunthorpe, on the alternatives: with one RID, rebinding breaks the device that stays.
SHARED_RID_REPLY: Final = proposed("2022-09-09", "<YxuGQDCzDsvKV2W8@nvidia.com>")
# Gunthorpe: a driver must hold a reference on each domain that its hardware walks.
COUNT_HARDWARE: Final = proposed("2022-09-09", "<YxvQNTD1U4bs5TZD@nvidia.com>")

# Roedel's <20200429133712.31431-8-joro@8bytes.org>: off the list first; 9ac8545199a1 mended it.
RELEASE_CANDIDATE: Final = candidate("v5.8", "a6a4c7e2c5b8", "2020-04-29")
RELEASE_FIRST: Final = shipped("v5.8", "v6.3", "9ac8545199a1")
MERGED: Final = shipped("v6.4", said=MERGED_REPLY, checked=CHECKED)
BLIND_DRIVERS: Final = mistake("<b753aecb-ee2a-2cd0-1df2-0c3e977b4cb9@arm.com>", "2022-09-09")
IPMMU_VMSA: Final = mistake("24dfb197c3b7")  # v6.4: its release stops taking the group's mutex
