"""Two entries one below the other: their meaning, the bits that differ, what the change kept."""

from collections.abc import Collection, Iterator, Sequence

from mmviz.kernel.entries.kinds import Kind
from mmviz.kernel.entries.layout import Layout
from mmviz.kernel.x86.survival import NAMES, Survivor, survival
from mmviz.scene.entry_bits import Mark, Word, captions, differ, numbers, spelled, strip, width
from mmviz.scene.layout import ROOM
from mmviz.scene.marks import Box, Point, Text, shorten
from mmviz.scene.theme import CLEAR

HEX = len("0x") + 16
LABEL = 8
SIDE = (ROOM - width()) / 2  # cells left and right of a strip
FATES = {
    "kept": ("kept",),
    "lost": ("lost", "cleared"),
    "new": ("set", "changed"),
}
UNKNOWN = ("not modelled", "no place for it")


def tips(where: Layout, kinds: Sequence[Kind]) -> dict[str, str]:
    """Return a sentence for each key of a panel's marks."""
    found = {}
    for kind in kinds:
        for field in where.fields(kind):
            key = f"field-of:{kind.value}/{field.name}"
            found[key] = f"{field.name}, bits {field.bits}: {field.meaning}"
    return found


def survivors(
    before: Word | None, after: Word | None, modelled: Collection[str] = NAMES
) -> tuple[Survivor, ...]:
    """Return the fate of each part of the first entry; nothing unless there are two entries."""
    if before is None or after is None:
        return ()
    return survival(before.entry, after.entry, after.where, modelled)


def sentences(fates: Sequence[Survivor]) -> dict[str, str]:
    """Return which parts of an entry were kept, lost or new, and which are unknown."""
    found: dict[str, list[str]] = {head: [] for head in FATES}
    unknown: dict[str, list[str]] = {fate: [] for fate in UNKNOWN}
    for each in fates:
        words = each.name
        if each.name == "page" and each.fate == "changed":
            words = f"page {each.before:#x} → {each.after:#x}"
        elif each.fate == "cleared":
            words = f"{each.name} (cleared)"
        elif each.fate == "lost":
            words = f"{each.name} ({each.why or 'the new entry does not store it'})"
        for head, fates_of_head in FATES.items():
            if each.fate in fates_of_head:
                found[head].append(words)
        if each.fate in unknown:
            unknown[each.fate].append(words)
    parts = {head: ", ".join(names) or "nothing" for head, names in found.items()}
    rest = [f"{', '.join(names)} ({fate})" for fate, names in unknown.items() if names]
    return parts | {"unknown": "; ".join(rest) or "nothing"}


def panel(
    before: Word | None,
    after: Word | None,
    where: Layout,
    kinds: Sequence[Kind],
    at: Point,
    modelled: Collection[str] = NAMES,
    way: str = "",
    changed: str = "written",
) -> Iterator[Mark]:
    """Draw two entries, HEIGHT lines high.

    Args:
        before: the old entry; None if there is none to show.
        after: the new entry, likewise.
        where: the release.
        kinds: every kind that the entries may have.
        at: the upper left corner on the sheet.
        modelled: the parts of an entry that the model stores.
        way: the transition, in words.
        changed: the role of the bits that changed: "past" if an earlier step changed them.
    """
    x, y = at
    lit = differ(before, after) if before is not None and after is not None else 0
    yield from _summary("now" if after is None else "before", before, (x, y))
    left = x + (ROOM - width(where.arch)) / 2
    yield from captions(before, where, kinds, (left, y + 1.2), above=True)
    yield from strip(before, 0, (left, y + 3.6), changed, where.arch)
    yield from numbers((left, y + 4.9), where.arch)
    yield from strip(after, lit, (left, y + 6.0), changed, where.arch)
    yield from captions(after, where, kinds, (left, y + 7.2), above=False)
    yield from _summary("after", after, (x, y + 9.8), changed if lit else "head")
    both = before is not None and after is not None
    rows = {"transition": way, "≠ bits": spelled(lit)}
    rows |= sentences(survivors(before, after, modelled))
    for index, (head, words) in enumerate(rows.items()):
        down = y + 11.1 + 1.1 * index
        text = shorten(words, int(ROOM - 2 * SIDE) - LABEL - 4) if both else ""
        role = "plain" if both and words not in ("none", "nothing") else "quiet"
        yield Text(x + SIDE, down, head if both else "", "quiet", live=True)
        yield Text(x + SIDE + LABEL + 4, down, text, role, live=True)


HEIGHT = 11.1 + 1.1 * 6


def single(shown: Word, at: Point) -> Iterator[Mark]:
    """Draw one entry, SINGLE lines high."""
    x, y = at
    yield from _summary("", shown, (x, y))
    arch = shown.where.arch
    left = x + (ROOM - width(arch)) / 2
    yield from captions(shown, shown.where, (shown.entry.kind,), (left, y + 1.2), above=True)
    yield from strip(shown, shown.wrong, (left, y + 3.6), "dangling", arch)
    yield from numbers((left, y + 4.9), arch)


SINGLE = 6.0


def _summary(label: str, shown: Word | None, at: Point, role: str = "head") -> Iterator[Mark]:
    """Draw the meaning of an entry and its hexadecimal form in one line."""
    x, y = at
    role = CLEAR if shown is None else role
    yield Box(x + SIDE, y, ROOM - 2 * SIDE, 1.1, role)
    room = int(ROOM - 2 * SIDE) - HEX - LABEL - 4
    left = x + SIDE + 1
    yield Text(left, y + 0.05, label if shown is not None else "", role, live=True)
    meaning = "" if shown is None else shorten(shown.meaning, room)
    across = left + (LABEL if label else 0)
    yield Text(across, y + 0.05, meaning, role, bold=True, live=True)
    right = x + ROOM - SIDE - 1 - HEX
    yield Text(right, y + 0.05, "" if shown is None else shown.hex, role, live=True)
