"""Adjacent bits of a page-table entry."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """Adjacent bits of an entry.

    Attributes:
        name: its usual name.
        low, width: its lowest bit, and how many there are.
        meaning: what it means, one sentence with the kernel's name.
        attribute: where a decoded entry keeps it; "" if it does not.
        fixed: the only value it can have, None if it is free.
        inverted: each bit is stored as its opposite.
        scale: how many zero bits the value has below the stored ones, as a huge page's PFN has.
    """

    name: str
    low: int
    width: int
    meaning: str
    attribute: str = ""
    fixed: int | None = None
    inverted: bool = False
    scale: int = 0

    @property
    def most(self) -> int:
        """The largest stored value."""
        return (1 << self.width) - 1

    @property
    def bits(self) -> str:
        """Its bits in the usual notation, "58..9"."""
        return f"{self.low + self.width - 1}..{self.low}" if self.width > 1 else str(self.low)

    def get(self, raw: int) -> int:
        """Return its value in an entry."""
        value = raw >> self.low & self.most
        return (value ^ self.most if self.inverted else value) << self.scale

    def put(self, value: int) -> int:
        """Return an entry's bits with this value."""
        value >>= self.scale
        return (value ^ self.most if self.inverted else value) << self.low

    def holds(self, value: int) -> bool:
        """Tell whether the value fits."""
        return 0 <= value >> self.scale <= self.most and not value & ((1 << self.scale) - 1)


def flag(name: str, low: int, attribute: str, meaning: str) -> Field:
    """Return a field of one free bit."""
    return Field(name, low, 1, meaning, attribute)


def zero(name: str, low: int, meaning: str, width: int = 1) -> Field:
    """Return bits that are always clear."""
    return Field(name, low, width, meaning, fixed=0)
