"""The 64 bits of a page-table entry as a strip: each bit in its place, each field under its name.

Every entry has its bits in the same places, so that two entries one below the other show which
bits differ. Bits that differ are highlighted.
"""

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from mmviz.kernel.entries.coding import encode_at
from mmviz.kernel.entries.field import Field
from mmviz.kernel.entries.kinds import Entry, Kind
from mmviz.kernel.entries.layout import Layout
from mmviz.kernel.entries.summary import summary
from mmviz.scene.marks import Box, Line, Point, Text
from mmviz.scene.theme import CLEAR

Mark = Box | Line | Text
ALL = (1 << 64) - 1
X86 = {0: 3.0, 1: 6.0, 2: 5.0, 3: 5.0, 4: 4.0, 5: 3.0, 6: 3.0, 7: 4.0, 8: 3.0}
X86 |= {9: 5.0, 10: 5.0, 11: 6.0, 57: 4.0, 58: 6.0, 63: 3.0}
ARM = {0: 2.6, 1: 4.4, 5: 3.0, 6: 4.4, 7: 4.4, 10: 3.0, 11: 3.6}
ARM |= {50: 3.0, 51: 4.0, 52: 4.4, 53: 4.0, 54: 4.0, 55: 4.6, 56: 4.6, 57: 4.2, 58: 4.6}
GROUPS = {  # (low, width) of the parts, from the highest bit down; the widths of single flags
    "x86-64": (
        (
            *((63, 1), (59, 4), (58, 1), (57, 1), (52, 5)),
            *((low, 4) for low in range(48, 11, -4)),
            *((low, 1) for low in range(11, -1, -1)),
        ),
        X86,
    ),
    "arm64": (
        (
            *((59, 5), *((low, 1) for low in range(58, 49, -1)), (48, 2)),
            *((low, 4) for low in range(44, 11, -4)),
            *((11, 1), (10, 1), (8, 2), (7, 1), (6, 1), (5, 1), (2, 3), (1, 1), (0, 1)),
        ),
        ARM,
    ),
}
GAP = 0.6  # cells between the digits of one part and the next
HIGH = 1.2  # lines that the digits take


class Part(NamedTuple):
    """Neighbouring bits drawn as one text: one flag, or four bits of a number."""

    low: int
    width: int
    x: float
    w: float

    @property
    def bits(self) -> int:
        """The bits, as a mask."""
        return ((1 << self.width) - 1) << self.low

    @property
    def left(self) -> float:
        """Where its digits begin."""
        return self.x + (self.w - self.width) / 2


class Word(NamedTuple):
    """The 64 bits of an entry, some of which may be unknown.

    Attributes:
        value: the bits; an unknown bit is zero.
        entry: their meaning.
        where: the kernel release.
        known: the known bits, as a mask.
        wrong: the bits that no such entry has, as a mask.
        cannot: the entry cannot occur; `entry` is what its kind would make of the bits.
    """

    value: int
    entry: Entry
    where: Layout
    known: int = ALL
    wrong: int = 0
    cannot: bool = False

    def digits(self, low: int, width: int) -> str:
        """Return some bits as digits, "?" for an unknown one."""
        bits = range(low + width - 1, low - 1, -1)
        return "".join(str(self.value >> bit & 1) if self.known >> bit & 1 else "?" for bit in bits)

    @property
    def hex(self) -> str:
        """The word in hexadecimal, "?" for a digit with an unknown bit."""
        whole = f"{self.value:016x}"
        return "0x" + "".join(
            digit if self.known >> 60 - 4 * at & 15 == 15 else "?" for at, digit in enumerate(whole)
        )

    @property
    def meaning(self) -> str:
        """The entry in one line."""
        return f"cannot occur as {self.entry.kind}" if self.cannot else summary(self.entry)


@lru_cache(maxsize=1024)
def word(what: Entry, where: Layout, known: tuple[str, ...] | None = None) -> Word:
    """Return the word of an entry.

    Args:
        what: the entry.
        where: the release.
        known: the known attributes; None means all.

    Raises:
        EntryError: that release has no such entry.
    """
    value, mask = encode_at(what, where), ALL
    if known is not None:
        for field in where.fields(what.kind):
            if field.attribute and field.attribute not in known:
                mask &= ~(field.most << field.low)
    return Word(value & mask, what, where, mask)


def differ(one: Word, other: Word) -> int:
    """Return the known bits that differ, as a mask."""
    return (one.value ^ other.value) & one.known & other.known


def spelled(mask: int) -> str:
    """Return the bits of a mask as text: "63..60, 1", or "none"."""
    found, top = [], 63
    while top >= 0:
        low = top
        while low >= 0 and mask >> low & 1:
            low -= 1
        if low < top:
            found.append(f"{top}..{low + 1}" if top > low + 1 else str(top))
        top = low - 1
    return ", ".join(found) or "none"


@cache
def parts(arch: str = "x86-64") -> tuple[Part, ...]:
    """Return the places of the bits, from the highest down; the same for every entry."""
    groups, flags = GROUPS[arch]
    found, x = [], 0.0
    for low, width in groups:
        w = flags.get(low, width + GAP) if width == 1 else width + GAP
        found.append(Part(low, width, x, w))
        x += w
    return tuple(found)


def width(arch: str = "x86-64") -> float:
    """Return how many cells a strip takes."""
    last = parts(arch)[-1]
    return last.x + last.w


def span(field: Field, arch: str = "x86-64") -> tuple[float, float]:
    """Return where the bits of a field begin and end."""
    inside = [_cell(bit, arch) for bit in (field.low + field.width - 1, field.low)]
    return inside[0][0], inside[1][1]


@cache
def _cell(bit: int, arch: str) -> tuple[float, float]:
    """Return where one bit begins and ends."""
    part = next(each for each in parts(arch) if each.low <= bit < each.low + each.width)
    if part.width == 1:
        return part.x + GAP / 2, part.x + part.w - GAP / 2
    left = part.left + part.low + part.width - 1 - bit
    return left, left + 1


class Name(NamedTuple):
    """The name of a field: its lines, and where they begin."""

    field: Field
    lines: tuple[tuple[float, str], ...]


@cache
def names(where: Layout, kind: Kind) -> tuple[Name, ...]:
    """Return the names of an entry's fields, placed so that no two touch.

    There are two rows. A long name of a narrow field takes both; of two narrow neighbours, one
    has its name in the upper row.
    """
    found, taken = [], ([-9.0], [-9.0])
    for field in where.fields(kind):
        left, right = span(field, where.arch)
        middle = (left + right) / 2
        words = [f"{field.name}, inverted" if field.inverted and field.width > 20 else field.name]
        if len(field.name) > right - left + 0.1 and "_" in field.name:
            words = field.name.split("_", 1)
        starts = [middle - len(each) / 2 for each in words]
        rows = range(2 - len(words), 2)
        if len(words) == 1 and starts[0] < taken[1][0] + GAP:
            rows = range(1)
        lines = [(-1.0, ""), (-1.0, "")]
        for row, text, start in zip(rows, words, starts, strict=True):
            start = max(start, taken[row][0] + GAP, 0.0)
            lines[row] = (start, text)
            taken[row][0] = start + len(text)
        found.append(Name(field, tuple(lines)))
    return tuple(found)


def strip(
    shown: Word | None, lit: int, at: Point, changed: str = "written", arch: str = "x86-64"
) -> Iterator[Mark]:
    """Draw the digits of a word, those of `lit` bold.

    Args:
        shown: the word; None for an invisible strip.
        lit: the bits that changed, as a mask.
        at: the upper left corner on the sheet.
        changed: the role of the bits that changed.
        arch: whose bits they are.
    """
    x, y = at
    for part in parts(arch):
        is_lit = bool(lit & part.bits)
        role = changed if is_lit else "plain"
        if shown is not None and not shown.known & part.bits:
            role = "blocked"
        role = CLEAR if shown is None else role
        key = f"bits:{part.low}"
        yield Box(x + part.x + 0.1, y, part.w - 0.2, HIGH, role, key)
        digits = "" if shown is None else shown.digits(part.low, part.width)
        yield Text(x + part.left, y + 0.1, digits, role, is_lit, live=True)


def captions(
    shown: Word | None, where: Layout, kinds: Sequence[Kind], at: Point, above: bool
) -> Iterator[Mark]:
    """Draw the names of the fields beside a strip; those of other kinds are invisible.

    Args:
        shown: the word of the strip, None for none.
        where: the release.
        kinds: every kind that the word may have.
        at: the upper left corner on the sheet; the names take 2.4 lines.
        above: the names are above the strip, else below.
    """
    x, y = at
    for kind in kinds:
        seen = shown is not None and shown.entry.kind is kind
        for name in names(where, kind):
            left, right = span(name.field, where.arch)
            edge, tip = (y + 2.35, y + 2.1) if above else (y + 0.05, y + 0.3)
            role = "link" if seen else CLEAR
            corners = ((left, edge), (left, tip), (right, tip), (right, edge))
            bracket = tuple((x + a, b) for a, b in corners)
            yield Line(bracket, role, key=f"field-of:{kind.value}/{name.field.name}")
            alone = not all(text for _, text in name.lines)
            for row, (start, text) in enumerate(name.lines):
                if text:
                    down = row if above else (1 - row if alone else row) + 0.4
                    words = text if seen else ""
                    yield Text(x + start, y + down, words, "plain" if seen else CLEAR, live=True)


def numbers(at: Point, arch: str = "x86-64") -> Iterator[Mark]:
    """Draw the number of the highest bit of each part."""
    x, y = at
    for part in parts(arch):
        number = str(part.low + part.width - 1)
        yield Text(x + part.x + (part.w - len(number)) / 2, y, number, "quiet")
