"""What 64 bits look like that no page-table entry has: text, poison, numbers, pieces of others.

Source, read in v7.0 unless a release is named: include/linux/poison.h (slab, list and page poison),
mm/kasan/kasan.h (shadow bytes; before "kasan: record and print the free track" 0xFA was a global's
red zone, 0xF9 the vmalloc area, 0xF8 a stack after its scope), include/uapi/linux/magic.h and
include/linux/spinlock_types_raw.h (magic numbers).  LIST_POISON1 and 2 are 0x00100100 and
0x00200200 in v4.0's poison.h, 0x100 and 0x200 in v4.4's (8a5e5e02fc83); the latter became 0x122 in
v5.3 (Alexey Dobriyan, "tweak LIST_POISON2 for better code generation on x86_64": a log of 5.2.0+
has 0x200, one of 5.3.0-rc2+ 0x122).  SLAB's red zones are those of v4.4.  From memory, not re-read:
0xDC, 0xAA55AA55.
Only the value is looked at; each piece of evidence says how sure it can be.
"""

from typing import NamedTuple

ALL = (1 << 64) - 1
HALF = (1 << 32) - 1
PRINTABLE = set(range(0x20, 0x7F))
BLANKS = {0x09, 0x0A, 0x0D}
POISON = {
    0x6B: "POISON_FREE, freed slab memory",
    0x5A: "POISON_INUSE, slab memory not yet written",
    0xA5: "POISON_END, the last byte of freed slab memory",
    0xBB: "SLUB_RED_INACTIVE, the red zone of a free slab object",
    0xCC: "SLUB_RED_ACTIVE, the red zone of a slab object in use; also freed init memory",
    0xAA: "PAGE_POISON, a free page",
    0xDC: "page poison of old kernels or a hypervisor's fill byte",
    0xFE: "the KASAN shadow of the red zone of a large kmalloc()",
    0xFB: "the KASAN shadow of freed slab memory",
    0xFA: "the KASAN shadow of freed slab memory (until v5.7 of a global's red zone)",
    0xFC: "the KASAN shadow of a slab red zone",
    0xF9: "the KASAN shadow of a global's red zone (until v5.7 of unmapped vmalloc space)",
    0xF8: "the KASAN shadow of unmapped vmalloc space, or of a stack after its scope",
    0xFF: "all ones: what a read of a missing device returns, or memory filled with -1",
}
SHADOW_BYTES = {*range(0xF1, 0xF5), *range(0xF8, 0x100), *range(8)}
DEAD = {
    0x100: "LIST_POISON1, list_del() of a list entry",
    0x122: "LIST_POISON2, list_del() of a list entry",
    0x200: "LIST_POISON2 (until v5.2), list_del() of a list entry",
    0x100100: "LIST_POISON1 (until v4.2), list_del() of a list entry",
    0x200200: "LIST_POISON2 (until v4.2), list_del() of a list entry",
    0x300: "TIMER_ENTRY_STATIC, a timer initialised at build time",
    0x400: "TAIL_MAPPING, the mapping of a tail page",
    0x500: "MUTEX_POISON_WW_CTX, a ww_mutex without its context",
    0x800: "SKB_LIST_POISON_NEXT, a network packet that left its list",
}
RED_ZONES = {
    0x09F911029D74E35B: "RED_INACTIVE, the red zone of a free SLAB object",
    0xD84156C5635688C0: "RED_ACTIVE, the red zone of a SLAB object in use",
}
MAGIC = {
    0x63538263: "the magic cookie of DHCP and BOOTP, 99.130.83.99, as in a network packet",
    0xDEAD4EAD: "SPINLOCK_MAGIC of a debugged spin lock",
    0x57AC6E9D: "STACK_END_MAGIC, the end of a kernel stack",
    0x464C457F: "the start of an ELF file",
    0xAA55AA55: "a test pattern",
    0x55AA55AA: "a test pattern",
}
BIOS = (0xF000, 0xC000, 0xE000)  # segments
SMALL = 1 << 24


class Look(NamedTuple):
    """A guess at what a value was, and what speaks for it."""

    guess: str
    evidence: str


def little_endian(raw: int) -> bytes:
    """Return the bytes of a value as they lie in memory."""
    return raw.to_bytes(8, "little")


def text(raw: int) -> Look | None:
    """Return the value as text, if its bytes are some."""
    found = little_endian(raw)
    wide = found[::2]
    if (
        not any(found[1::2])
        and len(set(wide)) > 1
        and sum(each in PRINTABLE for each in wide) >= 3
        and found[0]
    ):
        shown = wide.rstrip(b"\0").decode("latin-1")
        return Look("text", f"the bytes are the UTF-16 text {shown!r}")
    seen = sum(each in PRINTABLE for each in found)
    if len(set(found)) <= 3 or user_pointer(raw):
        return None
    if seen < 5 or any(each not in PRINTABLE | BLANKS | {0} for each in found):
        return None
    letters = sum(chr(each).isalnum() for each in found)
    shown = found.decode("latin-1")
    sure = "" if letters >= 3 else "; few of them are letters or digits"
    return Look("text", f"all bytes are text, in memory order {shown!r}{sure}")


def poison(raw: int) -> Look | None:
    """Return the pattern with which the kernel fills memory that must not be used."""
    found = little_endian(raw)
    most = max(POISON, key=found.count)
    count = found.count(most)
    if ALL > raw > ALL - SMALL:
        return None  # a small negative number
    if count >= (7 if most == 0xFF else 6):
        rest = (
            "" if count == 8 else f"; the others are {found.replace(bytes([most]), b'').hex(' ')}"
        )
        return Look("poison", f"{count} of 8 bytes are {most:#04x}: {POISON[most]}{rest}")
    if raw in RED_ZONES:
        return Look("poison", f"the value is {RED_ZONES[raw]}")
    if raw >> 48 == 0xDEAD:
        low = raw & 0xFFFFFFFFFFFF
        what = DEAD.get(low, "POISON_POINTER_DELTA with an offset, a poisoned pointer")
        return Look("poison", f"0xdead at the top: {what}")
    ones = raw.bit_count()
    clear = [str(bit) for bit in range(64) if not raw >> bit & 1]
    if ones >= 57 and (raw >> 48 != 0xFFFF or raw & 3):
        return Look("poison", f"all ones but for bits {', '.join(clear)}: -1, partly overwritten")
    if all(each in SHADOW_BYTES for each in found) and sum(each > 0xF0 for each in found) >= 4:
        return Look("poison", f"all bytes are KASAN shadow bytes ({found.hex(' ')})")
    return None


def number(raw: int) -> Look | None:
    """Return the plain numbers that a value may be."""
    low, high = raw & HALF, raw >> 32
    for half, where in ((high, "upper"), (low, "lower")):
        if half in MAGIC:
            return Look("overwrite", f"the {where} half, {half:#x}, is {MAGIC[half]}")
    if low >> 16 in BIOS and high >> 16 in BIOS:
        return Look(
            "overwrite",
            f"{low:#x} and {high:#x} are segment:offset of BIOS routines, as in a real-mode "
            "interrupt table at address 0",
        )
    if low == high:
        return Look("overwrite", f"the 32 bits {low:#x} stand there twice")
    if 0 < raw < SMALL:
        return Look("overwrite", f"a small number, {raw}, as a counter or a length")
    if raw > ALL - SMALL:
        return Look("overwrite", f"a small negative number, {raw - (1 << 64)}, as an error code")
    if not low and 0 < high < SMALL:
        return Look("overwrite", f"a small number, {high}, in the upper 32 bits and nothing below")
    if 0 < low < SMALL and 0 < high < SMALL:
        return Look("overwrite", f"two small 32-bit numbers, {low} and {high}")
    if high and high < SMALL and low > HALF - SMALL:
        return Look("overwrite", f"two 32-bit numbers, {low - (1 << 32)} and {high}")
    return None


def user_pointer(raw: int) -> Look | None:
    """Return whether a value looks like an address of user mode."""
    top = raw >> 40
    if top in range(0x7E, 0x80) or top in (0x55, 0x56):
        kind = "a stack, library or mmap" if top > 0x56 else "a program's own code or heap"
        return Look("overwrite", f"reads like a pointer of user mode, into {kind}")
    return None


def halves(raw: int) -> Look | None:
    """Return one half that is a number of its own, negative or all ones."""
    low, high = raw & HALF, raw >> 32
    if low > HALF - (1 << 16) and high != HALF and high:
        return Look(
            "overwrite",
            f"the lower half is the small negative 32-bit number {low - (1 << 32)}, "
            "so a field of 32 bits lies there",
        )
    return None
