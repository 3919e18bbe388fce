"""Which objects a picture with an IOMMU shows, how large they are, and who stands in a bracket."""

from collections.abc import Iterator, Mapping
from functools import singledispatch
from math import ceil
from typing import NamedTuple

from mmviz.engine import Struct
from mmviz.kernel.iommu.io_mm import IoMm, IoMmNotifierList, SvaBond
from mmviz.kernel.iommu.iommu import Device, Domain, Iommu, IommuGroup
from mmviz.kernel.iommu.pasid import DmaQueue, Smmu
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.page import Page
from mmviz.scene.cards import ROW, TITLE, Card, can_be_freed, cards, walk
from mmviz.scene.machine import fitted
from mmviz.scene.reach import Reach, structs_in
from mmviz.scene.shapes import Shapes

SOURCE, TABLE, TARGET, PAGES = range(4)  # the columns
PAD = 1.2  # cells between a bracket and its members
TAG = 2.0  # cells of a tag beside its word, with the air behind it
TRIGGERS = (Iommu, Smmu, IommuGroup, IoMm, IoMmNotifierList)
ON_THE_WAY = (Device, Iommu, IommuGroup, Smmu, DmaQueue)  # drawn even if no step changes them
MOST = 6  # objects of a kind, of those that no step changes


@singledispatch
def listing(struct: Struct) -> str:
    """Return the field that lists an object's members, which stand inside its bracket, or ""."""
    return ""


@listing.register
def _(_group: IommuGroup) -> str:
    return "devices"


@listing.register
def _(_io_mm: IoMm) -> str:
    return "bonds"


@listing.register
def _(_list: IoMmNotifierList) -> str:
    return "notifiers"


@singledispatch
def column(struct: Struct) -> int | None:
    """Return the column of an object; None where it has no place along the path of a DMA."""
    return None


for number, kinds in (
    (SOURCE, (Device, DmaQueue, IommuGroup, IoMm, IoMmNotifierList, SvaBond)),
    (TABLE, (Iommu, Smmu)),
    (TARGET, (Domain, Pgd, MmStruct)),
    (PAGES, (Page,)),
):
    for kind in kinds:
        column.register(kind, lambda _struct, at=number: at)


class Bracket(NamedTuple):
    """An object around its members: `path` is the field that lists them."""

    card: Card
    path: str
    members: tuple[str, ...]
    slides: bool  # a member may be outside

    def inner(self, cards: Mapping[str, Card]) -> float:
        """Return the cells of its widest member."""
        return max(cards[name].width for name in self.members)

    def width(self, cards: Mapping[str, Card]) -> float:
        """Return its cells."""
        return max(self.card.width + 0.8, self.inner(cards) + 2 * PAD)

    def head(self) -> float:
        """Return the lines of its title and rows."""
        return TITLE + ROW * (len(self.card.rows) + self.card.foot) + 0.3


def chosen(shapes: Shapes, shown: Mapping[str, Card]) -> dict[str, Card] | None:
    """Return the cards of a picture; None if the case has no IOMMU.

    A device, a group or a table is drawn even if no step changes it, because DMA passes it.
    """
    reach = shapes.reach
    structs = walk(reach.world)
    if not any(isinstance(struct, TRIGGERS) for struct in structs):
        return None
    found = dict(shown)
    every = {each.name: each for each in cards(reach)}
    aimed = {
        target.name
        for struct in structs
        if isinstance(struct, ON_THE_WAY)
        for path in paths(struct)
        for value in reach.values[path]
        for target in structs_in(value)
        if isinstance(target, Domain | Pgd | Page)
    }
    for struct in structs:
        if struct.name in found or struct.name not in every:
            continue
        if isinstance(struct, ON_THE_WAY) or struct.name in aimed:
            alike = [each for each in found.values() if type(each.struct) is type(struct)]
            if len(alike) < MOST:
                found[struct.name] = fitted(every[struct.name], (), shapes)
    has_tables = any(column(each.struct) == TABLE for each in found.values())
    if not has_tables and not any(brackets(found, reach)):
        return None
    if sum(column(each.struct) is not None for each in found.values()) < 2:
        return None
    return {name: _sized(each, shapes) for name, each in found.items()}


def paths(struct: Struct) -> Iterator[str]:
    """Yield the paths of an object's fields, those of a table's entries too."""
    for key, value in struct.fields():
        yield struct.path(key)
        if isinstance(struct, Iommu) and value is struct.table:
            yield from (struct.table.path(rid) for rid in struct.table)


def _sized(each: Card, shapes: Shapes) -> Card:
    """Return a card with room for what its form draws."""
    struct, reach = each.struct, shapes.reach
    if isinstance(struct, Device) and reach.varies(struct.path("priv")):
        return wider(each._replace(foot=each.foot + 1), 15)
    if isinstance(struct, Domain):
        each = each._replace(foot=each.foot + 1)
        return wider(each, sum(len(word) + TAG for _, word in tags_on(each, reach)) + 0.8)
    if isinstance(struct, Iommu):
        own = {struct.table.path(rid) for rid in struct.table}
        return fitted(each, [row for row in each.rows if row.path not in own], shapes)
    if isinstance(struct, DmaQueue) and reach.varies(struct.path("stopped")):
        return wider(each, len(each.name) + 11.3)
    if isinstance(struct, Smmu):
        return wider(each, len(each.name) + len(" PASID table") + 2)
    if listing(struct):
        return wider(each, len(each.name) + len(" ✗ freed") * can_be_freed(struct) + 2)
    return each


def wider(each: Card, width: float) -> Card:
    """Return a card of at least that width."""
    return each._replace(value_width=each.value_width + ceil(max(0, width - each.width)))


def exactly(each: Card, width: float) -> Card:
    """Return a card of that width."""
    labels = max((len(row.label) for row in each.rows), default=0)
    return each._replace(label_width=labels, value_width=int(width) - labels - 4)


def tags_on(each: Card, reach: Reach) -> Iterator[tuple[str, str]]:
    """Yield the fields of groups that may name a domain, each with the word on its tag."""
    groups = [struct for struct in walk(reach.world) if isinstance(struct, IommuGroup)]
    for struct in groups:
        called = struct.name if len(groups) > 1 else "group"
        for key, word in (("domain", called), ("default_domain", "default")):
            path = struct.path(key)
            names = {t.name for value in reach.values[path] for t in structs_in(value)}
            if each.struct.name in names:
                yield path, word


def brackets(found: Mapping[str, Card], reach: Reach) -> Iterator[Bracket]:
    """Yield each object that has members; what is a member itself has no bracket of its own."""
    taken: set[str] = set()
    for struct in walk(reach.world):
        key = listing(struct)
        if not key or struct.name in taken or struct.name not in found:
            continue
        values = reach.values[struct.path(key)]
        lists = [tuple(each.name for each in structs_in(value)) for value in values]
        members = dict.fromkeys(name for names in lists for name in names if name in found)
        order = [name for name in found if name in members and name not in taken]
        if order:
            taken.update(order)
            slides = any(set(order) - set(names) for names in lists)
            yield Bracket(found[struct.name], struct.path(key), tuple(order), slides)


def framed(found: dict[str, Card], shapes: Shapes) -> list[Bracket]:
    """Return the brackets of a picture; their cards have no row for what the bracket shows."""
    made = []
    for each in brackets(found, shapes.reach):
        kept = [row for row in each.card.rows if row.path != each.path]
        anew = fitted(each.card, kept, shapes)._replace(foot=each.card.foot)
        card = _sized(anew, shapes)
        found[card.name] = wider(card, each.card.width if each.card.foot else 0)
        wide = max(found[member].width for member in each.members)
        found.update((member, wider(found[member], wide)) for member in each.members)
        made.append(each._replace(card=found[card.name]))
    return made
