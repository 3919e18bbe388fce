"""Which row names the columns of a diagram, and what stands there where it names none."""

import re
from itertools import pairwise
from typing import NamedTuple

from mmviz.reading.mail import NAME, indent, is_prose, is_rule, pieces

SINGLE = "the only column"
GAP = 4  # blanks between left edges, where a header says how many columns there are
FREE_GAP = 8  # blanks between the columns of a diagram whose header is not known

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
        marked = re.sub(r"(?<!\S)(?:=+>(?=\w)|[=*#]{2,}(?!\S))", "  ", row)
        rest = re.sub(r"[A-Z]+\d?\(\w+\)(?=\s|$)", "  ", NAME.sub("  ", marked))
        sentence = NAME.sub("Name", row.replace("|", "  "))
        if whole := _of_pieces(rows, number):
            return Head(number, whole, "names", [])
        if len(hits) < 2 or is_prose(rest) or is_prose(sentence) or re.search(r"[;=]|\w\(", rest):
            continue
        beside = [
            (x, text.strip("| "))
            for x, text in pieces(row)
            if text.strip("| ")
            and not any(hit < x + len(text) and x < hit + len(name) for hit, name in hits)
        ]
        how = "names" if re.search(r" {2}|\|", row.strip()) else "crowded"
        return Head(number, hits, how, beside)
    return None


def _of_pieces(rows: list[str], number: int) -> list[tuple[int, str]]:
    """Return pieces that each say what runs on which CPU, `push() on CPU0`, above all steps."""
    found = pieces(rows[number])
    names = [NAME.search(text) for _, text in found]
    if len(found) < 2 or not all(names) or not re.search(r"\w\(", rows[number]):
        return []
    whole = all(
        name and (not name.start() or text[: name.start()].endswith(" on "))
        for name, (_, text) in zip(names, found, strict=True)
    )
    apart = len({name[0].lower() for name in names if name}) == len(found)
    plain = not any(re.search(r"[;=]", text) for _, text in found)
    return found if whole and apart and plain and opens_a_diagram(rows, number) else []


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
        if _set_apart(rows, number) or _unlike_steps(rows, number):
            return Head(number, found, "words", [])
        letters = all(re.fullmatch(r"[A-Z]\d?:?", text) for _, text in found) or alike(found)
        opening = not any(map(pieces, rows[:number]))
        if letters or (opening and all(WORDS.fullmatch(text) for _, text in found)):
            return Head(number, found, "words", [])
    return None


def _unlike_steps(rows: list[str], number: int) -> bool:
    """Tell whether plain words stand below the text and above rows that are code."""
    word = r"[A-Za-z][A-Za-z\d./-]*"
    plain = re.compile(rf"{word}(?: [a-z][A-Za-z\d./-]*)?:?|\[{word}\](?: {word})+")
    texts = [text for _, text in pieces(rows[number])]
    if any(map(NAME.fullmatch, texts)):
        plain = re.compile(r"\w+")  # beside a name, another may be a function's
    if not all(plain.fullmatch(text) or NAME.fullmatch(text) for text in texts):
        return False
    below = [row for row in rows[number + 1 : number + 13] if row.strip("| ")]
    code = [row for row in below if re.search(r"\w\(|\w_\w|->|;", row)]
    alone = all(len(pieces(row)) < 2 and indent(row) < 20 for row in rows[:number])
    return alone and len(below) > 3 and len(code) >= 0.75 * len(below)


def _set_apart(rows: list[str], number: int) -> bool:
    """Tell whether words stand above columns, set apart by blank rows, or in brackets."""
    found = pieces(rows[number])
    if len(found) < 2:
        return False  # a bar joins them
    above = rows[number - 1].strip() if number else ""
    below = rows[number + 1] if number + 1 < len(rows) else "."
    if (above and above[-1] != ":") or any(
        b - a - len(t) < 3 for (a, t), (b, _) in pairwise(found)
    ):
        return False
    firsts = [indent(row) for row in rows[number + 1 : number + 24] if row.strip("| ")]
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
    return all(not row or is_prose(row) or row.endswith((":", ".")) for row in above)


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
        alone = any(indent(rows[number][match.end() :]) >= FREE_GAP for number, match in hits)
        if not alone or any(match.start(1) > left for _, match in hits):
            return rows, end
        end = next((n for n in range(hits[-1][0], end) if not rows[n].strip()), end)
    rows = list(rows)
    for number, match in hits:
        rows[number] = " " * match.end() + rows[number][match.end() :]
    return rows, end
