"""Mistakes as readers make them: each is run like a cell of a notebook, and judged.

A thread has a module here with

* `RIGHT`: exercise -> {label: methods as text}: fixes that are right, also those in no catalogue;
* `WRONG`: exercise -> {label: methods as text}: mistakes written by hand;
* `READERS`, where there are any: exercise -> {label: (right, methods as text)}: answers as different
  readers would write them, of which no mutants are made;
* `SAFE`: (exercise, label) -> why a mistake or a mutant is right all the same.

To these come the mutants of every right fix (operators.py).  What the judge rejects, it rejects
with a run that replays or with a message that names a line.  What it accepts is in `RIGHT` or in
`SAFE`.
"""

import ast
import linecache
import pkgutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from typing import Any

from mmviz.engine import MmvizError, ScheduleError, replay
from mmviz.lessons.card import Card
from mmviz.lessons.exercise import CODE, Exercise, exercise, exercises
from mmviz.lessons.judge import judge
from tests.lessons import mistakes
from tests.lessons.mistakes.locked import locked, locks_of
from tests.lessons.mistakes.operators import mutants

CELLS = count(1)
NO_CORPUS = ("corpus", "locked", "operators")


@dataclass(frozen=True)
class Mistake:
    """An answer to an exercise.

    Attributes:
        exercise: its name.
        label: what was done.
        methods: the methods as text, not indented.
        right: it is right by intention.
    """

    exercise: str
    label: str
    methods: str
    right: bool = False


def threads() -> list[str]:
    """Return the threads that have a corpus."""
    found = (each.name for each in pkgutil.iter_modules(mistakes.__path__))
    return sorted(name for name in found if name not in NO_CORPUS)


def corpus(thread: str) -> Iterator[Mistake]:
    """Yield every mistake of a thread once, and every right fix."""
    module = import_module(f"tests.lessons.mistakes.{thread}")
    seen: set[tuple[str, str]] = set()
    for right, written in ((True, module.RIGHT), (False, module.WRONG)):
        for name, answers in written.items():
            for label, methods in answers.items():
                seen.add((name, same(methods)))
                yield Mistake(name, label, textwrap.dedent(methods).strip(), right)
    for name, readers in getattr(module, "READERS", {}).items():
        for label, (is_right, methods) in readers.items():
            yield Mistake(name, label, textwrap.dedent(methods).strip(), is_right)
    for name, answers in module.RIGHT.items():
        for label, methods in answers.items():
            for change, text in mutants(methods):
                if (name, same(text)) not in seen:
                    seen.add((name, same(text)))
                    yield Mistake(name, f"{label}, {change}", text)


def labels(thread: str) -> set[str]:
    """Return the labels of what was written by hand."""
    module = import_module(f"tests.lessons.mistakes.{thread}")
    written = (*module.RIGHT.values(), *module.WRONG.values())
    written += tuple(getattr(module, "READERS", {}).values())
    return {label for answers in written for label in answers}


def coded(thread: str) -> list[Exercise]:
    """Return the exercises of a thread that ask for code."""
    return [
        each
        for each in exercises().values()
        if each.name.startswith(f"{thread}/") and each.asks == CODE
    ]


def same(methods: str) -> str:
    """Return methods as text without comments and docstrings, so that equal programs are equal."""
    tree = ast.parse(textwrap.dedent(methods))
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def cell(asked: Exercise, methods: str) -> str:
    """Return a cell that has methods as its answer: the code to edit, with other methods."""
    head = asked.code.split("class Mine(")[0]
    methods = textwrap.indent(textwrap.dedent(methods).strip(), "    ")
    return f"{head}class Mine({asked.words}.given):\n{methods}\n"


def run_cell(text: str) -> type:
    """Run a cell, and return its class `Mine`."""
    file = f"<ipython-input-{next(CELLS)}-corpus>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, file, "exec"), names)
    mine: type = names["Mine"]
    return mine


def judged(mistake: Mistake, quick: bool = False) -> Card:
    """Return the card of an answer; `quick` leaves out which lines matter."""
    asked = exercise(mistake.exercise)
    return judge(run_cell(cell(asked, mistake.methods)), quick=quick)


def always_locked(thread: str) -> Iterator[tuple[Mistake, Mistake]]:
    """Yield the first right fix of each exercise, and the same under each lock of its world."""
    module = import_module(f"tests.lessons.mistakes.{thread}")
    for name, answers in module.RIGHT.items():
        label, methods = next(iter(answers.items()))
        plain = Mistake(name, label, textwrap.dedent(methods).strip(), right=True)
        for lock, takes, drops in locks_of(exercise(name)):
            if text := locked(methods, lock, takes, drops):
                yield plain, Mistake(name, f"{label}, all of it under {lock}", text)


def unlocked_cost(plain: Mistake, all_locked: Mistake) -> str:
    """Return what is wrong if locking everything is right and costs no more; "" if it costs."""
    card = judged(all_locked, quick=True)
    if not card.right:
        return unshown(card)
    price, least = card.price, judged(plain, quick=True).price
    assert price is not None
    assert least is not None
    dearer = price.wait > least.wait or sum(price.under.values()) > sum(least.under.values())
    return "" if dearer else f"right, and costs no more: {price}"


def unshown(card: Card) -> str:
    """Return what is wrong with how a card rejects an answer; "" if a reader is told enough."""
    if card.error:
        return "" if "line" in card.error else f"names no line: {card.error}"
    failing = card.failing
    if failing is None:
        if not card.cost.right and card.cost.verdict == "no":
            return ""  # it costs too much: told in numbers
        return f"has no run: {card}"
    assert failing.case is not None
    assert failing.schedule is not None
    try:
        replay(failing.case, failing.schedule)
    except (ScheduleError, MmvizError) as error:
        return f"its run does not replay: {error}"
    return ""


def safe_of(thread: str) -> dict[tuple[str, str], str]:
    """Return why some mistakes and mutants of a thread are right."""
    safe: dict[tuple[str, str], str] = import_module(f"tests.lessons.mistakes.{thread}").SAFE
    return safe


def faults(mistake: Mistake, card: Card, safe: dict[tuple[str, str], str]) -> str:
    """Return how the judge fails an answer; "" if it judges as it should."""
    known = (mistake.exercise, mistake.label)
    if card.right:
        if mistake.right or safe.get(known):
            return ""
        return "FALSE GREEN: accepted, and no reason is written"
    if mistake.right:
        return f"FALSE RED: a right fix is rejected\n{card}"
    if known in safe:
        return f"STALE: it is said to be right, and it is rejected\n{card}"
    return unshown(card)
