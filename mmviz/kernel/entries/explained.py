"""A raw page-table entry in words: each field, other releases, and what a wrong one was.

explain(0xf7fffffffdb97400, kernel="5.14")
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any, SupportsIndex

from mmviz.engine.html import html_table, verbatim
from mmviz.kernel.entries.coding import decode_at, wrong_bits
from mmviz.kernel.entries.field import Field
from mmviz.kernel.entries.kinds import SOFTLEAF, SOFTLEAF_SINCE, STORY, Entry, EntryError
from mmviz.kernel.entries.layout import Layout
from mmviz.kernel.entries.reading import Reading, read
from mmviz.kernel.entries.summary import summary
from mmviz.kernel.x86.layout import INVERTED, X86Layout

WIDTH = 79
HEAD = ("bits", "name", "value", "meaning")
WAS = ("what was it?", "evidence")
GUESSED = {
    "text": "text",
    "pointer": "a pointer of the kernel",
    "poison": "a fill pattern",
    "flip": "flipped bits",
    "release": "an entry of another release",
    "level": "an entry of another level",
    "overwrite": "memory overwritten",
    "erratum": "a processor's erratum",
    "none": "no guess",
}


@dataclass(frozen=True)
class Explanation:
    """What 64 raw bits mean to a kernel; a notebook shows it as a table.

    Attributes:
        reading: the value, its layout, what it decodes to, and guesses if it cannot occur.
    """

    reading: Reading

    @property
    def value(self) -> int:
        """The raw entry."""
        return self.reading.value

    @property
    def where(self) -> Layout:
        """The layout it was read with; `where.name` is the release, "v6.15"."""
        return self.reading.where

    @property
    def entry(self) -> Entry | None:
        """What it decodes to; None if it cannot occur."""
        return self.reading.entry

    @property
    def possible(self) -> bool:
        """Whether the kernel can have written it."""
        return self.reading.possible

    def data(self) -> dict[str, Any]:
        """Return the answer as `mmviz entry --json` prints it."""
        return self.reading.data()

    @property
    def title(self) -> str:
        """What it is, in one line."""
        if self.entry is None:
            return f"{self.value:#018x} {self._on}: cannot occur"
        return f"{self.value:#018x} {self._on}: {summary(self.entry)}"

    @property
    def _on(self) -> str:
        """The release, and level, space and architecture where they are not the usual ones."""
        where, kernel = self.where, self.reading.kernel
        name = kernel.name if kernel.given else where.name
        if name == "an unknown release":
            name = f"{name}, read as {where.name}"
        words = [f"on {name}"]
        if where.arch != "x86-64":
            words.append(f"({where.arch})")
        if where.level != "pte":
            words.append(f"at the {where.level} level")
        if where.space != "user":
            words.append("of the kernel's tables")
        return " ".join(words)

    @property
    def story(self) -> str:
        """What such an entry means, in one sentence with the kernel's name; or what is wrong."""
        if self.entry is None:
            return f"{self.reading.fault.partition(': ')[2]}."
        name, sentence = STORY[self.entry.kind]
        if self.where.release >= SOFTLEAF_SINCE and self.entry.kind in SOFTLEAF:
            name = f"{name}, {SOFTLEAF[self.entry.kind]}"
        return f"{sentence} ({name})."

    @property
    def small_print(self) -> str:
        """What was assumed."""
        where = self.where
        on = {"CONFIG_MIGRATION": where.config.migration}
        on["CONFIG_DEVICE_PRIVATE"] = where.config.device_private
        on["CONFIG_MEMORY_FAILURE"] = where.config.memory_failure
        words = [f"{where.arch}, {where.level} level, {where.space} space"]
        words.append(", ".join(f"{name} {'on' if way else 'off'}" for name, way in on.items()))
        return "; ".join([*words, *self.reading.notes])

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return (bits, name, value, meaning) from the highest bit down; every bit is in one."""
        found, top = [], 63
        kind = self.reading.kind
        wrong = wrong_bits(self.value, self.where, kind)
        for field in self.where.fields(kind):
            found += self._gap(top, field.low + field.width)
            found.append(self._row(field, wrong))
            top = field.low - 1
        return found + self._gap(top, 0)

    def _row(self, field: Field, wrong: int) -> tuple[str, str, str, str]:
        value = field.get(self.value)
        written = f"{value:#x}" if field.width > 5 else str(value)
        bad = wrong & field.most << field.low
        meaning = f"✗ always {field.fixed:#x}. {field.meaning}" if bad else field.meaning
        return (field.bits, field.name, written, meaning)

    def _gap(self, top: int, above: int) -> list[tuple[str, str, str, str]]:
        """Return the row of the unused bits from `top` down to `above`, if there are any."""
        if top < above:
            return []
        value = self.value >> above & (1 << top - above + 1) - 1
        bits = f"{top}..{above}" if top > above else str(top)
        if not value:
            return [(bits, "-", "0", "Not used, zero.")]
        return [(bits, "-", f"{value:#x}", "✗ not used, so always zero.")]

    def meanings(self) -> list[tuple[str, str]]:
        """Return (releases, what the same bits mean there), the oldest first."""
        base = self.where.put(pte_marker=False, inverted=None)
        found = spans(self.value, [base.put(release=each) for each in base.RELEASES])
        optional = [base.put(release=each, pte_marker=True) for each in base.RELEASES]
        optional = [each for each in optional if each.marker_is_optional]
        plain = [said(self.value, each.put(pte_marker=False)) for each in optional]
        if [said(self.value, each) for each in optional] != plain:
            with_it = spans(self.value, optional)
            found += [(f"{span} with CONFIG_PTE_MARKER", meaning) for span, meaning in with_it]
        if isinstance(base, X86Layout):
            old = [base.put(release=each) for each in base.RELEASES if each < INVERTED]
            late = [each.put(inverted=True) for each in old]
            if [said(self.value, each) for each in late] != [said(self.value, e) for e in old]:
                with_it = spans(self.value, late)
                found += [(f"{span} with the L1TF patches", words) for span, words in with_it]
        return found

    def guesses(self) -> list[tuple[str, str]]:
        """Return (what it may have been, the evidence), the best supported first."""
        return [(GUESSED[each.guess], each.evidence) for each in self.reading.was]

    def __str__(self) -> str:
        rows = [HEAD, *self.rows()]
        one, two, three = (max(len(row[column]) for row in rows) for column in range(3))
        lines = [*wrapped(self.title), *wrapped(self.story)]
        if self.reading.was:
            lines += ["", "What was it?"]
            for name, evidence in self.guesses():
                lines += wrapped(f"{name}: {evidence}", "  ")
        lines.append("")
        for a, b, c, d in rows:
            lines += wrapped(d, f"  {a:>{one}}  {b:{two}}  {c:>{three}}  ")
        lines += ["", "The same bits mean"]
        for span, meaning in self.meanings():
            lines += wrapped(f"on {span}: {meaning}", "  ")
        return "\n".join([*lines, *wrapped(f"({self.small_print})")])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        was = html_table(WAS, self.guesses()) if self.reading.was else ""
        return verbatim(
            f"<strong>{escape(self.title)}</strong>"
            f"<p>{escape(self.story)}</p>"
            + was
            + html_table(HEAD, self.rows())
            + html_table(("kernel", "the same bits mean"), self.meanings())
            + f"<small>{escape(self.small_print)}</small>"
        )


def wrapped(text: str, before: str = "") -> list[str]:
    """Return a text as lines of a terminal; what stands before it is before the first only."""
    indent = " " * (len(before) if before.strip() else len(before) + 2)
    return textwrap.wrap(
        text, WIDTH, initial_indent=before, subsequent_indent=indent, break_on_hyphens=False
    ) or [before.rstrip()]


def spans(value: int, layouts: Sequence[Layout]) -> list[tuple[str, str]]:
    """Return (releases, meaning) for each run of releases that read the raw bits alike."""
    found = []
    read_as = ((each.name, said(value, each)) for each in layouts)
    for meaning, group in groupby(read_as, key=lambda each: each[1]):
        names = [name for name, _ in group]
        found.append((names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}", meaning))
    return found


def said(value: int, where: Layout) -> str:
    """Return what raw bits mean to a release, in one line."""
    try:
        found = decode_at(value, where)
    except EntryError as error:
        return f"cannot occur: {str(error).partition(': ')[2]}"
    doubts = where.doubts(found)
    return f"cannot occur: {doubts[0]}" if doubts else summary(found)


def explain(value: SupportsIndex | str, kernel: str = "", **options: Any) -> Explanation:
    """Explain the 64 bits of a page-table entry.

    Args:
        value: the raw entry, 0xf7fffffffdb97400 or "0xf7ff_ffff_fdb9_7400".
        kernel: "6.15", "v6.15" or "5.15.0-91-generic"; the newest known if left out.
        options: as `read()` takes them.

    Returns:
        What the bits mean, field by field, and what the same bits mean to other releases; if they
        cannot occur, what they may have been.

    Raises:
        EntryError: the value does not have 64 bits.
        UnknownName: the kernel or an option is not known.
    """
    return Explanation(read(value, kernel, **options))
