"""Where the bits of an entry lie: what the layouts of all architectures have in common.

Source: include/linux/swapops.h (width of a stored PFN, A and D of a migration, payload of a
marker), include/linux/swap.h (see numbering.py), all re-read in v7.0.  The limited PFN:
0d206b5d2e0d (v6.1).  The payload of a marker: 15520a3f0469 (swap errors, v6.2), af19487f00f3 (the
name POISONED, v6.6), "mm: add PTE_MARKER_GUARD PTE marker" (madvise(2): MADV_GUARD_INSTALL since
Linux 6.13).  A marker is never empty: handle_pte_marker(), mm/memory.c, v7.0.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar, NamedTuple, Self

from mmviz.kernel.entries.field import Field
from mmviz.kernel.entries.kinds import MADE, STORY, Entry, Kind, Swap, Table
from mmviz.kernel.entries.numbering import MARKERS, MARKERS_ALWAYS, USUAL, Config, types

LEVELS = ("pte", "pmd", "pud", "p4d", "pgd")
SPACES = ("user", "kernel")
ORDER = {"pte": 0, "pmd": 9, "pud": 18}  # log2 of the 4 KiB pages that an entry maps
MOST_SLOTS = 1 << 32  # swap_info_struct.max is an unsigned int (mm/swapfile.c, read_swap_header())
WIDEST = 52  # bits of a physical address that an entry can hold


class SwapPlace(NamedTuple):
    """Where a swap type and its offset are stored."""

    type_low: int
    offset_low: int
    offset_bits: int
    inverted: bool = False

    def number(self, raw: int) -> int:
        """Return the type number of an entry."""
        return raw >> self.type_low & 31

    def offset(self, raw: int) -> int:
        """Return the offset of an entry."""
        most = (1 << self.offset_bits) - 1
        found = raw >> self.offset_low & most
        return found ^ most if self.inverted else found

    def raw(self, number: int, offset: int) -> int:
        """Return the bits of a swap type and an offset."""
        most = (1 << self.offset_bits) - 1
        offset = (offset ^ most if self.inverted else offset) & most
        return number << self.type_low | offset << self.offset_low


@dataclass(frozen=True)
class Layout:
    """Where the bits are in one release, at one level of the page tables.

    Attributes:
        release: (6, 15) for v6.15.
        paging: levels of the page tables, 4 or 5; from v6.1 they set the width of a stored PFN.
        pte_marker: CONFIG_PTE_MARKER is on; matters for v5.19 to v6.1, later it always is.
        level: "pte", "pmd", "pud", "p4d" or "pgd".
        space: "user" or "kernel".
        inverted: the L1TF form, PFNs and swap offsets stored inverted; None as the release has it.
        config: the other options that type numbers depend on.
        physical_bits: of an address, MAXPHYADDR; 0 if not known.
        encryption_bit: of an address (AMD's C bit), 0 if none.
    """

    release: tuple[int, int]
    paging: int = 4
    pte_marker: bool = False
    level: str = "pte"
    space: str = "user"
    inverted: bool | None = None
    config: Config = USUAL
    physical_bits: int = 0
    encryption_bit: int = 0

    arch: ClassVar[str] = ""
    RELEASES: ClassVar[tuple[tuple[int, int], ...]] = ()
    table: ClassVar[type[Table]] = Table
    mapped: ClassVar[dict[Kind, Callable[..., Entry]]] = {}

    @property
    def name(self) -> str:
        """The release as the kernel's tags spell it, "v6.15"."""
        return f"v{self.release[0]}.{self.release[1]}"

    @property
    def marker_is_optional(self) -> bool:
        """Whether CONFIG_PTE_MARKER is a choice."""
        return MARKERS <= self.release < MARKERS_ALWAYS

    @property
    def ram_bits(self) -> int:
        """How wide the address of memory can be (MAX_PHYSMEM_BITS, asm/sparsemem.h)."""
        return 46 if self.paging == 4 else WIDEST

    @property
    def order(self) -> int:
        """How many pages an entry maps, as a power of two."""
        return ORDER.get(self.level, 0)

    @cached_property
    def types(self) -> tuple[Kind, ...]:
        """The kind of each type number."""
        return types(self.release, self.config._replace(pte_marker=self.pte_marker))

    @property
    def is_inverted(self) -> bool:
        """Whether frames and offsets of entries that are not present are stored inverted."""
        return False

    def put(self, **changes: object) -> Self:
        """Return this layout with some attributes changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def kind(self, raw: int) -> Kind:
        """Return what an entry is, whether or not all of its bits can occur."""
        raise NotImplementedError

    def fields(self, kind: Kind) -> tuple[Field, ...]:
        """Return the fields of such an entry, from the highest bit down."""
        found = self._fields.get(kind)
        if found is None:
            found = tuple(sorted(self.fields_of(kind), key=lambda each: -each.low))
            self._fields[kind] = found
        return found

    @cached_property
    def _fields(self) -> dict[Kind, tuple[Field, ...]]:
        return {}

    def fields_of(self, kind: Kind) -> Iterable[Field]:
        """Return the fields of such an entry, in any order."""
        raise NotImplementedError

    @cached_property
    def place(self) -> SwapPlace:
        """Where a swap type and its offset are."""
        raise NotImplementedError

    def made(self, kind: Kind) -> Callable[..., Entry]:
        """Return what makes a decoded entry of a kind."""
        if kind in self.mapped:
            return partial(self.mapped[kind], huge=True) if self.order else self.mapped[kind]
        return self.table if kind is Kind.TABLE else MADE[kind]

    def hardware(self) -> dict[int, str]:
        """Return the usual name of each bit that the processor defines in a present entry."""
        raise NotImplementedError

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """Every kind that an entry of this level can be."""
        found = [Kind.NONE]
        if self.level != "pte":
            found.append(Kind.TABLE)
        if self.level in ORDER:
            found.append(Kind.PRESENT)
            if self.space == "kernel":
                found.append(Kind.UNMAPPED)
            else:
                found += [Kind.PROT_NONE, *self.own_kinds(), *self.at_level()]
        return tuple(found)

    def own_kinds(self) -> Iterable[Kind]:
        """Return the kinds that this architecture alone has, of entries that are not present."""
        raise NotImplementedError

    def at_level(self) -> tuple[Kind, ...]:
        """Return the swap kinds that this level has, in the order of the numbers.

        Above the pte level an entry that is not present is a huge page's: being migrated,
        hwpoisoned or marked (hugetlb, the latter two), from v6.19 also in a device's memory
        (pmd_is_valid_softleaf(), include/linux/leafops.h); never swapped out.
        """
        found = tuple(dict.fromkeys(self.types))
        if self.level == "pte":
            return found
        if self.level not in ORDER:
            return ()
        wanted = [Kind.MIGRATION_READ, Kind.MIGRATION_READ_EXCLUSIVE, Kind.MIGRATION_WRITE]
        wanted += [Kind.HWPOISON, Kind.MARKER]
        if self.release >= (6, 19) and self.level == "pmd":
            wanted += [Kind.DEVICE_PRIVATE_WRITE, Kind.DEVICE_PRIVATE_READ]
        return tuple(kind for kind in found if kind in wanted)

    def doubts(self, what: Entry) -> list[str]:
        """Return why an entry whose bits decode cannot occur all the same."""
        if isinstance(what, Swap) and what.offset >= MOST_SLOTS:
            return [
                f"swap offset {what.offset:#x} is beyond 32 bits, the most that a swap device "
                "has (swap_info_struct.max)"
            ]
        reached = getattr(what, "user", True) or not getattr(what, "uxn", True)  # or executed only
        if what.kind is Kind.PRESENT and self.space == "user" and not reached:
            return ["a present entry of user mode lets user mode use it (US, PTE_USER)"]
        pfn = getattr(what, "pfn", 0)
        if isinstance(what, Swap) or not pfn:
            return []
        if self.order and what.kind is not Kind.TABLE and pfn & ((1 << self.order) - 1):
            return [f"pfn {pfn:#x} is not aligned to a huge page"]
        mapped = getattr(what, "special", False) or self.space == "kernel"
        return self._too_far(pfn, mapped and what.kind is Kind.PRESENT)

    def _too_far(self, pfn: int, device: bool) -> list[str]:
        """Return why no machine has such a frame; one of a device may lie beyond all memory."""
        address = pfn << 12
        if self.encryption_bit:
            address &= ~(1 << self.encryption_bit)
        if self.physical_bits:
            limit, why = self.physical_bits, "the processor's physical width"
        else:
            limit, why = self.ram_bits, "what the kernel's memory map can hold"
            if device:
                return []
        if address >> limit:
            return [f"pfn {pfn:#x} is beyond {limit} bits of physical address, {why}"]
        return []

    def swap_fields(self, kind: Kind) -> tuple[Field, ...]:
        """Return type and offset of an entry that is neither none nor present."""
        at = self.place
        stored = ", stored inverted" if at.inverted else ""
        if kind is Kind.SWAP:
            device = "The swap device (swp_type())."
            slot = f"The slot on the device{stored} (swp_offset())."
            return (
                Field("TYPE", at.type_low, 5, device, "device"),
                Field(
                    "OFFSET", at.offset_low, at.offset_bits, slot, "offset", inverted=at.inverted
                ),
            )
        meaning = f"What the entry is: {kind} ({STORY[kind][0]})."
        number = self.types.index(kind)
        found = [Field("TYPE", at.type_low, 5, meaning, fixed=number)]
        low = at.offset_low
        for name, width, attribute, meaning in self._parts(kind, stored):
            found.append(Field(name, low, width, meaning, attribute, inverted=at.inverted))
            low += width
        rest = at.offset_low + at.offset_bits - low
        as_what = "ones" if at.inverted else "zeros"
        meaning = f"Rest of the offset, zero, so stored as {as_what}."
        if rest:
            found.append(Field("unused", low, rest, meaning, fixed=0, inverted=at.inverted))
        return tuple(found)

    def _parts(self, kind: Kind, stored: str) -> list[tuple[str, int, str, str]]:
        """Return what an offset consists of that is no slot: (name, width, attribute, meaning)."""
        if kind is Kind.MARKER:
            return self._payload(stored)
        width = self.ram_bits - 12 if self.release >= (6, 1) else WIDEST - 12
        meaning = f"The page frame number{stored} (swp_offset_pfn() from v6.1)."
        parts = [("PFN", width, "pfn", meaning)]
        if kind.startswith("migration") and self.release >= (6, 1):
            young = f"The page was accessed{stored} (SWP_MIG_YOUNG)."
            dirty = f"The entry was dirty{stored} (SWP_MIG_DIRTY)."
            parts += [("YOUNG", 1, "young", young), ("DIRTY", 1, "dirty", dirty)]
        return parts

    def _payload(self, stored: str) -> list[tuple[str, int, str, str]]:
        wp = f"userfaultfd is notified of writes{stored} (PTE_MARKER_UFFD_WP)."
        found = [("UFFD_WP", 1, "marks_uffd_wp", wp)]
        if self.release >= (6, 2):
            name = "POISONED" if self.release >= (6, 6) else "SWAPIN_ERROR"
            meaning = f"A fault kills the process{stored} (PTE_MARKER_{name})."
            found.append((name, 1, "poisoned", meaning))
        if self.release >= (6, 13):
            guard = f"A guard page: no access{stored} (PTE_MARKER_GUARD)."
            found.append(("GUARD", 1, "guard", guard))
        return found
