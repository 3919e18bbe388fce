"""Reference counts that catch a put too many and a get too late."""

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
        """Take a reference; there must be one already."""
        self.get()

    @atomic("include/linux/refcount.h")
    def refcount_inc_not_zero(self) -> bool:
        """Take a reference unless the count is zero; say whether."""
        return self.get_unless_zero()

    @atomic("include/linux/refcount.h")
    def refcount_dec_and_test(self) -> bool:
        """Put a reference; say whether it was the last."""
        return self.put()

    def get(self) -> None:
        """Take a reference, inside a step."""
        if self.refs == 0:
            warn("refcount_resurrected", f"{self.name}: a reference is taken on a count of zero")
        self.refs += 1

    def get_unless_zero(self) -> bool:
        """Take a reference if there is one, inside a step."""
        if self.refs == 0:
            return False
        self.refs += 1
        return True

    def put(self) -> bool:
        """Put a reference, inside a step; say whether it was the last."""
        if self.refs == 0:
            warn("refcount_underflow", f"{self.name}: a reference is put that nobody had")
            return False
        self.refs -= 1
        return self.refs == 0


class Kref(RefCount):
    """A struct kref inside an object.

    Source: include/linux/kref.h.
    Simplified: kref_put() says whether it was the last; the caller runs the release function.
    """

    @atomic("include/linux/kref.h")
    def kref_get(self) -> None:
        """Take a reference; there must be one already."""
        self.get()

    @atomic("include/linux/kref.h")
    def kref_get_unless_zero(self) -> bool:
        """Take a reference unless the object is on its way out; say whether."""
        return self.get_unless_zero()

    @atomic("include/linux/kref.h")
    def kref_put(self) -> bool:
        """Put a reference; say whether it was the last."""
        return self.put()


class Slab(Allocated):
    """An object from kmalloc(): touching it after kfree() ends the run.

    Source: mm/slub.c.
    """

    @atomic("mm/slub.c")
    def kfree(self) -> None:
        """Give the object's memory back."""
        self.free()
