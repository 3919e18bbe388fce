"""Where the bits of an arm64 page-table entry lie (4 KiB granule), release by release.

Source: arch/arm64/include/asm/pgtable-hwdef.h (descriptor bits), pgtable-prot.h (software bits),
pgtable.h (swap entries), read at 0178dc761368 (v6.0 era) and in the patches that changed them:
- swap type 2..7 and offset 8..57 from v4.0 (which dropped PTE_FILE), with PTE_PROT_NONE in bit 58;
  type 3..7 and
  PG_anon_exclusive in bit 2 from v5.19 (David Hildenbrand, "arm64/pgtable: support
  __HAVE_ARCH_PTE_SWP_EXCLUSIVE");
- PTE_PRESENT_INVALID (bit 59, b28c74e25967), no PTE_PROT_NONE of its own any more (f0f5863a0fb0),
  PTE_PRESENT_INVALID in nG's place, swap type 6..10 and offset 12..61 (55564814a838), and
  userfaultfd's bits 58 and 3 (5b32510af77b), all in v6.11;
- PTE_WRITE in bit 57 until v4.2, then in DBM's, 51 (2f4b829c625e, v4.3);
- PTE_DEVMAP, bit 57, from v5.3 (73b20c84d42d; in a tree of 5.2.0+, not in v5.2's file) to v6.16
  (d438d2734170);
- PMD_PRESENT_INVALID, bit 59 of a pmd, from v5.10 (b65399f6111b, of September 2020; in v5.10's
  file) to v6.10;
- the protection key (POIndex, PTE_PO_IDX_0..2), bits 60..62, from v6.12 (b66db4f3ccde);
- v7.0's bits and swap entry (pgtable-hwdef.h, pgtable-prot.h, pgtable.h) re-read.
Simplified: addresses of 48 bits (no LPA, LPA2); entries of user mode and of the kernel have the
same fields; a table's attributes for lower levels are not told apart.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar, SupportsIndex

from mmviz.engine import MmvizError, UnknownName
from mmviz.engine.text import index, quoted
from mmviz.kernel.entries.field import Field, flag, zero
from mmviz.kernel.entries.kinds import HIDDEN, SWAP_KINDS, Entry, Kind, Present, Table, mapped
from mmviz.kernel.entries.layout import ORDER, Layout, SwapPlace
from mmviz.kernel.entries.release import known

ARM_RELEASES = (
    *((4, minor) for minor in range(21)),
    *((5, minor) for minor in range(20)),
    *((6, minor) for minor in range(20)),
    *((7, minor) for minor in range(2)),
)
VALID_BIT, TYPE_BIT, NG_BIT, PROT_NONE_BIT, INVALID_BIT = 0, 1, 11, 58, 59
DBM_BIT, OLD_WRITE_BIT, DBM_SINCE = 51, 57, (4, 3)
FIRST_PLACE, EXCLUSIVE_PLACE, NEW_PLACE = (
    SwapPlace(2, 8, 50),
    SwapPlace(3, 8, 50),
    SwapPlace(6, 12, 50),
)
REWORKED, EXCLUSIVE_SINCE = (6, 11), (5, 19)


@dataclass(frozen=True, kw_only=True)
class ArmPresent(Present):
    """A page that an arm64 entry maps.

    Attributes:
        attributes: the index of the memory type (AttrIndx).
        shareable: 0 non, 2 outer, 3 inner (SH).
        write: DBM (until v4.2 a software bit), which Linux takes for "may be written".
        dirty: the software dirty bit.
        pkey: the protection key (v6.12).
    """

    attributes: int = 0
    non_secure: bool = False
    user: bool = False
    read_only: bool = False
    shareable: int = 0
    accessed: bool = False
    not_global: bool = False
    guarded: bool = False
    write: bool = False
    contiguous: bool = False
    pxn: bool = False
    uxn: bool = False
    dirty: bool = False
    special: bool = False
    devmap: bool = False
    uffd_wp: bool = False
    pkey: int = 0


@dataclass(frozen=True, kw_only=True)
class ArmTable(Table):
    """A table that an arm64 entry points to; `limits` holds NSTable, APTable, UXNTable, PXNTable.

    Attributes:
        accessed: bit 10, which the CPU ignores here.
    """

    limits: int = 0
    accessed: bool = False


@dataclass(frozen=True)
class ArmLayout(Layout):
    """Where the bits of an arm64 entry are in one release."""

    arch: ClassVar[str] = "arm64"
    RELEASES: ClassVar[tuple[tuple[int, int], ...]] = ARM_RELEASES
    table: ClassVar[type[Table]] = ArmTable
    mapped: ClassVar[dict[Kind, Callable[..., Entry]]] = mapped(ArmPresent)

    @property
    def ram_bits(self) -> int:
        """How wide the address of memory can be."""
        return 48

    @cached_property
    def place(self) -> SwapPlace:
        """Where a swap type and its offset are."""
        if self.release >= REWORKED:
            return NEW_PLACE
        return EXCLUSIVE_PLACE if self.release >= EXCLUSIVE_SINCE else FIRST_PLACE

    def hardware(self) -> dict[int, str]:
        """Return the usual name of each bit that the processor defines in a present entry."""
        return _HARDWARE

    def own_kinds(self) -> Iterable[Kind]:
        """Return the kinds that arm64 alone has, of entries that are not present."""
        return (Kind.INVALID,) if self._invalid else ()

    @property
    def _invalid(self) -> bool:
        """Whether an entry can be present and invalid without being PROT_NONE."""
        return self.release >= REWORKED or (self.release >= (5, 10) and self.level != "pte")

    def kind(self, raw: int) -> Kind:
        """Return what an entry is, whether or not all of its bits can occur."""
        if not raw:
            return Kind.NONE
        if self.level not in ORDER:
            return Kind.TABLE
        if raw >> VALID_BIT & 1:
            huge = self.level != "pte" and not raw >> TYPE_BIT & 1
            return Kind.PRESENT if self.level == "pte" or huge else Kind.TABLE
        if self.space == "kernel":
            return Kind.UNMAPPED
        if self.release >= REWORKED:
            if raw >> NG_BIT & 1:
                return Kind.INVALID if _reaches(raw) else Kind.PROT_NONE
        elif raw >> PROT_NONE_BIT & 1:
            return Kind.PROT_NONE
        elif self._invalid and raw >> INVALID_BIT & 1:
            return Kind.INVALID
        return self.types[self.place.number(raw)]

    def fields_of(self, kind: Kind) -> Iterable[Field]:
        """Return the fields of such an entry, in any order."""
        if kind is Kind.NONE:
            return (zero("none", 0, "All bits are clear (pte_none()).", 64),)
        if kind is Kind.TABLE:
            limits = "What the table limits below it (NSTable, APTable, UXNTable, PXNTable)."
            return (
                Field("LIMITS", 59, 5, limits, "limits"),
                Field("ADDR", 12, 36, "The page frame of the table.", "pfn"),
                flag("AF", 10, "accessed", "Ignored in a table."),
                Field("TYPE", TYPE_BIT, 1, "A table (PMD_TYPE_TABLE).", fixed=1),
                Field("V", VALID_BIT, 1, "The CPU may use the entry (PTE_VALID).", fixed=1),
            )
        if kind in SWAP_KINDS:
            return (*self.swap_fields(kind), *self._notes(kind))
        return self._present(kind)

    def _notes(self, kind: Kind) -> list[Field]:
        """Return what an entry with a swap type says besides it."""
        found = [
            zero("V", VALID_BIT, "Not present: the CPU faults (PTE_VALID)."),
            zero("TYPE", TYPE_BIT, "Zero in an entry that is not present."),
        ]
        if self.release >= REWORKED:
            meaning = "Set, the entry would be present and invalid (PTE_PRESENT_INVALID)."
            found.append(zero("INVALID", NG_BIT, meaning))
            meaning = "userfaultfd is notified of writes (PTE_SWP_UFFD_WP)."
            found.append(flag("UFFD_WP", 3, "uffd_wp", meaning))
        else:
            meaning = "Set, the entry would be PROT_NONE (PTE_PROT_NONE)."
            found.append(zero("PROT_NONE", PROT_NONE_BIT, meaning))
        if self.release >= EXCLUSIVE_SINCE and kind is Kind.SWAP:
            meaning = "PG_anon_exclusive, recorded (PTE_SWP_EXCLUSIVE)."
            found.append(flag("EXCL", 2, "exclusive", meaning))
        return found

    def _present(self, kind: Kind) -> list[Field]:
        hidden = kind in HIDDEN
        low = 12 + self.order
        found = [
            Field("ATTR", 2, 3, "The memory type (AttrIndx).", "attributes"),
            flag("NS", 5, "non_secure", "Not secure, in the secure state only."),
            flag("AF", 10, "accessed", "The entry has been used (PTE_AF)."),
            Field("SH", 8, 2, "Shareability: 3 is inner (PTE_SHARED).", "shareable"),
            Field("ADDR", low, 48 - low, "The page frame number.", "pfn", scale=self.order),
            flag("GP", 50, "guarded", "Branches must land on a BTI instruction (PTE_GP)."),
            flag("CONT", 52, "contiguous", "One of a run of 16 alike (PTE_CONT)."),
            flag("PXN", 53, "pxn", "The kernel may not execute code from it (PTE_PXN)."),
            flag("DIRTY", 55, "dirty", "Written, kept by software (PTE_DIRTY)."),
            flag("SPECIAL", 56, "special", "No struct page to count references on."),
        ]
        if kind is Kind.PROT_NONE and self.release >= REWORKED:
            meaning = "Nor may the kernel write: that makes it PROT_NONE."
            found += [
                zero("USER", 6, "User mode may not use it: that makes it PROT_NONE (PTE_USER)."),
                flag("RDONLY", 7, "read_only", "The CPU may not write (PTE_RDONLY)."),
                flag("DBM", DBM_BIT, "write", "The kernel may make it writable (PTE_WRITE)."),
                Field("UXN", 54, 1, "User mode may not execute it (PTE_UXN).", fixed=1),
            ]
        else:
            found += [
                flag("USER", 6, "user", "User mode may use it (PTE_USER)."),
                flag("RDONLY", 7, "read_only", "The CPU may not write (PTE_RDONLY)."),
                self._write(),
                flag("UXN", 54, "uxn", "User mode may not execute code from it (PTE_UXN)."),
            ]
        if (5, 3) <= self.release < (6, 17):
            found.append(flag("DEVMAP", 57, "devmap", "Device memory (PTE_DEVMAP)."))
        if self.release >= REWORKED:
            meaning = "userfaultfd is notified of writes (PTE_UFFD_WP)."
            found.append(flag("UFFD_WP", 58, "uffd_wp", meaning))
        if self.release >= (6, 12) and self.space == "user":
            found.append(Field("PKEY", 60, 3, "The protection key (POIndex).", "pkey"))
        return [*found, *self._validity(kind, hidden)]

    def _write(self) -> Field:
        """Return the bit that says an entry may be written."""
        if self.release < DBM_SINCE:
            return flag("WRITE", OLD_WRITE_BIT, "write", "May be written (PTE_WRITE).")
        meaning = "May be written; the CPU clears RDONLY (PTE_WRITE)."
        return flag("DBM", DBM_BIT, "write", meaning)

    def _validity(self, kind: Kind, hidden: bool) -> list[Field]:
        """Return the bits that tell a hidden entry from one that the CPU uses."""
        meaning = "The CPU faults (PTE_VALID)." if hidden else "The CPU may use it (PTE_VALID)."
        found = [Field("V", VALID_BIT, 1, meaning, fixed=0 if hidden else 1)]
        if self.order:
            meaning = "A block of 2 MiB or 1 GiB, no table (PMD_TABLE_BIT)."
            found.append(Field("TYPE", TYPE_BIT, 1, meaning, fixed=0))
        else:
            meaning = "A page (PTE_TYPE_PAGE)."
            page = hidden and kind is not Kind.UNMAPPED
            found.append(Field("TYPE", TYPE_BIT, 1, meaning, fixed=1) if not page else _TYPE)
        if self.release >= REWORKED and kind in (Kind.PROT_NONE, Kind.INVALID):
            meaning = "nG's place: present to the kernel, invalid (PTE_PRESENT_INVALID)."
            found.append(Field("INVALID", NG_BIT, 1, meaning, fixed=1))
            return found
        meaning = "Of one address space only (PTE_NG)."
        found.append(flag("nG", NG_BIT, "not_global", meaning))
        if kind is Kind.PROT_NONE:
            meaning = "PROT_NONE: present to the kernel (PTE_PROT_NONE)."
            found.append(Field("PROT_NONE", PROT_NONE_BIT, 1, meaning, fixed=1))
        elif kind is Kind.INVALID:
            meaning = "Present to the kernel, invalid (PMD_PRESENT_INVALID)."
            found.append(Field("INVALID", INVALID_BIT, 1, meaning, fixed=1))
        return found


def _reaches(raw: int) -> bool:
    """Tell whether user mode could use the page if it were valid (pte_protnone(), v6.11)."""
    return bool(raw >> 6 & 1) or not raw >> 54 & 1


_TYPE = Field("TYPE", TYPE_BIT, 1, "A page (PTE_TYPE_PAGE).", fixed=1)
_HARDWARE = {0: "V", 1: "TYPE", 5: "NS", 6: "USER", 7: "RDONLY", 10: "AF", 11: "nG"}
_HARDWARE |= {50: "GP", 51: "DBM", 52: "CONT", 53: "PXN", 54: "UXN"}


def arm_layout(
    kernel: str, paging: SupportsIndex = 4, pte_marker: bool = False, **more: Any
) -> ArmLayout:
    """Return the layout in force in a release.

    Args:
        kernel: "6.15" or "v6.15".
        paging: levels of the page tables, 3, 4 or 5.
        pte_marker: CONFIG_PTE_MARKER is on; matters for v5.19 to v6.1.
        more: other attributes of `ArmLayout`.

    Raises:
        UnknownName: the release or the number of levels is not known.
    """
    release = known(kernel, ARM_RELEASES)
    try:
        count = index(paging, "paging=")
    except MmvizError:
        count = 0
    if count not in (3, 4):
        raise UnknownName(f"page tables have 3 or 4 levels, not {quoted(paging)}; write paging=4")
    if not isinstance(pte_marker, bool):
        raise UnknownName(f"pte_marker is True or False, not {quoted(pte_marker)}")
    return _made(release, count, pte_marker, **more)


_made = cache(ArmLayout)
