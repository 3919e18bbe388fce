"""Where the objects of MMU notifiers stand: the core's on the left, the driver's on the right."""

from mmviz.engine import Struct
from mmviz.kernel.hmm.hmm import Hmm, HmmMm, Registration
from mmviz.kernel.hmm.mirror import HmmMirror
from mmviz.kernel.hmm.range import HmmRange, RangedHmm, VmArea
from mmviz.kernel.mm.mm_count import MmCounts
from mmviz.kernel.notifier.interval import MmuIntervalNotifier
from mmviz.kernel.notifier.interval_seq import DeferringSubscriptions, IntervalSub
from mmviz.kernel.notifier.mmu_notifier import MmuNotifier, MmuNotifierSubscriptions
from mmviz.kernel.notifier.users import CountedNotifier, NotifierList
from mmviz.kernel.sync.kfree_rcu import Module
from mmviz.kernel.sync.locks import OwnedLock, RwSemaphore, SeqCount
from mmviz.kernel.sync.percpu import PerCpu, Placement
from mmviz.kernel.sync.rcu import Srcu
from mmviz.kernel.sync.timer import TimerWheel
from mmviz.kernel.sync.workqueue import WorkerPool, WorkqueueStruct
from mmviz.scene.places import rank

CORE, POOL, OBJECT, DRIVER = 0.0, 1.0, 3.0, 4.0

for kinds, place in (
    ((MmuNotifierSubscriptions, NotifierList, HmmMm, MmCounts, DeferringSubscriptions), CORE),
    ((OwnedLock, RwSemaphore, Srcu, WorkqueueStruct, Placement), CORE),
    ((WorkerPool, TimerWheel), POOL),
    ((Hmm, RangedHmm, CountedNotifier, IntervalSub, VmArea, PerCpu), OBJECT),
    ((MmuNotifier, MmuIntervalNotifier, HmmMirror, HmmRange), DRIVER),
    ((Registration, Module, SeqCount), DRIVER),
):
    for kind in kinds:

        def _stands(_struct: Struct, place: float = place) -> float:
            return place

        rank.register(kind)(_stands)
