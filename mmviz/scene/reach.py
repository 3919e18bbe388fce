"""All that any run of a case may show: what a stage must have room for.

A search learns every value that a field takes and every step that an actor may want. So the
picture is laid out once, for whatever the reader will choose, and nothing moves later.
"""

from typing import Any, NamedTuple

from mmviz.engine import Line, Model, Struct, World, spoken


class Reach(NamedTuple):
    """What may happen in a case.

    Attributes:
        world: the world at the start; its objects tell what refers to what.
        values: each field's path, and the values it may have, the first one first.
        labels: each actor, and its steps as they may stand in a timeline.
        lines: each actor, and the places in its code where it may wait.
    """

    world: World
    values: dict[str, tuple[Any, ...]]
    labels: dict[str, tuple[str, ...]]
    lines: dict[str, tuple[tuple[Line, ...], ...]]

    def varies(self, path: str) -> bool:
        """Tell whether a field ever changes."""
        return len(self.values[path]) > 1


def reach(model: Model) -> Reach:
    """Return what a searched model has learned may happen."""
    values = {
        path: tuple(bits.values.values())
        for path, bits in zip(model.ledger.paths, model.bits, strict=True)
    }
    labels: dict[str, tuple[str, ...]] = {}
    lines: dict[str, tuple[tuple[Line, ...], ...]] = {}
    for actor, positions in zip(model.actors, model.positions, strict=True):
        said: dict[str, None] = {}
        places: dict[tuple[Line, ...], None] = {}
        for position in sorted(positions.values(), key=lambda position: position.depth):
            if position.step is not None:
                said[position.step.label] = None
                for after in position.after:
                    said[label(position.step.label, after.answer)] = None
                places[position.lines] = None
        labels[actor], lines[actor] = tuple(said), tuple(places)
    world, _ = model.copy(model.start)
    return Reach(world, values, labels, lines)


def label(step: str, answer: Any) -> str:
    """Return a step with what the actor heard, as it stands in a timeline."""
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
    """Return the one object that a field's value points at.

    That is a reference, or an entry that names an object beside some bits. A list points at
    nothing: its row names what is in it, and arrows for all would be a thicket.
    """
    if isinstance(value, Struct):
        return value
    found = structs_in(value) if hasattr(value, "_fields") else ()
    return found[0] if len(found) == 1 else None
