"""Comments that say why a line is redundant, read from the source.

    await k.group.mutex.mutex_lock()  # redundant: both CPUs lead device a to D
    # redundant in RebindToDefault: D is not freed here
    domain = await k.iommu.release_device(dev)

A comment belongs to the statement at whose end, or right above which, it stands.
"""

import ast
import inspect
import linecache
import re
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from mmviz.engine.case import Case
from mmviz.engine.errors import MmvizError
from mmviz.engine.location import Line
from mmviz.engine.text import quoted

SAID = re.compile(r"\bredundant(?: in (?P<cases>\w+(?:, \w+)*))?: (?P<why>.*?)(?=; redundant\b|$)")
HEAD = re.compile(r"\s*(?:class|def|async def)\b")
ABOVE = re.compile(r"# ?redundant(?: in [\w, ]+)?:")
BEHIND = re.compile(r"\s+# ?redundant(?: in [\w, ]+)?: .*$")
WORDS = re.compile(r"(?:^|\s)#\s?(.*)$")


class Comment(NamedTuple):
    """A comment that says why a line is redundant.

    Attributes:
        file, number: where the statement begins.
        cases: the cases it names, by their names or their race's; none means all that run the line.
        why: the reason.
    """

    file: str
    number: int
    cases: tuple[str, ...]
    why: str


def redundant(line: Line, case: Case) -> Comment | None:
    """Return the comment that calls a line redundant in a case; None if there is none."""
    names = {case.name, case.scenario.rpartition("/")[2]}
    first = _statements(line.file).get(line.number, (line.number, line.number))[0]
    said = [each for each in comments(line.file) if each.number == first]
    named = [each for each in said if names & set(each.cases)]
    return next(iter(named or [each for each in said if not each.cases]), None)


@cache
def comments(file: str) -> tuple[Comment, ...]:
    """Return every such comment of a file, in the order of the lines."""
    found = []
    for first, last in sorted(set(_statements(file).values())):
        numbers = [*_blocks(file).get(first, ()), *range(first, last + 1)]
        lines = (WORDS.search(linecache.getline(file, number)) for number in numbers)
        text = _joined([line[1].strip() for line in lines if line])
        found += [
            Comment(
                file, first, tuple(filter(None, (said["cases"] or "").split(", "))), said["why"]
            )
            for said in SAID.finditer(text)
        ]
    return tuple(found)


@cache
def comment_lines(file: str) -> frozenset[int]:
    """Return the numbers of the lines of a file that hold nothing but such a comment."""
    found: set[int] = set()
    for block in _blocks(file).values():
        said = (n for n in block if ABOVE.match(linecache.getline(file, n).lstrip()))
        first = next(said, block.stop)
        found.update(range(first, block.stop))
    return frozenset(found)


@cache
def _blocks(file: str) -> dict[int, range]:
    """Return the lines of each block of comments, by the number of the line below it."""
    found: dict[int, range] = {}
    first = 0
    lines = linecache.getlines(file)
    for number, line in enumerate([*lines, ""], 1):
        if line.lstrip().startswith("#"):
            first = first or number
        elif first:
            found[number] = range(first, number)
            first = 0
    return found


def without_comment(text: str) -> str:
    """Return a line of code without the comment that says why it is redundant."""
    return BEHIND.sub("", text)


def code(thing: Callable[..., Any]) -> str:
    """Return the source of a variant, a step or an actor, as shown to a reader.

    The declarations of cases above it are left out, and the comments on redundant lines.

    Raises:
        MmvizError: it is not a class or a function written in Python, or its source is not
            available.
    """
    given: Any = thing
    try:
        if not callable(given):  # a module, for example
            raise TypeError
        lines, first = inspect.getsourcelines(given)
    except Exception:  # a built-in one, one without a file, or anything at all
        raise MmvizError(
            f"code() shows a class or a function written in a file or a cell, not {quoted(thing)}; "
            "write code(TheVariant)"
        ) from None
    file = inspect.getsourcefile(thing) or ""
    start = next((number for number, line in enumerate(lines) if HEAD.match(line)), 0)
    kept = [
        without_comment(line.rstrip("\n"))
        for number, line in enumerate(lines)
        if number >= start and first + number not in comment_lines(file)
    ]
    return textwrap.dedent("\n".join(kept))


def _joined(words: list[str]) -> str:
    """Return the comments of a statement as one text, separated by semicolons."""
    text = ""
    for each in words:
        text += ("; " if each.startswith("redundant") and text else " " if text else "") + each
    return text


@cache
def _statements(file: str) -> dict[int, tuple[int, int]]:
    """Return the first and the last line of the statement, or of its head, at each line."""
    found: dict[int, tuple[int, int]] = {}
    for node in ast.walk(ast.parse("".join(linecache.getlines(file)))):
        if isinstance(node, ast.stmt):
            last = _end_of_head(node) if hasattr(node, "body") else node.end_lineno
            here = (node.lineno, last or node.lineno)
            for number in range(here[0], here[1] + 1):
                if number not in found or found[number][0] <= here[0]:
                    found[number] = here
    return found


def _end_of_head(node: ast.stmt) -> int:
    """Return the last line of a compound statement's head: its test, items or arguments."""
    inner = (
        part
        for name, value in ast.iter_fields(node)
        if name not in ("body", "orelse", "handlers", "finalbody", "cases", "decorator_list")
        for part in (value if isinstance(value, list) else [value])
        if isinstance(part, ast.AST)
    )
    ends = (getattr(each, "end_lineno", 0) for part in inner for each in ast.walk(part))
    return max(ends, default=node.lineno)
