"""The kinds of page-table entries, and a decoded entry of each.

Source: include/linux/swapops.h and include/linux/pgtable.h, whose names are given; from v6.19
include/linux/leafops.h calls every entry that is neither none nor present a *softleaf*.
Simplified: see the layout of each architecture.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from mmviz.engine import MmvizError


class Kind(StrEnum):
    """What an entry is, in words."""

    NONE = "none"
    PRESENT = "present"
    PROT_NONE = "present, PROT_NONE"
    NUMA = "present, NUMA hint"
    INVALID = "present, invalid"
    TABLE = "table"
    UNMAPPED = "kernel page, not present"
    FILE = "nonlinear file"
    SWAP = "swap"
    HWPOISON = "hwpoison"
    MIGRATION_READ = "migration read"
    MIGRATION_READ_EXCLUSIVE = "migration read-exclusive"
    MIGRATION_WRITE = "migration write"
    DEVICE_PRIVATE_WRITE = "device-private write"
    DEVICE_PRIVATE_READ = "device-private read"
    DEVICE_EXCLUSIVE_WRITE = "device-exclusive write"
    DEVICE_EXCLUSIVE_READ = "device-exclusive read"
    DEVICE_EXCLUSIVE = "device-exclusive"
    MARKER = "marker"
    SWAPIN_ERROR = "swapin-error"


STORY = {
    Kind.NONE: ("pte_none()", "Nothing is mapped here"),
    Kind.PRESENT: ("pte_present()", "The CPU finds the page through this entry"),
    Kind.PROT_NONE: (
        "pte_protnone()",
        "The page is present to the kernel, but the CPU faults: PROT_NONE or a NUMA hint",
    ),
    Kind.NUMA: (
        "pte_numa()",
        "The page is present to the kernel, but the CPU faults to learn who uses it",
    ),
    Kind.INVALID: (
        "pmd_mkinvalid()",
        "A huge entry that is being changed: present to the kernel, but the CPU faults",
    ),
    Kind.TABLE: ("pmd_page()", "The entry points to a table of the next lower level"),
    Kind.UNMAPPED: (
        "set_memory_np()",
        "A page of the kernel that was set not present, so that an access faults",
    ),
    Kind.FILE: (
        "pte_file()",
        "A page of a nonlinear file mapping; the entry keeps its offset in the file",
    ),
    Kind.SWAP: ("swp_entry()", "The page was written to a swap device"),
    Kind.HWPOISON: ("SWP_HWPOISON", "The memory of the page is broken; a fault kills the process"),
    Kind.MIGRATION_READ: (
        "SWP_MIGRATION_READ",
        "The page is being migrated, and comes back read-only",
    ),
    Kind.MIGRATION_READ_EXCLUSIVE: (
        "SWP_MIGRATION_READ_EXCLUSIVE",
        "The page is being migrated, comes back read-only, and belongs to this process alone",
    ),
    Kind.MIGRATION_WRITE: (
        "SWP_MIGRATION_WRITE",
        "The page is being migrated, and comes back writable",
    ),
    Kind.DEVICE_PRIVATE_WRITE: (
        "SWP_DEVICE_WRITE",
        "The page is in memory of a device that the CPU cannot reach; it may be written",
    ),
    Kind.DEVICE_PRIVATE_READ: (
        "SWP_DEVICE_READ",
        "The page is in memory of a device that the CPU cannot reach; it may be read only",
    ),
    Kind.DEVICE_EXCLUSIVE_WRITE: (
        "SWP_DEVICE_EXCLUSIVE_WRITE",
        "A device has the page to itself; a CPU fault brings it back writable",
    ),
    Kind.DEVICE_EXCLUSIVE_READ: (
        "SWP_DEVICE_EXCLUSIVE_READ",
        "A device has the page to itself; a CPU fault brings it back read-only",
    ),
    Kind.DEVICE_EXCLUSIVE: (
        "SWP_DEVICE_EXCLUSIVE",
        "A device has the page to itself; writable again after a CPU fault if the VMA allows it",
    ),
    Kind.MARKER: ("SWP_PTE_MARKER", "No page, only a note about the address"),
    Kind.SWAPIN_ERROR: (
        "SWP_SWAPIN_ERROR",
        "The page could not be read back from swap; a fault kills the process",
    ),
}


SOFTLEAF = {
    Kind.SWAP: "SOFTLEAF_SWAP",
    Kind.MIGRATION_READ: "SOFTLEAF_MIGRATION_READ",
    Kind.MIGRATION_READ_EXCLUSIVE: "SOFTLEAF_MIGRATION_READ_EXCLUSIVE",
    Kind.MIGRATION_WRITE: "SOFTLEAF_MIGRATION_WRITE",
    Kind.DEVICE_PRIVATE_READ: "SOFTLEAF_DEVICE_PRIVATE_READ",
    Kind.DEVICE_PRIVATE_WRITE: "SOFTLEAF_DEVICE_PRIVATE_WRITE",
    Kind.DEVICE_EXCLUSIVE: "SOFTLEAF_DEVICE_EXCLUSIVE",
    Kind.HWPOISON: "SOFTLEAF_HWPOISON",
    Kind.MARKER: "SOFTLEAF_MARKER",
}
"""What enum softleaf_type calls a kind (include/linux/leafops.h, v6.19)."""
SOFTLEAF_SINCE = (6, 19)


class EntryError(MmvizError, ValueError):
    """No entry of that kernel has these bits, or the value does not have 64 bits."""


@dataclass(frozen=True, kw_only=True)
class NotPresent:
    """A non-present entry; it may carry A and D, noise of an old processor (see pte_none())."""

    stray_accessed: bool = False
    stray_dirty: bool = False


@dataclass(frozen=True, kw_only=True)
class PteNone(NotPresent):
    """Nothing is mapped."""

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.NONE


@dataclass(frozen=True, kw_only=True)
class Present:
    """A page is mapped, of which the kernel may hide the entry from the CPU.

    Simplified: PG_anon_exclusive is a flag of the page, so it is not here.

    Attributes:
        pfn: the page, in units of 4 KiB.
        prot_none, numa, invalid: present to the kernel, but the CPU faults.
        unmapped: a page of the kernel that is not present.
        huge: the entry itself maps 2 MiB (pmd) or 1 GiB (pud).
    """

    pfn: int
    prot_none: bool = False
    numa: bool = False
    invalid: bool = False
    unmapped: bool = False
    huge: bool = False

    @property
    def kind(self) -> Kind:
        """What it is."""
        if self.prot_none:
            return Kind.PROT_NONE
        if self.numa:
            return Kind.NUMA
        if self.invalid:
            return Kind.INVALID
        return Kind.UNMAPPED if self.unmapped else Kind.PRESENT


@dataclass(frozen=True, kw_only=True)
class PtePresent(Present):
    """A page that an x86-64 entry maps."""

    write: bool = False
    user: bool = False
    pwt: bool = False
    pcd: bool = False
    accessed: bool = False
    dirty: bool = False
    pat: bool = False
    global_: bool = False
    special: bool = False
    uffd_wp: bool = False
    soft_dirty: bool = False
    devmap: bool = False
    saved_dirty: bool = False
    softw2: bool = False
    softw3: bool = False
    pkey: int = 0
    nx: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """An entry that points to a table of the next lower level, at frame `pfn`."""

    pfn: int

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.TABLE


@dataclass(frozen=True, kw_only=True)
class X86Table(Table):
    """A table that an x86-64 entry points to."""

    write: bool = False
    user: bool = False
    pwt: bool = False
    pcd: bool = False
    accessed: bool = False
    dirty: bool = False
    softw4: bool = False
    nx: bool = False


@dataclass(frozen=True, kw_only=True)
class FilePage:
    """A page of a nonlinear file mapping (until v3.19), `pgoff` pages into the file."""

    pgoff: int
    soft_dirty: bool = False

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.FILE


@dataclass(frozen=True, kw_only=True)
class SwpEntry(NotPresent):
    """An entry that is neither none nor present, with the flags that every such entry can carry."""

    soft_dirty: bool = False
    uffd_wp: bool = False


@dataclass(frozen=True, kw_only=True)
class Swap(SwpEntry):
    """A page on a swap device; `exclusive` records PG_anon_exclusive (v5.19)."""

    device: int
    offset: int
    exclusive: bool = False

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.SWAP


@dataclass(frozen=True, kw_only=True)
class Migration(SwpEntry):
    """A page that is being migrated.

    Attributes:
        pfn: the page.
        access: "read", "read-exclusive" (v5.19) or "write".
        young, dirty: A and D of the entry before the migration (v6.1).
    """

    pfn: int
    access: str
    young: bool = False
    dirty: bool = False

    @property
    def kind(self) -> Kind:
        """What it is."""
        if self.access not in ("read", "read-exclusive", "write"):
            raise EntryError(f"access is read, read-exclusive or write, not {self.access!r}")
        return Kind(f"migration {self.access}")


@dataclass(frozen=True, kw_only=True)
class DevicePrivate(SwpEntry):
    """A page in memory of a device that the CPU cannot reach."""

    pfn: int
    write: bool

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.DEVICE_PRIVATE_WRITE if self.write else Kind.DEVICE_PRIVATE_READ


@dataclass(frozen=True, kw_only=True)
class DeviceExclusive(SwpEntry):
    """A page that a device has to itself (v5.14); from v6.15 `write` is None, not stored."""

    pfn: int
    write: bool | None = None

    @property
    def kind(self) -> Kind:
        """What it is."""
        if self.write is None:
            return Kind.DEVICE_EXCLUSIVE
        return Kind.DEVICE_EXCLUSIVE_WRITE if self.write else Kind.DEVICE_EXCLUSIVE_READ


@dataclass(frozen=True, kw_only=True)
class PteMarker(SwpEntry):
    """A note about an address without a page (v5.19); the payload is at least one of the three."""

    marks_uffd_wp: bool = False
    poisoned: bool = False
    guard: bool = False

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.MARKER


@dataclass(frozen=True, kw_only=True)
class Hwpoison(SwpEntry):
    """A page whose memory is broken."""

    pfn: int

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.HWPOISON


@dataclass(frozen=True, kw_only=True)
class SwapinError(SwpEntry):
    """A page that could not be read back from swap (v5.19 to v6.1)."""

    pfn: int

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.SWAPIN_ERROR


Entry = (
    PteNone
    | Present
    | Table
    | FilePage
    | Swap
    | Migration
    | DevicePrivate
    | DeviceExclusive
    | PteMarker
    | Hwpoison
    | SwapinError
)
SWAP_KINDS = (
    *(Kind.SWAP, Kind.HWPOISON, Kind.MIGRATION_READ, Kind.MIGRATION_READ_EXCLUSIVE),
    *(Kind.MIGRATION_WRITE, Kind.DEVICE_PRIVATE_WRITE, Kind.DEVICE_PRIVATE_READ),
    *(Kind.DEVICE_EXCLUSIVE_WRITE, Kind.DEVICE_EXCLUSIVE_READ, Kind.DEVICE_EXCLUSIVE),
    *(Kind.MARKER, Kind.SWAPIN_ERROR),
)
"""The kinds that a swap type stands for, swap devices included."""
HIDDEN = (Kind.PROT_NONE, Kind.NUMA, Kind.INVALID, Kind.UNMAPPED)
"""The kinds that have a page, but not for the CPU."""


def mapped(made: Callable[..., Present]) -> dict[Kind, Callable[..., "Entry"]]:
    """Return how to make each kind that maps a page, for one architecture's class."""
    return {
        Kind.PRESENT: made,
        Kind.PROT_NONE: partial(made, prot_none=True),
        Kind.NUMA: partial(made, numa=True),
        Kind.INVALID: partial(made, invalid=True),
        Kind.UNMAPPED: partial(made, unmapped=True),
    }


MADE: dict[Kind, Callable[..., Entry]] = {
    Kind.NONE: PteNone,
    Kind.FILE: FilePage,
    Kind.SWAP: Swap,
    Kind.HWPOISON: Hwpoison,
    Kind.MIGRATION_READ: partial(Migration, access="read"),
    Kind.MIGRATION_READ_EXCLUSIVE: partial(Migration, access="read-exclusive"),
    Kind.MIGRATION_WRITE: partial(Migration, access="write"),
    Kind.DEVICE_PRIVATE_WRITE: partial(DevicePrivate, write=True),
    Kind.DEVICE_PRIVATE_READ: partial(DevicePrivate, write=False),
    Kind.DEVICE_EXCLUSIVE_WRITE: partial(DeviceExclusive, write=True),
    Kind.DEVICE_EXCLUSIVE_READ: partial(DeviceExclusive, write=False),
    Kind.DEVICE_EXCLUSIVE: DeviceExclusive,
    Kind.MARKER: PteMarker,
    Kind.SWAPIN_ERROR: SwapinError,
}
