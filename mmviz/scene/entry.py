"""The entries of a case's page tables, bit by bit, as a kernel release stores them.

An entry of a model holds the page and whether it is writable. The other bits of a real entry
(accessed, dirty and so on) are not modelled and shown as "?".
"""

from collections.abc import Collection, Iterator
from functools import singledispatch
from typing import Any

from mmviz.engine import Change, Frame, Run, Struct
from mmviz.kernel.mm.device_private import DevicePrivateMapping
from mmviz.kernel.mm.entry import CowMapping, Pte
from mmviz.kernel.mm.pagetable import PageTable
from mmviz.kernel.provenance import provenance
from mmviz.kernel.x86.transitions import Place, place, transitions, way
from mmviz.scene import entry_panel
from mmviz.scene import transitions as drawn
from mmviz.scene.cards import gone, walk
from mmviz.scene.entry_bits import Word, parts, word
from mmviz.scene.entry_panel import HEIGHT, SIDE, panel, sentences
from mmviz.scene.entry_stored import chosen, stored
from mmviz.scene.layout import ROOM
from mmviz.scene.lit import wrong
from mmviz.scene.marks import Box, Line, Scene, Text, sheet, shorten
from mmviz.scene.reach import structs_in
from mmviz.scene.searched import SearchedCase

MOST = 12  # rows; beyond, only the entries that some step changes
WIDEST = int(ROOM - 2 * SIDE) - 2  # characters of a line
Mark = Box | Line | Text


@singledispatch
def entries(struct: Struct) -> Iterator[str]:
    """Yield the paths of the page-table entries that an object has."""
    yield from ()


@entries.register
def _(mapping: CowMapping | DevicePrivateMapping) -> Iterator[str]:
    yield mapping.path("pte")


@entries.register
def _(table: PageTable) -> Iterator[str]:
    for address in table.pte:
        yield table.pte.path(address)


def entry(searched: SearchedCase) -> "EntryView | None":
    """Return the view of a case's page-table entries; None where it has none."""
    paths = [path for each in walk(searched.reach.world) for path in entries(each)]
    return EntryView(searched, paths) if paths else None


class EntryView:
    """All entries; the one last written, before and after; the kind of each."""

    name, title, looks_ahead = "entry", "Page-table entries", False

    def __init__(self, searched: SearchedCase, paths: list[str]) -> None:
        case, reach, self.witnesses = searched.case, searched.reach, searched.witnesses
        touched = [path for path in paths if reach.varies(path)]
        self.paths = paths if len(paths) <= MOST else touched or paths[:1]
        self.left_out = len(paths) - len(self.paths)
        self.labels = {path: label(path) for path in self.paths}
        values = [value for path in self.paths for value in reach.values[path]]
        self.where, self.why = chosen(provenance(case), values)
        self.modelled = ("page", "write") if any(isinstance(v, Pte) for v in values) else ("page",)
        words = [self.word(value) for value in values]
        self.kinds = tuple(dict.fromkeys(each.entry.kind for each in words))
        self.plan = drawn.diagram(self.where)
        self.wide = max(len("entry"), *map(len, self.labels.values()))
        self.tips = {f"bits:{part.low}": f"{_bits(part)} of the entry." for part in parts()}
        self.tips |= entry_panel.tips(self.where, self.kinds) | drawn.tips(self.where)

    def word(self, value: Any) -> Word:
        """Return the bits that a value of the model stands for."""
        found = stored(value, self.where)
        assert found is not None, "a field of a page table holds no entry"
        return word(found.entry, self.where, found.known)

    def scene(self, run: Run, k: int) -> Scene:
        """Draw the entries of frame `k`."""
        frame = run.frames[k]
        low = 0.5
        marks: list[Mark] = []
        for line in self._small_print():
            marks.append(Text(SIDE, low, line, "quiet"))
            low += 1.1
        low += 0.4
        bad = self.witnesses.of_frame(frame)
        for path in self.paths:
            marks += self._row(path, frame, low, bad)
            low += 1.3
        low += 0.6
        last, change = self._last(run, k)
        before, after, heading, went = self._words(last, change, frame)
        marks.append(Box(SIDE, low, ROOM - 2 * SIDE, 1.1, "quiet", f"step:{last.index}"))
        marks.append(Text(SIDE + 1, low + 0.05, shorten(heading, WIDEST), "quiet", live=True))
        low += 1.5
        changed = "written" if last is frame else "past"
        marks += panel(
            before, after, self.where, self.kinds, (0, low), self.modelled, went, changed
        )
        low += HEIGHT + 0.8
        marks.append(Text(SIDE, low, drawn.title(self.where), "quiet"))
        low += 1.2
        taken = self._taken(change) if change is not None and last is frame else None
        corner = ((ROOM - self.plan.width) / 2, low)
        marks += drawn.draw(self.plan, self._here(frame), taken, corner)
        return sheet(ROOM, low + self.plan.height, marks)

    def text(self, run: Run, k: int) -> str:
        """Return every entry, and the last change, as text."""
        frame = run.frames[k]
        lines = self._small_print()
        for path in self.paths:
            shown = self.word(frame.values[path])
            lines.append(
                f"{self.labels[path]:{self.wide}}  {shown.hex}  {shown.meaning}"
                + self._dangling(path, frame)
            )
        last, change = self._last(run, k)
        before, after, heading, went = self._words(last, change, frame)
        lines.append(heading)
        if before is not None and after is not None:
            lines += [f"  before  {before.hex}  {before.meaning}"]
            lines += [f"  after   {after.hex}  {after.meaning}"]
            parts = sentences(entry_panel.survivors(before, after, self.modelled))
            rows = {"transition": went} | parts
            lines += [f"  {head}: {words}" for head, words in rows.items()]
        for where, inside in self._here(frame).items():
            ways = [
                f"{each.target} by {each.function}"
                for each in transitions(self.where)
                if each.source is where
            ]
            lines.append(f"from {where} ({', '.join(inside)}): {'; '.join(ways)}")
        return "\n".join(lines)

    def _small_print(self) -> list[str]:
        """Return which release stores the entries so, and what "?" means."""
        found = [f"Entries as {self.where.name} stores them on x86-64: {self.why}."]
        found.append(
            f"The model stores {' and '.join(self.modelled)} of an entry; "
            "? is a bit that is not modelled (accessed, dirty, soft-dirty, …)."
        )
        if self.left_out:
            found.append(f"… {self.left_out} more entries, which no step changes.")
        return found

    def _row(self, path: str, frame: Frame, y: float, bad: Collection[str]) -> Iterator[Mark]:
        """Draw an entry in one line."""
        shown, dangling = self.word(frame.values[path]), self._dangling(path, frame)
        written = any(change.field == path for change in frame.writes)
        role = "dangling" if dangling else "read" if path in frame.reads else "plain"
        role = "written" if written else role
        role = wrong(role) if path in bad else role
        yield Box(SIDE, y, ROOM - 2 * SIDE, 1.1, role, f"field:{path}")
        yield Text(SIDE + 1, y + 0.05, self.labels[path], role, bold=True)
        left = SIDE + self.wide + 4
        yield Text(left, y + 0.05, shown.hex, role, live=True)
        did = "  written" if written else "  read" if role == "read" else ""
        yield Text(
            left + 20, y + 0.05, f"{shown.meaning}{dangling}{did}", role, bold=True, live=True
        )

    def _dangling(self, path: str, frame: Frame) -> str:
        """Return a note if the page of an entry is free, else ""."""
        words = [gone(page, frame.values) for page in structs_in(frame.values[path])]
        return "".join(f"  ✗ points to a {word} page" for word in words if word)

    def _last(self, run: Run, k: int) -> tuple[Frame, Change | None]:
        """Return the last step up to `k` that wrote an entry, and what it wrote.

        Of several entries written in one step (fork), the first that changed its kind is returned.
        """
        for frame in reversed(run.frames[: k + 1]):
            found = [change for change in frame.writes if change.field in self.paths]
            moved = [change for change in found if len(set(self._taken(change))) > 1]
            if found:
                return frame, (moved or found)[0]
        return run.frames[0], None

    def _words(
        self, last: Frame, change: Change | None, frame: Frame
    ) -> tuple[Word | None, Word | None, str, str]:
        """Return the entry before and after the last change, its heading, and its transition."""
        if change is None:
            first = self.paths[0]
            heading = f"{self.labels[first]} at the start; no step has written an entry yet"
            return self.word(frame.values[first]), None, heading, ""
        heading = f"{self.labels[change.field]} in step {last.index}, {last.actor} {last.label}"
        went = way(*self._taken(change), self.where)
        return self.word(change.old), self.word(change.new), heading, went

    def _taken(self, change: Change) -> tuple[Place, Place]:
        """Return the transition that a change makes."""
        old, new = self.word(change.old), self.word(change.new)
        return place(old.entry.kind), place(new.entry.kind)

    def _here(self, frame: Frame) -> dict[Place, tuple[str, ...]]:
        """Return the labels of the entries of each kind."""
        found: dict[Place, tuple[str, ...]] = {}
        for path in self.paths:
            where = place(self.word(frame.values[path]).entry.kind)
            found[where] = (*found.get(where, ()), self.labels[path])
        return found


def label(path: str) -> str:
    """Return the name of an entry: its mapping, "mm.vma"."""
    return path.removesuffix(".pte").replace(".pte[", "[")


def _bits(part: Any) -> str:
    return f"Bits {part.low + part.width - 1}..{part.low}" if part.width > 1 else f"Bit {part.low}"
