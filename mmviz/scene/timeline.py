"""The timeline: one column for each actor, time running down, the cursor's row highlighted."""

import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
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
CLOSER = 0.1  # by which a bad state stands nearer to its step than the next step does
MOST_ROWS = 15  # of a page; a longer run has several
MOST_WHOLE = 200  # steps of a picture that stands still
MORE = 1.0  # a further line of a step whose words need several
BEYOND = 1.2  # the line that counts the earlier steps, or the later ones
KEPT = 3  # rows of the previous page that stay visible
PARTS = re.compile(r"[^(_., ]*[(_., ]+|[^(_., ]+")  # of a call: a line may end after each
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


def timeline(
    frames: Sequence[Frame], cursor: int, columns: Columns, room: float = 0, most: int = MOST_ROWS
) -> Scene:
    """Draw each step in the column of its actor.

    Args:
        frames: the frames of a run, `frames[0]` the start.
        cursor: the frame to highlight, 0 <= cursor < len(frames); later steps are pale.
        columns: the places of the actors' columns.
        room: the rows of the sheet; by default those of the highest page.
        most: the steps of a page.

    Raises:
        IndexError: `cursor` is outside `frames`.
    """
    now, steps = frames[cursor], len(frames) - 1
    first, last = page(steps, cursor, most)
    around = BEYOND if steps > most else 0.0
    rows: dict[int, float] = {}
    y = top = HEAD + 0.3 + around
    for index in range(first, last + 1):
        rows[index] = y
        y += _tall(frames[index], columns)
    low = y
    marks: list[Box | Line | Text] = []
    for actor in columns.x:
        marks += _head(now, actor, frames[0], columns)
        marks += _rail(actor, rows, frames, cursor, columns, low)
    marks += _switches(frames, rows, cursor, columns)
    for index, y in rows.items():
        marks += _step(frames[index], y, cursor, columns)
    if around:
        earlier = beyond(first, steps, steps) if first > 1 else ""
        later = beyond(1, last, steps) if last < steps else ""
        marks.append(Text(GUTTER, top - BEYOND, earlier, "quiet", live=True))
        marks.append(Text(GUTTER, low, later, "quiet", live=True))
    rows_high = room or height(frames, columns, most)
    return sheet(columns.width, top + ROW * rows_high + around, marks)


def height(frames: Sequence[Frame], columns: Columns, most: int = MOST_ROWS) -> float:
    """Return the rows of the highest page of a run."""
    steps = len(frames) - 1
    talls = [0.0, *(_tall(frame, columns) for frame in frames[1:])]
    pages = {page(steps, cursor, most) for cursor in range(steps + 1)}
    return max(sum(talls[first : last + 1]) for first, last in pages) / ROW


def page(steps: int, cursor: int, most: int = MOST_ROWS) -> tuple[int, int]:
    """Return the first and last step of the cursor's page of at most so many steps.

    The page changes only when the cursor leaves it.
    """
    if steps <= most:
        return 1, steps
    first = min(begins(cursor - 1, most), steps - most) + 1  # the last page is as long as any
    return first, first + most - 1


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
            top = y + _tall(frame, columns) - (ROW - BOX) - CLOSER * len(frame.violated)
    yield Line(((x, top), (x, low)), "rail")


def _wide(frame: Frame, cursor: int, columns: Columns) -> float:
    """Return the width of a step: its column's, or more if the call needs it and there is room."""
    words = frame.label
    if frame.index <= cursor:
        words = max(label(frame.label, frame.answer), *map(_broken, frame.violated), "", key=len)
    return max(columns.w[frame.actor], min(len(words) + 2, _room(frame, columns)))


def _room(frame: Frame, columns: Columns) -> float:
    """Return how wide a step can be: to the right edge, over the rails of other columns."""
    return max(columns.w[frame.actor], columns.width - 0.5 - columns.x[frame.actor])


def _lines(frame: Frame, columns: Columns) -> tuple[list[str], list[str], list[list[str]]]:
    """Return the lines of a step, of its return value if it needs its own, and its bad states'."""
    room = int(round(_room(frame, columns), 3)) - 2
    whole = label(frame.label, frame.answer)
    bad = [_wrapped(_broken(each), room) for each in frame.violated]
    if len(whole) <= room:
        return [frame.label], [], bad
    answer = whole.removeprefix(frame.label)
    return _wrapped(frame.label, room), _wrapped(answer, room), bad


def _wrapped(words: str, room: int) -> list[str]:
    """Return lines of at most `room` characters, which end where a part of a name ends."""
    lines: list[str] = []
    for part in PARTS.findall(words):
        if not lines or len(lines[-1] + part.rstrip()) > room:
            lines.append("")
        lines[-1] += part
    return [piece for line in lines for piece in wrap(line, room)]


def _tall(frame: Frame, columns: Columns) -> float:
    """Return the height of a step's rows, the same before and after it is taken."""
    step, answer, bad = _lines(frame, columns)
    more = len(step) + len(answer) - 1 + sum(len(lines) - 1 for lines in bad)
    return ROW * (1 + len(bad)) + MORE * more


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
    step, answer, bad = _lines(frame, columns)
    high = BOX + MORE * (len(step) + len(answer) - 1)
    yield Box(x, y, w, high, role, f"step:{frame.index}")
    seen = CLEAR if role == "future" else role
    for line in step:
        yield Text(x + 1, y + 0.15, line, role, bold=is_now)
        y += MORE
    for line in answer:
        yield Text(x + 1, y + 0.15, line.strip(), seen, bold=is_now)
        y += MORE
    y -= MORE
    if not answer:
        result = label(frame.label, frame.answer).removeprefix(frame.label).lstrip()
        start = x + 2 + len(frame.label) if result else x + 1
        yield Text(start, y + 0.15, result, seen, bold=is_now)
    seen = "bad" if frame.index <= cursor else CLEAR
    for lines in bad:
        y += ROW - CLOSER
        yield Box(x, y, w, BOX + MORE * (len(lines) - 1), seen, f"step:{frame.index}")
        for number_of_line, line in enumerate(lines):
            y += MORE * bool(number_of_line)
            yield Text(x + 1, y + 0.15, line, seen, bold=seen == "bad")


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
