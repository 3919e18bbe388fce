"""Who holds and who waits: a row a lock, a column an actor, and the order locks are taken in."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mmviz.engine import Frame, Run, Struct
from mmviz.scene.held import Moment, Moments, ahead, kind, used_locks
from mmviz.scene.layout import ROOM
from mmviz.scene.lock_order import drawing
from mmviz.scene.marks import Box, Line, Scene, Text, sheet, shorten
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.theme import CLEAR
from mmviz.scene.words import ending, since, waits_for

WIDEST = 26.0  # cells of an actor's column, at most
NAME = 30  # cells of a lock's name, at most
ROW, BOX = 1.5, 1.3
MOST_LOCKS = 14  # rows; more are counted

Marks = Iterator[Box | Line | Text]


class LockView:
    """Locks and sections: who holds them and who waits, since which step."""

    name, title, looks_ahead = "locks", "Locks", False
    tips: Mapping[str, str] = {
        "locks:order": "A lock is taken, or wanted, by somebody who holds another",
    }

    def __init__(self, rehearsal: Rehearsal, known: list[Struct]) -> None:
        self.locks, self.case = known[:MOST_LOCKS], rehearsal.case
        self.folded = len(known) - len(self.locks)
        self.actors = tuple(rehearsal.case.actors)
        self.moments = Moments(known)
        may = ahead(rehearsal.reach, rehearsal.model, known)
        self.orders = drawing(may.orders)
        self.room = may.waiting + _room(rehearsal)
        self.left = min(max(len(_named(lock)) for lock in known), NAME) + 3.0
        self.left = max(self.left, 18.0)
        self.column = min(WIDEST, (ROOM - 3 - self.left) / len(self.actors))
        self.width = max(self.left + self.column * len(self.actors) + 1, self.orders.width, 72)
        self.note = f"… {self.folded} more locks and sections"
        self.can_sleep = any(getattr(lock, "forbids_sleep", False) for lock in known)

    def scene(self, run: Run, k: int) -> Scene:
        """Draw who has what after step `k`."""
        frame = run.frames[k]
        moment = self.moments.at(frame)
        marks: list[Box | Line | Text] = [*self._heads(frame, moment)]
        y = 3.4
        for lock in self.locks:
            marks += self._row(lock, frame, moment, y)
            y += ROW
        if self.folded:
            marks.append(Text(1, y + 0.1, self.note, "quiet"))
            y += ROW
        y += 0.4
        for role, words, step in self._said(frame, moment):
            marks.append(Box(1, y, self.width - 2, BOX, role, f"step:{step}" if step else ""))
            words = shorten(words, int(self.width) - 4)
            marks.append(Text(2, y + 0.15, words, role, role == "bad", True))
            y += ROW
        y += 0.4
        marks += self.orders.marks(moment, k, y, self.width)
        return sheet(self.width, y + self.orders.height + 0.2, marks)

    def _heads(self, frame: Frame, moment: Moment) -> Marks:
        """Draw who there is, and whether each may sleep now."""
        yield Text(1, 0.4, "lock or section", "quiet")
        for number, actor in enumerate(self.actors):
            x = self.left + self.column * number
            waits = moment.waits.get(actor)
            is_now = actor == frame.actor
            state = "waits" if waits else "finished" if actor in frame.done else "can go"
            role = "now" if is_now else "blocked" if waits else "head"
            room = int(self.column - 2)
            yield Box(x, 0.2, self.column - 0.6, 2.7, role, f"actor:{actor}")
            yield Text(x + 0.6, 0.35, shorten(actor, room), role, bold=True)
            if self.can_sleep:
                banned = [
                    lock.name
                    for lock in self.locks
                    if getattr(lock, "forbids_sleep", False) and (lock.name, actor) in moment.holds
                ]
                state += ", may not sleep" if banned else ""
            yield Text(x + 0.6, 1.5, shorten(state, room), role, live=True)

    def _row(self, lock: Struct, frame: Frame, moment: Moment, y: float) -> Marks:
        """Draw one lock, and how each actor stands to it."""
        name = shorten(lock.name, NAME)
        yield Text(1, y + 0.15, name, "plain", bold=True)
        if len(name) < len(_named(lock)) <= NAME:
            yield Text(2 + len(name), y + 0.15, kind(lock), "quiet")
        for number, actor in enumerate(self.actors):
            x = self.left + self.column * number
            role, words, step = _cell(lock, actor, frame, moment)
            yield Box(x, y, self.column - 0.6, BOX, role, f"step:{step}" if step else "")
            words = _fitted(words, step, int(self.column - 2))
            yield Text(x + 0.6, y + 0.15, words, role, role == "written", True)

    def _said(self, frame: Frame, moment: Moment) -> list[tuple[str, str, int]]:
        """Return what is to be said, always as many lines: role, words, the step to jump to."""
        lines = [*self._told(frame, moment)]
        return lines + [(CLEAR, "", 0)] * (self.room - len(lines))

    def _told(self, frame: Frame, moment: Moment) -> Iterator[tuple[str, str, int]]:
        """Tell of a deadlock, of sleeping where that is forbidden, and of who waits."""
        if ring := waiting_ring(frame, moment):
            told = ", ".join(
                f"{actor} waits for {'itself' if other == actor else other} {since(step)}"
                for actor, other, step in ring
            )
            yield "bad", f"✗ deadlock: {told}", max(step for _, _, step in ring)
        elif not frame.enabled and frame.blocked and not frame.values["dead"]:
            yield "bad", f"✗ {ending(self.case, frame)}", 0
        if moment.slept:
            step, _, text = moment.slept[-1]
            yield "bad", f"✗ in step {step}, where sleeping is forbidden: {text}", step
        for actor, wait in moment.waits.items():
            why = frame.blocked[actor]
            steps = [step for _, step in why.by if step]
            words = waits_for(actor, why) if why.by else "nobody has done what it waits for"
            words = f"{actor} waits in {wait.label} {since(wait.since)}: {words}"
            yield "blocked", words, min(steps, default=0)

    def text(self, run: Run, k: int) -> str:
        """Return a line for each lock, and all that is said below them."""
        frame = run.frames[k]
        moment = self.moments.at(frame)
        lines = []
        for lock in self.locks:
            told = []
            for actor in self.actors:
                _, words, _ = _cell(lock, actor, frame, moment)
                told += [f"{actor} {words}"] if words else []
            lines.append(f"{_named(lock)}: {', '.join(told) or 'free'}")
        lines += [self.note] if self.folded else []
        lines += [words for _, words, _ in self._said(frame, moment) if words]
        return "\n".join([*lines, *self.orders.lines(moment)])


def _named(lock: Struct) -> str:
    """Return a lock's name and what kind of lock it is."""
    what = kind(lock)
    return lock.name if what in lock.name else f"{lock.name} {what}"


def _cell(lock: Struct, actor: str, frame: Frame, moment: Moment) -> tuple[str, str, int]:
    """Return how an actor stands to a lock: role, words, and since which step."""
    hold = moment.holds.get((lock.name, actor))
    wait = moment.waits.get(actor)
    if hold is not None:
        also = wait is not None and lock.name in wait.locks
        role = "written" if hold.since == frame.index and frame.index else "held"
        return role, f"{hold.mode} {since(hold.since)}" + (", waits" if also else ""), hold.since
    if wait is not None and lock.name in wait.locks:
        return "blocked", f"waits {since(wait.since)}", wait.since
    return "quiet", "", 0


def _room(rehearsal: Rehearsal) -> int:
    """Return how many lines may tell of what goes wrong."""
    report = rehearsal.report
    unsure = bool(report.cut)
    may_stick = unsure or report.stuck is not None or bool(rehearsal.case.daemons)
    return may_stick + (unsure or "sleeps_in_atomic" in report.counterexamples)


def _fitted(words: str, step: int, room: int) -> str:
    """Return a cell's words in a column that is narrow."""
    brief = words.replace("since step", "since").replace("from the start", "at start")
    return words if len(words) <= room else shorten(brief, room)


class _Edge(NamedTuple):
    other: str
    step: int


def waiting_ring(frame: Frame, moment: Moment) -> tuple[tuple[str, str, int], ...]:
    """Return who waits for whom since which step, round in a circle; () if nobody does.

    Who holds a lock and waits cannot drop it.  Who last changed something else need not be the
    one to change it back, so such waiting counts only where nobody can move.
    """
    waits: dict[str, list[_Edge]] = {}
    for actor, wait in moment.waits.items():
        for other, step in frame.blocked[actor].by:
            if not frame.enabled or any((lock, other) in moment.holds for lock in wait.locks):
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


def locks(rehearsal: Rehearsal) -> LockView | None:
    """Return the locks of a case; None where no run takes any."""
    known = used_locks(rehearsal.reach, rehearsal.model)
    return LockView(rehearsal, known) if known else None
