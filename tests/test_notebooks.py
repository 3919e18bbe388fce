"""Each notebook runs top to bottom as shipped, stores no output, and keeps the course's form."""

import re
import statistics
from pathlib import Path

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS_A_CELL = 60
HEADINGS = (
    "What you should know",
    "The story",
    "Predict",
    "Watch",
    "Break it",
    "Why",
    "The tempting fix",
    "The right fix",
    "What the model leaves out",
    "Lessons",
    "Exercises",
    "Sources",
)
FIRST_HEADINGS = (  # 00_start explains the pictures and words before it shows fixes
    "What you should know",
    "The story",
    "Watch",
    "Predict",
    "Break it",
    "Never, sometimes, always",
    "What does *Never* cover?",
    "Lessons",
    "Exercises",
    "Sources",
)

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def test_the_course_begins_with_00_start():
    assert NOTEBOOKS[0].name == "00_start.ipynb"


@each_notebook
def test_it_runs_from_top_to_bottom(path, tmp_path):
    book = read(path)
    client = nbclient.NotebookClient(
        book,
        timeout=SECONDS_A_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},  # a cell must not need our folder
    )
    client.execute()
    shown = [out for cell in book.cells for out in cell.get("outputs", [])]
    assert shown, "a notebook that shows nothing teaches nothing"
    stray = [out.text for out in shown if out.get("name") == "stderr" and "Traceback" in out.text]
    assert stray == []


@each_notebook
def test_it_stores_no_output(path):
    for cell in code_cells(path):
        assert cell.outputs == []
        assert cell.execution_count is None


@each_notebook
def test_it_keeps_the_headings_of_the_course(path):
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    found = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    rest = iter(found)
    for wanted in FIRST_HEADINGS if path.stem == "00_start" else HEADINGS:
        assert any(heading.startswith(wanted) for heading in rest), (
            f"no heading '## {wanted} …' in its place; there are {found}"
        )
    assert len(re.findall(r"^# ", text, flags=re.MULTILINE)) == 1


@each_notebook
def test_its_cells_are_short(path):
    lines = [len(cell.source.splitlines()) for cell in code_cells(path)]
    assert max(lines) <= 10
    assert statistics.median(lines) <= 4


@each_notebook
def test_its_solutions_are_closed(path):
    for cell in code_cells(path):
        if "solution" in cell.metadata.get("tags", []):
            assert cell.metadata.jupyter.source_hidden


@each_notebook
def test_it_opens_without_a_question(path):
    """The kernel's name is the one that every environment has; ids let diffs stay small."""
    book = read(path)
    assert book.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in book.cells]
    assert len(set(ids)) == len(ids)
    nbformat.validate(book)
