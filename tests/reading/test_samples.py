"""Diagrams as people mail them, words replaced and layout kept: each row is read as it was keyed.

`NAME.key` says for rows of `NAME.txt` in which columns something stands; `NAME.cells` says of each
cell its row, column, kind and step, and was compared with the text by eye.
"""

from pathlib import Path

import pytest

from mmviz.reading.reader import read

SAMPLES = sorted((Path(__file__).parent / "diagrams").glob("*.txt"))
REFUSED = "103"
ASKED = {"64": "whose remark is"}
BESIDE = {("47", 6): {"1"}}  # its key says of rows 5 and 6 together that column 2 has row 5 only


def text_of(path):
    return path.read_bytes().decode("utf-8")


def keyed(path):
    """Return the columns of each row of a key; "state" is the column of states."""
    found = {}
    for line in path.with_suffix(".key").read_text("utf-8").splitlines():
        numbers, _, rest = line.partition("\t")
        if not rest or not set(numbers) <= set("0123456789,-"):
            continue
        columns = set(rest.partition("\t")[0].split("|"))
        for part in numbers.split(","):
            low, _, high = part.partition("-")
            for row in range(int(low), int(high or low) + 1):
                found.setdefault(row, set()).update(columns)
    return found | {row: columns for (stem, row), columns in BESIDE.items() if stem == path.stem}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_each_cell_is_what_it_was_seen_to_be(path):
    found = read(text_of(path))
    cells = [f"{c.row}\t{c.column or '-'}\t{c.kind}\t{c.step or '-'}" for c in found.rows]

    assert "\n".join(cells) + "\n" == path.with_suffix(".cells").read_text("utf-8")
    assert bool(found.refused) == (path.stem == REFUSED)
    assert [q.ask for q in found.questions if ASKED.get(path.stem, "\0") not in q.ask] == []


@pytest.mark.parametrize(
    "path",
    [path for path in SAMPLES if path.with_suffix(".key").exists() and path.stem != REFUSED],
    ids=lambda path: path.stem,
)
def test_each_row_is_in_the_columns_of_its_key(path):
    found = read(text_of(path))
    for row, columns in keyed(path).items():
        cells = [cell for cell in found.rows if cell.row == row and cell.column]
        drawn = {str(cell.column) for cell in cells if cell.kind == "line"}
        there = {
            "state" if cell.kind == "state" else str(cell.column)
            for cell in cells
            if cell.kind != "line"
        }
        assert there <= columns <= there | drawn | {"-"}, row


def test_collapsed_blanks_are_refused_with_what_is_missing():
    found = read(text_of(Path(__file__).parent / "diagrams" / f"{REFUSED}.txt"))

    assert "CPU0, CPU1" in found.refused
    assert "Missing: the text as it was mailed" in found.refused
    assert found.steps == []


def test_a_step_that_is_wrapped_has_all_its_rows():
    found = read(text_of(Path(__file__).parent / "diagrams" / "12.txt"))

    assert [step.rows for step in found.steps] == [
        [3, 4],
        [5, 6, 7, 8, 9, 10],
        [12, 13],
        [15, 16],
        [18, 19, 20, 21],
        [22, 23, 24],
    ]
    assert [step.column for step in found.steps] == [1, 2, 2, 2, 2, 1]


def test_nesting_is_depth():
    found = read(text_of(Path(__file__).parent / "diagrams" / "56.txt"))

    assert [step.depth for step in found.steps[:6]] == [0, 1, 2, 3, 4, 4]
