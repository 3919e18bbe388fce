"""Sanity checks of a group that a device leaves, and the situations that they judge."""

from mmviz.engine import Struct, atomic, warn

DEFAULT, BLOCKING, USERS = "default", "blocking", "V"
NO_DOMAIN = ""


class Situation(Struct):
    """A group as it is when a device is taken out of it, and whether that is legal.

    Attributes:
        domain: DEFAULT, BLOCKING, the user's V, or NO_DOMAIN. Never changes.
        owner_cnt: drivers that use the group, or one for a user. Never changes.
        last: the device is the group's last. Never changes.
        external: a driver removes it; the core does not release it. Never changes.
        legal: whether this is allowed, as the thread judges it; the kernel has no such field. Never
            changes.

    Source: drivers/iommu/iommu.c, struct iommu_group.
    """

    domain: str
    owner_cnt: int = 0
    last: bool = False
    external: bool = False
    legal: bool = True

    def judge(self, fires: bool) -> None:
        """Complain, inside a step, when a check is wrong about the situation."""
        if fires and self.legal:
            warn("warns_of_legal_use", f"a WARN fires: {self.name}")
        if not fires and not self.legal:
            warn("misses_misuse", f"no WARN fires: {self.name}")

    @atomic("drivers/iommu/iommu.c")
    def warn_on_foreign_domain(self) -> None:
        """Check for a domain that is neither the default nor the blocking one."""
        self.judge(self.domain not in (DEFAULT, BLOCKING, NO_DOMAIN))

    @atomic("drivers/iommu/iommu.c")
    def warn_on_owner(self) -> None:
        """Check for an owner or for a domain that is not the default one."""
        self.judge(self.owner_cnt > 0 or self.domain != DEFAULT)

    @atomic("drivers/iommu/iommu.c")
    def warn_on_owner_of_empty_group(self) -> None:
        """Check the owner and the domain, but only when the last device leaves."""
        self.judge(self.last and (self.owner_cnt > 0 or self.domain != DEFAULT))

    @atomic("drivers/iommu/iommu.c")
    def warn_on_domain(self) -> None:
        """Check for any domain at all."""
        self.judge(self.domain != NO_DOMAIN)
