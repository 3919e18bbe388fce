"""In which column each piece of a row stands: models are scored, and near ties are asked about.

A piece belongs to a column by its left edge alone. So it does not matter how far it runs to the
right, which is what people get wrong. A model is a choice of gutters between left edges.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise

from mmviz.reading.body import body
from mmviz.reading.heads import (
    FREE_GAP,
    GAP,
    SINGLE,
    Head,
    head,
    without_numbers,
    without_time,
)
from mmviz.reading.mail import LABEL, Grid, grids, is_rule, open_brackets, pieces, written

MARGIN = 1.0  # a reading that wins by less is asked about
UNNAMED = 2.2  # what each column beyond the second costs without a header
MOST_COLUMNS = 6
RIGHT = 10**6

ELIDED = re.compile(
    r"(?:\.{2,9}|…|[.:]|\[ ?\.\.+ ?\]|<snip>|\.{3} ?<.*> ?\.{3}|\.{2,4} ?[a-z]+ ?\.{2,4})$"
)
HANDOVER = re.compile(
    r"(?:\*{2,}.+\*{2,}|[-=]{3,}>? ?[^-=>].*[-=]{3,}>?|>{2,} ?[^<>]+ ?<{2,}|~{2,}.+~{2,})$"
)
SHAFT = re.compile(
    r"-{2,}\+$|[|`'\\/.+]?(?:-{4,}|={4,})>?|-{3}>\w*(?=\s|$)|<-{4,}[|`'\\/.+]?|[|!](?=\s|$)"
)
BRANCH = re.compile(r"[|¦│](?=\s|$)")
REMARK = re.compile(
    r"//|/\*|\*/|#(?!\w)|--(?=\s|$)|<-+(?=\s)|<=+\s|<-{1,2}(?!-)|\^{2,}|\^\._"
    r"|\(.*\)\.?$|\[ ?[^\].][^\]]* .*\]$"
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


@dataclass
class Model:
    """One way in which the columns of a diagram may stand.

    Attributes:
        grid: the rows.
        header: its header; the names that this reading takes for columns.
        span: the first row of the body, and the first after it.
        pieces: of the body, from left to right, from top to bottom.
        bounds: where columns 2 to n begin, at the earliest.
        score: higher is likelier.
        barred: whether bars are drawn between the columns.
    """

    grid: Grid
    header: Head
    span: tuple[int, int]
    pieces: list[Piece]
    bounds: tuple[int, ...] = ()
    score: float = -99.0
    barred: bool = False

    def column(self, x: int) -> int:
        """Return the column that a piece belongs to by its left edge."""
        return sum(x >= bound for bound in self.bounds) + 1

    @property
    def placed(self) -> dict[tuple[int, str], int]:
        """The column of each piece, by row and text."""
        return {
            (each.row, each.text): self.column(each.x)
            for each in self.pieces
            if each.kind != "line"
        }


@dataclass
class Question:
    """What is asked about a diagram whose layout can be read in more than one way.

    Attributes:
        rows: which rows it is about, counted from 1.
        ask: the question.
        readings: the readings there are, in words.
    """

    rows: list[int]
    ask: str
    readings: list[str] = field(default_factory=list)

    def json(self) -> dict[str, object]:
        """Return it as data."""
        return {"rows": self.rows, "ask": self.ask, "readings": self.readings}


# -- the pieces of a row -----------------------------------------------------------------------


def _cut(rows: list[str], numbers: Iterable[int], bars: list[int]) -> list[Piece]:
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
    return bool(HANDOVER.match(text) or re.match(r"<-+\s+[A-Za-z]", text))


def _between_bars(row: str, bars: list[int]) -> Iterator[tuple[int, str]]:
    """Yield what stands between bars; a row that lacks one is cut where blanks are."""
    there = [bar for bar in bars if len(row) > bar and row[bar] in BARS]
    for left, right in pairwise([-1, *there, len(row)]):
        part = row[left + 1 : right]
        if [bar for bar in bars if left < bar < right]:
            yield from ((left + 1 + x, text) for x, text in pieces(part))
        elif part.strip():
            yield left + 1 + len(part) - len(part.lstrip()), part.strip()


def _bars(rows: list[str], names: Sequence[tuple[int, str]]) -> list[int]:
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


def _last_barred(rows: list[str], first: int, end: int, bars: list[int]) -> int:
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


def _second_header(model: Model) -> list[Piece]:
    """Return the pieces of `(cpu 1)  (cpu 2)` under the names, and of names set lower."""
    names, rows = model.header.names, model.grid.rows
    first = next((each.row for each in model.pieces), 0)
    under = [each for each in model.pieces if each.row == first]
    ruled = first + 1 < len(rows) and is_rule(rows[first + 1])
    if len(under) == len(names) > 1 and (
        all(re.fullmatch(r"[(\[].*[)\]]", each.text) for each in under)
        or (ruled and len(pieces(rows[first + 1])) == len(names))
    ):
        return under
    if model.header.how == "staggered":
        return [each for each in model.pieces if (each.x, each.text) in names]
    return []


def _split_overruns(found: list[Piece], names: Sequence[tuple[int, str]]) -> None:
    """Cut a step that ran up to the edge of the next column, one blank from the step there."""
    edges = {x for x, _ in names}
    firm = [each.x for each in found if each.kind == "step"]
    for each in list(found):
        for match in re.finditer(r"(?<=[;){}]) (?=[A-Za-z_*])", each.text):
            x = each.x + match.end()
            if x in edges and firm.count(x) >= 2:
                found.insert(found.index(each) + 1, Piece(each.row, x, each.text[match.end() :]))
                each.text = each.text[: match.start()]
                break


# -- models ------------------------------------------------------------------------------------


def _interval(own: list[Piece], name: int | None) -> float | None:
    """Return how well pieces make one column: none, if there are none.

    A jump to the right that nesting does not explain costs; so does a first piece far from the
    name, less where it stands left of it, as a quarter of real ones do. Names of states that are
    by themselves are a column.
    """
    if not own:
        return None
    total, last = 0.0, own[0].x
    for each in own:
        total -= max(0, each.x - last - 8) / 6
        last = each.x
    if name is not None:
        off = own[0].x - name
        total -= max(0, abs(off) - 2) / (8 if off < 0 else 5)
    states = sum(bool(STATE.fullmatch(each.text)) for each in own)
    return total + 2 * (states == len(own) >= 3)


def models(grid: Grid) -> list[Model]:
    """Return the models of a grid, the likeliest first; one without bounds if there is none."""
    header = head(grid.rows)
    first, end = body(grid.rows, header.row, sorted(header.names))
    header, numbered = without_time(header, grid.rows, first)
    names = sorted(header.names + header.beside)
    rows = numbered
    if names:
        rows, end = without_numbers(numbered, (first, end), names[0][0])
    grid = grid._replace(rows=rows)
    told = rows[max(first - 1, 0) : end]
    bars = _bars([row for row in told if not is_rule(row) or "+" in row], sorted(header.names))
    end = _last_barred(rows, first, end, bars)
    numbers = [number for number in range(first, end) if not is_rule(rows[number])]
    found = _cut(rows, numbers, bars)
    base = Model(grid, header._replace(names=names), (first, end), found)
    for each in _second_header(base):
        each.kind = "header"
    if bars:
        if len(names) != len(bars) + 1:
            base.header = header._replace(names=[(bar, "") for bar in [0, *bars]])
        return [replace(base, bounds=tuple(bar + 1 for bar in bars), score=50.0, barred=True)]
    _split_overruns(found, names)
    named = [names, sorted(header.names)] if header.beside else [names]
    for candidates in named:
        if some := list(_with_gutters(base, candidates, grid.penalty)):
            return sorted(some, key=lambda model: -model.score)
    return [base]


def _with_gutters(base: Model, names: list[tuple[int, str]], penalty: float) -> Iterator[Model]:
    opens = {each.row: each for each in reversed(base.pieces)}
    close = _close_behind(base.pieces)
    telling = [
        each
        for each in base.pieces
        if each.kind == "step"
        and not HANDOVER.match(each.text)
        and not ELIDED.match(each.text)
        and (
            each is opens[each.row]
            or (
                (not is_remark(each.text) or each.text[0] == "(")
                and not ASIDE.match(each.text)
                and id(each) not in close
            )
        )
    ]
    telling = [each for each in telling if not _is_label(each, opens, telling, names)]
    told = {id(each) for each in telling}
    remarks = {
        each.x
        for each in base.pieces
        if id(each) not in told and not each.text.startswith(("<-", "//"))
    }
    edges = sorted({each.x for each in telling})
    least = GAP if names else FREE_GAP
    gutters = {b: (b - a, a) for a, b in pairwise(edges) if b - a >= least}
    memo: dict[tuple[int, int, int], float | None] = {}
    for count in [len(names)] if names else range(2, MOST_COLUMNS):
        widest = sorted(gutters, key=lambda x: -gutters[x][0])[: 30 if count < 4 else 12]
        for bounds in combinations(sorted(widest), count - 1) if 2 <= count <= MOST_COLUMNS else ():
            if names and any(names[k + 1][0] <= gutters[x][1] for k, x in enumerate(bounds)):
                continue  # a name would stand left of the column before its own
            total: float | None = sum(min(gutters[x][0], 24) / 6 for x in bounds)
            for k, (left, right) in enumerate(pairwise((-1, *bounds, RIGHT))):
                if (left, right, k) not in memo:
                    own = [each for each in telling if left <= each.x < right]
                    memo[left, right, k] = _interval(own, names[k][0] if names else None)
                part = memo[left, right, k]
                total = None if total is None or part is None else total + part
            if total is not None:
                header = base.header._replace(names=names)
                extra = 0 if names else UNNAMED * (count - 2)
                near = tuple(_nearest(bound, remarks) for bound in bounds)
                yield replace(base, header=header, bounds=near, score=total - penalty - extra)


def _is_label(
    each: Piece, opens: dict[int, Piece], telling: list[Piece], names: list[tuple[int, str]]
) -> bool:
    """Tell whether a piece is a label `1) load` behind a step, far from every name."""
    if each is opens[each.row] or not re.match(r"\(?\d{1,2}[.)] ", each.text):
        return False
    firm = any(other.x == each.x and other is opens[other.row] for other in telling)
    return bool(names) and not firm and min(abs(each.x - x) for x, _ in names) > FREE_GAP


def _close_behind(found: list[Piece]) -> set[int]:
    """Return the pieces two blanks behind another, where no other row begins: no edge of theirs."""
    usual = Counter(each.x for each in found)
    return {
        id(each)
        for before, each in pairwise(found)
        if before.row == each.row
        and each.x - before.x - len(before.text) == 2
        and usual[each.x] == 1
    }


def _nearest(bound: int, remarks: set[int]) -> int:
    """Return where a column begins when remarks that stand a little to its left belong to it."""
    return min(remarks & {bound - 1, bound - 2}, default=bound)


# -- the choice --------------------------------------------------------------------------------


def choose(rows: list[str]) -> tuple[Model, str, list[Question]]:
    """Return the likeliest model of the rows, why it is refused or "", and what is to be asked."""
    ranked = sorted(
        (model for grid in grids(rows) for model in models(grid)), key=lambda model: -model.score
    )
    best = ranked[0]
    if not best.bounds and best.header.how != SINGLE:
        return best, _no_columns(best), []
    if best.header.row is None and (why := _no_diagram(best)):
        return best, why, []
    mine, questions = best.placed, []
    for other in ranked[1:]:
        theirs = other.placed
        unlike = sorted({key[0] + 1 for key in mine if theirs.get(key) != mine[key]})
        if not unlike or best.score - other.score >= MARGIN:
            continue
        questions.append(_which(unlike, best, other))
    return best, "", questions


def _no_diagram(model: Model) -> str:
    """Return why columns that no row names are none; "" where they may be."""
    depth, nested = 0, True
    for each in model.pieces:
        if model.column(each.x) == 1:
            depth += each.text.count("{") - each.text.count("}")
        else:
            nested = nested and depth > 0
    if nested:
        return (
            "no row names the actors, and what stands further to the right is within braces: this "
            "is nested code. Missing: a row that names the actors above their columns"
        )
    code = sum(bool(CODE.search(each.text)) for each in model.pieces)
    if 3 * code < len(model.pieces):
        return (
            "no row names the actors, and most of what stands here is no code. Missing: a row that "
            "names the actors above their columns"
        )
    return ""


def _no_columns(model: Model) -> str:
    names = [name for _, name in model.header.names]
    if not names:
        return (
            f"no columns: there is no header, and no gutter of {FREE_GAP} blanks between left "
            "edges. Missing: a row that names the actors above their columns"
        )
    if model.header.how == "crowded":
        why = "its names stand one blank apart"
    else:
        why = "left edges leave no gutter between columns"
    return (
        f"the header names {len(names)} columns ({', '.join(names)}), but {why}: the blanks that "
        "tell columns apart seem gone, as on a web page. Missing: the text as it was mailed"
    )


def _which(unlike: list[int], best: Model, other: Model) -> Question:
    readings = []
    for model in (best, other):
        begins = ", ".join(str(bound + 1) for bound in model.bounds)
        readings.append(f"columns after the first begin at character {begins} ({model.grid.how})")
    some = ", ".join(map(str, unlike[:9])) + (", …" if len(unlike) > 9 else "")
    return Question(unlike, f"rows {some}: in which column do they stand?", readings)
