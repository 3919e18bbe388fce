"""Each notebook has one idea, asks before it shows, runs top to bottom, and stores no output.

They run in one kernel, cleared in between, with all their cells, as the teacher's edition has them;
what the other editions leave out, no other cell needs (tests/lessons/test_editions.py). After each
cell a probe looks at what it displayed: a question is skipped, so that what it seals is made as
well, and of anything else it is told whether a learner who has not been asked would see from it how
a case ends.
"""

import ast
import json
import os
import re
import statistics
from pathlib import Path

import nbclient
import nbformat
import pytest
from jupyter_client import KernelManager

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS_A_CELL = 60
MOST_WORDS, MOST_MINUTES = 1000, 45
SMALL = 480  # pixels of the first stage's height
HEADINGS = (
    "What you should know",
    "The story",
    "Predict",
    "Break it",
    "What the model leaves out",
    "Exercises",
    "Lessons",
    "Sources",
)
TELLING = re.compile(  # words of a heading that tell how a case ends
    r"tempting|\bright\b|wrong|breaks?\b(?! it)|fails?\b|broken|too (?:late|early)|still|unsafe",
    re.IGNORECASE,
)
TALK = "70_talk"

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_lesson = pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path.stem != TALK], ids=lambda path: path.stem
)

# Run in the kernel before each notebook, and after each of its cells.
CLEARED = """%reset -f
import os
os.chdir({place!r})
"""
PROBE = """
def _probe(shown):
    import json
    import mmviz
    from mmviz.engine import Report
    told = {}
    if isinstance(shown, mmviz.Predict):
        told = {"asks": shown.question.case.name}
        shown.skip()
        told["error"] = shown.card.error
    elif isinstance(shown, mmviz.Driver):
        told = {"asks": shown.case.name, "height": shown.height}
    elif isinstance(shown, mmviz.Player):
        run = shown.searched.run(shown.schedule)
        others = [shown.searched.run(each) for each in shown.schedules.values()]
        ends = any(each.violated or each.deadlock for each in (run, *others))
        told = {"case": shown.case.name, "tells": ends, "height": shown.height}
    elif isinstance(shown, Report):
        told = {"case": shown.case.name, "tells": not shown.safe}
    print("probe", json.dumps(told))
_probe(Out.get(len(In) - 2))
del _probe
"""


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tags(cell):
    return set(cell.metadata.get("tags", ()))


def markdown(path):
    return [cell for cell in read(path).cells if cell.cell_type == "markdown"]


def sealed_texts(cell):
    """Return the sentences that a question reveals afterwards."""
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.keyword) and node.arg == "then":
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and " " in str(part.value):
                    yield str(part.value)


@pytest.fixture(scope="module")
def kernel():
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=os.environ | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"})
    yield manager
    manager.shutdown_kernel(now=True)


def run(path, manager, place):
    """Run a notebook's cells; return what the probe told of each, by the number of the cell."""
    book = read(path)
    cells, numbers = [nbformat.v4.new_code_cell(CLEARED.format(place=str(place)))], {}
    for number, cell in enumerate(book.cells):
        if cell.cell_type != "code":
            continue
        cells += [cell, nbformat.v4.new_code_cell(PROBE)]
        numbers[len(cells) - 1] = number
    shown = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(shown, km=manager, timeout=SECONDS_A_CELL).execute()
    stray = [
        out.text
        for cell in cells
        for out in cell.get("outputs", [])
        if out.get("name") == "stderr" and "Traceback" in out.text
    ]
    assert stray == []
    found = {}
    for at, number in numbers.items():
        printed = "".join(out.get("text", "") for out in cells[at].outputs)
        (said,) = re.findall(r"^probe (.*)$", printed, flags=re.MULTILINE)
        found[number] = json.loads(said)
    return found


def test_the_course_begins_with_00_start():
    assert NOTEBOOKS[0].name == "00_start.ipynb"


@each_notebook
def test_it_runs_and_asks_before_it_shows_how_a_case_ends(path, kernel, tmp_path):
    told, asked = run(path, kernel, tmp_path), set()
    assert any(each.get("asks") for each in told.values())
    cells = read(path).cells
    for number, each in told.items():
        assert not each.get("error"), (number, each["error"])
        if "asks" in each:
            asked.add(each["asks"])
        elif each.get("tells") and not tags(cells[number]) & {"answer", "teacher"}:
            assert each["case"] in asked, (
                f"cell {number} shows how {each['case']} ends, and no question came before it: "
                f"{cells[number].source}"
            )
    heights = [each["height"] for each in told.values() if "height" in each]
    if path.stem != TALK:
        assert heights[0] <= SMALL, "a small picture comes before the large stage"


@each_notebook
def test_it_stores_no_output(path):
    for cell in code_cells(path):
        assert cell.outputs == []
        assert cell.execution_count is None


@each_lesson
def test_it_keeps_the_headings_of_the_course(path):
    text = "\n".join(cell.source for cell in markdown(path))
    found = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    rest = iter(found)
    for wanted in HEADINGS:
        assert any(heading.startswith(wanted) for heading in rest), (
            f"no heading '## {wanted} …' in its place; there are {found}"
        )
    assert len(re.findall(r"^# ", text, flags=re.MULTILINE)) == 1


@each_notebook
def test_no_heading_tells_how_a_case_ends(path):
    text = "\n".join(cell.source for cell in markdown(path))
    for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE):
        assert not TELLING.search(heading), heading


@each_notebook
def test_it_is_one_idea_in_a_lesson_s_time(path):
    book = read(path)
    about = book.metadata.mmviz
    assert about.minutes <= MOST_MINUTES
    assert about.idea
    assert about.idea.endswith(".")
    if path.stem != TALK:
        assert f"bout {about.minutes} minutes" in book.cells[0].source
    assert [len(about[name]) for name in ("before", "after")] == [3, 3]
    assert all(len(pair) == 2 for name in ("before", "after") for pair in about[name])
    assert about.misconceptions
    assert about.board


@each_notebook
def test_it_is_short(path):
    texts = [cell.source for cell in markdown(path) if not tags(cell) & {"answer", "teacher"}]
    for cell in code_cells(path):
        texts += sealed_texts(cell)
    assert sum(len(text.split()) for text in texts) <= MOST_WORDS
    lines = [len(cell.source.splitlines()) for cell in code_cells(path)]
    assert max(lines) <= 20
    assert statistics.median(lines) <= 8


@each_notebook
def test_what_answers_is_folded(path):
    """So is a question, whose source has what it seals; an answer is in the teacher's edition."""
    for cell in code_cells(path):
        assert "solution" not in tags(cell)
        if "answer" in tags(cell) or any(sealed_texts(cell)) or "lambda: mmviz" in cell.source:
            assert cell.metadata.jupyter.source_hidden, cell.source


@each_notebook
def test_it_opens_without_a_question(path):
    """The kernel's name is the one that every environment has; ids let diffs stay small."""
    book = read(path)
    assert book.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in book.cells]
    assert len(set(ids)) == len(ids)
    nbformat.validate(book)


def test_the_talk_is_ten_minutes_with_a_note_for_each_slide():
    (path,) = (path for path in NOTEBOOKS if path.stem == TALK)
    kinds = [cell.metadata.slideshow.slide_type for cell in markdown(path)]
    assert kinds[::2] == ["slide"] * (len(kinds) // 2)
    assert kinds[1::2] == ["notes"] * (len(kinds) // 2)
    notes = [cell.source for cell in markdown(path) if "teacher" in tags(cell)]
    starts = [int(re.match(r"\*\*(\d+):00\*\*", note)[1]) for note in notes]
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    assert starts[-1] == read(path).metadata.mmviz.minutes - 1


def test_the_page_of_the_course_has_each_notebook_with_its_minutes_and_its_question():
    page = (FOLDER / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\(\1\.ipynb\) \| (\d+) \| (.+) \|$", page, flags=re.MULTILINE)
    assert [row[0] for row in rows] == [path.stem for path in NOTEBOOKS]
    for path, (_, minutes, question) in zip(NOTEBOOKS, rows, strict=True):
        book = read(path)
        assert int(minutes) == book.metadata.mmviz.minutes
        assert f"**The question:** {question}\n" in book.cells[0].source or path.stem == TALK
