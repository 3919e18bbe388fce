"""Out of memory: an allocation waits until a page of another process is freed."""

from mmviz.engine import Struct, atomic
from mmviz.kernel.mm.page import Page


class Zone(Struct):
    """What the page allocator has when no page is free.

    Attributes:
        pages: the pages that may be freed. Never changes.
        next_victim: the page of the process that would be killed next.

    Source: mm/page_alloc.c, __alloc_pages_may_oom(); mm/oom_kill.c, out_of_memory().
    Simplified: an allocation waits instead of trying again; a killed process exits at once.
    """

    pages: tuple[Page, ...]
    next_victim: Page

    @atomic("mm/page_alloc.c", when=lambda zone: any(page.is_free for page in zone.pages))
    def alloc_pages(self) -> Page:
        """Take a free page, waiting until there is one."""
        page = next(page for page in self.pages if page.is_free)
        page.alloc()
        return page

    @atomic("mm/oom_kill.c")
    def out_of_memory(self) -> None:
        """Kill the next process; it exits, and its page is freed."""
        self.next_victim.put()
