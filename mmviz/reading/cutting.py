"""The pieces of a row, which two blanks or a bar end: steps, drawn lines, remarks."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mmviz.reading.heads import FREE_GAP, GAP
from mmviz.reading.mail import LABEL, open_brackets, pieces, written

BEHIND = 10  # blanks between a step and its remark, at most

ELIDED = re.compile(
    r"(?:\.{2,9}|…|[.:]|\[ ?\.\.+ ?\]|< ?\.\.+ ?>|<snip>"
    r"|\.{3} ?<.*> ?\.{3}|\.{2,4} ?[a-z]+ ?\.{2,4})$"
)
HANDOVER = re.compile(
    r"(?:\*{2,}.+\*{2,}|[-=]{3,}>? ?[^-=>].*[-=]{3,}>?|>{2,} ?[^<>]+ ?<{2,}|~{2,}.+~{2,})$"
)
SHAFT = re.compile(
    r"-{2,}\+$|[|`'\\/.+]?(?:-{4,}|={4,})>?|-{3}>\w*(?=\s|$)|<-{4,}[|`'\\/.+]?|[|!](?=\s|$)"
)
BRANCH = re.compile(r"[|¦│](?=\s|$)")
REMARK = re.compile(
    r"//|/\*|\*/|#(?!\w)|-{2,3}(?=\s|$)|<-+(?=\s)|<=+\s|<-{1,2}(?!-)|\^{2,}|\^\._"
    r"|\(.*\)\.?$|\[ ?[^\].][^\]]* .*\]$|-{3,} ?[(\[]\w{1,2}[)\]]$"
)
ASIDE = re.compile(r"\[\w{1,3}\]$|[=!<>]?= ")  # a tag of the step at its left, or its rest
STATE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
CODE = re.compile(r"\w\(|[=;]|->|\w\+\+|\w_\w")
BARS = "|+¦│┃┼"
BARS_ = frozenset(BARS)


def is_remark(text: str) -> bool:
    """Tell whether a cell is a remark; the brackets of a label `(1)` make none."""
    if re.fullmatch(r"[(\[]\d{1,2}[)\]]", text):
        return False  # a number stands for the step
    label = LABEL.match(text) if text.startswith(("(", "[")) else None
    return bool(REMARK.match(text[label.end() :] if label else text))


@dataclass
class Piece:
    """A piece of a row; two blanks or a bar end it.

    Attributes:
        row, x: where it begins, both counted from 0.
        text: what it says.
        kind: "step" until more is known.
        column: counted from 1; None between columns.
        step: the number of its step.
    """

    row: int
    x: int
    text: str
    kind: str = "step"
    column: int | None = None
    step: int | None = None


def cut(rows: list[str], numbers: Iterable[int], bars: list[int]) -> list[Piece]:
    """Return the pieces of some rows; bars stand where `bars` says."""
    found = []
    for number in numbers:
        row = rows[number]
        for x, text in _between_bars(row, bars) if bars else _whole_brackets(pieces(row)):
            shafts = BRANCH if bars else SHAFT
            while (shaft := shafts.match(text)) and not _is_no_shaft(text):
                found.append(Piece(number, x, shaft[0], "line"))
                rest = text[shaft.end() :].lstrip()
                x, text = x + len(text) - len(rest), rest
            if text:
                found.append(Piece(number, x, text))
    return found


def _whole_brackets(found: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the pieces of a row, a bracket in one: blanks within it end no piece."""
    x, text = 0, ""
    for at, piece in found:
        near = text and at - x - len(text) <= 3
        if near and open_brackets(text) == 1 and open_brackets(piece) == -1:
            text += " " * (at - x - len(text)) + piece
            continue
        if text:
            yield x, text
        x, text = at, piece
    if text:
        yield x, text


def _is_no_shaft(text: str) -> bool:
    """Tell whether dashes are drawn around words: a hand-over, or before a remark."""
    remark = re.match(r"<-+\s+[A-Za-z]|-{3,} ?[(\[]\w{1,2}[)\]]$", text)
    return bool(HANDOVER.match(text) or remark)


def _between_bars(row: str, bars: list[int]) -> Iterator[tuple[int, str]]:
    """Yield what stands between bars; a row that lacks one is cut where blanks are."""
    there = [bar for bar in bars if len(row) > bar and row[bar] in BARS]
    for left, right in pairwise([-1, *there, len(row)]):
        part = row[left + 1 : right]
        if [bar for bar in bars if left < bar < right]:
            yield from ((left + 1 + x, text) for x, text in pieces(part))
        elif part.strip():
            yield left + 1 + len(part) - len(part.lstrip()), part.strip()


def bars_of(rows: list[str], names: Sequence[tuple[int, str]]) -> list[int]:
    """Return the columns at which a bar stands in most rows that have text before it.

    Trees of calls are drawn with bars, too: of several, the one between the names tells.
    """
    there = written(rows)
    if len(there) < 3:
        return []
    found = [
        x
        for x in range(GAP, max(map(len, there)))
        if sum(len(row) > x and row[x] in BARS for row in there) >= 0.7 * len(there)
        and sum(bool(row[:x].strip()) for row in there) > 2
    ]
    drawn = [x for x in found if there[0][x : x + 1] in BARS_]
    if len(names) < 2 or len(drawn) >= len(names):
        return drawn or found
    nearest = []
    for (left, name), (right, _) in pairwise(names):
        between = [x for x in found if left + len(name) <= x < right]
        if not between:
            return []
        nearest.append(max(between, key=lambda x: (x in drawn, -x)))
    return nearest


def last_barred(rows: list[str], first: int, end: int, bars: list[int]) -> int:
    """Return the first row below a diagram with bars: the rest of its last step may lack them."""
    if not bars:
        return end
    with_bar = [n for n in range(first, end) if any(rows[n][x : x + 1] in BARS_ for x in bars)]
    last = with_bar[-1] + 1 if with_bar else end
    while last < end and rows[last].strip():
        x, text = pieces(rows[last])[0]
        goes_on = re.match(r"[|`]-|[{}]+;?$", text)
        if (x < GAP and not goes_on) or (x < bars[0] < len(rows[last])):
            break  # it runs on where a bar would stand
        last += 1
    return last


def split_overruns(found: list[Piece], names: Sequence[tuple[int, str]]) -> None:
    """Cut a step that ran up to the edge of the next column, one blank from the step there."""
    edges = {x for x, _ in names}
    firm = Counter(each.x for each in found if each.kind == "step")
    for number, each in reversed(list(enumerate(found))):
        for match in re.finditer(r"(?<=[;){}]) (?=[A-Za-z_*])", each.text):
            x, rest = each.x + match.end(), each.text[match.end() :]
            at_edge = x - each.x > FREE_GAP and any(abs(x - edge) < 2 for edge in edges)
            near = at_edge and sum(firm[x + n] for n in range(-2, 3)) > 1
            if (x in edges and firm[x] >= 2) or (near and re.match(r"\w+_\w", rest)):
                found.insert(number + 1, Piece(each.row, x, rest))
                each.text = each.text[: match.start()]
                break


def carets(found: list[Piece]) -> set[int]:
    """Return the pieces that point up at a step, and the words right below such a piece."""
    carets = {(each.row, each.x): each for each in found if re.match(r"\^+(?:\s|$)", each.text)}
    words = {
        (row, x + len(each.text) - len(each.text.lstrip("^ "))) for (row, x), each in carets.items()
    }
    below = {id(each) for each in found if (each.row - 1, each.x) in {*carets, *words}}
    return {id(each) for each in carets.values()} | below


def hanging(found: list[Piece]) -> dict[int, Piece]:
    """Return the rows of remarks below the first, of `//` right behind a step and of `/*`.

    Each comes with the piece above it.
    """
    hung, at = dict[int, Piece](), dict[tuple[int, int], Piece]()
    for before, each in pairwise([Piece(-1, 0, ""), *found]):
        behind = before.row == each.row
        above = at.get((each.row - 1, each.x))
        if above is not None and not behind:
            hung[id(each)] = above
        if each.text.startswith("//"):
            if above is not None or (behind and each.x - before.x - len(before.text) <= BEHIND):
                at[each.row, each.x] = each
        elif opens := re.search(r"/\*(?!.*\*/)", each.text):
            at[each.row, each.x + opens.start() + 1] = each
        elif above is not None and "*/" not in each.text:
            at[each.row, each.x] = each
    return hung


def close_behind(found: list[Piece]) -> set[int]:
    """Return the pieces two blanks behind another, where no other row begins: no edge of theirs."""
    usual = Counter(each.x for each in found)
    return {
        id(each)
        for before, each in pairwise(found)
        if before.row == each.row
        and each.x - before.x - len(before.text) == 2
        and usual[each.x] == 1
    }
