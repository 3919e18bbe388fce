"""The cards of the IOMMU view: each object's column, its labels, and what keeps it alive."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial, singledispatch
from typing import Any, NamedTuple

from mmviz.engine import Struct, spoken
from mmviz.kernel.iommu.group_check import Situation
from mmviz.kernel.iommu.io_mm import IoMm, IoMmNotifierList, SvaBond
from mmviz.kernel.iommu.iommu import Device, Domain, Iommu, IommuGroup
from mmviz.kernel.iommu.iopf import PageRequest
from mmviz.kernel.iommu.module import IommuModule
from mmviz.kernel.iommu.pasid import (
    NOT_PRESENT_QUIET,
    DmaQueue,
    Ioasid,
    PasidArray,
    Smmu,
    SvaDevice,
)
from mmviz.kernel.iommu.vfio import VfioGroup
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable
from mmviz.scene.cards import FREED, Card, Row, can_be_freed, card, cards
from mmviz.scene.lives import keeper, subjects
from mmviz.scene.reach import Reach, structs_in
from mmviz.scene.words import omitted

KINDS: tuple[dict[str, tuple[type[Struct], ...]], ...] = (
    {"devices": (Device, DmaQueue, DevicePageTable)},
    {
        "groups": (IommuGroup, IommuModule, VfioGroup, PasidArray, Situation),
        "processes": (SvaBond, IoMm, IoMmNotifierList, MmStruct),
    },
    {"domains": (Domain,), "page tables": (Pgd,), "pages": (Page,)},
    {"hardware tables": (Iommu, Smmu, Ioasid, PageRequest)},
)
ALONE = (MmStruct, Pgd, Page, DevicePageTable)  # these alone do not make an IOMMU view
MOST, MOST_ROWS = 12, 10  # cards of a kind, rows of a card; beyond, only those that change


@singledispatch
def place(struct: Struct) -> tuple[int, str] | None:
    """Return an object's column and its heading; None if the object is not in this picture."""
    return None


for number, kinds in enumerate(KINDS):
    for head, types in kinds.items():
        for each in types:
            place.register(each, lambda _struct, at=(number, head): at)


@singledispatch
def words(struct: Struct) -> Mapping[str, str | None]:
    """Return the labels of fields in this picture; None hides a field."""
    return {}


@words.register
def _(_iommu: Iommu) -> Mapping[str, str | None]:
    return {"masters": None, "user_domain": None}


@words.register
def _(_group: IommuGroup) -> Mapping[str, str | None]:
    return {"default_domain": "default"}


@words.register
def _(_smmu: Smmu) -> Mapping[str, str | None]:
    return {"entry": "PASID entry", "cached_entry": "cached entry", "iotlb": "IOTLB"}


@words.register
def _(_device: Device) -> Mapping[str, str | None]:
    return {"rid": "RID", "iommu_group": "group"}


@words.register
def _(_device: DmaQueue) -> Mapping[str, str | None]:
    return {"smmu": None, "inflight": "DMA to"}


@words.register
def _(_device: SvaDevice) -> Mapping[str, str | None]:
    return {"smmu": None, "inflight": "DMA to", "atc": "ATC"}


@words.register
def _(_page: Page) -> Mapping[str, str | None]:
    return {"pfn": None}


def refers(value: Any, target: Card) -> bool:
    """Tell whether a field's value refers to the object of a card."""
    return any(struct.name == target.struct.name for struct in structs_in(value))


def led(count: int, is_over: bool) -> str:
    """Return how many pointers lead to an object, in words."""
    many = f"{count} pointer" + "s" * (count != 1)
    if is_over:
        return f"✗ {many} dangling" if count else "no pointer left"
    return f"{many} lead{'s' * (count == 1)} here" if count else "no pointer leads here"


class Shown(NamedTuple):
    """The contents of the picture.

    Attributes:
        cards: the objects.
        pointers: the paths of all fields that may point at them, folded rows included.
        folded: lines on what is left out because no step of any run changes it.
    """

    cards: list[Card]
    pointers: list[str]
    folded: list[str]


def shown(reach: Reach, widest: int) -> Shown | None:
    """Return the contents of a case's picture; None if the case has no IOMMU.

    Args:
        reach: what runs of the case may show.
        widest: the most characters of a value.
    """
    found = [each for each in cards(reach) if place(each.struct) is not None]
    if all(isinstance(each.struct, ALONE) for each in found):
        return None
    rows = {each.name: list(_called(each, widest)) for each in found}
    pointers = [row.path for each in found for row in rows[each.name]]
    mortal = {subject.card.name for subject in subjects(reach)[0]}
    moving = [path for path in pointers if reach.varies(path)]

    def is_still(each: Card) -> bool:
        touched = any(reach.varies(row.path) for row in rows[each.name])
        aimed = any(
            len({refers(value, each) for value in reach.values[path]}) > 1 for path in moving
        )
        return not (touched or aimed or each.name in mortal)

    kinds = Counter(type(each.struct) for each in found)
    crowd = [each for each in found if kinds[type(each.struct)] > MOST]
    still = [each.name for each in crowd if is_still(each)]
    if len(still) == len(found):
        still = []
    folded = omitted(still, "object", "which no step changes")
    made = []
    for each in found:
        if each.name not in still:
            kept = rows[each.name]
            if len(kept) > MOST_ROWS:
                left = [row.label for row in kept if not reach.varies(row.path)]
                kept = [row for row in kept if reach.varies(row.path)]
                folded += omitted(left, f"row of {each.name}", "which no step changes")
            made.append(_card(each.struct, kept, reach, widest, pointers, each.name in mortal))
    return Shown(made, pointers, folded)


def _called(each: Card, widest: int) -> list[Row]:
    """Return a card's rows with the labels of this picture."""
    struct = each.struct
    called = {struct.path(key): label for key, label in words(struct).items()}
    if isinstance(struct, Iommu):
        called |= {struct.table.path(key): f"RID {key}" for key in struct.table}
    return [
        row._replace(
            label=called.get(row.path) or row.label, wording=partial(plainly, widest=widest)
        )
        for row in each.rows
        if called.get(row.path, "") is not None
    ]


def _card(
    struct: Struct,
    rows: Sequence[Row],
    reach: Reach,
    widest: int,
    pointers: Sequence[str],
    is_mortal: bool,
) -> Card:
    """Return a card with room below for what keeps the object alive and the pointers to it."""
    made = card(struct, rows, reach)
    width = max((_width(row, reach) for row in rows), default=0)
    foot = [f"kept by {keeper(struct, reach)}"] * is_mortal
    if is_mortal and any(refers(value, made) for path in pointers for value in reach.values[path]):
        foot.append(led(10, True))
    room = max(map(len, foot), default=0) - made.label_width - 2
    return made._replace(value_width=max(min(width, widest), room), foot=len(foot))


def plainly(value: Any, widest: int = 1000) -> str:
    """Return a value in words; a list has no brackets and as many names as fit."""
    if value == NOT_PRESENT_QUIET:
        return "not present (FPD)"
    if value == "":
        return "none"
    if not isinstance(value, tuple) or not value or not structs_in(value):
        return spoken(value)
    names = [spoken(each) for each in value]
    for count in range(len(names), 0, -1):
        rest = [f"+{len(names) - count}"] * (count < len(names))
        if len(text := ", ".join([*names[:count], *rest])) <= widest:
            return text
    return f"{len(names)}"


def _width(row: Row, reach: Reach) -> int:
    """Return the cells that a field's values take, with the mark for freed objects."""
    values = reach.values[row.path]
    is_mortal = any(can_be_freed(struct) for value in values for struct in structs_in(value))
    return max(len(row.wording(value)) for value in values) + len(FREED) * is_mortal
