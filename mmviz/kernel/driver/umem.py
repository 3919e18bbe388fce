"""A page that a NIC may write for as long as the user wants."""

from mmviz.engine import Struct, atomic
from mmviz.kernel.mm.page import Page


class Umem(Struct):
    """An ib_umem: user memory that a NIC may write at any time.

    Attributes:
        page: the pinned page, None before it is registered.

    Source: drivers/infiniband/core/umem.c, ib_umem_get().
    Simplified: one page, which is never released.
    """

    page: Page | None = None

    @atomic("include/rdma/ib_verbs.h")
    def ib_dma_map_sg(self, page: Page) -> None:
        """Give the NIC the page's address: it may write there from now on."""
        self.page = page
