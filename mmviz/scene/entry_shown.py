"""A picture of a raw page-table entry: its bits, their meaning, and a change of it.

mmviz.entry(0xf7fffffffdb97400, kernel="6.15")
mmviz.entry(0x8000000012345867, "5.14", after=0xf7fffffffdb97402)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, SupportsIndex

from mmviz.kernel.x86.entry import Explanation
from mmviz.kernel.x86.entry import entry as explain
from mmviz.kernel.x86.transitions import Place, place, way
from mmviz.scene.dot import NoGraphviz
from mmviz.scene.entry_bits import Mark, Word, differ, spelled
from mmviz.scene.entry_panel import HEIGHT, SIDE, SINGLE, panel, sentences, single, survivors
from mmviz.scene.layout import ROOM
from mmviz.scene.marks import Scene, Text, sheet, shorten
from mmviz.scene.svg import PAGE, svg
from mmviz.scene.theme import css
from mmviz.scene.transitions import diagram, draw, title

GAP = 1.0
WIDEST = int(ROOM - 2 * SIDE)


@dataclass(frozen=True)
class EntryPicture(Explanation):
    """What raw bits mean to a kernel, and what a change from one entry to another means.

    A notebook shows it as a picture and tables, without a widget; it also prints as text.

    Attributes:
        after: the new entry, explained; None if there is none.
    """

    after: Explanation | None = None

    @property
    def way(self) -> str:
        """The transition from one kind to the other, and the kernel functions that make it."""
        if self.after is None:
            return ""
        return way(place(self.entry.kind), place(self.after.entry.kind), self.where)

    def scene(self) -> Scene:
        """Return the picture: the bits, what the change kept, and the diagram of kinds.

        Raises:
            NoGraphviz: the layout is not known, and there is no Graphviz.
        """
        low = GAP / 2 + (SINGLE + 1 if self.after is None else HEIGHT) + GAP
        plan = diagram(self.where)
        marks = list(self._marks(low))
        return sheet(ROOM, low + 1.4 + plan.height, marks)

    def _marks(self, low: float) -> Iterator[Mark]:
        where, at = self.where, (0.0, GAP / 2)
        before, plan = _word(self), diagram(where)
        here = there = place(self.entry.kind)
        inside: dict[Place, tuple[str, ...]] = {here: ("here",)}
        if self.after is None:
            yield from single(before, at)
            yield Text(SIDE, at[1] + SINGLE + 0.4, shorten(self.story, WIDEST), "quiet")
        else:
            after = _word(self.after)
            kinds = tuple(dict.fromkeys((before.entry.kind, after.entry.kind)))
            yield from panel(before, after, where, kinds, at, way=self.way)
            there = place(self.after.entry.kind)
            both = here is there
            inside = {here: ("both",)} if both else {here: ("before",), there: ("after",)}
        yield Text(SIDE, low, title(where), "quiet")
        yield from draw(plan, inside, (here, there), ((ROOM - plan.width) / 2, low + 1.2))

    def svg(self, theme: str = "light") -> str:
        """Return the picture as the text of an SVG file: "light", "dark", or "page" for both."""
        name = self.title if self.after is None else f"{self.title} → {self.after.title}"
        return svg(self.scene(), theme, name)

    def __str__(self) -> str:
        if self.after is None:
            return super().__str__()
        before, after = _word(self), _word(self.after)
        lines = [f"before: {self.title}", f"after:  {self.after.title}"]
        lines += [f"transition: {self.way}", f"≠ bits: {spelled(differ(before, after))}"]
        parts = sentences(survivors(before, after))
        lines += [f"{head}: {words}" for head, words in parts.items()]
        return "\n".join([*lines, "", super().__str__(), "", str(self.after)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        after = "" if self.after is None else self.after._repr_html_()
        return self.picture_html() + super()._repr_html_() + after

    def picture_html(self) -> str:
        """Return the picture as HTML whose colours follow the theme of the page."""
        try:
            drawn = self.svg(PAGE)
        except NoGraphviz as missing:
            drawn = f"<p>{escape(str(missing))}</p>"
        style = (
            f"<style>{css('.mm-theme')}.mm-picture svg {{max-width: 100%; height: auto}}</style>"
        )
        return f'{style}<div class="mm-theme mm-picture">{drawn}</div>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Return the picture, the tables and the text; a page shows the richest it supports."""
        bundle = {"text/plain": str(self), "text/html": self._repr_html_()}
        try:
            bundle["image/svg+xml"] = self.svg()
        except NoGraphviz:
            pass
        return bundle


def _word(explained: Explanation) -> Word:
    return Word(explained.value, explained.entry, explained.where)


def entry(
    value: SupportsIndex | str,
    kernel: str = "6.15",
    *,
    after: SupportsIndex | str | None = None,
    levels: SupportsIndex = 4,
    pte_marker: bool = False,
) -> EntryPicture:
    """Explain the 64 bits of an x86-64 page-table entry, and what a change of it means.

    Args:
        value: the raw entry, 0xf7fffffffdb97400 or "0xf7ff_ffff_fdb9_7400".
        kernel: "6.15" or "v6.15"; v5.7 to v6.16 are known.
        after: the new entry, if there is one.
        levels: 4 or 5 levels of page tables; from v6.1 they set the width of a stored PFN.
        pte_marker: CONFIG_PTE_MARKER is on; this matters for v5.19 to v6.1, later it always is.

    Returns:
        A picture of the bits, the meaning of each field, the meaning of the same bits in other
        releases, and the kinds of entry with the functions that lead from one to another.

    Raises:
        EntryError: a value does not have 64 bits, or has bits that cannot occur; they are named.
        UnknownName: the kernel is not known; the message suggests the nearest.

    Source: mmviz/kernel/x86/layout.py and transitions.py; they also say what is simplified.
    """
    options: dict[str, Any] = {"levels": levels, "pte_marker": pte_marker}
    then = None if after is None else explain(after, kernel, **options)
    first = explain(value, kernel, **options)
    return EntryPicture(first.value, first.where, first.entry, then)
