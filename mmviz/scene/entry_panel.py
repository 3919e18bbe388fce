"""Two entries one below the other: what they are, which bits differ, what survived the change."""

from collections.abc import Collection, Iterator, Sequence

from mmviz.kernel.x86_kinds import Kind
from mmviz.kernel.x86_layout import Layout
from mmviz.kernel.x86_survival import NAMES, Survivor, survival
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
SILENT = ("not modelled", "no place for it")


def tips(where: Layout, kinds: Sequence[Kind]) -> dict[str, str]:
    """Return a sentence for each key of a panel's marks."""
    found = {}
    for kind in kinds:
        for field in where.fields(kind):
            key = f"field-of:{kind.value}/{field.name}"
            found[key] = f"{field.name}, bits {field.bits}: {field.meaning}"
    return found


def lost_and_found(
    before: Word | None, after: Word | None, modelled: Collection[str] = NAMES
) -> tuple[Survivor, ...]:
    """Return what became of all that the first word says; nothing where there are not two."""
    if before is None or after is None:
        return ()
    return survival(before.entry, after.entry, after.where, modelled)


def sentences(fates: Sequence[Survivor]) -> dict[str, str]:
    """Say what was kept, what was lost, what is new, and of what the entries say nothing."""
    found: dict[str, list[str]] = {head: [] for head in FATES}
    silent: dict[str, list[str]] = {fate: [] for fate in SILENT}
    for each in fates:
        said = each.name
        if each.name == "page" and each.fate == "changed":
            said = f"page {each.before:#x} → {each.after:#x}"
        elif each.fate == "cleared":
            said = f"{each.name} (cleared)"
        elif each.fate == "lost":
            said = f"{each.name} ({each.why or 'the new entry has no place for it'})"
        for head, words in FATES.items():
            if each.fate in words:
                found[head].append(said)
        if each.fate in silent:
            silent[each.fate].append(said)
    told = {head: ", ".join(said) or "nothing" for head, said in found.items()}
    unsaid = [f"{', '.join(said)} ({fate})" for fate, said in silent.items() if said]
    return told | {"not told": "; ".join(unsaid) or "nothing"}


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
    """Draw two words; it takes HEIGHT lines.

    Args:
        before: the word that was there; None where there is nothing to show.
        after: the word that took its place, likewise.
        where: the release.
        kinds: everything that the words may ever be.
        at: the upper left corner on the sheet.
        modelled: what of an entry is known at all.
        way: from where to where the entry went, in words.
        changed: the role of what changed: "past" if that was not in the last step.
    """
    x, y = at
    lit = differ(before, after) if before is not None and after is not None else 0
    yield from _said("now" if after is None else "before", before, (x, y))
    yield from captions(before, where, kinds, (x + SIDE, y + 1.2), above=True)
    yield from strip(before, 0, (x + SIDE, y + 3.6))
    yield from numbers((x + SIDE, y + 4.9))
    yield from strip(after, lit, (x + SIDE, y + 6.0), changed)
    yield from captions(after, where, kinds, (x + SIDE, y + 7.2), above=False)
    yield from _said("after", after, (x, y + 9.8), changed if lit else "head")
    both = before is not None and after is not None
    said = {"way": way, "≠ bits": spelled(lit)} | sentences(lost_and_found(before, after, modelled))
    for index, (head, words) in enumerate(said.items()):
        down = y + 11.1 + 1.1 * index
        text = shorten(words, int(ROOM - 2 * SIDE) - LABEL - 4) if both else ""
        role = "plain" if both and words not in ("none", "nothing") else "quiet"
        yield Text(x + SIDE, down, head if both else "", "quiet", live=True)
        yield Text(x + SIDE + LABEL + 4, down, text, role, live=True)


HEIGHT = 11.1 + 1.1 * 6


def single(shown: Word, at: Point) -> Iterator[Mark]:
    """Draw one word; it takes SINGLE lines."""
    x, y = at
    yield from _said("", shown, (x, y))
    yield from captions(shown, shown.where, (shown.entry.kind,), (x + SIDE, y + 1.2), above=True)
    yield from strip(shown, 0, (x + SIDE, y + 3.6))
    yield from numbers((x + SIDE, y + 4.9))


SINGLE = 6.0


def _said(label: str, shown: Word | None, at: Point, role: str = "head") -> Iterator[Mark]:
    """Say in a line what a word is, and write it in hexadecimal."""
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
