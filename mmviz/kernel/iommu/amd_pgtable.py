"""AMD's IOMMU: a page table that grows by a level, and the two words that say so."""

from mmviz.engine import Struct, atomic, warn


class AmdPgtable(Struct):
    """The page table of a domain.

    Attributes:
        root: the level of the table that the root pointer leads to.
        mode: how many levels there are.

    Source: drivers/iommu/amd/io_pgtable.c, increase_address_space(), fetch_pte();
    drivers/iommu/amd/amd_iommu_types.h, struct amd_io_pgtable.
    Simplified: a table knows its level, as its entries encode it; two devices that grow the table
    at once wait for one another.
    """

    root: int = 3
    mode: int = 3

    @atomic("drivers/iommu/amd/io_pgtable.c")
    def set_root(self, root: int) -> None:
        """Point the root at a table of another level."""
        self.root = root

    @atomic("drivers/iommu/amd/io_pgtable.c")
    def set_mode(self, mode: int) -> None:
        """Write how many levels there are."""
        self.mode = mode

    @atomic("drivers/iommu/amd_iommu.c")
    def amd_iommu_domain_set_pgtable(self, root: int, mode: int) -> None:
        """Write both as one 64-bit word: the low bits of the root are free for the mode."""
        self.root, self.mode = root, mode

    @atomic("drivers/iommu/amd/io_pgtable.c")
    def read_root(self) -> int:
        """Read the root pointer, and so the table."""
        return self.root

    @atomic("drivers/iommu/amd/io_pgtable.c")
    def read_mode(self) -> int:
        """Read how many levels there are."""
        return self.mode

    @atomic("drivers/iommu/amd_iommu.c")
    def read_both(self) -> tuple[int, int]:
        """Read both as one word."""
        return self.root, self.mode

    @atomic("drivers/iommu/amd/io_pgtable.c")
    def walk(self, root: int, mode: int) -> None:
        """Walk from the root: the level that its entries encode must be the one that was read."""
        if root != mode:
            warn("unmap_fails", f"a table of level {root} is walked as one of level {mode}")
