"""One course, several editions: what of a notebook a learner, a class or a teacher gets.

A cell's tags say where it stands: `answer` and `teacher` in the teacher's edition only, `student`
in the other two, `self` in the one for self-study only, `graded` and no tag everywhere. The
notebook's metadata `mmviz` has its idea and minutes, and for the teacher misconceptions, a board
sketch, and three questions for before and for after.

An edition is made of the kept cells' sources and nothing else: ids are new, outputs and other
metadata are left out. The same notebook makes the same bytes.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mmviz.engine import MmvizError, nearest
from mmviz.engine.text import quoted
from mmviz.lessons.editions_code import without_reveals
from mmviz.lessons.progress_file import VARIABLE

SELF, STUDENT, TEACHER = "self", "student", "teacher"
EDITIONS = {name: name for name in (SELF, STUDENT, TEACHER)}
ANSWER, GRADED = "answer", "graded"
WHERE = {  # a tag -> the editions that its cells stand in
    ANSWER: {TEACHER},
    TEACHER: {TEACHER},
    STUDENT: {STUDENT, SELF},
    SELF: {SELF},
    GRADED: {SELF, STUDENT, TEACHER},
}
MOST_BYTES = 10_000_000
SLIDES = ("slide", "subslide", "fragment", "notes", "skip")
QUESTIONS = 3  # before, and after
MOST_MINUTES = 45
READING, TRYING = 1 / 130, 1.5  # minutes a word, and a code cell
EXERCISE = re.compile(
    r"""mmviz\.exercise\(\s*["'][^"'\n]+["'](?:\s*,\s*(?:seed\s*=\s*)?\d+)?\s*\)"""
)
HEADING = re.compile(r"^## +(.+?)\s*$", re.MULTILINE)
NO_PROGRESS = (
    f'import os\n\nos.environ.setdefault("{VARIABLE}", "off");  # what you do is not recorded'
)

Cell = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A notebook of the course as its author wrote it.

    Attributes:
        name: of the file, for messages.
        cells: its cells.
        metadata: of the notebook.
    """

    name: str
    cells: list[Cell]
    metadata: dict[str, Any]

    @property
    def about(self) -> dict[str, Any]:
        """What the author says of the notebook."""
        found = self.metadata.get("mmviz", {})
        return found if isinstance(found, dict) else {}

    def kept(self, edition: str) -> list[Cell]:
        """Return the cells that stand in an edition."""
        return [cell for cell in self.cells if edition in _stands_in(cell)]


def read(content: str | bytes, name: str = "the notebook") -> Source:
    """Return a notebook of the course.

    Raises:
        MmvizError: it is no notebook, or a cell has a tag that no edition knows.
    """
    if len(content) > MOST_BYTES:
        raise MmvizError(f"{quoted(name)} has more than {MOST_BYTES:,} bytes")
    try:
        found = json.loads(content)
        cells, metadata = found["cells"], found["metadata"]
        if found["nbformat"] != 4 or not isinstance(cells, list) or not isinstance(metadata, dict):
            raise ValueError
        source = Source(name, [_cell(each) for each in cells], metadata)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise MmvizError(f"{quoted(name)} is no notebook of format 4") from None
    for number, cell in enumerate(source.cells, 1):
        for tag in _tags(cell):
            if tag not in WHERE:
                raise MmvizError(
                    f"{name}, cell {number}: no edition knows the tag {quoted(tag)}; "
                    f"use {', '.join(WHERE)}"
                )
    return source


def _cell(found: Any) -> Cell:
    text = found["source"]
    text = text if isinstance(text, str) else "".join(text)
    if found["cell_type"] not in ("markdown", "code", "raw"):
        raise ValueError
    cell = {"cell_type": found["cell_type"], "source": text, "metadata": dict(found["metadata"])}
    if "attachments" in found:
        cell["attachments"] = found["attachments"]
    return cell


def _tags(cell: Cell) -> list[str]:
    found = cell["metadata"].get("tags", [])
    return [str(tag) for tag in found] if isinstance(found, list) else []


def _stands_in(cell: Cell) -> set[str]:
    places = {SELF, STUDENT, TEACHER}
    for tag in _tags(cell):
        places = places & WHERE[tag]
    return places


# -- building ---------------------------------------------------------------------------------


def build(content: str | bytes, edition: str, name: str = "the notebook") -> bytes:
    """Return an edition of a notebook.

    Args:
        content: the notebook as its author wrote it.
        edition: "self", "student" or "teacher".
        name: of the file, for messages.

    Raises:
        UnknownName: there is no such edition.
        MmvizError: it is no notebook, or a cell has a tag that no edition knows.
    """
    wanted = nearest(EDITIONS, edition, "edition")
    source = read(content, name)
    cells = {SELF: _for_self, STUDENT: _for_student, TEACHER: _for_teacher}[wanted](source)
    shown = ("idea", "minutes") if wanted == TEACHER else ("minutes",)  # an idea tells the lesson
    about = {key: source.about[key] for key in shown if key in source.about}
    metadata = {key: source.metadata[key] for key in ("kernelspec",) if key in source.metadata}
    made = {
        "cells": [_made(cell, number, wanted) for number, cell in enumerate(cells, 1)],
        "metadata": metadata
        | {"language_info": {"name": "python"}, "mmviz": about | {"edition": wanted}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _made(cell: Cell, number: int, edition: str) -> Cell:
    """Return a cell as it is written: its source, and what it needs to be a cell."""
    tags = [tag for tag in _tags(cell) if tag == GRADED or edition == TEACHER]
    metadata: dict[str, Any] = {"tags": tags} if tags else {}
    view = cell["metadata"].get("jupyter")
    if isinstance(view, dict) and view.get("source_hidden") is True and ANSWER not in tags:
        metadata["jupyter"] = {"source_hidden": True}
    slide = cell["metadata"].get("slideshow")
    if isinstance(slide, dict) and slide.get("slide_type") in SLIDES:
        metadata["slideshow"] = {"slide_type": slide["slide_type"]}
    made: Cell = {
        "cell_type": cell["cell_type"],
        "id": f"cell-{number:03}",
        "metadata": metadata,
        "source": cell["source"].splitlines(keepends=True),
    }
    if cell["cell_type"] == "code":
        made |= {"execution_count": None, "outputs": []}
    if "attachments" in cell:
        made["attachments"] = cell["attachments"]
    return made


def _markdown(text: str, tag: str = "") -> Cell:
    metadata = {"tags": [tag]} if tag else {}
    return {"cell_type": "markdown", "source": text, "metadata": metadata}


def _code(text: str, tag: str = "") -> Cell:
    return _markdown(text, tag) | {"cell_type": "code"}


def _for_student(source: Source) -> list[Cell]:
    kept = [_without_reveals(cell) for cell in source.kept(STUDENT)]
    first = next((i for i, cell in enumerate(kept) if cell["cell_type"] == "code"), len(kept))
    return [*kept[:first], _code(NO_PROGRESS), *kept[first:]]


def _without_reveals(cell: Cell) -> Cell:
    if cell["cell_type"] != "code":
        return cell
    return cell | {"source": without_reveals(cell["source"])[0]}


def _for_self(source: Source) -> list[Cell]:
    return _with_solutions(source, SELF, "# print({}.solution())")


def _for_teacher(source: Source) -> list[Cell]:
    first, *rest = _with_solutions(source, TEACHER, "print({}.solution())") or [_markdown("")]
    return [first, *_opening(source), *rest, *_closing(source)]


def _with_solutions(source: Source, edition: str, line: str) -> list[Cell]:
    """Return the cells of an edition; after each exercise a line that asks for its solution.

    It stands where the answer stands, or else before the next text; a cell tagged `self` says it
    itself.
    """
    found: list[Cell] = []
    asked: list[str] = []  # exercises whose solution no cell has asked for yet

    def ask() -> None:
        if asked:
            text = "\n".join(line.format(call) for call in asked)
            found.append(_code(text, ANSWER if edition == TEACHER else ""))
            asked.clear()

    for cell in source.cells:
        tags, is_code = _tags(cell), cell["cell_type"] == "code"
        is_here = edition in _stands_in(cell)
        calls = EXERCISE.findall(cell["source"]) if is_code and is_here else []
        if edition in tags:
            asked.clear()
        elif ANSWER in tags or calls or not is_code:
            ask()
        if is_here:
            found.append(cell)
        if edition not in tags and ANSWER not in tags:
            asked += [call for call in dict.fromkeys(calls) if call not in asked]
    ask()
    return found


# -- the teacher's cells ----------------------------------------------------------------------


def _opening(source: Source) -> Iterator[Cell]:
    about = source.about
    parts = ["## For the teacher", str(about.get("idea", ""))]
    minutes, is_estimate = sections(source)
    if minutes:
        rows = [f"| {heading} | {each} |" for heading, each in minutes.items()]
        parts += ["\n".join(["| section | minutes |", "|---|---:|", *rows])]
        total = f"{sum(minutes.values())} minutes in all"
        parts += [f"{total}, shared out by words and cells." if is_estimate else f"{total}."]
    if about.get("misconceptions"):
        rows = [f"- {each}" for each in _list(about["misconceptions"])]
        parts += ["### Misconceptions", "\n".join(rows)]
    if about.get("board"):
        parts += ["### On the board", str(about["board"])]
    yield _markdown("\n\n".join(part for part in parts if part), TEACHER)
    yield from _asked(about.get("before"), "Three questions before")


def _closing(source: Source) -> Iterator[Cell]:
    yield from _asked(source.about.get("after"), "Three questions after")


def _asked(pairs: Any, heading: str) -> Iterator[Cell]:
    if not pairs:
        return
    rows = [
        f"{number}. {question}\n\n   *Answer:* {answer}"
        for number, (question, answer) in enumerate(_pairs(pairs), 1)
    ]
    why = "Ask them on paper, before and after: mmviz claims no gain in learning, and you can see."
    yield _markdown("\n\n".join([f"### {heading}", why, *rows]), TEACHER)


def _list(found: Any) -> list[str]:
    return [str(each) for each in found] if isinstance(found, list) else [str(found)]


def _pairs(found: Any) -> list[tuple[str, str]]:
    pairs = found if isinstance(found, list) else []
    return [(str(p[0]), str(p[1])) for p in pairs if isinstance(p, list) and len(p) == 2]


def _text(cell: Cell) -> str:
    """Return the text of a cell; "" of one that has code."""
    return str(cell["source"]) if cell["cell_type"] == "markdown" else ""


def sections(source: Source) -> tuple[dict[str, int], bool]:
    """Return the minutes of each section, and whether they are an estimate.

    The author's `sections` are taken as they are; without them the notebook's minutes are shared
    out by the words and the code cells of the student's edition.
    """
    said = source.about.get("sections")
    if isinstance(said, dict):
        return {str(name): int(each) for name, each in said.items()}, False
    total = source.about.get("minutes")
    weights: dict[str, float] = {}
    headings = (h for cell in source.cells for h in HEADING.findall(_text(cell)))
    now = next(headings, "The notebook")  # what stands before it is counted with it
    for cell in source.kept(STUDENT):
        *_, now = [now, *HEADING.findall(_text(cell))]
        weight = len(_text(cell).split()) * READING
        weight += TRYING if cell["cell_type"] == "code" else 0
        weights[now] = weights.get(now, 0) + weight
    whole = sum(weights.values())
    if isinstance(total, bool) or not isinstance(total, int) or total < 1 or not whole:
        return {}, True
    exact = {name: weight * total / whole for name, weight in weights.items()}
    minutes = {name: int(each) for name, each in exact.items()}
    left = total - sum(minutes.values())
    for name in sorted(exact, key=lambda name: minutes[name] - exact[name])[:left]:
        minutes[name] += 1
    return minutes, True


# -- checks -----------------------------------------------------------------------------------


def lacking(content: str | bytes, name: str = "the notebook") -> list[str]:
    """Return what a notebook lacks for its teacher's edition, a sentence each."""
    about = read(content, name).about
    found = []
    if not str(about.get("idea", "")).strip():
        found.append("its idea, one sentence")
    minutes = about.get("minutes")
    if (
        isinstance(minutes, bool)
        or not isinstance(minutes, int)
        or not 1 <= minutes <= MOST_MINUTES
    ):
        found.append(f"minutes, 1 to {MOST_MINUTES}")
    elif isinstance(about.get("sections"), dict) and sum(about["sections"].values()) != minutes:
        found.append("sections whose minutes are the notebook's")
    if not _list(about.get("misconceptions") or []):
        found.append("misconceptions")
    if not str(about.get("board", "")).strip():
        found.append("a board sketch")
    for when in ("before", "after"):
        pairs = _pairs(about.get(when))
        if len(pairs) != QUESTIONS or not all(part.strip() for pair in pairs for part in pair):
            found.append(f"three questions {when}, each with its answer")
    return found


def leaks(content: str | bytes, edition: bytes) -> list[str]:
    """Return what only an answer says, and an edition says all the same.

    Args:
        content: the notebook as its author wrote it.
        edition: the student's or the self-study edition of it.

    Returns:
        Lines, sentences and numbers that stand in answers, in the teacher's cells or in the
        teacher's metadata, in no cell of the edition, and yet somewhere in its file. For students
        what a `Predict` reveals is an answer, too.
    """
    source, made = read(content), json.loads(edition)
    name = made["metadata"]["mmviz"]["edition"]
    shut = [cell["source"] for cell in source.cells if name not in _stands_in(cell)]
    open_cells = source.kept(name)
    if name == STUDENT:
        shut += [
            text
            for cell in open_cells
            if cell["cell_type"] == "code"
            for text in without_reveals(cell["source"])[1]
        ]
        open_cells = [_without_reveals(cell) for cell in open_cells]
    told = {piece for cell in open_cells for piece in _pieces(cell["source"])}
    for key in ("misconceptions", "board", "before", "after"):
        shut += _strings(source.about.get(key))
    secret = {piece for text in shut for piece in _pieces(text)} - told
    parts = [made["metadata"] | {"kernelspec": ""}, made["cells"]]
    shown = {piece for text in _strings(parts) for piece in _pieces(text)}
    return sorted(secret & shown)


def _strings(value: Any) -> list[str]:
    """Return every text in nested data; a list of lines as one text, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _strings(part)]
    if isinstance(value, list):
        if value and all(isinstance(each, str) for each in value):
            return ["".join(value), *value]
        return [text for each in value for text in _strings(each)]
    return [str(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def _pieces(text: str) -> Iterator[str]:
    """Yield the lines, sentences and numbers of a text."""
    for line in text.splitlines():
        bare = " ".join(line.split())
        if bare:
            yield bare
        yield from (part.strip() for part in re.split(r"(?<=[.!?])\s+", bare) if part.strip())
    yield from re.findall(r"(?<![\w.])\d[\d,.]*(?<![,.])", text)


def to_run(content: str | bytes) -> list[str]:
    """Return the editions of a notebook that have to be run, so that each line of code is.

    The teacher's has every code cell of the others but `student` and `self` ones, and the one for
    self-study has these. That the others do without the answers is what `unbound` tells; a
    `Predict` that reveals less runs no other code.
    """
    source = read(content)
    every = iter([cell["source"] for cell in source.kept(TEACHER) if cell["cell_type"] == "code"])
    mine = [cell["source"] for cell in source.kept(SELF) if cell["cell_type"] == "code"]
    return [TEACHER] if all(cell in every for cell in mine) else [TEACHER, SELF]


def texts(edition: bytes, kind: str = "code") -> Iterable[str]:
    """Return the sources of an edition's cells of a kind."""
    return ["".join(c["source"]) for c in json.loads(edition)["cells"] if c["cell_type"] == kind]
