"""IOMMU drivers that differ in how they handle a requester ID that devices share."""

from mmviz.engine import atomic
from mmviz.kernel.iommu.iommu import BLOCKED, Device, Domain, Iommu, UncountedTableIommu


class RidWideDetachIommu(Iommu):
    """A driver whose detach_dev() blocks the RID even if it has aliases; its release does not.

    Source: the detach_dev callback of struct iommu_ops until 1b932ceddd19 (v6.3).
    """

    @atomic("driver")
    def let_go(self, dev: Device, domain: Domain | None) -> None:
        """Take the device off that domain's list and block its RID."""
        self.unlink(dev, domain)
        self.program(dev.rid, BLOCKED)


class AliasAwareAttachIommu(Iommu):
    """A driver that leaves a RID alone while another device of that RID has another domain.

    Source: arm-smmu's handling of shared stream ids.
    """

    def attach(self, dev: Device, domain: Domain) -> None:
        """Attach a device, inside a step; an attached alias keeps the hardware's entry."""
        peers = [m for m in self.masters if m is not dev and m.rid == dev.rid]
        if not any(peer.domain is not None and peer.domain is not domain for peer in peers):
            super().attach(dev, domain)
            return
        self.unlink(dev, dev.domain)
        domain.list_add(dev)
        domain.hold()
        dev.domain = domain


class AliasAwareTableIommu(UncountedTableIommu):
    """A driver that records no domains, and blocks a RID with the last device that carries it.

    Source: derived from what the thread of 2022 says about drivers that only program the table.
    """

    def block(self, dev: Device) -> None:
        """Stop a device's DMA, inside a step, unless the driver still has an alias of it."""
        if not any(m.priv and m.rid == dev.rid for m in self.masters if m is not dev):
            self.program(dev.rid, BLOCKED)
