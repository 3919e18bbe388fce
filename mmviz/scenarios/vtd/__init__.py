"""May an entry of several words be replaced while the IOMMU may read it?

The thread: Dmytro Maluka, Samiullah Khawaja, Lu Baolu, Kevin Tian and Jason Gunthorpe, December
2025 and January 2026, on VT-d's PASID and context entries (CVE-2026-45894, -45944, -45945).  Tian
asks which mixture of two entries is harmful at all; Gunthorpe answers that the old domain id may be
another device's as well, whose translations are wrong then.  The entry is not replaced any more: it
is made not present, the caches are flushed, and only then is it written.
"""

from typing import Final

from mmviz.kernel.provenance import proposed, shipped

WORD_BY_WORD: Final = shipped("v6.13", "v6.19", "7543ee63e811")
"""The entry is written while it is present, word by word."""

BREAK_BEFORE_MAKE: Final = shipped(
    "v7.0",
    said=proposed("2026-01-20", "<20260120061816.2132558-1-baolu.lu@linux.intel.com>"),
    checked=("v7.0", "2026-11-28"),
)
"""Lu: clear Present, flush, write (c3b1edea3791); c1e4f1dccbe9 does so for context entries."""
