"""May 2019: a review of the locking and lifetimes in mm/hmm.c.

Jason Gunthorpe's [RFC PATCH 00/11] "mm/hmm: Various revisions from a locking/code review"
(<20190523153436.19102-1-jgg@ziepe.ca>) asks for a lifetime model that can be said in one
sentence: a valid range has a valid hmm, a valid hmm has an allocated mm, and who needs the
address space alive takes a reference that says so.  Some files tell what came of it: the core's
own mmu_notifier_get() and mmu_notifier_put() in v5.4, and interval notifiers in v5.5.
"""

from typing import Final

REVISIONS: Final = {
    1: ("2019-05-23", "20190523153436.19102"),
    2: ("2019-06-06", "20190606184438.31646"),
    3: ("2019-06-13", "20190614004450.20252"),
    4: ("2019-06-24", "20190624210110.5098"),
}

COUNTED: Final = ("2019-01-29", "<20190129165428.3931-2-jglisse@redhat.com>")  # struct hmm, v5.2
RANGES: Final = ("2019-01-29", "<20190129165428.3931-6-jglisse@redhat.com>")  # and waits, v5.2
GET_PUT: Final = ("2019-08-06", "<20190806231548.25242-1-jgg@ziepe.ca>")  # v5.4
INTERVALS: Final = ("2019-10-15", "<20191015181242.8343-3-jgg@ziepe.ca>")  # v5.5


def patch(number: int, revision: int = 1) -> tuple[str, str]:
    """Return when and where a patch of the review was posted.

    Args:
        number: of the patch, from 1.
        revision: of the series, 1 for the RFC; merged was the fourth.
    """
    day, series = REVISIONS[revision]
    return day, f"<{series}-{number + 1}-jgg@ziepe.ca>"
