"""What the actors of a case run, as text: every function and method, and no word of what is wrong.

The docstring of a case says why it fails, and so it is left out.  What a variant inherits stands in
its class, for a reader cannot judge what is not shown.
"""

import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from mmviz.engine import Case, MmvizError
from mmviz.engine.race import Playing
from mmviz.engine.redundant import code as shown
from mmviz.lessons.sources import names_of

INDENT = "    "


def played(case: Case) -> list[str]:
    """Return the code of a case, as far as it is written in functions and classes."""
    things: list[Any] = []
    for actor in case.actors.values():
        if isinstance(actor, Playing):
            things += [actor.role, type(actor.variant) if actor.make else actor.variant]
        else:
            things.append(actor)
    waiting = list(dict.fromkeys(getattr(each, "func", each) for each in things))
    texts: dict[str, None] = {}
    for thing in waiting:  # grows while we walk it
        parts = list(_methods(thing)) if isinstance(thing, type) else [(thing, thing)]
        try:
            texts[_class(thing) if isinstance(thing, type) else shown(thing)] = None
        except (MmvizError, TypeError):
            continue
        for _, function in parts:
            waiting += [each for each in _called(function) if each not in waiting]
    return list(texts)


def _methods(variant: type) -> Iterator[tuple[type, FunctionType]]:
    """Yield the methods that run, with the class each is written in: overridden ones by super()."""
    last: dict[str, FunctionType] = {}
    for owner in variant.__mro__:
        if owner.__module__ in ("builtins", "typing") or getattr(owner, "_is_protocol", False):
            continue
        for name, value in vars(owner).items():
            if not isinstance(value, FunctionType) or (name in last and not _goes_on(last[name])):
                continue
            last[name] = value
            yield owner, value


def _goes_on(method: FunctionType) -> bool:
    return "super" in method.__code__.co_names


def _class(variant: type) -> str:
    """Return a class with all that it runs."""
    lines = [f"class {variant.__name__}:"]
    home: type = variant
    for owner, method in _methods(variant):
        if owner is not home:
            lines += ["", f"{INDENT}# of {owner.__name__}, from which it derives:"]
            home = owner
        lines += ["", textwrap.indent(shown(method).rstrip(), INDENT)]
    return "\n".join(lines)


def _called(function: Any) -> Iterator[FunctionType]:
    """Yield the async functions of the race that a function calls."""
    if not isinstance(function, FunctionType):
        return
    for name in names_of(function.__code__):
        found = function.__globals__.get(name)
        if not (isinstance(found, FunctionType) and inspect.iscoroutinefunction(found)):
            continue
        if found.__module__ == function.__module__ or found.__module__.startswith(
            "mmviz.scenarios."
        ):
            yield found
