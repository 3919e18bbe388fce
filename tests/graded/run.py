"""`make graded`: nbgrader and otter grade an assignment from end to end; the points are checked.

Each has a virtual environment of its own, made by `.ci/prepare graded`. A right, a wrong, a half
right and an empty submission, and ones that misbehave, go through `nbgrader generate_assignment`
and `autograde`, through `otter assign` and `run`, and through `mmviz grade`. No network is needed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from mmviz.lessons.grading_forms import Asked, assignment
from mmviz.lessons.grading_points import item_of
from tests.graded.submissions import ITEMS, KINDS, expected

ROOT = Path(__file__).parents[2]
NAME = "races"
QUIET = {
    "MMVIZ_PROGRESS": "off",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYTHONWARNINGS": "ignore",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
SCORES = """
import json, sys
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    found = {
        one.student.id: {
            grade.name: grade.auto_score
            for notebook in one.notebooks for grade in notebook.grades
        }
        for one in book.assignment_submissions("races")
    }
print(json.dumps(found))
"""


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--nbgrader", type=Path, default=ROOT / ".venv" / "nbgrader")
    options.add_argument("--otter", type=Path, default=ROOT / ".venv" / "otter")
    options.add_argument("--only", help="mmviz grade, nbgrader or otter")
    options.add_argument("--keep", type=Path, help="work in this folder, and leave it")
    given = options.parse_args()
    asked = [Asked(number, item_of(item)) for number, item in enumerate(ITEMS, 1)]
    with tempfile.TemporaryDirectory() as made:
        folder = given.keep or Path(made)
        wrong = 0
        for name, grade in (
            ("mmviz grade", lambda: plain(folder / "plain", asked)),
            ("nbgrader", lambda: nbgrader(folder / "nbgrader", asked, given.nbgrader)),
            ("otter", lambda: otter(folder / "otter", asked, given.otter)),
        ):
            if given.only in (None, name):
                is_run = name != "mmviz grade"
                wanted = {k: [expected(k, each, is_run) for each in asked] for k in KINDS}
                wrong += compare(name, grade(), wanted)
    print(
        f"{wrong} submissions have other points than they should"
        if wrong
        else "All as it should be."
    )
    return 1 if wrong else 0


def compare(name, found, wanted):
    """Print the points of each submission; return how many are not as they should be."""
    wrong = 0
    print(f"{name}:")
    for kind, points in wanted.items():
        same = [round(each, 3) for each in found[kind]] == points
        wrong += not same
        total = f"{sum(found[kind]):g} of {sum(wanted['right'])}"
        print(f"  {kind:11} {total:10} {' '.join(f'{each:g}' for each in found[kind])}", end="")
        print("" if same else f"   should be {' '.join(map(str, points))}")
    return wrong


def write(folder, files):
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def handed_in(content, asked, kind):
    """Return a notebook in which each answer is of a kind."""
    book = json.loads(content)
    for each in asked:
        (cell,) = [
            cell
            for cell in book["cells"]
            if cell["cell_type"] == "code"
            and f"{each.name}" in "".join(cell["source"])
            and "mmviz.grade" not in "".join(cell["source"])
        ]
        text = KINDS[kind](each)
        cell["source"] = text.splitlines(keepends=True)
        if kind == "deleted":
            book["cells"].remove(cell)
    return json.dumps(book).encode()


def call(words, folder, environment, **more):
    """Run a program; end where it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=os.environ | QUIET | {"PATH": f"{environment / 'bin'}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))} failed:\n{done.stdout[-4000:]}")
    return done.stdout


def plain(folder, asked):
    """Return the points that `mmviz grade` gives."""
    write(folder, assignment(ITEMS, "jupyter", NAME))
    content = (folder / f"{NAME}.ipynb").read_bytes()
    paths = []
    for kind in KINDS:
        paths.append(folder / f"{kind}.ipynb")
        paths[-1].write_bytes(handed_in(content, asked, kind))
    words = [sys.executable, "-m", "mmviz", "grade", folder / f"{NAME}.ipynb", *paths, "--json"]
    found = json.loads(call(words, ROOT, ROOT / ".venv"))
    return {
        kind: [item["earned"] for item in each["items"]]
        for kind, each in zip(KINDS, found, strict=True)
    }


def nbgrader(folder, asked, environment):
    """Return the points that nbgrader gives."""
    write(folder, assignment(ITEMS, "nbgrader", NAME))
    program = environment / "bin" / "nbgrader"
    call([program, "generate_assignment", NAME], folder, environment)
    released = (folder / "release" / NAME / f"{NAME}.ipynb").read_bytes()
    for each in asked:
        assert each.solution not in released.decode(), f"the released notebook solves {each.name}"
    for kind in KINDS:
        write(
            folder / "submitted" / kind / NAME, {f"{NAME}.ipynb": handed_in(released, asked, kind)}
        )
    call([program, "autograde", NAME], folder, environment)
    found = json.loads(call([environment / "bin" / "python", "-c", SCORES], folder, environment))
    return {kind: [found[kind][f"points{each.number}"] or 0 for each in asked] for kind in KINDS}


def otter(folder, asked, environment):
    """Return the points that otter gives."""
    write(folder, assignment(ITEMS, "otter", NAME))
    program = environment / "bin" / "otter"
    call([program, "assign", f"{NAME}.ipynb", "dist", "--no-pdfs"], folder, environment)
    released = (folder / "dist" / "student" / f"{NAME}.ipynb").read_bytes()
    for each in asked:
        assert each.solution not in released.decode(), f"the student's notebook solves {each.name}"
    (autograder,) = (folder / "dist" / "autograder").glob("*.zip")
    found = {}
    for kind in KINDS:
        path = folder / f"{kind}.ipynb"
        path.write_bytes(handed_in(released, asked, kind))
        out = folder / kind
        out.mkdir()
        call([program, "run", "-a", autograder, "-o", out, "--no-logo", path], folder, environment)
        tests = json.loads((out / "results.json").read_text())["tests"]
        score = {test["name"].split()[0]: test.get("score", 0) for test in tests}
        found[kind] = [score[f"q{each.number}"] for each in asked]
    return found


if __name__ == "__main__":
    sys.exit(main())
