"""The dependency chain of a lock report: each lock, the function that took it, and how."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from mmviz.reading.lock_rows import ENDS_USE

LINK = re.compile(r"-> #(\d{1,3})\b\s*(?:\((?P<name>\S.*?)\)\s*\{[^}]*\})?")
FRAME = re.compile(
    r"^\s*(?:\[<[0-9a-f]+>\]\s+)?(?P<maybe>\?\s*)?(?P<name>[A-Za-z_][\w.]*)"
    r"(?:\+0x[0-9a-f]+/0x[0-9a-f]+|\s+\([\w./-]+:[\d?]+"
    r"|\s+[\w./-]+\.[chS]:\d+(?P<inline> \[inline\])?)"
)
CUT_OFF = re.compile(r"other info|stack backtrace|Call Trace|Chain exists|locks? held by")
LOCKDEP = (
    r"(?:__)?(?:lock_acquire|lock_release|lock_sync)\S*|check_(?:prevs?_add|noncircular|deadlock)\S*"
    r"|validate_chain\S*|mark_lock\S*|lock_map_acquire\w*|(?:rw_)?lock_acquire\w*"
)
TAKES = {  # the functions of the kernel that take a lock, by what they take
    "spins": r"_*(?:raw_)?(?:spin|read|write)_(?:try)?lock\w*|queued_\w+_lock\w*|do_raw_\w+",
    "sleeps": r"_*(?:ww_|rt_)?mutex_(?:try)?lock\w*|rtlock\w*|_*(?:percpu_)?(?:down|rwsem)_\w+"
    r"|cpus_(?:read|write)_lock",
    "sync": r"_*synchronize_srcu\w*",
}
TAKE = re.compile(f"{TAKES['spins']}|{TAKES['sleeps']}")
INSIDE = re.compile(f"{LOCKDEP}|{TAKE.pattern}")
SPINS = re.compile(TAKES["spins"])
READS = re.compile(
    r"_*(?:percpu_)?(?:down|rwsem_down)_read\w*|_*(?:raw_)?read_lock\w*|queued_read_lock\w*"
    r"|_*srcu_read_lock\w*|cpus_read_lock"
)
SYNCS = re.compile(TAKES["sync"])
DEFERRED = re.compile(r"\((?:wq_completion|work_completion|completion|complete)\)|\(\S+\)\.work$")
ENCLOSED = re.compile(r'"[^"]*"|\((?:[^()]|\([^()]*\))*\)$')


class Link(NamedTuple):
    """A link of the chain: a lock that was taken while the one before it was held.

    Attributes:
        lock: its class, as lockdep names it; "" where the text does not show it.
        function: what took it, "" if the text does not say.
        how: "lock", "rlock" for reading, "sync" for a grace period; "" if that is not known.
        spins: whether it is seen to be a lock that spins.
        number: of the link; #0 is the lock that is being taken.
    """

    lock: str
    function: str
    how: str
    spins: bool
    number: int


def is_deferred(lock: str) -> bool:
    """Tell whether it stands for work, a timer or a completion: what runs, and is waited for."""
    return bool(DEFERRED.match(lock) or ENCLOSED.fullmatch(lock))


def is_completion(lock: str) -> bool:
    """Tell whether it stands for a completion."""
    return lock.startswith(("(completion)", "(complete)"))


def is_worker(outer: str, inner: str) -> bool:
    """Tell whether one is a workqueue and the other a work: a worker holds both at once."""
    return outer.startswith(("(wq_completion)", '"')) and is_deferred(inner)


def links_of(rows: list[str], taken_at: str) -> list[Link]:
    """Return the chain, in the order of the text.

    Args:
        rows: of the report.
        taken_at: the function that the report names for the lock being taken, "" if it does not.
    """
    at = [(n, match) for n, row in enumerate(rows) if (match := LINK.search(row))]
    numbers = [int(match[1]) for _, match in at]
    rises = [n for n, (one, two) in enumerate(pairwise(numbers), 1) if two >= one]
    at = at[: rises[0]] if rises else at  # what comes after is another chain
    stacks = [_stack(rows[number + 1 :]) for number, _ in at]
    names = [" ".join((match["name"] or "").split()) for _, match in at]
    inside = _inside(names, stacks, taken_at if at and int(at[-1][1][1]) == 0 else "")
    found = []
    for (_, match), name, stack in zip(at, names, stacks, strict=True):
        seen = 0
        while seen < len(stack) and (INSIDE.fullmatch(stack[seen][0]) or stack[seen][0] in inside):
            seen += 1
        real = [frame for frame, inline in stack[seen:] if not inline]
        function = real[0] if real else next((frame for frame, _ in stack), "")
        before = [frame for frame, _ in stack[: seen + 1]]
        found.append(Link(name, function, _how(before), _spins(before), int(match[1])))
    if found and taken_at in [frame for frame, _ in stacks[-1]]:
        found[-1] = found[-1]._replace(function=taken_at)
    return found


def _stack(rows: Sequence[str]) -> list[tuple[str, bool]]:
    """Return the frames up to the next link, each with whether it was inlined."""
    found = []
    for row in rows:
        if "-> #" in row or CUT_OFF.search(row):
            break
        frame = FRAME.match(row)
        if frame and not frame["maybe"] and not ENDS_USE.search(row):
            found.append((frame["name"], bool(frame["inline"])))
    return found


def _inside(names: list[str], stacks: list[list[tuple[str, bool]]], taken_at: str) -> set[str]:
    """Return functions that only take locks, as the report's own stacks show them.

    They are above the function that takes the last lock; and what is on top of several stacks.
    """
    frames = [[name for name, _ in stack] for stack in stacks]
    tops = [
        stack[0]
        for name, stack in zip(names, frames, strict=True)
        if stack and not is_deferred(name)
    ]
    found = {name for name in tops if tops.count(name) > 1}
    if taken_at and frames and taken_at in frames[-1]:
        found |= set(frames[-1][: frames[-1].index(taken_at)])
    return found


def _how(before: list[str]) -> str:
    if any(map(SYNCS.fullmatch, before)):
        return "sync"
    if any(map(READS.fullmatch, before)):
        return "rlock"
    return "lock" if any(map(TAKE.fullmatch, before)) else ""


def _spins(before: list[str]) -> bool:
    return any(map(SPINS.fullmatch, before))
