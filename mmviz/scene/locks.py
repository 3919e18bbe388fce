"""Holders and waiters: one row for each lock, one column for each actor, and the lock order."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mmviz.engine import Frame, Run, Struct
from mmviz.scene.cards import walk
from mmviz.scene.held import LockHistory, LockState, kind, possible, used_locks
from mmviz.scene.layout import ROOM
from mmviz.scene.lock_order import drawing
from mmviz.scene.marks import Box, Line, Scene, Text, sheet, shorten
from mmviz.scene.searched import SearchedCase
from mmviz.scene.theme import CLEAR
from mmviz.scene.words import blocked_by, ending, since

WIDEST = 26.0  # cells of an actor's column, at most
NAME = 30  # cells of a lock's name, at most
ROW, BOX = 1.5, 1.3
MOST_LOCKS = 14  # rows; the others are counted

Marks = Iterator[Box | Line | Text]


class LockView:
    """Locks and sections: their holders and waiters, and since which step."""

    name, title, looks_ahead = "locks", "Locks", False
    tips: Mapping[str, str] = {
        "locks:order": "An actor that holds one lock takes, or waits for, another.",
    }

    def __init__(self, searched: SearchedCase, known: list[Struct]) -> None:
        self.locks, self.case = known[:MOST_LOCKS], searched.case
        self.witnesses = searched.witnesses
        self.paths = {
            each.name: {each.path(key) for key, _ in each.fields()}
            for each in walk(searched.reach.world)
        }
        self.folded = len(known) - len(self.locks)
        self.actors = tuple(searched.case.actors)
        self.history = LockHistory(known)
        may = possible(searched.reach, searched.model, known)
        self.orders = drawing(may.orders)
        self.room = may.waiting + _room(searched)
        self.left = min(max(len(_named(lock)) for lock in known), NAME) + 3.0
        self.left = max(self.left, 18.0)
        self.column = min(WIDEST, (ROOM - 3 - self.left) / len(self.actors))
        self.width = max(self.left + self.column * len(self.actors) + 1, self.orders.width, 72)
        self.note = f"… {self.folded} more locks and sections"
        self.can_sleep = any(getattr(type(lock), "forbids_sleep", False) for lock in known)

    def scene(self, run: Run, k: int) -> Scene:
        """Draw the holders and waiters after step `k`."""
        frame = run.frames[k]
        state, bad = self.history.at(frame), self.witnesses.of_frame(frame)
        marks: list[Box | Line | Text] = [*self._heads(frame, state)]
        y = 3.4
        for lock in self.locks:
            is_bad = not bad.isdisjoint(self.paths.get(lock.name, ()))
            marks += self._row(lock, frame, state, y, is_bad)
            y += ROW
        if self.folded:
            marks.append(Text(1, y + 0.1, self.note, "quiet"))
            y += ROW
        y += 0.4
        for role, words, step in self._padded(frame, state):
            marks.append(Box(1, y, self.width - 2, BOX, role, f"step:{step}" if step else ""))
            words = shorten(words, int(self.width) - 4)
            marks.append(Text(2, y + 0.15, words, role, role == "bad", True))
            y += ROW
        y += 0.4
        marks += self.orders.marks(state, k, y, self.width)
        return sheet(self.width, y + self.orders.height + 0.2, marks)

    def _heads(self, frame: Frame, state: LockState) -> Marks:
        """Draw the actors, their states, and whether each may sleep."""
        yield Text(1, 0.4, "lock or section", "quiet")
        for number, actor in enumerate(self.actors):
            x = self.left + self.column * number
            waits = state.waits.get(actor)
            is_now = actor == frame.actor
            doing = "blocked" if waits else "finished" if actor in frame.done else "can step"
            role = "now" if is_now else "blocked" if waits else "head"
            room = int(self.column - 2)
            yield Box(x, 0.2, self.column - 0.6, 2.7, role, f"actor:{actor}")
            yield Text(x + 0.6, 0.35, shorten(actor, room), role, bold=True)
            if self.can_sleep:
                banned = [
                    lock.name
                    for lock in self.locks
                    if getattr(type(lock), "forbids_sleep", False)
                    and (lock.name, actor) in state.holds
                ]
                doing += ", must not sleep" if banned else ""
            yield Text(x + 0.6, 1.5, shorten(doing, room), role, live=True)

    def _row(self, lock: Struct, frame: Frame, state: LockState, y: float, is_bad: bool) -> Marks:
        """Draw one lock, and the state of each actor towards it."""
        name = shorten(lock.name, NAME)
        role = "witness" if is_bad else "plain"
        yield Box(0.4, y, self.left - 1, BOX, role if is_bad else CLEAR, f"object:{lock.name}")
        yield Text(1, y + 0.15, name, role, bold=True)
        if len(name) < len(_named(lock)) <= NAME:
            yield Text(2 + len(name), y + 0.15, kind(lock), "quiet")
        for number, actor in enumerate(self.actors):
            x = self.left + self.column * number
            role, words, step = _cell(lock, actor, frame, state)
            yield Box(x, y, self.column - 0.6, BOX, role, f"step:{step}" if step else "")
            words = _fitted(words, step, int(self.column - 2))
            yield Text(x + 0.6, y + 0.15, words, role, role == "written", True)

    def _padded(self, frame: Frame, state: LockState) -> list[tuple[str, str, int]]:
        """Return the messages, always as many lines: role, words, the step to jump to."""
        lines = [*self._messages(frame, state)]
        return lines + [(CLEAR, "", 0)] * (self.room - len(lines))

    def _messages(self, frame: Frame, state: LockState) -> Iterator[tuple[str, str, int]]:
        """Yield a deadlock, a step that sleeps in an atomic section, and the blocked actors."""
        if ring := waiting_cycle(frame, state):
            links = ", ".join(
                f"{actor} blocked by {'itself' if other == actor else other} {since(step)}"
                for actor, other, step in ring
            )
            yield "bad", f"✗ deadlock: {links}", max(step for _, _, step in ring)
        elif not frame.enabled and frame.blocked and not frame.values["dead"]:
            yield "bad", f"✗ {ending(self.case, frame)}", 0
        if state.slept:
            step, _, text = state.slept[-1]
            yield "bad", f"✗ step {step} sleeps where sleeping is forbidden: {text}", step
        for actor, wait in state.waits.items():
            why = frame.blocked[actor]
            steps = [step for _, step in why.by if step]
            words = blocked_by(actor, why) if why.by else "its condition does not hold"
            words = f"{actor} waiting in {wait.label} {since(wait.since)}: {words}"
            yield "blocked", words, min(steps, default=0)

    def text(self, run: Run, k: int) -> str:
        """Return a line for each lock, the messages, and the lock order."""
        frame = run.frames[k]
        state = self.history.at(frame)
        lines = []
        for lock in self.locks:
            users = []
            for actor in self.actors:
                _, words, _ = _cell(lock, actor, frame, state)
                users += [f"{actor} {words}"] if words else []
            lines.append(f"{_named(lock)}: {', '.join(users) or 'free'}")
        lines += [self.note] if self.folded else []
        lines += [words for _, words, _ in self._padded(frame, state) if words]
        return "\n".join([*lines, *self.orders.lines(state)])


def _named(lock: Struct) -> str:
    """Return a lock's name and its kind."""
    what = kind(lock)
    return lock.name if what in lock.name else f"{lock.name} {what}"


def _cell(lock: Struct, actor: str, frame: Frame, state: LockState) -> tuple[str, str, int]:
    """Return an actor's state towards a lock: role, words, and since which step."""
    hold = state.holds.get((lock.name, actor))
    wait = state.waits.get(actor)
    if hold is not None:
        also = wait is not None and lock.name in wait.locks
        role = "written" if hold.since == frame.index and frame.index else "held"
        return role, f"{hold.mode} {since(hold.since)}" + (", waiting" if also else ""), hold.since
    if wait is not None and lock.name in wait.locks:
        return "blocked", f"waiting {since(wait.since)}", wait.since
    return "quiet", "", 0


def _room(searched: SearchedCase) -> int:
    """Return how many lines of violations a run may need."""
    report = searched.report
    unsure = bool(report.cut)
    may_deadlock = unsure or report.deadlock is not None or bool(searched.case.daemons)
    return may_deadlock + (unsure or "sleeps_in_atomic" in report.counterexamples)


def _fitted(words: str, step: int, room: int) -> str:
    """Return a cell's words, shortened to fit its column."""
    brief = words.replace("since step", "since").replace("from the start", "at start")
    return words if len(words) <= room else shorten(brief, room)


class _Edge(NamedTuple):
    other: str
    step: int


def waiting_cycle(frame: Frame, state: LockState) -> tuple[tuple[str, str, int], ...]:
    """Return a cycle of (actor, the actor that blocks it, since which step), () for none.

    A blocked holder cannot drop its lock. The actor that last changed another field need not be
    the one to change it back, so such a wait counts only if no actor can step.
    """
    waits: dict[str, list[_Edge]] = {}
    for actor, wait in state.waits.items():
        for other, step in frame.blocked[actor].by:
            if not frame.enabled or any((lock, other) in state.holds for lock in wait.locks):
                waits.setdefault(actor, []).append(_Edge(other, step))
    for start in waits:
        paths: list[tuple[tuple[str, str, int], ...]] = [()]
        seen: set[str] = set()
        for path in paths:
            here = path[-1][1] if path else start
            for edge in waits.get(here, ()):
                way = (*path, (here, edge.other, edge.step))
                if edge.other == start:
                    return way
                if edge.other not in seen:
                    seen.add(edge.other)
                    paths.append(way)
    return ()


def locks(searched: SearchedCase) -> LockView | None:
    """Return the lock view of a case; None if no run takes a lock."""
    known = used_locks(searched.reach, searched.model)
    return LockView(searched, known) if known else None
