"""What states have in common: keys under which an answer can be kept, and values once each.

Two states with equal keys have equal answers.  All of it follows the masks of the learned model, so
above the engine no packed state is taken apart.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from mmviz.engine.learn import Model

T = TypeVar("T")


class EachValue(Generic[T]):
    """What is made of the values of some fields, once for each value of each field.

    Args:
        model: the learned case.
        slots: of the fields.
        make: is given a slot and a value.
    """

    def __init__(self, model: Model, slots: Sequence[int], make: Callable[[int, Any], T]) -> None:
        self._fields: list[tuple[int, Any, dict[int, T]]] = [
            (slot, model.bits[slot], {}) for slot in slots
        ]
        self._make = make

    def of(self, state: int) -> list[T]:
        """Return what has been made of each field's value in a packed state."""
        found = []
        for slot, bits, known in self._fields:
            packed = state & bits.mask
            made = known.get(packed)
            if made is None:
                made = known[packed] = self._make(slot, bits.values[packed])
            found.append(made)
        return found


def value(model: Model, state: int, slot: int) -> Any:
    """Return the value of one field in a packed state."""
    bits = model.bits[slot]
    return bits.values[state & bits.mask]


def place(model: Model, state: int, p: int) -> int:
    """Return a key for the location of actor number `p`."""
    return state & model.location_bits[p].mask


def doing(model: Model, state: int, p: int) -> tuple[int, int, int]:
    """Return a key for what the next step of actor number `p` does in a packed state.

    It is to be asked for once the model has learned the step there (`successor`).
    """
    return p, place(model, state, p), state & model.location(state, p).row[0]


def changed(model: Model, state: int, writes: dict[int, Any]) -> list[int]:
    """Return the slots to which a step has written another value than they have in a state."""
    return [slot for slot, now in writes.items() if now != value(model, state, slot)]
