"""The code of the actors, with the next line of each.

The reader follows the source of a scenario, so it is shown as in the file, without docstrings.
"""

import ast
import inspect
import linecache
from functools import cache
from typing import NamedTuple

from mmviz.engine import Frame, Line
from mmviz.engine.redundant import comment_lines, without_comment
from mmviz.scene.reach import Reach
from mmviz.scene.words import blocked_by


class Code(NamedTuple):
    """The code of one actor: its functions, one after another.

    `at` maps (file, line number) to the index in `lines`.
    """

    actor: str
    lines: tuple[str, ...]
    at: dict[tuple[str, int], int]


class Lit(NamedTuple):
    """The highlighted lines of a `Code`: the next line, the calls that led to it, and a note."""

    line: int
    outer: tuple[int, ...]
    role: str
    note: str


def codes(reach: Reach) -> list[Code]:
    """Return the code of each actor: every function that contains one of its steps."""
    made = []
    for actor, places in reach.lines.items():
        spans: dict[tuple[str, int, int], None] = {}
        for lines in places:
            for line in lines:
                span = function_at(line.file, line.number)
                if span:
                    spans[(line.file, *span)] = None
        made.append(_code(actor, list(spans)))
    return made


def lit(code: Code, frame: Frame) -> Lit:
    """Return the highlighted lines of an actor's code in a frame."""
    actor = code.actor
    if actor in frame.done:
        return Lit(-1, (), "done", "has finished")
    step = frame.next.get(actor)
    places = [_place(code, line) for line in step.lines] if step else []
    line = places[-1] if places else -1
    outer = tuple(place for place in places[:-1] if place >= 0 and place != line)
    if actor in frame.blocked:
        return Lit(line, outer, "blocked", blocked_by(actor, frame.blocked[actor]))
    return Lit(line, outer, "ready", "next")


def function_of(line: Line) -> tuple[str, str]:
    """Return the name of the function around a line, and the first line of its docstring."""
    for node in ast.walk(_tree(line.file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            span = (node.lineno, node.end_lineno)
            if node.name == line.function and span == function_at(line.file, line.number):
                return node.name, (ast.get_docstring(node) or "").partition("\n")[0]
    return line.function, ""


def _place(code: Code, line: Line) -> int:
    """Return the index of a line of a file in the shown code, -1 for none."""
    return code.at.get((line.file, line.number), -1)


def _code(actor: str, spans: list[tuple[str, int, int]]) -> Code:
    """Return functions one after another, with a blank line between them."""
    lines: list[str] = []
    at: dict[tuple[str, int], int] = {}
    for file, start, end in spans:
        if lines:
            lines.append("")
        text = _read(file)
        hidden = _docstrings(file) | comment_lines(file)
        kept = [number for number in range(start, end + 1) if number not in hidden]
        code = (without_comment(text[number - 1]) for number in kept)
        body = inspect.cleandoc("\n" + "\n".join(code)).split("\n")
        for number, line in zip(kept, body, strict=False):
            head = _heads(file).get(number)
            at[(file, number)] = len(lines) - (head == "")
            if head != "":
                lines.append(head or line)
    return Code(actor, tuple(lines), at)


def function_at(file: str, number: int) -> tuple[int, int] | None:
    """Return the first and last line of the innermost function around a line."""
    around = [(start, end) for start, end in _spans(file) if start <= number <= end]
    return max(around, default=None)


@cache
def _spans(file: str) -> tuple[tuple[int, int], ...]:
    """Return the first and last line of every function of a file; a text is one function."""
    if not _tree(file).body:
        return ((1, max(1, len(_read(file)))),)
    return tuple(
        (node.lineno, node.end_lineno)
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    )


@cache
def _read(file: str) -> tuple[str, ...]:
    """Return the lines of a source file; a notebook cell counts as one."""
    return tuple(line.rstrip("\n") for line in linecache.getlines(file))


@cache
def _tree(file: str) -> ast.Module:
    """Return the parsed file; nothing of one that is no Python, as a diagram is."""
    try:
        return ast.parse("\n".join(_read(file)))
    except (SyntaxError, ValueError):
        return ast.Module([], [])


@cache
def _heads(file: str) -> dict[int, str]:
    """Return the head of each function without types.

    A head of several lines becomes one; its other lines map to "".
    """
    heads = {}
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
            names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
            names += [arg.arg for arg in node.args.kwonlyargs]
            heads[node.lineno] = (
                f"{kind} {node.name}({', '.join(n for n in names if n != 'self')}):"
            )
            for number in range(node.lineno + 1, node.body[0].lineno):
                heads[number] = ""
    return heads


@cache
def _docstrings(file: str) -> frozenset[int]:
    """Return the numbers of the lines that are docstrings of functions."""
    numbers: set[int] = set()
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            text = node.body[0]
            numbers.update(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    return frozenset(numbers)
