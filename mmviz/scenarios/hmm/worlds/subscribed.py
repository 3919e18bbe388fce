"""A process with one counted notifier, as mmu_notifier_get() and mmu_notifier_put() keep it."""

from mmviz.engine import World, field
from mmviz.kernel.notifier.users import CountedNotifier, NotifierList
from mmviz.kernel.sync.locks import SpinLock
from mmviz.kernel.sync.rcu import SrcuCallbacks


class Subscribed(World):
    """A process with one notifier, which has one user."""

    lock: SpinLock = field(default_factory=lambda: SpinLock(name="subscriptions->lock"))
    list: NotifierList = field(default_factory=lambda: NotifierList(name="subscriptions->list"))
    notifier: CountedNotifier = field(default_factory=CountedNotifier)
    srcu: SrcuCallbacks = field(default_factory=SrcuCallbacks)

    def __post_init__(self) -> None:
        self.list.first = self.notifier
