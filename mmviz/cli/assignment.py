"""`mmviz assignment`: write graded notebooks; `mmviz grade`: points for what was handed in."""

import json
from pathlib import Path

from mmviz.engine import MmvizError
from mmviz.engine.text import quoted
from mmviz.lessons.grading_answer import CODE, Given
from mmviz.lessons.grading_apart import graded_apart
from mmviz.lessons.grading_forms import Asked, answers_in, asked_by, assignment
from mmviz.lessons.grading_points import Points, points_of

MOST_BYTES = 20_000_000  # of a notebook that was handed in


def write_assignment(items: list[str], form: str, folder: str, name: str) -> int:
    """Write the files of an assignment, and return the exit status.

    Raises:
        UnknownName: there is no such exercise, case or form.
        MmvizError: a file of it is there already.
    """
    files = assignment(items, form, name)
    target = Path(folder)
    for path in files:
        if (target / path).exists() or (target / path).is_symlink():
            raise MmvizError(f"{quoted(str(target / path))} is there already: use another folder")
    for path, content in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(content)
        print(target / path)
    return 0


def grade_files(original: str, submissions: list[str], as_json: bool) -> int:
    """Print the points of notebooks that were handed in, and return the exit status.

    Of a notebook the answers are read, each is judged in a process of its own, and nothing else of
    it is run.

    Raises:
        MmvizError: the assignment is none.
    """
    asked = asked_by(_read(original), original)
    every = [(path, _points(path, asked)) for path in submissions]
    if as_json:
        print(json.dumps([_data(path, points) for path, points in every], indent=1))
        return 0
    for path, points in every:
        earned, possible = _sum(points)
        print(f"{path}: {earned} of {possible} points")
        for each in points:
            print("  " + str(each).replace("\n", "\n  "))
    return 0


def _points(path: str, asked: list[Asked]) -> list[Points]:
    try:
        given = answers_in(_read(path), asked)
    except (MmvizError, OSError) as wrong:
        given = [Given(refused=f"the notebook cannot be read: {wrong}")] * len(asked)
    return [
        graded_apart(answer, each.item)
        if answer.kind == CODE and each.item.asks_code
        else points_of(_fitting(answer, each), each.item)
        for answer, each in zip(given, asked, strict=True)
    ]


def _fitting(answer: Given, each: Asked) -> Given:
    """Return an answer that is not code; code where none is asked for, and the reverse, is none."""
    if answer.refused or (answer.kind == CODE) == each.item.asks_code:
        return answer
    wanted = "a class" if each.item.asks_code else "a value"
    return Given(refused=f"{each.name} is not {wanted}")


def _read(path: str) -> bytes:
    file = Path(path.replace("\0", ""))
    if not file.is_file():
        raise MmvizError(f"there is no file {quoted(path)}")
    if file.stat().st_size > MOST_BYTES:
        raise MmvizError(f"{quoted(path)} has more than {MOST_BYTES:,} bytes")
    return file.read_bytes()


def _sum(points: list[Points]) -> tuple[int, int]:
    return sum(each.earned for each in points), sum(each.possible for each in points)


def _data(path: str, points: list[Points]) -> dict[str, object]:
    earned, possible = _sum(points)
    items = [
        {
            "item": each.item,
            "earned": each.earned,
            "possible": each.possible,
            "lines": [dict(vars(line)) for line in each.lines],
        }
        for each in points
    ]
    return {"file": path, "earned": earned, "possible": possible, "items": items}
