"""The program of a litmus test, whatever language it came in: threads of accesses and tests."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from mmviz.reading.litmus_text import Value
from mmviz.reading.litmus_tokens import Unread

Get: TypeAlias = Callable[[str], Value]
"""Returns what a register of the thread holds."""
Expression: TypeAlias = Callable[[Get], Value]

LOAD, STORE, LOCKED, FENCE, NOTHING = "load", "store", "locked", "fence", "nothing"
LOCK, TRYLOCK, IS_LOCKED, UNLOCK = "lock", "trylock", "is_locked", "unlock"
RCU_LOCK, RCU_UNLOCK, RCU_BEGIN, RCU_END = "rcu_lock", "rcu_unlock", "rcu_begin", "rcu_end"
LOCAL = "local"
END = "its end"  # a label that no test can write
PLAIN_LOAD, PLAIN_STORE = "load", "store"  # functions that stand for *x
MOST_THREADS, MOST_NODES = 10, 120
OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "&~": lambda left, right: left & ~right,
}


class Done(NamedTuple):
    """What an action does: the new value of the location, those of registers, and its result."""

    new: Value | None = None
    registers: Mapping[str, Value] = {}
    answer: Value | None = None


class Action(NamedTuple):
    """One step of a thread.

    Attributes:
        kind: what it does to memory.
        function: its name, "movl" or "READ_ONCE".
        words: its operands, as they are shown.
        source: the statement that it is a part of.
        line: where that begins in the text.
        where: the location, or the lock; None where it has none.
        effect: from the value that is found there, what it does.
        is_plain: tells of a locked action whether it finds that it has nothing to change, and
            then only loads.
    """

    kind: str
    function: str
    words: tuple[str, ...]
    source: str
    line: int
    where: Expression | None = None
    effect: Callable[[Value, Get], Done] | None = None
    is_plain: Callable[[Value, Get], bool] | None = None


class Jump(NamedTuple):
    """Go on at a label; with a test, only if its result is `when`."""

    label: str
    line: int
    test: Action | None = None
    when: bool = True


@dataclass
class Thread:
    """A thread.

    Attributes:
        name: "P0".
        nodes: its actions and jumps.
        labels: label -> number of the node that it stands before.
        registers: register -> first value.
        locks: the names of the locks that it may take.
    """

    name: str
    nodes: list[Action | Jump] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    registers: dict[str, Value] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The number in its name."""
        return int(self.name[1:])

    def check(self) -> None:
        """Refuse labels that are missing, loops, and a thread that is too long.

        Raises:
            Unread: there is one.
        """
        if len(self.nodes) > MOST_NODES:
            line = self.nodes[MOST_NODES].line
            raise Unread(f"{self.name} has more than {MOST_NODES} steps", line)
        for at, node in enumerate(self.nodes):
            if isinstance(node, Jump):
                target = self.labels.get(node.label)
                if target is None:
                    raise Unread(f"{self.name} has no label {node.label}", node.line)
                if target <= at:
                    raise Unread(
                        f"loops are not read: {self.name} jumps back to {node.label}", node.line
                    )


def actions(thread: Thread) -> list[Action]:
    """Return the actions of a thread, those that jumps test with included."""
    found = [node.test if isinstance(node, Jump) else node for node in thread.nodes]
    return [node for node in found if node is not None]


class Program(NamedTuple):
    """A program.

    Attributes:
        threads: P0, P1, …
        locations: every location of memory that it uses, in the order of the text.
        locks: its spinlocks.
        notes: what a reader is told of it.
    """

    threads: list[Thread]
    locations: list[str]
    locks: list[str]
    notes: list[str]


def number(value: Value) -> int:
    """Return an integer; an address is none.

    Raises:
        Unread: it is an address.
    """
    if isinstance(value, str):
        raise Unread(f"arithmetic with the address of {value} is not read")
    return value


def address(value: Value) -> str:
    """Return a location; an integer is none.

    Raises:
        Unread: it is an integer.
    """
    if isinstance(value, int):
        raise Unread(f"{value} is used as an address, and no location has that address")
    return value


def wrapped(value: int, bits: int = 32) -> int:
    """Return a number as a signed integer of so many bits."""
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half
