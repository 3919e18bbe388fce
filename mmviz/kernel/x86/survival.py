"""What a page-table entry says about its page, and how much of that survives a change.

Source: mm/rmap.c, page_make_device_exclusive_one(), make_device_exclusive(), try_to_migrate_one();
mm/memory.c, restore_exclusive_pte(), do_swap_page(); include/linux/swapops.h.
Simplified: an entry is compared with the one before it; whether both name the same page is not
checked.  PG_anon_exclusive of a present page is a flag of the page, so no entry has it.
"""

from collections.abc import Collection
from typing import NamedTuple

from mmviz.kernel.entries.kinds import DeviceExclusive, DevicePrivate, Entry, Kind, Migration
from mmviz.kernel.entries.layout import Layout
from mmviz.kernel.x86.transitions import Place, place

NAMES = ("page", "write", "young", "dirty", "soft-dirty", "uffd-wp", "exclusive")
SAYS = {
    "pfn": "page",
    "write": "write",
    "accessed": "young",
    "young": "young",
    "dirty": "dirty",
    "saved_dirty": "dirty",
    "soft_dirty": "soft-dirty",
    "uffd_wp": "uffd-wp",
    "marks_uffd_wp": "uffd-wp",
    "exclusive": "exclusive",
}
WHY = {
    (Place.PRESENT, Place.EXCLUSIVE, "young"): "comes back old",
    (Place.PRESENT, Place.EXCLUSIVE, "dirty"): "the page is marked dirty instead",
    (Place.PRESENT, Place.EXCLUSIVE, "write"): "from v6.15 taken from the VMA when it comes back",
    (Place.PRESENT, Place.SWAP, "page"): "the slot on the swap device stands for it",
    (Place.PRESENT, Place.SWAP, "write"): "taken from the VMA when the page comes back",
    (Place.PRESENT, Place.SWAP, "dirty"): "the page is marked dirty instead",
    (Place.PRESENT, Place.MIGRATION, "young"): "kept from v6.1 (SWP_MIG_YOUNG)",
    (Place.PRESENT, Place.MIGRATION, "dirty"): "kept in the entry from v6.1 (SWP_MIG_DIRTY)",
}


class Survivor(NamedTuple):
    """One thing that an entry may say, before and after a change.

    Attributes:
        name: one of NAMES.
        before, after: its value; None where an entry has no place for it.
        fate: "kept", "lost", "set", "cleared", "changed" or "not set"; "no place for it" where
            neither entry has one; "not modelled" where nothing is known about it.
        why: the kernel's reason, "" if none is known.
    """

    name: str
    before: int | None
    after: int | None
    fate: str
    why: str = ""


def says(what: Entry, where: Layout) -> dict[str, int]:
    """Return what an entry says about its page, without what it has no place for."""
    found: dict[str, int] = {}
    for field in where.fields(what.kind):
        name = SAYS.get(field.attribute)
        if name is not None:
            found[name] = found.get(name, False) or getattr(what, field.attribute)
    if isinstance(what, Migration):
        found["write"] = what.access == "write"
        if Kind.MIGRATION_READ_EXCLUSIVE in where.types:
            found["exclusive"] = what.access != "read"  # a writable page is exclusive
    if isinstance(what, DevicePrivate | DeviceExclusive) and what.write is not None:
        found["write"] = what.write
    return found


def survival(
    before: Entry, after: Entry, where: Layout, modelled: Collection[str] = NAMES
) -> tuple[Survivor, ...]:
    """Return what became of each thing that an entry may say, in the order of NAMES.

    Args:
        before: the entry that was there.
        after: the entry that took its place.
        where: the release.
        modelled: the names that are known; the others are "not modelled".
    """
    one, other = says(before, where), says(after, where)
    found = []
    for name in NAMES:
        was, now = one.get(name), other.get(name)
        if name not in modelled:
            fate = "not modelled" if name in one or name in other else "no place for it"
            found.append(Survivor(name, None, None, fate))
            continue
        why = WHY.get((place(before.kind), place(after.kind), name), "")
        fate = _fate(name, was, now)
        found.append(Survivor(name, was, now, fate, why if fate == "lost" else ""))
    return tuple(found)


def _fate(name: str, was: int | None, now: int | None) -> str:
    """Return in a word what became of a value; a page's number always counts as set."""
    if was is None and now is None:
        return "no place for it"
    if name == "page" and was is not None and now is not None:
        return "kept" if was == now else "changed"
    had, has = (value is not None and (name == "page" or bool(value)) for value in (was, now))
    if had and has:
        return "kept"
    if had:
        return "lost" if now is None else "cleared"
    return "set" if has else "not set"
