"""Pages, their references and the page lock."""

from mmviz.engine import ModelError, Struct, atomic, current, warn
from mmviz.kernel.locks import enter, leave, might_sleep

GUP_PIN_COUNTING_BIAS = 1024
"""What one pin adds to a small page's references (include/linux/mm.h)."""


class Page(Struct):
    """A struct page.

    Attributes:
        pfn: its number.
        refs: references, a pin counting 1024; at zero the page allocator has it back.
        locked: the actor that holds the page lock.

    Source: include/linux/mm.h, mm/swap.c, mm/filemap.c.
    Simplified: a page that is back with the allocator is not handed out again.
    """

    pfn: int
    refs: int = 1
    locked: str | None = None

    def __post_init__(self) -> None:
        self.name = self.name or f"page {self.pfn}"

    @property
    def is_free(self) -> bool:
        """Whether the allocator has the page back."""
        return self.refs == 0

    @property
    def is_maybe_dma_pinned(self) -> bool:
        """Whether the count tells of a pin: page_maybe_dma_pinned(), which may be fooled."""
        return self.refs >= GUP_PIN_COUNTING_BIAS

    def alloc(self) -> None:
        """Take the page out of the allocator, inside a step."""
        if self.refs:
            raise ModelError(f"{self.name} is handed out, but it has {self.refs} references")
        self.refs = 1

    def get(self) -> None:
        """Take a reference, inside a step."""
        if self.refs == 0:
            warn("refcount_resurrected", f"a reference is taken on {self.name}, which is free")
        self.refs += 1

    def put(self) -> bool:
        """Put a reference, inside a step; say whether the page is free now."""
        if self.refs == 0:
            warn("refcount_underflow", f"a reference on {self.name} is put that nobody had")
            return False
        self.refs -= 1
        return self.refs == 0

    @atomic("include/linux/mm.h")
    def get_page(self) -> None:
        """Take a reference on the page."""
        self.get()

    @atomic("include/linux/mm.h")
    def try_get_page(self) -> bool:
        """Take a reference unless the last one is gone; say whether."""
        if self.refs == 0:
            return False
        self.refs += 1
        return True

    @atomic("include/linux/mm.h")
    def put_page(self) -> None:
        """Put a reference; the last one gives the page back to the allocator."""
        self.put()

    @atomic("mm/gup.c")
    def try_grab_page(self) -> bool:
        """Pin the page, unless its last reference is gone; say whether."""
        if self.refs == 0:
            return False
        self.refs += GUP_PIN_COUNTING_BIAS
        return True

    @atomic("mm/gup.c")
    def unpin_user_page(self) -> None:
        """Take the pin back."""
        if not self.is_maybe_dma_pinned:
            warn("refcount_underflow", f"{self.name} is unpinned, but nobody had pinned it")
            return
        self.refs -= GUP_PIN_COUNTING_BIAS

    @atomic("include/linux/mm.h")
    def page_maybe_dma_pinned(self) -> bool:
        """Say whether the count tells of a pin now; GUP-fast may add one the next moment."""
        return self.is_maybe_dma_pinned

    @atomic("mm/filemap.c", when=lambda page: page.locked is None)
    def lock_page(self) -> None:
        """Take the page lock, sleeping while somebody has it; the page may go meanwhile."""
        might_sleep("lock_page()")
        self.locked = current().name
        enter(self)

    @atomic("include/linux/pagemap.h")
    def trylock_page(self) -> bool:
        """Take the page lock if it is free; say whether."""
        if self.locked is not None:
            return False
        self.locked = current().name
        enter(self)
        return True

    @atomic("mm/filemap.c")
    def unlock_page(self) -> None:
        """Drop the page lock."""
        leave(self, "unlock_page()")
        self.locked = None
