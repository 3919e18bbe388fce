"""Editions of a notebook: the student's has no answer anywhere, the teacher's has all of it."""

import ast
import json
from pathlib import Path

import nbformat
import pytest

from mmviz.cli import main
from mmviz.engine import MmvizError
from mmviz.lessons.editions import build, lacking, leaks, read, sections, texts, to_run
from mmviz.lessons.editions_code import unbound, without_reveals

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
EDITIONS = ("self", "student", "teacher")
SECRET = ("The mutex is dropped in step 3.", "CPU0*3 CPU1*4", "7431", "ANSWER-ID", "Zeppelin")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cell(kind, text, *tags, id="x", **metadata):
    made = {
        "cell_type": kind,
        "id": id,
        "metadata": metadata | ({"tags": list(tags)} if tags else {}),
        "source": text,
    }
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def course(*cells, **about):
    """Return a source notebook: one with everything that an edition has to keep or to leave out."""
    made = {
        "cells": [
            cell("markdown", "# A race\n\nThe question."),
            cell("markdown", "## First\n\nRead this."),
            cell("code", "import mmviz"),
            *cells,
        ],
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "mmviz": {
                "idea": "One idea.",
                "minutes": 20,
                "misconceptions": ["Zeppelin"],
                "board": "```\nCPU0 ──▶ CPU1\n```",
                "before": [[f"Before {n}?", f"Because {n}."] for n in range(3)],
                "after": [[f"After {n}?", f"So {n}."] for n in range(3)],
            }
            | about,
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(made)


WHOLE = course(
    cell("markdown", "## Second\n\nHow many states are there? Which step is it?"),
    cell("code", 'mmviz.exercise("hmm/one_put")', id="ANSWER-ID-1"),
    cell("markdown", f"{SECRET[0]} There are 7431 states.", "answer", hint="7431"),
    cell("code", f'run = "{SECRET[1]}"', "answer", id="ANSWER-ID-2"),
    cell("code", 'mmviz.Predict("x", then=["report", "Zeppelin, in 7431."])', "graded"),
    cell("markdown", "For you alone.", "self"),
    cell("markdown", "For a class.", "student"),
    cell("markdown", "For the lecture.", "teacher"),
)


def sources(edition):
    return ["".join(cell["source"]) for cell in json.loads(edition)["cells"]]


def test_the_student_s_edition_has_no_answer_anywhere_in_the_file():
    made = build(WHOLE, "student")
    for secret in SECRET:
        assert secret not in made.decode()
    assert leaks(WHOLE, made) == []
    assert "For a class." in sources(made)
    assert not {"For you alone.", "For the lecture."} & set(sources(made))
    assert 'mmviz.Predict("x", then="report")' in sources(made)


def test_the_self_study_edition_has_no_answer_and_says_how_to_ask_for_one():
    made = build(WHOLE, "self")
    for secret in SECRET[:4]:
        assert secret not in made.decode().replace("Zeppelin, in 7431.", "")
    ask = '# print(mmviz.exercise("hmm/one_put").solution())'
    assert sources(made).count(ask) == 1
    assert sources(made).index(ask) == sources(made).index('mmviz.exercise("hmm/one_put")') + 1
    assert {"For you alone.", "For a class."} <= set(sources(made))


def test_the_teacher_s_edition_has_what_a_lesson_needs():
    made = build(WHOLE, "teacher")
    text = "\n\n".join(sources(made))
    assert all(secret in text for secret in (SECRET[0], SECRET[1], SECRET[2], SECRET[4]))
    for heading in ("For the teacher", "Misconceptions", "On the board"):
        assert f"# {heading}" in text
    assert (
        text.index("Three questions before")
        < text.index("## First")
        < text.index("Three questions after")
    )
    assert "*Answer:* So 2." in text
    assert "For the lecture." in text
    assert "For a class." not in text
    assert "20 minutes in all" in text
    assert 'print(mmviz.exercise("hmm/one_put").solution())' in sources(made)


@pytest.mark.parametrize("edition", EDITIONS)
def test_an_edition_is_a_notebook_and_the_same_bytes_each_time(edition):
    made = build(WHOLE, edition)
    assert made == build(WHOLE, edition)
    book = nbformat.reads(made.decode(), as_version=4)
    nbformat.validate(book)
    assert len({each.id for each in book.cells}) == len(book.cells)
    assert all(each.get("outputs", []) == [] for each in book.cells)


def test_a_leak_is_seen():
    for where in ("cells", "id", "metadata"):
        made = json.loads(build(WHOLE, "student"))
        if where == "cells":
            made["cells"][0]["source"] = ["In step 7431."]
        elif where == "id":
            made["cells"][0]["id"] = f'run = "{SECRET[1]}"'
        else:
            made["metadata"]["mmviz"]["board"] = "Zeppelin"
        assert leaks(WHOLE, json.dumps(made).encode()), where


def test_what_a_teacher_lacks_is_said():
    assert lacking(WHOLE) == []
    assert len(lacking(course(before=[["a", "b"]], board="", minutes=46))) == 3
    assert lacking(course(sections={"First": 12}))[0].startswith("sections")


def test_the_minutes_of_the_sections_are_those_of_the_notebook():
    found, is_estimate = sections(read(WHOLE))
    assert (sum(found.values()), is_estimate) == (20, True)
    assert list(found) == ["First", "Second"]
    assert sections(read(course(sections={"First": 20}))) == ({"First": 20}, False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no notebook"),
        ("[]", "no notebook"),
        ('{"cells": [], "metadata": {}, "nbformat": 3}', "no notebook"),
        ("[" * 100_000, "no notebook"),
        (course(cell("code", "1", "answers")), "knows the tag 'answers'"),
    ],
)
def test_what_is_no_course_is_refused(content, said):
    with pytest.raises(MmvizError, match=said):
        build(content, "student")


def test_an_edition_that_is_not_there_is_refused():
    with pytest.raises(MmvizError, match="did you mean student"):
        build(WHOLE, "studnet")


def test_an_edition_with_cells_of_its_own_has_to_be_run():
    assert to_run(WHOLE) == ["teacher"]
    assert to_run(course(cell("code", "x = 1", "self"))) == ["teacher", "self"]
    assert to_run(course(cell("code", "x = 1", "student"))) == ["teacher", "self"]
    both = course(cell("code", "x = 1", "student"), cell("code", "x", "answer"))
    assert to_run(both) == ["teacher", "self"]


def test_a_name_that_only_an_answer_defines_is_told():
    assert unbound(["import mmviz", "x = 1", "def f():\n    return later + x", "later = 2"]) == []
    assert unbound(["print(shortest)"]) == ["shortest"]
    assert unbound(["def f():\n    return never"]) == ["never"]
    assert unbound(["x = x + 1"]) == ["x"]
    assert unbound(["%time 1", "[y for y in range(3)]", "y"]) == ["y"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('Predict("r", then="It is *never*.")', 'Predict("r")'),
        ('Predict(\n    "é",\n    then="It is.",\n    seed=1,\n)', 'Predict("é", seed=1)'),
        ('Predict("r", then=["stage", "It is."])', 'Predict("r", then="stage")'),
        ('Predict("r", then=lambda: Player("r", "CPU0*3 DEV"))', 'Predict("r")'),
        ('Predict("r", then=lambda: Player("r", "a run"))', None),
        ('Predict("r", then="report")', None),
        ('other("r", then="It is.")', None),
        ("no Python (", None),
    ],
)
def test_what_a_question_reveals_is_taken_out(text, left):
    made, taken = without_reveals(text)
    if left is None:
        assert (made, taken) == (text, [])
    else:
        assert ast.unparse(ast.parse(made)) == ast.unparse(ast.parse(left))
        assert taken


# -- the course ----------------------------------------------------------------------------


@each_notebook
def test_the_course_has_three_editions(path):
    content = path.read_bytes()
    assert lacking(content, path.name) == []
    for edition in EDITIONS:
        made = build(content, edition, path.name)
        nbformat.validate(nbformat.reads(made.decode(), as_version=4))
        assert unbound(texts(made)) == []
        if edition != "teacher":
            assert leaks(content, made) == []


def test_lab_writes_an_edition(tmp_path, capsys):
    for edition in ("teacher", "student"):
        words = ["lab", str(tmp_path / edition), "--edition", edition, "--copy-only"]
        assert main(words) == 0
        for path in NOTEBOOKS:
            made = (tmp_path / edition / path.name).read_bytes()
            assert made == build(path.read_bytes(), edition, path.name)
    capsys.readouterr()
