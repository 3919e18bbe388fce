"""A fix that became a lock report: mlx5's memory regions against an MMU notifier.

The commits: Artemy Kovalyov's and Yishai Hadas's of January 2025 (CVE-2025-21732), which holds
umem_mutex over the whole of a deregistration, and Or Har-Toov's of June 2025 (CVE-2025-38373),
which holds it for the revoke alone.  In between, lockdep is told that umem_mutex may be taken
during reclaim, and reports the cycle.
"""

from typing import Final

from mmviz.kernel.provenance import shipped

WITHOUT_MUTEX: Final = shipped("v5.13", "v6.13", "e6fb246ccafb")
"""A key is revoked without umem_mutex."""

MUTEX_OVER_ALL: Final = shipped("v6.14", "v6.15", "abb604a1a9c8")
"""umem_mutex is held until the key is back in the cache."""

REVOKE_UNDER_MUTEX: Final = shipped("v6.16", where="2ed25aa7f771", checked=("v6.16", "2026-11-28"))
"""umem_mutex is held for the revoke, and the region is marked as gone."""
