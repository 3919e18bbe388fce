"""Shared virtual addressing: a process exits while a device still works on its memory.

The thread: Jason Gunthorpe and Jean-Philippe Brucker, February and March 2020, about the patch
"mm/mmu_notifiers: pass private data down to alloc_notifier()" (v4 01/26),
<20200313191324.GG31668@ziepe.ca> and the messages it answers.  With SVA there are no shadow page
tables: the IOMMU walks the process's own.  What does a notifier's release() owe then?  Not stop
the device, was the outcome, but make the PASID use something that always fails, quietly, until
the driver unbinds it (edcc40d2ab5f, v5.8; SMMUv3's quiet entry, 32784a9562fb, v5.11).
"""
