"""August 2017: the mmu notifier callback for a single page is removed.

Jérôme Glisse's series [PATCH 00/13] "mmu_notifier kill invalidate_page callback v2"
(<20170831211738.17922-1-jglisse@redhat.com>) says what was wrong with the callback, and which
pattern a driver has to follow so that its device never keeps what the CPU has given up.

KVM has followed that pattern since e930bffe95e1 (v2.6.27), whose day could not be looked up; such
cases have the day on which the thread recommends the pattern.
"""

from typing import Final

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
