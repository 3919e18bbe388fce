"""Shared virtual addressing: a process exits while a device still works on its memory.

The thread: Jason Gunthorpe and Jean-Philippe Brucker, 24 February to 13 March 2020, about the patch
"mm/mmu_notifiers: pass private data down to alloc_notifier()" (v4 01/26).  With SVA there are no
shadow page tables: the IOMMU walks the process's own.  What must a notifier's release() do then?
It does not have to stop the device.  It points the PASID at something that always fails, without a
report, until the driver unbinds (edcc40d2ab5f, v5.8; SMMUv3's quiet entry, 32784a9562fb, v5.11).
"""

from typing import Final

from mmviz.kernel.provenance import proposed, proposed_elsewhere, shipped

VTD_NOT_PRESENT: Final = shipped(
    "v4.5",
    "v5.7",
    said=proposed_elsewhere("2016-01-13", "<1452720905.88154.75.camel@infradead.org>"),
)
"""Woodhouse: VT-d's release() clears the PASID's entry (e57e58bd390a, v4.5)."""
VTD_QUIET: Final = shipped(
    "v5.8",
    said=proposed_elsewhere("2020-05-16", "<20200516062101.29541-15-baolu.lu@linux.intel.com>"),
    checked=("v6.16", "2026-11-28"),
)
"""Lu: it does so with fault processing disabled (FPD), which unbind enables again."""
SERIES_V4: Final = proposed("2020-02-24", "<20200224182401.353359-1-jean-philippe@linaro.org>")
"""Brucker: the SVA series v4; its release() stops the device, detaches the bonds and puts them."""
PRIVATE_DATA: Final = proposed("2020-02-24", "<20200224182401.353359-2-jean-philippe@linaro.org>")
"""Brucker: its patch 01/26, which gave the thread its name."""
USE_BIND_LOCK: Final = proposed("2020-02-24", "<20200224190056.GT31668@ziepe.ca>")
"""Gunthorpe: initialise under the lock that bind takes; callbacks find no bond before."""
INVALIDATE_ALL: Final = proposed("2020-03-06", "<20200306130919.GJ31668@ziepe.ca>")
"""Gunthorpe: release() invalidates all, no SPTE without mmget(); fence everything before put."""
ALL_FAIL_PGD: Final = proposed("2020-03-06", "<20200306145245.GK31668@ziepe.ca>")
"""Gunthorpe: switch the PASID to a pgd that always fails; an exit is just like munmap()."""
DUMMY_UNTIL_UNBIND: Final = proposed("2020-03-13", "<20200313191324.GG31668@ziepe.ca>")
"""Gunthorpe: a dummy pgd in release(), not present only at the end; trivial locking, no fences."""
NO_MM_EXIT: Final = proposed("2020-04-08", "<20200408140427.212807-1-jean-philippe@linaro.org>")
"""Brucker: device drivers are not called from release() any more (merged as edcc40d2ab5f, v5.8)."""
SERIES_V5: Final = proposed("2020-04-14", "<20200414170252.714402-1-jean-philippe@linaro.org>")
"""Brucker: the SVA series v5; its release() only clears, and only unbind puts."""
