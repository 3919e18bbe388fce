"""From the text of a mail to a grid of characters: quoting, tabs, comment stars.

Where a tab stops depends on the column at which it was typed. So quoting goes before tabs are
expanded, a comment's star after; where more than one origin is possible, each is a grid.
"""

import html
import quopri
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

MOST = 64 * 1024  # bytes
MOST_ROWS = 2_000
WIDEST = 400  # columns
SOFT_BREAK = 73  # the shortest row that a quoted-printable mailer breaks
SHORTEST = 56  # what a mailer leaves of a row, with the word that follows
TAB = 8
NARROW_TAB = 4  # what an editor may show, though the kernel's tabs are eight wide

QUOTES = r"(?:> ?)*"
BLANKS = re.compile("[\u00a0\u2007\u202f\u3000]")
ENTITY = re.compile(r"&(?:gt|lt|amp|quot|nbsp|#39|#x27);")  # of a text that was copied from a page
UNSEEN = re.compile(
    "\x1b\\[[0-9;]*[A-Za-z]|[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\x00-\x08\x0b-\x1f\x7f]"
)
COMMENT_MARKS = (r"\*", "//", "#", ";", "%")


class Grid(NamedTuple):
    """Rows of a diagram with every character in its column.

    Attributes:
        rows: no tabs, no quoting, no comment signs.
        how: from where tabs were counted.
        penalty: by how much a reading of it must be better than one of the likeliest grid.
        raw: the rows as they were written.
        bare: the rows that are quoted less deep than the diagram, right below one of its rows.
    """

    rows: list[str]
    how: str
    penalty: float
    raw: list[str]
    bare: tuple[int, ...] = ()


def too_much(text: str) -> str:
    """Return why a text is not read at all, "" if it is."""
    if is_too_large(text):
        return "the text is larger than 64 KiB: paste the diagram and not the whole mail"
    rows = text.split("\n")
    if len(rows) > MOST_ROWS:
        return f"the text has more than {MOST_ROWS} rows: paste the diagram and not the whole file"
    if max(len(row.expandtabs(TAB)) for row in rows) > WIDEST:
        return f"a row is wider than {WIDEST} columns: that is no diagram"
    return "" if any(map(str.strip, rows_of(text))) else "there is nothing but blanks"


def is_too_large(text: str) -> bool:
    """Tell whether a text is larger than what is read."""
    return len(text) > MOST or len(text.encode("utf-8", "replace")) > MOST


def rows_of(text: str) -> list[str]:
    """Return the rows of a text; what a mailer encoded is decoded, what is not seen left out."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _quoted_printable(text):
        text = quopri.decodestring(text.encode("utf-8", "replace")).decode("utf-8", "replace")
    text = ENTITY.sub(lambda sign: html.unescape(sign[0]), text)
    return UNSEEN.sub("", BLANKS.sub(" ", text)).rstrip("\n").split("\n")


def _quoted_printable(text: str) -> bool:
    """Tell whether every "=" is an escape; a rule of "====" is none, nor an assignment's.

    Without an escaped character, rows must be as long as a mailer leaves them.
    """
    escaped = len(re.findall(r"=[0-9A-F]{2}", text))
    broken = re.findall(r"^.*=$", text, re.M)
    if text.count("=") == 0 or text.count("=") != escaped + len(broken):
        return False
    return escaped > 0 or all(len(row) >= SOFT_BREAK for row in broken)


def written(rows: Iterable[str]) -> list[str]:
    """Return the rows that are not blank."""
    return [row for row in rows if row.strip()]


def grids(rows: list[str]) -> list[Grid]:
    """Return the grids that the rows may have been written on, the likeliest first."""
    rows = _without_tables_bars(rows)
    quoted = _quoting(rows)
    rows = _without_replies(rows, quoted)
    quoting = _unquoted(rows, quoted)
    plain = _without_signs([quoting.sub("", row) for row in rows])
    there = written(plain)
    tabs = any("\t" in row for row in there)
    origins = [(plain, "after quoting" if quoted else "from the left border", 0.0)]
    signed = sum(row[0] in "+-" and row[1:2] not in {"+", "-", "="} for row in there)
    if there and signed >= 0.9 * len(there):
        origins = [([row[1:] for row in plain], "after a diff's sign", 0.0)]
    elif tabs and all(row.startswith("    ") for row in there):
        origins.append(([row[4:] for row in plain], "after git log's four blanks", 0.25))
    found: list[Grid] = []
    for base, how, penalty in origins:
        _add(found, base, [row.expandtabs(TAB) for row in base], how, penalty)
    if quoted and tabs:
        quotes = re.compile(rf"^(?:> ?){{0,{quoted}}}[+-]?(?![+-])")
        whole = [quotes.sub(lambda sign: " " * len(sign[0]), row.expandtabs(TAB)) for row in rows]
        _add(found, rows, whole, "from the border of the quoting mail", 2.5)
    if any("\t" in row.lstrip() for row in there):
        base = origins[0][0]
        _add(found, base, [row.expandtabs(NARROW_TAB) for row in base], "four wide", 1.0)
    bare = tuple(
        n for n, row in enumerate(rows) if re.search(r"[^\s>+*|]", row) and _depth(row) < quoted
    )
    return [grid._replace(bare=bare) for grid in found]


def _unquoted(rows: list[str], quoted: int) -> re.Pattern[str]:
    """Return what stands before a quoted row: its blank may be the row's own."""
    inner = [re.sub(rf"^(?:> ?){{0,{quoted - 1}}}>", "", row) for row in rows] if quoted else []
    bare = [row for row, whole in zip(inner, rows, strict=False) if row != whole and row.strip()]
    if any(row[0] not in " \t" for row in bare):
        return re.compile(rf"^(?:> ?){{0,{quoted - 1}}}>")
    return re.compile(rf"^(?:> ?){{0,{quoted}}}")


def _without_signs(rows: list[str]) -> list[str]:
    """Cut the signs of the rows that a patch adds, where prose stands around the patch."""
    added = [number for number, row in enumerate(rows) if re.match(r"\+(?![+=-])", row)]
    if len(added) < 5 or len(added) < 0.8 * (added[-1] - added[0] + 1):
        return rows
    inside = rows[added[0] : added[-1] + 1]
    if len(added) >= 0.9 * len(written(rows)) or not all(row[:1] in "+- " for row in inside):
        return rows
    return [row[1:] if added[0] <= number <= added[-1] else row for number, row in enumerate(rows)]


def _add(found: list[Grid], raw: list[str], rows: list[str], how: str, penalty: float) -> None:
    rows = _without_comment_signs([row.rstrip() for row in rows])
    if rows not in [grid.rows for grid in found]:
        found.append(Grid(rows, how, penalty, raw))


def _without_replies(rows: list[str], quoted: int) -> list[str]:
    """Blank the rows that are quoted less deep than the diagram, or deeper: others wrote them.

    A row right below one of the diagram's stays, and is asked about: a mailer may have wrapped it.
    """
    known = _depth_of_names(rows) is not None
    found, of_others = list(rows), False
    for number, row in enumerate(rows):
        depth = _depth(row)
        above = rows[number - 1] if number else ""
        if depth > quoted and known and (of_others or _is_blank(above)):
            of_others = True
            found[number] = ""
        elif depth >= quoted:
            of_others = False
        elif row.strip() and (
            of_others or _depth(above) < quoted or _is_blank(above) or _answers(row, above)
        ):
            of_others = True
            found[number] = ""
    return found


def _answers(row: str, above: str) -> bool:
    """Tell whether a row right below one of the diagram's is no end of it: no mailer cut there."""
    text = row.strip("> \t")
    words = bool(re.match(r"[A-Z][a-z']* (?:\w+ )*\w", text))
    begins = is_prose(text) and text[:1].isupper()
    whole = len(above.expandtabs(TAB)) + 1 + len(text.split(" ")[0]) < SHORTEST
    at_border = indent(re.sub(QUOTES, "", row.expandtabs(TAB), count=1)) < 2 * TAB
    return text[:1] == "^" or (at_border and (begins or (whole and words)))


def _is_blank(row: str) -> bool:
    """Tell whether a row is blank, and not what a mailer has left of one that it wrapped."""
    return not row.strip("> \t") and len(row) < 12


def _depth(row: str) -> int:
    if ">" not in row:
        return 0
    return re.match(QUOTES, row)[0].count(">")  # type: ignore[index]


def _without_tables_bars(rows: list[str]) -> list[str]:
    """Blank the outer bars of a table as Markdown has it."""
    there = [row for row in written(rows) if not re.fullmatch(r"[\s>]*\+[-=+]+\+\s*", row)]
    framed = [row for row in there if re.fullmatch(r"[\s>]*\|.*\|\s*", row)]
    if len(framed) < 3 or len(framed) < 0.7 * len(there):
        return rows
    double = Counter(at.start() for row in framed for at in re.finditer(r"\|\|", row))
    bars = [x for x, many in double.items() if many >= 0.9 * len(framed)]
    whole = [re.sub(r"^([\s>]*)\||\|\s*$", r"\1 ", row).rstrip() for row in rows]
    return [
        "".join(" " if x - 1 in bars and sign == "|" else sign for x, sign in enumerate(row))
        for row in whole
    ]


def _depth_of_names(rows: list[str]) -> int | None:
    """Return how deep the row is quoted that names the actors, if those below it are, too."""
    for number, row in enumerate(rows):
        there = pieces(re.sub(QUOTES, "", row, count=1).expandtabs(TAB))
        if sum(bool(NAME.search(text)) for _, text in there) < 2:
            continue
        below = [_depth(each) for each in written(rows[number + 1 : number + 6])]
        if below[:3].count(_depth(row)) >= 2:
            return _depth(row)
    return None


def _quoting(rows: list[str]) -> int:
    """Return how deep the diagram is quoted; a reply around it may be longer than it is."""
    if (depth := _depth_of_names(rows)) is not None:
        return depth
    deep = [_depth(row) for row in written(rows)]
    some = [depth for depth in deep if depth]
    return max(sorted(set(some)), key=some.count) if len(some) >= max(3, 0.3 * len(deep)) else 0


def _without_comment_signs(rows: list[str]) -> list[str]:
    """Blank the sign at the left of each row of a comment; prose may stand around the comment."""
    for mark in COMMENT_MARKS:
        sign = re.compile(rf"(?:\s*[+-](?=\s))?\s*{mark}(?=\s|$)")
        ends = {number: hit.end() for number, row in enumerate(rows) if (hit := sign.match(row))}
        at = list(ends)
        if not at or Counter(ends.values()).most_common(1)[0][1] < 0.8 * len(at):
            continue  # none, or they are remarks of several columns
        around = len(written(rows[at[0] : at[-1] + 1]))
        if len(at) >= max(3, 0.4 * len(written(rows)), 0.8 * around):
            rows = _without_ends(rows, at[0], at[-1]) if mark == COMMENT_MARKS[0] else rows
            return [
                sign.sub(lambda mark: " " * len(mark[0]), row, count=1).rstrip() for row in rows
            ]
    return rows


def _without_ends(rows: list[str], first: int, last: int) -> list[str]:
    """Blank the row that ends a comment and the code below it, and the sign that opens it."""
    found = list(rows)
    if first and re.match(r"\s*/\*", rows[first - 1]):
        found[first - 1] = rows[first - 1].replace("/*", "  ", 1).rstrip("*").rstrip()
    if last + 1 < len(rows) and re.match(r"\s*\*+/", rows[last + 1]):
        found[last + 1 :] = [""] * (len(rows) - last - 1)
    return found


# -- what a row is made of -------------------------------------------------------------------

LABEL = re.compile(
    r"(?:\(?\d+(?:\.\d+)*[.):]?|\[\d+\]|\([a-zA-Z]\)|[a-z]\.|[A-Z]?\d+[.):]|(?:[A-Z]|[IVX]+|[a-d])\)"
    r"|[-*•+]|-{1,2}>|>{2,3}|=>|[|`\\+└├]-{1,3}>?|[└├]─*>?|→)\s+"
)
ROLE = (
    r"(?:v?cpu|thread|task|process|proc|core|context|ctx|worker|kworker|reader|writer|waiter"
    r"|actor|path|node)"
)
NAME = re.compile(
    rf"(?<!\w){ROLE}[ \-#_]{{0,2}}(?:\d+|[A-Z]|[abinxy])(?!\w)(?: ?\([^|]{{0,60}}?\)+(?=\s|$|:))?:?"
    r"|(?<!\S)[TPC]\d(?:\([^|()]{1,60}\)|:[a-z]\w+)?:?(?!\S)",
    re.I,
)
DRAWN = re.compile("[\u2500\u2501\u2550\u2013\u2014\u254c\u2504]")  # dashes of boxes
PIECE = re.compile(r"(?:- {2,6}(?=[A-Za-z_]))?\S+(?: \S+)*")
KEYWORDS = frozenset(
    ["if", "while", "for", "switch", "return", "else", "do", "sizeof", "case", "goto"]
)


def is_rule(row: str) -> bool:
    """Tell whether a row is a line drawn under a header."""
    row = DRAWN.sub("-", row)
    if row.strip() in {"--", "=="}:
        return True
    return set(row) <= set("-=~_+|* \t") and bool(re.search(r"[-=~_]{3}|[-=]{2} +[-=]{2}", row))


def pieces(row: str) -> list[tuple[int, str]]:
    """Return the pieces of a row and where each begins; two blanks end one, but behind a "-"."""
    return [(match.start(), match[0]) for match in PIECE.finditer(row)]


def indent(row: str) -> int:
    """Return how many blanks a row begins with."""
    return len(row) - len(row.lstrip())


def is_prose(row: str) -> bool:
    """Tell whether a row is a line of a paragraph: five words, most of them plain."""
    if re.fullmatch(r"\s*\w+\(.*\)[;:]?", row):
        return False  # one call, whose arguments may be words
    if re.search(r"\S\s+(?:#|//|/\*|<={2,}|<-{2,}|-{2,}>|={2,}>)(?:\s|\W|$)", row):
        return False  # a step with a remark
    row = re.sub(r"(?<=[a-z)][.!?])  (?=[A-Z])", " ", row)
    words = row.split()
    if len(words) > 8 and words[0][0].isupper():
        row = re.sub(r"(?<=\S)  (?=[a-z])", " ", row, count=1)  # a slip
    plain = [
        word
        for word in words
        if re.fullmatch(r"[\"'(]?[A-Za-z][a-z'-]*[.,:;!?)\"']*|[A-Z]{2,}[.,:]?", word)
    ]
    return len(words) >= 5 and len(plain) >= 0.6 * len(words) and len(pieces(row)) == 1


def open_brackets(text: str) -> int:
    """Return how many brackets are open at the end of a text; a label `a)` opens none."""
    text = re.sub(r"^\(?\w[)\]](?=\s)", "", text)
    return sum((sign in "([") - (sign in ")]") for sign in text)


def call(text: str) -> tuple[str | None, list[str]]:
    """Return the function that a step calls, and its arguments as they are written."""
    text = LABEL.sub("", text)
    for match in re.finditer(r"([A-Za-z_]\w*)\s?\(", text):
        if match[1] not in KEYWORDS:
            return match[1], _arguments(text[match.end() :])
    alone = re.fullmatch(r"([A-Za-z_]\w*_\w+|[a-z]\w+)(?:\s*\{|:|->)?", text.strip())
    return (alone[1] if alone and alone[1] not in KEYWORDS else None), []


def _arguments(text: str) -> list[str]:
    depth, found = 1, [""]
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if not depth:
            break
        if sign == "," and depth == 1:
            found.append("")
        else:
            found[-1] += sign
    return [each.strip() for each in found if each.strip()]
