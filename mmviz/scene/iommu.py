"""The objects that a device's DMA passes through, and what keeps each of them alive.

The columns follow the kernel: devices, their groups or the processes they work for, domains or
page tables, the hardware's own tables. Graphviz lays them out once for a case. A freed object
stays on the sheet as a ghost, with the pointers that still lead to it.
"""

from collections.abc import Iterator, Mapping, Sequence

from mmviz.engine import Frame, Run
from mmviz.kernel.iommu.iommu import IommuGroup
from mmviz.scene.cards import FREED, ROW, TITLE, Card, Values, dangles, gone
from mmviz.scene.iommu_cards import Shown, led, place, plainly, refers, shown
from mmviz.scene.layout import ROOM, Plan, Route, in_columns
from mmviz.scene.lit import wrong
from mmviz.scene.lives import keeper
from mmviz.scene.marks import Box, Line, Scene, Text, moved, sheet
from mmviz.scene.objects import objects
from mmviz.scene.reach import Reach, pointee, structs_in
from mmviz.scene.searched import SearchedCase
from mmviz.scene.theme import CLEAR

TOP = 1.6  # lines that the columns' heads take
WIDEST = (24, 20, 18, 16)  # the most characters of a value; fewer if the sheet gets too wide


class Iommus:
    """Devices, groups, domains, the hardware's pointers, and what keeps them alive."""

    name, title, looks_ahead = "iommu", "IOMMU", False
    tips: Mapping[str, str] = {}

    def __init__(self, searched: SearchedCase, found: Shown) -> None:
        reach = searched.reach
        self.actors, self.found = tuple(searched.case.actors), found
        self.witnesses = searched.witnesses
        self.keepers = {card.name: keeper(card.struct, reach) for card in found.cards if card.foot}
        columns: dict[int, list[Card]] = {}
        heads: dict[int, dict[str, None]] = {}
        for card in found.cards:
            if (at := place(card.struct)) is not None:
                columns.setdefault(at[0], []).append(card)
                heads.setdefault(at[0], {})[at[1]] = None
        filled = [columns[number] for number in sorted(columns)]
        self.plan = in_columns(filled, list(_arrows(found.cards, reach)))
        self.heads = [
            (min(self.plan.at[card.name][0] for card in columns[number]), ", ".join(head))
            for number, head in heads.items()
        ]

    def scene(self, run: Run, k: int) -> Scene:
        """Draw frame `k`."""
        frame, plan = run.frames[k], self.plan
        bad = self.witnesses.of_frame(frame)
        base = moved(objects(frame, plan._replace(routes={}), self.actors, bad), 0, TOP)
        marks: list[Box | Line | Text] = [*base.boxes, *base.lines, *base.texts]
        marks += [Text(x, 0.3, head, "quiet", bold=True) for x, head in self.heads]
        for card in plan.cards:
            marks += self._foot(card, frame)
        for route, points in plan.routes.items():
            down = tuple((x, y + TOP) for x, y in points)
            role = _edge(route, plan, frame)
            if role != CLEAR and route.path in bad:
                role = wrong("dangling" if role == "dangling" else "")
            marks.append(Line(down, role, arrow=True, key=f"field:{route.path}"))
        low = base.height
        for line in self.found.folded:
            marks.append(Text(1, low, line, "quiet"))
            low += 1.2
        width = max([base.width, *(len(line) + 2 for line in self.found.folded)])
        return sheet(width, low, marks)

    def text(self, run: Run, k: int) -> str:
        """Return each object with its fields, what keeps it alive, and the pointers to it."""
        frame = run.frames[k]
        lines = []
        for card in self.plan.cards:
            end = gone(card.struct, frame.values)
            fields = [
                f"{row.label} {plainly(frame.values[row.path])}" + FREED * dangles(row, frame)
                for row in card.rows
            ]
            if card.foot:
                fields.append(f"kept by {self.keepers[card.name]}")
            leads = ", ".join(self._leading(card, frame.values))
            if end:
                fields.append(
                    f"✗ still pointed at by {leads}" if leads else "no pointer leads here"
                )
            elif leads:
                fields.append(f"pointed at by {leads}")
            lines.append(f"{card.title}{' ✗ ' + end if end else ''}: {'; '.join(fields)}")
        return "\n".join([*lines, *self.found.folded])

    def _leading(self, card: Card, values: Values) -> list[str]:
        """Return the fields of other objects that refer to this one."""
        own = {row.path for row in card.rows}
        return [
            path for path in self.found.pointers if path not in own and refers(values[path], card)
        ]

    def _foot(self, card: Card, frame: Frame) -> Iterator[Box | Text]:
        """Draw below a card's rows what keeps the object alive, and how many pointers it has."""
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
            words = led(count, bool(end))
            yield Text(x + 1, low + 0.1, words, role, role == "dangling", live=True)


def _edge(route: Route, plan: Plan, frame: Frame) -> str:
    """Return the role of an arrow: absent, there, new, or dangling."""
    target = next(card for card in plan.cards if card.name == route.target)
    if not refers(frame.values[route.path], target):
        return CLEAR
    if gone(target.struct, frame.values):
        return "dangling"
    is_new = any(change.field == route.path for change in frame.writes)
    return "written" if is_new else "link"


def _column(card: Card) -> int:
    """Return the number of a card's column."""
    at = place(card.struct)
    return -1 if at is None else at[0]


def _arrows(drawn: Sequence[Card], reach: Reach) -> Iterator[Route]:
    """Yield every possible pointer between columns; of the lists, only a group's devices."""
    by_name = {card.struct.name: card for card in drawn}
    found: dict[Route, None] = {}
    for card in drawn:
        for row in card.rows:
            for value in reach.values[row.path]:
                is_list = not isinstance(card.struct, IommuGroup) and pointee(value) is None
                for struct in () if is_list else structs_in(value):
                    target = by_name.get(struct.name)
                    if target is not None and _column(target) != _column(card):
                        found[Route(card.name, row.path, target.name)] = None
    yield from found


def iommu(searched: SearchedCase) -> Iommus | None:
    """Return the IOMMU view of a case; None if the case has no IOMMU."""
    made = None
    for widest in WIDEST:
        found = shown(searched.reach, widest)
        if found is None:
            return None
        made = Iommus(searched, found)
        if made.plan.width <= ROOM:
            break
    return made
