"""Entries and their tables, and how a map from addresses to pages becomes such tables."""

from collections.abc import Iterator, Sequence
from enum import Enum
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from mmviz.engine import Map, Struct, spoken
from mmviz.kernel.mm.page import Page
from mmviz.scene.cards import Wording
from mmviz.scene.reach import Reach, pointee, structs_in
from mmviz.scene.walk import Level, folded, index, leaf_label, number, upper


class Side(Enum):
    """Where a table belongs: to the CPU, to a device, above other tables, or below them."""

    CPU = "cpu"
    DEVICE = "device"
    ROOT = "root"
    TARGET = "target"


class Peer(NamedTuple):
    """The entry that should refer to the same object.

    Attributes:
        path: its field.
        name: its name.
        is_source: the other entry is a copy of this one, and stale once this one is cleared.
    """

    path: str
    name: str
    is_source: bool = False

    @property
    def absent(self) -> str:
        """The text where the peer refers to nothing any more: what is still used was taken away."""
        return "✗ stale" if self.is_source else f"✗ {self.name}: none"


class Entry(NamedTuple):
    """One entry: a field that refers to a page or a table.

    Attributes:
        path: the field.
        label: its name in the table.
        address: the address it translates; "" if there is only one, None if it has none.
        peer: the entry that should refer to the same object.
        wording: words its value.
        folded: how many entries this line stands for, 0 if it is one entry.
    """

    path: str
    label: str
    address: str | None = None
    peer: Peer | None = None
    wording: Wording = spoken
    folded: int = 0


class Table(NamedTuple):
    """Entries of one table, and the levels that a walk passes on its way to them."""

    struct: Struct
    name: str
    kind: str
    side: Side
    entries: tuple[Entry, ...]
    levels: tuple[Level, ...] = ()


def maps_at_start(table: Table, reach: Reach) -> bool:
    """Tell whether an entry of a table refers to an object at the start."""
    return any(pointee(reach.values[entry.path][0]) is not None for entry in table.entries)


def of_map(
    struct: Struct, entries: Map[Any, Any], kind: str, side: Side, reach: Reach
) -> Iterator[Table]:
    """Yield the tables of an `address -> page` map; the CPU's is one for each table of PTEs."""
    name = struct.name or entries.name
    if side is not Side.CPU:
        yield Table(struct, name, kind, side, tuple(_rows(entries, list(entries), "", reach)))
        return
    huge = _huge(entries)

    def place(address: object) -> tuple[tuple[Level, ...], str]:
        leaf = "PMD" if address in huge else "PTE"
        return upper(address, leaf), leaf

    for many, ((levels, leaf), group) in enumerate(groupby(entries, place)):
        keys = list(group)
        called = name if many == 0 else f"{name} {keys[0]}"
        kind = f"{leaf} table" if leaf == "PTE" else "huge PMD"
        yield Table(struct, called, kind, side, tuple(_rows(entries, keys, leaf, reach)), levels)


def _rows(
    entries: Map[Any, Any], keys: Sequence[object], leaf: str, reach: Reach
) -> Iterator[Entry]:
    """Yield the entries of a map; neighbours that never change are folded to one line."""

    def changes(key: object) -> bool:
        path = entries.path(key)
        page = pointee(reach.values[path][0])
        return reach.varies(path) or (isinstance(page, Page) and reach.varies(page.path("refs")))

    for run in folded(keys, changes):
        path = entries.path(run[0])
        if len(run) == 1:
            label = leaf_label(run[0], leaf) if leaf else str(run[0])
            yield Entry(path, label, str(run[0]))
            continue
        used = sum(reach.values[entries.path(key)][0] is not None for key in run)
        words = f"{len(run)} never change, {f'{used} in use' if used else 'all empty'}"
        yield Entry(path, "…", wording=partial(_constant, words), folded=len(run))


def _constant(words: str, _value: Any) -> str:
    """Return the same words for every value."""
    return words


def _huge(entries: Map[Any, Any]) -> set[object]:
    """Return the addresses that a huge page maps at the start: neighbours with one page.

    The first of them begins a PMD entry: it is a multiple of 2 MiB.

    Simplified: a huge page mapped later is shown as base pages.
    """
    found: set[object] = set()
    for pages, run in groupby(entries, lambda key: structs_in(entries[key])):
        keys = list(run)
        first = number(keys[0])
        if pages and len(keys) > 1 and first is not None and index(first, "PTE") == 0:
            found.update(keys)
    return found
