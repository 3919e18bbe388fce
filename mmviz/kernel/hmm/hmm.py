"""HMM before v5.5: one struct hmm per mm, found by notifier callbacks and by mirrors."""

from mmviz.engine import Oops, Struct, atomic, field
from mmviz.kernel.mm.mm_count import MmCount
from mmviz.kernel.sync.locks import RwSemaphore, might_sleep
from mmviz.kernel.sync.refcount import Kref, Slab


class Hmm(Slab, Kref):
    """A struct hmm: its count and its notifier are in its own memory and are freed with it.

    Attributes:
        refs: the kref inside; each mirror and each running callback has one.
        mirrors: drivers' mirrors on its list.
        mm: hmm->mm, the mm that it was made for, which no step changes; None where the mm_struct
            cannot end before struct hmm.

    Source: include/linux/hmm.h, mm/hmm.c, v5.2.
    Simplified: its locks, ranges and wait queue are left out.
    """

    refs: int = 1
    mirrors: int = 1
    mm: "HmmMm | None" = None

    @atomic("include/linux/list.h")
    def list_del_init(self) -> None:
        """Take the mirror off the list."""
        self.mirrors -= 1

    @atomic("driver")
    def sync_cpu_device_pagetables(self) -> int:
        """Call each mirror on the list to clear its device's entries; return how many there are."""
        return self.mirrors


class HmmMm(Struct):
    """An mm's pointers to its struct hmm.

    Attributes:
        hmm: the mm->hmm pointer, guarded by page_table_lock when it is written.
        notifier: the struct hmm whose notifier is on the mm's list, None when the list is empty.

    Source: include/linux/mm_types.h; mm/mmu_notifier.c.
    Simplified: one notifier on the list; page_table_lock and the notifier lock are held within
    the one step that needs them.
    """

    hmm: Hmm | None
    notifier: Hmm | None

    @atomic("mm/mmu_notifier.c")
    def hlist_for_each_entry_rcu(self) -> Hmm | None:
        """Find the next notifier on the list; its removal no longer hides it from this walk."""
        return self.notifier

    @atomic("mm/hmm.c")
    def read_once_hmm(self) -> Hmm | None:
        """Load mm->hmm without a lock: it may be cleared and freed at any moment."""
        return self.hmm

    @atomic("mm/hmm.c")
    def VM_BUG_ON(self, condition: str) -> None:  # noqa: N802, the kernel's name
        """Find NULL instead of a struct hmm, and stop the machine."""
        raise Oops("null_dereference", f"VM_BUG_ON({condition}); without it the NULL is followed")

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_unregister_no_release(self, hmm: Hmm) -> None:
        """Take the notifier off the list, without waiting for its callbacks."""
        if self.notifier is hmm:
            self.notifier = None

    @atomic("mm/hmm.c")
    def forget(self, hmm: Hmm) -> None:
        """Clear mm->hmm under page_table_lock if it still is this one."""
        if self.hmm is hmm:
            self.hmm = None

    @atomic("mm/hmm.c")
    def clear_hmm(self) -> None:
        """Clear mm->hmm without checking what it names."""
        self.hmm = None

    @atomic("mm/hmm.c")
    def mm_get_hmm(self) -> Hmm | None:
        """Load mm->hmm and take a reference unless it is dying, both under page_table_lock."""
        hmm = self.hmm
        return hmm if hmm is not None and hmm.get_unless_zero() else None

    @atomic("mm/hmm.c")
    def publish(self, hmm: Hmm) -> None:
        """Set mm->hmm under page_table_lock without checking what it names."""
        self.hmm = hmm

    @atomic("mm/hmm.c")
    def publish_if_none(self, hmm: Hmm) -> bool:
        """Set mm->hmm under page_table_lock unless it is set already; return whether it was not."""
        if self.hmm is not None:
            return False
        self.hmm = hmm
        return True


class CountedMm(MmCount, HmmMm):
    """An HmmMm whose mm_struct can be freed: the notifier's registration pins it.

    Source: mm/mmu_notifier.c, mmu_notifier_unregister_no_release().
    Simplified: as `HmmMm`.
    """

    hmm: Hmm | None = None
    notifier: Hmm | None = None

    @atomic("mm/mmu_notifier.c")
    def mmu_notifier_unregister_no_release(self, hmm: Hmm) -> None:
        """Take the notifier off the list, and put the reference its registration took."""
        self.notifier = None
        self.drop()

    @atomic("mm/hmm.c")
    def forget(self, hmm: Hmm) -> None:
        """Follow hmm->mm, and clear mm->hmm under page_table_lock if it still is this one."""
        assert hmm.mm is self, "it was made for another mm"
        if self.hmm is hmm:
            self.hmm = None


class RegisteringMm(HmmMm):
    """An mm whose struct hmm is found or created when a mirror is registered.

    Attributes:
        mmap_sem: the semaphore of the address space.

    Source: mm/mmu_notifier.c, do_mmu_notifier_register().
    Simplified: as `HmmMm`; the list of notifiers is not walked.
    """

    hmm: Hmm | None = None
    notifier: Hmm | None = None
    mmap_sem: RwSemaphore = field(default_factory=RwSemaphore)

    @atomic("mm/mmu_notifier.c")
    def do_mmu_notifier_register(self, signalled: bool) -> bool:
        """Register the notifier unless a signal interrupts that; return whether it worked."""
        might_sleep("mm_take_all_locks()")
        return not signalled


class Registration(Struct):
    """What a driver gets from hmm_mirror_register().

    Attributes:
        hmm: mirror->hmm, None after a refusal.
        ret: the return value, "" before the call returns.

    Source: mm/hmm.c, hmm_mirror_register().
    Simplified: the mirror is this pointer; the driver keeps the return value beside it.
    """

    hmm: Hmm | None = None
    ret: str = ""

    @atomic("mm/hmm.c")
    def hmm_mirror_register(self, hmm: Hmm | None, ret: str) -> None:
        """Put the mirror on the list of struct hmm, or return the error."""
        if hmm is not None:
            hmm.mirrors += 1
        self.hmm, self.ret = hmm, ret
