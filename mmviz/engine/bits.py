"""Packing: how the values of a slot become bits of one integer."""

from dataclasses import fields, is_dataclass
from typing import Any


class Bits:
    """How the values of one slot lie in a packed state.

    Attributes:
        mask: the bits given to the slot, 0 while it has kept its first value.
        values: packed bits -> value.
        codes: token of a value -> packed bits.
        rows: the learned tables whose keys hold this slot.
    """

    __slots__ = ("chunks", "codes", "mask", "rows", "values")

    def __init__(self, initial: Any) -> None:
        self.mask = 0
        self.chunks: list[int] = []
        self.values: dict[int, Any] = {0: initial}
        self.codes: dict[Any, int] = {token(initial): 0}
        self.rows: list[list[Any]] = []

    def pack(self, value: Any, top: int) -> tuple[int, int]:
        """Return the bits of a value and how many new bits, from `top` up, that took."""
        key = token(value)
        if key in self.codes:
            return self.codes[key], 0
        number, room, width = len(self.codes), self.mask.bit_count(), 0
        if number >> room:
            width = max(1, room)
            chunk = ((1 << width) - 1) << top
            self.chunks.append(chunk)
            self.mask |= chunk
            for row in self.rows:
                row[0] |= chunk
        packed = 0
        for chunk in self.chunks:
            size = chunk.bit_count()
            packed |= (number & ((1 << size) - 1)) * (chunk & -chunk)
            number >>= size
        self.codes[key], self.values[packed] = packed, value
        return packed, width


def token(value: Any) -> Any:
    """Return a key that separates values that merely compare equal, such as 1 and True."""
    if isinstance(value, tuple):
        return (type(value), *map(token, value))
    if isinstance(value, frozenset):
        return (type(value), frozenset(map(token, value)))
    if is_dataclass(value) and type(value).__eq__ is not object.__eq__:
        return (type(value), *(token(getattr(value, field.name)) for field in fields(value)))
    return (type(value), value)


def widen(row: list[Any], known: set[int], touched: set[int], bits: list[Bits]) -> None:
    """Add slots to the keys of a learned table; its contents are discarded then.

    Args:
        row: [mask of the slots in its keys, {their packed values: what was learned}].
        known: the slots in its keys so far; changed in place.
        touched: the slots that matter.
        bits: how each slot lies in a state.
    """
    fresh = touched - known
    if fresh:
        known |= fresh
        for slot in fresh:
            bits[slot].rows.append(row)
            row[0] |= bits[slot].mask
        row[1].clear()
