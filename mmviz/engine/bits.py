"""Packing: how the values of a slot become bits of one integer."""

from collections.abc import Callable
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


SIMPLE = frozenset((type(None), bool, int, str))


def token(value: Any) -> Any:
    """Return a key that separates values that merely compare equal, such as 1 and True."""
    kind = type(value)
    if kind in SIMPLE:
        return (kind, value)
    if kind not in _PARTS:
        _PARTS[kind] = _parts_of(kind)
    parts = _PARTS[kind]
    return (kind, value) if parts is None else (kind, parts(value))


# By the class of a value: what tells two of them apart; None for the value itself.
_PARTS: dict[type, Callable[[Any], Any] | None] = {}


def _parts_of(kind: type) -> Callable[[Any], Any] | None:
    if issubclass(kind, tuple):
        return lambda value: tuple(map(token, value))
    if issubclass(kind, frozenset):
        return lambda value: frozenset(map(token, value))
    if issubclass(kind, float):
        return float.hex  # 0.0 and -0.0 are equal
    if is_dataclass(kind) and kind.__eq__ is not object.__eq__:
        names = [field.name for field in fields(kind)]
        return lambda value: tuple(token(getattr(value, name)) for name in names)
    return None


def widen(
    row: list[Any], known: set[int], touched: set[int], bits: list[Bits], dropped: set[Any]
) -> None:
    """Add slots to the keys of a learned table; its contents are discarded then.

    Args:
        row: [mask of the slots in its keys, {their packed values: what was learned}].
        known: the slots in its keys so far; changed in place.
        touched: the slots that matter.
        bits: how each slot lies in a state.
        dropped: receives (key, what was learned, slots in the key) of what is discarded.
    """
    fresh = touched - known
    if fresh:
        slots = tuple(known)
        dropped.update((key, learned, slots) for key, learned in row[1].items())
        known |= fresh
        for slot in fresh:
            bits[slot].rows.append(row)
            row[0] |= bits[slot].mask
        row[1].clear()
