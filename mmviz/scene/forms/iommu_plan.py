"""Where devices, tables and domains stand, in the order in which a DMA passes them.

From the left: what does DMA, in the bracket of its group; the hardware's tables; the page tables
that these lead to; the pages. A device that its group no longer lists slides out of the bracket to
the right, on its own row, so that all arrows keep their rows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mmviz.kernel.iommu.iommu import Iommu, IommuGroup
from mmviz.kernel.iommu.pasid import DmaQueue, Smmu
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.scene.cards import ROW, Card
from mmviz.scene.forms.iommu_chosen import (
    PAGES,
    SOURCE,
    TABLE,
    TARGET,
    Bracket,
    column,
    exactly,
    framed,
)
from mmviz.scene.places import MARGIN, WIDEST, Spot
from mmviz.scene.reach import Reach, structs_in
from mmviz.scene.shapes import Form, Shapes

WIDTH, HEIGHT = 80.0, 18.0
TALLEST = 20.9  # lines that are still legible
UP = 1.2  # lines for arrows above a process or the tables
APART, AIRY = 0.55, 2.4  # lines between two members, at least and at most
BETWEEN = 0.9  # lines between two cards of a column
STEP = 2.55  # lines between two entries of a RID table
LANE = 0.6  # lines between two notes that pass a table on the same side
SUITS = ((0, 0, 3, 1), (0, 0, 3, 0), (3, 0, 3, 0))  # how ill each column suits what is aside
SPARE = 9.0  # the most cells by which a gap grows


class Frame(NamedTuple):
    """The place of a bracket."""

    bracket: Bracket
    x: float
    y: float
    w: float
    h: float


class Table(NamedTuple):
    """A RID table: the path and the middle of each entry."""

    card: Card
    x: float
    y: float
    w: float
    h: float
    entries: dict[str, tuple[str, float]]  # path -> RID, middle


@dataclass
class Plan:
    """The geometry of a picture.

    Attributes:
        cards: every object with a place.
        top: the line below which they stand.
        spots: where they stand; of a member, inside its bracket.
        size: of the sheet.
        frames: name of an object with members -> the place of its bracket.
        out: name of a member -> the path that lists it, and how far it slides if that does not.
        tables: RID tables, by name.
        wires: device -> where its wire to the table begins.
        carried: device -> the RID that it carries.
        upper: the devices whose notes pass above the table.
        floor: where the tables end, because members slide out below them; or 0.
        locks: fields whose values padlocks show.
        forms: how the values of rows are drawn, where they are not words.
        edges: x of the left and right ends of each column.
    """

    cards: dict[str, Card]
    top: float
    spots: dict[str, Spot] = field(default_factory=dict)
    size: tuple[float, float] = (WIDTH, HEIGHT)
    frames: dict[str, Frame] = field(default_factory=dict)
    out: dict[str, tuple[str, float]] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    wires: dict[str, float] = field(default_factory=dict)
    carried: dict[str, str] = field(default_factory=dict)
    upper: set[str] = field(default_factory=set)
    edges: dict[int, tuple[float, float]] = field(default_factory=dict)
    floor: float = 0.0
    locks: Collection[str] = ()
    forms: Mapping[str, Form] = field(default_factory=dict)


def plan(found: dict[str, Card], shapes: Shapes, top: float) -> Plan:
    """Place the objects of a case below `top`; the RID tables, roughly."""
    tries = [_plan(dict(found), shapes, top, suits) for suits in SUITS]
    fit = [made for made in tries if made.size[0] <= WIDEST and made.size[1] <= TALLEST]
    return fit[0] if fit else min(tries, key=lambda made: made.size)


def _plan(found: dict[str, Card], shapes: Shapes, top: float, suits: Sequence[float]) -> Plan:
    brackets = framed(found, shapes)
    made = Plan(found, top, locks=shapes.locks, forms=shapes.forms)
    layout = _Layout(made, brackets, shapes.reach, suits)
    layout.columns()
    for number in layout.stacks:
        layout.place(number)
    _level(made, shapes.reach)
    return made


class _Layout:
    """The columns of a picture while it is laid out.

    Attributes:
        stacks: the names of the objects in each column, from the top.
        tall, wide: lines that an object takes at least; cells that a column takes.
        over: a process whose wide card may reach over the tables, which stand lower; or "".
    """

    def __init__(
        self, made: Plan, brackets: Sequence[Bracket], reach: Reach, suits: Sequence[float]
    ) -> None:
        self.made, self.found, self.reach, self.suits = made, made.cards, reach, suits
        self.holders = {each.card.name: each for each in brackets}
        inside = {name for each in brackets for name in each.members}
        self.stacks: dict[int, list[str]] = {SOURCE: [], TABLE: [], TARGET: [], PAGES: []}
        others = []
        for each in self.found.values():
            at = column(each.struct)
            if each.name not in inside and at is None:
                others.append(each)
            elif each.name not in inside and at is not None:
                self.stacks[at].append(each.name)
        self.stacks[TARGET] = _by_owner(self.stacks[TARGET], self.found)
        here = [name for stack in self.stacks.values() for name in stack]
        self.tall = {name: self._tall(name) for name in here}
        self.wide = {
            number: max(map(self._wide, stack), default=0.0)
            for number, stack in self.stacks.items()
        }
        self.over = self._overhang()
        if self.over:
            rest = [name for name in self.stacks[TARGET] if name != self.over]
            self.wide[TARGET] = max(self.found[name].width for name in rest)
        for each in sorted(others, key=lambda card: -card.height):
            self._add(each)
        self.stacks[SOURCE].sort(key=lambda name: name in self.holders)

    def _tall(self, name: str) -> float:
        each = self.found[name]
        if name in self.holders:
            members = self.holders[name].members
            return self.holders[name].head() + sum(self._tall(m) + APART for m in members) + 0.1
        if isinstance(each.struct, Iommu):
            return 1.4 + ROW * len(each.rows) + STEP * len(each.struct.table)
        return each.height

    def _wide(self, name: str) -> float:
        each = self.found[name]
        if name in self.holders:
            return self.holders[name].width(self.found)
        if isinstance(each.struct, Iommu):
            ends = [len("⊘ blocked")]
            for rid in each.struct.table:
                for value in self.reach.values[each.struct.table.path(rid)]:
                    ends.append(len(getattr(value, "name", "").partition(" ")[2]) + 5)
            return float(int(max(each.width, len(each.name) + 8, max(ends) + 4)))
        return each.width

    def _load(self, number: int) -> float:
        """Return the lines that a column takes."""
        return sum(self.tall[name] + BETWEEN for name in self.stacks[number])

    def _add(self, each: Card) -> None:
        """Put an object that is not on the way of a DMA into the column where it fits best."""

        def cost(number: int) -> float:
            load = self._load(number) + each.height
            wider = max(0.0, each.width - self.wide[number])
            if number == SOURCE and not self.stacks[SOURCE]:
                wider = 0.0  # there is room where nothing does DMA
            return max(0.0, load - HEIGHT + self.made.top + 0.5) * 4 + wider + load / 10

        best = min(self.stacks, key=lambda number: cost(number) + self.suits[number])
        self.stacks[best].append(each.name)
        self.tall[each.name] = each.height
        self.wide[best] = max(self.wide[best], each.width)

    def _overhang(self) -> str:
        found, stack, tables = self.found, self.stacks[TARGET], self.stacks[TABLE]
        processes = [name for name in stack if isinstance(found[name].struct, MmStruct)]
        rest = max((found[name].width for name in stack if name not in processes), default=0.0)
        wide = [name for name in processes if found[name].width > rest]
        if len(wide) != 1 or stack[0] != wide[0] or not rest or not tables:
            return ""
        if any(isinstance(found[name].struct, Iommu) for name in tables):
            return ""
        low = max(self.made.top, 0.5) + UP + self.tall[wide[0]] + BETWEEN + self._load(TABLE)
        fits = found[wide[0]].width - rest < self.wide[TABLE] and low < TALLEST
        return wide[0] if fits else ""

    def columns(self) -> None:
        """Choose the height of the sheet, and where the columns begin and end."""
        made, wide = self.made, self.wide
        height = max(HEIGHT, made.top + max(map(self._load, self.stacks)) + 0.4)
        if self.over:
            above = max(made.top, 0.5) + UP + self.tall[self.over] + 0.5
            height = max(height, above + self._load(TABLE) + 1.0)
        made.floor, height = self._floor(height)
        gaps = self._gaps()
        filled = [number for number, stack in self.stacks.items() if stack]
        need = 2 * MARGIN + sum(wide[number] for number in filled)
        need += sum(gaps[number] for number in filled[:-1])
        if filled[-1] == SOURCE:
            need += self._slide()
        air = max(0.0, WIDTH - need) / max(1, len(filled) - 1)
        x = MARGIN if len(filled) > 1 else MARGIN + air / 2
        for number in filled:
            made.edges[number] = (x, x + wide[number])
            x += wide[number] + gaps[number] + min(air, SPARE)
        made.size = (max(WIDTH, need), height)
        for each in self.holders.values():
            self._frame(each)

    def _frame(self, each: Bracket) -> None:
        """Note where the members of a bracket stand while they are not on its list."""
        far = each.width(self.found) + 1.0 - self._inset(each)
        for name in each.members:
            self.made.out[name] = (each.path, far if each.slides else 0.0)

    def _inset(self, each: Bracket) -> float:
        return (each.width(self.found) - each.inner(self.found)) / 2

    def _slide(self) -> float:
        """Return the cells beside the first column that sliding members need."""
        ends = [
            each.width(self.found) + 1.4 + each.inner(self.found)
            for each in self.holders.values()
            if each.slides
        ]
        return max(0.0, max(ends, default=0.0) - self.wide[SOURCE])

    def _gaps(self) -> dict[int, float]:
        """Return the cells behind each column."""
        has_pages = bool(self.stacks[PAGES])
        gap = 3.0 if has_pages else 5.0
        slide = 0.0 if self.made.floor else self._slide()
        wired = any(isinstance(each.card.struct, IommuGroup) for each in self.holders.values())
        first = gap + slide if wired else max(gap, slide + 0.6)
        return {SOURCE: first, TABLE: 3.2 if has_pages else 7.0, TARGET: 3.8, PAGES: 0.0}

    def _floor(self, height: float) -> tuple[float, float]:
        """Return where the tables end, if members may slide out below them, or 0; and the height.

        That saves a column, where the members are no devices, from which wires lead to the tables.
        """
        sources = self.stacks[SOURCE]
        sliding = [n for n in sources if n in self.holders and self.holders[n].slides]
        if sliding != sources[-1:] or not sliding or not self.stacks[TABLE]:
            return 0.0, height
        bracket = self.holders[sliding[0]]
        if isinstance(bracket.card.struct, IommuGroup):
            return 0.0, height
        start = max(self.made.top, 0.5) + UP + BETWEEN
        low = start + (self.tall[self.over] if self.over else 0.0) + self._load(TABLE)
        body = self.tall[sliding[0]] - bracket.head()
        needed = max(height, low + body + 0.4)
        return (needed - body - 0.4, needed) if needed <= TALLEST else (0.0, height)

    def place(self, number: int) -> None:
        """Place the objects of a column from the top to the bottom."""
        made, stack = self.made, self.stacks[number]
        if not stack:
            return
        left, right = made.edges[number]
        lift = UP if self.over or made.floor else 0.0
        top, low = made.top, made.size[1] - 0.4
        if number == TABLE:
            low = made.floor or low
            top = max(top, 0.5) + lift + self.tall[self.over] + 0.5 if self.over else top
        room = low - top - sum(self.tall[name] for name in stack)
        loose = max(0.0, room - BETWEEN * (len(stack) - 1))
        grow = {} if made.floor else {name: self._growth(name, loose) for name in stack}
        air = (room - sum(grow.values())) / (len(stack) + 1)
        y = top + air
        if self.over and number == TARGET:
            y = max(top, 0.5) + lift
            air = max(BETWEEN, (low - y - sum(self.tall[name] for name in stack)) / len(stack))
        for name in stack:
            if name in self.holders:
                if made.floor and name == stack[-1]:
                    y = low - self.tall[name]
                self._bracket(self.holders[name], left, y, grow.get(name, 0.0))
            else:
                wide = self.found[name].width
                x = left if number == SOURCE else (left + right - wide) / 2
                made.spots[name] = Spot(right - wide if name == self.over else x, y, number)
            y += self.tall[name] + grow.get(name, 0.0) + air

    def _growth(self, name: str, room: float) -> float:
        """Return the lines by which a bracket grows, so that its members stand apart."""
        if name not in self.holders:
            return 0.0
        gaps = len(self.holders[name].members) - 1
        return max(0.0, min(room * 0.8 / len(self.holders), (AIRY - APART) * gaps))

    def _bracket(self, each: Bracket, x: float, y: float, grow: float) -> None:
        """Place a bracket and its members."""
        made, name = self.made, each.card.name
        w = each.width(self.found)
        made.frames[name] = Frame(each, x, y, w, self.tall[name] + grow)
        made.spots[name] = Spot(x, y, SOURCE)
        apart = APART + grow / max(1, len(each.members) - 1)
        low = y + each.head()
        for member in each.members:
            made.spots[member] = Spot(x + self._inset(each), low, SOURCE)
            low += made.cards[member].height + apart
        made.cards[name] = exactly(made.cards[name], w - 0.8)


def _by_owner(names: Sequence[str], found: Mapping[str, Card]) -> list[str]:
    """Return the names with each process right above its page table."""
    tables = {}
    for name in names:
        struct = found[name].struct
        if isinstance(struct, MmStruct):
            tables[struct.pgd.name] = name
    owned = [part for pgd in names if pgd in tables for part in (tables[pgd], pgd)]
    free = [name for name in names if name not in owned]
    processes = [name for name in free if isinstance(found[name].struct, MmStruct)]
    return [*processes, *owned, *(name for name in free if name not in processes)]


def _level(made: Plan, reach: Reach) -> None:
    """Move what stands alone in its column to the height of what it leads to or comes from."""
    blocks = [each.struct for each in made.cards.values() if isinstance(each.struct, Pgd)]
    structs = [each.struct for each in made.cards.values()]
    for struct in structs:
        if isinstance(struct, Smmu) and blocks:
            _move(made, struct.name, made.spots[blocks[0].name].y - 0.9)
    for struct in structs:
        if isinstance(struct, DmaQueue) and struct.smmu.name in made.spots:
            middle = made.spots[struct.smmu.name].y + made.cards[struct.smmu.name].height / 2
            _move(made, struct.name, middle - made.cards[struct.name].height / 2)
    for block in blocks:
        for value in reach.values[block.path("page")]:
            for page in structs_in(value)[:1]:
                if page.name in made.spots:
                    middle = made.spots[block.name].y + made.cards[block.name].height / 2
                    _move(made, page.name, middle - made.cards[page.name].height / 2)


def _move(made: Plan, name: str, y: float) -> None:
    """Move a card up or down, if it stays clear of the others in its column."""
    spot, h = made.spots[name], made.cards[name].height
    free = all(
        y + h + 0.5 <= other.y or y >= other.y + made.cards[each].height + 0.5
        for each, other in made.spots.items()
        if each != name and other.column == spot.column
    )
    if spot.column == TABLE and made.floor:
        free = free and y + h <= made.floor
    if free and made.top <= y <= made.size[1] - h - 0.3:
        made.spots[name] = spot._replace(y=y)
