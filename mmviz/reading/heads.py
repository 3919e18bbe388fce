"""Where a diagram begins and ends: the row that names its columns, and the rows below it."""

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import NamedTuple

from mmviz.reading.mail import LABEL, NAME, is_prose, is_rule, pieces

SINGLE = "the only column"
GAP = 4  # blanks between left edges, where a header says how many columns there are
MOST_TOLD = 12  # rows of a paragraph that are looked at
FREE_GAP = 8  # blanks between the columns of a diagram whose header is not known

ENDS = re.compile(  # what comes after the text of a mail: trailers, a patch
    r" {0,4}(?:[A-Z][a-z]+(?:-[a-z]+)*-by: |(?:Fixes|Cc|Link|Closes|Message-Id): "
    r"|diff --git |@@ -|\+\+\+ |-- $|```|~~~$|\[[A-Z]{3,}[A-Z ]*\]$"
    r"|Changelog|Changes (?:in|since)"
    r"|(?:BUG|WARNING|INFO): |[Cc]all [Tt]race:|\[ *\d+\.\d{3,}\] "
    r"|#syz |(?:(?:With|Best|Kind|Warm) )*[Rr]egards,?$|(?:Thanks|Cheers)[,.!]?$)"
    r"|(?: {4})?---$"
)
SENTENCE = re.compile(r"[A-Z][a-z']*(?: [\w',-]+)*[.!?:,]|[A-Z][a-z]+")  # or a name below a mail
WORDS = re.compile(r"[A-Z]?[a-z]+(?: [A-Z]?[a-z]+| \d)?:?")


Span = tuple[int, int]


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
    for number, drawn in enumerate(rows):
        row = re.sub(r"_{3,}", lambda line: " " * len(line[0]), drawn)
        hits = _in_one(row, [(match.start(), match[0].strip()) for match in NAME.finditer(row)])
        rest = NAME.sub("  ", row)
        sentence = NAME.sub("Name", row.replace("|", "  "))
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


def _in_one(row: str, hits: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return names, two of one actor as one: `CPU 0/TASK A`."""
    found: list[tuple[int, str]] = []
    for x, name in hits:
        between = row[found[-1][0] + len(found[-1][1]) : x] if found else ""
        if re.fullmatch(r" ?[/@,] ?| on ", between):
            found[-1] = (found[-1][0], row[found[-1][0] : x + len(name)])
        else:
            found.append((x, name))
    return found


def _placed(rows: list[str]) -> Head | None:
    for number, drawn in enumerate(rows):
        row = re.sub(r"(?<!\S)[|│](?!\S)", " ", drawn)
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
        if _set_apart(rows, number):
            return Head(number, found, "words", [])
        letters = all(re.fullmatch(r"[A-Z]\d?:?", text) for _, text in found) or alike(found)
        opening = not any(map(pieces, rows[:number]))
        if letters or (opening and all(WORDS.fullmatch(text) for _, text in found)):
            return Head(number, found, "words", [])
    return None


def _set_apart(rows: list[str], number: int) -> bool:
    """Tell whether words stand above columns, set apart by blank rows, or in brackets."""
    found = pieces(rows[number])
    above = rows[number - 1].strip() if number else ""
    below = rows[number + 1] if number + 1 < len(rows) else "."
    if (above and above[-1] != ":") or any(
        b - a - len(t) < 3 for (a, t), (b, _) in pairwise(found)
    ):
        return False
    firsts = [_indent(row) for row in rows[number + 1 : number + 24] if row.strip("| ")]
    if not any(abs(x - found[1][0]) <= FREE_GAP for x in firsts):
        return False  # no row begins in a second column
    if all(re.fullmatch(r"\[[^\[\]]+\]|<[^<>]+>", text) for _, text in found):
        return True
    words = not any(re.search(r"[;{}=]|\w\(|^\W", text) for _, text in found)
    return words and not below.strip("|│ ")


def alike(found: list[tuple[int, str]]) -> bool:
    """Tell whether pieces are short names that differ in their last character: `TA`, `TB`."""
    texts = [text.rstrip(":") for _, text in found]
    stems = {text[:-1] for text in texts}
    return (
        len(stems) == 1
        and len({text[-1] for text in texts}) == len(texts)
        and bool(re.fullmatch(r"[A-Za-z]{1,6}[ -]?", texts[0][:-1]))
    )


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


def body(rows: list[str], header: int | None, names: Sequence[tuple[int, str]] = ()) -> Span:
    """Return the first row of the diagram's body, and the first after it.

    Prose above a missing header does not belong to it, nor do the paragraphs below.
    """
    first, end = 0 if header is None else header + 1, len(rows)
    end = next((n for n in range(first + 1, end) if ENDS.match(rows[n])), end)
    end = next((n for n in range(first + 1, end) if is_again(rows, header, n)), end)
    while header is None and first < end and (is_prose(rows[first]) or not rows[first].strip()):
        first += 1
    if len(names) > 1:
        end = _before_the_text(rows, first, end, [x for x, _ in names])
    return first, _before_the_last_words(rows, first, end)


def _before_the_text(rows: list[str], first: int, end: int, names: list[int]) -> int:
    """Return the first row of the text below a diagram, from above.

    Its rows stand at the border and run on below the second name, as a step seldom does.
    """
    margin = names[0]
    second = max(names[1] - FREE_GAP, 16)
    far = max(
        (n for n in range(first, end) if _indent(rows[n]) >= second and not _signs(rows, n)),
        default=0,
    )
    for number in range(first, end):
        row = rows[number]
        if is_rule(row) and "+" not in row and number > max(first + 2, far):
            return number  # a line that closes the diagram
        if not row.strip() or is_rule(row):
            continue
        told = list(takewhile(str.strip, rows[number : min(number + MOST_TOLD, end)]))
        apart = not rows[number - 1].strip()
        left = [each for each in rows[first:number] if _indent(each) < second]
        is_text = number > first + 1 and (
            _is_text(told, margin, names[1], apart)
            or (apart and _indent(row) <= margin + 1 and _is_note(told, left))
        )
        if is_text and far < number + len(told):
            return number
        margin = min(margin, _indent(row))
    return end


def _is_text(told: list[str], margin: int, second: int, apart: bool) -> bool:
    """Tell whether rows begin a paragraph of the mail and no steps of the first column."""
    row = told[0].strip()
    runs_on = len(told[0]) > second
    left = margin - _indent(told[0])
    is_mark = re.match(r"[^\w\"'(\[#,]", row) or (LABEL.match(row) and left <= 0)
    if _indent(told[0]) > margin + 1 or is_mark or len(pieces(told[0])) > 1 + is_prose(told[0]):
        return False
    labelled = re.match(r"[A-Z][a-z]+: ", row) and len(row.split()) > 4
    plain = labelled or (is_prose(told[0]) and (row[0].isupper() or len(row) > 50))
    if plain and runs_on and (apart or len(row) > 50):
        return True
    says = plain and re.search(r"[.:]$", " ".join(told).rstrip()) and row[0].isupper()
    if apart and says and all(_indent(each) <= margin + 4 for each in told):
        return True
    if left >= GAP and len(row.split()) > 4 and (is_prose(told[0]) and row.endswith(".")):
        return True
    is_left = left > 0 and not re.search(r"\w\(|[;{}]$|->", row)
    is_far_left = left >= GAP and len(row.split()) > 4 and runs_on
    return apart and (is_far_left or (is_left and (len(row.split()) > 1 or row.endswith(":"))))


def _signs(rows: list[str], number: int) -> bool:
    """Tell whether a row is the name of a mail's writer, at its right."""
    around = [*rows[number - 1 : number], *rows[number + 1 : number + 2]]
    alone = all(not row.strip() or row.rstrip() == "--" for row in around)
    return alone and bool(re.fullmatch(r"[A-Z][a-z]+", rows[number].strip()))


def _is_note(told: list[str], above: list[str]) -> bool:
    """Tell whether rows are a note or a sentence, which none of the diagram's rows is."""
    mark = re.match(r" ?(?:\[\d\]|\*) ", told[0])
    if mark and (is_prose(told[0]) or "[" in mark[0]):
        return not any(row.lstrip("| ").startswith(mark[0].strip()) for row in above)
    says = is_prose(told[0]) and told[-1].rstrip().endswith((".", ":"))
    prose = [row for row in above if is_prose(row)]
    steps = len(prose) > 1 or any(row.rstrip().endswith(".") for row in prose)
    return says and not LABEL.match(told[0].strip()) and not steps


def _before_the_last_words(rows: list[str], first: int, end: int) -> int:
    sentences = sum(bool(SENTENCE.fullmatch(row.strip())) for row in rows[first:end])
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
            (low(rows[block]) and _is_sentence(rows[block:end]))
            or (sentences <= end - block and says_it_all(rows[block:end]))
        ):
            end = block - 1
        elif closes(rows[end - 1]) or (low(rows[end - 1]) and len(rows[end - 1].strip()) > 50):
            end -= 1
        else:
            break
    return end


def _is_sentence(paragraph: list[str]) -> bool:
    """Tell whether rows are prose to their end; steps that are words may be a paragraph, too."""
    first, last = paragraph[0].strip(), paragraph[-1].strip()
    return first[:1].isupper() or last.endswith((".", ":")) or len(first) > 50


def is_again(rows: list[str], header: int | None, number: int) -> bool:
    """Tell whether the names of the header stand in a row once more: another diagram begins."""
    if header is None:
        return False
    names = {match[0].strip() for match in NAME.finditer(rows[header])}
    found = [NAME.match(text.lstrip("|[(<* ")) for _, text in pieces(rows[number])]
    return len(names & {match[0].strip() for match in found if match}) >= 2


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


def without_numbers(rows: list[str], span: Span, left: int) -> tuple[list[str], int]:
    """Blank the numbers of rows that stand left of column 1; nothing is ordered by them.

    Returns:
        The rows, and the first row below those that are numbered and their paragraphs.
    """
    first, end = span
    number_of = re.compile(r"\s*(\d{1,3})[.):]?(?=\s|$)")
    hits = [
        (number, match)
        for number, row in enumerate(rows)
        if first <= number < end and (match := number_of.match(row))
    ]
    numbers = [int(match[1]) for _, match in hits]
    counted = numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else False
    if len(numbers) < 4 or not counted:
        return rows, end
    if any(match.end() > left for _, match in hits):
        alone = any(_indent(rows[number][match.end() :]) >= FREE_GAP for number, match in hits)
        if not alone or any(match.start(1) > left for _, match in hits):
            return rows, end
        end = next((n for n in range(hits[-1][0], end) if not rows[n].strip()), end)
    rows = list(rows)
    for number, match in hits:
        rows[number] = " " * match.end() + rows[number][match.end() :]
    return rows, end
