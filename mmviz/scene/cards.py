"""Kernel objects as cards: a title, and one row for each field.

Every `Struct` gets a card without code of its own. A type that needs more registers with `rows`
(the fields to show, and how to word their values) or with `gone` (when the object is freed). The
place of a card on the sheet is decided elsewhere.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import singledispatch
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from mmviz.engine import Frame, Model, Struct, World, spoken
from mmviz.kernel.mm.mm_struct import MmStruct
from mmviz.kernel.mm.page import GUP_PIN_COUNTING_BIAS, Page
from mmviz.kernel.sync.locks import SeqCount
from mmviz.kernel.sync.refcount import RefCount
from mmviz.scene.marks import shorten
from mmviz.scene.reach import Reach, structs_in

Values = Mapping[str, Any]
Wording = Callable[[Any], str]
WIDEST, SHORT = 34, 9  # characters of a value, and of one short enough to show its change
FREED = " ✗ freed"
MOST_ROWS = 20  # on a card; beyond, rows that never change are named in a line
MOST_CARDS = 20  # beyond, cards that never change are named in a line


class Row(NamedTuple):
    """One field on a card: its path, its label, and a function that words its value.

    The text of a live row changes: its value does, or the object it refers to may be freed.
    """

    path: str
    label: str
    wording: Wording = spoken
    live: bool = True


class Card(NamedTuple):
    """One object. `name` is its name in captions; sizes are in cells."""

    name: str
    kind: str
    struct: Struct
    rows: tuple[Row, ...]
    label_width: int = 0
    value_width: int = 0
    foot: int = 0  # free lines below the rows

    @property
    def title(self) -> str:
        """The name, and the kind unless the name contains it."""
        return f"{self.name}  {self.kind}" if self.kind else self.name

    @property
    def width(self) -> float:
        """A cell on either side, two between label and value, and room for "freed"."""
        room = len(" freed") if can_be_freed(self.struct) else 0
        return max(self.label_width + 2 + self.value_width, len(self.title) + room) + 2

    @property
    def height(self) -> float:
        """The title, the rows, the lines below them, and a margin."""
        return TITLE + ROW * (len(self.rows) + self.foot) + 0.2


TITLE, ROW = 1.2, 1.15  # lines that a title and a row take


@singledispatch
def rows(struct: Struct) -> Iterator[tuple[Any, Wording]]:
    """Yield the fields of an object that get a row, and the functions that word their values.

    `freed` gets none: the whole card shows it.
    """
    for key, _ in struct.fields():
        if key != "freed":
            yield key, spoken


@rows.register
def _(page: Page) -> Iterator[tuple[Any, Wording]]:
    yield "refs", pins
    yield "locked", spoken
    for key, _ in page.fields():
        if key not in ("pfn", "refs", "locked"):
            yield key, spoken


@rows.register
def _(count: SeqCount) -> Iterator[tuple[Any, Wording]]:
    for key, _ in count.fields():
        yield key, odd if key == "sequence" else spoken


def pins(refs: int) -> str:
    """Return a page's references with its pins apart, each of which counts 1024: "2 + 1 pin"."""
    pinned, rest = divmod(refs, GUP_PIN_COUNTING_BIAS)
    return f"{rest} + {pinned} pin{'s' * (pinned > 1)}" if pinned else str(refs)


_WORDINGS: WeakKeyDictionary[Model, Mapping[str, Wording]] = WeakKeyDictionary()


def wordings(model: Model) -> Mapping[str, Wording]:
    """Return the wording of each field that has one of its own, by its path."""
    known = _WORDINGS.get(model)
    if known is None:
        world, _ = model.copy(model.start)  # what a model reads is part of what it learns
        known = _WORDINGS[model] = {
            struct.path(key): wording
            for struct in walk(world)
            for key, wording in rows(struct)
            if wording is not spoken
        }
    return known


def odd(sequence: int) -> str:
    """Return a sequence number, with a note if a writer is inside."""
    return f"{sequence} (odd: writer inside)" if sequence % 2 else str(sequence)


@singledispatch
def gone(struct: Struct, values: Values) -> str:
    """Return "freed" or "free" once the allocator has the object's memory back, else ""."""
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


def can_be_freed(struct: Struct) -> bool:
    """Tell whether objects of this kind can be freed."""
    is_special = gone.dispatch(type(struct)) is not gone.dispatch(Struct)
    return is_special or hasattr(type(struct), "freed")


def cards(reach: Reach) -> list[Card]:
    """Return a card for every object of a case.

    An object that one field of one other object always holds is a part of that object, like a
    struct embedded in a struct: its fields become rows of the other's card.
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
            and not can_be_freed(struct)
            and not any(
                reach.varies(path) or owner is reach.world for path, owner in held_in.items()
            )
        )

    made = []
    for struct in structs:
        if not is_part(struct):
            shown = list(_shown(struct, "", is_part, reach))
            if shown or can_be_freed(struct):
                made.append(card(struct, shown, reach))
    return made


def drawn_and_still(shown: list[Card], reach: Reach) -> tuple[list[Card], list[Card]]:
    """Return the cards to draw, and those that are only named in a line.

    Above MOST_CARDS, only the objects that some step changes, or that such a field may refer to,
    are drawn.
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
    """Return a card without the rows that never change, if it has too many, and their labels."""
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

    A flag that never changes gets none: it is part of the case.
    """
    values = dict(struct.fields())
    for key, wording in rows(struct):
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
            live = reach.varies(path) or any(can_be_freed(target) for target in structs_in(value))
            yield Row(path, below, wording, live)


def card(struct: Struct, shown: Sequence[Row], reach: Reach) -> Card:
    """Return a card wide enough for every value that its fields may have."""
    is_world = isinstance(struct, World)
    name = "world" if is_world else struct.name
    kind = type(struct).__name__
    plain = name.lower().replace("_", "").replace(" ", "")
    if is_world or kind == "Map" or kind.lower() in plain:
        kind = ""
    return sized(Card(name, kind, struct, tuple(shown)), reach)


def sized(
    card: Card, reach: Reach, widest: int = WIDEST, short: int = SHORT, freed_too: bool = False
) -> Card:
    """Return a card wide enough for the values that its fields may have.

    Args:
        card: the card.
        reach: the values that fields may have.
        widest: the most characters of a value.
        short: a value up to this length also gets room for its change, "1 → 0".
        freed_too: also if the value may refer to a freed object.
    """
    labels = max((len(row.label) for row in card.rows), default=0)
    width = 0
    for row in card.rows:
        values = reach.values[row.path]
        lengths = [
            (len(row.wording(value)), any(map(can_be_freed, structs_in(value)))) for value in values
        ]
        plain = max(length for length, _ in lengths)
        longest = max(length + len(FREED) * frees for length, frees in lengths)
        if len(values) > 1:
            is_short = (plain if freed_too else longest) <= short
            longest = max(longest + 2, plain + len(" → ") + longest if is_short else 0)
        width = max(width, min(longest, widest))
    return card._replace(label_width=labels, value_width=width)


def value_text(row: Row, frame: Frame, width: int) -> str:
    """Return a field's value in at most `width` characters, with the old value if just written."""
    value = frame.values[row.path]
    words = row.wording(value) + (FREED if dangles(row, frame) else "")
    for change in frame.writes:
        if change.field == row.path:
            ways = (f"{row.wording(change.old)} → {words}", f"→ {words}")
            words = next((way for way in ways if len(way) <= width), words)
    return shorten(words, width)


def dangles(row: Row, frame: Frame) -> bool:
    """Tell whether a field refers to a freed object."""
    return any(gone(target, frame.values) for target in structs_in(frame.values[row.path]))
