"""The forms that kernel objects have in the picture of memory, by subsystem."""

from mmviz.scene.forms import accesses, flags, interrupts, iommu, notifier, pages, stores, swap

FORMS = (iommu, notifier, pages, flags, stores, swap, interrupts, accesses)
