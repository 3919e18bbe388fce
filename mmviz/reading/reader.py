"""Reads a race diagram as people write it: columns of actors, rows of time.

It says of each row what it understood, and does not guess in silence: where a layout can be read
in more than one way it asks, and where blanks are gone it refuses, and says what is missing.
"""

import re
from collections import Counter

from mmviz.reading.blocks import Script, counted, no_order, script
from mmviz.reading.cells import cells, outside
from mmviz.reading.columns import Model, Question, choose
from mmviz.reading.diagram import Cell, Diagram, Step
from mmviz.reading.doubts import doubts, tails, wrapped
from mmviz.reading.mail import call, rows_of, too_much

MOST_QUESTIONS = 3
MOST_ROWS = 40  # of the line that names a case, as an export or a mailer wraps it
LAST_LINE = re.compile(  # of an export
    r"(?:> ?)*\s*\*?\s*(?:/\* )?(?:([a-z]\w*/[a-z]\w*:[A-Za-z]\w*)|\S+\.py:\w+),(?: \S.*)?"
)


def read(text: str) -> Diagram:
    """Read a diagram; at most 64 KiB.

    Returns:
        What was understood; `refused` says why nothing was.
    """
    if why := too_much(text):
        return Diagram(refused=why)
    rows = rows_of(text)
    named, left_out = _last_line(rows)
    found = _read(["" if number in left_out else row for number, row in enumerate(rows)])
    found.named = named
    found.rows = [
        cell._replace(kind="prose", text=rows[cell.row - 1].strip())
        if cell.kind == "blank" and re.search("[A-Za-z]{2}", rows[cell.row - 1])
        else cell
        for cell in found.rows
    ]
    return found


def _last_line(rows: list[str]) -> tuple[str, set[int]]:
    """Return the case that an export names below its diagram, and the rows that name it."""
    named, left_out = "", set()
    for number, row in enumerate(rows):
        if end := LAST_LINE.fullmatch(row):
            named, last = end[1] or named, number
            if "/* " in row:
                rest = range(number, min(number + MOST_ROWS, len(rows)))
                last = next((n for n in rest if rows[n].rstrip().endswith("*/")), number)
            left_out |= {*range(number, last + 1)}
    return named, left_out


def _read(rows: list[str], whole: bool = False) -> Diagram:
    if (found := script(rows)) is not None:
        return _of_script(found)
    model, refused, questions = choose(rows)
    if not (whole or refused) and (cut := tails(model)):
        joined = _rejoined(rows, cut)
        if rest := wrapped(model, cut):
            joined.questions = [rest, *joined.questions][:MOST_QUESTIONS]
        return joined
    names = [name.rstrip(":") for _, name in model.header.names]
    header = model.header.row
    shown = names[:1] if model.header.how == "staggered" else names
    heads = [] if header is None else [(header, k, name) for k, name in enumerate(shown, 1)]
    if refused:
        told = sorted(_beside(model, heads, refused=True), key=lambda cell: cell.row)
        return Diagram(names, told, refused=refused)
    questions += doubts(model)
    rows_found, steps = _understood(model, questions)
    if not names or not all(names):
        opening = {step.column: step.text for step in reversed(steps)}
        names = [opening.get(k, "") for k in range(1, len(model.bounds) + 2)]
    found_rows = sorted(_beside(model, heads) + rows_found, key=lambda cell: cell.row)
    return Diagram(names, found_rows, steps, questions=questions[:MOST_QUESTIONS])


def _rejoined(rows: list[str], cut: list[int]) -> Diagram:
    """Read rows that a mailer cut as it found them: each end behind the row above."""
    joined, starts = list(rows), dict[int, int]()
    ends = {number: rows[number].strip("> \t") for number in cut}
    for number in cut:
        starts[number] = starts.get(number - 1, number - 1)
        joined[starts[number]] = f"{joined[starts[number]].rstrip()} {ends[number]}"
        joined[number] = ""
    found = _read(joined, whole=True)
    there = [cell for cell in found.rows if cell.row - 1 not in ends]
    last = {cell.row: n for n, cell in enumerate(there) if cell.column}  # of each row
    for number in reversed(cut):
        if (n := last.get(starts[number] + 1)) is None:
            there.append(Cell(number + 1, None, "prose", None, ends[number]))
            continue
        cell, text = there[n], ends[number]
        there[n] = cell._replace(text=cell.text.removesuffix(text).rstrip())
        there.append(cell._replace(row=number + 1, text=text))
        if cell.kind == "step" and cell.step:
            found.steps[cell.step - 1].rows.append(number + 1)
            found.steps[cell.step - 1].rows.sort()
    found.rows = sorted(there, key=lambda cell: cell.row)
    return found


def _of_script(found: Script) -> Diagram:
    questions: list[Question] = []
    cells_found, steps = _understood(found.model, questions)
    if found.by_number:
        order = sorted(range(len(steps)), key=lambda number: counted(steps[number].text))
        place = {old + 1: new for new, old in enumerate(order, 1)}
        steps = [steps[old] for old in order]
        cells_found = [
            cell if cell.step is None else cell._replace(step=place[cell.step])
            for cell in cells_found
        ]
    if not found.ordered:
        questions.insert(0, no_order(Counter(step.column for step in steps)))
    rows = sorted(_beside(found.model, found.heads) + cells_found, key=lambda cell: cell.row)
    return Diagram(found.names, rows, steps, "", questions[:MOST_QUESTIONS], found.ordered)


def _understood(model: Model, questions: list[Question]) -> tuple[list[Cell], list[Step]]:
    """Return the cells of a diagram's body, and its steps in the order of the rows."""
    whole, groups = cells(model, questions)
    found = [Cell(each.row + 1, each.column, each.kind, each.step, each.text) for each in whole]
    steps = [
        Step(
            group[0].column or 1,
            group.text,
            *call(group.text),
            [each.row + 1 for each in group],
            group.depth,
        )
        for group in groups
    ]
    return found, steps


def _beside(model: Model, heads: list[tuple[int, int, str]], refused: bool = False) -> list[Cell]:
    """Return the cells that are no part of the body: headings, rules, blank rows, prose."""
    first, end = model.span
    found = [Cell(row + 1, column, "header", None, name) for row, column, name in heads]
    named = {row for row, _, _ in heads}
    told = {each.row for each in model.pieces} if not refused else set()
    for number, row in enumerate(model.grid.rows):
        if number not in named and number not in told:
            kind = outside(row, first <= number < end)
            found.append(Cell(number + 1, None, kind, None, row.strip()))
    return found
