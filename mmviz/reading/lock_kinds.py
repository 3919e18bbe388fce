"""Which model each lock of a report is: by what is done with it, and what lockdep shows of it."""

from collections.abc import Mapping, Sequence

from mmviz.reading.lock_chain import SYNCS, is_completion, is_deferred
from mmviz.reading.lock_race import (
    COMPLETION,
    MUTEX,
    QUEUED,
    RWLOCK,
    RWSEM,
    SPIN,
    SRCU,
    TIMER,
    WORK,
    Action,
)
from mmviz.reading.lock_text import INCONSISTENT, INVERSION, RECLAIM, SLEEPS, UNSAFE, Read

Script = Mapping[str, Sequence[Action]]
WRITER = ["lock", "unlock"]
SLEEPS_ALWAYS = 4  # lockdep's wait type of a mutex where a spinlock's is 3


def kinds(read: Read, actors: Script) -> dict[str, str]:
    """Return what each lock is; a writer queues up where only that keeps a reader out."""
    done: dict[str, set[str]] = {}
    for own in actors.values():
        for what, lock in own:
            if lock is not None:
                done.setdefault(lock, set()).add(what)
    spin = {lock for lock in done if _spins(read, lock)}
    while more := {
        lock for own in actors.values() for lock in _inside(own, spin) if lock not in spin
    }:
        spin |= more  # a lock that is taken where sleeping is forbidden does not sleep
    found = {lock: _kind(lock, what, lock in spin) for lock, what in done.items()}
    writers = {own[0][1] for own in actors.values() if [what for what, _ in own] == WRITER}
    return {
        lock: QUEUED.get(kind, kind) if lock in writers else kind for lock, kind in found.items()
    }


def _kind(lock: str, done: set[str], spins: bool) -> str:
    if not done.isdisjoint({"wait", "complete"}):
        if is_completion(lock):
            return COMPLETION
        return TIMER if "timer" in lock else WORK
    if "sync" in done:
        return SRCU
    if "rlock" in done:
        return RWLOCK if spins else RWSEM
    return SPIN if spins else MUTEX


def _spins(read: Read, lock: str) -> bool:
    if read.kind in {INCONSISTENT, INVERSION, UNSAFE} and read.state != RECLAIM:
        return True
    sleeps = (
        SLEEPS_ALWAYS if any(use.wait == SLEEPS_ALWAYS for use in read.uses.values()) else SLEEPS
    )
    wait = max(0, read.uses[lock].wait) if lock in read.uses else 0
    seen = any(link.spins for link in read.links if link.lock == lock)
    return 0 < wait < sleeps or (not wait and seen and not is_deferred(lock))


def syncs(read: Read, kinds: Mapping[str, str]) -> dict[str, str]:
    """Return, for each lock that is an SRCU, the function of the report that waits for readers."""
    said = {each.lock: each.function for each in read.links if SYNCS.fullmatch(each.function)}
    return {
        lock: said.get(lock, "synchronize_srcu") for lock, kind in kinds.items() if kind == SRCU
    }


def _inside(own: Sequence[Action], spin: set[str]) -> list[str]:
    """Return the locks that an actor takes while it holds one that spins."""
    found, atomic = [], False
    for what, lock in own:
        if what in {"lock", "rlock"} and lock is not None and not is_deferred(lock):
            if atomic:
                found.append(lock)
            atomic |= lock in spin
    return found


def dropped(actors: Script, kinds: Mapping[str, str]) -> dict[str, list[Action]]:
    """Return the actors, with what was taken for reading dropped so, as the models need it."""
    found: dict[str, list[Action]] = {}
    for name, own in actors.items():
        read: list[str] = []
        lines: list[Action] = []
        for what, lock in own:
            if lock is not None and kinds[lock] == SRCU and what == "lock":
                what = "rlock"
            if what == "rlock" and lock is not None:
                read.append(lock)
            if what == "unlock" and lock in read:
                read.remove(lock)
                what = "runlock"
            lines.append((what, lock))
        found[name] = lines
    return found
