"""mlx5's memory regions on demand: a key in the hardware, and a cache of keys."""

from mmviz.engine import Struct, atomic, current, field, warn
from mmviz.kernel.sync.locks import Mutex


class OdpMr(Struct):
    """A memory region whose pages the device maps on demand.

    Attributes:
        umem_mutex: guards the region against an invalidation.
        key_valid: the hardware knows the key.
        gone: the region is marked as gone: an invalidation leaves it alone.
        mapped: the device has the page mapped.

    Source: drivers/infiniband/hw/mlx5/mr.c, mlx5_revoke_mr(), __mlx5_ib_dereg_mr();
    drivers/infiniband/hw/mlx5/odp.c, mlx5_ib_invalidate_range().
    Simplified: one page; the work request that the hardware is sent is one step.
    """

    key_valid: bool = True
    gone: bool = False
    mapped: bool = True
    umem_mutex: Mutex = field(default_factory=Mutex)

    @atomic("drivers/infiniband/hw/mlx5/mr.c")
    def mlx5r_umr_revoke_mr(self) -> None:
        """Revoke the key in the hardware: the device cannot reach the region any more."""
        self.key_valid = False
        self.mapped = False

    @atomic("drivers/infiniband/hw/mlx5/mr.c")
    def mark_gone(self) -> None:
        """Say that the region is on its way out."""
        self.gone = True

    @atomic("drivers/infiniband/hw/mlx5/odp.c")
    def is_gone(self) -> bool:
        """Tell whether the region is marked as gone."""
        return self.gone

    @atomic("drivers/infiniband/hw/mlx5/umr.c")
    def mlx5r_umr_update_xlt(self) -> None:
        """Post a work request that unmaps the page under the key."""
        if not self.key_valid:
            warn("posts_for_revoked_key", "a work request names a key that was revoked")
        self.mapped = False


class MkeyCache(Struct):
    """The cache that keys are given back to, a tree.

    Attributes:
        rb_lock: guards the tree; allocations under it may reclaim memory.
        keys: how many keys it has.

    Source: drivers/infiniband/hw/mlx5/mr.c, cache_ent_find_and_store(), mlx5r_cache_create_ent().
    """

    keys: int = 0
    rb_lock: Mutex = field(default_factory=Mutex)

    @atomic("drivers/infiniband/hw/mlx5/mr.c")
    def push_mkey(self) -> None:
        """Put a key into the cache; only with the lock of the cache held."""
        if self.rb_lock.owner != current().name:
            warn("lockdep_complains", f"{current().name} does not hold {self.rb_lock.name}")
        self.keys += 1
