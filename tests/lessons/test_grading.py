"""Points come from search; an answer that is none earns nothing, and never stops the grader."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import mmviz
from mmviz.engine import MmvizError
from mmviz.lessons.exercise import exercise, exercises
from mmviz.lessons.grading_answer import CODE, Given, Refused, definitions, given_of, named
from mmviz.lessons.grading_apart import graded_apart
from mmviz.lessons.grading_forms import (
    FORMS,
    Asked,
    answers_in,
    asked_by,
    assignment,
)
from mmviz.lessons.grading_points import COST, FINISHES, JOB, SAFE, item_of, points_of
from tests.commands import run as command
from tests.graded.submissions import ITEMS, detour, does_nothing, right, wrong

FIND, FIX, CHEAP, ASK = (
    "iommu_group/break_it",
    "iommu_group/one_critical_section",
    "hmm/short_mutex",
    "iommu_group/release_order:DelistThenRelease?next@3",
)
KINDS = {item_of(item).asks_code: item for item in (FIND, FIX)}


def here(text, name, cls=""):
    """Grade code in this process, which is quicker than in one of its own."""
    return points_of(Given(CODE, text, name=cls), item_of(name))


# -- find the run --------------------------------------------------------------------------


def test_a_run_that_breaks_the_promise_earns_two_and_a_shortest_one_three():
    asked = exercise(FIND)
    assert mmviz.grade(asked.solution(), FIND).earned == 3
    longer = mmviz.grade(" ".join(detour(asked)), FIND)
    assert (longer.earned, longer.possible) == (2, 3)
    assert mmviz.grade(detour(asked), FIND).earned == 2
    assert mmviz.grade(f"{asked.solution()} CPU1", FIND).earned == 3  # it is broken by then


@pytest.mark.parametrize(
    "answer",
    [
        "",
        None,
        ...,
        "CPU0",
        "CPU7",
        "CPU0*99999999999",
        5,
        1.5,
        b"CPU0",
        [],
        [[]],
        {},
        Ellipsis,
        int,
    ],
    ids=repr,
)
def test_what_breaks_nothing_earns_nothing_and_says_why(answer):
    points = mmviz.grade(answer, FIND)
    assert points.earned == 0
    assert len(points.lines[0].reason) > 10


# -- remove the bug ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n, e in exercises().items() if e.asks == CODE])
def test_the_solution_earns_every_point_and_the_given_code_none(name):
    asked = exercise(name)
    full = here(asked.solution(), name)
    assert full.earned == full.possible, full
    for text in (asked.code, does_nothing(asked.code, "Mine")):
        assert here(text, name).earned == 0


def test_a_fix_that_costs_too_much_earns_all_but_the_points_for_the_cost():
    asked = exercise("hmm/the_second_waits")
    points = here(asked.solution().replace(asked.name, CHEAP), CHEAP)
    assert points.line(COST).earned == 0
    assert points.earned == points.possible - points.line(COST).possible > 0


def test_a_fix_that_breaks_something_else_earns_only_what_it_mends():
    """The lock is taken, and never given back: safe, and it does not finish."""
    asked = exercise(FIX)
    text = asked.solution()
    lines = text.splitlines()
    last = max(i for i, line in enumerate(lines) if "mutex_unlock" in line)
    points = here("\n".join(lines[:last] + lines[last + 1 :]), FIX)
    assert points.line(FINISHES).earned == 0
    assert points.earned < points.possible


@pytest.mark.parametrize(
    "text",
    [
        "def Mine(): pass",
        "class Mine(object): pass",
        'class Mine(mmviz.exercise("hmm/one_put").given): pass',
        "x = (",
        "raise SystemExit",
        "class Mine(print('a')): pass",
        "\0",
        "x" * 60_000,
    ],
    ids=lambda text: text[:20],
)
def test_code_that_is_no_answer_earns_nothing(text):
    points = points_of(given_of(text, asks_code=True), item_of(FIX))
    assert points.earned == 0
    assert points.lines[0].reason


def test_the_variant_of_another_seed_is_another_exercise():
    name = next(n for n, e in exercises().items() if e.variants and e.asks == CODE)
    own, other = exercise(name, 1), exercise(name)
    assert here(own.solution(), f"{name}@1").earned > 0
    assert here(other.solution(), f"{name}@1").earned == 0


# -- a process of its own ------------------------------------------------------------------


def test_code_is_judged_in_a_process_that_an_answer_may_end():
    asked = exercise(FIX)
    solved = graded_apart(Given(CODE, asked.solution()), item_of(FIX))
    assert solved.earned == solved.possible
    endless = does_nothing(asked.code, "Mine", "while True: pass")
    assert mmviz.grade(endless, FIX).earned == 0
    started = subprocess.run  # what happens when the process ends itself
    done = started([sys.executable, "-c", "import os; os._exit(3)"], check=False)
    assert done.returncode == 3


def test_an_exercise_of_one_s_own_is_not_taken_for_that_of_the_catalogue():
    own = replace(exercise(FIX), jobs=())
    with pytest.raises(MmvizError, match="judge"):
        mmviz.grade(own.solution(), own)


@pytest.mark.parametrize("said", ["", "no JSON", '{"word": "x", "lines": []}'])
def test_a_process_that_says_something_else_earns_nothing(monkeypatch, said):
    def run(*_, **__):
        return subprocess.CompletedProcess([], 1, stdout=said.encode())

    monkeypatch.setattr(subprocess, "run", run)
    points = graded_apart(Given(CODE, f"# {said}"), item_of(FIX))
    assert points.earned == 0
    assert "process" in points.lines[0].reason or "wrote" in points.lines[0].reason


@pytest.mark.parametrize(
    "text",
    [
        "class Mine(f()): pass",
        "class Mine(mmviz.exercise(f()).given): pass",
        "class Mine(Given, metaclass=f()): pass",
        "@f()\nclass Mine(Given): pass",
        "class Mine(Given):\n    x = f()",
        "class Mine(Given):\n    @f()\n    async def m(self): pass",
        "class Mine(Given):\n    async def m(self, k=f()): pass",
        "class Mine(Given):\n    class Inner(f()): pass",
        "async def m(k=f()): pass",
        "@f()\nasync def m(k): pass",
    ],
)
def test_to_define_an_answer_runs_nothing_of_it(text):
    with pytest.raises(Refused, match="line"):
        definitions(text)


def test_of_a_cell_only_definitions_and_imports_of_mmviz_are_kept():
    text = (
        "%time 1\nimport os, mmviz\nfrom os import path\nfrom mmviz.kernel.mm import pages\n"
        "f()\nx = f()\nGiven = mmviz.exercise('a').given\nfor i in f(): pass\n"
        "class Mine(Given):\n    'doc'\n    async def m(self, k: f()) -> f(): pass\n"
        "print(mmviz.judge(Mine))"
    )
    names = [type(node).__name__ for node in definitions(text).body]
    assert names == ["Import", "ImportFrom", "Assign", "ClassDef"]
    assert "f()" not in __import__("ast").unparse(definitions(text))


def test_a_class_of_a_notebook_is_read_from_its_cell(monkeypatch):
    import linecache

    text = exercise(FIX).solution()
    monkeypatch.setitem(linecache.cache, "<cell>", (1, None, text.splitlines(True), "<cell>"))
    names = {}
    exec(compile(text, "<cell>", "exec"), names)
    assert given_of(names["Mine"], asks_code=True) == Given(CODE, text, name="Mine")
    assert given_of(int, asks_code=True).refused


# -- predictions ---------------------------------------------------------------------------


def test_the_first_answer_earns_two_and_the_second_one():
    question = item_of(ASK).question
    best = question.right
    other = next(i for i in range(len(question.options)) if i != best)
    letters = "abcdef"
    for answer in (letters[best], letters[best].upper(), question.options[best].text, best + 1):
        assert mmviz.grade(answer, ASK).earned == 2
    assert mmviz.grade([letters[other], letters[best]], ASK).earned == 1
    assert mmviz.grade([letters[other], letters[other], letters[best]], ASK).earned == 0
    assert mmviz.grade(letters[other], ASK).earned == 0
    assert mmviz.grade("z", ASK).earned == 0
    assert mmviz.grade(letters[best], question).earned == 2


def test_what_cannot_be_graded_is_refused():
    for wrong_item in (None, 5, "", "hmm/on_put", f"{FIX}@x", "hmm/zz:Zz?next", f"{ASK}x"):
        with pytest.raises(MmvizError):
            mmviz.grade("a", wrong_item)


# -- assignments ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_an_assignment_is_the_same_bytes_each_time(form):
    import nbformat

    made = assignment(ITEMS, form)
    assert made == assignment(ITEMS, form)
    for path, content in made.items():
        if path.endswith(".ipynb"):
            nbformat.validate(nbformat.reads(content.decode(), as_version=4))


def test_no_solution_stands_in_what_a_student_of_plain_jupyter_gets():
    book = json.loads(assignment(ITEMS, "jupyter")["races.ipynb"])
    shown = {line.rstrip() for cell in book["cells"] for line in cell["source"]}
    asked = [asked_as(number, item) for number, item in enumerate(ITEMS, 1)]
    given = {line for each in asked for line in each.given.splitlines()}
    for each in asked:
        assert not (set(each.solution.splitlines()) - given) & shown


def asked_as(number, item):
    return Asked(number, item_of(item))


def test_an_exercise_whose_code_solves_another_is_not_given_out_with_it():
    with pytest.raises(MmvizError, match="two assignments"):
        assignment(["hmm/one_put", "hmm/short_mutex"], "jupyter")


def test_nbgrader_and_otter_keep_the_solutions_and_tests_where_they_take_them_out():
    source = json.loads(assignment(ITEMS, "nbgrader")["source/races/races.ipynb"])
    kinds = [cell["metadata"].get("nbgrader", {}) for cell in source["cells"]]
    assert [each["points"] for each in kinds if each.get("grade")] == [
        sum(item_of(item).worth.values()) for item in ITEMS
    ]
    for cell, kind in zip(source["cells"], kinds, strict=True):
        text = "".join(cell["source"])
        if kind.get("solution"):
            assert "### BEGIN SOLUTION" in text
            assert text.endswith("### END SOLUTION")
        if "mmviz.grade" in text:
            assert text.index("### BEGIN HIDDEN") < text.index("mmviz.grade")
    master = json.loads(assignment(ITEMS, "otter")["races.ipynb"])
    tests = ["".join(c["source"]) for c in master["cells"] if "def test_" in "".join(c["source"])]
    assert all("hidden: true" in text for text in tests)
    assert sum(int(text.split("points: ")[1].split("\n")[0]) for text in tests) == 33


def test_what_was_handed_in_is_read_and_not_run():
    asked = asked_by(assignment(ITEMS, "jupyter")["races.ipynb"], "races.ipynb")
    solved = assignment(ITEMS, "jupyter")["solved/races.ipynb"]
    given = answers_in(solved, asked)
    assert [each.kind for each in given] == ["value", "value", "code", "code", "code", "value"]
    assert not any(each.refused for each in given)
    assert named(["raise SystemExit", "x = 1", "answer1 = f()"], "answer1").refused
    assert named(["answer1 = 'a'", "answer1: str = 'b'"], "answer1").text == "b"
    assert named(["answer1 = ("], "answer1").refused
    assert named([], "answer1").refused == "nothing was handed in"


def test_the_command_grades_files_and_goes_on_after_a_bad_one(tmp_path, capsys):
    items = [FIND, ASK]
    status, out, _ = command(capsys, "assignment", *items, "-o", str(tmp_path))
    assert status == 0
    assert len(out.splitlines()) == 2
    paths = [tmp_path / "races.ipynb", tmp_path / "solved" / "races.ipynb", tmp_path / "no.ipynb"]
    paths[2].write_text("no notebook")
    words = [str(path) for path in paths]
    status, out, _ = command(capsys, "grade", words[0], *words[1:], words[0], "--json")
    assert [each["earned"] for each in json.loads(out)] == [5, 0, 0]
    assert status == 0
    status, _, err = command(capsys, "assignment", *items, "-o", str(tmp_path))
    assert (status, "is there already" in err) == (2, True)


def test_the_submissions_of_make_graded_are_what_they_say():
    asked = [Asked(number, item_of(item)) for number, item in enumerate(ITEMS, 1)]
    assert all(wrong(each) != right(each) for each in asked)
    assert Path(__file__).parents[1].joinpath("graded", "run.py").is_file()
    assert {SAFE, FINISHES, JOB} < set(item_of(CHEAP).worth)
