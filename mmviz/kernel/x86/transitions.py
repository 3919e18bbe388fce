"""The transitions of an x86-64 page-table entry, and the kernel function that makes each.

Source: the functions named, in the files named.  Read for this table: mm/rmap.c of v6.15, and the
markers' installers in mm/mprotect.c, mm/madvise.c and mm/userfaultfd.c; all functions that have no
`until` stand in their files in v7.0.  try_to_migrate_one() came with a98a2f0c8ce1, in the series of
b756a3b5e7ea (v5.14), mm/migrate_device.c out of mm/migrate.c with 76cbbead253d (v5.18).  From
memory, not re-read: in which release each of the others got its name.
Simplified: entries of 4 KiB pages; the usual transitions, not all of them; a change within a place
(write protection, the flavours of device-exclusive) is not a transition.
"""

from dataclasses import dataclass
from enum import StrEnum

from mmviz.kernel.entries.kinds import Kind
from mmviz.kernel.entries.layout import Layout
from mmviz.kernel.x86.layout import RELEASES

KNOWN = tuple(release for release in RELEASES if release >= (5, 7))
"""The releases whose transitions were looked at."""


class Place(StrEnum):
    """What an entry is, without its flavour."""

    NONE = "none"
    PRESENT = "present"
    PROT_NONE = "PROT_NONE"
    SWAP = "swap"
    MIGRATION = "migration"
    PRIVATE = "device-private"
    EXCLUSIVE = "device-exclusive"
    HWPOISON = "hwpoison"
    MARKER = "marker"
    SWAPIN_ERROR = "swapin-error"


SAID = {
    Place.NONE: "Nothing is mapped (pte_none())",
    Place.PRESENT: "The CPU uses the entry (pte_present())",
    Place.PROT_NONE: "Present to the kernel, but the CPU faults (pte_protnone())",
    Place.SWAP: "The page is on a swap device (swp_entry())",
    Place.MIGRATION: "The page is being migrated, a fault waits (SWP_MIGRATION_READ, _WRITE)",
    Place.PRIVATE: "The page is in a device's own memory (SWP_DEVICE_READ, _WRITE)",
    Place.EXCLUSIVE: "A device has the page to itself (SWP_DEVICE_EXCLUSIVE)",
    Place.HWPOISON: "The page's memory is broken (SWP_HWPOISON)",
    Place.MARKER: "No page, a note about the address (SWP_PTE_MARKER)",
    Place.SWAPIN_ERROR: "The page could not be read back (SWP_SWAPIN_ERROR)",
}


@dataclass(frozen=True)
class Transition:
    """A transition from one place to another.

    Attributes:
        source, target: the places.
        function: the kernel function that writes the entry.
        file: where that function is.
        since, until: the first and the last release that has the transition.
    """

    source: Place
    target: Place
    function: str
    file: str
    since: tuple[int, int] = (0, 0)
    until: tuple[int, int] = (99, 99)


def place(kind: Kind) -> Place:
    """Return the place of a kind of entry of the pte level."""
    if kind in (Kind.PROT_NONE, Kind.NUMA, Kind.INVALID):
        return Place.PROT_NONE
    return next(each for each in reversed(Place) if kind.value.startswith(each.value))


def places(where: Layout) -> tuple[Place, ...]:
    """Return the places that entries of a release can be in."""
    kinds = {Kind.NONE, Kind.PRESENT, Kind.PROT_NONE, *where.types}
    known = {place(kind) for kind in kinds}
    return tuple(each for each in Place if each in known)


def transitions(where: Layout) -> tuple[Transition, ...]:
    """Return the transitions that a release makes."""
    known = places(where)
    return tuple(
        each
        for each in TRANSITIONS
        if each.since <= where.release <= each.until
        and each.source in known
        and each.target in known
    )


def way(source: Place, target: Place, where: Layout) -> str:
    """Return in words how an entry goes from one place to another in a release."""
    if source is target:
        return f"stays {source}"
    known = [
        each.function
        for each in transitions(where)
        if (each.source, each.target) == (source, target)
    ]
    if not known:
        return f"{source} → {target}, for which no function of {where.name} is known here"
    return f"{source} → {target}, which {where.name} does in {' or '.join(known)}"


_MEMORY, _RMAP = "mm/memory.c", "mm/rmap.c"
_MIGRATE, _DEVICE = "mm/migrate.c", "mm/migrate_device.c"

TRANSITIONS = (
    Transition(Place.NONE, Place.PRESENT, "do_anonymous_page()", _MEMORY),
    Transition(Place.PRESENT, Place.PROT_NONE, "change_pte_range()", "mm/mprotect.c"),
    Transition(Place.PROT_NONE, Place.PRESENT, "do_numa_page()", _MEMORY),
    Transition(Place.PROT_NONE, Place.PRESENT, "change_pte_range()", "mm/mprotect.c"),
    Transition(Place.PRESENT, Place.SWAP, "try_to_unmap_one()", _RMAP),
    Transition(Place.SWAP, Place.PRESENT, "do_swap_page()", _MEMORY),
    Transition(Place.PRESENT, Place.MIGRATION, "try_to_unmap_one()", _RMAP, until=(5, 13)),
    Transition(Place.PRESENT, Place.MIGRATION, "try_to_migrate_one()", _RMAP, since=(5, 14)),
    Transition(Place.PRESENT, Place.MIGRATION, "migrate_vma_collect_pmd()", _DEVICE),
    Transition(Place.MIGRATION, Place.PRESENT, "remove_migration_pte()", _MIGRATE),
    Transition(Place.MIGRATION, Place.PRIVATE, "remove_migration_pte()", _MIGRATE),
    Transition(Place.PRIVATE, Place.MIGRATION, "migrate_vma_collect_pmd()", _DEVICE),
    Transition(Place.NONE, Place.PRIVATE, "migrate_vma_insert_page()", _DEVICE),
    Transition(
        Place.PRESENT,
        Place.EXCLUSIVE,
        "page_make_device_exclusive_one()",
        _RMAP,
        since=(5, 14),
        until=(6, 14),
    ),
    Transition(Place.PRESENT, Place.EXCLUSIVE, "make_device_exclusive()", _RMAP, since=(6, 15)),
    Transition(Place.EXCLUSIVE, Place.PRESENT, "restore_exclusive_pte()", _MEMORY),
    Transition(Place.EXCLUSIVE, Place.MIGRATION, "try_to_migrate_one()", _RMAP, since=(6, 15)),
    Transition(Place.EXCLUSIVE, Place.SWAP, "try_to_unmap_one()", _RMAP, since=(6, 15)),
    Transition(Place.PRESENT, Place.HWPOISON, "try_to_unmap_one()", _RMAP),
    Transition(Place.SWAP, Place.SWAPIN_ERROR, "unuse_pte()", "mm/swapfile.c"),
    Transition(Place.SWAP, Place.MARKER, "unuse_pte()", "mm/swapfile.c", since=(6, 2)),
    Transition(Place.NONE, Place.MARKER, "change_pte_range()", "mm/mprotect.c"),
    Transition(
        Place.NONE, Place.MARKER, "mfill_atomic_pte_poison()", "mm/userfaultfd.c", since=(6, 6)
    ),
    Transition(Place.NONE, Place.MARKER, "guard_install_set_pte()", "mm/madvise.c", since=(6, 13)),
    Transition(Place.MARKER, Place.NONE, "pte_marker_clear()", _MEMORY),
    Transition(Place.MARKER, Place.NONE, "guard_remove_pte_entry()", "mm/madvise.c", since=(6, 13)),
    Transition(Place.MARKER, Place.PRESENT, "pte_marker_handle_uffd_wp()", _MEMORY),
    *(
        Transition(source, Place.NONE, "zap_pte_range()", _MEMORY)
        for source in Place
        if source is not Place.NONE
    ),
)
