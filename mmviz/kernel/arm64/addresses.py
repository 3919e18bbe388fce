"""Where the kernel's virtual addresses lie on arm64, to recognise a pointer in an entry's place.

Source: Documentation/arch/arm64/memory.rst; from memory, not re-read.  With 48 bits of address:
the linear map from 0xffff000000000000 (until v5.3 from 0xffff800000000000), modules and vmalloc
from 0xffff800000000000 (until v5.3 from 0xffff000000000000).
"""

FLIPPED = (5, 4)


def linear_region(address: int, release: tuple[int, int], paging: int = 4) -> str:
    """Return in words where a kernel address points; "" if it is no address of the kernel."""
    if address >> 48 != 0xFFFF:
        return ""
    upper = bool(address >> 47 & 1)
    if address >= 0xFFFFFC0000000000 and release >= FLIPPED:
        return "the memory map (struct page) or a fixed mapping"
    linear = upper if release < FLIPPED else not upper
    return "the linear map" if linear else "modules, the kernel's text or the vmalloc area"


def in_linear_map(address: int, release: tuple[int, int], paging: int = 4) -> bool:
    """Tell whether an address can be one of the linear map."""
    return linear_region(address, release, paging) == "the linear map"


def same_linear_page(address: int, pfn: int, release: tuple[int, int]) -> bool:
    """Tell whether a linear-map pointer points into a page, for memory that starts at 0."""
    return (address & ((1 << 30) - 1)) >> 12 == pfn & ((1 << 18) - 1)
