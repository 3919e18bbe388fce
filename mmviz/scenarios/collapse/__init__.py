"""GUP-fast walks a page table that khugepaged takes away.

The threads: Yang Shi, David Hildenbrand, John Hubbard, Peter Xu and Aneesh Kumar, September 2022,
on whether the TLB flush of a collapse waits for GUP-fast; Jann Horn, November 2022, on page tables
that are freed meanwhile.  GUP-fast takes no lock, it only turns interrupts off.  A flush by
interrupt waits for it, and a flush by broadcast, as on arm64, does not.  The same omission was
found once more in huge_pmd_unshare() in 2025 (CVE-2025-38085).
"""

from typing import Final

from mmviz.kernel.provenance import proposed, shipped

BROADCAST: Final = shipped("v3.18", "v5.19", "2667f50e8b81")
"""The collapse relies on its flush; GUP-fast looks at the entry again, and not at the PMD."""

FLUSH_BY_IPI: Final = shipped("v2.6.38", "v5.19")
"""On x86 the flush interrupts the CPUs that use the mm."""

RECHECK_PMD: Final = shipped(
    "v6.0",
    said=proposed("2022-09-01", "<20220901222707.477402-1-shy828301@gmail.com>"),
    checked=("v6.1", "2026-11-28"),
)
"""Shi: GUP-fast looks at the PMD again after it has pinned (70cbc3cc78a9)."""

FREED_AT_ONCE: Final = shipped("v6.0", "v6.0")
"""retract_page_tables() and collapse_pte_mapped_thp() free the table without waiting."""

SYNC_BEFORE_FREE: Final = shipped(
    "v6.1",
    said=proposed("2022-11-28", "<20221128180252.1684965-2-jannh@google.com>"),
    checked=("v6.1", "2026-11-28"),
)
"""Horn: tlb_remove_table_sync_one() before the table is freed (2ba99c5e0881)."""
