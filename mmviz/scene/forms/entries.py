"""Entries that name a page: which fields are entries, what kind each is, and how its row reads."""

from collections.abc import Callable, Iterator
from enum import Enum
from functools import singledispatch
from typing import Any, NamedTuple

from mmviz.engine import Map, Struct, spoken
from mmviz.kernel.driver.atomic_access import AtomicAccess
from mmviz.kernel.driver.umem import Umem
from mmviz.kernel.driver.vcpu import Vcpu
from mmviz.kernel.iommu.pasid import Smmu
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.exclusive_mm import ExclusiveMm
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable, PmdTable
from mmviz.kernel.mm.swap import SwapEntry, SwapMapping
from mmviz.kernel.mm.tlb import Tlb, TlbShootdown
from mmviz.scene.cards import walk
from mmviz.scene.places import rank
from mmviz.scene.reach import Reach, pointee
from mmviz.scene.shapes import Shape, shaped, stroke

ATOMICS = "atomics"  # the flag of a device's entry
FOOT = 5  # cells beside the words of an access


class Kind(Enum):
    """What an entry is to an access that comes to it."""

    NONE = "none"
    WRITABLE = "writable"
    READ_ONLY = "read-only"
    EXCLUSIVE = "exclusive"
    PRIVATE = "private"
    SWAP = "swap"


class Entry(NamedTuple):
    """A field that names a page, a table, a slot or nothing.

    Attributes:
        path: the field.
        label: how its row begins.
        struct: the object that has it.
        side: "cpu" or "dma", who accesses memory through it.
        by: what stands at the start of an access.
        address: the address it translates; None if there is only one.
        while_set: a field that is not 0 while accesses are made; "" if they always are.
        faults: an access that finds no page is made in vain, and not left undone.
    """

    path: str
    label: str
    struct: Struct
    side: str
    by: str
    address: str | None = None
    while_set: str = ""
    faults: bool = True


def kind_of(value: Any) -> Kind:
    """Return the kind of an entry that has this value."""
    if isinstance(value, Pte):
        if value.private:
            return Kind.PRIVATE
        if value.exclusive:
            return Kind.EXCLUSIVE
        return Kind.WRITABLE if value.write else Kind.READ_ONLY
    if isinstance(value, SwapEntry):
        return Kind.SWAP
    return Kind.NONE if pointee(value) is None else Kind.WRITABLE


def pte_words(value: Any) -> str:
    """Return an entry's kind and rights; its arrow shows the page."""
    if not isinstance(value, Pte):
        return "none" if value is None else spoken(value)
    kind = "private" if value.private else "exclusive" if value.exclusive else "present"
    return f"{kind} {'rw' if value.write else 'ro'}"


def page_words(value: Any) -> str:
    """Return the name of what an entry leads to."""
    return "none" if value is None else value.name if isinstance(value, Page) else spoken(value)


@stroke.register
def _(value: Pte) -> str:
    return "arrow" if value.is_present else "excl"


@stroke.register
def _(value: SwapEntry) -> str:
    return "excl"


# -- entries of each class ---------------------------------------------------------------------


@singledispatch
def entries_of(struct: Struct, reach: Reach) -> Iterator[Entry]:
    """Yield the entries of an object; none by default."""
    return iter(())


def all_entries(reach: Reach) -> dict[str, Entry]:
    """Return the entries of a case by their field."""
    found = (each for struct in walk(reach.world) for each in entries_of(struct, reach))
    return {entry.path: entry for entry in found}


def _of_map(
    struct: Struct, pages: Map[Any, Any], side: str, by: str, reach: Reach
) -> Iterator[Entry]:
    """Yield the entries of a map that change, or whose page is freed; else the first."""

    def lives(address: Any) -> bool:
        path = pages.path(address)
        page = pointee(reach.values[path][0])
        return reach.varies(path) or (isinstance(page, Page) and reach.varies(page.path("refs")))

    living = [address for address in pages if lives(address)] or list(pages)[:1]
    for address in living:
        yield Entry(pages.path(address), str(address), struct, side, by, str(address))


@entries_of.register
def _(table: PageTable, reach: Reach) -> Iterator[Entry]:
    yield from _of_map(table, table.pte, "cpu", "CPU", reach)


@entries_of.register
def _(table: PmdTable, reach: Reach) -> Iterator[Entry]:
    yield from _of_map(table, table.pmd, "cpu", "CPU", reach)


@entries_of.register
def _(tlb: Tlb, reach: Reach) -> Iterator[Entry]:
    whose = next(
        (
            str(cpu)
            for call in walk(reach.world)
            if isinstance(call, TlbShootdown)
            for cpu in call.tlbs
            if call.tlbs[cpu] is tlb
        ),
        "CPU",
    )
    yield from _of_map(tlb, tlb.entries, "cpu", whose, reach)


@entries_of.register
def _(table: DevicePageTable, reach: Reach) -> Iterator[Entry]:
    yield from _of_map(table, table.pte, "dma", "device", reach)


@entries_of.register
def _(mapping: CowMapping, reach: Reach) -> Iterator[Entry]:
    del reach
    yield Entry(mapping.path("pte"), "PTE", mapping, "cpu", "CPU")


@entries_of.register
def _(mapping: SwapMapping, reach: Reach) -> Iterator[Entry]:
    del reach
    yield Entry(mapping.path("pte"), "PTE", mapping, "cpu", "CPU")


@entries_of.register
def _(access: AtomicAccess, reach: Reach) -> Iterator[Entry]:
    del reach
    yield Entry(access.path("page"), "entry", access, "dma", "device")


@entries_of.register
def _(umem: Umem, reach: Reach) -> Iterator[Entry]:
    del reach
    yield Entry(umem.path("page"), "to", umem, "dma", "DMA", faults=False)


@entries_of.register
def _(vcpu: Vcpu, reach: Reach) -> Iterator[Entry]:
    del reach
    yield Entry(
        vcpu.path("apic_access_page"), "VMCS", vcpu, "dma", "guest", None, vcpu.path("in_guest")
    )


def is_walked(entry: Entry, reach: Reach) -> bool:
    """Tell whether accesses come to an entry only by a TLB or a table above its own."""
    if not isinstance(entry.struct, PageTable):
        return False
    for struct in walk(reach.world):
        if isinstance(struct, Tlb) and any(str(at) == entry.address for at in struct.entries):
            return True
        if isinstance(struct, PmdTable) and any(
            isinstance(value, PageTable) and value.name == entry.struct.name
            for at in struct.pmd
            for value in reach.values[struct.pmd.path(at)]
        ):
            return True
    return False


@entries_of.register
def _(pgd: Pgd, reach: Reach) -> Iterator[Entry]:
    """Yield the entry that a process's CPUs go through; where an IOMMU walks it, that has it."""
    structs = walk(reach.world)
    if any(isinstance(each, Smmu) for each in structs):
        return
    for mm in structs:
        if isinstance(mm, MmStruct) and mm.pgd.name == pgd.name:
            users = mm.path("mm_users")
            yield Entry(pgd.path("page"), "page", pgd, "cpu", "CPU", while_set=users)


# -- their cards -------------------------------------------------------------------------------


def words_of(path: str, reach: Reach) -> Callable[[Any], str]:
    """Return what words the values of an entry."""
    is_pte = any(isinstance(value, Pte) for value in reach.values[path])
    return pte_words if is_pte else page_words


def _with_entries(struct: Struct, reach: Reach) -> Shape:
    """Return the shape of an object with entries: a row for each, and a line for the access."""
    found = list(entries_of(struct, reach))
    return Shape(
        keeps=frozenset(entry.path for entry in found),
        labels={entry.path: entry.label for entry in found},
        words={entry.path: words_of(entry.path, reach) for entry in found},
        foot=int(bool(found) and not all(is_walked(entry, reach) for entry in found)),
        width=max((len(entry.by) + FOOT for entry in found), default=0),
    )


@shaped.register(PageTable)
@shaped.register(PmdTable)
@shaped.register(CowMapping)
@shaped.register(SwapMapping)
@shaped.register(DevicePageTable)
@shaped.register(Umem)
def _(struct: Struct, reach: Reach) -> Shape:
    return _with_entries(struct, reach)


@shaped.register
def _(pgd: Pgd, reach: Reach) -> Shape:
    return _with_entries(pgd, reach)._replace(leads=frozenset({pgd.path("page")}))


@shaped.register
def _(access: AtomicAccess, reach: Reach) -> Shape:
    shape, exclusive = _with_entries(access, reach), access.path("exclusive")
    wide = shape.width + reach.varies(exclusive) * (len(ATOMICS) + 2)
    return shape._replace(labels={**shape.labels, exclusive: None}, width=wide)


@shaped.register
def _(vcpu: Vcpu, reach: Reach) -> Shape:
    shape = _with_entries(vcpu, reach)
    called = {vcpu.path("reload_requested"): "reload", vcpu.path("in_guest"): "in guest"}
    return shape._replace(labels={**shape.labels, **called})


@rank.register(Tlb)
@rank.register(PmdTable)
def _(struct: Struct) -> float:
    return 1.0


@rank.register(PageTable)
@rank.register(CowMapping)
@rank.register(SwapMapping)
@rank.register(ExclusiveMm)
def _(struct: Struct) -> float:
    return 2.0


@rank.register(DevicePageTable)
@rank.register(AtomicAccess)
@rank.register(Umem)
@rank.register(Vcpu)
def _(struct: Struct) -> float:
    return 4.0
