"""Where the bits of an x86-64 page-table entry lie, release by release.

Source: arch/x86/include/asm/pgtable_types.h and pgtable_64.h (bits; the swap offset stored
inverted), include/linux/swap.h (type numbers), include/linux/swapops.h (PFN width, markers).
From memory, not re-read: the releases of UFFD_WP (v5.7), of the limited PFN (v6.1), of the payload
bits of a marker (v6.2, v6.13), of SAVED_DIRTY (v6.6) and of the end of DEVMAP (about v6.17); the
order of the two migration types before v5.14; that a marker is never empty.  Derived: the type
numbers, from the formulas of include/linux/swap.h.
Simplified: entries of 4 KiB pages, no huge ones; CONFIG_MIGRATION, CONFIG_DEVICE_PRIVATE and
CONFIG_MEMORY_FAILURE are on; no memory encryption; D without RW is read as a plain dirty,
read-only page, not as a shadow stack (v6.6).
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import SupportsIndex

from mmviz.engine import MmvizError, UnknownName
from mmviz.engine.text import index, quoted
from mmviz.kernel.x86.kinds import STORY, Kind

RELEASES = (*((5, minor) for minor in range(7, 20)), *((6, minor) for minor in range(17)))
ACCESSED, DIRTY = 5, 6  # an old processor may set these two in an entry that is not present
OFFSET, OFFSET_BITS = 9, 50
TYPES = 32


@dataclass(frozen=True)
class Field:
    """Adjacent bits of an entry.

    Attributes:
        name: its usual name.
        low, width: its lowest bit, and how many there are.
        meaning: what it means, one sentence with the kernel's name.
        attribute: where a decoded entry keeps it; "" if it does not.
        fixed: the only value it can have, None if it is free.
        inverted: each bit is stored as its opposite.
    """

    name: str
    low: int
    width: int
    meaning: str
    attribute: str = ""
    fixed: int | None = None
    inverted: bool = False

    @property
    def most(self) -> int:
        """The largest value."""
        return (1 << self.width) - 1

    @property
    def bits(self) -> str:
        """Its bits in the usual notation, "58..9"."""
        return f"{self.low + self.width - 1}..{self.low}" if self.width > 1 else str(self.low)

    def get(self, raw: int) -> int:
        """Return its value in an entry."""
        value = raw >> self.low & self.most
        return value ^ self.most if self.inverted else value

    def put(self, value: int) -> int:
        """Return an entry's bits with this value."""
        return (value ^ self.most if self.inverted else value) << self.low


def flag(name: str, low: int, attribute: str, meaning: str) -> Field:
    """Return a field of one free bit."""
    return Field(name, low, 1, meaning, attribute)


STRAY = (
    flag("A", ACCESSED, "stray_accessed", "Noise of an old processor, ignored by pte_none()."),
    flag("D", DIRTY, "stray_dirty", "Noise of an old processor, ignored by pte_none()."),
)
NOTES = (
    flag(
        "SOFT_DIRTY", 1, "soft_dirty", "The page is soft-dirty (_PAGE_SWP_SOFT_DIRTY, RW's place)."
    ),
    flag(
        "UFFD_WP",
        2,
        "uffd_wp",
        "userfaultfd is notified of writes (_PAGE_SWP_UFFD_WP, US's place).",
    ),
)
FLAGS = (
    flag("RW", 1, "write", "The CPU may write (_PAGE_RW)."),
    flag("US", 2, "user", "User mode may use it (_PAGE_USER)."),
    flag("PWT", 3, "pwt", "Part of the cache mode: write-through (_PAGE_PWT)."),
    flag("PCD", 4, "pcd", "Part of the cache mode: not cached (_PAGE_PCD)."),
    flag("A", ACCESSED, "accessed", "The CPU has used the entry (_PAGE_ACCESSED)."),
    flag("D", DIRTY, "dirty", "The CPU has written through the entry (_PAGE_DIRTY)."),
    flag("PAT", 7, "pat", "Part of the cache mode (_PAGE_PAT)."),
    flag("SPECIAL", 9, "special", "No struct page to count references on (_PAGE_SPECIAL)."),
    flag("UFFD_WP", 10, "uffd_wp", "userfaultfd is notified of writes (_PAGE_UFFD_WP)."),
    flag("SOFT_DIRTY", 11, "soft_dirty", "Written since clear_refs (_PAGE_SOFT_DIRTY)."),
    Field("PKEY", 59, 4, "The protection key (_PAGE_PKEY_BIT0..3).", "pkey"),
    flag("NX", 63, "nx", "The CPU may not execute code from it (_PAGE_NX)."),
)


@dataclass(frozen=True)
class Layout:
    """Where the bits are in one release.

    Attributes:
        release: (6, 15) for v6.15.
        levels: of the page tables, 4 or 5; from v6.1 they set the width of a stored PFN.
        pte_marker: CONFIG_PTE_MARKER is on; matters for v5.19 to v6.1, later it always is.
    """

    release: tuple[int, int]
    levels: int = 4
    pte_marker: bool = False

    @property
    def name(self) -> str:
        """The release as the kernel's tags spell it, "v6.15"."""
        return f"v{self.release[0]}.{self.release[1]}"

    @property
    def marker_is_optional(self) -> bool:
        """Whether CONFIG_PTE_MARKER is a choice."""
        return (5, 19) <= self.release < (6, 2)

    @property
    def types(self) -> tuple[Kind, ...]:
        """The kind of each type number: types other than swap devices count down from 31.

        SWP_SWAPIN_ERROR (9f186f9e5fa9, pulled for v5.19-rc1) became a marker in v6.2.
        """
        taken = [Kind.HWPOISON, Kind.MIGRATION_READ]
        if self.release >= (5, 19):
            taken.append(Kind.MIGRATION_READ_EXCLUSIVE)
        taken += [Kind.MIGRATION_WRITE, Kind.DEVICE_PRIVATE_WRITE, Kind.DEVICE_PRIVATE_READ]
        if self.release >= (6, 15):
            taken.append(Kind.DEVICE_EXCLUSIVE)
        elif self.release >= (5, 14):
            taken += [Kind.DEVICE_EXCLUSIVE_WRITE, Kind.DEVICE_EXCLUSIVE_READ]
        if self.release >= (6, 2) or (self.marker_is_optional and self.pte_marker):
            taken.append(Kind.MARKER)
        if self.marker_is_optional:
            taken.append(Kind.SWAPIN_ERROR)
        return (Kind.SWAP,) * (TYPES - len(taken)) + tuple(taken)

    def kind(self, raw: int) -> Kind:
        """Return what an entry is, whether or not all of its bits can occur."""
        if not raw & ~(1 << ACCESSED | 1 << DIRTY):
            return Kind.NONE
        if raw & 1:
            return Kind.PRESENT
        return Kind.PROT_NONE if raw >> 8 & 1 else self.types[raw >> 59]

    def fields(self, kind: Kind) -> tuple[Field, ...]:
        """Return the fields of such an entry, from the highest bit down."""
        found: tuple[Field, ...]
        if kind is Kind.NONE:
            found = STRAY
        elif kind in (Kind.PRESENT, Kind.PROT_NONE):
            found = self._present(kind)
        else:
            found = (self._type(kind), *self._offset(kind), *STRAY, *NOTES)
            if kind is Kind.SWAP and self.release >= (5, 19):
                meaning = "PG_anon_exclusive, recorded (_PAGE_SWP_EXCLUSIVE, PWT's place)."
                found += (flag("EXCL", 3, "exclusive", meaning),)
            found += (Field("P", 0, 1, "Not present: the CPU faults (_PAGE_PRESENT).", fixed=0),)
        return tuple(sorted(found, key=lambda each: -each.low))

    def _present(self, kind: Kind) -> tuple[Field, ...]:
        hidden = kind is Kind.PROT_NONE
        pfn = "The page frame number" + (", stored inverted." if hidden else ".")
        found = (*FLAGS, Field("PFN", 12, 40, pfn, "pfn", inverted=hidden))
        if hidden:
            p = Field("P", 0, 1, "The CPU faults, yet pte_present() is true.", fixed=0)
            g = Field("G", 8, 1, "Without P it means PROT_NONE (_PAGE_PROTNONE).", fixed=1)
        else:
            p = Field("P", 0, 1, "The CPU may use the entry (_PAGE_PRESENT).", fixed=1)
            g = flag("G", 8, "global_", "Survives a switch of address spaces (_PAGE_GLOBAL).")
        new = self.release >= (6, 6)
        devmap = flag("DEVMAP", 57 if new else 58, "devmap", "Device memory (_PAGE_DEVMAP).")
        saved = "Dirty, kept apart from shadow-stack entries (_PAGE_SAVED_DIRTY)."
        late = (flag("SAVED_DIRTY", 58, "saved_dirty", saved),) if new else ()
        return (p, g, *found, devmap, *late)

    def _type(self, kind: Kind) -> Field:
        if kind is Kind.SWAP:
            return Field("TYPE", 59, 5, "The swap device (swp_type()).", "device")
        meaning = f"What the entry is: {kind} ({STORY[kind][0]})."
        return Field("TYPE", 59, 5, meaning, fixed=self.types.index(kind))

    def _offset(self, kind: Kind) -> tuple[Field, ...]:
        if kind is Kind.SWAP:
            meaning = "The slot on the device, stored inverted (swp_offset())."
            return (Field("OFFSET", OFFSET, OFFSET_BITS, meaning, "offset", inverted=True),)
        if kind is Kind.MARKER:
            parts = self._payload()
        else:
            limited = self.release >= (6, 1) and self.levels == 4
            meaning = "The page frame number, stored inverted (swp_offset_pfn() from v6.1)."
            parts = [("PFN", 34 if limited else 40, "pfn", meaning)]
            if kind.startswith("migration") and self.release >= (6, 1):
                young = "The page was accessed, stored inverted (SWP_MIG_YOUNG)."
                dirty = "The entry was dirty, stored inverted (SWP_MIG_DIRTY)."
                parts += [("YOUNG", 1, "young", young), ("DIRTY", 1, "dirty", dirty)]
        found, low = [], OFFSET
        for name, width, attribute, meaning in parts:
            found.append(Field(name, low, width, meaning, attribute, inverted=True))
            low += width
        meaning = "Rest of the offset, zero, so stored as ones."
        rest = OFFSET + OFFSET_BITS - low
        return (*found, Field("unused", low, rest, meaning, fixed=0, inverted=True))

    def _payload(self) -> list[tuple[str, int, str, str]]:
        wp = "userfaultfd is notified of writes, stored inverted (PTE_MARKER_UFFD_WP)."
        found = [("UFFD_WP", 1, "marks_uffd_wp", wp)]
        if self.release >= (6, 2):
            name = "POISONED" if self.release >= (6, 6) else "SWAPIN_ERROR"
            meaning = f"A fault kills the process, stored inverted (PTE_MARKER_{name})."
            found.append((name, 1, "poisoned", meaning))
        if self.release >= (6, 13):
            guard = "A guard page: no access, stored inverted (PTE_MARKER_GUARD)."
            found.append(("GUARD", 1, "guard", guard))
        return found


def layout(kernel: str, levels: SupportsIndex = 4, pte_marker: bool = False) -> Layout:
    """Return the layout in force in a release.

    Args:
        kernel: "6.15" or "v6.15".
        levels: of the page tables, 4 or 5.
        pte_marker: CONFIG_PTE_MARKER is on; matters for v5.19 to v6.1.

    Raises:
        UnknownName: the release or the number of levels is not known; the message says which are,
            and which release is the nearest.
    """
    release = _release(kernel)
    if release not in RELEASES:
        raise UnknownName(
            f"the entries of kernel {quoted(kernel)} are not known; {_nearest(kernel)}"
            "known are v5.7 to v5.19 and v6.0 to v6.16, written '6.15' or 'v6.15'"
        )
    try:
        count = index(levels, "levels=")
    except MmvizError:
        count = 0
    if count not in (4, 5):
        raise UnknownName(f"page tables have 4 or 5 levels, not {quoted(levels)}; write levels=5")
    if not isinstance(pte_marker, bool):
        raise UnknownName(f"pte_marker is True or False, not {quoted(pte_marker)}")
    return _layout(release, count, pte_marker)


_layout = cache(Layout)


def _release(kernel: object) -> tuple[int, int] | None:
    """Return the numbers of a release; None for what is not one in quotes.

    Without quotes 6.10 is the number 6.1.
    """
    if not isinstance(kernel, str):
        return None
    found = re.fullmatch(r"v?([1-9][0-9]?)\.(0|[1-9][0-9]?)", kernel)
    return (int(found[1]), int(found[2])) if found else None


def _nearest(kernel: object) -> str:
    """Name the known release nearest to the one that was asked for, "" if none was named."""
    found = isinstance(kernel, str) and re.match(r"[vV]?([0-9]{1,2})(?:\.([0-9]{1,3}))?", kernel)
    if not found:
        return ""
    asked = (int(found[1]), int(found[2] or 0))
    major, minor = min(
        RELEASES, key=lambda each: (abs(each[0] - asked[0]), abs(each[1] - asked[1]))
    )
    if asked > RELEASES[-1] or asked < RELEASES[0]:
        major, minor = RELEASES[-1] if asked > RELEASES[-1] else RELEASES[0]
    return f"the nearest is v{major}.{minor}; "
