"""Worlds that record what a race leaves to its reader: what was read, and that it was used."""

from mmviz.engine import at_end, atomic
from mmviz.kernel.driver.pfncache import PfnCache
from mmviz.kernel.iommu.amd_pgtable import AmdPgtable
from mmviz.kernel.mm.page import Page
from mmviz.scenarios.amd_iommu import level_and_root_apart
from mmviz.scenarios.kvm import valid_but_inactive


class WatchedPgtable(AmdPgtable):
    """A page table that knows what was last read of it.

    Attributes:
        root_read, mode_read: what was read last; None before that.
        walked_by_read: a walk went by what was read last; None before it.
    """

    root_read: int | None = None
    mode_read: int | None = None
    walked_by_read: bool | None = None

    @atomic("drivers/iommu/amd/io_pgtable.c")
    def read_root(self) -> int:
        """Read the root pointer, and so the table."""
        self.root_read = self.root
        return self.root

    @atomic("drivers/iommu/amd/io_pgtable.c")
    def read_mode(self) -> int:
        """Read how many levels there are."""
        self.mode_read = self.mode
        return self.mode

    @atomic("drivers/iommu/amd_iommu.c")
    def read_both(self) -> tuple[int, int]:
        """Read both as one word."""
        self.root_read, self.mode_read = self.root, self.mode
        return self.root, self.mode

    @atomic("drivers/iommu/amd/io_pgtable.c")
    def walk(self, root: int, mode: int) -> None:
        """Walk from the root, and note whether the walk goes by what was read."""
        self.walked_by_read = (root, mode) == (self.root_read, self.mode_read)
        super().walk(root, mode).do()


class WatchedCache(PfnCache):
    """A cache that knows whether it was used.

    Attributes:
        used: the guest's page was accessed through it.
    """

    used: bool = False

    @atomic("virt/kvm/pfncache.c")
    def use(self) -> None:
        """Access the guest's page through the mapping, and note it."""
        self.used = True
        super().use().do()


def page_table() -> level_and_root_apart.Machine:
    """Build the machine with a page table that is watched."""
    return level_and_root_apart.Machine(pgtable=WatchedPgtable())


def cache() -> valid_but_inactive.Machine:
    """Build the machine with a cache that is watched."""
    return valid_but_inactive.Machine(Page(7), WatchedCache())


@at_end
def walk_goes_by_what_was_read(k: level_and_root_apart.Machine) -> bool:
    """The walk goes by the root and the mode that were read."""
    return isinstance(k.pgtable, WatchedPgtable) and k.pgtable.walked_by_read is True


def page_is_used(k: valid_but_inactive.Machine) -> bool:
    """The guest's page can be used through the cache."""
    return isinstance(k.gpc, WatchedCache) and k.gpc.used
