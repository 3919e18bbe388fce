"""Pages, their references and the page lock."""

from mmviz.engine import Struct, atomic, current, warn
from mmviz.kernel.locks import enter, leave, might_sleep


class Page(Struct):
    """A struct page.

    Attributes:
        pfn: its number.
        refs: references; at zero the page allocator has it back.
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
    def put_page(self) -> None:
        """Put a reference; the last one gives the page back to the allocator."""
        self.put()

    @atomic("mm/filemap.c", when=lambda page: page.locked is None)
    def lock_page(self) -> None:
        """Take the page lock, sleeping while somebody else has it."""
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
