"""Decision diagrams: a condition on slots as a graph in which equal parts exist once.

A condition that loops over objects has as many situations as the product of what each object may
be.  As a diagram it grows with their sum, because the part for the second object is the same
whatever the first one was.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Union

Diagram = Union["Choice", Hashable]
"""A choice, or what a path through the choices ends with."""


@dataclass(frozen=True, eq=False)
class Choice:
    """What follows depends on the value of one slot.

    Attributes:
        slot: the slot.
        below: what follows for each of its values, by number.
    """

    slot: int
    below: tuple[Diagram, ...]


class Diagrams:
    """Makes diagrams in which equal parts are the same object."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, tuple[object, ...]], Choice] = {}

    def choice(self, slot: int, below: tuple[Diagram, ...]) -> Diagram:
        """Return a choice; where all values lead to the same, that itself."""
        if all(each is below[0] or _equal(each, below[0]) for each in below):
            return below[0]
        key = (slot, tuple(id(each) if isinstance(each, Choice) else each for each in below))
        return self._known.setdefault(key, Choice(slot, below))

    def replaced(self, diagram: Diagram, by: Callable[[Diagram], Diagram | None]) -> Diagram:
        """Return a diagram in which each part is replaced for which `by` returns not None."""
        done: dict[int, Diagram] = {}

        def replace(part: Diagram) -> Diagram:
            found = by(part)
            if found is not None:
                return found
            if not isinstance(part, Choice):
                return part
            if id(part) not in done:
                done[id(part)] = self.choice(part.slot, tuple(map(replace, part.below)))
            return done[id(part)]

        return replace(diagram)

    def restricted(self, diagram: Diagram, known: Mapping[int, frozenset[int]]) -> Diagram:
        """Return what is left of a diagram where something of the slots is known.

        Args:
            diagram: the condition.
            known: for some slots the numbers of the values that each may have.
        """
        done: dict[int, Diagram] = {}

        def restrict(part: Diagram) -> Diagram:
            if not isinstance(part, Choice):
                return part
            if id(part) not in done:
                numbers = known.get(part.slot, frozenset(range(len(part.below))))
                found = {number: restrict(part.below[number]) for number in sorted(numbers)}
                other = next(iter(found.values()))
                below = tuple(found.get(number, other) for number in range(len(part.below)))
                done[id(part)] = self.choice(part.slot, below)
            return done[id(part)]

        return restrict(diagram)


def decide(diagram: Diagram, numbers: Mapping[int, int] | tuple[int, ...]) -> Hashable:
    """Return what a diagram says where each slot has the value of the given number."""
    while isinstance(diagram, Choice):
        diagram = diagram.below[numbers[diagram.slot]]
    return diagram


def parts(diagram: Diagram, without: Diagram = None) -> Iterator[Diagram]:
    """Yield the parts of a diagram, each once, from the top; nothing below the part `without`."""
    seen, queue = {_key(diagram)}, [diagram]
    for part in queue:  # grows while we walk it
        yield part
        if isinstance(part, Choice) and part is not without:
            for each in part.below:
                if _key(each) not in seen:
                    seen.add(_key(each))
                    queue.append(each)


def _key(part: Diagram) -> object:
    return id(part) if isinstance(part, Choice) else (type(part), part)


def _equal(one: Diagram, other: Diagram) -> bool:
    return not isinstance(one, Choice) and not isinstance(other, Choice) and one == other
