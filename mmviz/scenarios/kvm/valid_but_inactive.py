"""A cache that no invalidation finds says that it is valid.

KVM keeps a page of the guest mapped for itself.  An active cache is on a list; when the host takes
the page away, the MMU notifier walks the list and clears `valid`.  A refresh of a cache that is not
active sets `valid` as well: it is on no list, the notifier misses it, and KVM writes to a page that
has another owner.  And when such a cache is activated, its pointer is cleared while a reader, who
has found it valid, is about to use it.

Promise: KVM uses the guest's page only while the host has not taken it away.

Memory model: sequentially consistent.

Simplified:
    One page, one refresh, one reader, one invalidation, one activation.
    The cache's lock is a reader-writer lock; every user here takes it for writing.
    That the activation also initialised the lock anew, while it was held, is not modelled.
    A refresh that meets an invalidation gives up, and does not try again.
    K2/a puts the cache on the list before it says active, where v5.17 to v6.0 do so after it; and
    the activation of v6.1 clears an inactive cache once more. Neither changes a verdict.

Sources:
    ecbcf030b456 (v6.1) KVM: Reject attempts to consume or refresh inactive gfn_to_pfn_cache
    52491a38b2c2 (v6.1) KVM: Initialize gfn_to_pfn_cache locks in dedicated helper
    CVE-2022-49882, CVE-2022-49884; virt/kvm/pfncache.c
"""

from typing import Protocol

from mmviz.engine import Race, World, at_end
from mmviz.kernel.driver.pfncache import PfnCache
from mmviz.kernel.mm.page import Page
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.kvm import ACTIVE_CHECKED, INACTIVE_IS_VALID


class Machine(World):
    """A page of the guest, and a cache that is not active yet."""

    page: Page
    gpc: PfnCache


def machine() -> Machine:
    """Build the machine before anything is mapped."""
    return Machine(Page(7), PfnCache())


@at_end
def cache_stays_inactive(k: Machine) -> bool:
    """The cache was activated, and is not in use."""
    return not k.gpc.active


class Checks(Protocol):
    """Who looks whether the cache is active, and what an activation does."""

    async def may_refresh(self, k: Machine) -> bool: ...
    async def may_use(self, k: Machine) -> bool: ...
    async def activate(self, k: Machine) -> None: ...


async def kvm_gpc_refresh(k: Machine, checks: Checks) -> None:
    """CPU0 refreshes the cache."""
    await k.gpc.lock.spin_lock()
    if await checks.may_refresh(k):
        await k.gpc.map(k.page)
    await k.gpc.lock.spin_unlock()


async def reader(k: Machine, checks: Checks) -> None:
    """CPU1 writes to the guest's page, if the cache is valid."""
    await k.gpc.lock.spin_lock()
    if await checks.may_use(k):
        await k.gpc.use()
    await k.gpc.lock.spin_unlock()


async def invalidate_start(k: Machine) -> None:
    """CPU2 takes the page away: the notifier walks the list first."""
    await k.gpc.begin_invalidation()
    if await k.gpc.is_listed():
        await k.gpc.invalidate()
    await k.gpc.zap(k.page)
    await k.gpc.end_invalidation()


async def kvm_gpc_activate(k: Machine, checks: Checks) -> None:
    """CPU3 activates the cache."""
    await checks.activate(k)


# One refresh, one use, one invalidation, one activation.
race = Race(
    world=machine,
    actors={
        "CPU0": kvm_gpc_refresh,
        "CPU1": reader,
        "CPU2": invalidate_start,
        "CPU3": kvm_gpc_activate,
    },
    bad=(
        "uses_freed_guest_page",
        "null_dereference",
        cache_stays_inactive,
        "unlock_not_owner",
    ),
)


@race.case(
    "K2/a",
    "as shipped v5.17 to v6.0: nothing asks whether the cache is active",
    sometimes=["uses_freed_guest_page", "null_dereference"],
    source=INACTIVE_IS_VALID,
    states=515,
)
class NotAsked:
    """An inactive cache is refreshed, found valid, and missed by the notifier."""

    async def may_refresh(self, k: Machine) -> bool:
        return True

    async def may_use(self, k: Machine) -> bool:
        return await k.gpc.is_valid()

    async def activate(self, k: Machine) -> None:
        await k.gpc.clear()
        await k.gpc.list_add()
        await k.gpc.set_active()


@race.case(
    "K2/b",
    "tempting: only the reader asks",
    sometimes=["uses_freed_guest_page"],
    source=constructed("what was refreshed too early is valid when the cache becomes active"),
    states=445,
)
class ReaderAsks(NotAsked):
    """A refresh between the clear and the list maps a page, and the notifier misses the cache."""

    async def may_use(self, k: Machine) -> bool:
        return await k.gpc.is_active() and await super().may_use(k)


@race.case(
    "K2/c",
    "tempting: say active first, and put the cache on the list after that",
    sometimes=["uses_freed_guest_page"],
    source=constructed("active must mean that invalidations find it"),
    states=403,
)
class ActiveFirst(ReaderAsks):
    """Between the two steps a refresh is allowed, and the notifier misses the cache."""

    async def may_refresh(self, k: Machine) -> bool:
        return await k.gpc.is_active()

    async def activate(self, k: Machine) -> None:
        await k.gpc.lock.spin_lock()
        await k.gpc.clear()
        await k.gpc.set_active()
        await k.gpc.lock.spin_unlock()
        await k.gpc.list_add()


@race.case(
    "K2/d",
    "as merged in v6.1: refresh and check fail while the cache is inactive",
    source=ACTIVE_CHECKED,
    states=313,
)
class BothAsk(ActiveFirst):
    """The cache is on the list, and then it says that it is active, under its lock."""

    async def activate(self, k: Machine) -> None:
        await k.gpc.list_add()
        await k.gpc.lock.spin_lock()  # redundant: active is one word
        await k.gpc.set_active()
        await k.gpc.lock.spin_unlock()
