"""Causes of a violation: the steps that led to it, the point of no return, the nearest safe run.

All of it stays hidden until the cursor reaches the failing step.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from mmviz.engine import Frame, Run
from mmviz.scene.held import lock_paths
from mmviz.scene.layout import ROOM
from mmviz.scene.marks import Box, Line, Scene, Text, sheet, shorten
from mmviz.scene.searched import SearchedCase
from mmviz.scene.story import Story, stories
from mmviz.scene.theme import CLEAR
from mmviz.scene.timeline import call
from mmviz.scene.words import readable

WIDTH = ROOM - 2
MOST_REASONS, MOST_STEPS = 8, 11  # rows; the others are counted
ROW, BOX = 1.5, 1.25
SHARED = 2  # steps shown before the two runs differ
SPLIT = 62.0  # where the right half begins
HALF = 58.0
INDENT = 3  # cells by which each actor's steps are indented from those of the actor before
FACT = 21  # where the text beside a heading begins

LED = "Steps that led to it"
NONE, NONE_YET = "no bad state", "no bad state yet"

Marks = Iterator[Box | Line | Text]


class Causes:
    """The steps that led to a violation, and the run that avoids it."""

    name, title, looks_ahead = "causes", "Causes", True
    tips: Mapping[str, str] = {}

    def __init__(self, searched: SearchedCase) -> None:
        self.actors = tuple(searched.case.actors)
        self.is_endless = searched.report.livelock is not None
        self.locks = lock_paths(searched.model)
        self._stories = lru_cache(maxsize=4)(self._find)  # once a run, not once a frame

    def _find(self, tip: Frame) -> dict[int, Story]:
        run = Run(tip.model.case, tip.model)
        run.tip = tip
        return stories(run, self.locks, self.is_endless)

    def _story(self, run: Run, k: int) -> Story | None:
        """Return the story to show at frame `k`."""
        known = self._stories(run.tip)
        return next((story for at, story in reversed(known.items()) if at <= k), None)

    def scene(self, run: Run, k: int) -> Scene:
        """Draw the story of the violation at frame `k`, or that there is none yet."""
        known, story = self._stories(run.tip), self._story(run, k)
        shown = story or next(iter(known.values()), None)
        over = k == len(run.frames) - 1 and run.finished
        words = f"✗ {story.verdict}" if story else NONE if over else NONE_YET
        marks: list[Box | Line | Text] = [
            Box(1, 0.3, WIDTH - 2, 1.5, "bad" if story else "quiet"),
            Text(2, 0.55, shorten(words, int(WIDTH) - 4), "bad" if story else "quiet", True, True),
        ]
        y = 2.2
        if shown:
            frames = run.frames
            rows = min(max(len(each.reasons) for each in known.values()), MOST_REASONS) + 1
            facts = max(len(each.facts) for each in known.values())
            marks += self._reasons(frames, shown, y, rows)
            y += ROW * rows + 0.3
            marks += self._facts(shown, y, facts)
            y += ROW * facts + 0.4
            steps = max((_steps(each) for each in known.values()), default=0)
            if steps:
                marks += self._both(run, shown, y, steps)
                y += ROW * (steps + 2)
            marks = [*marks[:2], *_seen(marks[2:], bool(story), len(known) > 1, k)]
        return sheet(WIDTH, y + 0.2, marks)

    def _reasons(self, frames: Sequence[Frame], story: Story, y: float, rows: int) -> Marks:
        """Draw the steps that led to the violation, one below the other."""
        left_out = len(story.reasons) - (rows - 1)
        more = f" (… {left_out} earlier ones left out)" if left_out > 0 else ""
        yield Text(1, y, f"{LED}{more}", "plain", bold=True)
        reasons = story.reasons[-(rows - 1) :]
        for number in range(rows - 1):
            y += ROW
            reason = reasons[number] if number < len(reasons) else None
            step = reason.step if reason else 0
            is_last = step == story.at and step > 0
            role = "bad" if is_last else "past" if step else CLEAR
            label = _row(frames[step]) if step else ""
            words = reason.words if reason else ""
            yield Box(1, y, HALF, BOX, role, f"step:{step}" if step else "")
            yield Text(2, y + 0.1, call(label, int(HALF) - 2), role, bold=is_last)
            yield Text(SPLIT, y + 0.1, shorten(words, int(WIDTH - SPLIT) - 1), "plain")

    def _facts(self, story: Story, y: float, rows: int) -> Marks:
        """Draw the race, the point of no return, and the nearest safe run."""
        for number in range(rows):
            name, words, step = story.facts[number] if number < len(story.facts) else ("", "", 0)
            yield Box(1, y, WIDTH - 2, BOX, "plain" if name else CLEAR, f"step:{step}" * bool(step))
            yield Text(2, y + 0.1, name, "plain", bold=True)
            yield Text(FACT + 1, y + 0.1, shorten(words, int(WIDTH) - FACT - 4), "plain")
            y += ROW

    def _both(self, run: Run, story: Story, y: float, rows: int) -> Marks:
        """Draw the two runs side by side, with the choice that differs on one line."""
        sibling = story.sibling
        differs = sibling.step if sibling else 0
        first = max(differs - SHARED, 1)
        same = f": steps 1 to {first - 1} are the same" if first > 1 else ""
        yield Text(1, y, f"This run{same}" if sibling else "", "plain", bold=True)
        yield Text(SPLIT, y, f"Nearest safe run{same}" if sibling else "", "plain", bold=True)
        end = f"✗ {story.name}, step {story.at}"
        yield from self._half(run.frames[: story.at + 1], first, differs, 1, y, rows, "bad", end)
        other = sibling.run.frames if sibling else run.frames[:1]
        breaks = ", ".join(map(readable, sibling.breaks)) if sibling else ""
        end = f"✗ {breaks}" if breaks else "✓ every actor finishes; no bad state"
        how = "bad" if breaks else "good"
        yield from self._half(other, first, differs, SPLIT, y, rows, how, end if sibling else "")

    def _half(
        self,
        frames: Sequence[Frame],
        first: int,
        differs: int,
        x: float,
        y: float,
        room: int,
        how: str,
        end: str,
    ) -> Marks:
        """Draw one of the two runs, and how it ends."""
        steps = list(range(first, len(frames))) if end else []
        head, tail = MOST_STEPS - 4, 3
        folded = len(steps) - head - tail if len(steps) > MOST_STEPS else 0
        rows = [*steps[:head], 0, *steps[-tail:]] if folded else steps
        for number in range(room):
            y += ROW
            step = rows[number] if number < len(rows) else -1
            frame = frames[step] if step > 0 else None
            inset = INDENT * self.actors.index(frame.actor) if frame else 0
            is_choice = step == differs
            role = how if is_choice and frame else "past" if frame else CLEAR
            label = ("≠ " if is_choice else "  ") + _row(frame) if frame else ""
            if step == 0:
                label = f"  … {folded} more steps"
            key = f"step:{step}" if frame and x < SPLIT else ""
            yield Box(x + 5 + inset, y, HALF - 5 - inset, BOX, role, key)
            yield Text(x + 6, y + 0.1, call(" " * inset + label, int(HALF) - 7), _text(role, step))
            yield Text(x, y + 0.1, "here" if is_choice and frame else "", "plain", bold=True)
        y += ROW
        yield Box(x, y, HALF, BOX, how if end else CLEAR)
        yield Text(x + 1, y + 0.1, shorten(end, int(HALF) - 2), how, bold=True)

    def text(self, run: Run, k: int) -> str:
        """Return the story in words."""
        story = self._story(run, k)
        if story is None:
            return NONE if k == len(run.frames) - 1 else NONE_YET
        lines = [f"✗ {story.verdict}", f"{LED}:"]
        for reason in story.reasons:
            label = f"{_row(run.frames[reason.step])}: " if reason.step else ""
            lines.append(f"  {label}{reason.words}")
        lines += [f"{name}: {words}" for name, words, _ in story.facts]
        if story.sibling:
            lines.append(
                f"Schedule of the nearest safe run: {' '.join(story.sibling.run.schedule)}"
            )
        return "\n".join(lines)


def _steps(story: Story) -> int:
    """Return the rows that the two runs side by side take."""
    if story.sibling is None:
        return 0
    longest = max(story.at, len(story.sibling.run.schedule))
    return min(longest + 1 - max(story.sibling.step - SHARED, 1), MOST_STEPS)


def _text(role: str, step: int) -> str:
    """Return the role of a row's text; the count of omitted steps is quiet."""
    return "quiet" if step == 0 else role


def _row(frame: Frame) -> str:
    """Return a step in one line: "3 CPU0 put_page(page 7)"."""
    return f"{frame.index} {frame.actor} {frame.label}"


def _seen(marks: Sequence[Box | Line | Text], is_visible: bool, is_live: bool, k: int) -> Marks:
    """Hide the marks until the cursor reaches the failing step."""
    for mark in marks:
        if isinstance(mark, Text):
            yield mark._replace(role=mark.role if is_visible else CLEAR, live=is_live)
        elif isinstance(mark, Box):
            key = mark.key if is_visible else ""
            yield mark._replace(role=mark.role if is_visible else CLEAR, key=key)
        else:
            yield mark


def causes(searched: SearchedCase) -> Causes | None:
    """Return the view of a case's causes; None if no run fails."""
    report = searched.report
    if not (report.counterexamples or report.deadlock or report.livelock or report.cut):
        return None
    return Causes(searched)
