"""In which column each piece of a row stands: models are scored, and near ties are asked about.

A piece belongs to a column by its left edge alone. So it does not matter how far it runs to the
right, which is what people get wrong. A model is a choice of gutters between left edges.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise

from mmviz.reading.body import body
from mmviz.reading.cutting import (
    ASIDE,
    CODE,
    ELIDED,
    HANDOVER,
    STATE,
    Piece,
    bars_of,
    carets,
    close_behind,
    cut,
    hanging,
    is_remark,
    last_barred,
    split_overruns,
)
from mmviz.reading.heads import (
    FREE_GAP,
    GAP,
    SINGLE,
    Head,
    head,
    without_numbers,
    without_time,
)
from mmviz.reading.mail import Grid, grids, is_rule, pieces

MARGIN = 1.0  # a reading that wins by less is asked about
UNNAMED = 2.2  # what each column beyond the second costs without a header
NESTED = 2  # blanks by which a call is nested in the one above it
ABOUT = 3  # blanks between a name and its column where other columns have no step
MOST_COLUMNS = 6
RIGHT = 10**6


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
        grids: all on which the text may have been written.
    """

    grid: Grid
    header: Head
    span: tuple[int, int]
    pieces: list[Piece]
    bounds: tuple[int, ...] = ()
    score: float = -99.0
    barred: bool = False
    grids: tuple[Grid, ...] = ()

    def column(self, x: int) -> int:
        """Return the column that a piece belongs to by its left edge."""
        return sum(x >= bound for bound in self.bounds) + 1

    @property
    def placed(self) -> dict[tuple[int, str], int]:
        """The column of each piece, by row and text."""
        return {
            (each.row, re.sub(" +", " ", each.text)): self.column(each.x)
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
    drawn = [row for row in told if not is_rule(row) or "+" in row]
    bars = bars_of(drawn, sorted(header.names))
    end = last_barred(rows, first, end, bars)
    numbers = [number for number in range(first, end) if not is_rule(rows[number])]
    found = cut(rows, numbers, bars)
    base = Model(grid, header._replace(names=names), (first, end), found)
    for each in _second_header(base):
        each.kind = "header"
    if bars:
        if len(names) != len(bars) + 1:
            base.header = header._replace(names=[(bar, "") for bar in [0, *bars]])
        return [replace(base, bounds=tuple(bar + 1 for bar in bars), score=50.0, barred=True)]
    split_overruns(found, names)
    named = [names, sorted(header.names)] if header.beside else [names]
    for candidates in named:
        if some := list(_with_gutters(base, candidates, grid.penalty)):
            return sorted(some, key=lambda model: -model.score)
    return [_below_its_names(base, sorted(header.names)) or base]


def _below_its_names(base: Model, names: list[tuple[int, str]]) -> Model | None:
    """Return a model in which columns have no step, if each piece stands below a name.

    Rows are nested, so that no blanks before them are gone; the header has kept its own.
    """
    steps = [each for each in base.pieces if each.kind == "step"]
    row = base.grid.rows[base.header.row or 0]
    names = [
        (next((at for at, whole in pieces(row) if at <= x < at + len(whole)), x), name)
        for x, name in names
    ]
    edges = {each.x for each in steps}
    apart = all(b - a - len(name) > GAP for (a, name), (b, _) in pairwise(names))
    one_each = max(Counter(each.row for each in steps).values(), default=9) == 1
    if len(names) < 2 or not apart or not one_each or len(edges) < 2:
        return None
    if len(edges) == 2 and min(edges) <= names[0][0] + ABOUT:
        return None  # nothing is nested
    if any(b.x - a.x > NESTED for a, b in pairwise(steps) if b.x <= names[1][0] - ABOUT):
        return None  # blanks before some rows may be gone
    bounds = tuple(x - ABOUT for x, _ in names[1:])
    for (x, _), left, right in zip(names, (-RIGHT, *bounds), (*bounds, RIGHT), strict=True):
        own = [each.x for each in steps if left <= each.x < right]
        if own and abs(min(own) - x) > ABOUT:
            return None
    return replace(base, header=base.header._replace(names=names), bounds=bounds, score=0.0)


def _with_gutters(base: Model, names: list[tuple[int, str]], penalty: float) -> Iterator[Model]:
    opens = {each.row: each for each in reversed(base.pieces)}
    close, pointed = close_behind(base.pieces), carets(base.pieces) | hanging(base.pieces).keys()
    telling = [
        each
        for each in base.pieces
        if each.kind == "step"
        and id(each) not in pointed
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


def _nearest(bound: int, remarks: set[int]) -> int:
    """Return where a column begins when remarks that stand a little to its left belong to it."""
    return min(remarks & {bound - 1, bound - 2}, default=bound)


# -- the choice --------------------------------------------------------------------------------


def choose(rows: list[str]) -> tuple[Model, str, list[Question]]:
    """Return the likeliest model of the rows, why it is refused or "", and what is to be asked."""
    every = grids(rows)
    ranked = sorted(
        (model for grid in every for model in models(grid)), key=lambda model: -model.score
    )
    best = replace(ranked[0], grids=tuple(every))
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
