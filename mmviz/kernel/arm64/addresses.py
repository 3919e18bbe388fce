"""Where the kernel's virtual addresses lie on arm64, to recognise a pointer in an entry's place.

Source, for 48 bits of address and 4 KiB pages: Documentation/arm64/memory.rst of the eras of v5.4
and v5.10, Documentation/arch/arm64/memory.rst of v6.5 and later; arch/arm64/include/asm/memory.h of
v7.0.  The linear map is the lower half from v5.4 (14c127c957c1, "arm64: mm: Flip kernel VA space").
The memory map lies right below the linear map from v4.7 (3e1907d5bf5a) to v5.3, at the top from
v5.4, from 0xfffffc0000000000 with v5.11 (9ad7c6d5e75b), and ends 1 GiB below the top with v6.9
(32697ff38287 and the patches after it).
"""

from typing import NamedTuple

FLIPPED = (5, 4)
MAP, APART = "the memory map (struct page)", "a fixed mapping or PCI's I/O space"
REST = "modules, the kernel's text or the vmalloc area"


class Stretch(NamedTuple):
    """A range of kernel addresses, `end` exclusive, from one release to before another."""

    since: tuple[int, int]
    until: tuple[int, int]
    start: int
    end: int
    what: str


REGIONS = (
    Stretch((4, 7), (5, 4), 0xFFFF7E0000000000, 0xFFFF800000000000, MAP),
    Stretch((5, 4), (5, 11), 0xFFFFFDFFFE5F9000, 0xFFFFFDFFFFC00000, APART),
    Stretch((5, 4), (5, 11), 0xFFFFFDFFFFE00000, 0xFFFFFFFFFFE00000, MAP),
    Stretch((5, 11), (6, 9), 0xFFFFFBFFF0000000, 0xFFFFFBFFFF800000, APART),
    Stretch((5, 11), (6, 9), 0xFFFFFC0000000000, 0xFFFFFE0000000000, MAP),
    Stretch((6, 9), (99, 0), 0xFFFFFDFFC0000000, 0xFFFFFFFFC0000000, MAP),
    Stretch((6, 9), (99, 0), 0xFFFFFFFFC0800000, 0xFFFFFFFFFF800000, APART),
)


def linear_region(address: int, release: tuple[int, int], paging: int = 4) -> str:
    """Return in words where a kernel address points; "" if it is no address of the kernel."""
    if address >> 48 != 0xFFFF:
        return ""
    for each in REGIONS:
        if each.since <= release < each.until and each.start <= address < each.end:
            return each.what
    upper = bool(address >> 47 & 1)
    linear = upper if release < FLIPPED else not upper
    return "the linear map" if linear else REST


def in_linear_map(address: int, release: tuple[int, int], paging: int = 4) -> bool:
    """Tell whether an address can be one of the linear map."""
    return linear_region(address, release, paging) == "the linear map"


def same_linear_page(address: int, pfn: int, release: tuple[int, int]) -> bool:
    """Tell whether a linear-map pointer points into a page, for memory that starts at 0."""
    return (address & ((1 << 30) - 1)) >> 12 == pfn & ((1 << 18) - 1)
