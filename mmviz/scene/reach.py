"""The values and steps that any run of a case may show; the stage reserves room for them.

The search learns every value of a field and every step of an actor. So a picture is laid out once
for all runs, and nothing moves later.
"""

from collections.abc import Iterable
from functools import singledispatch
from typing import Any, NamedTuple

from mmviz.engine import Line, Model, Struct, World, spoken
from mmviz.kernel.mm.swap import SwapEntry, SwapInfo


class Reach(NamedTuple):
    """The values and steps of all runs of a case.

    Attributes:
        world: the world at the start, with its objects.
        values: the path of each field -> the values it may have, the one at the start first.
        labels: actor -> its steps, as a timeline may show them.
        lines: actor -> its possible locations, each as a stack of lines.
    """

    world: World
    values: dict[str, tuple[Any, ...]]
    labels: dict[str, tuple[str, ...]]
    lines: dict[str, tuple[tuple[Line, ...], ...]]

    def varies(self, path: str) -> bool:
        """Tell whether a field changes in some run."""
        return len(self.values[path]) > 1


def reach(model: Model) -> Reach:
    """Return the values and steps that a searched model has learned."""
    values = {
        path: tuple(bits.values.values())
        for path, bits in zip(model.ledger.paths, model.bits, strict=True)
    }
    labels: dict[str, tuple[str, ...]] = {}
    lines: dict[str, tuple[tuple[Line, ...], ...]] = {}
    for actor, locations in zip(model.actors, model.locations, strict=True):
        steps: dict[str, None] = {}
        places: dict[tuple[Line, ...], None] = {}
        for location in sorted(locations.values(), key=lambda location: location.depth):
            if location.step is not None:
                steps[location.step.label] = None
                for after in location.after:
                    steps[label(location.step.label, after.answer)] = None
                places[location.lines] = None
        labels[actor], lines[actor] = tuple(steps), tuple(places)
    world, _ = model.copy(model.start)
    return Reach(world, values, labels, lines)


def label(step: str, answer: Any) -> str:
    """Return a step with its return value, as a timeline shows it."""
    return step if answer is None else f"{step} = {spoken(answer)}"


def structs_in(value: Any) -> tuple[Struct, ...]:
    """Return the objects that a field's value refers to."""
    if isinstance(value, Struct):
        return (value,)
    if isinstance(value, tuple):
        return tuple(struct for part in value for struct in structs_in(part))
    if isinstance(value, frozenset):
        found = [struct for part in value for struct in structs_in(part)]
        return tuple(sorted(found, key=lambda struct: struct.name))
    return ()


def pointee(value: Any) -> Struct | None:
    """Return the one object that a field's value points at, None for none.

    The value is a reference, or an entry with an object and some bits. A list points at nothing:
    its row names its members, and an arrow to each would be too many.
    """
    if isinstance(value, Struct):
        return value
    found = structs_in(value) if hasattr(value, "_fields") else ()
    return found[0] if len(found) == 1 else None


def leads_to(value: Any, structs: Iterable[Struct]) -> Struct | None:
    """Return the one object that a value points at, or that of `structs` which it names."""
    target = pointee(value)
    return names_one_of(value, structs) if target is None else target


@singledispatch
def names_one_of(value: Any, structs: Iterable[Struct]) -> Struct | None:
    """Return the object that a value names without a reference to it, None for none."""
    return None


@names_one_of.register
def _(value: SwapEntry, structs: Iterable[Struct]) -> Struct | None:
    return next((struct for struct in structs if isinstance(struct, SwapInfo)), None)
