"""What a mailer, an editor or a web page may have done to a diagram, and what is asked about it."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from itertools import pairwise

from mmviz.reading.body import is_again
from mmviz.reading.cells import OPEN_END
from mmviz.reading.columns import Model, Question
from mmviz.reading.cutting import BARS, Piece, is_remark
from mmviz.reading.mail import (
    KEYWORDS,
    LABEL,
    NAME,
    ROLE,
    SHORTEST,
    indent,
    is_rule,
    open_brackets,
    pieces,
    written,
)

FEW = 5  # rows
MOST_NAMED = 9  # rows that a question names
WRAPS_AT = 72  # the narrowest width at which mailers wrap
LEAST = 64  # what is left of a row that was wrapped, with the word that follows
NO_MAILER = 80  # a wider row shows that no mailer wrapped the text
BRACES = re.compile(r"[{}]+;?")
CONTROL = re.compile(
    r"(?:\} ?)?(?:else )?(?:if|for|while|switch|else|do|goto|return|case)\b|//|/\*"
)
STATEMENT = re.compile(
    r"[A-Za-z_]\w*(?:(?:->|\.)\w+)*\s?\(.*\)[;:]?(?:\s*(?://|/\*|#|<-).*)?$"  # a call
    r"|(?:(?:int|long|bool|unsigned|u\d+|struct \w+) \*?)?[*&]?[A-Za-z_][\w>.\[\]-]*\s?"
    r"(?:[-+|&^]?=[^=].*|\+\+|--);?$"  # an assignment
    r"|[A-Za-z]\w*_\w+;?$|[{}]+;?$|(?:if|for|while|switch|return|else|do|goto)\b"
)

MARK = re.compile(r"-{1,2}>?(?=\s|\w)|[*•](?= )|=+>|\|?-")  # before steps
UNDONE = re.compile(r"(?:[=,(+&]|\|\||//|->|\b(?:if|while|for|return))$")
PLAIN = re.compile(r"[a-z]+(?: [a-z]+){0,3}[.,]?")  # words that a remark may go on with
WHOLE = re.compile(r"<.*>$|\[.*\]$|\(.*\)$|\W+$|-+>|[|:`+~^]")


def doubts(model: Model) -> list[Question]:
    """Return the questions about what may have been damaged on the way."""
    found = (
        _trimmed(model),
        _bars_moved(model),
        _crowded(model),
        _two_calls(model),
        _collapsed(model),
        _tabs(model),
        wrapped(model),
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
    firsts = _firsts(model)
    many = Counter(each.row for each in model.pieces)
    alone = [row for row, each in firsts.items() if many[row] == 1 and model.column(each.x) == 1]
    opens = {model.column(each.x) for each in firsts.values()}
    begins = {each.x for each in firsts.values()}
    if opens != {1} or len(begins) > 1 or min(begins) > _border(model) or _indents(model):
        return None
    nested = {each.x for each in _steps(model, 2) if firsts[each.row] is not each}
    dots = sum(each.text in {".", ":"} for each in model.pieces)
    if dots > 1 or len(alone) < (1 if len(nested) > 2 else 2):
        return None
    return _ask(
        alone,
        "no row is indented: have leading blanks been trimmed?",
        "these rows are steps of the first column",
        "some of them are steps of another column, whose blanks were trimmed",
    )


def _indents(model: Model) -> bool:
    """Tell whether a row above the diagram or below it, or its header, begins with blanks."""
    first, end = model.span
    border = _border(model)
    around = [row for n, row in enumerate(model.grid.rows) if not first <= n < end]
    return any(row.strip() and indent(row) > border + 1 for row in around)


def _bars_moved(model: Model) -> Question | None:
    """Return a question about rows whose bar does not stand where that of the others does."""
    if not model.barred:
        return None
    rows, (first, end) = model.grid.rows, model.span
    lost = [
        n
        for n in range(first, end)
        if not any({*rows[n][bound - 3 : bound + 2]} & {*BARS} for bound in model.bounds)
        and re.search(r"\S *[|│](?=\s|$)|^[|│] ", rows[n])
    ]
    return _ask(
        lost,
        "the bar between the columns stands elsewhere: have blanks been trimmed or collapsed?",
        "what stands at the left is a step of the first column",
        "it is a step of the column whose bar that is",
    )


def _border(model: Model) -> int:
    """Return where rows begin at the latest: a blank may stand behind a comment's sign."""
    signs = [
        len(sign[0].expandtabs()) + 1
        for row in model.grid.raw
        if (sign := re.match(r"\s*(?:\*|#|//)(?=\s)", re.sub(r"^(?:> ?)+", "", row)))
    ]
    return min(signs) + 1 if 2 * len(signs) > len(written(model.grid.raw)) else 0


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
    two = re.compile(r"(?<!if|or|le|ch)(?<=\w)\s?\([^()]*\) [a-z_]\w*\(")
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
    header = model.header.row is not None and model.header.how != "crowded"
    if header or model.barred or any(a.row == b.row for a, b in pairwise(model.pieces)):
        return None  # the header's blanks are there, or those of a row
    return _ask(
        [each.row for each in model.pieces if each.kind == "step" and _two_in(each.text)],
        "two statements stand in one cell, and no row has two blanks: is it one cell?",
        "it is one cell",
        "they are cells of two columns, whose blanks were collapsed",
    )


def _two_in(text: str) -> bool:
    if CONTROL.match(text) or LABEL.match(text) or re.match(r"[A-Z]{2,} ", text):
        return False
    text = re.split(r"\s(?://|/\*|#|<-)", text)[0]
    return any(
        STATEMENT.match(text[: blank.start()])
        and STATEMENT.match(text[blank.end() :])
        and not BRACES.fullmatch(text[blank.end() :])
        and text[blank.end()] != "*"  # a declaration
        for blank in re.finditer(" ", text)
    )


def _tabs(model: Model) -> Question | None:
    """Return a question if rows with tabs stand straighter where a tab is four wide."""
    grid = model.grid
    both = {each.how: each.rows for each in model.grids}
    if grid.how == "four wide" or not {"four wide", grid.how} <= both.keys():
        return None
    first, end = model.span
    inside = [n for n in range(first, end) if not is_rule(grid.rows[n])]
    tabbed = [n for n in inside if "\t" in grid.raw[n].lstrip("> \t*").rstrip()]
    wide, four = (
        _standing_straight(rows, inside, tabbed) for rows in (both[grid.how], both["four wide"])
    )
    lone = sum("\t" in grid.raw[n].lstrip("> ") for n in inside) == 1 and len(inside) > FEW
    if four <= wide or lone:
        return None  # a single one may stand so by chance
    return _ask(
        tabbed,
        "with tabs four wide more rows stand below one another: how wide were the tabs?",
        "eight, as in the kernel",
        "four",
    )


def _standing_straight(rows: list[str], inside: list[int], tabbed: list[int]) -> int:
    """Return how many pieces behind a tab stand below one that no width of tabs moves so."""
    edges = {pieces(rows[n])[0][0] for n in inside if n not in tabbed and rows[n].strip()}
    edges |= {x for n in range(min(inside, default=0)) for x, _ in pieces(rows[n])[1:]}
    behind = [piece for n in tabbed for piece in pieces(rows[n])[1:]]
    return sum(x in edges and not is_remark(text) for x, text in behind)


def wrapped(model: Model, known: Collection[int] = ()) -> Question | None:
    """Return a question about rows that look like the tail of the row above, but those known."""
    left, firsts = _steps(model, 1), _firsts(model)
    last = {each.row: each for each in model.pieces}
    usual = min((each.x for each in model.pieces if each.kind == "step" and each.x), default=0)
    at_border = sum(each.x == 0 for each in left) < 3 and usual > 0
    widest = max(map(len, model.grid.rows))
    rows = [
        each.row
        for each in left
        if each.row - 1 in firsts
        and each.x < usual + 1
        and _tail_of(model, each, last[each.row - 1], at_border, widest)
    ]
    first, end = model.span
    rows += [n for n in model.grid.bare if first <= n < end]
    if known:  # a mailer was there: it cut wherever a row was as wide
        least = min(_width(model, n) for n in known)
        rows += [
            each.row
            for each in left
            if not each.x
            and each.row - 1 in firsts
            and model.column(last[each.row - 1].x) > 1
            and _width(model, each.row) >= least
            and not (STATEMENT.match(each.text) and _is_complete(last[each.row - 1]))
        ]
    raw = model.grid.raw
    blanks = sum(bool(re.search(r"\S  +$", row)) for row in raw)
    if blanks < 0.3 * len(raw):  # else an editor left them
        rows += [n for n in range(max(first, 1), end) if _sign_lost(raw[n - 1 : n + 1])]
    return _ask(
        (row for row in rows if row not in known),
        "does this row go on from the one above, wrapped by a mailer?",
        "it is a step of its own",
        "it is the end of the row above",
    )


def _sign_lost(pair: list[str]) -> bool:
    """Tell whether the row above ends in blanks, where a mailer cut it."""
    above, row = pair
    if not row.strip():
        return False
    blanks = len(above) - len(above.rstrip(" "))
    cut = len(above.expandtabs()) + 1 + len(row.split()[0]) > LEAST and not re.match(r" |//", row)
    return blanks >= (2 if re.search(r"[^\s>*]", above) else 12) and cut


def _header_wrapped(model: Model) -> Question | None:
    """Return a question about names below the header, which a mailer may have wrapped."""
    row, rows = model.header.row, model.grid.rows
    if row is None or model.header.how == "staggered" or row + 1 >= len(rows):
        return None
    below = [text for _, text in pieces(rows[row + 1])]
    if is_rule(rows[row + 1]) and len(below) == len(model.header.names):
        return None
    cut = re.search(rf"(?<!\w){ROLE}$", rows[row], re.I)
    if cut and not (below and re.fullmatch(r"\w{1,3}:?", below[0])):
        cut = None
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


def _tail_of(model: Model, each: Piece, above: Piece, at_border: bool, widest: int) -> bool:
    raw, rows = model.grid.raw, model.grid.rows
    comment = each.text.startswith("*") or above.text.startswith("*")
    if _mark(raw[each.row]) != _mark(raw[above.row]) and not comment:
        return True
    if model.bounds and rows[each.row][model.bounds[0] - 1 : model.bounds[0]] in {"|", "│"}:
        return False  # a bar stands where it should
    closes = open_brackets(each.text) < 0 < open_brackets(above.text)
    if model.column(above.x) > 1 and not each.x and (closes or UNDONE.search(above.text)):
        return True
    if _is_plain(each) and above.text.startswith("//") and len(rows[above.row]) >= LEAST:
        return True
    width = len(rows[above.row]) + 1 + len(each.text.split(" ")[0])
    if each.x or width <= WRAPS_AT or LABEL.match(each.text) or is_remark(each.text):
        return False
    names = model.header.names
    at_name = bool(names) and names[0][0] == 0  # column 1 begins at the border
    if marked(model) and MARK.match(each.text):
        return False  # it begins as each step does
    if _is_complete(above) or (at_name and (width <= widest or widest > NO_MAILER)):
        return False
    if re.fullmatch(r"\w+\(.*\);?", each.text) and not UNDONE.search(above.text):
        return False  # a whole call
    return (at_border and not at_name) or not (STATEMENT.match(each.text) or WHOLE.match(each.text))


def _width(model: Model, row: int) -> int:
    """Return how wide the row above would be with the first word of a row."""
    above, own = model.grid.raw[row - 1], model.grid.rows[row].split()
    return len(above.expandtabs()) + 1 + len(own[0] if own else "")


def _is_plain(each: Piece) -> bool:
    return not each.x and bool(PLAIN.fullmatch(each.text)) and each.text not in KEYWORDS


def _is_complete(above: Piece) -> bool:
    return bool(re.search(r"[;>})\].:^|]$", above.text)) and open_brackets(above.text) <= 0


def marked(model: Model) -> bool:
    """Tell whether most rows begin with the same mark, `-` or `->`."""
    firsts = [each.text for each in _firsts(model).values() if each.kind == "step"]
    found = Counter(hit[0] for text in firsts if (hit := MARK.match(text)))
    return bool(found) and found.most_common(1)[0][1] >= max(3, 0.5 * len(firsts))


def tails(model: Model) -> list[int]:
    """Return the rows that cannot but be the end of the row above, which a mailer cut.

    They stand at the border, left of every step; what stands above is not whole, or they lack the
    mark with which steps begin.
    """
    if not model.bounds:
        return []
    firsts, last = _firsts(model), {each.row: each for each in model.pieces}
    has_marks, found = marked(model), dict[int, None]()
    plain = sum(map(_is_plain, _steps(model, 1)))
    for row, each in sorted(firsts.items()):
        above = last.get(row - 1)
        if above is None or each.x or each is not last[row] or model.grid.rows[row - 1][:1] == "|":
            continue
        goes_on = row - 1 in found
        width = _width(model, row)
        behind = goes_on or model.column(above.x) > 1
        if (width < SHORTEST and not goes_on) or not behind or is_remark(each.text):
            continue
        unmarked = has_marks and not (MARK.match(each.text) or each.text.isupper())
        said = len(above.text.split()) > 3 and not _is_complete(above)
        unmarked = unmarked and (goes_on or (bool(MARK.match(above.text)) and said))
        closes = open_brackets(each.text) < 0 < open_brackets(above.text)
        undone = not _is_complete(above) and UNDONE.search(above.text)
        lonely = bool(re.fullmatch(r"\|?-{1,2}>?", above.text))
        words = plain == 1 and _is_plain(each)
        words = words and bool(OPEN_END.search(above.text) or above.text.startswith("//"))
        rest = not _is_complete(above) and re.match(r"(?:=|&&|\|\|) \w", each.text)
        if unmarked or closes or undone or lonely or words or rest:
            found[row] = None
    return list(found)


def _mark(row: str) -> str:
    """Return the quoting of a row and its comment star."""
    return re.match(r"(?:> ?)*\s*(?:[*+](?=\s|$))?", row)[0].strip().replace(" ", "")  # type: ignore[index]
