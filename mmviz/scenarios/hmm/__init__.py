"""May 2019: a review of the locking and lifetimes in mm/hmm.c.

Jason Gunthorpe's [RFC PATCH 00/11] "mm/hmm: Various revisions from a locking/code review"
(<20190523153436.19102-1-jgg@ziepe.ca>) came of changes to the on-demand paging (ODP) of the RDMA
core, where syzkaller had found uses of freed memory in code with mmu notifiers (the cover letter
says so).  It asks for a lifetime model that can be said in one sentence: a valid range has a valid
hmm, a valid hmm has an allocated mm, and code that needs the address space alive holds a reference
that says so.  Four revisions later it was merged for v5.3.
Some races show what followed: the core's own mmu_notifier_get() and mmu_notifier_put() in v5.4,
and interval notifiers in v5.5.
"""

from typing import Final

from mmviz.kernel.provenance import Provenance, proposed, proposed_elsewhere

REVISIONS: Final = {
    1: ("2019-05-23", "20190523153436.19102"),
    2: ("2019-06-06", "20190606184438.31646"),
    3: ("2019-06-14", "20190614004450.20252"),
    4: ("2019-06-24", "20190624210110.5098"),
}

# Jérôme Glisse's series of January 2019, merged for v5.2: a count in struct hmm, and ranges that
# a driver registers and waits for.  It is the code that the review reads.
COUNTED: Final = proposed_elsewhere("2019-01-29", "<20190129165428.3931-2-jglisse@redhat.com>")
RANGES: Final = proposed_elsewhere("2019-01-29", "<20190129165428.3931-6-jglisse@redhat.com>")

# mmu_notifier_get() and mmu_notifier_put(), merged for v5.4.
GET_PUT: Final = proposed_elsewhere("2019-08-06", "<20190806231548.25242-1-jgg@ziepe.ca>")

# Interval notifiers, merged for v5.5.
INTERVALS: Final = proposed_elsewhere("2019-10-15", "<20191015181242.8343-3-jgg@ziepe.ca>")

# The newest release whose mm/mmu_notifier.c was read (in a tree of v6.17-rc4), and the day.
CHECKED: Final = ("v6.16", "2026-11-28")


def patch(number: int, revision: int = 1) -> Provenance:
    """Return the provenance of what a patch of the review proposed.

    Args:
        number: of the patch, from 1; 0 is the cover letter.
        revision: of the series, 1 for the RFC; the fourth was merged.
    """
    day, series = REVISIONS[revision]
    return proposed(day, f"<{series}-{number + 1}-jgg@ziepe.ca>")
