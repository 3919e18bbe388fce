"""When is an invalidation done? Three fixes in a row to AMD's completion wait.

The commits: Ankit Soni's of December 2025 to July 2026, reviewed by Vasant Hegde, after a report of
Srikanth Aithal; Salvatore Bonaccorso noticed that stable kernels had the first without the second.
iommu_completion_wait() may return only when the IOMMU has run every command queued before.  The
first commit stops waiting under the spinlock, the second puts the numbers back in order, and the
third notices that an early return, there since v3.0, never waited at all.
"""

from typing import Final

from mmviz.kernel.provenance import proposed, shipped

WAIT_UNDER_LOCK: Final = shipped("v4.9", "v6.19")
"""wait_on_sem() with the spinlock held, as CVE-2026-43253 says: affected from v4.9."""

WAIT_OUTSIDE: Final = proposed("2025-12-01", "d2a0cac10597")
"""Soni: wait_on_sem() moves out of the spinlock; alone in 6.6.128 and 6.12.75."""

NUMBER_UNDER_LOCK: Final = shipped(
    "v7.0", "v7.1", said=proposed("2026-01-22", "9e249c484128, CVE-2026-43220")
)
"""Soni: the number is drawn under the lock."""

WAIT_FOR_LAST: Final = proposed("2026-07-21", "1e75a8255f11, CVE-2026-68329")
"""With nothing to queue, wait for the last number: applied; in 6.12.101, 6.18.42 and 7.1.6."""
