"""What the classes of objects change about the cards in the picture of memory."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import singledispatch
from typing import Any, NamedTuple

from mmviz.engine import Struct
from mmviz.scene.cards import Card, Row, card, gone, walk
from mmviz.scene.look import Look
from mmviz.scene.marks import Mark
from mmviz.scene.padlocks import locks
from mmviz.scene.reach import Reach, pointee


class Form(NamedTuple):
    """How the value of a row is drawn instead of as words.

    Attributes:
        width: the cells that it takes.
        draw: draws it in a state, from its upper left corner.
    """

    width: float
    draw: Callable[[Look, float, float], Iterable[Mark]]


class Shape(NamedTuple):
    """What the class of an object changes about the cards; fields are named by their paths.

    Attributes:
        keeps: fields that have a row even if no step changes them.
        labels: labels of rows; None hides the row of a field that the form shows.
        words: functions that word the values of rows.
        foot: free lines below the rows.
        width: the least cells of the card, without its margins.
        alone: the object has a card of its own, though it is a part of another.
        forms: values of rows that are drawn.
        title: fields that the title of the card shows; its `freed` if there are none.
        leads: pointers along which an access goes on, shown though no step changes them.
    """

    keeps: frozenset[str] = frozenset()
    labels: Mapping[str, str | None] = {}
    words: Mapping[str, Callable[[Any], str]] = {}
    foot: int = 0
    width: int = 0
    alone: bool = False
    forms: Mapping[str, Form] = {}
    title: tuple[str, ...] = ()
    leads: frozenset[str] = frozenset()


@singledispatch
def shaped(struct: Struct, reach: Reach) -> Shape:
    """Return what an object's class changes about the cards; nothing by default."""
    return Shape()


MARKED: dict[type, frozenset[str]] = {}
"""The pointers of a class that its form shows without an arrow: as a tag, a bar, a place."""


def _is_marked(struct: Struct, key: str) -> bool:
    return any(isinstance(struct, kind) and key in keys for kind, keys in MARKED.items())


@singledispatch
def stroke(value: Any) -> str:
    """Return the role of the arrow of a field that has this value."""
    return "arrow"


def ends(struct: Struct, reach: Reach) -> bool:
    """Tell whether an object is freed, or allocated, in some run."""
    start = {path: reach.values[path][0] for path in _own(struct, reach)}
    states = [start | {path: value} for path in start for value in reach.values[path]]
    return len({bool(gone(struct, state)) for state in states}) > 1


def unused(struct: Struct, reach: Reach) -> bool:
    """Tell whether an object is free at the start."""
    return bool(gone(struct, {path: reach.values[path][0] for path in _own(struct, reach)}))


def _own(struct: Struct, reach: Reach) -> list[str]:
    """Return the paths of an object's fields."""
    paths = [struct.path(key) for key, _ in struct.fields()]
    return [path for path in paths if path in reach.values]


class Shapes:
    """The shapes of all objects of a case.

    Attributes:
        reach: the values that fields may have.
        keeps, leads, labels, words, forms: as in `Shape`, of all objects.
        titles: object -> the fields that its title shows.
        locks: a field that names who holds a lock -> the lock.
    """

    def __init__(self, reach: Reach) -> None:
        self.reach, self.locks = reach, locks(reach)
        self._found = {struct.name: shaped(struct, reach) for struct in walk(reach.world)}
        shapes = self._found.values()
        self.keeps = {path for shape in shapes for path in shape.keeps}
        self.leads = {path for shape in shapes for path in shape.leads}
        self.labels = {path: label for shape in shapes for path, label in shape.labels.items()}
        self.words = {path: words for shape in shapes for path, words in shape.words.items()}
        self.forms = {path: form for shape in shapes for path, form in shape.forms.items()}
        self.titles = {name: shape.title for name, shape in self._found.items()}

    def shown(self, path: str) -> bool:
        """Tell whether a field has a row."""
        return self.reach.varies(path) or path in self.keeps

    def lasting(
        self, every: Iterable[Card], shown: Collection[str], within: Mapping[str, str]
    ) -> Iterator[str]:
        """Yield pointers that never change, between two shown objects of which one may end."""
        reach = self.reach
        mortal = {each.name for each in walk(reach.world) if ends(each, reach)}
        for each in every:
            for row in each.rows if each.name in shown else ():
                target = pointee(reach.values[row.path][0])
                if reach.varies(row.path) or target is None:
                    continue
                name, key = within.get(target.name, target.name), row.path.rpartition(".")[2]
                is_part = target.name == row.path or _is_marked(each.struct, key)
                if name not in shown or name == each.name or is_part:
                    continue
                if row.path in self.leads or {target.name, each.name} & mortal:
                    yield row.path

    def worded(self, row: Row) -> Row:
        """Return a row whose value is worded as its class says."""
        return row._replace(wording=self.words.get(row.path, row.wording))

    def apart(self, each: Card) -> Iterator[Card]:
        """Yield a card without the parts that have cards of their own, and those."""
        rows = list(each.rows)
        for struct in walk(self.reach.world):
            inside = [row for row in rows if row.path.startswith(f"{struct.name}.")]
            if self._found[struct.name].alone and inside and struct is not each.struct:
                yield card(struct, inside, self.reach)
                rows = [row for row in rows if row not in inside]
        yield each._replace(rows=tuple(rows))

    def roomy(self, made: Card) -> Card:
        """Return a card with the free lines and the width that its object and its parts need."""
        here = [
            shape
            for name, shape in self._found.items()
            if name == made.struct.name
            or (name and any(row.path.startswith(f"{name}.") for row in made.rows))
        ]
        least = max((shape.width for shape in here), default=0) - made.label_width - 2
        foot = max((shape.foot for shape in here), default=0)
        return made._replace(value_width=max(made.value_width, least), foot=foot)
