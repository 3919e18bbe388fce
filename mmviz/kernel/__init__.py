"""What the modelled kernel has: locks, references, grace periods, pages, page tables, devices.

Everything carries the kernel's own name; each class says where the behaviour comes from and
what was simplified.  Memory is sequentially consistent unless a scenario models otherwise.
"""

import mmviz.kernel.complaints  # noqa: F401 (any model imported from here may raise them)
