"""A graded notebook, in the form of plain Jupyter, nbgrader or otter.

Each has the tasks, a cell for each answer, and what grades it by `mmviz.grade`; the solutions stand
only where that form keeps them from students. Nothing needs a network.

Sources:
    nbgrader's cell metadata, schema version 3, and its marks for solutions and hidden tests
    otter-grader's format for `otter assign`, with exception-based tests
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import permutations
from textwrap import indent
from typing import Any

from mmviz.engine import Case, MmvizError, nearest
from mmviz.engine.text import quoted
from mmviz.lessons.asked import on_paper
from mmviz.lessons.editions import NO_PROGRESS
from mmviz.lessons.exercise import SCHEDULE, STEP
from mmviz.lessons.grading_answer import Given, named
from mmviz.lessons.grading_points import RIGHT, Item, item_of
from mmviz.lessons.played import played

JUPYTER, NBGRADER, OTTER = "jupyter", "nbgrader", "otter"
FORMS = {name: name for name in (JUPYTER, NBGRADER, OTTER)}
MOST_ITEMS = 50
NAME = "races"  # of the assignment
LETTERS = "ABCDE"
AFRESH = """\
import sys

for each in [each for each in sys.modules if each.partition(".")[0] == "mmviz"]:
    del sys.modules[each]  # what an answer has changed in mmviz goes with it
import mmviz
"""

Cell = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """An item of an assignment.

    Attributes:
        number: its place, from 1 on.
        item: what is asked.
    """

    number: int
    item: Item

    @property
    def name(self) -> str:
        """The name of the class or of the variable that holds the answer."""
        return f"{'Answer' if self.item.asks_code else 'answer'}{self.number}"

    @property
    def possible(self) -> int:
        """The points that a right answer earns."""
        return sum(self.item.worth.values())

    @property
    def task(self) -> str:
        """What is asked, as Markdown."""
        points = ", ".join(f"{what} {most}" for what, most in self.item.worth.items())
        head = f"## {self.number}. {self.item.title}"
        said = f"*{self.possible} points: {points}.*"
        return "\n\n".join([head, self._asked(), self._how(), said])

    def _asked(self) -> str:
        if self.item.exercise is not None:
            asked = self.item.exercise
            rows = [f"- {head} {words}" for head, words in asked.demands]
            parts = [asked.task.strip(), "\n".join(rows)]
            parts += [] if self.item.asks_code else [_shown(asked.failing)]
            return "\n\n".join(filter(None, parts))
        question = self.item.question
        assert question is not None
        parts = [_shown(question.case)] if _shown(question.case) else []
        return "\n\n".join([*parts, f"```text\n{on_paper(question)}\n```"])

    def _how(self) -> str:
        if self.item.asks_code:
            return (
                f"Edit the class `{self.name}`, and keep what it needs in its cell. "
                f"`mmviz.judge({self.name})` shows its card."
            )
        if self.item.exercise is None:
            return f'Write the letter: `{self.name} = "…"`.'
        if self.item.exercise.asks == SCHEDULE:
            return f'Write the schedule: `{self.name} = "…"`.'
        return f"Write the number of the step: `{self.name} = …`."

    @property
    def given(self) -> str:
        """The code that the learner starts from."""
        if self.item.asks_code:
            assert self.item.exercise is not None
            return self._renamed(self.item.exercise.code)
        return f'{self.name} = ""'

    @property
    def solution(self) -> str:
        """A right answer, as code."""
        if self.item.exercise is None:
            assert self.item.question is not None
            return f'{self.name} = "{LETTERS[self.item.question.right]}"'
        found = self.item.exercise.solution()
        if self.item.asks_code:
            return self._renamed(found)
        if self.item.exercise.asks == STEP:
            return f"{self.name} = {int(found)}"
        return f'{self.name} = "{found}"'

    def solves(self, other: "Asked") -> bool:
        """Tell whether the given code has every line that the other's solution is in need of."""
        if not (self.item.asks_code and other.item.asks_code):
            return False
        needed = _lines(other.solution) - _lines(other.given)
        return bool(needed) and needed <= _lines(self.given)

    def _renamed(self, text: str) -> str:
        return text.replace("class Mine(", f"class {self.name}(").rstrip()

    @property
    def call(self) -> str:
        """Python that grades the answer, whether there is one or not."""
        return f'mmviz.grade(globals().get("{self.name}"), "{self.item.name}")'


def _lines(text: str) -> set[str]:
    """Return the lines of a class, whatever its name."""
    lines = (line.strip() for line in text.splitlines())
    return {line for line in lines if line and not line.startswith(("class ", "import ", "from "))}


def _shown(case: Case) -> str:
    """Return what the actors of a case run, as Markdown; "" where no source is available."""
    texts = played(case)
    return "```python\n{}\n```".format("\n\n".join(texts)) if texts else ""


def assignment(items: Iterable[Any], form: str, name: str = NAME) -> dict[str, bytes]:
    """Return the files of an assignment: path -> content.

    Args:
        items: exercises and questions, as `grade` takes them.
        form: "jupyter", "nbgrader" or "otter".
        name: of the assignment.

    Raises:
        UnknownName: there is no such form, exercise or case.
        MmvizError: there are no items, too many, or the name is none for a file.
    """
    wanted = nearest(FORMS, form, "form")
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or len(name) > 60:
        raise MmvizError(f"{quoted(name)} is no name of an assignment: write letters and digits")
    asked = [Asked(number, item_of(each)) for number, each in enumerate(items, 1)]
    if not 1 <= len(asked) <= MOST_ITEMS:
        raise MmvizError(f"an assignment has 1 to {MOST_ITEMS} exercises, not {len(asked)}")
    twice = {each.item.name for each in asked}
    if len(twice) < len(asked):
        raise MmvizError(
            "an exercise stands twice in this assignment: write @SEED after one of them"
        )
    for one, other in permutations(asked, 2):
        if other.solves(one):
            raise MmvizError(
                f"the code of {other.item.name} shows how to solve {one.item.name}: put them into "
                "two assignments"
            )
    make: dict[str, Callable[[list[Asked], str], dict[str, bytes]]] = {
        JUPYTER: _jupyter,
        NBGRADER: _nbgrader,
        OTTER: _otter,
    }
    return make[wanted](asked, name)


def _head(asked: list[Asked]) -> list[Cell]:
    total = sum(each.possible for each in asked)
    return [_markdown(f"# Races\n\n{total} points."), _code(f"{NO_PROGRESS}\n\nimport mmviz")]


# -- plain Jupyter ----------------------------------------------------------------------------


def _jupyter(asked: list[Asked], name: str) -> dict[str, bytes]:
    graded = {"mmviz": {"graded": [each.item.name for each in asked]}}

    def book(is_solved: bool) -> bytes:
        cells = _head(asked)
        for each in asked:
            cells += [
                _markdown(each.task),
                _code(each.solution if is_solved else each.given),
                _code(each.call),
            ]
        return notebook(cells, graded)

    return {f"{name}.ipynb": book(False), f"solved/{name}.ipynb": book(True)}


def asked_by(content: bytes, name: str) -> list[Asked]:
    """Return the items of an assignment in the form of plain Jupyter.

    Raises:
        MmvizError: it is no such notebook.
    """
    try:
        items = json.loads(content)["metadata"]["mmviz"]["graded"]
        if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise MmvizError(
            f"{quoted(name)} is no assignment: write the notebook that "
            "`mmviz assignment --for jupyter` wrote"
        ) from None
    return [Asked(number, item_of(each)) for number, each in enumerate(items, 1)]


def answers_in(content: bytes, asked: list[Asked]) -> list[Given]:
    """Return the answers that stand in a notebook, read and not run.

    Raises:
        MmvizError: it is no notebook.
    """
    try:
        cells = [
            "".join(cell["source"])
            for cell in json.loads(content)["cells"]
            if cell["cell_type"] == "code"
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise MmvizError("it is no notebook") from None
    return [named(cells, each.name) for each in asked]


# -- nbgrader ---------------------------------------------------------------------------------

NBGRADER_CONFIG = """\
# Read by nbgrader in this folder.
c = get_config()
c.CourseDirectory.course_id = "mmviz"
c.ClearSolutions.code_stub = {"python": "# edit the code above"}
c.ExecutePreprocessor.timeout = 300  # seconds of a cell
"""


def _nbgrader(asked: list[Asked], name: str) -> dict[str, bytes]:
    cells = _head(asked)
    for each in asked:
        solution = f"### BEGIN SOLUTION\n{each.solution}\n### END SOLUTION"
        test = [
            f"# graded: {each.possible} points",
            "### BEGIN HIDDEN TESTS",
            AFRESH,
            f"points = {each.call}",
            "print(points)",
            "points.earned",
            "### END HIDDEN TESTS",
        ]
        cells += [
            _for_nbgrader(_markdown(each.task), f"task{each.number}", locked=True),
            _for_nbgrader(
                _code(f"{each.given}\n\n{solution}"), f"answer{each.number}", solution=True
            ),
            _for_nbgrader(
                _code("\n".join(test)), f"points{each.number}", locked=True, points=each.possible
            ),
        ]
    return {
        f"source/{name}/{name}.ipynb": notebook(cells),
        "nbgrader_config.py": NBGRADER_CONFIG.encode(),
    }


def _for_nbgrader(
    cell: Cell, grade_id: str, locked: bool = False, solution: bool = False, points: int = 0
) -> Cell:
    about: dict[str, Any] = {
        "schema_version": 3,
        "grade_id": grade_id,
        "grade": points > 0,
        "solution": solution,
        "locked": locked,
        "task": False,
    }
    if points:
        about["points"] = points
    return cell | {"metadata": {"nbgrader": about}}


# -- otter ------------------------------------------------------------------------------------

OTTER_CONFIG = """\
# ASSIGNMENT CONFIG
name: {name}
tests:
  ok_format: false
export_cell:
  pdf: false
  run_tests: false
generate: true"""


def _otter(asked: list[Asked], name: str) -> dict[str, bytes]:
    cells = [_raw(OTTER_CONFIG.format(name=name)), *_head(asked)]
    for each in asked:
        solution = f"# BEGIN SOLUTION NO PROMPT\n{each.solution}\n# END SOLUTION"
        cells += [
            _raw(f"# BEGIN QUESTION\nname: q{each.number}\npoints: {each.possible}"),
            _markdown(each.task),
            _raw("# BEGIN SOLUTION"),
            _code(f"{each.given}\n\n{solution}"),
            _raw("# END SOLUTION"),
            _raw("# BEGIN TESTS"),
            *_otter_tests(each),
            _raw("# END TESTS"),
            _raw("# END QUESTION"),
        ]
    return {f"{name}.ipynb": notebook(cells)}


def _otter_tests(each: Asked) -> Iterable[Cell]:
    """Yield a test for each line of the points; a prediction is worth a point at the second try."""
    number = 0
    for what, most in each.item.worth.items():
        steps = range(1, most + 1) if what == RIGHT else (most,)
        before = 0
        for least in steps:
            number += 1
            yield _code(
                f'""" # BEGIN TEST CONFIG\npoints: {least - before}\nhidden: true\n'
                f'""" # END TEST CONFIG\n'
                f"def test_{each.number}_{number}(env):\n{indent(AFRESH, '    ')}\n"
                f'    points = mmviz.grade(env.get("{each.name}"), "{each.item.name}")\n'
                f'    line = points.line("{what}")\n'
                f"    assert line.earned >= {least}, line.reason"
            )
            before = least


# -- notebooks --------------------------------------------------------------------------------


def notebook(cells: list[Cell], metadata: dict[str, Any] | None = None) -> bytes:
    """Return a notebook as its file; the same cells make the same bytes."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = {
        "cells": [cell | {"id": f"cell-{number:03}"} for number, cell in enumerate(cells, 1)],
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}} | (metadata or {}),
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _cell(kind: str, text: str) -> Cell:
    return {"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True)}


def _markdown(text: str) -> Cell:
    return _cell("markdown", text)


def _raw(text: str) -> Cell:
    return _cell("raw", text)


def _code(text: str) -> Cell:
    return _cell("code", text) | {"execution_count": None, "outputs": []}
