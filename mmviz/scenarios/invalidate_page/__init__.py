"""August 2017: the mmu notifier callback for a single page is removed.

Jérôme Glisse's series [PATCH 00/13] "mmu_notifier kill invalidate_page callback v2"
(<20170831211738.17922-1-jglisse@redhat.com>) says what was wrong with the callback, and which
pattern a driver has to follow so that its device never keeps what the CPU has given up.

KVM has followed that pattern since e930bffe95e1 (v2.6.27), whose day could not be looked up; such
cases have the day on which the thread recommends the pattern.

The series has a patch for each driver.  What each of them did in the callback, and to which case
that comes, is in `LISTENERS`, and in the debate below the cases.
"""

from typing import Final

from mmviz.kernel.listeners import Listener
from mmviz.kernel.provenance import Provenance, proposed, proposed_elsewhere, shipped

REVISIONS: Final = {
    1: ("2017-08-29", "20170829235447.10050"),
    2: ("2017-08-31", "20170831211738.17922"),
}

# What other threads and commits brought: mmu-notifiers (v2.6.27), invalidate_range (v3.19),
# umem_odp (v3.19), page_vma_mapped_walk() (v4.11), the notifiers that must not block (v4.19).
CORE: Final = proposed_elsewhere("2008-07-28", "cddb8a5c14aa")
UNDER_PTL: Final = proposed_elsewhere(
    "2014-07-24", "<1406212541-25975-3-git-send-email-joro@8bytes.org>"
)
ODP: Final = proposed_elsewhere("2014-12-15", "882214e2b128")
WALKED: Final = proposed_elsewhere(
    "2017-01-29", "<20170129173858.45174-8-kirill.shutemov@linux.intel.com>"
)
NOT_BLOCKABLE: Final = proposed_elsewhere(
    "2018-06-22", "<20180622150242.16558-1-mhocko@kernel.org>"
)


def patch(number: int, revision: int = 2) -> Provenance:
    """Return when and where a patch of the series was posted.

    Args:
        number: of the patch, from 1; 0 is the cover letter.
        revision: of the series, 1 or 2; the second was merged.
    """
    day, series = REVISIONS[revision]
    return proposed(day, f"<{series}-{number + 1}-jglisse@redhat.com>")


RECOMMENDED: Final = patch(0)  # a sequence number and a counter; or page references
BRACKETED: Final = patch(2, revision=1)  # mm/rmap.c calls range_start before it takes the lock
# KVM samples a sequence number, and checks it and the counter under mmu_lock before it maps.
KVM: Final = shipped("v2.6.27", said=RECOMMENDED, checked=("v7.0", "2026-11-28"))

NUMBERS: Final = "sequence number and counter"
REFERENCES: Final = "page references"
UNDER_LOCK: Final = "invalidate_range() under the page-table lock"

# From the patches, and from each driver's file in v4.12 and v4.13. Patch 13 removes the callback.
# Of the patches 04 and 08 the archives that were searched have the first revision.
LISTENERS: Final = (
    Listener(
        "fs/dax.c",
        patch(1),
        "calls the callback with an address and no size, after it has made an entry clean",
        "the core's side: start and end around a walk that finds the size",
        "wrong for a huge entry until v4.12; right in v4.13, where it looks again under the lock",
        ("start_before_walk:LookAgain", "start_before_walk:OnePage"),
    ),
    Listener(
        "mm/rmap.c",
        patch(2),
        "calls the callback after the unlock until v4.10, under the lock in v4.11 and v4.12",
        "the core's side: start, invalidate_range() under the lock, end",
        "right in v4.13: it calls both kinds of listeners",
        (
            "hook_not_implemented:AllCallbacks",
            "callback_after_unlock:CallbackAfterUnlock",
            "callback_after_unlock:CallbackUnderLock",
        ),
    ),
    Listener(
        "powernv/npu-dma.c",
        patch(3),
        "flushes one address from the NPU's cache, and waits by polling",
        UNDER_LOCK,
        "right: the NPU walks the CPU's page table, and has invalidate_range() too",
        ("told_under_ptl:HardwareWalks", "hook_not_implemented:AllCallbacksHardwareWalks"),
    ),
    Listener(
        "amdgpu/amdgpu_mn.c",
        patch(4, revision=1),
        "takes a mutex, reserves each buffer, waits for its fences, and unbinds it",
        f"{REFERENCES}, and a number that the callback bumps",
        "wrong in v4.11 and v4.12: it sleeps under the lock; in v4.13 the memory is safe, and an "
        "entry may stay stale, in this model also with the lock of v4.15 (1ed3d2567c80)",
        (
            "sleep_under_spinlock:MutexUnderPageTableLock",
            "reference_is_no_sync:PinAndNumber",
            "reference_is_no_sync:PinNumberAndLock",
        ),
    ),
    Listener(
        "core/umem_odp.c",
        patch(5),
        "counts, invalidates one page of each object, and counts again, under a semaphore",
        NUMBERS,
        "right for faults; wrong in v4.11 and v4.12, where the semaphore may sleep under the lock, "
        "and too short for a huge page",
        (
            "sequence_and_counter:SequenceAndCounter",
            "sleep_under_spinlock:MutexUnderPageTableLock",
            "huge_page_in_part:EndAtNextPage",
            "registered_in_between:ActivatedLater",
        ),
    ),
    Listener(
        "hfi1/mmu_rb.c",
        patch(6),
        "tells the user's library that a buffer is going; entry and pages stay until it gives "
        "them back",
        REFERENCES,
        "right for memory, never in sync; a buffer that is pinned and not yet in the tree misses "
        "the callback, until b3deec25847b (v6.2)",
        ("reference_is_no_sync:PinnedForTheJob", "range_start_only:PinWhileMapped"),
    ),
    Listener(
        "iommu/amd_iommu_v2.c",
        patch(7),
        "flushes one address from the IOMMU's TLB",
        UNDER_LOCK,
        "right since v4.11: the IOMMU walks the CPU's page table; until v4.10 the flush came late",
        ("told_under_ptl:HardwareWalks", "callback_after_unlock:CallbackAfterUnlock"),
    ),
    Listener(
        "iommu/intel-svm.c",
        patch(8, revision=1),
        "flushes one address from the IOMMU's TLB and the devices' TLBs",
        UNDER_LOCK,
        "right since v4.11: the IOMMU walks the CPU's page table; until v4.10 the flush came late",
        ("told_under_ptl:HardwareWalks", "callback_after_unlock:CallbackAfterUnlock"),
    ),
    Listener(
        "scif/scif_dma.c",
        patch(9),
        "takes cached windows off a list, under a spinlock; a worker unpins their pages later",
        REFERENCES,
        "right for memory, never in sync; a window that is pinned and not yet on the list misses "
        "the callback",
        ("range_start_only:PinWhileMapped", "reference_is_no_sync:PinnedForTheJob"),
    ),
    Listener(
        "sgi-gru/grutlbpurge.c",
        patch(10),
        "flushes one address from the GRU's TLB, under a spinlock; range_start counts, too",
        "counter, and a sequence in hardware",
        "right, because the GRU ignores a dropin that a flush has overtaken",
        ("dropin_is_ignored:CounterAndHardware", "dropin_is_ignored:FlushAfterClear"),
    ),
    Listener(
        "xen/gntdev.c",
        patch(11),
        "takes a mutex, and unmaps another domain's pages, which mmap() has mapped",
        "none is needed: the mapping has no fault handler, so nothing brings a page back",
        "wrong in v4.11 and v4.12, if the callback comes: it sleeps under the lock; right in v4.13",
        (
            "callback_after_unlock:CallbackBeforeLock",
            "sleep_under_spinlock:MutexUnderPageTableLock",
        ),
    ),
    Listener(
        "kvm/kvm_main.c",
        patch(12),
        "bumps the sequence and unmaps, under a spinlock; x86 asks for the APIC page again",
        NUMBERS,
        "right under the lock; with the callback the request for the APIC page was lost, until "
        "v4.15, and it was safe again in v5.8",
        (
            "sequence_and_counter:SequenceAndCounter",
            "callback_after_unlock:CallbackUnderLock",
            "apic_page_reload:RequestedAtStart",
        ),
    ),
)
