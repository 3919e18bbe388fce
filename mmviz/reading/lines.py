"""An actor that takes steps which are data, a line of text each: nothing of the text is run."""

import ast
import linecache
from collections.abc import Callable, Sequence
from itertools import count
from types import FunctionType
from typing import Any, NamedTuple

_files = count(1)


class Line(NamedTuple):
    """A line of an actor: what is read there, and the step."""

    words: str
    step: Callable[[Any], Any]


def actor(name: str, lines: Sequence[Line], what: str) -> Callable[[Any], Any]:
    """Return a coroutine function with a line for each step.

    Args:
        name: the actor.
        lines: what it does; what a reader sees as its source are their words.
        what: where they were read, "lock report".
    """
    body = [statement(f"await steps[{number}](k)", number + 1) for number in range(len(lines))]
    steps, words = [line.step for line in lines], [line.words for line in lines]
    return coroutine(name, body, steps, words, what)


def statement(text: str, line: int = 1) -> ast.stmt:
    """Return a statement of an actor at a line.

    The text is made of numbers alone; nothing that was read may be in it.
    """
    lines = ["async def a(k, at, steps):\n", *(f" {each}\n" for each in text.splitlines())]
    function = ast.parse("".join(lines)).body[0]
    assert isinstance(function, ast.AsyncFunctionDef)
    found = function.body[0]
    for node in ast.walk(found):
        if isinstance(node, ast.expr | ast.stmt):
            node.lineno = node.end_lineno = max(line, 1)
            node.col_offset = node.end_col_offset = 0
    return found


def coroutine(
    name: str,
    body: list[ast.stmt],
    steps: Sequence[Callable[[Any], Any]],
    words: Sequence[str],
    what: str,
) -> Callable[[Any], Any]:
    """Return a coroutine function of statements.

    Args:
        name: the actor.
        body: the statements, of `statement`.
        steps: what they call `steps`.
        words: what a reader sees as its source, a line each.
        what: where they were read, "lock report".
    """
    file = f"<{what} {next(_files)}>"
    module = ast.parse("async def actor(k): pass")
    function = module.body[0]
    assert isinstance(function, ast.AsyncFunctionDef)
    function.body = body
    scope: dict[str, Any] = {"steps": tuple(steps)}
    exec(compile(ast.fix_missing_locations(module), file, "exec"), scope)
    made: FunctionType = scope["actor"]
    made.__qualname__ = made.__name__ = "".join(c if c.isalnum() else "_" for c in name)
    made.__code__ = made.__code__.replace(co_name=made.__name__)
    linecache.cache[file] = (0, None, [f"{each}\n" for each in words], file)
    return made
