"""The locks that a diagram takes plainly, and what a search of its skeleton will find.

A lock of the kit stands for a lock of the diagram only if the diagram can happen with it: in its
order each is free when it is taken, or the actor waits there for good, and each is dropped by the
actor that took it. What a skeleton declares is found by walking its columns, not by running it.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mmviz.reading.also_called import VARIANT
from mmviz.reading.diagram import Diagram

KINDS = {  # function -> the class of its lock, and how it takes (+) or drops (-) it
    "mutex_lock": ("Mutex", "+w"),
    "mutex_unlock": ("Mutex", "-w"),
    "spin_lock": ("SpinLock", "+w"),
    "spin_unlock": ("SpinLock", "-w"),
    "down_read": ("RwSemaphore", "+r"),
    "up_read": ("RwSemaphore", "-r"),
    "down_write": ("RwSemaphore", "+w"),
    "up_write": ("RwSemaphore", "-w"),
}
DROPS = {"mutex_lock": "mutex_unlock", "spin_lock": "spin_unlock"} | {
    "down_read": "up_read",
    "down_write": "up_write",
}
READS = "down_read", "down_read"
ONE, WAIT = "one actor at a time", "the last actor goes first"
TAKE, RELEASE, FINISH = "+w", "-w", "finish"
MOST_STATES = 20_000


class Taken(NamedTuple):
    """A step that takes or drops a lock of the kit."""

    lock: str
    function: str


class Step(NamedTuple):
    """A step of a skeleton's actor: what it does with a lock, or which step of the order it is."""

    lock: str = ""
    how: str = ""
    place: int = 0


@dataclass
class Locks:
    """The locks that a diagram takes plainly.

    Attributes:
        kinds: each lock, with its class.
        of_step: the steps that take or drop one, by number.
        left: what each column's actor drops in the end, although it is not drawn.
        columns: the steps of each column.
        counted: how many steps have a place in the order.
    """

    kinds: dict[str, tuple[str, str]] = field(default_factory=dict)
    of_step: dict[int, Taken] = field(default_factory=dict)
    left: dict[int, list[Taken]] = field(default_factory=dict)
    columns: dict[int, list[Step]] = field(default_factory=dict)
    counted: int = 0


class Found(NamedTuple):
    """What a search of a skeleton finds: 0 states where there are too many."""

    states: int
    happens: bool
    always: bool
    deadlock: bool

    @property
    def is_safe(self) -> bool:
        """Whether nothing goes wrong."""
        return bool(self.states) and not self.happens and not self.deadlock


def locks_of(diagram: Diagram) -> Locks:
    """Return the locks of a diagram; none if it cannot happen with them."""
    found = _plain(diagram)
    if found.of_step and _replays(diagram, found):
        return _with_columns(diagram, found)
    return _with_columns(diagram, Locks())


def goes_on(diagram: Diagram) -> str:
    """Say which column goes on although another one holds the lock that it takes; "" for none."""
    locks, held = _plain(diagram), list[tuple[Taken, int, int]]()
    waiting: dict[int, tuple[Taken, str]] = {}
    for number, step in enumerate(diagram.steps if diagram.ordered else (), 1):
        column, line, taken = step.column, step.rows[0], locks.of_step.get(number)
        if column in waiting:
            return f"{waiting[column][1]}, and goes on at line {line}: with one lock it cannot."
        if taken is None:
            continue
        if taken.function in DROPS:
            for other, c, since in held:
                reads = (other.function, taken.function) == READS
                if c != column and other.lock == taken.lock and not reads:
                    who = f"{diagram.columns[c - 1]} holds since line {since}"
                    waiting[column] = taken, f"Line {line} takes {taken.lock}, which {who}"
            if column not in waiting:
                held.append((taken, column, line))
            continue
        held = [each for each in held if (each[0].lock, each[1]) != (taken.lock, column)]
        for c in [c for c, (wants, _) in waiting.items() if wants.lock == taken.lock]:
            held.append((waiting.pop(c)[0], c, line))
    return ""


def _plain(diagram: Diagram) -> Locks:
    found = Locks()
    for number, step in enumerate(diagram.steps, 1):
        variant = VARIANT.fullmatch(step.function or "")
        function = (variant[1] if variant else step.function or "").removeprefix("raw_")
        known, lock = KINDS.get(function), re.sub(r"[\s&*()]", "", (step.args or [""])[0])
        is_plain = re.fullmatch(r"[A-Za-z_][\w.>\[\]-]*", lock) and step.text.startswith(
            step.function or " "
        )
        if known and is_plain:
            if found.kinds.setdefault(lock, known)[0] != known[0]:
                return Locks()
            found.of_step[number] = Taken(lock, function)
    return found


def _replays(diagram: Diagram, found: Locks) -> bool:
    """Tell whether the diagram happens with its locks; note what its actors still hold."""
    held: dict[int, list[Taken]] = {}
    waiting: set[int] = set()
    for number, step in enumerate(diagram.steps, 1):
        column, taken = step.column, found.of_step.get(number)
        if taken is None:
            if waiting:
                return False  # what waits, waits for good
            continue
        own = held.setdefault(column, [])
        if taken.function in DROPS:
            kind = found.kinds[taken.lock][0]
            spins = any(found.kinds[each.lock][0] == "SpinLock" for each in own)
            if any(each.lock == taken.lock for each in own) or (spins and kind != "SpinLock"):
                return False
            others = [each for c, all_ in held.items() if c != column for each in all_]
            waits = column in waiting or any(
                each.lock == taken.lock and (each.function, taken.function) != READS
                for each in others
            )
            if waiting and (not waits or column in waiting):
                return False
            waiting |= {column} if waits else set()
            own.append(taken)
        elif waiting:
            return False
        else:
            match = [each for each in own if DROPS[each.function] == taken.function]
            mine = [each for each in match if each.lock == taken.lock]
            if not mine:
                return False
            own.remove(mine[-1])
    found.left = {
        column: [Taken(each.lock, DROPS[each.function]) for each in reversed(own)]
        for column, own in held.items()
    }
    return True


def _with_columns(diagram: Diagram, found: Locks) -> Locks:
    for number, step in enumerate(diagram.steps, 1):
        taken = found.of_step.get(number)
        if taken is None:
            found.counted += 1
            each = Step(place=found.counted)
        else:
            each = Step(taken.lock, KINDS[taken.function][1])
        found.columns.setdefault(step.column, []).append(each)
    found.columns = dict(sorted(found.columns.items()))
    for column, left in found.left.items():
        own = found.columns[column]
        own += [Step(each.lock, KINDS[each.function][1]) for each in left]
    return found


# -- what a search finds -----------------------------------------------------------------------

Node = tuple[tuple[int, ...], int]
"""How many steps each actor has taken, and how far the order of the diagram has happened."""


def found(locks: Locks, fix: str = "", last: int = 0) -> Found:
    """Return what a search of the skeleton finds, with a fix or without."""
    columns = [_fixed(own, fix, column == last) for column, own in locks.columns.items()]
    start: Node = ((0,) * len(columns), 0)
    after: dict[Node, list[Node]] = {start: []}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        after[node] = list(_moves(columns, node))
        for each in after[node]:
            if each not in after:
                after[each] = []
                queue.append(each)
        if len(after) > MOST_STATES:
            return Found(0, True, False, False)
    ends = [node for node in after if not after[node]]
    lengths = tuple(map(len, columns))
    done = bool(locks.counted)
    return Found(
        len(after),
        done and any(node[1] == locks.counted for node in after),
        done and all(node[1] == locks.counted for node in ends),
        any(node[0] != lengths for node in ends),
    )


def _fixed(own: Sequence[Step], fix: str, is_last: bool) -> list[Step]:
    if fix == ONE:
        return [Step(ONE, TAKE), *own, Step(ONE, RELEASE)]
    if fix == WAIT:
        return [*own, Step(WAIT, FINISH)] if is_last else [Step(WAIT), *own]
    return [*own]


def _moves(columns: Sequence[Sequence[Step]], node: Node) -> Iterator[Node]:
    at, count = node
    taken = [_held(own[:k]) for own, k in zip(columns, at, strict=True)]
    is_done = any(
        step.how == FINISH for own, k in zip(columns, at, strict=True) for step in own[:k]
    )
    for p, (own, k) in enumerate(zip(columns, at, strict=True)):
        if k == len(own):
            continue
        step = own[k]
        others = [each for number, mine in enumerate(taken) if number != p for each in mine]
        if step.how.startswith("+") and any(
            lock == step.lock and "+w" in (how, step.how) for lock, how in others
        ):
            continue
        if step.lock == WAIT and not step.how and not is_done:
            continue
        further = count + 1 if step.place == count + 1 else count
        yield (*at[:p], k + 1, *at[p + 1 :]), further


def _held(steps: Sequence[Step]) -> list[tuple[str, str]]:
    held: list[tuple[str, str]] = []
    for step in steps:
        if step.how.startswith("+"):
            held.append((step.lock, step.how))
        elif step.how.startswith("-"):
            held.remove((step.lock, step.how.replace("-", "+")))
    return held
