"""A mirrored page, and an object with its own counter that is about to be registered for it."""

from typing import Any, Final

from mmviz.engine import field
from mmviz.kernel.driver.umem_odp import UmemOdp
from mmviz.scenarios.invalidate_page.worlds import mirror
from mmviz.scenarios.invalidate_page.worlds.mirror import (
    VA,
    GuardedMirror,
    page_refs_out_of_balance,
)


class NewObject(GuardedMirror):
    """A page that the CPU maps, and an object that is about to be registered for it."""

    notifier: UmemOdp = field(default_factory=UmemOdp)

    def __post_init__(self) -> None:
        self.cpu.pte[VA] = self.page


def count_out_of_balance(k: Any) -> bool:
    """An object's counter is wrong: it misses an invalidation, or counts one that is over."""
    if not isinstance(k, NewObject):
        return False
    count = k.notifier.mmu_invalidate_in_progress
    return count < 0 or (k.mm.active_invalidate_ranges == 0 and count > 0)


BAD: Final = (*mirror.BAD, count_out_of_balance, page_refs_out_of_balance)
