"""How the core calls an mm's notifiers: in an SRCU read section, one after the other."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from mmviz.kernel.sync.rcu import Srcu

Notifier = TypeVar("Notifier")


async def walk_notifiers(
    srcu: Srcu,
    hlist_for_each_entry_rcu: Callable[[], Awaitable[Notifier | None]],
    call: Callable[[Notifier], Awaitable[None]],
) -> None:
    """Call what is on the list of notifiers, inside an SRCU read section.

    Args:
        srcu: guards the memory of what is on the list, not the list itself.
        hlist_for_each_entry_rcu: finds the next notifier, None at the end.
        call: the notifier's callback.

    Source: mm/mmu_notifier.c, mn_hlist_invalidate_range_start(), mn_hlist_release().
    Simplified: one notifier on the list at most, so the walk ends after it.
    """
    await srcu.srcu_read_lock()
    notifier = await hlist_for_each_entry_rcu()
    if notifier is not None:
        await call(notifier)
    await srcu.srcu_read_unlock()
