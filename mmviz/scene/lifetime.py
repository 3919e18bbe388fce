"""Lifetimes: one bar for each object from allocation to free, time running to the right.

Each cell of a bar shows the object after one step. The reference count is a line that rises and
falls, with its number where it changes. Every use after the end is marked. After the cursor, only
the numbers of the steps are shown.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from mmviz.engine import Frame, Run, spoken
from mmviz.scene import layout
from mmviz.scene.lit import wrong
from mmviz.scene.lives import Subject, Use, subjects, uses
from mmviz.scene.marks import Box, Line, Scene, Text, sheet, shorten
from mmviz.scene.searched import SearchedCase
from mmviz.scene.theme import CLEAR, WITNESS
from mmviz.scene.timeline import MOST_ROWS, beyond, page
from mmviz.scene.words import omitted

LEFT, CELL, ROOM = 29.0, 5.85, 5  # cells of the names and of a step; characters in a step
AIR, LONGEST = 0.85, 11  # cells around the name of an actor in a step, and its characters
FEWEST = 6  # steps of a page
ROOMS = (8, 12, MOST_ROWS + 1)  # possible columns of a sheet; few, so that it seldom grows
HEAD = 2.9  # lines of the axis
TRACK, GAP, LINE = 2.3, 0.6, 0.95  # lines of a bar for each count on it, between bars, of a count
FLAT, TIGHT = 1.15, 0.25  # the same for many bars, which have numbers instead of lines
BOLD = WITNESS | {"bad", "written"}
ROOMY = 12  # the most bars that are high


class Page(NamedTuple):
    """The visible steps: frame `first` is the leftmost of `most` columns, each `cell` wide."""

    first: int
    last: int
    most: int
    cell: float

    def left(self, index: int) -> float:
        """Return where a frame's column begins."""
        return LEFT + self.cell * (index - self.first)


class Lifetime:
    """The lifetime of every object that a run may free or count."""

    name, title, looks_ahead = "lifetime", "Lifetimes", True
    tips: Mapping[str, str] = {}

    def __init__(self, searched: SearchedCase, bars: list[Subject], lasting: list[Subject]) -> None:
        self.bars, self.is_flat = bars, len(bars) > ROOMY
        self.witnesses = searched.witnesses
        longest = min(max(map(len, searched.case.actors)), LONGEST)
        self.cell = max(CELL, longest + AIR)
        fit = int((layout.PANE - LEFT) / self.cell) - 1
        self.steps = min(MOST_ROWS, max(fit, FEWEST))  # of a page
        self.values = searched.reach.values
        names = [subject.card.name for subject in lasting]
        self.folded = omitted(names, "object", "which no run frees or counts")
        self._used = lru_cache(maxsize=2)(self._find)  # once a run, not once a frame

    def _find(self, last: Frame) -> dict[str, dict[int, Use]]:
        """Return each object's uses after its end, by step, in the run that ends with a frame."""
        frames = [*last.back()][::-1]
        return {
            subject.card.name: {use.step: use for use in uses(frames, subject)}
            for subject in self.bars
        }

    def scene(self, run: Run, k: int) -> Scene:
        """Draw the bars up to frame `k`."""
        frames, steps = run.frames, len(run.frames) - 1
        first, last = page(steps, k, self.steps)
        rooms = (min(room, self.steps + 1) for room in ROOMS)
        most = next(room for room in rooms if min(steps, self.steps) < room)
        shown = Page(first - 1, last, most, self.cell)
        width = max(LEFT + self.cell * shown.most + 1, 64, *(len(line) + 2 for line in self.folded))
        bad = self.witnesses.of_frame(frames[k])
        marks: list[Box | Line | Text] = []
        y = HEAD
        for subject in self.bars:
            height = FLAT if self.is_flat else TRACK * max(len(subject.counts), 1)
            is_bad = not bad.isdisjoint({*subject.paths, subject.card.struct.path("freed")})
            marks += self._bar(frames, subject, k, shown, y, height, is_bad)
            y += height + (TIGHT if self.is_flat else GAP)
        marks += _axis(frames, k, shown, y)
        notes = list(self.folded)
        if self.is_flat:
            notes.insert(0, f"{len(self.bars)} objects: a count is a number where it changes")
        for line in notes:
            marks.append(Text(1, y, line, "quiet"))
            y += 1.2
        if steps > self.steps:
            marks.append(Text(1, y, beyond(first, last, steps), "quiet", live=True))
            y += 1.2
        return sheet(width, y + 0.3, marks)

    def text(self, run: Run, k: int) -> str:
        """Return a line for each object: its counts, its end, and each use after it."""
        frames = run.frames[: k + 1]
        lines = [_life(frames, subject, uses(frames, subject)) for subject in self.bars]
        return "\n".join([*lines, *self.folded])

    def _bar(
        self,
        frames: Sequence[Frame],
        subject: Subject,
        k: int,
        shown: Page,
        y: float,
        height: float,
        is_bad: bool,
    ) -> Iterator[Box | Line | Text]:
        """Draw one object's name, and its bar."""
        used = self._used(frames[-1])[subject.card.name]
        yield from self._name(frames[: k + 1], subject, y, used)
        paths = list(subject.counts.values())
        tracks = [paths] if self.is_flat or not paths else [[path] for path in paths]
        for place in range(shown.most):
            index = shown.first + place
            x = shown.left(index)
            role, word, is_over = CLEAR, "", False
            if index <= shown.last:
                role, word, is_over = _cell(frames, index, k, subject, used)
                role = "good" if role == "plain" and self.is_flat else role
                role = wrong(role) if is_bad and index == k and role != "bad" else role
            key = f"step:{index}" if index in used else f"object:{subject.card.name}"
            yield Box(x, y, shown.cell, height, CLEAR if is_over and not word else role, key)
            for number, track in enumerate(tracks):
                top = y + 0.1 + TRACK * number
                words = word if not number else ""
                if not is_over and index <= shown.last:
                    words = _changed(frames, index, shown, track, subject)
                yield Text(x + 0.35, top, words, role, bold=role in BOLD)
                if not self.is_flat:
                    yield from self._line(frames, index, shown, "".join(track), top, is_over, role)

    def _name(
        self, past: Sequence[Frame], subject: Subject, y: float, used: Mapping[int, Use]
    ) -> Iterator[Text]:
        """Draw the name of an object, its state, and the names of its counts."""
        card, flat = subject.card, self.is_flat
        role, state = _state(past, subject, used)
        name = shorten(card.name, 12 if flat else 25)
        yield Text(1, y + 0.1, name, "plain", bold=True)
        if not flat and len(card.title) <= LEFT - 2 and card.kind:
            yield Text(2 + len(name), y + 0.1, card.kind, "quiet")
        where = (14, y + 0.1) if flat else (1, y + 1.2)
        yield Text(*where, shorten(state, 14 if flat else 18), role, role == "bad", live=True)
        if not flat:
            for number, key in enumerate(subject.counts):
                words = shorten(key, 9)
                yield Text(LEFT - 0.6 - len(words), y + 1.2 + TRACK * number, words, "quiet")

    def _line(
        self,
        frames: Sequence[Frame],
        index: int,
        shown: Page,
        path: str,
        top: float,
        is_over: bool,
        role: str,
    ) -> Iterator[Box | Line]:
        """Draw a cell's piece of the count's line, or of a freed object's trace."""
        x, low = shown.left(index), top + TRACK - 0.1
        now = before = low
        if index <= shown.last and path and not is_over:
            levels = sorted({0, *self.values[path]})
            rise = LINE / (len(levels) - 1)
            now = low - rise * levels.index(frames[index].values[path])
            earlier = frames[max(index - 1, shown.first)]
            before = low - rise * levels.index(earlier.values[path])
        seen = role != CLEAR and not is_over
        fill, wide = "good" if seen and now < low else CLEAR, shown.cell
        yield Box(x, now, wide, low - now, fill, f"field:{path}")
        level = top + 1.55 if is_over else now
        trace = "ghost" if role == "ghost" else "link" if seen and path else CLEAR
        yield Line(((x, level if is_over else before), (x, level), (x + wide, level)), trace)


def _cell(
    frames: Sequence[Frame], index: int, k: int, subject: Subject, used: Mapping[int, Use]
) -> tuple[str, str, bool]:
    """Return the role of a cell, its word, and whether the object has ended."""
    frame = frames[index]
    end = subject.ended(frame.values)
    is_end = bool(end) and index > 0 and not subject.ended(frames[index - 1].values)
    word = "✗ use" if index in used else end if is_end or (end and not index) else ""
    if index > k:
        return CLEAR, word, bool(end)
    if index in used:
        return "bad", word, bool(end)
    if end:
        return "written" if is_end and index == k else "ghost", word, True
    if index == k:
        if any(change.field in subject.paths for change in frame.writes):
            return "written", word, False
        if subject.paths & set(frame.reads):
            return "read", word, False
    return "plain" if subject.counts else "good", word, False


def _changed(
    frames: Sequence[Frame], index: int, shown: Page, paths: Sequence[str], subject: Subject
) -> str:
    """Return the counts if one has just changed, or if a bar or a page begins."""
    now = [_counted(subject, path, frames[index]) for path in paths]
    before = frames[max(index - 1, 0)].values
    is_new = index == shown.first or bool(subject.ended(before))
    if not is_new and now == [_counted(subject, path, frames[max(index - 1, 0)]) for path in paths]:
        return ""
    return shorten("/".join(now), ROOM)


def _counted(subject: Subject, path: str, frame: Frame) -> str:
    """Return a count as the object's card words it, in few characters."""
    wording = next((row.wording for row in subject.card.rows if row.path == path), spoken)
    return re.sub(" pins?$", "p", wording(frame.values[path]).replace(" + ", "+"))


def _state(past: Sequence[Frame], subject: Subject, used: Mapping[int, Use]) -> tuple[str, str]:
    """Return the role and the state of an object at the cursor: a late use, freed, or alive."""
    if bad := [use for step, use in used.items() if step < len(past)]:
        return "bad", f"✗ {bad[-1].word}, step {bad[-1].step}"
    end = subject.ended(past[-1].values)
    if not end:
        return "quiet", "alive"
    since = _since(past, subject)
    return "ghost", f"{end}, step {since}" if since else f"{end} at start"


def _since(past: Sequence[Frame], subject: Subject) -> int:
    """Return the step in which an object's present state began, alive or freed."""
    now = bool(subject.ended(past[-1].values))
    return next((f.index + 1 for f in reversed(past) if bool(subject.ended(f.values)) != now), 0)


def _axis(frames: Sequence[Frame], k: int, shown: Page, low: float) -> Iterator[Box | Line | Text]:
    """Draw the numbers of the steps, their actors, and a thin line at the cursor."""
    for place in range(shown.most):
        index = shown.first + place
        x = shown.left(index)
        there = index <= shown.last
        role = CLEAR if not there else "now" if index == k else "past" if index < k else "future"
        number = str(index) if index else "start"
        actor = frames[index].actor if there else ""
        if there and index <= k and frames[index].violated:
            role, number = "bad", f"✗ {number}"
        yield Box(x, 0.2, shown.cell, 2.3, role, f"step:{index}")
        is_bold = role in ("now", "bad")
        yield Text(x + 0.35, 0.3, number if there else "", role, bold=is_bold, live=True)
        yield Text(x + 0.35, 1.35, shorten(actor, int(shown.cell - AIR)), role)
        edge = "now" if index == k else CLEAR
        yield Line(((x + shown.cell, 2.5), (x + shown.cell, low - 0.3)), edge)


def _life(frames: Sequence[Frame], subject: Subject, used: Sequence[Use]) -> str:
    """Return an object's life so far in one line."""
    parts = []
    for key, path in subject.counts.items():
        wording = next((row.wording for row in subject.card.rows if row.path == path), spoken)
        values = [
            f"{wording(frame.values[path])} (step {frame.index})"
            for before, frame in zip((None, *frames), frames, strict=False)
            if before is None or before.values[path] != frame.values[path]
        ]
        parts.append(f"{key} {' → '.join(values)}")
    before = subject.ended(frames[0].values)
    parts.insert(0, f"{before} at the start" if before else "alive from the start")
    for last, frame in pairwise(frames):
        end = subject.ended(frame.values)
        if bool(end) != bool(subject.ended(last.values)):
            event = end or "allocated"
            parts.append(f"{event} in step {frame.index} by {frame.actor} {frame.label}")
    for use in used:
        frame = frames[use.step]
        parts.append(f"✗ {use.word} after that in step {use.step} by {frame.actor} {frame.label}")
    return f"{subject.card.title}: {'; '.join(parts)}"


def lifetime(searched: SearchedCase) -> Lifetime | None:
    """Return the lifetimes of a case; None if no run frees or counts an object."""
    bars, lasting = subjects(searched.reach)
    return Lifetime(searched, bars, lasting) if bars else None
