"""mremap() moves a page to another address, and a CPU still knows it at the old one.

The thread: Aaron Lu, Dave Hansen and Linus Torvalds, November 2016, on when move_ptes() has to
flush the TLBs; Jann Horn's report of October 2018 (CVE-2018-18281), which Torvalds answered with
eb66ae030829.  mremap() does not own the page that it moves: a holder of the page-table lock of the
destination may free it at once.  When must the flush be over?
"""

from typing import Final

from mmviz.kernel.provenance import proposed_elsewhere, shipped

CHECKED: Final = ("v6.15", "2026-11-28")
"""The newest release whose source was read for this thread, and when."""

FLUSH_AT_THE_END: Final = shipped(
    "v3.2",
    "v4.8",
    said=proposed_elsewhere("2011-08-06", "<cbe9e822c59a912e9f76.1312649884@localhost>"),
)
"""Arcangeli: the whole range is flushed when all of it has been moved, not page by page."""

FLUSH_UNDER_OLD_LOCK: Final = shipped("v4.9", "v4.18", "5d1904204c99")
"""Lu: what is dirty is flushed before the lock of the source is dropped."""

FLUSH_UNDER_BOTH: Final = shipped("v4.19", where="eb66ae030829", checked=CHECKED)
"""Torvalds: flush before either lock is dropped."""
