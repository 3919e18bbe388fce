"""How much of a number an actor has added and not taken back, by where it is."""

from collections.abc import Callable, Iterator
from typing import Any

from mmviz.engine.learn import Model
from mmviz.engine.location import Location


def added(model: Model, actor: str, path: str, count: Callable[[Any], int]) -> dict[Location, int]:
    """Return, for each location of an actor, what its steps on the way there have added to a field.

    Only the way that reaches a location first is followed, as far as the model has learned.

    Args:
        model: the learned case.
        actor: its name.
        path: the field's.
        count: what is added up, of the field's value.

    Returns:
        No sum is below zero: what was there at the start does not count.
    """
    slot = model.ledger.paths.index(path)
    bits, here = model.bits[slot], model.location_bits[model.index[actor]]
    packed = {location: code for code, location in here.values.items()}

    def total(state: int) -> int:
        return count(bits.values[state & bits.mask])

    def followed(location: Location) -> Iterator[tuple[Location, int]]:
        """Yield the locations that follow, and what is added on the way."""
        for was, delta in location.row[1].items():
            if delta is None:
                continue
            before = was | packed[location]
            state = before + delta
            changes = slot in location.touched and (before ^ state) & bits.mask
            if (after := here.values.get(state & here.mask)) is not None:
                yield after, total(state) - total(before) if changes else 0
        yield from ((after, 0) for after in location.after)

    found = {location: 0 for location in packed if not location.depth}
    queue = list(found)
    for location in queue:
        for after, more in followed(location):
            if after not in found:
                found[after] = max(0, found[location] + more)
                queue.append(after)
    return found
