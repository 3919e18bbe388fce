"""Counters of the memory management that each CPU keeps for itself, on PREEMPT_RT.

The patches: Ingo Molnar's and Thomas Gleixner's of the PREEMPT_RT tree, merged in September 2021
with c68ed7945701 (v5.15).  __mod_zone_page_state() reads the counter of its CPU, adds, and writes
it back.  Its callers have interrupts off or hold a spinlock, and so nothing else ran on the CPU
meanwhile; on PREEMPT_RT a spinlock no longer disables preemption.
"""

from typing import Final

from mmviz.kernel.provenance import mistake, shipped

CHECKED: Final = ("v6.15", "2026-11-28")
"""The newest release whose source was read for this thread, and when."""

UNPROTECTED_ON_RT: Final = mistake("c68ed7945701")
"""Before the commit, on PREEMPT_RT: the update may be preempted half-way."""

PREEMPT_DISABLE_ON_RT: Final = shipped("v5.15", where="c68ed7945701", checked=CHECKED)
"""Molnar: the update disables preemption on PREEMPT_RT."""
