"""Releasing a device from an IOMMU group while VFIO takes its domain away.

The thread: Jason Gunthorpe and Robin Murphy, September 2022, in reply to the patch
<4-v1-ef00ffecea52+2cb-iommu_group_lifetime_jgg@nvidia.com>.  In which order, and under which
lock, must the core forget a device that is being unplugged, so that no device is left attached to
a domain that its owner frees meanwhile?  Five answers were on the table; the first one, hold
group->mutex across the driver's release, was merged half a year later (dba9ca9d41f5, v6.4).
"""
