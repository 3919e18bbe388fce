"""The code of the actors as a picture, with the next line of each highlighted.

On screen, a panel that scrolls shows the code; a still picture shows all of it.
"""

import textwrap
from collections.abc import Iterator, Mapping

from mmviz.engine import Run
from mmviz.scene.columns import place
from mmviz.scene.layout import ROOM
from mmviz.scene.marks import Box, Line, Scene, Text, sheet, shorten
from mmviz.scene.searched import SearchedCase
from mmviz.scene.source import Code, Lit, codes, lit
from mmviz.scene.theme import CLEAR

GAP, AIR = 2.0, 1.0  # cells between columns, and around a text
HEAD = 1.4  # lines of a column's head
MOST_COLUMNS = 2  # narrower columns would wrap most lines


class Listing:
    """The code that each actor runs."""

    name, title, looks_ahead = "code", "Code", False

    def __init__(self, searched: SearchedCase) -> None:
        self.codes = codes(searched.reach)
        self.steps = {
            actor: {(line.file, line.number) for lines in places for line in lines[-1:]}
            for actor, places in searched.reach.lines.items()
        }
        columns = min(len(self.codes), MOST_COLUMNS)
        self.wide = (ROOM - GAP * (columns - 1)) / columns
        self.folded = [[_folded(line, int(self.wide - 3)) for line in c.lines] for c in self.codes]
        self.at: list[tuple[float, float]] = []
        low = y = 0.0
        for number, rows in enumerate(self.folded):
            place = number % columns
            y = low if not place else y
            self.at.append((place * (self.wide + GAP), y))
            low = max(low, y + HEAD + sum(map(len, rows)) + AIR)
        self.size = (ROOM, low)

    @property
    def tips(self) -> Mapping[str, str]:
        """A sentence for each line that is a step."""
        return {
            key: f"A step of {code.actor}"
            for code in self.codes
            for key in self._keys(code).values()
        }

    def _keys(self, code: Code) -> dict[int, str]:
        """Return the keys of the lines that are steps, by their index in the code."""
        return {
            index: f"line:{code.actor}:{place(*where)}"
            for where, index in code.at.items()
            if where in self.steps[code.actor]
        }

    def scene(self, run: Run, k: int) -> Scene:
        """Draw every line of every actor's code; a long line wraps."""
        marks: list[Box | Line | Text] = []
        for code, rows, at in zip(self.codes, self.folded, self.at, strict=True):
            marks += self._column(code, rows, at, lit(code, run.frames[k]))
        return sheet(*self.size, marks)

    def text(self, run: Run, k: int) -> str:
        """Return the next line of each actor."""
        lines = []
        for code in self.codes:
            light = lit(code, run.frames[k])
            line = f": {code.lines[light.line].strip()}" if light.line >= 0 else ""
            lines.append(f"{code.actor} ({light.note}){line}")
        return "\n".join(lines)

    def _column(
        self, code: Code, rows: list[list[str]], at: tuple[float, float], light: Lit
    ) -> Iterator[Box | Text]:
        """Draw the code of one actor."""
        x, y = at
        yield Box(x, y, self.wide, HEAD + sum(map(len, rows)) + 0.3, "quiet", f"actor:{code.actor}")
        yield Box(x, y, self.wide, 1.2, "head", f"actor:{code.actor}")
        yield Text(x + AIR, y + 0.1, code.actor, "head", bold=True)
        left = x + AIR + len(code.actor) + 2
        note = shorten(light.note, int(x + self.wide - left - 1))
        yield Text(left, y + 0.1, note, "head", live=True)
        y += HEAD
        keys = self._keys(code)
        for number, lines in enumerate(rows):
            key = keys.get(number, "")
            is_next = number == light.line
            role = "blocked" if light.role == "blocked" else "now"
            outer = number in light.outer
            seen = role if is_next else "past" if outer else CLEAR
            yield Box(x + 0.3, y, self.wide - 0.6, len(lines), seen, key)
            for line in lines:
                written = "quiet" if seen == CLEAR else seen
                yield Text(x + AIR, y, line, written, bold=is_next, key=key)
                y += 1


def _folded(line: str, room: int) -> list[str]:
    """Return a line of code as lines that fit; the continuations are indented."""
    depth = len(line) - len(line.lstrip())
    return textwrap.wrap(
        line,
        room,
        initial_indent="",
        subsequent_indent=" " * min(depth + 4, room // 2),
        drop_whitespace=False,
        break_on_hyphens=False,
    ) or [""]
