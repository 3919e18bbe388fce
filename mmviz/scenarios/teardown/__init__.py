"""Freeing an object that a timer, a work or a waiter may still use.

The thread: Steven Rostedt, Thomas Gleixner, Linus Torvalds and Guenter Roeck, April to November
2022, on timers that corrupt memory after they were freed.  Rostedt's first case is a Bluetooth
driver whose timer queues a work that arms the timer: whichever is stopped first is started again by
the other.  He wants a shutdown that warns of every attempt to arm the timer later; Gleixner holds
that such a warning cannot be acted upon, and that the order of the teardown is the point.
The outcome is timer_shutdown_sync() (v6.2), which ignores such attempts in silence.

Two relatives stand beside it: a delayed work that is cancelled without waiting, and a reset whose
waiter may run out of time before the worker is done (Damian Muszynski and Herbert Xu, 2024).
"""

from typing import Final

from mmviz.kernel.provenance import proposed, proposed_elsewhere

CHECKED: Final = ("v6.15", "2026-11-28")
"""The newest release whose source was read for this thread, and when."""

WARN_ON_REARM: Final = proposed("2022-11-10", "<20221110064147.343514404@goodmis.org>")
"""Rostedt, v6 4/6: timer_shutdown_sync() before freeing; arming the timer later is a WARN()."""

BOTH_ORDERS_BROKEN: Final = proposed("2022-11-14", "<87iljhsftt.ffs@tglx>")
"""Gleixner: destroying the workqueue first only makes the crash less likely."""

TIMER_SHUTDOWN: Final = proposed("2022-11-23", "<20221123201625.435907114@linutronix.de>")
"""Gleixner, v3: hci_qca uses timer_shutdown_sync(), and the first order of the teardown again."""

DONE_MEANS_GONE: Final = proposed_elsewhere(
    "2024-02-09", "<20240209124403.44781-1-damian.muszynski@intel.com>"
)
"""Muszynski: the worker frees the data if completion_done() says that the waiter has gone."""

CANCEL_FIRST: Final = proposed_elsewhere("2024-05-08", "<Zjs6VxtkL8QLtHIH@gondor.apana.org.au>")
"""Xu: completion_done() does not say that; the waiter cancels the work, and then frees."""
