"""Pages with content."""

from mmviz.engine import atomic
from mmviz.kernel.mm.page import Page


class DataPage(Page):
    """A page with content.

    Attributes:
        data: its content.
        shared: other processes map it, too, so the CPU's entries for it are read-only.

    Source: mm/memory.c, __wp_page_copy_user(); mm/ksm.c.
    Simplified: one word of content; whether an entry is writable is a fact of its page.
    """

    data: str = "old"
    shared: bool = True

    @atomic("mm/memory.c")
    def copy_user_highpage(self, source: "DataPage") -> None:
        """Take this page out of the allocator and copy the other one's content into it."""
        self.alloc()
        self.data = source.data
