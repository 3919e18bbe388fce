"""What a cell is: a step, a remark, a state, time that passes; and which cells are one step."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby

from mmviz.reading.columns import Model, Question
from mmviz.reading.cutting import (
    BEHIND,
    ELIDED,
    HANDOVER,
    STATE,
    Piece,
    hanging,
    is_remark,
)
from mmviz.reading.mail import KEYWORDS, LABEL, is_prose, is_rule, open_brackets

TAIL = re.compile(
    r"\s*(?<!:)(//.*|/\*.*)$|(?<=\S)\s+(#\s.*|--\s.*|<-+\s.*|<={2,}\s.*|(?<=[);]\s)<<\s[A-Za-z].*|"
    r"\((?:[A-Za-z]|\d{1,2}|[a-z]\w* [^()]*)\)|<\d+>)$"
)
GOES_ON = re.compile(r"(?:,|&&|\|\||[^=!<>]=|\\)$")
BRACES = re.compile(r"[{}]+;?")
STATED = re.compile(r"[\w.>-]*\w\s?\(.*\)[;:]?|[{}]+;?|(?:if|while|for|return|goto)\b.*|.*;")
OPEN_END = re.compile(
    r"\b(?:the|an?|of|from|to|in|into|and|but|or|with|is|are|was|be|for|on|by|that|which|as|at|via"
    r"|using|its|their|this|because|therefore|than|\w+'s)$"
)
OPEN_START = re.compile(r"(?:of|and|or|which|because|therefore|from|with|by|into|than)\s")
NEAR = 8  # a shaft nearer than this to the next column stands between the two
NEAREST = 12  # blanks from a column at which "..." still stands for it
MOST_ROWS = 10  # of one step


class Group(list[Piece]):
    """The cells of one step, from its first row on, and how deep it is nested."""

    depth: int = 0

    @property
    def text(self) -> str:
        """What the step says, as one row."""
        return re.sub(r"\s+", " ", " ".join(each.text for each in self))


def cells(model: Model, questions: list[Question]) -> tuple[list[Piece], list[Group]]:
    """Return the cells of a diagram by row, and its steps in the order of their rows."""
    whole = _rejoined(model)
    by_row = {row: list(own) for row, own in groupby(whole, key=lambda each: each.row)}
    states = _state_columns(model, whole)
    firsts = Counter(own[0].x for own in by_row.values())
    found: list[Piece] = []
    tail = Piece(-9, 0, "")  # the remark that stands behind a step, the last one so far
    for each in whole:
        if each.kind == "step":
            beside = any(o is not each and not ELIDED.match(o.text) for o in by_row[each.row])
            each.kind = _kind(each, beside, states)
        if each.kind == "handover" and _is_within(model, each):
            each.kind = "remark"
        between = each.kind == "line" and _next_is_near(model, each)
        if each.kind == "handover" or between:
            each.column = None
        behind = list(_remarks_behind(each))
        at_name = any(abs(each.x - x) < 2 for x, _ in model.header.names[1:])
        usual = (firsts[each.x] > 1 or at_name) and each.column != tail.column
        if each.kind == "step" and not usual and _goes_on_behind(each, tail):
            each.kind, each.column = "remark", tail.column
            tail = replace(tail, row=each.row)
        elif behind:
            tail = behind[-1]
        found += [each, *behind]
    groups = [
        group
        for column in range(1, len(model.bounds) + 2)
        for group in _grouped([each for each in found if each.column == column], model)
    ]
    groups.sort(key=lambda group: (group[0].row, group[0].column or 0))
    for number, group in enumerate(groups, 1):
        for each in group:
            each.step, each.kind = number, "step"
    _hang_on(found)
    _whose_remark(found, questions)
    return found, groups


def _rejoined(model: Model) -> list[Piece]:
    """Return the pieces, those of one cell put together again."""
    found: list[Piece] = []
    hung, pointing = hanging(model.pieces), _pointing(model)
    firsts = {own[0].x for own in _by_row(model.pieces) if id(own[0]) not in hung}
    for each in model.pieces:
        each.column = pointing(each) or model.column(each.x)
        if above := hung.get(id(each)):
            each.column = above.column
        before = found[-1] if found else None
        if before is not None and _is_behind(each, before, firsts):
            each.column = before.column
        same = before is not None and (before.row, before.column) == (each.row, each.column)
        if before is not None and same and before.kind == each.kind == "step":
            before.text += "  " + each.text
        else:
            found.append(each)
    return found


def _pointing(model: Model) -> Callable[[Piece], int | None]:
    """Return what tells the column of a caret, the step's above it, and of "..." between two."""
    rows: dict[int, list[Piece]] = {}
    for each in model.pieces:
        rows.setdefault(each.row, []).append(each)
    starts = sorted({own[0].x for own in rows.values() if own[0].kind == "step"})

    def between(each: Piece) -> int | None:
        """Return the column at the right of dots that are nearer to it than to its own."""
        column = model.column(each.x)
        if column > len(model.bounds) or len(rows[each.row]) > 1:
            return None
        off = model.bounds[column - 1] - each.x
        before = max((x for x in starts if x < each.x), default=0)
        return column + 1 if off <= NEAREST and 2 * off < each.x - before else None

    def column(each: Piece) -> int | None:
        over = [o for o in rows.get(each.row - 1, ()) if o.x <= each.x]
        caret = next((o for o in over if o.text[0] == "^"), None)
        if caret and each.x == caret.x + len(caret.text) - len(caret.text.lstrip("^ ")):
            return caret.column
        if each.text[0] == "^":
            over = [o for o in rows.get(each.row - 2, ()) if o.x <= each.x] + over
            spans = [o for o in over if each.x < o.x + len(o.text)]
            return model.column(spans[-1].x) if spans else None
        return between(each) if ELIDED.fullmatch(each.text) else None

    return column


def _by_row(found: list[Piece]) -> list[list[Piece]]:
    return [list(own) for _, own in groupby(found, key=lambda each: each.row)]


def _is_behind(each: Piece, before: Piece, firsts: set[int]) -> bool:
    """Tell whether a remark stands behind the step of a column at its left."""
    return (
        each.row == before.row
        and before.kind == "step"
        and bool(re.match(r"//|<-|#\s", each.text))
        and each.x not in firsts
        and each.x - before.x - len(before.text) <= BEHIND
    )


def _state_columns(model: Model, whole: list[Piece]) -> set[int]:
    found = set()
    for column in range(1, len(model.bounds) + 2):
        own = [e.text for e in whole if e.column == column and e.kind == "step"]
        if len(own) >= 3 and all(map(STATE.fullmatch, own)):
            found.add(column)
    return found


def _kind(each: Piece, beside: bool, states: set[int]) -> str:
    if each.text in {".", ":"} and beside:
        return "line"  # dots that keep a column alive
    if ELIDED.match(each.text):
        return "elided"
    if HANDOVER.match(each.text):
        return "handover"
    if each.column in states or re.match(r"@\w+ *= ", each.text):
        return "state"
    return "remark" if is_remark(each.text) else "step"


def _is_within(model: Model, each: Piece) -> bool:
    """Tell whether a cell stands in one column, below a step at its left or above it."""
    column, end = each.column or 1, each.x + len(each.text)
    least = min((o.x for o in model.pieces if model.column(o.x) == column), default=each.x)
    starts = [*model.bounds, max(end + 1, *model.bounds)] if model.bounds else [end + 1]
    below = any((o.row, o.x, o.column) == (each.row - 1, each.x, column) for o in model.pieces)
    return least < each.x and (below or end < starts[column - 1])


def _next_is_near(model: Model, each: Piece) -> bool:
    column = each.column or 1
    return column <= len(model.bounds) and model.bounds[column - 1] - each.x < NEAR


def _remarks_behind(each: Piece) -> Iterator[Piece]:
    """Cut the remarks off the end of a step; `(x == y)` after `if` is none."""
    while each.kind == "step" and (tail := TAIL.search(each.text)) and tail.start():
        before = each.text[: tail.start()]
        if open_brackets(before) or before in KEYWORDS:
            return
        remark = each.text[tail.start() :].strip()
        yield Piece(each.row, each.x + tail.start(), remark, "remark", each.column)
        each.text = before


def _goes_on_behind(each: Piece, tail: Piece) -> bool:
    """Tell whether a cell is the rest of the remark that stands behind the step above it."""
    is_below = each.row == tail.row + 1 and each.x >= tail.x
    begins = LABEL.match(each.text) or re.search(r"\w\(.*\)|;$|_|->", each.text)
    return is_below and not begins


# -- which cells are one step ------------------------------------------------------------------


def _grouped(own: list[Piece], model: Model) -> Iterator[Group]:
    own = [each for each in own if each.kind not in {"line", "elided", "header"}]
    nesting: list[int] = []
    number = 0
    while number < len(own):
        first, many = own[number], _joined(own, number, model)
        group = Group(
            each
            for each in own[number : number + many]
            if each is first
            or first.text.startswith("/*")
            or not re.match(r"//|#|--|/\*", each.text)
        )
        number += many
        if first.kind == "step" and many > 1 and is_remark(group.text):
            first.kind = "remark"  # a paragraph in brackets
        if first.kind == "remark":
            for each in group:
                each.kind = "remark"
        elif first.kind == "step" and not BRACES.fullmatch(first.text):
            while nesting and nesting[-1] >= first.x:
                nesting.pop()
            nesting.append(first.x)
            group.depth = len(nesting) - 1
            yield group


def _joined(own: list[Piece], number: int, model: Model) -> int:
    """Return how many cells of a column, from one on, are one step or remark."""
    first, rest = own[number], own[number + 1 : number + MOST_ROWS]
    if (label := LABEL.match(first.text)) and re.match(r"\(?\d+[.)\d]|\[\d", first.text):
        hang = first.x + min(label.end(), 3)
        return 1 + _while(
            rest,
            lambda each: (
                each.x >= hang
                and not LABEL.match(each.text)
                and each.kind in {"step", "remark"}
                and not STATED.fullmatch(each.text)
            ),
        )
    if label and (many := _hanging(first, rest, first.x + label.end())):
        return 1 + many
    if re.match(r"<[A-Za-z]", first.text) and ">" not in first.text:
        many = _while(rest, lambda each: ">" not in each.text)
        return min(2 + many, len(rest) + 1) if many < min(len(rest), 5) else 1
    if first.text.startswith("/*") and "*/" not in first.text:
        return min(2 + _while(rest, lambda each: "*/" not in each.text), len(rest) + 1)
    if re.match(r"//|#|--|<-|/\*", first.text):
        return 1
    open_ = open_brackets(first.text)
    for count, each in enumerate(rest if open_ > 0 else (), 2):
        open_ += open_brackets(each.text)
        if open_ <= 0:
            return count
    many = 1
    while many <= len(rest) and GOES_ON.search(own[number + many - 1].text):
        if rest[many - 1].x <= first.x:
            break
        many += 1
    return many if many > 1 else 1 + _prose_below(first, rest, model)


def _hanging(first: Piece, rest: list[Piece], hang: int) -> int:
    """Return how many rows go on below a mark like `-->`, where its text begins."""
    if STATED.fullmatch(LABEL.sub("", first.text)):
        return 0
    count, row = 0, first.row
    for each in rest:
        if (
            each.row != row + 1
            or abs(each.x - hang) > 1
            or each.kind not in {"step", "remark"}
            or LABEL.match(each.text)
            or STATED.fullmatch(each.text)
        ):
            break
        count, row = count + 1, each.row
    return count


def _while(rest: list[Piece], holds: Callable[[Piece], bool]) -> int:
    return next((count for count, each in enumerate(rest) if not holds(each)), len(rest))


def _prose_below(first: Piece, rest: list[Piece], model: Model) -> int:
    """Return how many rows below a sentence are its end: each begins small where it had to."""
    if first.kind != "step" or STATED.fullmatch(first.text):
        return 0
    count, above, sentence = 0, first, _sentence(first.text)
    for each in rest:
        if each.row != above.row + 1 or each.kind != "step":
            break
        wrapped = each.x > first.x or _had_to_wrap(above, each, model)
        if not _needs_more(above, each) and not (
            sentence and _goes_on(first, above, each) and wrapped
        ):
            break
        count, above = count + 1, each
    return count


def _needs_more(above: Piece, each: Piece) -> bool:
    """Tell whether a row of words ends or begins where no sentence does."""
    if each.x < above.x - 1 or STATED.fullmatch(each.text) or LABEL.match(each.text):
        return False
    words = len(above.text.split()) > 1 and not STATED.fullmatch(above.text)
    return words and bool(OPEN_END.search(above.text) or OPEN_START.match(each.text))


def _sentence(text: str) -> bool:
    return len(text.split()) >= 2 and not re.search(r"[(){};=]|->|_", text)


def _goes_on(first: Piece, above: Piece, each: Piece) -> bool:
    ended = re.search(r"[.;:!?]$", above.text)
    return (
        not ended
        and first.text[:1].isupper()
        and each.text[:1].islower()
        and each.x >= first.x
        and not re.search(r"[(){};=]|->", each.text)
    )


def _had_to_wrap(above: Piece, each: Piece, model: Model) -> bool:
    column = above.column or 1
    ends = [
        other.x + len(other.text)
        for other in model.pieces
        if other.column == column and other.kind == "step"
    ]
    return above.x + len(above.text) + 1 + len(each.text.split(" ")[0]) > max(ends)


# -- what belongs to a step ----------------------------------------------------------------------


def _hang_on(found: list[Piece]) -> None:
    """Give braces, remarks and states the step before them in their column, else the first."""
    near = {each.column: each.step for each in reversed(found) if each.step}
    for each in found:
        if each.step:
            near[each.column] = each.step
        elif each.kind in {"step", "remark", "state"}:
            each.step = near.get(each.column)


def _whose_remark(found: list[Piece], questions: list[Question]) -> None:
    places = {(each.row, each.column, each.x) for each in found}
    for row, own in groupby(found, key=lambda each: each.row):
        there = list(own)
        steps = {each.column for each in there if each.kind == "step"}
        for each in there:
            column = each.column or 1
            if each.kind != "remark" or not each.text.startswith("/*") or column == 1:
                continue
            aligned = any((row + n, column, each.x) in places for n in (-2, -1, 1, 2))
            if column not in steps and column - 1 in steps and not aligned:
                text = f"row {row + 1}: whose remark is {each.text!r}?"
                readings = [f"column {column}'s", "that of the step at its left"]
                questions.append(Question([row + 1], text, readings))


def outside(row: str, in_body: bool) -> str:
    """Return what a row is that is no part of the diagram's body, or of one that is refused."""
    if not row.strip():
        return "blank"
    if is_rule(row):
        return "rule"
    if not row.strip("|│ "):
        return "line"
    return "prose" if not in_body or is_prose(row) or is_remark(row.strip()) else "step"
