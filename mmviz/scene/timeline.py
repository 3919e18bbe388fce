"""The timeline: one column for each actor, time running down, the cursor's row highlighted."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mmviz.engine import Frame
from mmviz.scene.marks import Box, Line, Scene, Text, sheet, shorten
from mmviz.scene.reach import Reach, label
from mmviz.scene.theme import CLEAR
from mmviz.scene.words import blocked_by, readable

ACROSS = 123.0  # cells of all columns together
GUTTER = 5.5  # left of the columns: the numbers of the steps
GAP = 2.5  # between columns, with room for the rail
RAIL = 1.2  # from the rail to its column
HEAD = 3.6  # a column's head: name, state, what it holds
ROW, BOX = 1.6, 1.3  # a step's row, and the box in it
MOST_ROWS = 15  # of a page; a longer run has several
KEPT = 3  # rows of the previous page that stay visible
WIDEST, NARROWEST = 50, 26  # characters of a column


class Columns(NamedTuple):
    """The place of each actor's column, the same in every frame of every run of a case."""

    x: Mapping[str, float]
    w: Mapping[str, float]

    @property
    def width(self) -> float:
        """The width of the sheet."""
        last = list(self.x)[-1]
        return self.x[last] + self.w[last] + 0.5


def columns(reach: Reach) -> Columns:
    """Return a column for each actor, as wide as its longest step if there is room."""
    room = ACROSS - GUTTER - GAP * len(reach.labels)
    fair = room / len(reach.labels)
    wanted = {
        actor: min(max([min(NARROWEST, fair), *(len(label) + 2 for label in labels)]), WIDEST)
        for actor, labels in reach.labels.items()
    }
    w, x, at = shared(wanted, room), {}, GUTTER
    for actor in wanted:
        x[actor] = at
        at += w[actor] + GAP
    return Columns(x, w)


def shared(wanted: Mapping[str, float], room: float) -> dict[str, float]:
    """Return the widths of columns: what each wants, or an equal part of what the others leave."""
    widths: dict[str, float] = {}
    while rest := wanted.keys() - widths.keys():
        fair = (room - sum(widths.values())) / len(rest)
        fits = {name: wanted[name] for name in rest if wanted[name] <= fair}
        widths |= fits or dict.fromkeys(rest, fair)
    return widths


def timeline(frames: Sequence[Frame], cursor: int, columns: Columns, room: int = 0) -> Scene:
    """Draw each step in the column of its actor.

    Args:
        frames: the frames of a run, `frames[0]` the start.
        cursor: the frame to highlight, 0 <= cursor < len(frames); later steps are pale.
        columns: the places of the actors' columns.
        room: the rows of the sheet; by default those of the highest page.

    Raises:
        IndexError: `cursor` is outside `frames`.
    """
    now = frames[cursor]
    first, last = page(len(frames) - 1, cursor)
    rows: dict[int, float] = {}
    y = HEAD + 0.3
    for index in range(first, last + 1):
        rows[index] = y
        y += ROW * (1 + len(frames[index].violated))
    low = y
    marks: list[Box | Line | Text] = []
    for actor in columns.x:
        marks += _head(now, actor, frames[0], columns)
        marks += _rail(actor, rows, frames, cursor, columns, low)
    marks += _switches(frames, rows, cursor, columns)
    for index, top in rows.items():
        marks += _step(frames[index], top, cursor, columns)
    if len(rows) < len(frames) - 1:
        marks.append(Text(GUTTER, low, beyond(first, last, len(frames) - 1), "quiet", live=True))
    high = HEAD + 0.3 + ROW * (room or height(len(frames) - 1, frames))
    return sheet(columns.width, high + (len(frames) > MOST_ROWS + 1), marks)


def height(steps: int, frames: Sequence[Frame]) -> int:
    """Return the rows of the highest page of a run."""
    most = 0
    for first, last in {page(steps, cursor) for cursor in range(steps + 1)}:
        extra = sum(len(frame.violated) for frame in frames[first : last + 1])
        most = max(most, last + 1 - first + extra)
    return most


def page(steps: int, cursor: int, most: int = MOST_ROWS) -> tuple[int, int]:
    """Return the first and last step of the cursor's page of at most so many steps.

    The page changes only when the cursor leaves it.
    """
    if steps <= most:
        return 1, steps
    first = begins(cursor - 1, most) + 1
    return first, min(first + most - 1, steps)


def begins(place: int, most: int) -> int:
    """Return the first place of the page, `most` places long, that contains a place."""
    fresh = most - KEPT
    return max(place - KEPT, 0) // fresh * fresh


def beyond(first: int, last: int, steps: int) -> str:
    """Return how many steps are outside the page, in words."""
    parts = []
    if first > 1:
        parts.append(f"{first - 1} earlier")
    if last < steps:
        parts.append(f"{steps - last} later")
    outside = steps - (last - first + 1)
    return f"… {' and '.join(parts)} step{'s' if outside > 1 else ''}"


def call(text: str, width: int) -> str:
    """Shorten a call to `width` characters: drop the arguments first, then the return value."""
    name, bracket, rest = text.partition("(")
    if len(text) <= width or not bracket:
        return shorten(text, width)
    answer = rest.rpartition(")")[2]
    fits = (each for each in (f"{name}(…){answer}", f"{name}(…)", name) if len(each) <= width)
    return next(fits, shorten(name, width))


def _rail(
    actor: str,
    rows: Mapping[int, float],
    frames: Sequence[Frame],
    cursor: int,
    columns: Columns,
    low: float,
) -> Iterator[Line]:
    """Draw the rail of a column, which passes under the steps of other actors."""
    x, top = columns.x[actor] - RAIL, 0.8
    yield Line(((x, top), (columns.x[actor], top)), "rail")
    for index, y in rows.items():
        frame = frames[index]
        left = columns.x[frame.actor]
        if left < x < left + _wide(frame, cursor, columns):
            yield Line(((x, top), (x, y)), "rail")
            top = y + BOX + (ROW - 0.1) * len(frame.violated)
    yield Line(((x, top), (x, low)), "rail")


def _wide(frame: Frame, cursor: int, columns: Columns) -> float:
    """Return the width of a step: its column's, or more if the call needs it and there is room."""
    words = frame.label
    if frame.index <= cursor:
        words = max(label(frame.label, frame.answer), *map(_broken, frame.violated), "", key=len)
    room = columns.width - 0.5 - columns.x[frame.actor]
    return max(columns.w[frame.actor], min(len(words) + 2, room))


def _broken(bad_state: str) -> str:
    return f"✗ {readable(bad_state)}"


def _head(now: Frame, actor: str, start: Frame, columns: Columns) -> Iterator[Box | Line | Text]:
    """Draw a column's head: the actor, its function, its state, and the locks that it holds."""
    x, w = columns.x[actor], columns.w[actor]
    if actor in now.done:
        state, role = "✓ finished", "head"
    elif actor in now.blocked:
        state, role = blocked_by(actor, now.blocked[actor], " (step {})"), "blocked"
    else:
        state, role = "can step", "head"
    held = now.tasks[actor].held
    yield Box(x, 0.1, w, HEAD - 0.4, role, f"actor:{actor}")
    yield Text(x + 1, 0.15, shorten(actor, int(w) - 2), role, bold=True)
    room = int(w) - len(actor) - 3
    if actor in start.next and room >= 8:
        does = shorten(f"{start.next[actor].lines[0].function}()", room)
        yield Text(x + len(actor) + 2, 0.15, does, role)
    yield Text(x + 1, 1.15, shorten(state, int(w) - 2), role, live=True)
    holds = f"holds {', '.join(section.name for section in held)}" if held else ""
    yield Box(x + 0.4, 2.15, w - 0.8, 1, "held" if held else CLEAR)
    yield Text(x + 1, 2.15, shorten(holds, int(w) - 2), "held", live=True)


def _step(frame: Frame, y: float, cursor: int, columns: Columns) -> Iterator[Box | Line | Text]:
    """Draw one step, and the bad states that it reaches.

    Future steps hide their return values and their bad states.
    """
    x, w = columns.x[frame.actor], _wide(frame, cursor, columns)
    is_now = frame.index == cursor
    role = "now" if is_now else "past" if frame.index < cursor else "future"
    number = str(frame.index)
    left = GUTTER - RAIL - 1 - len(number)
    yield Text(left, y + 0.15, number, "plain" if is_now else "quiet", is_now)
    yield Box(x, y, w, BOX, role, f"step:{frame.index}")
    answer = label(frame.label, frame.answer).removeprefix(frame.label)
    words = call(frame.label + answer, int(w) - 2)
    step = words.removesuffix(answer)
    yield Text(x + 1, y + 0.15, step, role, bold=is_now)
    seen = CLEAR if role == "future" else role
    result = words[len(step) :].lstrip()
    yield Text(x + 1 + len(words) - len(result), y + 0.15, result, seen, bold=is_now)
    for bad_state in frame.violated:
        y += ROW - 0.1
        seen = "bad" if frame.index <= cursor else CLEAR
        words = shorten(_broken(bad_state), int(w) - 2)
        yield Box(x, y, w, BOX, seen, f"step:{frame.index}")
        yield Text(x + 1, y + 0.15, words, seen, bold=seen == "bad")


def _switches(
    frames: Sequence[Frame], rows: Mapping[int, float], cursor: int, columns: Columns
) -> Iterator[Line]:
    """Draw the schedule as a line: down one rail, and across where the actor changes."""
    for index, y in rows.items():
        before, here = frames[index - 1].actor, frames[index].actor
        end = columns.x[here]
        role = "link" if index <= cursor else "rail"
        way = [(end - RAIL, y + BOX / 2), (end, y + BOX / 2)]
        if before and before != here and index - 1 in rows:
            level = y - (ROW - BOX) / 2
            start = columns.x[before] - RAIL
            way = [(start, rows[index - 1] + BOX / 2), (start, level), (end - RAIL, level), *way]
        elif before == here and index - 1 in rows:
            way = [(end - RAIL, rows[index - 1] + BOX / 2), *way]
        yield Line(tuple(way), role)
