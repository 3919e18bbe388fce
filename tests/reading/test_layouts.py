"""Diagrams of our own in the layouts that people use, each read, asked about, or refused.

Every word is ours. `NAME.key` was written by hand, from the layout, before the reader saw it: which
columns a row has, "-" for none. `NAME.cells` says of each cell its row, column, kind and step.
"""

from pathlib import Path

import pytest

from mmviz.reading.mail import pieces
from mmviz.reading.reader import read

FOLDER = Path(__file__).parent / "layouts"
NOTES = [row.split("\t") for row in (FOLDER / "NOTES.tsv").read_text("utf-8").splitlines()[1:]]
NAMES = {name: (expected, words) for name, expected, words, _ in NOTES}


def outcome(found):
    return "refused" if found.refused else "asked" if found.questions else "read"


def test_each_layout_has_a_note():
    assert {path.stem for path in FOLDER.glob("*.txt")} == NAMES.keys()
    assert len(NAMES) > 100


@pytest.mark.parametrize("name", NAMES)
def test_a_layout_is_read_as_it_was_keyed(name):
    path, (expected, words) = FOLDER / f"{name}.txt", NAMES[name]
    found = read(path.read_bytes().decode("utf-8"))
    cells = [f"{c.row}\t{c.column or '-'}\t{c.kind}\t{c.step or '-'}" for c in found.rows]

    assert outcome(found) == expected, [each.ask for each in found.questions] or found.refused
    assert words in found.refused + " ".join(each.ask for each in found.questions)
    if (keyed := path.with_suffix(".key")).exists():
        assert differs(found, keyed.read_text("utf-8").splitlines()[1:]) == {}
    if (seen := path.with_suffix(".cells")).exists():
        assert "\n".join(cells) + "\n" == seen.read_text("utf-8")


def differs(found, rows):
    """Return the rows whose columns are not those of the key; what is drawn may be in any."""
    wrong = {}
    for row, columns in (line.split("\t") for line in rows):
        wanted = {int(each) for each in columns.split("|") if each != "-"}
        cells = [cell for cell in found.rows if cell.row == int(row) and cell.column]
        drawn = {cell.column for cell in cells if cell.kind in {"line", "elided"}}
        there = {cell.column for cell in cells if cell.kind not in {"line", "header"}}
        if not there <= wanted <= there | drawn:
            wrong[int(row)] = (wanted, there)
    return wrong


def test_a_dash_is_one_piece_with_the_call_behind_its_blanks():
    assert pieces("  -     oven_open()      - spoon") == [(2, "-     oven_open()"), (25, "- spoon")]
    assert pieces("-     -     7") == [(0, "-"), (6, "-"), (12, "7")]
