"""What a device's DMA goes through, and what keeps each piece of it alive.

Columns by kind, as the kernel sees them: devices, their groups or the processes they work for,
domains or page tables, the hardware's own tables. Graphviz lays them out once for a case.
What is freed stays as a ghost, and so do the pointers that still lead there.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial, singledispatch
from typing import Any

from mmviz.engine import Frame, Run, Struct
from mmviz.kernel.group_check import Situation
from mmviz.kernel.io_mm import IoMm, NotifierList, SvaBond
from mmviz.kernel.iommu import Device, Domain, Iommu, IommuGroup
from mmviz.kernel.iommu_module import IommuModule
from mmviz.kernel.iopf import PageRequest
from mmviz.kernel.mm_struct import MmStruct, Pgd
from mmviz.kernel.page import Page
from mmviz.kernel.pagetable import DevicePageTable
from mmviz.kernel.pasid import NOT_PRESENT_QUIET, DmaQueue, Ioasid, PasidArray, Smmu, SvaDevice
from mmviz.kernel.vfio import VfioGroup
from mmviz.scene.cards import (
    LOST,
    ROW,
    TITLE,
    Card,
    Row,
    Values,
    can_go,
    cards,
    gone,
    in_words,
    lost,
)
from mmviz.scene.cards import card as resized
from mmviz.scene.layout import ROOM, Plan, Route, in_columns
from mmviz.scene.lives import keeper, subjects
from mmviz.scene.marks import Box, Line, Scene, Text, moved, sheet
from mmviz.scene.objects import objects
from mmviz.scene.reach import Reach, pointee, structs_in
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.theme import CLEAR

KINDS: tuple[dict[str, tuple[type[Struct], ...]], ...] = (
    {"devices": (Device, DmaQueue, DevicePageTable)},
    {
        "groups": (IommuGroup, IommuModule, VfioGroup, PasidArray, Situation),
        "processes": (SvaBond, IoMm, NotifierList, MmStruct),
    },
    {"domains": (Domain,), "page tables": (Pgd,), "pages": (Page,)},
    {"hardware tables": (Iommu, Smmu, Ioasid, PageRequest)},
)
ALONE = (MmStruct, Pgd, Page, DevicePageTable)  # no IOMMU is needed for these
TOP = 1.6  # lines that the columns' heads take
WIDEST = (24, 20, 18, 16)  # characters of a value, less where the sheet would be too wide


@singledispatch
def place(struct: Struct) -> tuple[int, str] | None:
    """Return an object's column and what stands over it; None for no part of this picture."""
    return None


for number, kinds in enumerate(KINDS):
    for head, types in kinds.items():
        for each in types:
            place.register(each, lambda _struct, at=(number, head): at)


@singledispatch
def words(struct: Struct) -> Mapping[str, str | None]:
    """Return what fields are called in this picture, None for those that are left out."""
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


class Iommus:
    """Devices, groups, domains, the hardware's pointers, and what keeps them."""

    name, title, looks_ahead = "iommu", "IOMMU", False
    tips: Mapping[str, str] = {}

    def __init__(self, rehearsal: Rehearsal, shown: Sequence[Card]) -> None:
        reach = rehearsal.reach
        self.actors = tuple(rehearsal.case.actors)
        self.keepers = {card.name: keeper(card.struct, reach) for card in shown if card.foot}
        self.paths = [row.path for card in shown for row in card.rows]
        columns: dict[int, list[Card]] = {}
        heads: dict[int, dict[str, None]] = {}
        for card in shown:
            if (at := place(card.struct)) is not None:
                columns.setdefault(at[0], []).append(card)
                heads.setdefault(at[0], {})[at[1]] = None
        filled = [columns[number] for number in sorted(columns)]
        self.plan = in_columns(filled, list(_arrows(shown, reach)))
        self.heads = [
            (min(self.plan.at[card.name][0] for card in columns[number]), ", ".join(head))
            for number, head in heads.items()
        ]

    def scene(self, run: Run, k: int) -> Scene:
        """Draw frame `k`."""
        frame, plan = run.frames[k], self.plan
        base = moved(objects(frame, plan._replace(routes={}), self.actors), 0, TOP)
        marks: list[Box | Line | Text] = [*base.boxes, *base.lines, *base.texts]
        marks += [Text(x, 0.3, head, "quiet", bold=True) for x, head in self.heads]
        for card in plan.cards:
            marks += self._foot(card, frame)
        for route, points in plan.routes.items():
            down = tuple((x, y + TOP) for x, y in points)
            role = _edge(route, plan, frame)
            marks.append(Line(down, role, arrow=True, key=f"field:{route.path}"))
        return sheet(base.width, base.height, marks)

    def text(self, run: Run, k: int) -> str:
        """Return each object with its fields, what keeps it, and who still points at it."""
        frame = run.frames[k]
        lines = []
        for card in self.plan.cards:
            end = gone(card.struct, frame.values)
            fields = [
                f"{row.label} {_plainly(frame.values[row.path])}"
                + (" ✗ freed" if lost(row, frame) else "")
                for row in card.rows
            ]
            if card.foot:
                fields.append(f"kept by {self.keepers[card.name]}")
            leads = ", ".join(self._leading(card, frame.values))
            if end:
                fields.append(
                    f"✗ still pointed at by {leads}" if leads else "no pointer leads here"
                )
            lines.append(f"{card.title}{' ✗ ' + end if end else ''}: {'; '.join(fields)}")
        return "\n".join(lines)

    def _leading(self, card: Card, values: Values) -> list[str]:
        """Return the fields of other objects that refer to one."""
        own = {row.path for row in card.rows}
        return [path for path in self.paths if path not in own and _refers(values[path], card)]

    def _foot(self, card: Card, frame: Frame) -> Iterator[Box | Text]:
        """Say below a card's rows what keeps the object, and how many pointers lead to it."""
        if not card.foot:
            return
        x, y = self.plan.at[card.name]
        y += TOP + TITLE + ROW * len(card.rows)
        end = gone(card.struct, frame.values)
        count = len(self._leading(card, frame.values))
        role = "dangling" if end and count else "ghost" if end else "quiet"
        kept = f"kept by {self.keepers[card.name]}"
        yield Text(x + 1, y + 0.1, kept, "ghost" if end else "quiet")
        if card.foot > 1:
            low = y + ROW
            lit = role if role == "dangling" else CLEAR
            yield Box(x + 0.3, low + 0.1, card.width - 0.6, 1, lit, f"object:{card.name}")
            words = _led(count, bool(end))
            yield Text(x + 1, low + 0.1, words, role, role == "dangling", live=True)


def _led(count: int, is_over: bool) -> str:
    """Say how many pointers lead to an object."""
    many = f"{count} pointer" + "s" * (count != 1)
    if is_over:
        return f"✗ {many} dangling" if count else "no pointer left"
    return f"{many} lead{'s' * (count == 1)} here" if count else "no pointer leads here"


def _column(card: Card) -> int:
    """Return the number of a card's column."""
    at = place(card.struct)
    return -1 if at is None else at[0]


def _refers(value: Any, card: Card) -> bool:
    """Tell whether a field's value leads to an object."""
    return any(struct.name == card.struct.name for struct in structs_in(value))


def _edge(route: Route, plan: Plan, frame: Frame) -> str:
    """Return how an arrow looks: whether it is there, new, or leads to what is freed."""
    target = next(card for card in plan.cards if card.name == route.target)
    if not _refers(frame.values[route.path], target):
        return CLEAR
    if gone(target.struct, frame.values):
        return "dangling"
    is_new = any(change.field == route.path for change in frame.writes)
    return "written" if is_new else "link"


def _arrows(shown: Sequence[Card], reach: Reach) -> Iterator[Route]:
    """Yield every pointer there may ever be between columns; of lists, a group's devices."""
    by_name = {card.struct.name: card for card in shown}
    found: dict[Route, None] = {}
    for card in shown:
        for row in card.rows:
            for value in reach.values[row.path]:
                is_list = not isinstance(card.struct, IommuGroup) and pointee(value) is None
                for struct in () if is_list else structs_in(value):
                    target = by_name.get(struct.name)
                    if target is not None and _column(target) != _column(card):
                        found[Route(card.name, row.path, target.name)] = None
    yield from found


def _adapted(card: Card, reach: Reach, ends: bool, widest: int, pointers: Sequence[str]) -> Card:
    """Return a card with this picture's words, and room below for what keeps the object."""
    struct = card.struct
    called = {struct.path(key): label for key, label in words(struct).items()}
    if isinstance(struct, Iommu):
        called |= {struct.table.path(key): f"RID {key}" for key in struct.table}
    rows = [
        row._replace(label=called.get(row.path) or row.label, say=partial(_plainly, widest=widest))
        for row in card.rows
        if called.get(row.path, "") is not None
    ]
    made = resized(struct, rows, reach)
    width = max((_width(row, reach) for row in rows), default=0)
    foot = [f"kept by {keeper(struct, reach)}"] * ends
    if ends and any(_refers(value, made) for path in pointers for value in reach.values[path]):
        foot.append(_led(10, True))
    room = max(map(len, foot), default=0) - made.label_width - 2
    return made._replace(value_width=max(min(width, widest), room), foot=len(foot))


def _plainly(value: Any, widest: int = 1000) -> str:
    """Return a value in words, a list without brackets and with as many names as have room."""
    if value == NOT_PRESENT_QUIET:
        return "not present (FPD)"
    if value == "":
        return "none"
    if not isinstance(value, tuple) or not value or not structs_in(value):
        return in_words(value)
    names = [in_words(each) for each in value]
    for count in range(len(names), 0, -1):
        rest = [f"+{len(names) - count}"] * (count < len(names))
        if len(said := ", ".join([*names[:count], *rest])) <= widest:
            return said
    return f"{len(names)}"


def _width(row: Row, reach: Reach) -> int:
    """Return the cells a field's values take, with the word for what is freed."""
    values = reach.values[row.path]
    is_mortal = any(can_go(struct) for value in values for struct in structs_in(value))
    return max(len(row.say(value)) for value in values) + len(LOST) * is_mortal


def iommu(rehearsal: Rehearsal) -> Iommus | None:
    """Return the devices' side of a case; None where there is no IOMMU in it."""
    found = [card for card in cards(rehearsal.reach) if place(card.struct) is not None]
    if all(isinstance(card.struct, ALONE) for card in found):
        return None
    reach, mortal = rehearsal.reach, {each.card.name for each in subjects(rehearsal.reach)[0]}
    pointers = [row.path for card in found for row in card.rows]
    for widest in WIDEST:
        shown = [_adapted(card, reach, card.name in mortal, widest, pointers) for card in found]
        made = Iommus(rehearsal, shown)
        if made.plan.width <= ROOM:
            break
    return made
