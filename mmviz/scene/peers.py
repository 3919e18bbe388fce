"""The entries that should translate an address alike, and whether they do."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mmviz.engine import Struct
from mmviz.kernel.mm.entry import Pte
from mmviz.kernel.mm.exclusive_mm import ExclusiveMm
from mmviz.kernel.mm.mm_struct import Pgd
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import PageTable
from mmviz.scene.cards import Values, walk
from mmviz.scene.entries import Entry, Peer, Side, Table, maps_at_start
from mmviz.scene.reach import Reach, pointee
from mmviz.scene.tables import tables

LONGEST = 10  # the most characters of a name beside an entry


class Verdict(NamedTuple):
    """Whether an entry agrees with its peer, "≠ cpu", and the role of that text."""

    words: str = ""
    role: str = ""


def all_tables(reach: Reach) -> list[Table]:
    """Return the tables of a case, each entry with its peer; none if no table changes."""
    found = [table for struct in walk(reach.world) for table in tables(struct, reach)]
    found = [
        table for table in found if table.side is not Side.TARGET or _counts(table, found, reach)
    ]
    if not any(_lives(table, reach) for table in found):
        return []
    own = _own_peers(reach)
    peers = _peers(found, reach)
    only = next(iter(peers.values())) if len(peers) == 1 else None
    return [
        _with_peers(table, peers, own.get(table.struct.name, only))
        if table.side is Side.DEVICE
        else table
        for table in found
    ]


def _peers(found: Sequence[Table], reach: Reach) -> dict[str, Peer]:
    """Return, for each address, the process's entry that devices should agree with.

    Of several processes it is the one that maps something at the start: a child maps nothing, and
    its devices are still its parent's. If several remain, the address has no peer.
    """
    there: dict[str, list[Table]] = {}
    paths: dict[tuple[str, str], str] = {}
    for table in found:
        if table.side is Side.CPU or isinstance(table.struct, Pgd):
            for entry in table.entries:
                if entry.address is not None:
                    there.setdefault(entry.address, []).append(table)
                    paths[entry.address, table.name] = entry.path
    peers = {}
    for address, tables_there in there.items():
        first = [table for table in tables_there if maps_at_start(table, reach)]
        among = first or tables_there
        if len(among) == 1:
            peers[address] = Peer(paths[address, among[0].name], _called(among[0].struct))
    return peers


def _own_peers(reach: Reach) -> dict[str, Peer]:
    """Return the peers of interval notifiers, and of the objects in them: the entry of their mm."""
    return {
        each.name: Peer(mm.vma.path("pte"), _called(mm.vma))
        for mm in walk(reach.world)
        if isinstance(mm, ExclusiveMm)
        for interval in mm.notifiers.intervals
        for each in (interval, *(one for _, one in interval.fields() if isinstance(one, Struct)))
    }


def _called(process: Struct) -> str:
    """Return the short name of a process's table."""
    return process.name if len(process.name) <= LONGEST else "CPU"


def _counts(target: Table, found: Sequence[Table], reach: Reach) -> bool:
    """Tell whether a table belongs to a process, or some entry leads to it in some run."""
    if any(entry.address is not None for entry in target.entries):
        return True
    paths = [entry.path for table in found if table is not target for entry in table.entries]
    named = (pointee(value) for path in paths for value in reach.values[path])
    return target.struct.name in {struct.name for struct in named if struct is not None}


def _lives(table: Table, reach: Reach) -> bool:
    """Tell whether an entry of a table changes in some run, or the table is freed."""
    paths = [entry.path for entry in table.entries]
    freed = table.struct.path("freed")
    return any(reach.varies(path) for path in [*paths, freed] if path in reach.values)


def _with_peers(table: Table, peers: Mapping[str, Peer], only: Peer | None) -> Table:
    """Return a device's table whose entries have peers: the process's entries for the addresses.

    If the process has one entry, and the device one address, they are peers.
    """
    if len({entry.address for entry in table.entries if entry.address is not None}) > 1:
        only = None
    entries = (
        entry
        if entry.peer is not None or entry.address is None
        else entry._replace(peer=peers.get(entry.address, only) if entry.address else only)
        for entry in table.entries
    )
    return table._replace(entries=tuple(entries))


def verdict(entry: Entry, values: Values) -> Verdict:
    """Return whether an entry and its peer agree: "= cpu", "≠ cpu", "✗ cpu: none", "✗ stale".

    A page is compared with the page that the peer leads to, even through a table. A device that
    may do atomic operations disagrees with a CPU that may write.
    """
    if entry.peer is None:
        return Verdict()
    value, other = values[entry.path], values[entry.peer.path]
    same, differs = Verdict(f"= {entry.peer.name}", "quiet"), Verdict(f"≠ {entry.peer.name}", "bad")
    if isinstance(value, bool):
        at_odds = isinstance(other, Pte) and other.is_writable
        return Verdict() if not value else differs if at_odds else same
    mine, theirs = pointee(value), pointee(other)
    if isinstance(mine, Page) and isinstance(theirs, Pgd):
        theirs = values[theirs.path("page")]
    if mine is None or isinstance(mine, PageTable):
        return Verdict()  # a table is not compared with the pages it leads to
    if theirs is None:
        return Verdict(entry.peer.absent, "bad")
    return same if theirs is mine else differs


def room(entry: Entry) -> int:
    """Return the cells that the widest verdict on an entry takes."""
    return max(len(entry.peer.absent), len(f"≠ {entry.peer.name}")) if entry.peer else 0
