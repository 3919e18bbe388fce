"""Where the kernel's virtual addresses lie on x86-64, to recognise a pointer in an entry's place.

Source: Documentation/arch/x86/x86_64/mm.rst, read in v7.0 (both tables); d52888aa2753 (v4.20, the
direct map moved from 0xffff880000000000 to 0xffff888000000000 to make room for the LDT of
page-table isolation; v4.19 stable has it, too); mm.txt of v4.14 stable and v4.19 stable for what
was before.  In 0xff90000000000000 five levels had the LDT then, which is read as direct map.
CONFIG_RANDOMIZE_MEMORY (0483e1fa6e09; arch/x86/mm/kaslr.c of v4.8) moves direct map, vmalloc area
and memory map, in steps of 1 GiB and in this order, so the lower 30 bits of a direct-map pointer
are those of the physical address.
"""

from typing import NamedTuple

RANDOM_FROM = (4, 8)
MOVED = (4, 20)
GIB = 1 << 30


class Region(NamedTuple):
    """A range of kernel addresses, `end` exclusive."""

    start: int
    end: int
    what: str


FIXED = (
    Region(0xFFFFFFFF80000000, 0xFFFFFFFFA0000000, "the kernel's own text and data"),
    Region(0xFFFFFFFFA0000000, 0xFFFFFFFFFF000000, "a module (or, with KASLR, the kernel's text)"),
    Region(0xFFFFFFFFFF000000, 0xFFFFFFFFFFE00000, "the fixmap or vsyscall page"),
    Region(0xFFFFFE0000000000, 0xFFFFFE8000000000, "the CPU entry area"),
    Region(0xFFFFFF0000000000, 0xFFFFFF8000000000, "the espfix stacks"),
    Region(0xFFFFFFEF00000000, 0xFFFFFFFF00000000, "EFI's mapping"),
)
SHADOW = Region(0xFFFFEC0000000000, 0xFFFFFC0000000000, "KASAN's shadow")
WIDE_SHADOW = Region(0xFFDF000000000000, 0xFFFFFC0000000000, "KASAN's shadow")  # five levels


def regions(release: tuple[int, int], paging: int = 4) -> tuple[Region, ...]:
    """Return the ranges of a release, as they lie without KASLR."""
    if paging == 5:
        start = 0xFF11000000000000 if release >= MOVED else 0xFF10000000000000
        return (
            *FIXED,
            Region(start, 0xFF91000000000000, "the direct map"),
            Region(0xFFA0000000000000, 0xFFD2000000000000, "the vmalloc area"),
            Region(0xFFD4000000000000, 0xFFD6000000000000, "the memory map (struct page)"),
            WIDE_SHADOW,
        )
    start = 0xFFFF888000000000 if release >= MOVED else 0xFFFF880000000000
    return (
        *FIXED,
        Region(start, 0xFFFFC90000000000, "the direct map"),
        Region(0xFFFFC90000000000, 0xFFFFE90000000000, "the vmalloc area"),
        Region(0xFFFFEA0000000000, 0xFFFFEB0000000000, "the memory map (struct page)"),
        SHADOW,
    )


def region(address: int, release: tuple[int, int], paging: int = 4) -> str:
    """Return in words where a kernel address points; "" if it is no address of the kernel."""
    if address >> 47 != 0x1FFFF and not (paging == 5 and address >> 56 == 0xFF):
        return ""
    for each in regions(release, paging):
        if each.start <= address < each.end:
            if each in FIXED or release < RANDOM_FROM:
                return each.what
            return f"{each.what} (KASLR may have moved its neighbour here)"
    if 0xFFFF800000000000 <= address < 0xFFFFFE0000000000 and release >= RANDOM_FROM:
        return "the direct map, the vmalloc area or the memory map, which KASLR moves"
    return ""


def in_direct_map(address: int, release: tuple[int, int], paging: int = 4) -> bool:
    """Tell whether an address can be one of the direct map."""
    what = region(address, release, paging)
    return what.startswith("the direct map")


def same_page(address: int, pfn: int, release: tuple[int, int]) -> bool:
    """Tell whether a direct-map pointer points into a page, as far as KASLR lets one see."""
    start = 0xFFFF888000000000 if release >= MOVED else 0xFFFF880000000000
    if address - start >> 12 == pfn:
        return True
    return release >= RANDOM_FROM and (address % GIB) >> 12 == pfn % (GIB >> 12)
