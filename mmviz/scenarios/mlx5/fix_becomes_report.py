"""A key is revoked while an invalidation still posts work for it, and the fix deadlocks.

A memory region is deregistered: its key is revoked in the hardware and goes back to a cache.  At
the same time an MMU notifier unmaps a page of the region, by a work request that names the key.  If
the key is revoked in between, the request fails.  So the deregistration takes umem_mutex, which the
notifier holds, until it is done.  But giving the key back takes the cache's rb_lock, and under
rb_lock others allocate memory; the allocation may reclaim, reclaim calls MMU notifiers, and these
take umem_mutex.

Promise: No work request names a revoked key, and every actor goes on.

Memory model: sequentially consistent.

Simplified:
    One region, one invalidation, and one registration that allocates under rb_lock.
    The registration's reclaim meets the region that is deregistered.
    The lock of the radix tree, SRCU and the hardware's queue are left out.

Sources:
    abb604a1a9c8 (v6.14) RDMA/mlx5: Fix a race for an ODP MR which leads to CQE with error
    2ed25aa7f771 (v6.16) IB/mlx5: Fix potential deadlock in MR deregistration
    3f5f6321f129 (v6.16) IB/core: Annotate umem_mutex acquisition under fs_reclaim for lockdep
    CVE-2025-21732, CVE-2025-38373; drivers/infiniband/hw/mlx5/mr.c, odp.c
"""

from typing import Protocol

from mmviz.engine import Race, World, at_end, field
from mmviz.kernel.driver.mlx5_mr import MkeyCache, OdpMr
from mmviz.kernel.provenance import constructed
from mmviz.scenarios.mlx5 import MUTEX_OVER_ALL, REVOKE_UNDER_MUTEX, WITHOUT_MUTEX


class Machine(World):
    """A memory region, and the cache of keys."""

    mr: OdpMr = field(default_factory=OdpMr)
    cache: MkeyCache = field(default_factory=MkeyCache)


@at_end
def device_keeps_mapping(k: Machine) -> bool:
    """All is over, and the device still has the page mapped."""
    return k.mr.mapped


@at_end
def key_is_lost(k: Machine) -> bool:
    """The region is deregistered, and its key is not in the cache."""
    return k.cache.keys != 1


class Dereg(Protocol):
    """What a deregistration holds umem_mutex for, and what an invalidation looks at."""

    async def dereg(self, k: Machine) -> None: ...
    async def allocate(self, k: Machine) -> None: ...


async def store(k: Machine) -> None:
    """Put the key back into the cache, under the cache's lock."""
    await k.cache.rb_lock.mutex_lock()
    await k.cache.push_mkey()
    await k.cache.rb_lock.mutex_unlock()


async def mlx5_ib_invalidate_range(k: Machine) -> None:
    """The MMU notifier unmaps the page, unless the region is gone."""
    await k.mr.umem_mutex.mutex_lock()
    if not await k.mr.is_gone():
        await k.mr.mlx5r_umr_update_xlt()
    await k.mr.umem_mutex.mutex_unlock()


async def mlx5_ib_dereg_mr(k: Machine, how: Dereg) -> None:
    """CPU0 deregisters the region."""
    await how.dereg(k)


async def munmap(k: Machine) -> None:
    """CPU1 unmaps the page."""
    await mlx5_ib_invalidate_range(k)


async def reg_mr(k: Machine, how: Dereg) -> None:
    """CPU2 registers another region, and makes a new entry of the cache."""
    await how.allocate(k)


# One deregistration, one invalidation, one registration.
race = Race(
    world=Machine,
    actors={"CPU0": mlx5_ib_dereg_mr, "CPU1": munmap, "CPU2": reg_mr},
    bad=("posts_for_revoked_key", device_keeps_mapping, key_is_lost, "unlock_not_owner"),
)


@race.case(
    "MX/a",
    "as shipped until v6.13: revoke without the mutex",
    sometimes=["posts_for_revoked_key"],
    source=WITHOUT_MUTEX,
    states=183,
)
class WithoutMutex:
    """The notifier has seen a region that is not gone, and its key is revoked."""

    async def dereg(self, k: Machine) -> None:
        await k.mr.mlx5r_umr_revoke_mr()
        await k.mr.mark_gone()
        await store(k)

    async def allocate(self, k: Machine) -> None:
        """Under rb_lock memory is allocated with GFP_KERNEL: reclaim calls the notifier."""
        await k.cache.rb_lock.mutex_lock()
        await mlx5_ib_invalidate_range(k)
        await k.cache.rb_lock.mutex_unlock()


@race.case(
    "MX/b",
    "as shipped v6.14 and v6.15: the mutex over all of it",
    deadlock=True,
    source=MUTEX_OVER_ALL,
    states=84,
)
class MutexOverAll(WithoutMutex):
    """CPU0 has umem_mutex and wants rb_lock; CPU2 has rb_lock and wants umem_mutex."""

    async def dereg(self, k: Machine) -> None:
        await k.mr.umem_mutex.mutex_lock()
        await k.mr.mlx5r_umr_revoke_mr()
        await k.mr.mark_gone()
        await store(k)
        await k.mr.umem_mutex.mutex_unlock()


@race.case(
    "MX/c",
    "tempting: mark the region as gone first, without the mutex",
    sometimes=["posts_for_revoked_key"],
    source=constructed("the notifier may have looked at the mark already"),
    states=174,
)
class MarkFirst(WithoutMutex):
    """Between the look and the work request the key is revoked."""

    async def dereg(self, k: Machine) -> None:
        await k.mr.mark_gone()
        await k.mr.mlx5r_umr_revoke_mr()
        await store(k)


@race.case(
    "MX/d",
    "tempting: the mutex for the revoke, and the mark after it",
    sometimes=["posts_for_revoked_key"],
    source=constructed("between the two the notifier finds a region that is not gone"),
    states=193,
)
class MarkLate(WithoutMutex):
    """The next notifier holds the mutex rightly, and knows nothing of the revoke."""

    async def dereg(self, k: Machine) -> None:
        await k.mr.umem_mutex.mutex_lock()
        await k.mr.mlx5r_umr_revoke_mr()
        await k.mr.umem_mutex.mutex_unlock()
        await k.mr.mark_gone()
        await store(k)


@race.case(
    "MX/e",
    "the mutex over all of it, and no reclaim under rb_lock",
    source=constructed("the cycle is cut at its other end: allocate before the lock is taken"),
    states=52,
)
class AllocateBefore(MutexOverAll):
    """Memory is allocated before rb_lock is taken; what follows under it needs no actor here."""

    async def allocate(self, k: Machine) -> None:
        await mlx5_ib_invalidate_range(k)  # redundant: without rb_lock it does no harm


@race.case(
    "MX/f",
    "as merged in v6.16: the mutex for revoke and mark, the cache after it",
    source=REVOKE_UNDER_MUTEX,
    states=106,
)
class RevokeUnderMutex(WithoutMutex):
    """The two locks are never held together."""

    async def dereg(self, k: Machine) -> None:
        await k.mr.umem_mutex.mutex_lock()
        await k.mr.mlx5r_umr_revoke_mr()
        await k.mr.mark_gone()
        await k.mr.umem_mutex.mutex_unlock()
        await store(k)
