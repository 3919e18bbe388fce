"""Kernel objects as cards: a title, and one row for each field.

Any `Struct` gets a decent card with no drawing code at all. Where a type can say more, it
registers with `rows` (which fields to show, and in which words) or with `gone` (when the
object is no more). Nothing here knows where on the sheet a card lies.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import singledispatch
from typing import Any, NamedTuple

from mmviz.engine import Allocated, Frame, Struct, World, spoken
from mmviz.kernel.locks import SeqCount
from mmviz.kernel.page import Page

Values = Mapping[str, Any]
Say = Callable[[Any], str]
WIDEST = 34  # characters of a value


class Row(NamedTuple):
    """One field on a card: its path, what it is called there, and how its value is said."""

    path: str
    label: str
    say: Say = spoken


class Card(NamedTuple):
    """One object. `name` is what captions call it; sizes are in cells."""

    name: str
    kind: str
    struct: Struct
    rows: tuple[Row, ...]
    label_width: int
    value_width: int

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
        """The title, the rows, and air."""
        return TITLE + ROW * len(self.rows) + 0.2


TITLE, ROW = 1.2, 1.15  # lines that a title and a row take


@singledispatch
def rows(struct: Struct) -> Iterator[tuple[Any, Say]]:
    """Yield the fields of an object that are worth a row, and how to say their values."""
    for key, _ in struct.fields():
        if not (isinstance(struct, Allocated) and key == "freed"):
            yield key, spoken


@rows.register
def _(page: Page) -> Iterator[tuple[Any, Say]]:
    yield "refs", spoken
    yield "locked", spoken
    for key, _ in page.fields():
        if key not in ("pfn", "refs", "locked"):
            yield key, spoken


@rows.register
def _(count: SeqCount) -> Iterator[tuple[Any, Say]]:
    for key, _ in count.fields():
        yield key, odd if key == "sequence" else spoken


def odd(sequence: int) -> str:
    """Say of a sequence number whether a writer is inside."""
    return f"{sequence} (odd: writer inside)" if sequence % 2 else str(sequence)


@singledispatch
def gone(struct: Struct, values: Values) -> bool:
    """Tell whether the object is no more: its memory is back with the allocator."""
    return False


@gone.register
def _(struct: Allocated, values: Values) -> bool:
    return bool(values[struct.path("freed")])


@gone.register
def _(page: Page, values: Values) -> bool:
    return bool(values[page.path("refs")] == 0)


def can_go(struct: Struct) -> bool:
    """Tell whether objects of this kind are ever freed."""
    return gone.dispatch(type(struct)) is not gone.dispatch(Struct)


def cards(frames: Sequence[Frame]) -> list[Card]:
    """Return a card for every object of a case.

    An object that only one other object ever holds, always in the same field, is a part of
    that object, as a struct embedded in a struct is: its fields are rows of the other's card.

    Args:
        frames: of any runs of the case; the more, the surer what never changes.
    """
    world = frames[0].world
    structs = walk(world)
    holders, moving = _holders(structs, frames)

    def is_part(struct: Struct) -> bool:
        held_in = holders.get(struct.name, {})
        return (
            len(held_in) == 1
            and not can_go(struct)
            and not any(path in moving or owner is world for path, owner in held_in.items())
        )

    made = []
    for struct in structs:
        if is_part(struct):
            continue
        shown = list(_shown(struct, "", is_part, moving))
        if shown:
            made.append(_card(struct, shown, frames))
    return made


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


def structs_in(value: Any) -> Iterable[Struct]:
    """Return the objects that a field's value refers to."""
    if isinstance(value, Struct):
        return (value,)
    if isinstance(value, tuple):
        return tuple(struct for part in value for struct in structs_in(part))
    if isinstance(value, frozenset):
        found = [struct for part in value for struct in structs_in(part)]
        return tuple(sorted(found, key=lambda struct: struct.name))
    return ()


def _holders(
    structs: Sequence[Struct], frames: Sequence[Frame]
) -> tuple[dict[str, dict[str, Struct]], set[str]]:
    """Return which fields ever refer to each object, and which fields ever change."""
    holders: dict[str, dict[str, Struct]] = {}
    moving: set[str] = set()
    for struct in structs:
        for key, _ in struct.fields():
            path = struct.path(key)
            first = frames[0].values[path]
            for frame in frames:
                value = frame.values[path]
                if not _same(value, first):
                    moving.add(path)
                for target in structs_in(value):
                    holders.setdefault(target.name, {})[path] = struct
    return holders, moving


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same, even across two copies of a world."""
    if isinstance(one, Struct) and isinstance(other, Struct):
        return one.name == other.name
    return bool(spoken(one) == spoken(other))


def _shown(
    struct: Struct, prefix: str, is_part: Callable[[Struct], bool], moving: set[str]
) -> Iterator[Row]:
    """Yield the rows of an object and of its parts."""
    values = dict(struct.fields())
    shown = list(rows(struct))
    for key, say in shown:
        value, path = values[key], struct.path(key)
        below = f"{prefix}[{key}]" if path.endswith("]") else f"{prefix}.{key}".lstrip(".")
        if isinstance(value, Struct) and is_part(value):
            only = len(list(rows(value))) == 1 and not isinstance(value, World)
            parts = list(_shown(value, below, is_part, moving))
            if only and len(parts) == 1 and not parts[0].path.endswith("]"):
                parts = [parts[0]._replace(label=below)]
            yield from parts
        elif isinstance(struct, World) and path not in moving and structs_in(value):
            continue  # the root only names its objects
        else:
            yield Row(path, below, say)


def _card(struct: Struct, shown: Sequence[Row], frames: Sequence[Frame]) -> Card:
    """Make a card wide enough for every value that its fields ever have."""
    longest = 1
    for row in shown:
        for frame in frames:
            longest = max(longest, len(said(row, frame)))
    is_world = isinstance(struct, World)
    name = "world" if is_world else struct.name
    kind = type(struct).__name__
    plain = name.lower().replace("_", "").replace(" ", "")
    return Card(
        name,
        "" if is_world or kind == "Map" or kind.lower() in plain else kind,
        struct,
        tuple(shown),
        max(len(row.label) for row in shown),
        min(longest, WIDEST),
    )


def said(row: Row, frame: Frame) -> str:
    """Return a field's value in words; one just written says what it was before."""
    value = frame.values[row.path]
    words = row.say(value)
    if lost(row, frame):
        words += " ✗ freed"
    for change in frame.writes:
        if change.field == row.path:
            return f"{row.say(change.old)} → {words}"
    return words


def lost(row: Row, frame: Frame) -> bool:
    """Tell whether a field refers to an object that is no more."""
    return any(gone(target, frame.values) for target in structs_in(frame.values[row.path]))
