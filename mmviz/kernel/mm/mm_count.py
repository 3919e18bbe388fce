"""The two counts of a struct mm_struct: users of the address space, references to the struct."""

from mmviz.engine import Allocated, Struct, atomic, warn


class MmCounts(Struct):
    """The counts of a struct mm_struct, and the effect of the last put.

    Attributes:
        mm_users: users of the address space; the last one to leave tears it down.
        mm_count: references to the struct; all users together hold one.

    Source: include/linux/sched/mm.h; kernel/fork.c, mmput(), __mmdrop().
    Simplified: mmput() returns whether it was the last; the caller does the rest.
    """

    mm_users: int = 1
    mm_count: int = 1

    @atomic("include/linux/sched/mm.h")
    def mmget(self) -> None:
        """Become a user without a check; if the last one has left, the exit is under way."""
        if self.mm_users == 0:
            warn("refcount_resurrected", f"mmget({self.name}) on an address space without users")
        self.mm_users += 1

    @atomic("include/linux/sched/mm.h")
    def mmget_not_zero(self) -> bool:
        """Become a user unless the last one has left; return whether that worked."""
        if self.mm_users == 0:
            return False
        self.mm_users += 1
        return True

    @atomic("kernel/fork.c")
    def mmput(self) -> bool:
        """Drop a user; return whether it was the last, so that the exit begins."""
        if self.mm_users == 0:
            warn("refcount_underflow", f"mmput({self.name}) without a reference")
            return False
        self.mm_users -= 1
        return self.mm_users == 0

    @atomic("include/linux/sched/mm.h")
    def mmgrab(self) -> None:
        """Take a reference on the struct's memory: this does not keep the mappings."""
        self.mm_count += 1

    @atomic("include/linux/sched/mm.h")
    def mmdrop(self) -> None:
        """Put a reference on the struct; the last one frees its memory."""
        self.drop()

    def drop(self) -> None:
        """Put a reference on the struct, inside a step."""
        if self.mm_count == 0:
            warn("refcount_underflow", f"mmdrop({self.name}) without a reference")
            return
        self.mm_count -= 1
        if self.mm_count == 0:
            self.free_mm()

    def free_mm(self) -> None:
        """Act on the last put, inside a step: here nothing."""


class MmCount(MmCounts, Allocated):
    """A struct mm_struct that is freed with its last reference.

    Source: kernel/fork.c, __mmdrop().
    """

    def free_mm(self) -> None:
        """Free the struct's memory, inside a step."""
        self.free()
