"""The two counts of a struct mm_struct: who uses the address space, who keeps the memory."""

from mmviz.engine import Allocated, Struct, atomic, warn


class MmCounts(Struct):
    """The counts of a struct mm_struct, and what comes of the last reference.

    Attributes:
        mm_users: who uses the address space; the last one to leave tears it down.
        mm_count: who keeps the struct; all users together count as one.

    Source: include/linux/sched/mm.h; kernel/fork.c, mmput(), __mmdrop().
    Simplified: mmput() says whether it was the last; the caller goes on from there.
    """

    mm_users: int = 1
    mm_count: int = 1

    @atomic("include/linux/sched/mm.h")
    def mmget(self) -> None:
        """Become a user without asking; if the last one has left, the exit is under way."""
        if self.mm_users == 0:
            warn("refcount_resurrected", f"mmget({self.name}) on an address space without users")
        self.mm_users += 1

    @atomic("include/linux/sched/mm.h")
    def mmget_not_zero(self) -> bool:
        """Become a user, unless the last one has left; say whether."""
        if self.mm_users == 0:
            return False
        self.mm_users += 1
        return True

    @atomic("kernel/fork.c")
    def mmput(self) -> bool:
        """Drop a user; say whether it was the last, so that the address space must go."""
        if self.mm_users == 0:
            warn("refcount_underflow", f"mmput({self.name}) without a reference")
            return False
        self.mm_users -= 1
        return self.mm_users == 0

    @atomic("include/linux/sched/mm.h")
    def mmgrab(self) -> None:
        """Take a reference on the struct's memory: the mappings may go all the same."""
        self.mm_count += 1

    @atomic("include/linux/sched/mm.h")
    def mmdrop(self) -> None:
        """Put a reference on the struct; with the last one its memory goes back."""
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
        """Do what the last reference brings about, inside a step."""


class MmCount(MmCounts, Allocated):
    """A struct mm_struct that is freed with its last reference.

    Source: kernel/fork.c, __mmdrop().
    """

    def free_mm(self) -> None:
        """Give the struct's memory back, inside a step."""
        self.free()
