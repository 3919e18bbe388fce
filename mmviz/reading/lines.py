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
    file = f"<{what} {next(_files)}>"
    steps = tuple(line.step for line in lines)
    body: list[ast.stmt] = []
    for number, _ in enumerate(steps):
        at: dict[str, Any] = {"lineno": number + 1, "col_offset": 0}
        at |= {"end_lineno": number + 1, "end_col_offset": 0}
        step = ast.Subscript(
            ast.Name("steps", ast.Load(), **at), ast.Constant(number, **at), ast.Load(), **at
        )
        call = ast.Call(step, [ast.Name("k", ast.Load(), **at)], [], **at)
        body.append(ast.Expr(ast.Await(call, **at), **at))
    arguments = ast.arguments([], [ast.arg("k", lineno=1, col_offset=0)], None, [], [], None, [])
    function = ast.AsyncFunctionDef(
        "actor", arguments, body, [], None, None, lineno=1, col_offset=0
    )
    module = ast.fix_missing_locations(ast.Module([function], []))
    scope: dict[str, Any] = {"steps": steps}
    exec(compile(module, file, "exec"), scope)
    made: FunctionType = scope["actor"]
    made.__qualname__ = made.__name__ = "".join(c if c.isalnum() else "_" for c in name)
    made.__code__ = made.__code__.replace(co_name=made.__name__)
    linecache.cache[file] = (0, None, [f"{line.words}\n" for line in lines], file)
    return made
