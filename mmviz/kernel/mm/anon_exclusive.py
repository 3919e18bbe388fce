"""PG_anon_exclusive: the page itself records whether one process has it alone (v5.19)."""

from mmviz.engine import atomic
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.page import Page


class AnonPage(Page):
    """An anonymous page that records whether a single process has it.

    Attributes:
        anon_exclusive: the flag PG_anon_exclusive.

    Source: include/linux/page-flags.h, PageAnonExclusive() (6c287605fd56, v5.19).
    """

    anon_exclusive: bool = True


class ReuseByFlag(CowMapping):
    """A mapping whose write faults follow the rule of v5.19: the flag decides, then the count.

    Source: mm/memory.c, do_wp_page(), v5.19.
    """

    @atomic("mm/memory.c")
    def do_wp_page(self, copy: Page) -> None:
        """Answer a write to a read-only page: reuse it if it is exclusive or has one reference."""
        if self.pte is None or self.pte.write or self.pte.exclusive:
            return
        page = self.pte.page
        assert isinstance(page, AnonPage)
        if page.anon_exclusive or page.refs == 1:
            page.anon_exclusive = True
            self.pte = Pte(page)
            return
        copy.alloc()
        self.pte = Pte(copy)
        page.put()
