"""Devices, groups, RID tables, domains and PASIDs in the picture of memory.

A picture with an IOMMU is placed as a whole, in the order in which a DMA passes its objects.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mmviz.engine import Struct
from mmviz.kernel.iommu.fault_report import ErrorReport, ReportingSmmu
from mmviz.kernel.iommu.io_mm import IoMm, IoMmNotifierList, SvaBond
from mmviz.kernel.iommu.iommu import CountedDomain, Device, Domain, Iommu, IommuGroup
from mmviz.kernel.iommu.iopf import PageRequest
from mmviz.kernel.iommu.module import IommuModule
from mmviz.kernel.iommu.pasid import NOT_PRESENT_QUIET, DmaQueue, Ioasid, PasidArray, Smmu
from mmviz.kernel.iommu.vfio import VfioGroup
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.scene.cards import Card
from mmviz.scene.forms import iommu_checks, iommu_group, iommu_pasid, iommu_requests
from mmviz.scene.forms.counts import badge, flag, references
from mmviz.scene.forms.iommu_chosen import chosen, listing, paths
from mmviz.scene.forms.iommu_plan import Plan, plan
from mmviz.scene.forms.iommu_rids import tables
from mmviz.scene.look import Part
from mmviz.scene.machine import ARRANGERS, OVERLAYS, Arranged, Picture, arrows, worded
from mmviz.scene.places import Places, led, rank
from mmviz.scene.reach import Reach
from mmviz.scene.rooms import FEET
from mmviz.scene.shapes import MARKED, Shape, Shapes, shaped

for source in (Device, DmaQueue, IommuGroup, IoMm, IoMmNotifierList, SvaBond):
    rank.register(source, lambda _struct: 0.0)
for table in (Iommu, Smmu, PasidArray, Ioasid, PageRequest):
    rank.register(table, lambda _struct: 1.0)
rank.register(Domain, lambda _struct: 3.0)

MARKED[IommuGroup] = frozenset({"domain", "default_domain"})  # tags on the domains
MARKED[MmStruct] = frozenset({"pgd"})  # a bar to the page table right below


@worded.register
def _(_group: IommuGroup) -> Mapping[str, str | None]:
    return {"default_domain": "default", "owner_cnt": "owners"}


@worded.register
def _(_device: Device) -> Mapping[str, str | None]:
    return {"rid": None, "domain": "note", "priv": None, "iommu_group": "group"}


@worded.register
def _(_iommu: Iommu) -> Mapping[str, str | None]:
    return {"masters": None, "user_domain": None}


@worded.register
def _(_smmu: Smmu) -> Mapping[str, str | None]:
    return {"cached_entry": "cache", "iotlb": "IOTLB"}


@worded.register
def _(_queue: DmaQueue) -> Mapping[str, str | None]:
    return {"smmu": None, "inflight": "DMA", "atc": "ATC", "stopped": None}


@shaped.register
def _(smmu: Smmu, _reach: Reach) -> Shape:
    words = {smmu.path(key): entry_words for key in ("entry", "cached_entry")}
    return Shape(words=words)


@shaped.register
def _(smmu: ReportingSmmu, _reach: Reach) -> Shape:
    words = {smmu.path(key): entry_words for key in ("entry", "cached_entry")}
    printed = smmu.path("printed")
    form = flag(printed, {True: "held"}, {True: "printed", False: "empty"})
    return Shape(words=words, forms={printed: form}, labels={printed: "log"})


@shaped.register
def _(report: ErrorReport, _reach: Reach) -> Shape:
    path = report.path("queue_error")
    form = flag(path, {True: "bad", False: "good"}, {True: "failed", False: "works"})
    return Shape(forms={path: form}, labels={path: "queue"})


@shaped.register
def _(vfio: VfioGroup, _reach: Reach) -> Shape:
    words = {True: "yes", False: "no"}
    keys = ("iommu_group", "registered")
    forms = {path: flag(path, {False: "ghost"}, words) for path in map(vfio.path, keys)}
    return Shape(forms=forms, labels={vfio.path("iommu_group"): "has group"})


@shaped.register(CountedDomain)
@shaped.register(IoMm)
@shaped.register(SvaBond)
@shaped.register(IommuModule)
def _counted(struct: Struct, reach: Reach) -> Shape:
    path = struct.path("refs")
    return Shape(forms={path: badge(path, reach, references, dots=True)})


def entry_words(value: Any) -> str:
    """Return a PASID's entry in few words; FPD is VT-d's "fault processing disable"."""
    if isinstance(value, Struct):
        return f"→ {value.name}"
    if value is None:
        return "none"
    return "quiet (FPD)" if value == NOT_PRESENT_QUIET else str(value)


def arranged(shapes: Shapes, shown: dict[str, Card], top: float) -> Arranged | None:
    """Place every object of a case that has an IOMMU below `top`; None for any other case."""
    found = chosen(shapes, shown)
    if found is None:
        return None
    made = plan(found, shapes, top)
    tables(made)
    cards = list(made.cards.values())
    own = {path for each in cards if by_form(made, each) for path in _own(each)}
    routes = [route for route in arrows(made.cards, shapes.reach) if route.path not in own]
    width, height = made.size
    ways = iommu_pasid.ways(made, routes, led(cards, routes, made.spots, (top, height)))
    names = {each.name for each in cards if by_form(made, each)}
    own |= set(iommu_pasid.own_paths(made))
    places = Places(width, height, made.spots, ways)

    def drawn(picture: Picture) -> Iterator[Part]:
        yield from _parts(made, picture)

    return Arranged(made.cards, places, frozenset(names | own), drawn)


def by_form(made: Plan, each: Card) -> bool:
    """Tell whether a card is drawn here."""
    struct = each.struct
    return (
        each.name in made.out
        or isinstance(struct, Device | Iommu | IommuGroup | Domain | Smmu | Pgd | DmaQueue)
        or each.name in made.frames
    )


def _own(each: Card) -> Iterator[str]:
    """Yield the fields whose arrows are drawn here, or that need none."""
    struct = each.struct
    if isinstance(struct, Device | Iommu | IommuGroup | SvaBond) or listing(struct):
        yield from paths(struct)


def _parts(made: Plan, picture: Picture) -> Iterator[Part]:
    """Yield what is drawn here, from the bottom to the top."""
    yield from iommu_group.wires(made, picture)
    yield from iommu_pasid.wires(made)
    yield from iommu_pasid.owners(made)
    for name in made.frames:
        yield from iommu_group.bracket(made, name, picture)
    for each in made.cards.values():
        struct = each.struct
        if isinstance(struct, Iommu):
            yield from iommu_group.table(made, each.name)
        elif isinstance(struct, Domain):
            yield from iommu_group.crumbling(made, each.name)
        elif isinstance(struct, Smmu):
            yield from iommu_pasid.pasid_table(made, each.name)
        elif isinstance(struct, DmaQueue):
            yield from iommu_pasid.queue(made, each.name, picture)
        elif isinstance(struct, Pgd):
            yield from iommu_pasid.page_table(made, each.name)
        elif (
            each.name in made.out
            or isinstance(struct, Device)
            or (isinstance(struct, IommuGroup) and each.name not in made.frames)
        ):
            yield from iommu_group.member(made, each.name, picture)
    yield from iommu_group.tags(made, picture)
    yield from iommu_pasid.arrows(made, picture)
    yield from iommu_group.pointers(made, picture)
    yield from iommu_group.notes(made, picture)
    yield from iommu_group.accesses(made, picture)
    yield from iommu_pasid.accesses(made, picture)


ARRANGERS.append(arranged)
ARRANGERS.append(iommu_checks.arranged)
FEET.append(iommu_requests.feet)
OVERLAYS.append(iommu_requests.requests)
