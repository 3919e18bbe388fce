"""KVM's gfn_to_pfn_cache: a guest page that stays mapped in the kernel until it is invalidated."""

from mmviz.engine import Struct, atomic, field, warn
from mmviz.kernel.mm.page import Page
from mmviz.kernel.sync.locks import SpinLock


class PfnCache(Struct):
    """A gfn_to_pfn_cache.

    Attributes:
        active: it is in use.
        on_list: invalidations find it.
        valid: `khva` may be used.
        khva: the page that is mapped.
        in_progress: an invalidation has begun and not ended: mn_active_invalidate_count.
        lock: guards valid and khva.

    Source: virt/kvm/pfncache.c, kvm_gpc_activate(), kvm_gpc_refresh(), kvm_gpc_check(),
    gfn_to_pfn_cache_invalidate_start(), v6.1.
    Simplified: one page of the guest; the lock is a reader-writer lock, and a refresh maps the page
    in one step.
    """

    active: bool = False
    on_list: bool = False
    valid: bool = False
    khva: Page | None = None
    in_progress: bool = False
    lock: SpinLock = field(default_factory=SpinLock)

    @atomic("virt/kvm/pfncache.c")
    def is_active(self) -> bool:
        """Tell whether the cache is in use."""
        return self.active

    @atomic("virt/kvm/pfncache.c")
    def map(self, page: Page) -> None:
        """Map the guest's page, and set valid, unless the page is being taken away."""
        if not page.is_free and not self.in_progress:
            self.khva, self.valid = page, True

    @atomic("virt/kvm/pfncache.c")
    def is_valid(self) -> bool:
        """Tell whether the mapping may be used."""
        return self.valid

    @atomic("virt/kvm/pfncache.c")
    def use(self) -> None:
        """Access the guest's page through the mapping."""
        if self.khva is None:
            warn("null_dereference", "the cache's pointer was cleared after the check")
        elif self.khva.is_free:
            warn("uses_freed_guest_page", f"{self.khva} was given back, and is written to")

    @atomic("virt/kvm/pfncache.c")
    def clear(self) -> None:
        """Clear pointer and valid."""
        self.khva, self.valid = None, False

    @atomic("virt/kvm/pfncache.c")
    def list_add(self) -> None:
        """Put the cache on the list that invalidations walk."""
        self.on_list = True

    @atomic("virt/kvm/pfncache.c")
    def set_active(self) -> None:
        """Say that the cache is in use."""
        self.active = True

    @atomic("virt/kvm/pfncache.c")
    def is_listed(self) -> bool:
        """Tell whether the walk of the list finds the cache."""
        return self.on_list

    @atomic("virt/kvm/pfncache.c", when=lambda gpc: gpc.lock.owner is None)
    def invalidate(self) -> None:
        """Clear valid, under the lock."""
        self.valid = False

    @atomic("virt/kvm/kvm_main.c")
    def begin_invalidation(self) -> None:
        """Count an invalidation that has begun."""
        self.in_progress = True

    @atomic("virt/kvm/kvm_main.c")
    def end_invalidation(self) -> None:
        """Count it as ended."""
        self.in_progress = False

    @atomic("mm/memory.c")
    def zap(self, page: Page) -> None:
        """The host takes the page away."""
        page.refs = 0
