"""The code of an exercise as text: the methods of a variant, ready to be edited and run."""

import ast
import builtins
import inspect
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType

from mmviz.engine.redundant import code as shown

INDENT = "    "


def class_code(
    variant: type, writes: Iterable[str], given: str, home: ModuleType, also: Iterable[str] = ()
) -> str:
    """Return methods of a variant as the code of a class `Mine`, with the imports they need.

    Args:
        variant: the class that has the methods, or inherits them.
        writes: their names.
        given: Python that stands for the class to derive from.
        home: the race's module, which has every name that the methods use.
        also: further names to import.
    """
    methods = list(_with_private(variant, writes))
    used = {name for _, method in methods for name in names_of(method.__code__)}
    names = sorted({name for name in used if _is_import(name, home)} | set(also))
    head = ["import mmviz"]
    head += [f"from {home.__name__} import {', '.join(names)}"] if names else []
    body = [_indented(_without_types(shown(method))) for _, method in methods]
    return "\n".join([*head, "", "", f"class Mine({given}):", "\n\n".join(body)]) + "\n"


def parts_of(text: str, given: str) -> str:
    """Return code that is written once for all seeds, with the class it derives from."""
    return inspect.cleandoc(text).replace("GIVEN", given) + "\n"


def method_of(variant: type, name: str) -> FunctionType:
    """Return a method by its name as written; a private one is looked up as Python stores it."""
    for owner in variant.__mro__:
        for key in (name, f"_{owner.__name__.lstrip('_')}{name}"):
            found = vars(owner).get(key)
            if isinstance(found, FunctionType):
                return found
    raise LookupError(f"{variant.__name__} has no method {name}")


def _with_private(variant: type, writes: Iterable[str]) -> Iterator[tuple[str, FunctionType]]:
    """Yield methods, each followed by the private ones that it calls, as a copy needs them, too."""
    seen: set[str] = set()
    waiting = [(name, method_of(variant, name)) for name in writes]
    while waiting:
        name, method = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        yield name, method
        owner = f"_{method.__qualname__.rpartition('.')[0].rpartition('.')[2].lstrip('_')}"
        private = [
            each.removeprefix(owner)
            for each in names_of(method.__code__)
            if each.startswith(f"{owner}__")
        ]
        waiting[:0] = [(each, method_of(variant, each)) for each in private]


def names_of(code: CodeType) -> Iterator[str]:
    """Yield the names that a function looks up, those of functions inside it included."""
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from names_of(each)


def _is_import(name: str, home: ModuleType) -> bool:
    return name in vars(home) and not hasattr(builtins, name) and not name.startswith("__")


def _without_types(text: str) -> str:
    """Return a function without the types of its arguments, which a reader has not imported."""
    (function,) = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    lines = text.splitlines()
    # the body begins below its signature; a comment in between stays
    end = next(
        number
        for number in range(function.lineno, function.body[0].lineno + 1)
        if lines[number - 1].split("  #")[0].rstrip().endswith(":")
    )
    for argument in ast.walk(function.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    word = "async def" if isinstance(function, ast.AsyncFunctionDef) else "def"
    head = f"{word} {function.name}({ast.unparse(function.args)}):"
    return "\n".join([head, *lines[end:]])


def _indented(text: str) -> str:
    return "\n".join(f"{INDENT}{line}".rstrip() for line in text.splitlines())
