"""Reading a page back from swap without the swap cache.

The thread: Kairui Song, Huang Ying, David Hildenbrand, Barry Song and others, February 2024, on the
patch "mm/swap: fix race when skipping swapcache" (v1 to v4, CVE-2024-26759).  A fast swap device
answers at once, so v4.15 lets a fault read its own copy of the slot.  Two faults then read two
copies, and comparing the entry does not tell that it has been away and come back.
"""

from typing import Final

from mmviz.kernel.provenance import proposed, proposed_elsewhere, shipped

CHECKED: Final = ("v6.15", "2026-11-28")
"""The newest release whose source was read for this thread, and when."""

SKIP_SWAPCACHE: Final = shipped("v4.15", "v6.7", "0bcac06f27d7")
"""Minchan Kim: a synchronous device is read without the swap cache."""

V1: Final = proposed("2024-02-06", "<20240206182559.32264-1-ryncsn@gmail.com>")
"""Song, v1: SWAP_HAS_CACHE is set while the slot is read; a second fault is tried again."""

MERGED: Final = shipped("v6.8", "v6.11", said=V1)
"""13ddaf26be32: SWAP_HAS_CACHE until the page is mapped; a second fault sleeps for a tick."""

WAIT_QUEUE: Final = shipped(
    "v6.12",
    said=proposed_elsewhere("2024-09-26", "<20240926211936.75373-1-21cnbao@gmail.com>"),
    checked=CHECKED,
)
"""Barry Song: a second fault waits on a queue, for at most a tick."""

ENTRY_ONLY: Final = shipped("v6.8", "v6.13", "adef440691ba")
"""UFFDIO_MOVE, as it was merged: the entry of a page that is swapped out moves alone."""

ENTRY_TWICE: Final = shipped(
    "v6.14",
    "v6.15",
    said=proposed_elsewhere("2025-02-19", "<20250219112519.92853-1-21cnbao@gmail.com>"),
)
"""Barry Song: a folio of the swap cache moves with its entry (c50f8e6053b0)."""

MOVE_V2: Final = proposed_elsewhere("2025-06-01", "<20250601200108.23186-1-ryncsn@gmail.com>")
"""Kairui Song, v2: the folio is checked where its lock was free."""

MOVE_CHECKED: Final = shipped(
    "v6.16",
    said=proposed_elsewhere("2025-05-30", "<20250530201710.81365-1-ryncsn@gmail.com>"),
    checked=("v6.16", "2026-11-28"),
)
"""Kairui Song: it is checked under the locks, and so is that there is none (0ea148a79920)."""
