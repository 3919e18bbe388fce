"""Reference counts that complain of one put too many and of a get at zero."""

from mmviz.engine import Allocated, Struct, atomic, warn


class RefCount(Struct):
    """A refcount_t: saturates and complains instead of wrapping.

    Attributes:
        refs: references held.

    Source: lib/refcount.c, refcount_warn_saturate().
    Simplified: after a complaint the count stays as it was.
    """

    refs: int = 1

    @atomic("include/linux/refcount.h")
    def refcount_inc(self) -> None:
        """Take a reference; the count must not be zero."""
        self.get()

    @atomic("include/linux/refcount.h")
    def refcount_inc_not_zero(self) -> bool:
        """Take a reference unless the count is zero; return whether it was taken."""
        return self.get_unless_zero()

    @atomic("include/linux/refcount.h")
    def refcount_dec_and_test(self) -> bool:
        """Put a reference; return whether it was the last."""
        return self.put()

    def get(self) -> None:
        """Take a reference, inside a step."""
        if self.refs == 0:
            warn("refcount_resurrected", f"{self.name}: a reference is taken on a count of zero")
        self.refs += 1

    def get_unless_zero(self) -> bool:
        """Take a reference unless the count is zero, inside a step; return whether it was taken."""
        if self.refs == 0:
            return False
        self.refs += 1
        return True

    def put(self) -> bool:
        """Put a reference, inside a step; return whether it was the last."""
        if self.refs == 0:
            warn("refcount_underflow", f"{self.name}: a reference is put, but the count is zero")
            return False
        self.refs -= 1
        return self.refs == 0


class Kref(RefCount):
    """A struct kref inside an object.

    Source: include/linux/kref.h.
    Simplified: kref_put() returns whether it was the last; the caller runs the release function.
    """

    @atomic("include/linux/kref.h")
    def kref_get(self) -> None:
        """Take a reference; the count must not be zero."""
        self.get()

    @atomic("include/linux/kref.h")
    def kref_get_unless_zero(self) -> bool:
        """Take a reference unless the count is zero; return whether it was taken."""
        return self.get_unless_zero()

    @atomic("include/linux/kref.h")
    def kref_put(self) -> bool:
        """Put a reference; return whether it was the last."""
        return self.put()


class Slab(Allocated):
    """An object from kmalloc(): touching it after kfree() ends the run.

    Source: mm/slub.c.
    """

    @atomic("mm/slub.c")
    def kfree(self) -> None:
        """Free the object's memory."""
        self.free()
