"""What KVM's MMU notifier walks, and the lock under which it changes.

The patch: Hyunwoo Kim's of June 2026, reviewed by Oliver Upton and merged by Marc Zyngier for v7.1
(CVE-2026-46317).  An array is replaced under one lock and walked under another.  Where can the new
array be allocated and the old one freed, when both may sleep?
"""

from typing import Final

from mmviz.kernel.provenance import proposed, shipped

UNDER_CONFIG_LOCK: Final = shipped("v6.11", "v7.0", "4f128f8e1aaa")
"""Support for several shadow stage-2 MMUs: the array is reallocated under config_lock."""

BEHIND_MMU_LOCK: Final = shipped(
    "v7.1", said=proposed("2026-06-05", "70543358fa08"), checked=("v7.1", "2026-11-28")
)
"""Kim: copy, adjust and replace under mmu_lock; allocate before it, free after it."""

INACTIVE_IS_VALID: Final = shipped("v5.17", "v6.0")
"""gfn_to_pfn_cache: an inactive cache may be refreshed, checked and used."""

ACTIVE_CHECKED: Final = shipped(
    "v6.1", where="ecbcf030b456, 52491a38b2c2", checked=("v6.1", "2026-11-28")
)
"""Christopherson and Luczaj: check and refresh fail while the cache is inactive."""
