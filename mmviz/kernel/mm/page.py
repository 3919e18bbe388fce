"""Pages, their references and the page lock."""

from mmviz.engine import ModelError, Struct, atomic, current, warn
from mmviz.kernel.sync.locks import enter, leave, might_sleep

GUP_PIN_COUNTING_BIAS = 1024
"""What one pin adds to a small page's references (include/linux/mm.h)."""


class Page(Struct):
    """A struct page.

    Attributes:
        pfn: its number.
        refs: references, where a pin counts 1024; at zero the page is free.
        locked: the actor that holds the page lock.

    Source: include/linux/mm.h, mm/swap.c, mm/filemap.c.
    Simplified: a free page is not handed out again.
    """

    pfn: int
    refs: int = 1
    locked: str | None = None

    def __post_init__(self) -> None:
        self.name = self.name or f"page {self.pfn}"

    @property
    def is_free(self) -> bool:
        """Whether the page is free."""
        return self.refs == 0

    @property
    def is_maybe_dma_pinned(self) -> bool:
        """Whether the count shows a pin: page_maybe_dma_pinned(), which may be wrong."""
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
        """Put a reference, inside a step; return whether the page is free now."""
        if self.refs == 0:
            warn("refcount_underflow", f"a reference on {self.name} is put, but it has none")
            return False
        self.refs -= 1
        return self.refs == 0

    @atomic("include/linux/mm.h")
    def get_page(self) -> None:
        """Take a reference on the page."""
        self.get()

    @atomic("include/linux/mm.h")
    def try_get_page(self) -> bool:
        """Take a reference unless the last one is gone; return whether it was taken."""
        if self.refs == 0:
            return False
        self.refs += 1
        return True

    @atomic("include/linux/mm.h")
    def put_page(self) -> None:
        """Put a reference; the last one frees the page."""
        self.put()

    @atomic("mm/gup.c")
    def try_grab_page(self) -> bool:
        """Pin the page unless its last reference is gone; return whether it was pinned."""
        if self.refs == 0:
            return False
        self.refs += GUP_PIN_COUNTING_BIAS
        return True

    @atomic("mm/gup.c")
    def unpin_user_page(self) -> None:
        """Remove the pin."""
        if not self.is_maybe_dma_pinned:
            warn("refcount_underflow", f"{self.name} is unpinned, but it has no pin")
            return
        self.refs -= GUP_PIN_COUNTING_BIAS

    @atomic("include/linux/mm.h")
    def page_maybe_dma_pinned(self) -> bool:
        """Return whether the count shows a pin; GUP-fast may add one at any moment."""
        return self.is_maybe_dma_pinned

    @atomic("mm/filemap.c", when=lambda page: page.locked is None)
    def lock_page(self) -> None:
        """Take the page lock, sleeping while it is held; the page may be freed meanwhile."""
        might_sleep("lock_page()")
        self.locked = current().name
        enter(self)

    @atomic("include/linux/pagemap.h")
    def trylock_page(self) -> bool:
        """Take the page lock if it is free; return whether it was."""
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
