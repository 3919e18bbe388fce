"""The walk of an address: PGD, P4D, PUD, PMD, PTE, and which entries of a table to show."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

SHIFTS = {"PGD": 39, "PUD": 30, "PMD": 21, "PTE": 12}
"""The lowest address bit of each level: x86-64, four levels, 4 KiB pages."""
BITS = 0x1FF  # nine bits for an index: 512 entries in a table
FEWEST = 4  # neighbouring entries that are folded
UPPER = "PGD → P4D → PUD → PMD"

LEVELS = {
    "level:PGD": "The top level of the walk, found through mm->pgd (CR3): bits 47 to 39.",
    "level:P4D": "The fifth level; with four levels it is folded into the PGD: p4d_offset().",
    "level:PUD": "The third level of the walk: bits 38 to 30 of the address.",
    "level:PMD": "The second level: bits 29 to 21; its entry names a table of PTEs or a huge page.",
    "level:upper": "The levels above the entry; they are not modelled and always exist.",
    "level:lower": "The tables between PGD and entry; not modelled, they live as long as the PGD.",
}


class Level(NamedTuple):
    """One level of a walk: its name, "PMD", and its text, "PMD[1]"."""

    name: str
    words: str


def number(address: object) -> int | None:
    """Return an address as a number, None if it is only a name."""
    try:
        return int(str(address), 0)
    except ValueError:
        return None


def index(address: int, level: str) -> int:
    """Return the index of an address in a table of 512 entries."""
    return address >> SHIFTS[level] & BITS


def upper(address: object, leaf: str = "PTE") -> tuple[Level, ...]:
    """Return the levels above the last one of a walk.

    Args:
        address: a number, "0x1000", or only a name.
        leaf: the last level: "PTE", or "PMD" for a huge page.

    Source: Documentation/arch/x86/x86_64/mm.rst; include/asm-generic/pgtable-nop4d.h.
    Simplified: four levels, so the P4D is folded into the PGD.
    """
    at = number(address)
    if at is None:
        return (Level("upper", UPPER),)
    path = [Level("PGD", f"PGD[{index(at, 'PGD')}]"), Level("P4D", "P4D folded")]
    path += [Level(level, f"{level}[{index(at, level)}]") for level in ("PUD", "PMD")]
    return tuple(path[:3] if leaf == "PMD" else path)


def leaf_label(address: object, leaf: str = "PTE") -> str:
    """Return the label of an entry in its table: "PTE[1] 0x1000"."""
    at = number(address)
    return str(address) if at is None else f"{leaf}[{index(at, leaf)}] {address}"


def folded(
    keys: Sequence[object], changes: Callable[[object], bool]
) -> Iterator[tuple[object, ...]]:
    """Yield the entries of a table in order: single ones, and groups that never change."""
    for moves, run in groupby(keys, changes):
        some = tuple(run)
        if moves or len(some) < FEWEST:
            yield from ((key,) for key in some)
        else:
            yield some
