"""Device-exclusive access, v7: Alistair Popple and Jason Gunthorpe, March and April 2021.

Alistair Popple's patch lets a device do atomic operations on ordinary memory by hiding the
page from the CPU behind a new kind of entry.  Jason Gunthorpe asks what happens to pages that a
driver has pinned, whether a check for pins can ever be in time, and what fork() makes of the
entry.  The outcome is that fork undoes the entries; in this form the series was merged in
v5.14.  The patch: <20210326000805.2518-6-apopple@nvidia.com>.
"""

from typing import Final

from mmviz.kernel.provenance import proposed, proposed_elsewhere

READ: Final = ("v6.15", "2026-11-28")
"""The newest release whose source was read for this thread, and when."""

V4: Final = proposed_elsewhere("2021-03-04", "<20210304061645.29747-9-apopple@nvidia.com>")
"""v4 of the patch, nouveau: check_device_exclusive_range() in the read section."""

V7: Final = proposed("2021-03-26", "<20210326000805.2518-6-apopple@nvidia.com>")
"""v7 of the patch, which opens the thread: fork copies the entry."""

PINNED_ENTRY: Final = proposed("2021-03-30", "<20210330193234.GA2356281@nvidia.com>")
"""Gunthorpe: the entry needs the rule of copy_present_page()."""

EARLIER_PIN: Final = proposed("2021-03-31", "<20210331131854.GI1463678@nvidia.com>")
"""Gunthorpe: a pinned page must be copied, and become a normal entry."""

CHECK_PLANNED: Final = proposed("2021-03-31", "<2124945.3NMGunUBXV@nvdebian>")
"""Popple: a check against pinned pages is planned; the mail does not say where."""

CHECK_AFTERWARDS: Final = proposed("2021-04-01", "<35941260.J9UuDlmC3F@nvdebian>")
"""Popple: look for pins after all entries are replaced."""

RESTORE_AT_FORK: Final = proposed("2021-04-01", "<9244031.kThbcIvB84@nvdebian>")
"""Popple: restoring the entry at fork would be simpler."""

V8: Final = proposed_elsewhere("2021-04-07", "<20210407084238.20443-6-apopple@nvidia.com>")
"""v8 of the patch: fork restores the entry, and sleeps on the page lock."""

SPLIT_FIRST: Final = proposed_elsewhere("2021-06-08", "<YL+4ENiwbn9QAa2V@t490s>")
"""Peter Xu, on v10: split a huge page first, in every conversion; Popple: it always notifies."""

BEGIN_LATE: Final = proposed_elsewhere("2021-06-11", "<YMK1snSH9q4Wkyq+@t490s>")
"""Peter Xu, on v10: listen for notifications only after the conversion."""

V11: Final = proposed_elsewhere("2021-06-16", "<20210616105937.23201-8-apopple@nvidia.com>")
"""v11 of the patch, as merged in v5.14 (b756a3b5e7ea)."""

V11_NOUVEAU: Final = proposed_elsewhere(
    "2021-06-16", "<20210616105937.23201-11-apopple@nvidia.com>"
)
"""v11 of nouveau's part, as merged in v5.14 (8f187163eb89)."""

FAULT_REFERENCE: Final = proposed_elsewhere(
    "2023-03-30", "<20230330012519.804116-1-apopple@nvidia.com>"
)
"""Popple: take a reference before the fault sleeps on the page lock (7c7b962938dd, v6.3)."""

NOUVEAU_UNLOCK: Final = proposed_elsewhere(
    "2025-01-24", "<20250124181524.3584236-2-david@redhat.com>"
)
"""Hildenbrand: nouveau unlocks and puts the page before it retries (b3fefbb30a16, v6.14)."""

REWORK_V1: Final = proposed_elsewhere("2025-01-29", "<20250129115411.2077152-5-david@redhat.com>")
"""Hildenbrand, first posting of the rework, patch 4: the conversion is not announced."""

REWORK: Final = proposed_elsewhere("2025-02-10", "<20250210193801.781278-1-david@redhat.com>")
"""Hildenbrand, second posting of the rework: announced again; merged in v6.15."""
