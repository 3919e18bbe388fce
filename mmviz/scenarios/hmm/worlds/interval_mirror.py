"""A mirrored page whose driver has an interval notifier."""

from mmviz.engine import field
from mmviz.kernel.notifier.interval import IntervalSubscriptions, MmuIntervalNotifier
from mmviz.kernel.notifier.mmu_notifier import MmuNotifierSubscriptions
from mmviz.kernel.sync.locks import Mutex
from mmviz.scenarios.invalidate_page.worlds.mirror import Mirror


class IntervalMirror(Mirror):
    """The driver has a lock and an interval notifier."""

    update: Mutex = field(default_factory=Mutex)
    interval: MmuIntervalNotifier = field(default_factory=MmuIntervalNotifier)
    mm: MmuNotifierSubscriptions = field(default_factory=IntervalSubscriptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mm = IntervalSubscriptions(intervals=(self.interval,))
