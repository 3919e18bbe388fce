"""The rows of a diagram as a search has them, and the nodes that it walks."""

from dataclasses import dataclass
from typing import NamedTuple

from mmviz.engine.location import Location

LEAST_NODES = 2_000  # that one search may look at
NOTHING: frozenset[str] = frozenset()


@dataclass
class Budget:
    """How many nodes may still be looked at, by all searches together."""

    left: int

    def of_one(self) -> int:
        """Return how many one search may look at: some, where none are left."""
        return max(LEAST_NODES, self.left)


class Entered(NamedTuple):
    """Where an actor took its last step, and how many functions it has entered since."""

    before: Location | None
    many: int


class Node(NamedTuple):
    """A node of the search.

    Attributes:
        state: the packed state.
        done: how many rows have happened.
        last: where each actor took its last step.
        broken: a bad state has been violated on the way, or is.
    """

    state: int
    done: int
    last: tuple[Location | Entered | None, ...]
    broken: bool


class Row(NamedTuple):
    """A step of the diagram that the case has.

    Attributes:
        number: of the step.
        p: the number of its actor.
        function: what the code calls it.
        on: the objects that it may be done on; none for any.
    """

    number: int
    p: int
    function: str
    on: frozenset[str] = NOTHING
