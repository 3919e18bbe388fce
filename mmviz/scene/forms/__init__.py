"""The forms that kernel objects have in the picture of memory, by subsystem."""

from mmviz.scene.forms import (
    accesses,
    drawing,
    flags,
    interrupts,
    iommu,
    locks,
    notifier,
    pages,
    stores,
    swap,
)

FORMS = (drawing, locks, iommu, notifier, pages, flags, stores, swap, interrupts, accesses)
