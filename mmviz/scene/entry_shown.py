"""A picture of a raw page-table entry: its bits, their meaning, and a change of it.

mmviz.entry(0xf7fffffffdb97400, kernel="6.15")
mmviz.entry(0x8000000012345867, "5.14", after=0xf7fffffffdb97402)
mmviz.entry("BUG: Bad page map in process a  pte:00000008 pmd:18d73f067")
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any, SupportsIndex, overload

from mmviz.engine import UnknownName
from mmviz.engine.html import html_table
from mmviz.engine.text import quoted
from mmviz.kernel.entries.coding import architecture, made_at, wrong_bits
from mmviz.kernel.entries.explained import Explanation, wrapped
from mmviz.kernel.entries.kinds import EntryError
from mmviz.kernel.entries.reading import read
from mmviz.kernel.x86.transitions import KNOWN, Place, place, way
from mmviz.reading.entry_log import entries
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
LOG = re.compile(r"\n|\b(?:pte|pmd|pud|p4d|pgd|swap)\b", re.IGNORECASE)
MOST_WAS = 3  # guesses in the picture; the text has all


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
        if self.after is None or not self._has_diagram:
            return ""
        return way(place(self.reading.kind), place(self.after.reading.kind), self.where)

    @property
    def _has_diagram(self) -> bool:
        """Whether the ways that such entries can go are known."""
        where = self.where
        both = [self, self.after] if self.after is not None else [self]
        here = where.level == "pte" and where.space == "user" and where.release in KNOWN
        return here and all(each.possible for each in both)

    def scene(self) -> Scene:
        """Return the picture: the bits, what the change kept, and the diagram of kinds.

        Raises:
            NoGraphviz: the layout is not known, and there is no Graphviz.
        """
        below = SINGLE + 1 + (1.1 * len(self._seen()) if not self.possible else 0)
        low = GAP / 2 + (below if self.after is None else HEIGHT) + GAP
        height = diagram(self.where).height + 1.4 if self._has_diagram else 0.0
        return sheet(ROOM, low + height, list(self._marks(low)))

    def _seen(self) -> list[str]:
        """Return the guesses that the picture has room for."""
        return [f"{name}: {evidence}" for name, evidence in self.guesses()[:MOST_WAS]]

    def _marks(self, low: float) -> Iterator[Mark]:
        where, at = self.where, (0.0, GAP / 2)
        before = _word(self)
        if self.after is None:
            yield from single(before, at)
            down = at[1] + SINGLE + 0.4
            yield Text(SIDE, down, shorten(self.story, WIDEST), "quiet")
            if not self.possible:
                for row, words in enumerate(self._seen()):
                    yield Text(SIDE, down + 1.1 * (row + 1), shorten(words, WIDEST), "plain")
        else:
            after = _word(self.after)
            kinds = tuple(dict.fromkeys((before.entry.kind, after.entry.kind)))
            yield from panel(before, after, where, kinds, at, way=self.way)
        if not self._has_diagram:
            return
        here = there = place(self.reading.kind)
        inside: dict[Place, tuple[str, ...]] = {here: ("here",)}
        if self.after is not None:
            there = place(self.after.reading.kind)
            both = here is there
            inside = {here: ("both",)} if both else {here: ("before",), there: ("after",)}
        plan = diagram(where)
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


class EntryPictures(Sequence[EntryPicture]):
    """The entries of a log, in its order; the picture is that of the most telling one.

    It prints as one line an entry; `[0]` is the first, explained bit by bit.
    """

    def __init__(self, pictures: list[EntryPicture]) -> None:
        self._all = tuple(pictures)

    @overload
    def __getitem__(self, at: int) -> EntryPicture: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[EntryPicture, ...]: ...
    def __getitem__(self, at: int | slice) -> EntryPicture | tuple[EntryPicture, ...]:
        return self._all[at]

    def __len__(self) -> int:
        return len(self._all)

    @cached_property
    def telling(self) -> EntryPicture:
        """The entry that a reader of the log asks about: one that cannot occur, else the lowest."""
        wrong = [each for each in self._all if not each.possible]
        return (wrong or sorted(self._all, key=lambda each: each.where.level != "pte"))[0]

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """(level, what it is, what it was) of each entry."""
        return [
            (
                each.where.level,
                each.title if each.possible else f"{each.title}: {each.story}",
                "; ".join(f"{name}: {evidence}" for name, evidence in each.guesses()),
            )
            for each in self._all
        ]

    def data(self) -> list[dict[str, Any]]:
        """Return the answer as `mmviz entry --json` prints it."""
        return [each.data() for each in self._all]

    def __str__(self) -> str:
        lines = []
        for level, what, was in self.rows:
            lines += wrapped(what, f"{level:4} ")
            lines += wrapped(was, "     ") if was else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head = ("level", "entry", "what was it?")
        return html_table(head, self.rows) + self.telling._repr_html_()

    def svg(self, theme: str = "light") -> str:
        """Return the picture of the most telling entry."""
        return self.telling.svg(theme)


def _word(explained: Explanation) -> Word:
    raw, where, kind = explained.value, explained.where, explained.reading.kind
    if explained.entry is not None:
        return Word(raw, explained.entry, where)
    wrong = wrong_bits(raw, where, kind)
    return Word(raw, made_at(raw, where, kind), where, wrong=wrong, cannot=True)


def entry(
    value: SupportsIndex | str,
    kernel: str = "",
    *,
    level: str = "",
    space: str = "",
    arch: str = "",
    after: SupportsIndex | str | None = None,
    paging: SupportsIndex = 4,
    pte_marker: bool = False,
    physical_bits: int = 0,
    encryption_bit: int = 0,
) -> "EntryPicture | EntryPictures":
    """Explain the 64 bits of a page-table entry, or say what they were if they cannot be one.

    Args:
        value: the raw entry, 0xf7fffffffdb97400 or "0xf7ff_ffff_fdb9_7400"; or lines of a log,
            "BUG: Bad page map in process … pte:… pmd:…", "PGD … PTE …", "bad pmd …(…)",
            "swap_info_get: Bad swap file entry …", whose values, levels and kernel are found.
        kernel: "6.15", "v6.15" or "5.15.0-91-generic"; v3.10 to v7.1 are known, older and newer
            ones are read as the nearest. The newest known if left out, and in no log.
        level: of the page tables, "pte", "pmd", "pud", "p4d" or "pgd"; "pte" if left out.
        space: "user" or "kernel", whose part of the tables it is; what fits if left out.
        arch: "x86-64" or "arm64" (4 KiB pages); "x86-64" if left out.
        after: the new entry, if there is one.
        paging: 4 or 5 levels of page tables; from v6.1 they set the width of a stored PFN.
        pte_marker: CONFIG_PTE_MARKER is on; this matters for v5.19 to v6.1, later it always is.
        physical_bits: of an address on this processor (MAXPHYADDR), 0 if not known.
        encryption_bit: of an address (AMD's C bit), 0 if there is none.

    Returns:
        A picture of the bits, the meaning of each field, the meaning of the same bits in other
        releases, and the kinds of entry with the functions that lead from one to another. Of
        bits that cannot occur: which are wrong, and guesses at what they were, with the evidence.
        Of a log: all of this for each entry.

    Raises:
        EntryError: a value does not have 64 bits, or a log has no value.
        UnknownName: the kernel, the level, the space or the architecture is not known.

    Source: mmviz/kernel/x86/layout.py, mmviz/kernel/arm64/layout.py, mmviz/kernel/entries and
    mmviz/kernel/x86/transitions.py; they also say what is simplified.
    """
    more: dict[str, Any] = {
        "paging": paging,
        "pte_marker": pte_marker,
        "physical_bits": physical_bits,
        "encryption_bit": encryption_bit,
    }
    for name, word in {"level": level, "space": space, "arch": arch}.items():
        if not isinstance(word, str):
            raise UnknownName(f"{name} is a word, '' for the usual one, not {quoted(word)}")
    if isinstance(value, str) and _is_log(value):
        if after is not None:
            raise EntryError("after= is for one value, and this is a log: give 0x… instead")
        found = entries(value, kernel, level=level, space=space, arch=arch, **more)
        return EntryPictures([EntryPicture(each) for each in found])
    options = {"level": level or "pte", "space": space, "arch": arch or "x86-64", **more}
    architecture(options["arch"])
    then = None if after is None else Explanation(read(after, kernel, **options))
    return EntryPicture(read(value, kernel, **options), then)


def _is_log(text: str) -> bool:
    """Tell whether a text is more than a value: several lines, or a level's name."""
    return bool(LOG.search(text.strip()))
