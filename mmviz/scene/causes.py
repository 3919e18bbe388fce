"""Why? What led to a violation, when it was too late, and beside it the nearest run that is fine.

Until the cursor reaches the step that breaks something, all of it keeps to itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from mmviz.engine import Frame, Run
from mmviz.scene.held import lock_paths
from mmviz.scene.layout import ROOM
from mmviz.scene.marks import Box, Line, Scene, Text, sheet, shorten
from mmviz.scene.rehearsal import Rehearsal
from mmviz.scene.story import Story, stories
from mmviz.scene.theme import CLEAR
from mmviz.scene.timeline import call
from mmviz.scene.words import readable

WIDTH = ROOM - 2
MOST_REASONS, MOST_STEPS = 8, 11  # rows; what is more is counted
ROW, BOX = 1.5, 1.25
SHARED = 2  # steps shown before the two runs part
SPLIT = 62.0  # where the right half begins
HALF = 58.0
INDENT = 3  # cells an actor's steps are set in from those of the actor before
FACT = 21  # where the words beside a heading begin

Marks = Iterator[Box | Line | Text]


class Causes:
    """What led to what, and what could have been."""

    name, title, looks_ahead = "causes", "Causes", True
    tips: Mapping[str, str] = {}

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.actors = tuple(rehearsal.case.actors)
        self.is_endless = rehearsal.report.livelock is not None
        self.locks = lock_paths(rehearsal.model)
        self._told = lru_cache(maxsize=4)(self._tell)  # once a run, not once a frame

    def _tell(self, tip: Frame) -> dict[int, Story]:
        run = Run(tip.model.case, tip.model)
        run.tip = tip
        return stories(run, self.locks, self.is_endless)

    def _story(self, run: Run, k: int) -> Story | None:
        """Return what is told at frame `k`."""
        told = self._told(run.tip)
        return next((story for at, story in reversed(told.items()) if at <= k), None)

    def scene(self, run: Run, k: int) -> Scene:
        """Draw the story of what is broken at frame `k`, or that nothing is yet."""
        told, story = self._told(run.tip), self._story(run, k)
        shown = story or next(iter(told.values()), None)
        over = k == len(run.frames) - 1 and run.finished
        nothing = "nothing is broken" if over else "nothing is broken yet"
        words = f"✗ {story.verdict}" if story else nothing
        marks: list[Box | Line | Text] = [
            Box(1, 0.3, WIDTH - 2, 1.5, "bad" if story else "quiet"),
            Text(2, 0.55, shorten(words, int(WIDTH) - 4), "bad" if story else "quiet", True, True),
        ]
        y = 2.2
        if shown:
            frames = run.frames
            rows = min(max(len(each.reasons) for each in told.values()), MOST_REASONS) + 1
            facts = max(len(each.facts) for each in told.values())
            marks += self._reasons(frames, shown, y, rows)
            y += ROW * rows + 0.3
            marks += self._facts(shown, y, facts)
            y += ROW * facts + 0.4
            steps = max((_steps(each) for each in told.values()), default=0)
            if steps:
                marks += self._both(run, shown, y, steps)
                y += ROW * (steps + 2)
            marks = [*marks[:2], *_seen(marks[2:], bool(story), len(told) > 1, k)]
        return sheet(WIDTH, y + 0.2, marks)

    def _reasons(self, frames: Sequence[Frame], story: Story, y: float, rows: int) -> Marks:
        """Draw the steps that led to it, one below the other."""
        left_out = len(story.reasons) - (rows - 1)
        more = f" (… {left_out} earlier ones left out)" if left_out > 0 else ""
        yield Text(1, y, f"What led to it{more}", "plain", bold=True)
        reasons = story.reasons[-(rows - 1) :]
        for number in range(rows - 1):
            y += ROW
            reason = reasons[number] if number < len(reasons) else None
            step = reason.step if reason else 0
            is_last = step == story.at and step > 0
            role = "bad" if is_last else "past" if step else CLEAR
            said = _row(frames[step]) if step else ""
            words = reason.words if reason else ""
            yield Box(1, y, HALF, BOX, role, f"step:{step}" if step else "")
            yield Text(2, y + 0.1, call(said, int(HALF) - 2), role, bold=is_last)
            yield Text(SPLIT, y + 0.1, shorten(words, int(WIDTH - SPLIT) - 1), "plain")

    def _facts(self, story: Story, y: float, rows: int) -> Marks:
        """Draw the conflict, the point of no return, and whether some run is fine."""
        for number in range(rows):
            name, words, step = story.facts[number] if number < len(story.facts) else ("", "", 0)
            yield Box(1, y, WIDTH - 2, BOX, "plain" if name else CLEAR, f"step:{step}" * bool(step))
            yield Text(2, y + 0.1, name, "plain", bold=True)
            yield Text(FACT + 1, y + 0.1, shorten(words, int(WIDTH) - FACT - 4), "plain")
            y += ROW

    def _both(self, run: Run, story: Story, y: float, rows: int) -> Marks:
        """Draw the two runs side by side, the choice that differs on one level."""
        sibling = story.sibling
        differs = sibling.step if sibling else 0
        first = max(differs - SHARED, 1)
        same = f": steps 1 to {first - 1} are the same" if first > 1 else ""
        yield Text(1, y, f"This run{same}" if sibling else "", "plain", bold=True)
        yield Text(SPLIT, y, f"The nearest safe run{same}" if sibling else "", "plain", bold=True)
        end = f"✗ {story.name}, step {story.at}"
        yield from self._half(run.frames[: story.at + 1], first, differs, 1, y, rows, "bad", end)
        other = sibling.run.frames if sibling else run.frames[:1]
        breaks = ", ".join(map(readable, sibling.breaks)) if sibling else ""
        end = f"✗ {breaks}" if breaks else "✓ everybody finishes, nothing is broken"
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
            said = ("≠ " if is_choice else "  ") + _row(frame) if frame else ""
            if step == 0:
                said = f"  ⋮ {folded} more steps"
            key = f"step:{step}" if frame and x < SPLIT else ""
            yield Box(x + 5 + inset, y, HALF - 5 - inset, BOX, role, key)
            yield Text(x + 6, y + 0.1, call(" " * inset + said, int(HALF) - 7), _text(role, step))
            yield Text(x, y + 0.1, "here" if is_choice and frame else "", "plain", bold=True)
        y += ROW
        yield Box(x, y, HALF, BOX, how if end else CLEAR)
        yield Text(x + 1, y + 0.1, shorten(end, int(HALF) - 2), how, bold=True)

    def text(self, run: Run, k: int) -> str:
        """Return the story in words."""
        story = self._story(run, k)
        if story is None:
            return "nothing is broken" + ("" if k == len(run.frames) - 1 else " yet")
        lines = [f"✗ {story.verdict}", "What led to it:"]
        for reason in story.reasons:
            said = f"{_row(run.frames[reason.step])}: " if reason.step else ""
            lines.append(f"  {said}{reason.words}")
        lines += [f"{name}: {words}" for name, words, _ in story.facts]
        if story.sibling:
            lines.append(f"The nearest safe run: {' '.join(story.sibling.run.schedule)}")
        return "\n".join(lines)


def _steps(story: Story) -> int:
    """Return the rows that the two runs side by side take."""
    if story.sibling is None:
        return 0
    longest = max(story.at, len(story.sibling.run.schedule))
    return min(longest + 1 - max(story.sibling.step - SHARED, 1), MOST_STEPS)


def _text(role: str, step: int) -> str:
    """Return the role of a row's text: what counts steps left out is quiet."""
    return "quiet" if step == 0 else role


def _row(frame: Frame) -> str:
    """Return a step in one line."""
    return f"{frame.index} {frame.actor} {frame.label}"


def _seen(marks: Sequence[Box | Line | Text], is_told: bool, is_live: bool, k: int) -> Marks:
    """Hide marks that tell too early, and light the row of the step the cursor is on."""
    for mark in marks:
        if isinstance(mark, Text):
            yield mark._replace(role=mark.role if is_told else CLEAR, live=is_live)
        elif isinstance(mark, Box):
            key = mark.key if is_told else ""
            yield mark._replace(role=mark.role if is_told else CLEAR, key=key)
        else:
            yield mark


def causes(rehearsal: Rehearsal) -> Causes | None:
    """Return the causes of a case; None where nothing goes wrong in any run."""
    report = rehearsal.report
    if not (report.counterexamples or report.stuck or report.livelock or report.cut):
        return None
    return Causes(rehearsal)
