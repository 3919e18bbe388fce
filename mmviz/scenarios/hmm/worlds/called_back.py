"""One struct hmm, which its last mirror leaves while a notifier callback runs on it."""

from functools import partial
from typing import Any, Protocol

from mmviz.engine import World, field
from mmviz.kernel.hmm.hmm import Hmm, HmmMm
from mmviz.kernel.notifier.walk import walk_notifiers
from mmviz.kernel.sync.rcu import SrcuCallbacks


class Mirrored(World):
    """An mm with one struct hmm, which one mirror keeps alive."""

    hmm: Hmm = field(default_factory=Hmm)
    srcu: SrcuCallbacks = field(default_factory=SrcuCallbacks)
    mm: HmmMm = field(default_factory=lambda: HmmMm(None, None))

    def __post_init__(self) -> None:
        self.mm.hmm = self.mm.notifier = self.hmm


class Notified(Protocol):
    """HMM's callback at the start of an invalidation."""

    async def hmm_invalidate_range_start(self, k: Any, notifier: Hmm) -> None:
        """Find struct hmm, and tell its mirrors."""


class Counted(Protocol):
    """How a reference on struct hmm is put."""

    async def hmm_put(self, k: Any, hmm: Hmm) -> None:
        """Put a reference; the last one lets struct hmm go."""


async def hmm_mirror_unregister(k: Mirrored, ops: Counted) -> None:
    """The driver's file is closed."""
    await k.hmm.list_del_init()
    await ops.hmm_put(k, k.hmm)


async def mmu_notifier_invalidate_range_start(k: Mirrored, ops: Notified) -> None:
    """Reclaim tells the mm's notifiers."""
    await walk_notifiers(
        k.srcu, k.mm.hlist_for_each_entry_rcu, partial(ops.hmm_invalidate_range_start, k)
    )


async def srcu_invoke_callbacks(k: Mirrored) -> None:
    """A kernel worker frees what was handed over to SRCU."""
    await k.srcu.srcu_invoke_callbacks()
