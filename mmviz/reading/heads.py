"""Where a diagram begins and ends: the row that names its columns, and the rows below it."""

import re
from itertools import pairwise
from typing import NamedTuple

from mmviz.reading.mail import is_prose, is_rule, pieces

SINGLE = "the only column"
FREE_GAP = 8  # blanks between the columns of a diagram whose header is not known

ROLE = (
    r"(?:v?cpu|thread|task|process|proc|core|context|ctx|worker|kworker|reader|writer|waiter"
    r"|actor|path|node)"
)
NAME = re.compile(
    rf"(?<!\w){ROLE}[ \-#_]{{0,2}}(?:\d+|[A-Z]|[abinxy])(?!\w)(?: ?\([^|]{{0,60}}?\)+(?=\s|$|:))?:?"
    r"|(?<!\S)[TPC]\d:?(?!\S)",
    re.I,
)
ENDS = re.compile(  # what comes after the text of a mail: trailers, a patch
    r" {0,4}(?:[A-Z][a-z]+(?:-[a-z]+)*-by: |(?:Fixes|Cc|Link|Closes|Message-Id): "
    r"|---$|diff --git |@@ -|\+\+\+ |-- $)"
)
SENTENCE = re.compile(r"[A-Z][a-z']*(?: [\w',-]+)*[.!?:,]|[A-Z][a-z]+")  # or a name below a mail
WORDS = re.compile(r"[A-Z]?[a-z]+(?: [A-Z]?[a-z]+| \d)?:?")


class Head(NamedTuple):
    """The header of a diagram.

    Attributes:
        row: its number, counted from 0; None where there is none.
        names: each name and where it begins.
        how: what shows that it is one.
        beside: other pieces of its row, a state or a remark: candidates for columns.
    """

    row: int | None
    names: list[tuple[int, str]]
    how: str
    beside: list[tuple[int, str]]


def head(rows: list[str]) -> Head:
    """Return the header: names of actors, or what stands where names would."""
    found = _named(rows) or _placed(rows) or _staggered(rows) or _single(rows)
    return found or Head(None, [], "none", [])


def _named(rows: list[str]) -> Head | None:
    for number, row in enumerate(rows):
        hits = [(match.start(), match[0].strip()) for match in NAME.finditer(row)]
        rest = NAME.sub("  ", row)
        sentence = NAME.sub("Name", row)
        if len(hits) < 2 or is_prose(rest) or is_prose(sentence) or re.search(r"[;=]|\w\(", rest):
            continue
        beside = [
            (x, text.strip("| "))
            for x, text in pieces(row)
            if text.strip("| ") and not any(x <= hit < x + len(text) for hit, _ in hits)
        ]
        how = "names" if re.search(r" {2}|\|", row.strip()) else "crowded"
        return Head(number, hits, how, beside)
    return None


def _placed(rows: list[str]) -> Head | None:
    for number, row in enumerate(rows):
        found, below = pieces(row), rows[number + 1] if number + 1 < len(rows) else ""
        sides = re.split(r"\s+(?:VS|vs\.?|\|\|)\s+", row.strip())
        if len(sides) == 2 and all(sides) and not is_prose(row):
            left, right = sides
            at = [(row.index(left), left), (row.rindex(right), right)]
            return Head(number, at, "joined by VS", [])
        if len(found) < 2:
            continue
        if is_rule(below) and len(pieces(below)) in (1, len(found)):
            return Head(number, found, "underlined", [])
        if opens_a_diagram(rows, number) and mixed(found):
            return Head(number, found, "names", [])
        letters = all(re.fullmatch(r"[A-Z]\d?:?", text) for _, text in found)
        opening = not any(map(pieces, rows[:number]))
        if letters or (opening and all(WORDS.fullmatch(text) for _, text in found)):
            return Head(number, found, "words", [])
    return None


def _staggered(rows: list[str]) -> Head | None:
    """Return names that stand alone in their rows, each further to the right."""
    alone = [
        (number, found[0])
        for number, row in enumerate(rows)
        if len(found := pieces(row)) == 1 and NAME.fullmatch(found[0][1])
    ]
    steps_right = all(after[1][0] - before[1][0] >= FREE_GAP for before, after in pairwise(alone))
    if len(alone) < 2 or len({name for _, (_, name) in alone}) < len(alone) or not steps_right:
        return None
    return Head(alone[0][0], [piece for _, piece in alone], "staggered", [])


def opens_a_diagram(rows: list[str], number: int) -> bool:
    """Tell whether there is nothing but prose above a row."""
    above = [row.strip() for row in rows[:number]]
    return all(not row or is_prose(row) or row.endswith(":") for row in above)


def mixed(found: list[tuple[int, str]]) -> bool:
    """Tell whether pieces are names, at least one of an actor with its number."""
    plain = re.compile(r"(?:=> ?)?[A-Za-z][\w/-]*(?: [a-z][\w/-]*)?(?: \([^()]*\))?:?")
    named = [bool(NAME.fullmatch(text.removeprefix("=> "))) for _, text in found]
    return any(named) and all(
        is_name or (plain.fullmatch(text) and "_" not in text)
        for is_name, (_, text) in zip(named, found, strict=True)
    )


def _single(rows: list[str]) -> Head | None:
    """Return the name of the only column; a rule below it shows that it is one."""
    for number, (row, below) in enumerate(pairwise(rows)):
        found = pieces(row)
        if len(found) == 1 and is_rule(below) and len(pieces(below)) == 1:
            x, text = found[0]
            if pieces(below)[0][0] == x and (NAME.fullmatch(text) or re.fullmatch(r"\w+", text)):
                return Head(number, found, SINGLE, [])
    return None


def body(rows: list[str], header: int | None) -> tuple[int, int]:
    """Return the first row of the diagram's body, and the first after it.

    Prose above a missing header does not belong to it, nor do the last paragraphs below.
    """
    first, end = 0 if header is None else header + 1, len(rows)
    end = next((n for n in range(first + 1, end) if ENDS.match(rows[n])), end)
    end = next((n for n in range(first + 1, end) if is_again(rows, header, n)), end)
    sentences = sum(bool(SENTENCE.fullmatch(row.strip())) for row in rows[first:end])
    while header is None and first < end and (is_prose(rows[first]) or not rows[first].strip()):
        first += 1
    base = min((_indent(row) for row in rows[first:] if row.strip()), default=0)

    def low(row: str) -> bool:
        at_left = _indent(row) <= base + 1 and not re.match(r"\W|\d", row.strip())
        return is_prose(row) and at_left

    def says(row: str) -> bool:
        return _indent(row) <= base + 1 and bool(SENTENCE.fullmatch(row.strip()))

    def says_it_all(paragraph: list[str]) -> bool:
        return all(says(row) for row in paragraph if row.strip())

    def closes(row: str) -> bool:
        return sentences == 1 and says(row) and len(row.split()) > 2 and end - first > 3

    while end > first:
        block = end - 1
        while block > first and rows[block - 1].strip():
            block -= 1
        if not any(map(str.strip, rows[block:end])):
            end = block
        elif block > first and (
            low(rows[block]) or (sentences <= end - block and says_it_all(rows[block:end]))
        ):
            end = block - 1
        elif closes(rows[end - 1]) or (low(rows[end - 1]) and len(rows[end - 1].strip()) > 50):
            end -= 1
        else:
            break
    return first, end


def is_again(rows: list[str], header: int | None, number: int) -> bool:
    """Tell whether the names of the header stand in a row once more: another diagram begins."""
    if header is None:
        return False
    names = {match[0].strip() for match in NAME.finditer(rows[header])}
    again = {match[0].strip() for match in NAME.finditer(rows[number])}
    return len(names & again) >= 2 and len(pieces(rows[number])) >= 2


def _indent(row: str) -> int:
    return len(row) - len(row.lstrip())


def without_time(header: Head, rows: list[str], first: int) -> tuple[Head, list[str]]:
    """Take away a first column that counts steps or time, which is no actor's."""
    names = sorted(header.names + header.beside)
    if len(names) < 3 or not re.fullmatch(r"(?:step|time|line|no|nr|t|#)[.:]?", names[0][1], re.I):
        return header, rows
    edge = names[1][0]
    blank = [
        re.sub(r"^\s*[tT]?\d{1,4}[.):]?(?=\s|$)", lambda hit: " " * len(hit[0]), row, count=1)
        if number >= first and re.match(rf"\s{{0,{edge}}}[tT]?\d", row)
        else row
        for number, row in enumerate(rows)
    ]
    rest = [each for each in header.names if each != names[0]]
    return header._replace(names=rest, beside=[e for e in header.beside if e != names[0]]), blank


def without_numbers(rows: list[str], first: int, left: int) -> list[str]:
    """Blank the numbers of rows that stand left of column 1; nothing is ordered by them."""
    number_of = re.compile(r"\s*(\d{1,3})[.):]?(?=\s|$)")
    hits = [
        (number, match)
        for number, row in enumerate(rows)
        if number >= first and (match := number_of.match(row))
    ]
    numbers = [int(match[1]) for _, match in hits]
    counted = numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else False
    if len(numbers) < 4 or not counted or max(match.end() for _, match in hits) > left:
        return rows
    rows = list(rows)
    for number, match in hits:
        rows[number] = " " * match.end() + rows[number][match.end() :]
    return rows
