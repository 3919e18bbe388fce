"""The 64 bits of an x86-64 page-table entry: encoded, decoded, explained.

    entry(0xf7fffffffdb97400, kernel="5.14")

Source and what was simplified: mmviz/kernel/x86/layout.py.
"""

import re
from dataclasses import asdict, dataclass
from html import escape
from itertools import groupby
from typing import SupportsIndex

from mmviz.engine import MmvizError
from mmviz.engine.html import html_table, verbatim
from mmviz.engine.text import index, quoted
from mmviz.kernel.x86.kinds import MADE, STORY, Entry, EntryError, Kind, PteMarker
from mmviz.kernel.x86.layout import RELEASES, Layout, layout

HARDWARE = ("P", "RW", "US", "PWT", "PCD", "A", "D", "PAT", "G")
PAYLOAD = ("marks_uffd_wp", "poisoned", "guard")
HEAD = ("bits", "name", "value", "meaning")
SMALL_PRINT = (
    "x86-64, an entry of a 4 KiB page; CONFIG_MIGRATION, CONFIG_DEVICE_PRIVATE and "
    "CONFIG_MEMORY_FAILURE on"
)


def parse(value: SupportsIndex | str) -> int:
    """Return 64 raw bits, from an integer (one of numpy, too) or from "0xf7ff_ffff_fdb9_7400".

    Raises:
        EntryError: the value is neither; the message says what is wrong.
    """
    if isinstance(value, str):
        written = re.fullmatch(r"0[xX][0-9a-fA-F]+(_[0-9a-fA-F]+)*", value)
        if not written or len(value.replace("_", "")) > len("0x") + 16:
            raise EntryError(
                f"{quoted(value)} is not a raw entry: write 0x and up to 16 hexadecimal digits, "
                "with single underscores between digits if you like, '0xf7ff_ffff_fdb9_7400'"
            )
        return parse(int(value, 16))
    try:
        raw = index(value, "a raw entry")
    except MmvizError:
        raise EntryError(
            f"a raw entry is an integer or text such as '0xf7fffffffdb97400', not {quoted(value)}"
        ) from None
    if not 0 <= raw < 1 << 64:
        number = f"{raw:#x}" if raw.bit_length() <= 128 else f"one of {raw.bit_length()} bits"
        raise EntryError(f"a raw entry has 64 bits and no sign; {number} does not fit")
    return raw


def decode(
    value: SupportsIndex | str,
    kernel: str = "6.15",
    *,
    levels: SupportsIndex = 4,
    pte_marker: bool = False,
) -> Entry:
    """Return what 64 raw bits mean to a kernel.

    Args:
        value: the raw entry, as `parse()` takes it.
        kernel: "6.15" or "v6.15".
        levels: of the page tables, 4 or 5; matters from v6.1.
        pte_marker: CONFIG_PTE_MARKER is on; matters for v5.19 to v6.1.

    Raises:
        EntryError: some bits cannot occur on that kernel; the message names them.
        UnknownName: the kernel is not known.
    """
    return _decode(parse(value), layout(kernel, levels, pte_marker))


def _decode(raw: int, where: Layout) -> Entry:
    kind = where.kind(raw)
    faults = _faults(raw, where, kind)
    if faults:
        raise EntryError(f"{raw:#018x} cannot occur on {where.name}: no {kind} entry has {faults}")
    values: dict[str, int] = {}
    for field in where.fields(kind):
        if field.attribute:
            found = field.get(raw)
            values[field.attribute] = bool(found) if field.width == 1 else found
    made = MADE[kind](**values)
    if isinstance(made, PteMarker) and not (made.marks_uffd_wp or made.poisoned or made.guard):
        payload = [each.low for each in where.fields(kind) if each.attribute in PAYLOAD]
        bits = ", ".join(str(bit) for bit in sorted(payload))
        raise EntryError(
            f"{raw:#018x} cannot occur on {where.name}: a marker has a payload, "
            f"stored inverted, so one of the bits {bits} is clear"
        )
    return made


def _faults(raw: int, where: Layout, kind: Kind) -> str:
    """Return the bits outside any field, and those that differ from a field's only value."""
    allowed = wrong = 0
    for field in where.fields(kind):
        allowed |= field.most << field.low
        if field.fixed is not None:
            wrong |= (field.get(raw) ^ field.fixed) << field.low
    wrong |= raw & ~allowed
    bits = [bit for bit in range(64) if wrong >> bit & 1]
    found = []
    for (place, is_set), group in groupby(bits, lambda bit: (_place(bit, kind), raw >> bit & 1)):
        same = [str(bit) for bit in group]
        plural = "s" if len(same) > 1 else ""
        found.append(f"bit{plural} {', '.join(same)} ({place}) {'set' if is_set else 'clear'}")
    return "; ".join(found)


def _place(bit: int, kind: Kind) -> str:
    """Return the usual name of a bit of such an entry."""
    if bit < len(HARDWARE):
        return HARDWARE[bit]
    if kind in (Kind.PRESENT, Kind.PROT_NONE):
        return "reserved"
    return "of the offset, stored inverted"


def encode(
    what: Entry, kernel: str = "6.15", *, levels: SupportsIndex = 4, pte_marker: bool = False
) -> int:
    """Return the 64 bits of an entry, the inverse of `decode()`.

    Raises:
        EntryError: that kernel has no such entry, or a value does not fit.
        UnknownName: the kernel is not known.
    """
    return encode_at(what, layout(kernel, levels, pte_marker))


def encode_at(what: Entry, where: Layout) -> int:
    """Return the 64 bits of an entry in a layout.

    Raises:
        EntryError: that layout has no such entry, or a value does not fit.
    """
    kind, raw = what.kind, 0
    if kind not in (Kind.NONE, Kind.PRESENT, Kind.PROT_NONE, *where.types):
        known = ", ".join(dict.fromkeys(where.types))
        raise EntryError(f"{where.name} has no {kind} entry; it has {known}")
    for field in where.fields(kind):
        value = getattr(what, field.attribute) if field.attribute else field.fixed or 0
        if not 0 <= value <= field.most:
            raise EntryError(f"{field.attribute} has {field.width} bits, {value:#x} does not fit")
        raw |= field.put(value)
    back = _decode(raw, where)
    if back.kind is not kind:
        raise EntryError(f"on {where.name} the bits of {what} would read as {back.kind}")
    lost = [name for name, value in asdict(what).items() if value != getattr(back, name)]
    if lost:
        raise EntryError(f"a {kind} entry of {where.name} has no place for {', '.join(lost)}")
    return raw


@dataclass(frozen=True)
class Explanation:
    """What 64 raw bits mean to a kernel; a notebook shows it as a table.

    Attributes:
        value: the raw entry.
        where: the layout it was read with; `where.name` is the release, "v6.15".
        entry: what it decodes to.
    """

    value: int
    where: Layout
    entry: Entry

    @property
    def title(self) -> str:
        """What it is, in one line."""
        return f"{self.value:#018x} on {self.where.name}: {summary(self.entry)}"

    @property
    def story(self) -> str:
        """What such an entry means, in one sentence with the kernel's name."""
        name, sentence = STORY[self.entry.kind]
        return f"{sentence} ({name})."

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return (bits, name, value, meaning) from the highest bit down; every bit is in one."""
        found, top = [], 63
        for field in self.where.fields(self.entry.kind):
            found += gap(top, field.low + field.width)
            value = field.get(self.value)
            written = f"{value:#x}" if field.width > 5 else str(value)
            found.append((field.bits, field.name, written, field.meaning))
            top = field.low - 1
        return found + gap(top, 0)

    def meanings(self) -> list[tuple[str, str]]:
        """Return (releases, what the same bits mean there), the oldest first."""
        levels = self.where.levels
        found = spans(self.value, [Layout(release, levels) for release in RELEASES])
        optional = [Layout(each, levels, pte_marker=True) for each in RELEASES]
        optional = [each for each in optional if each.marker_is_optional]
        plain = [said(self.value, Layout(each.release, levels)) for each in optional]
        if [said(self.value, each) for each in optional] != plain:
            with_it = spans(self.value, optional)
            found += [(f"{span} with CONFIG_PTE_MARKER", meaning) for span, meaning in with_it]
        return found

    def __str__(self) -> str:
        rows = [HEAD, *self.rows()]
        one, two, three = (max(len(row[column]) for row in rows) for column in range(3))
        lines = [self.title, self.story, ""]
        lines += [f"  {a:>{one}}  {b:{two}}  {c:>{three}}  {d}" for a, b, c, d in rows]
        lines += ["", "The same bits mean"]
        width = max(len(span) for span, _ in self.meanings())
        lines += [f"  on {span:{width}}  {meaning}" for span, meaning in self.meanings()]
        return "\n".join([*lines, f"({SMALL_PRINT})"])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return verbatim(
            f"<strong>{escape(self.title)}</strong>"
            f"<p>{escape(self.story)}</p>"
            + html_table(HEAD, self.rows())
            + html_table(("kernel", "the same bits mean"), self.meanings())
            + f"<small>{escape(SMALL_PRINT)}</small>"
        )


def gap(top: int, above: int) -> list[tuple[str, str, str, str]]:
    """Return the row of the unused bits from `top` down to `above`, if there are any."""
    if top < above:
        return []
    return [(f"{top}..{above}" if top > above else str(top), "-", "0", "Not used, zero.")]


def summary(what: Entry) -> str:
    """Return an entry in one line: its kind and what it names."""
    values = vars(what)
    numbers = [f"{name} {values[name]:#x}" for name in ("pfn", "offset") if name in values]
    if "device" in values:
        numbers.insert(0, f"device {values['device']}")
    ons = [name.rstrip("_") for name, value in values.items() if value is True]
    in_kind = ("prot_none", "write") if what.kind is not Kind.PRESENT else ()
    return ", ".join([what.kind.value, *numbers, *(name for name in ons if name not in in_kind)])


def spans(value: int, layouts: list[Layout]) -> list[tuple[str, str]]:
    """Return (releases, meaning) for each run of releases that read the raw bits alike."""
    found = []
    meanings = ((each.name, said(value, each)) for each in layouts)
    for meaning, group in groupby(meanings, key=lambda each: each[1]):
        names = [name for name, _ in group]
        found.append((names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}", meaning))
    return found


def said(value: int, where: Layout) -> str:
    """Return what raw bits mean to a release, in one line."""
    try:
        return summary(_decode(value, where))
    except EntryError as error:
        _, _, why = str(error).partition(": ")
        return f"cannot occur: {why}"


def entry(
    value: SupportsIndex | str,
    kernel: str = "6.15",
    *,
    levels: SupportsIndex = 4,
    pte_marker: bool = False,
) -> Explanation:
    """Explain the 64 bits of an x86-64 page-table entry.

    Args:
        value: the raw entry, 0xf7fffffffdb97400 or "0xf7ff_ffff_fdb9_7400".
        kernel: "6.15" or "v6.15"; v5.7 to v6.16 are known.
        levels: of the page tables, 4 or 5; from v6.1 they set how wide a stored PFN is.
        pte_marker: CONFIG_PTE_MARKER is on; matters for v5.19 to v6.1, later it always is.

    Returns:
        What the bits mean, field by field, and what the same bits mean to other releases.

    Raises:
        EntryError: the value does not have 64 bits, or some of them cannot occur; they are named.
        UnknownName: the kernel is not known; the message says which are.

    Source: see mmviz/kernel/x86/layout.py, also for what was simplified.
    """
    raw, where = parse(value), layout(kernel, levels, pte_marker)
    return Explanation(raw, where, _decode(raw, where))
