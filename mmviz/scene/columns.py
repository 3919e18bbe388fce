"""The code columns of the stage: one row for each place at which an actor may wait.

The rows come from the locations that the search has learned, so a column is the same for every run
of a case. A place is a chain of lines, the outermost call first. Chains stand in the order of the
source, under the names of their functions.
"""

import linecache
import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, NamedTuple

from mmviz.engine import Line, Model
from mmviz.engine.choose import Question
from mmviz.engine.location import Location

Chain = tuple[Line, ...]
LONGEST_STATEMENT = 12  # lines that are looked at above the one that awaits
ASKING = {"chosen": "choose"}  # the second half of a question stands in the line of the first
COMMENT = re.compile(r"(?:^|\s)\s*#\s*(.*)$")
WORD = re.compile(r"(?:el)?(if|while)\b")


class Row(NamedTuple):
    """A row of a column: the name of a function as a `head`, or a line of code as a `text`.

    Attributes:
        head: the function whose lines follow; "" for a line of code.
        text: the step with its arguments, where they are the same in every state.
        short: the name of the function that the step calls.
        full: the statement as it stands in the source.
        line: its place there, "file:number" without a folder.
    """

    head: str = ""
    text: str = ""
    short: str = ""
    full: str = ""
    line: str = ""

    @property
    def plain(self) -> dict[str, str]:
        """The row as the browser receives it."""
        if self.head:
            return {"head": self.head}
        found = {"text": self.text, "short": self.short, "full": self.full}
        return found | {"line": self.line} if self.line else found


class Column:
    """The rows of one actor.

    Args:
        name: the actor.
        locations: where it may wait.
        decisions: for the environment, what it may decide, in words.

    Attributes:
        rows: from the top.
    """

    def __init__(
        self, name: str, locations: Iterable[Location], decisions: Iterable[str] = ()
    ) -> None:
        self.name = name
        self.rows: list[Row] = []
        self._rows: dict[Chain, int] = {}
        self._decisions: dict[str, int] = {}
        steps: dict[Chain, dict[str, str]] = {}
        for location in sorted(locations, key=lambda each: each.depth):
            if location.step is not None:
                labels = steps.setdefault(location.lines, {})
                if labels and location.step.body.__name__ in ASKING:
                    continue
                labels[_label(location)] = _function(location)
        decided = list(decisions)
        if decided:
            self.rows.append(Row(head=name))
        for words in decided:
            self._decisions[words] = len(self.rows)
            self.rows.append(Row(text=words, short=words, full=words))
        if not decided:
            self._add(steps)

    def _add(self, steps: dict[Chain, dict[str, str]]) -> None:
        before: Any = None
        for chain in _in_order(steps):
            inside = tuple((line.file, line.function) for line in chain)
            calls = (inside, chain[:-1])
            if calls != before:
                self.rows.append(Row(head=chain[-1].function if chain else self.name))
            before = calls
            self._rows[chain] = len(self.rows)
            full = statement(chain[-1]) if chain else ""
            line = place(chain[-1].file, chain[-1].number) if chain else ""
            self.rows.append(_row(steps[chain], full)._replace(line=line))

    def number(self, location: Location, label: str = "") -> int:
        """Return the number of the row of a location; -1 once the actor has finished.

        Args:
            location: where the actor is.
            label: its step in words; tells apart what the environment may decide.
        """
        if location.step is None:
            return -1
        if self._decisions:
            return self._decisions.get(label, min(self._decisions.values()))
        known = self._rows.get(location.lines)
        if known is None:  # learned since the column was made: the nearest line
            known = self._rows[location.lines] = self._nearest(location.lines)
        return known

    def _nearest(self, lines: Chain) -> int:
        def distance(chain: Chain) -> tuple[int, int]:
            same = 0
            for one, other in zip(chain, lines, strict=False):
                if one[:2] != other[:2]:
                    break
                same += 1
            away = abs(chain[same - 1].number - lines[same - 1].number) if same else 0
            return -same, away

        return self._rows[min(self._rows, key=distance)] if self._rows else -1


def columns(model: Model) -> list[Column]:
    """Return the column of each actor of a searched model."""
    found = []
    for name, locations in zip(model.actors, model.locations, strict=True):
        asked = _decisions(model) if name in model.case.environment else ()
        found.append(Column(name, locations.values(), asked))
    return found


def _decisions(model: Model) -> list[str]:
    """Return what the environment may decide in any state, in words."""
    slots = [task._at["asked"] for task in model.tasks]
    questions = [value for slot in slots for value in model.bits[slot].values.values()]
    words = [
        str(each.otherwise) for each in questions if isinstance(each, Question) and each.has_next
    ]
    return list(dict.fromkeys(words))


def _label(location: Location) -> str:
    assert location.step is not None
    label = location.step.label
    name, parenthesis, rest = label.partition("(")
    return ASKING.get(name, name) + parenthesis + rest


def _function(location: Location) -> str:
    assert location.step is not None
    name = location.step.body.__name__
    return ASKING.get(name, name)


def _row(labels: dict[str, str], full: str) -> Row:
    """Return the row of a line.

    Args:
        labels: each step that is taken from it, and the function that the step calls.
        full: the statement.
    """
    names = list(dict.fromkeys(labels.values()))
    if len(labels) == 1:
        text = next(iter(labels))
    elif len(names) == 1:
        text = f"{names[0]}(…)"
    else:
        text = " / ".join(f"{name}(…)" for name in names)
    word = WORD.match(full)
    return Row(text=f"{word[1]} {text}" if word else text, short=" / ".join(names), full=full)


def _in_order(chains: Iterable[Chain]) -> list[Chain]:
    """Return chains in the order of the source.

    Functions that are called in one line come in the order in which they are first entered, which
    is that of `chains`.
    """
    entered: dict[Any, int] = {}

    def key(chain: Chain) -> list[tuple[int, int]]:
        return [
            (entered.setdefault((chain[:at], line[:2]), len(entered)), line.number)
            for at, line in enumerate(chain)
        ]

    keys = {chain: key(chain) for chain in chains}
    return sorted(keys, key=keys.__getitem__)


def place(file: str, number: int) -> str:
    """Return the place of a line of code, "file:number" without a folder."""
    return f"{PurePath(file).name}:{number}"


def statement(line: Line) -> str:
    """Return the statement that a line belongs to as one line of text, its comment left out.

    Of an `if` or a `while` it is the head.
    """
    parts: list[str] = []
    for number in range(line.number, max(line.number - LONGEST_STATEMENT, 0), -1):
        above = linecache.getline(line.file, number - 1).rstrip()
        parts.insert(0, _code(line.file, number))
        if not (above.endswith(("(", "[", "{", ",", "\\")) or _open(" ".join(parts)) < 0):
            break
    number = line.number
    while _open(" ".join(parts)) > 0 and number < line.number + LONGEST_STATEMENT:
        number += 1
        parts.append(_code(line.file, number))
    text = " ".join(filter(None, parts))
    return text.replace("( ", "(").replace(", )", ")").replace(" )", ")")


def remark(line: Line) -> str:
    """Return what the author says of a line in a comment behind it; "" for nothing."""
    found = COMMENT.search(linecache.getline(line.file, line.number).rstrip())
    words = found[1] if found is not None else ""
    return "" if words.startswith(("redundant", "noqa", "type:")) else words


def _code(file: str, number: int) -> str:
    return COMMENT.sub("", linecache.getline(file, number).rstrip()).strip()


def _open(text: str) -> int:
    """Return how many more brackets are opened than closed."""
    return sum(text.count(each) for each in "([{") - sum(text.count(each) for each in ")]}")
