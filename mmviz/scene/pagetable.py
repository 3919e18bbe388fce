"""The translation of an address by the CPU and by devices, and the pages at the end of the walk.

The CPU's tables are on the left, pages in the middle, and other translations on the right: a
device's table, its caches, the entry of another process. A table that a PASID table or an IOMMU
points at is in the middle too.
"""

from collections.abc import Iterator, Mapping, Sequence

from mmviz.engine import Frame, Run
from mmviz.kernel.mm.pagetable import PmdTable
from mmviz.scene.cards import ROW, TITLE, gone, value_text
from mmviz.scene.entries import Table
from mmviz.scene.layout import MARGIN
from mmviz.scene.marks import Box, Line, Scene, Text, sheet
from mmviz.scene.objects import objects
from mmviz.scene.peers import all_tables, room, verdict
from mmviz.scene.searched import SearchedCase
from mmviz.scene.tableplan import BETWEEN, CHAIN, DOWN, Placed, table_plan
from mmviz.scene.theme import CLEAR
from mmviz.scene.walk import LEVELS
from mmviz.scene.words import caption

UPPER_NOTE = "Upper levels of a walk are not modelled: they always exist."
PMD_NOTE = "The levels above the PMD are not modelled: they always exist."
LOWER_NOTE = "Only the PGD of a process is modelled; the tables below it live as long as it does."
HUGE_NOTE = "A huge page is one PMD entry; the model has fewer base pages than the kernel's 512."


def pagetable(searched: SearchedCase) -> "PageTables | None":
    """Return the view of a case's page tables; None if the case translates no address."""
    tables = all_tables(searched.reach)
    return PageTables(searched, tables) if tables else None


class PageTables:
    """Page tables, and the pages that addresses translate to."""

    name, title, looks_ahead = "pagetable", "Page tables", False

    def __init__(self, searched: SearchedCase, tables: Sequence[Table]) -> None:
        self.actors, self.witnesses = tuple(searched.case.actors), searched.witnesses
        self.placed, plan = table_plan(tables, searched.reach)
        self.notes = tuple(_notes(tables))
        wide = max(len(note) + 2 * MARGIN for note in (*self.notes, ""))
        self.plan = plan._replace(width=max(plan.width, wide), height=plan.height + len(self.notes))
        self.tips: Mapping[str, str] = LEVELS | {
            f"object:{each.card.name}": f"{each.card.name}: {each.card.kind or 'entries'}."
            for each in self.placed
            if each.card.name != each.card.struct.name
        }

    def scene(self, run: Run, k: int) -> Scene:
        """Draw every table, cache and page in its place."""
        frame = run.frames[k]
        drawn = objects(frame, self.plan, self.actors, self.witnesses.of_frame(frame))
        marks: list[Box | Line | Text] = [*drawn.boxes, *drawn.lines, *drawn.texts]
        for each in self.placed:
            if each.table is not None:
                marks += _chain(each.table, each, frame)
                marks += _flags(each.table, each, frame)
        for index, note in enumerate(self.notes):
            low = self.plan.height - len(self.notes) + index - 0.3
            marks.append(Text(MARGIN, low, note, "quiet"))
        return sheet(self.plan.width, self.plan.height, marks)

    def text(self, run: Run, k: int) -> str:
        """Return every entry and page as text; a star marks the fields that the step wrote."""
        frame = run.frames[k]
        written = {change.field for change in frame.writes}
        lines = [caption(frame)]
        for card, _, _, table in self.placed:
            state = gone(card.struct, frame.values)
            lines.append(f"{card.title}{f' ✗ {state}' if state else ''}")
            if table is not None and table.levels:
                lines.append(f"    {' → '.join(level.words for level in table.levels)}")
            for index, row in enumerate(card.rows):
                star = "*" if row.path in written else " "
                words = f"  {star} {row.label}: {value_text(row, frame, card.value_width)}"
                if table is not None:
                    words += f"  {verdict(table.entries[index], frame.values).words}"
                lines.append(words.rstrip())
        return "\n".join([*lines, *self.notes])


def _notes(tables: Sequence[Table]) -> Iterator[str]:
    """Yield notes on what is not modelled."""
    last = {table.levels[-1].name for table in tables if table.levels}
    if any(isinstance(table.struct, PmdTable) for table in tables):
        yield PMD_NOTE
        return
    if last - {"lower"}:
        yield UPPER_NOTE
    if "lower" in last:
        yield LOWER_NOTE
    if "PUD" in last:
        yield HUGE_NOTE


def _chain(table: Table, placed: Placed, frame: Frame) -> Iterator[Box | Line | Text]:
    """Draw the levels of a walk above its last table."""
    if not table.levels:
        return
    x, top = placed.at
    y = top - CHAIN - DOWN
    role = "ghost" if gone(table.struct, frame.values) else "quiet"
    for index, level in enumerate(table.levels):
        wide = len(level.words) + 1
        yield Box(x, y, wide, CHAIN, role, f"level:{level.name}")
        yield Text(x + 0.5, y + 0.1, level.words, role)
        if index < len(table.levels) - 1:
            middle = y + CHAIN / 2
            yield Line(((x + wide, middle), (x + wide + BETWEEN, middle)), "link", arrow=True)
            x += wide + BETWEEN
    down = x + min(3.0, wide / 2)
    yield Line(((down, y + CHAIN), (down, top)), "link", arrow=True)


def _flags(table: Table, placed: Placed, frame: Frame) -> Iterator[Box | Text]:
    """Draw beside each entry that has a peer whether the two agree."""
    x, top = placed.at
    for index, entry in enumerate(table.entries):
        if entry.peer is None:
            continue
        found = verdict(entry, frame.values)
        wide = room(entry) + 1
        left = x - wide - 0.5 if placed.column == 0 else x + placed.card.width + 0.5
        y = top + TITLE + ROW * index + 0.1
        role = found.role if found.role in ("bad", "blocked") else CLEAR
        yield Box(left, y, wide, 1, role, f"field:{entry.path}")
        yield Text(left + 0.5, y, found.words, found.role or CLEAR, role == "bad", live=True)
