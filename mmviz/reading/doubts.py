"""What a mailer, an editor or a web page may have done to a diagram, and what is asked about it."""

import re
from collections.abc import Iterable
from itertools import pairwise

from mmviz.reading.columns import Model, Piece, Question, is_remark
from mmviz.reading.heads import NAME, ROLE, is_again
from mmviz.reading.mail import LABEL, grids, is_rule, open_brackets, pieces

MOST_NAMED = 9  # rows that a question names
WRAPS_AT = 72  # the narrowest width at which mailers wrap
BRACES = re.compile(r"[{}]+;?")
CONTROL = re.compile(r"(?:\} )?(?:else )?(?:if|for|while|switch)\b|//|/\*")
STATEMENT = re.compile(
    r"[A-Za-z_]\w*(?:(?:->|\.)\w+)*\s?\(.*\)[;:]?(?:\s*(?://|/\*|#|<-).*)?$"  # a call
    r"|[*&]?[A-Za-z_][\w>.\[\]-]*\s?(?:[-+|&^]?=[^=].*|\+\+|--);?$"  # an assignment
    r"|[A-Za-z]\w*_\w+;?$|[{}]+;?$|(?:if|for|while|switch|return|else|do|goto)\b"
)


def doubts(model: Model) -> list[Question]:
    """Return the questions about what may have been damaged on the way."""
    found = (
        _trimmed(model),
        _crowded(model),
        _two_calls(model),
        _collapsed(model),
        _tabs(model),
        _wrapped(model),
        _header_wrapped(model),
        _second(model),
    )
    return [each for each in found if each is not None]


def _ask(rows: Iterable[int], text: str, *readings: str) -> Question | None:
    numbers = sorted({row + 1 for row in rows})
    if not numbers:
        return None
    some = ", ".join(map(str, numbers[:MOST_NAMED])) + (", …" if len(numbers) > MOST_NAMED else "")
    where = f"line {some}" if len(numbers) == 1 else f"lines {some}"
    return Question(numbers, f"{where}: {text}", list(readings))


def _steps(model: Model, column: int) -> list[Piece]:
    return [e for e in model.pieces if e.kind == "step" and model.column(e.x) == column]


def _firsts(model: Model) -> dict[int, Piece]:
    return {each.row: each for each in reversed(model.pieces)}


def _trimmed(model: Model) -> Question | None:
    if not model.bounds:
        return None
    left, firsts = _steps(model, 1), _firsts(model)
    alone = [
        each.row
        for each, after in zip(model.pieces, [*model.pieces[1:], *model.pieces[:1]], strict=True)
        if firsts[each.row] is each and model.column(each.x) == 1 and after.row != each.row
    ]
    opens = {model.column(each.x) for each in firsts.values()}
    if len({each.x for each in left}) != 1 or len(alone) < 2 or opens != {1}:
        return None
    return _ask(
        alone,
        "no row is indented: have leading blanks been trimmed?",
        "these rows are steps of the first column",
        "some of them are steps of another column, whose blanks were trimmed",
    )


def _crowded(model: Model) -> Question | None:
    row = model.header.row
    if model.header.how != "crowded" or row is None:
        return None
    return _ask(
        [row],
        "the names stand one blank apart: have blanks been collapsed?",
        "only the header's blanks were",
        "those of all rows were, so that cells of several columns run together",
    )


def _two_calls(model: Model) -> Question | None:
    two = re.compile(r"(?<!if|or|le|ch)\s?\([^()]*\) [a-z_]\w*\(")
    return _ask(
        [
            each.row
            for each in model.pieces
            if two.search(each.text) and not LABEL.match(each.text) and not CONTROL.match(each.text)
        ],
        "two calls stand one blank apart in one cell: is it one cell?",
        "it is one cell",
        "they are cells of two columns, whose blanks were collapsed",
    )


def _collapsed(model: Model) -> Question | None:
    """Return a question if no row shows two blanks within, and some hold two statements."""
    if any(len({each.row for each in pair}) == 1 for pair in pairwise(model.pieces)):
        return None
    return _ask(
        [each.row for each in model.pieces if each.kind == "step" and _two_in(each.text)],
        "two statements stand in one cell, and no row has two blanks: is it one cell?",
        "it is one cell",
        "they are cells of two columns, whose blanks were collapsed",
    )


def _two_in(text: str) -> bool:
    if CONTROL.match(text) or LABEL.match(text) or re.match(r"[A-Z]{2,} ", text):
        return False
    return any(
        STATEMENT.match(text[: blank.start()])
        and STATEMENT.match(text[blank.end() :])
        and not BRACES.fullmatch(text[blank.end() :])
        for blank in re.finditer(" ", text)
    )


def _tabs(model: Model) -> Question | None:
    """Return a question if rows with tabs stand straighter where a tab is four wide."""
    grid = model.grid
    narrow = [each for each in grids(grid.raw) if each.how == "four wide"]
    if grid.how == "four wide" or not narrow:
        return None
    first, end = model.span
    inside = [n for n in range(first, end) if not is_rule(grid.rows[n])]
    tabbed = [n for n in inside if "\t" in grid.raw[n].strip()]
    edges = [
        len({x for n in inside for x, _ in pieces(rows[n])}) for rows in (grid.rows, narrow[0].rows)
    ]
    if edges[1] >= edges[0]:
        return None
    return _ask(
        tabbed,
        "with tabs four wide more rows stand below one another: how wide were the tabs?",
        "eight, as in the kernel",
        "four",
    )


def _wrapped(model: Model) -> Question | None:
    """Return a question about rows that look like the tail of the row above."""
    left, firsts = _steps(model, 1), _firsts(model)
    last = {each.row: each for each in model.pieces}
    usual = min((each.x for each in model.pieces if each.kind == "step" and each.x), default=0)
    at_border = sum(each.x == 0 for each in left) < 3 and usual > 0
    rows = [
        each.row
        for each in left
        if each.row - 1 in firsts
        and each.x < usual + 1
        and _tail_of(model, each, last[each.row - 1], at_border)
    ]
    first, end = model.span
    rows += [n for n in range(max(first, 1), end) if _sign_lost(model.grid.raw[n - 1 : n + 1])]
    return _ask(
        rows,
        "does this row go on from the one above, wrapped by a mailer?",
        "it is a step of its own",
        "it is the end of the row above",
    )


def _sign_lost(pair: list[str]) -> bool:
    """Tell whether a row lacks the quoting of the row above, or that row ends in blanks."""
    above, row = pair
    if not row.strip():
        return False
    quoted = re.match(r"\s*>", above) and not re.match(r"\s*>", row)
    blanks = len(above) - len(above.rstrip(" "))
    return bool(quoted) or blanks >= (2 if re.search(r"[^\s>*]", above) else 12)


def _header_wrapped(model: Model) -> Question | None:
    """Return a question about names below the header, which a mailer may have wrapped."""
    row, rows = model.header.row, model.grid.rows
    if row is None or model.header.how == "staggered" or row + 1 >= len(rows):
        return None
    below = [text for _, text in pieces(rows[row + 1])]
    if is_rule(rows[row + 1]) and len(below) == len(model.header.names):
        return None
    cut = re.search(rf"(?<!\w){ROLE}$", rows[row], re.I)
    if not cut and not any(NAME.fullmatch(text) for text in below):
        return None
    return _ask(
        [row, row + 1],
        "does the header go on in the row below it, wrapped by a mailer?",
        "the row below is no part of it",
        "it is the end of the header",
    )


def _second(model: Model) -> Question | None:
    """Return a question about a second header further down: another diagram begins there."""
    row = model.header.row
    if row is None:
        return None
    rows = model.grid.rows
    again = [n for n in range(row + 2, len(rows)) if is_again(rows, row, n)]
    return _ask(
        again[:1],
        "another diagram begins here; only the first is read. Paste them one by one",
        "it is another diagram",
        "it is a part of this one",
    )


def _tail_of(model: Model, each: Piece, above: Piece, at_border: bool) -> bool:
    raw, rows = model.grid.raw, model.grid.rows
    if _mark(raw[each.row]) != _mark(raw[above.row]):
        return True
    if open_brackets(each.text) < 0 < open_brackets(above.text):
        return True
    width = len(rows[above.row]) + 1 + len(each.text.split(" ")[0])
    if each.x or width <= WRAPS_AT or LABEL.match(each.text) or is_remark(each.text):
        return False
    names = model.header.names
    at_name = bool(names) and names[0][0] == 0  # column 1 begins at the border
    return (at_border and not at_name) or not STATEMENT.match(each.text)


def _mark(row: str) -> str:
    """Return the quoting of a row and its comment star."""
    return re.match(r"[>\s]*[*+]?", row)[0].strip().replace(" ", "")  # type: ignore[index]
