"""Kernel objects as cards: a title, and one row for each field.

Any `Struct` gets a decent card with no drawing code at all. Where a type can say more, it
registers with `rows` (which fields to show, and in which words) or with `gone` (when the
object is no more). Nothing here knows where on the sheet a card lies.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import singledispatch
from typing import Any, NamedTuple

from mmviz.engine import Frame, Struct, World, spoken
from mmviz.kernel.locks import SeqCount
from mmviz.kernel.mm_struct import MmStruct
from mmviz.kernel.page import Page
from mmviz.kernel.refcount import RefCount
from mmviz.scene.marks import shorten
from mmviz.scene.reach import Reach, structs_in

Values = Mapping[str, Any]
Say = Callable[[Any], str]
WIDEST, SHORT = 34, 9  # characters of a value, and of one that has room for its change
LOST = " ✗ freed"
MOST_ROWS = 20  # on a card; with more, those that nothing touches are named in a line
MOST_CARDS = 20  # with more, those that nothing touches are named in a line


def in_words(value: Any) -> str:
    """Return a value as it stands on a card; nothing in a list is "none", too."""
    return "none" if value in ((), frozenset()) else spoken(value)


class Row(NamedTuple):
    """One field on a card: its path, what it is called there, and how its value is said.

    What is said of a live one changes: the value does, or what it refers to may be freed.
    """

    path: str
    label: str
    say: Say = in_words
    live: bool = True


class Card(NamedTuple):
    """One object. `name` is what captions call it; sizes are in cells."""

    name: str
    kind: str
    struct: Struct
    rows: tuple[Row, ...]
    label_width: int = 0
    value_width: int = 0
    foot: int = 0  # lines kept free below the rows

    @property
    def title(self) -> str:
        """The name, and the kind unless the name says it."""
        return f"{self.name}  {self.kind}" if self.kind else self.name

    @property
    def width(self) -> float:
        """A cell of air on either side, two between label and value, room for "freed"."""
        room = len(" freed") if can_go(self.struct) else 0
        return max(self.label_width + 2 + self.value_width, len(self.title) + room) + 2

    @property
    def height(self) -> float:
        """The title, the rows and what is below them, and air."""
        return TITLE + ROW * (len(self.rows) + self.foot) + 0.2


TITLE, ROW = 1.2, 1.15  # lines that a title and a row take


@singledispatch
def rows(struct: Struct) -> Iterator[tuple[Any, Say]]:
    """Yield the fields of an object that are worth a row, and how to say their values.

    That something is freed is shown by how the whole card looks.
    """
    for key, _ in struct.fields():
        if key != "freed":
            yield key, in_words


@rows.register
def _(page: Page) -> Iterator[tuple[Any, Say]]:
    yield "refs", in_words
    yield "locked", in_words
    for key, _ in page.fields():
        if key not in ("pfn", "refs", "locked"):
            yield key, in_words


@rows.register
def _(count: SeqCount) -> Iterator[tuple[Any, Say]]:
    for key, _ in count.fields():
        yield key, odd if key == "sequence" else in_words


def odd(sequence: int) -> str:
    """Say of a sequence number whether a writer is inside."""
    return f"{sequence} (odd: writer inside)" if sequence % 2 else str(sequence)


@singledispatch
def gone(struct: Struct, values: Values) -> str:
    """Say in a word that the object is no more, its memory back with the allocator; or ""."""
    return "freed" if values.get(struct.path("freed")) is True else ""


@gone.register
def _(page: Page, values: Values) -> str:
    return "free" if values[page.path("refs")] == 0 else ""


@gone.register
def _(mm: MmStruct, values: Values) -> str:
    return "freed" if values[mm.path("mm_count")] == 0 else ""


@gone.register
def _(counted: RefCount, values: Values) -> str:
    ends = counted.path("freed")  # a Slab outlives its count until kfree()
    return "freed" if values.get(ends, values[counted.path("refs")] == 0) else ""


def can_go(struct: Struct) -> bool:
    """Tell whether objects of this kind are ever freed."""
    is_special = gone.dispatch(type(struct)) is not gone.dispatch(Struct)
    return is_special or hasattr(type(struct), "freed")


def cards(reach: Reach) -> list[Card]:
    """Return a card for every object of a case.

    An object that only one other object ever holds, always in the same field, is a part of
    that object, as a struct embedded in a struct is: its fields are rows of the other's card.
    """
    structs = walk(reach.world)
    holders: dict[str, dict[str, Struct]] = {}
    for struct in structs:
        for key, _ in struct.fields():
            path = struct.path(key)
            for target in structs_in(reach.values[path]):
                holders.setdefault(target.name, {})[path] = struct

    def is_part(struct: Struct) -> bool:
        held_in = holders.get(struct.name, {})
        return (
            len(held_in) == 1
            and not can_go(struct)
            and not any(
                reach.varies(path) or owner is reach.world for path, owner in held_in.items()
            )
        )

    made = []
    for struct in structs:
        if not is_part(struct):
            shown = list(_shown(struct, "", is_part, reach))
            if shown or can_go(struct):
                made.append(card(struct, shown, reach))
    return made


def parted(shown: list[Card], reach: Reach) -> tuple[list[Card], list[Card]]:
    """Part the cards worth drawing from those only worth a line, where there are very many.

    Worth drawing is what some step changes, and what such a field may name.
    """
    if len(shown) <= MOST_CARDS:
        return shown, []
    moving = {
        card.name
        for card in shown
        if any(reach.varies(card.struct.path(key)) for key, _ in card.struct.fields())
        or any(reach.varies(row.path) for row in card.rows)
    }
    named = {
        struct.name
        for card in shown
        for row in card.rows
        if reach.varies(row.path)
        for value in reach.values[row.path]
        for struct in structs_in(value)
    }
    drawn = [card for card in shown if card.name in moving or card.struct.name in named]
    return drawn, [card for card in shown if card not in drawn]


def trimmed(card: Card) -> tuple[Card, list[str]]:
    """Return a card, and the labels of the rows it has no more: of very many, the still ones."""
    if len(card.rows) <= MOST_ROWS:
        return card, []
    left = tuple(row for row in card.rows if row.live)
    return card._replace(rows=left), [row.label for row in card.rows if not row.live]


def walk(world: World) -> list[Struct]:
    """Return every object of a world, nearest to the root first."""
    found: dict[int, Struct] = {id(world): world}
    queue: list[Struct] = [world]
    for struct in queue:
        for _, value in struct.fields():
            for target in structs_in(value):
                if id(target) not in found:
                    found[id(target)] = target
                    queue.append(target)
    return queue


def _shown(
    struct: Struct, prefix: str, is_part: Callable[[Struct], bool], reach: Reach
) -> Iterator[Row]:
    """Yield the rows of an object and of its parts.

    A flag that never changes belongs to the case, not to the picture.
    """
    values = dict(struct.fields())
    for key, say in rows(struct):
        value, path = values[key], struct.path(key)
        below = f"{prefix}[{key}]" if path.endswith("]") else f"{prefix}.{key}".lstrip(".")
        if isinstance(value, Struct) and is_part(value):
            parts = list(_shown(value, below, is_part, reach))
            if len(parts) == 1 and not parts[0].path.endswith("]"):
                parts = [parts[0]._replace(label=below)]
            yield from parts
        elif isinstance(struct, World) and structs_in(value) and not reach.varies(path):
            continue  # the root only names its objects
        elif reach.varies(path) or not (value is None or isinstance(value, bool)):
            live = reach.varies(path) or any(can_go(target) for target in structs_in(value))
            yield Row(path, below, say, live)


def card(struct: Struct, shown: Sequence[Row], reach: Reach) -> Card:
    """Make a card wide enough for the values that its fields may have."""
    is_world = isinstance(struct, World)
    name = "world" if is_world else struct.name
    kind = type(struct).__name__
    plain = name.lower().replace("_", "").replace(" ", "")
    if is_world or kind == "Map" or kind.lower() in plain:
        kind = ""
    return sized(Card(name, kind, struct, tuple(shown)), reach)


def sized(
    card: Card, reach: Reach, widest: int = WIDEST, short: int = SHORT, lost_too: bool = False
) -> Card:
    """Return a card as wide as what its fields may hold.

    Args:
        card: the card.
        reach: what its fields may hold.
        widest: characters that a value takes at most.
        short: characters of a value that has room for its change from another.
        lost_too: one that may refer to something freed has room for its change, too.
    """
    labels = max((len(row.label) for row in card.rows), default=0)
    width = 0
    for row in card.rows:
        values = reach.values[row.path]
        said = [(len(row.say(value)), any(map(can_go, structs_in(value)))) for value in values]
        plain = max(length for length, _ in said)
        longest = max(length + len(LOST) * goes for length, goes in said)
        if len(values) > 1:
            is_short = (plain if lost_too else longest) <= short
            longest = max(longest + 2, plain + len(" → ") + longest if is_short else 0)
        width = max(width, min(longest, widest))
    return card._replace(label_width=labels, value_width=width)


def said(row: Row, frame: Frame, width: int) -> str:
    """Return a field's value in words, at most `width`; one just written says what it was."""
    value = frame.values[row.path]
    words = row.say(value) + (LOST if lost(row, frame) else "")
    for change in frame.writes:
        if change.field == row.path:
            ways = (f"{row.say(change.old)} → {words}", f"→ {words}")
            words = next((way for way in ways if len(way) <= width), words)
    return shorten(words, width)


def lost(row: Row, frame: Frame) -> bool:
    """Tell whether a field refers to an object that is no more."""
    return any(gone(target, frame.values) for target in structs_in(frame.values[row.path]))
