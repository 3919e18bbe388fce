"""Where the bits of an x86-64 page-table entry lie, release by release, level by level.

Source: arch/x86/include/asm/pgtable_types.h, pgtable_64.h, pgtable_64_types.h and pgtable-invert.h;
read at 009f773836513, 00170fdd0846 (v3.15 era) and in the patches that changed them:
- swap type and offset: bits 1..5 and from 9 (v3.15 to v3.19 with CONFIG_NUMA_BALANCING from 10,
  c46a7c817e66 and 21d9ee3eda77) until v4.7; 9..13 and from 14 from v4.8 (00839ee3b299; its
  off-by-one, 15, went in ace7fab7a6cd before v4.8); inverted, type above the offset, from v4.19
  (bcd11afa7ade, 2f22b4cd45b6);
- pte_none() ignores A and D from v4.8 (Dave Hansen, "x86, pagetable: ignore A/D bits in
  pte/pmd/pud_none()", July 2016; _PAGE_KNL_ERRATUM_MASK in v4.8's pgtable_types.h);
- soft dirty of a swap entry in bit 7 (_PAGE_PSE) from v3.11 (179ef71cbc08), in bit 1 from v4.14
  (eee4818baac0, which came to v4.4 stable with the L1TF patches; Red Hat's v3.10 kept bit 7: Vasily
  Averin, June 2022, with a vtop of such an entry);
- _PAGE_FILE, bit 6, until v3.19 ("x86: drop _PAGE_FILE and pte_file()-related helpers");
  _PAGE_NUMA, bit 9, v3.15 to v3.19 (21d9ee3eda77 removed it, v4.0);
- protection keys from v4.6 (5c1d90f51027; in v4.8's file); _PAGE_DEVMAP bit 58 from v4.5
  (69660fd797c3), bit 57 from v6.6, gone with v6.17 (d438d2734170); SAVED_DIRTY bit 58 from v6.6
  (fca4d413c5f7, which moved DEVMAP: tip x86/shstk of July 2023); NOPTISHADOW (d0ceea662d45);
- UFFD_WP from v5.7 (ioctl_userfaultfd(2): UFFDIO_WRITEPROTECT since Linux 5.7; not in v5.2's file);
- frames of 46 bits of address until v4.16, of 52 from v4.17 (__PHYSICAL_MASK_SHIFT, b83ce5ee9147);
- migration entries at the pmd level from v4.14 (84c3fc4e9c56);
- all bits and the swap entry of v7.0 re-read (pgtable_types.h, pgtable_64.h); the renaming of the
  UFFD_WP bits to UFFD is later than v7.2 (Kiryl Shutsemau's series was at v9 on 6 July 2026).
From memory, not re-read: the ids bcd11afa7ade and 2f22b4cd45b6, v7.1; that the L1TF form of v3.16
leaves bit 9 to the NUMA hints as its backport of 00839ee3b299 does, and has soft dirty in bit 1.
Simplified: D without RW is read as a plain dirty, read-only page, not as a shadow stack (v6.6);
the L1TF form of v3.15 to v3.19 is read without NUMA hints; what a pmd says of a transparent huge
page that is being split (until v4.4) is a software bit.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar, SupportsIndex

from mmviz.engine import MmvizError, UnknownName
from mmviz.engine.text import index, quoted
from mmviz.kernel.entries.field import Field, flag, zero
from mmviz.kernel.entries.kinds import (
    HIDDEN,
    SWAP_KINDS,
    Entry,
    Kind,
    PtePresent,
    Table,
    X86Table,
    mapped,
)
from mmviz.kernel.entries.layout import LEVELS, ORDER, Layout, SwapPlace
from mmviz.kernel.entries.release import known

__all__ = ["LEVELS", "RELEASES", "Field", "X86Layout", "flag", "layout"]

RELEASES = (
    *((3, minor) for minor in range(10, 20)),
    *((4, minor) for minor in range(21)),
    *((5, minor) for minor in range(20)),
    *((6, minor) for minor in range(20)),
    *((7, minor) for minor in range(2)),
)
NEWEST = RELEASES[-1]
PSE, PROTNONE, NUMA, FILE = 7, 8, 9, 6
ACCESSED, DIRTY = 5, 6  # an old processor may set these two in an entry that is not present
STRAYED = 1 << ACCESSED | 1 << DIRTY
OLDEST_PLACE, NUMA_PLACE = SwapPlace(1, 9, 55), SwapPlace(1, 10, 54)
MIDDLE_PLACE, INVERTED_PLACE = SwapPlace(9, 14, 50), SwapPlace(59, 9, 50, inverted=True)
HINTED_PLACE = SwapPlace(59, 10, 49, inverted=True)
HINTS = ((3, 15), (4, 0))  # from, before: NUMA hints in a bit of their own
INVERTED, WIDE_FRAMES = (4, 19), (4, 17)
INVERTED_FROM = {(4, 18): 1, (4, 17): 15, (4, 14): 63, (4, 9): 120, (4, 4): 148, (3, 16): 59}
"""The first point release of a stable series with the L1TF form (August to October 2018).

Source: nluedtke/linux_kernel_cves, CVE-2018-3620 (4.18.1, 4.17.15, 4.14.63, 4.9.120); the review
of 4.4.148 ("[PATCH 4.4 22/43]", 14 August 2018) and of 3.16.59 ("[PATCH 3.16 092/131]", 29
September 2018) on linux-mm, with the backports of 00839ee3b299.
"""
NOISE = "Noise of an old processor, ignored by pte_none()."


@dataclass(frozen=True)
class X86Layout(Layout):
    """Where the bits of an x86-64 entry are in one release."""

    arch: ClassVar[str] = "x86-64"
    RELEASES: ClassVar[tuple[tuple[int, int], ...]] = RELEASES
    table: ClassVar[type[Table]] = X86Table
    mapped: ClassVar[dict[Kind, Callable[..., Entry]]] = mapped(PtePresent)

    @property
    def is_inverted(self) -> bool:
        """Whether frames and offsets of entries that are not present are stored inverted."""
        return self.release >= INVERTED if self.inverted is None else self.inverted

    @cached_property
    def place(self) -> SwapPlace:
        """Where a swap type and its offset are."""
        if self.is_inverted:
            return HINTED_PLACE if HINTS[0] <= self.release < HINTS[1] else INVERTED_PLACE
        if self.release >= (4, 8):
            return MIDDLE_PLACE
        return NUMA_PLACE if self._numa else OLDEST_PLACE

    @property
    def _numa(self) -> bool:
        """Whether NUMA hints have a bit of their own."""
        return HINTS[0] <= self.release < HINTS[1] and not self.is_inverted

    @property
    def _stray(self) -> bool:
        """Whether A and D of an entry that is not present are ignored."""
        return self.release >= (4, 8) or (self.is_inverted and not self._file)

    @property
    def _file(self) -> bool:
        """Whether there are nonlinear file mappings."""
        return self.release < (4, 0)

    def hardware(self) -> dict[int, str]:
        """Return the usual name of each bit that the processor defines in a present entry."""
        return _HARDWARE

    def own_kinds(self) -> Iterable[Kind]:
        """Return the kinds that x86-64 alone has, of entries that are not present."""
        if self._numa:
            yield Kind.NUMA
        if self.level != "pte":
            yield Kind.INVALID
        elif self._file:
            yield Kind.FILE

    def kind(self, raw: int) -> Kind:
        """Return what an entry is, whether or not all of its bits can occur."""
        if not raw & ~(STRAYED if self._stray else 0):
            return Kind.NONE
        if self.level not in ORDER:
            return Kind.TABLE
        if raw & 1:
            return Kind.PRESENT if self.level == "pte" or raw >> PSE & 1 else Kind.TABLE
        if self.space == "kernel":
            return Kind.UNMAPPED
        if raw >> PROTNONE & 1:
            return Kind.PROT_NONE
        if self._numa and raw >> NUMA & 1:
            return Kind.NUMA
        if self.level != "pte" and raw >> PSE & 1:
            return Kind.INVALID
        if self._file and raw >> FILE & 1 and self.level == "pte":
            return Kind.FILE
        return self.types[self.place.number(raw)]

    def fields_of(self, kind: Kind) -> Iterable[Field]:
        """Return the fields of such an entry, in any order."""
        if kind is Kind.NONE:
            if not self._stray:
                return (zero("none", 0, "All bits are clear (pte_none()).", 64),)
            return (
                flag("D", DIRTY, "stray_dirty", NOISE),
                flag("A", ACCESSED, "stray_accessed", NOISE),
            )
        if kind is Kind.TABLE:
            return self._table()
        if kind is Kind.FILE:
            return self._nonlinear()
        if kind in SWAP_KINDS:
            return (*self.swap_fields(kind), *self._notes(kind))
        return self._present(kind)

    def _notes(self, kind: Kind) -> list[Field]:
        """Return what an entry with a swap type says besides it."""
        found = [zero("P", 0, "Not present: the CPU faults (_PAGE_PRESENT).")]
        late = self.release >= (4, 14) or (self.is_inverted and self.release >= (3, 16))
        if self._stray:
            found += [
                flag("A", ACCESSED, "stray_accessed", NOISE),
                flag("D", DIRTY, "stray_dirty", NOISE),
            ]
        if self.release >= (3, 11) or self.is_inverted:
            bit, whose = (1, "RW") if late else (7, "PAT")
            if not late and self.level != "pte":
                return found  # above the pte level the bit is PSE
            meaning = f"The page is soft-dirty (_PAGE_SWP_SOFT_DIRTY, {whose}'s place)."
            found.append(flag("SOFT_DIRTY", bit, "soft_dirty", meaning))
        if self.release >= (5, 7):
            meaning = "userfaultfd is notified of writes (_PAGE_SWP_UFFD_WP, US's place)."
            found.append(flag("UFFD_WP", 2, "uffd_wp", meaning))
        if kind is Kind.SWAP and self.release >= (5, 19):
            meaning = "PG_anon_exclusive, recorded (_PAGE_SWP_EXCLUSIVE, PWT's place)."
            found.append(flag("EXCL", 3, "exclusive", meaning))
        return found

    def _nonlinear(self) -> list[Field]:
        found = [
            Field("PGOFF", 12, 34, "The page of the file (pte_to_pgoff()).", "pgoff"),
            Field("FILE", FILE, 1, "A nonlinear file mapping (_PAGE_FILE).", fixed=1),
            zero("P", 0, "Not present: the CPU faults (_PAGE_PRESENT)."),
            zero("G", PROTNONE, "Set, it would mean PROT_NONE (_PAGE_PROTNONE)."),
        ]
        if self.release >= (3, 12):
            meaning = "The page is soft-dirty (_PAGE_FILE_SOFT_DIRTY)."
            found.append(flag("SOFT_DIRTY", 11, "soft_dirty", meaning))
        return found

    def _table(self) -> list[Field]:
        found = [
            Field("P", 0, 1, "The CPU may use the entry (_PAGE_PRESENT).", fixed=1),
            flag("US", 2, "user", "User mode may use it (_PAGE_USER)."),
            flag("PWT", 3, "pwt", "Part of the cache mode: write-through (_PAGE_PWT)."),
            flag("PCD", 4, "pcd", "Part of the cache mode: not cached (_PAGE_PCD)."),
            flag("A", ACCESSED, "accessed", "The CPU has used the entry (_PAGE_ACCESSED)."),
            zero("PSE", PSE, "Clear: a table, no huge page (_PAGE_PSE)."),
            Field(
                "PFN", 12, 40 if self.release >= WIDE_FRAMES else 34, "The table's frame.", "pfn"
            ),
        ]
        rw = "Clear, all below is read-only (_PAGE_RW)"
        if self.level in ("pmd", "p4d", "pgd"):
            found += [
                Field("RW", 1, 1, f"{rw}; a table always has it (pmd_bad()).", "write", 1),
                Field("D", DIRTY, 1, "A table always has it (_KERNPG_TABLE).", "dirty", 1),
            ]
        else:
            found += [
                flag("RW", 1, "write", f"{rw}."),
                flag("D", DIRTY, "dirty", "Part of _KERNPG_TABLE; the CPU ignores it."),
            ]
        if self.level in ("p4d", "pgd"):
            meaning = "User mode's half seen by the kernel cannot run (page table isolation)."
            found.append(flag("NX", 63, "nx", meaning))
            if self.release >= (6, 14):
                meaning = "No shadow copy for user mode (_PAGE_NOPTISHADOW)."
                found.append(flag("NOPTISHADOW", 58, "softw4", meaning))
        return found

    def _present(self, kind: Kind) -> list[Field]:
        hidden, huge = kind in HIDDEN, self.order > 0
        found = [
            flag("RW", 1, "write", "The CPU may write (_PAGE_RW)."),
            flag("US", 2, "user", "User mode may use it (_PAGE_USER)."),
            flag("PWT", 3, "pwt", "Part of the cache mode: write-through (_PAGE_PWT)."),
            flag("PCD", 4, "pcd", "Part of the cache mode: not cached (_PAGE_PCD)."),
            flag("A", ACCESSED, "accessed", "The CPU has used the entry (_PAGE_ACCESSED)."),
            flag("D", DIRTY, "dirty", "The CPU has written through the entry (_PAGE_DIRTY)."),
            flag("NX", 63, "nx", "The CPU may not execute code from it (_PAGE_NX)."),
            *self._software(kind),
        ]
        if hidden:
            found.append(zero("P", 0, _HIDDEN_P[kind]))
        else:
            found.append(Field("P", 0, 1, "The CPU may use the entry (_PAGE_PRESENT).", fixed=1))
        if kind is Kind.PROT_NONE:
            meaning = "Without P it means PROT_NONE (_PAGE_PROTNONE)."
            found.append(Field("G", PROTNONE, 1, meaning, fixed=1))
        elif kind in (Kind.NUMA, Kind.INVALID):
            found.append(zero("G", PROTNONE, "Set, it would mean PROT_NONE (_PAGE_PROTNONE)."))
        else:
            meaning = "Survives a switch of address spaces (_PAGE_GLOBAL)."
            found.append(flag("G", PROTNONE, "global_", meaning))
        inverted = hidden and self.is_inverted
        pfn = "The page frame number" + (", stored inverted." if inverted else ".")
        low, top = 12 + self.order, 52 if self.release >= WIDE_FRAMES else 46
        found.append(Field("PFN", low, top - low, pfn, "pfn", inverted=inverted, scale=self.order))
        pat = "Part of the cache mode (_PAGE_PAT"
        if huge:
            huge_page = "2 MiB" if self.level == "pmd" else "1 GiB"
            found += [
                Field("PSE", PSE, 1, f"A huge page of {huge_page} (_PAGE_PSE).", fixed=1),
                flag("PAT", 12, "pat", f"{pat}_LARGE)."),
            ]
        else:
            found.append(flag("PAT", PSE, "pat", f"{pat})."))
        return found

    def _software(self, kind: Kind) -> list[Field]:
        """Return the bits that the CPU leaves to the kernel."""
        if kind is Kind.NUMA:
            found = [Field("NUMA", NUMA, 1, "A NUMA hint (_PAGE_NUMA).", fixed=1)]
        elif self._numa and kind is Kind.INVALID:
            found = [zero("NUMA", NUMA, "Set, it would be a NUMA hint (_PAGE_NUMA).")]
        else:
            meaning = "No struct page to count references on (_PAGE_SPECIAL)."
            found = [flag("SPECIAL", 9, "special", meaning)]
        unused = "A software bit that this release does not use in such an entry."
        if self.release >= (5, 7):
            meaning = "userfaultfd is notified of writes (_PAGE_UFFD_WP)."
            found.append(flag("UFFD_WP", 10, "uffd_wp", meaning))
        else:
            found.append(flag("SOFTW2", 10, "softw2", unused))
        if self.release >= (3, 11):
            meaning = "Written since clear_refs (_PAGE_SOFT_DIRTY)."
            found.append(flag("SOFT_DIRTY", 11, "soft_dirty", meaning))
        else:
            found.append(flag("SOFTW3", 11, "softw3", unused))
        if self.release >= (4, 6) and self.space == "user":
            found.append(Field("PKEY", 59, 4, "The protection key (_PAGE_PKEY_BIT0..3).", "pkey"))
        if (4, 5) <= self.release < (6, 17):
            bit = 57 if self.release >= (6, 6) else 58
            found.append(flag("DEVMAP", bit, "devmap", "Device memory (_PAGE_DEVMAP)."))
        if self.release >= (6, 6):
            meaning = "Dirty, kept apart from shadow-stack entries (_PAGE_SAVED_DIRTY)."
            found.append(flag("SAVED_DIRTY", 58, "saved_dirty", meaning))
        return found


_HARDWARE = dict(enumerate(("P", "RW", "US", "PWT", "PCD", "A", "D", "PAT", "G")))
_HIDDEN_P = {
    Kind.PROT_NONE: "The CPU faults, yet pte_present() is true.",
    Kind.NUMA: "The CPU faults, yet pte_present() is true.",
    Kind.INVALID: "The CPU faults, yet pmd_present() is true, because it looks at PSE.",
    Kind.UNMAPPED: "Not present: the CPU faults (_PAGE_PRESENT).",
}


def layout(
    kernel: str, paging: SupportsIndex = 4, pte_marker: bool = False, **more: Any
) -> X86Layout:
    """Return the layout in force in a release.

    Args:
        kernel: "6.15" or "v6.15".
        paging: levels of the page tables, 4 or 5.
        pte_marker: CONFIG_PTE_MARKER is on; matters for v5.19 to v6.1.
        more: other attributes of `X86Layout`.

    Raises:
        UnknownName: the release or the number of levels is not known; the message says which are,
            and which release is the nearest.
    """
    release = known(kernel, RELEASES)
    try:
        count = index(paging, "paging=")
    except MmvizError:
        count = 0
    if count not in (4, 5):
        raise UnknownName(f"page tables have 4 or 5 levels, not {quoted(paging)}; write paging=5")
    if not isinstance(pte_marker, bool):
        raise UnknownName(f"pte_marker is True or False, not {quoted(pte_marker)}")
    return _made(release, count, pte_marker, **more)


_made = cache(X86Layout)
