"""Diagrams without columns: a name before each step, or a block of steps under each name.

A script (`CPU0: …`, `CPU1: …`, in turn) is in the order of its rows; so are numbered steps, by
their numbers. Blocks by themselves give no order of one against the other, and that is said.
"""

import re
from collections import Counter
from itertools import groupby
from math import factorial, prod
from typing import NamedTuple

from mmviz.reading.body import SENTENCE
from mmviz.reading.columns import Model, Question
from mmviz.reading.cutting import Piece
from mmviz.reading.heads import FREE_GAP, Head, head
from mmviz.reading.mail import NAME, ROLE, grids, indent, is_prose, is_rule, written

FAR = 1_000  # blanks from one actor's steps to the next one's, in the grid that is made of blocks
CONTEXTS = (
    "reader|writer|parent|child|hard ?irq|soft ?irq|irq|nmi|interrupt|user(?:space| space)?|kernel"
    "|host|guest|device|driver|timer|work|workqueue|kthread|waker|waiter|producer|consumer|hardware"
)
NUMBER = r"(?:\(?\d{1,3}[.):]|\[\d{1,3}\]|\d{1,3}\.\d{1,3}\)?)"
CALLED = rf"(?:{ROLE}[ \-#_]{{0,2}}(?:\d+|[A-Z]|[abinxy])(?!\w)|[TPC]\d(?!\w))"
REMARK = r"(?: ?\([^|]{0,60}?\)+)?"
MARKED = re.compile(
    rf"\s*(?:[-*•]\s+)?(?P<number>{NUMBER})?\s*(?:on )?"
    rf"[<\[(]?(?P<name>{CALLED}|(?:{CONTEXTS}))[>\])]?"
    rf"(?P<more>{REMARK})\s*(?P<mark>:(?!:)|>|\||- |-+>|(?<=[\])>]))\s*(?P<text>\S.*)?$",
    re.I,
)
ALONE = re.compile(rf"\s*(?P<name>{CALLED})(?P<more>{REMARK})\s*$", re.I)
TAKES_TURN = re.compile(
    rf"\s*(?P<number>{NUMBER})?\s*(?P<name>{CALLED})\s+(?P<text>[a-z_].*)$", re.I
)
COUNTED = re.compile(r"[\(\[]?(\d{1,3})(?:\.(\d{1,3}))?[.):\]]")


class Said(NamedTuple):
    """A row that names an actor: what follows is a step, or its block below."""

    row: int
    name: str
    shown: str
    x: int
    text: str


class Script(NamedTuple):
    """A diagram without columns.

    Attributes:
        model: its steps as if each actor's stood in a column of its own.
        names: the actors.
        heads: the row, the column and the name of each heading.
        by_number: whether its steps are ordered by the numbers before them.
        ordered: whether it says how steps of different actors come one after the other.
    """

    model: Model
    names: list[str]
    heads: list[tuple[int, int, str]]
    by_number: bool
    ordered: bool


def script(rows: list[str]) -> Script | None:
    """Return the diagram that the rows are without columns, None if they are none."""
    grid = grids(rows)[0]
    said = _said(grid.rows)
    names = list(dict.fromkeys(each.name for each in said))
    if len(names) < 2 or _is_below_names(grid.rows, said):
        return None
    found, heads, end = _pieces(grid.rows, said, names)
    if len({each.x // FAR for each in found}) < 2:
        return None
    bounds = tuple(FAR * number - FAR // 2 for number in range(1, len(names)))
    header = Head(None, [], "named row by row", [])
    model = Model(grid, header, (said[0].row, end), found, bounds, 9.0)
    by_number = _numbered(found)
    turns = [name for name, _ in groupby(said, key=lambda each: each.name)]
    ordered = (
        by_number
        or len(turns) > len(names)
        or (all(each.text for each in said) and len(said) == len(names) == len(found))
    )
    shown = {each.name: each.shown for each in reversed(said)}
    return Script(model, [shown[name] for name in names], heads, by_number, ordered)


def _is_below_names(rows: list[str], said: list[Said]) -> bool:
    """Tell whether a row names columns: what is marked below it are interrupts in them."""
    top = head(rows)
    if top.row is None or len(top.names) < 2:
        return False
    if top.how == "staggered":
        second = top.names[1][0] - FREE_GAP
        return any(row.strip() and indent(row) < second for row in rows[said[-1].row + 1 :])
    if top.how not in {"names", "underlined"}:
        return False
    named = {each.row for each in said} - {top.row}
    beside = [
        n
        for n, row in enumerate(rows)
        if n > top.row and indent(row.replace("|", " ")) >= top.names[1][0] - 8
    ]
    return not named or len(beside) > 1


def counted(text: str) -> tuple[int, int]:
    """Return the number before a step; steps without one come last."""
    match = COUNTED.match(text)
    return (int(match[1]), int(match[2] or 0)) if match else (10**6, 0)


def _said(rows: list[str]) -> list[Said]:
    found = []
    closed = {name.lower() for row in rows for name in re.findall(r"</(\w+)>", row)}
    for number, row in enumerate(rows):
        match = MARKED.match(row, indent(row)) or ALONE.match(row, indent(row))
        if match is None or match["name"].lower() in closed:
            continue
        text = match.groupdict().get("text") or ""
        if not text or not _another_column(text):
            found.append(_one(number, match, text))
    if len({each.name for each in found}) >= 2:
        return found
    takes = [
        _one(number, match, match["text"])
        for number, row in enumerate(rows)
        if (match := TAKES_TURN.match(row, indent(row))) and not _another_column(match["text"])
    ]
    return takes if len(takes) >= max(3, 0.6 * len(written(rows))) else []


def _another_column(text: str) -> bool:
    """Tell whether a name stands where a second column would begin."""
    return any(
        not text[: match.start()].strip("[(<") or text[: match.start()].rstrip("[(<").endswith("  ")
        for match in NAME.finditer(text)
    ) and not re.search(r"\w\(|;", text)


def _one(row: int, match: re.Match[str], text: str) -> Said:
    name = re.sub(r"[\s#_-]+", "", match["name"]).lower()
    number = match.groupdict().get("number") or ""
    shown = (match["name"] + (match.groupdict().get("more") or "")).strip()
    x = match.start("number" if number else "text" if text else "name")
    return Said(row, name, shown, x, f"{number} {text}".strip() if text else "")


def _pieces(
    rows: list[str], said: list[Said], names: list[str]
) -> tuple[list[Piece], list[tuple[int, int, str]], int]:
    """Return the steps, the headings, and the first row below the last block."""
    by_row = {each.row: each for each in said}
    found: list[Piece] = []
    heads: list[tuple[int, int, str]] = []
    at, edge, blank, end = 0, None, False, len(rows)
    left = min(indent(rows[each.row]) for each in said)
    for number in range(said[0].row, len(rows)):
        row = rows[number]
        if number in by_row:
            one = by_row[number]
            at, edge = names.index(one.name), None
            heads.append((number, at + 1, one.shown))
            if one.text:
                found.append(Piece(number, at * FAR + one.x, one.text))
        elif row.strip() and not is_rule(row):
            x = len(row) - len(row.lstrip())
            says = number > said[-1].row and x < left and SENTENCE.fullmatch(row.strip())
            if says:
                end = number
                break
            outside = is_prose(row) or (edge is not None and x < edge)
            if blank and outside:
                if number > said[-1].row:
                    end = number
                    break
                continue
            edge = x if edge is None else min(x, edge)
            found.append(Piece(number, at * FAR + x, row.strip()))
        blank = not row.strip()
    return found, heads, end


def _numbered(found: list[Piece]) -> bool:
    numbers = [counted(each.text) for each in found if COUNTED.match(each.text)]
    return (
        len(numbers) >= 2 and len(set(numbers)) == len(numbers) and len(numbers) >= 0.6 * len(found)
    )


def no_order(columns: Counter[int]) -> Question:
    """Return what is said of blocks that give no order.

    Args:
        columns: how many steps each has.
    """
    many = factorial(columns.total()) // prod(factorial(count) for count in columns.values())
    return Question(
        [],
        "each actor's steps stand in a block of their own: in which order do they run?",
        [f"every order that keeps the order within each block: {many} in all"],
    )
