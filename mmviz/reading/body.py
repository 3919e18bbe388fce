"""Where a diagram begins and ends: the text of a mail stands above it, and below."""

import re
from collections.abc import Sequence
from itertools import takewhile

from mmviz.reading.heads import FREE_GAP, GAP, Span
from mmviz.reading.mail import LABEL, NAME, indent, is_prose, is_rule, pieces

MOST_TOLD = 12  # rows of a paragraph that are looked at
ENDS = re.compile(  # what comes after the text of a mail: trailers, a patch
    r" {0,4}(?:[A-Z][a-z]+(?:-[a-z]+)*-by: |(?:Fixes|Cc|Link|Closes|Message-Id): "
    r"|diff --git |@@ -|\+\+\+ |-- $|```|~~~$|\[[A-Z]{3,}[A-Z ]*\]$"
    r"|Changelog|Changes (?:in|since)"
    r"|(?:BUG|WARNING|INFO): |[Cc]all [Tt]race:|\[ *\d+\.\d{3,}\] "
    r"|#syz |(?:(?:With|Best|Kind|Warm) )*[Rr]egards,?$|(?:Thanks|Cheers)[,.!]?$)"
    r"|(?: {4})?---$|\[ ?[a-z]+: \w+ \w+ "
)
SENTENCE = re.compile(r"[A-Z][a-z']*(?: [\w',-]+)*[.!?:,]|[A-Z][a-z]+")  # or a name below a mail


def body(rows: list[str], header: int | None, names: Sequence[tuple[int, str]] = ()) -> Span:
    """Return the first row of the diagram's body, and the first after it.

    Prose above a missing header does not belong to it, nor do the paragraphs below.
    """
    first, end = 0 if header is None else header + 1, len(rows)
    end = next((n for n in range(first + 1, end) if ENDS.match(rows[n])), end)
    end = next((n for n in range(first + 1, end) if is_again(rows, header, n)), end)
    if header is None:
        first = _below_the_text(rows, end)
    if len(names) > 1:
        end = _before_the_text(rows, first, end, [x for x, _ in names])
    return first, _before_the_last_words(rows, first, end)


def _below_the_text(rows: list[str], end: int) -> int:
    """Return the first row that is below the paragraphs at the top."""
    first = 0
    while first < end:
        told = list(takewhile(str.strip, rows[first:end]))
        stays = next(
            (
                n
                for n, row in enumerate(told)
                if len(pieces(row)) > 1 or re.search(r"\w\([^()]*\)[;:]?$|[;{}]$", row)
            ),
            len(told),
        )
        line = told[0].rstrip() if told else ""
        ends = line.endswith((",", ":")) or (" " in line and re.fullmatch(r"[a-z' ]+\.", line))
        begins = is_prose(line) or (len(told) == 1 and ends) or "@" in line
        while begins and stays < len(told) and is_prose(told[stays]):
            stays += 1
        if told and not begins:
            return first
        if stays < len(told):
            return first + stays
        first += len(told) or 1
    return first


def _before_the_text(rows: list[str], first: int, end: int, names: list[int]) -> int:
    """Return the first row of the text below a diagram, from above.

    Its rows stand at the border and run on below the second name, as a step seldom does.
    """
    margin = names[0]
    second = max(names[1] - FREE_GAP, 16)
    far = max(
        (n for n in range(first, end) if indent(rows[n]) >= second and not _signs(rows, n)),
        default=0,
    )
    left: list[str] = []
    prose: list[str] = []
    for number in range(first, end):
        row = rows[number]
        closes = is_rule(row) and "+" not in row and not _barred_below(rows[number:end])
        if closes and number > max(first + 2, far):
            return number  # a line that closes the diagram
        if not row.strip() or is_rule(row):
            continue
        told = list(takewhile(str.strip, rows[number : min(number + MOST_TOLD, end)]))
        apart = not rows[number - 1].strip()
        is_text = number > first + 1 and (
            _is_text(told, margin, names[1], apart)
            or (apart and indent(row) <= margin + 1 and _is_note(told, left, prose))
            or (apart and _explains(row, rows[first:number]))
        )
        if is_text and far < number + len(told):
            return number
        margin = min(margin, indent(row))
        if indent(row) < second:
            left.append(row)
            prose += [row] if len(prose) < 2 and is_prose(row) else []
    return end


def _is_text(told: list[str], margin: int, second: int, apart: bool) -> bool:
    """Tell whether rows begin a paragraph of the mail and no steps of the first column."""
    row = told[0].strip()
    runs_on = len(told[0]) > second
    left = margin - indent(told[0])
    is_mark = re.match(r"[^\w\"'(\[#,]", row) or (LABEL.match(row) and left <= 0)
    if indent(told[0]) > margin + 1 or is_mark or len(pieces(told[0])) > 1 + is_prose(told[0]):
        return False
    labelled = re.match(r"[A-Z][a-z]+: ", row) and len(row.split()) > 4
    plain = labelled or (is_prose(told[0]) and (row[0].isupper() or len(row) > 50))
    if plain and runs_on and (apart or len(row) > 50):
        return True
    says = plain and re.search(r"[.:]$", " ".join(told).rstrip()) and row[0].isupper()
    if apart and says and all(indent(each) <= margin + 4 for each in told):
        return True
    if left >= GAP and len(row.split()) > 4 and (is_prose(told[0]) and row.endswith(".")):
        return True
    is_left = left > 0 and not re.search(r"\w\(|[;{}]$|->", row)
    is_far_left = left >= GAP and len(row.split()) > 4 and runs_on
    return apart and (is_far_left or (is_left and (len(row.split()) > 1 or row.endswith(":"))))


def _barred_below(rows: list[str]) -> bool:
    """Tell whether a bar of the first row goes on in one below it."""
    x = rows[0].find("|")
    return x >= 0 and any(row[x : x + 1] == "|" for row in rows[1:])


def _signs(rows: list[str], number: int) -> bool:
    """Tell whether a row is the name of a mail's writer, at its right."""
    around = [*rows[number - 1 : number], *rows[number + 1 : number + 2]]
    alone = all(not row.strip() or row.rstrip() == "--" for row in around)
    return alone and bool(re.fullmatch(r"[A-Z][a-z]+", rows[number].strip()))


def _explains(row: str, above: list[str]) -> bool:
    """Tell whether a row begins with a label `(a)` that ends a step above, and that begins none."""
    label = re.match(r"\s*([(\[]\w{1,2}[)\]]):? ", row)
    if not label:
        return False
    told = [each.strip() for each in above if label[1] in each]
    ends = any(re.search(rf"{re.escape(label[1])}(?=$| {{2,}})", each) for each in told)
    return ends and not any(each.startswith(label[1]) for each in told)


def _is_note(told: list[str], above: list[str], prose: list[str]) -> bool:
    """Tell whether rows are a note or a sentence, which none of the first column's is.

    Args:
        told: the rows.
        above: those of the first column that stand above them.
        prose: those of them that are prose.
    """
    mark = re.match(r" ?(?:\[\d\]|\*) ", told[0])
    if mark and (is_prose(told[0]) or "[" in mark[0]):
        return not any(row.lstrip("| ").startswith(mark[0].strip()) for row in above)
    if re.fullmatch(r" ?[A-Z][a-z]+(?: [a-z]+){1,5}:", told[0]) and len(told) > 1:
        numbered = re.compile(r" *\d+[.)] ")
        listed = numbered.match(told[1]) and not any(map(numbered.match, above))
        return is_prose(told[1]) or bool(listed)
    start = " ".join(row.strip() for row in told[:2])
    says = is_prose(start) and told[-1].rstrip().endswith((".", ":"))
    steps = len(prose) > 1 or any(row.rstrip().endswith(".") for row in prose)
    return says and not LABEL.match(told[0].strip()) and not steps


def _before_the_last_words(rows: list[str], first: int, end: int) -> int:
    sentences = sum(bool(SENTENCE.fullmatch(row.strip())) for row in rows[first:end])
    base = min((indent(row) for row in rows[first:] if row.strip()), default=0)

    def low(row: str) -> bool:
        at_left = indent(row) <= base + 1 and not re.match(r"\W|\d", row.strip())
        return is_prose(row) and at_left

    def says(row: str) -> bool:
        return indent(row) <= base + 1 and bool(SENTENCE.fullmatch(row.strip()))

    def says_it_all(paragraph: list[str]) -> bool:
        return all(says(row) for row in paragraph if row.strip())

    def ends_small(number: int) -> bool:
        small = re.fullmatch(r"[a-z]+(?: [\w',-]+){2,}\.", rows[number].strip())
        others = any(re.search(r"\.\s*$", row) and "//" not in row for row in rows[first:number])
        return bool(small) and indent(rows[number]) <= base + 1 and not others

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
            or (end - block == 1 and ends_small(block))
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
    texts = [text.lstrip("|[(<* ") for _, text in pieces(rows[number])]
    found = [NAME.match(text) for text in texts]
    if len(names & {match[0].strip() for match in found if match}) >= 2:
        return True
    plain = not any(re.search(r"[;={}]|\w\(|->|^\W", text) for text in texts)
    others = len(texts) > 1 and bool(NAME.fullmatch(texts[0])) and plain
    return bool(names) and others and not rows[number - 1].strip("|│ ")
