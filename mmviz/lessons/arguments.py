"""Whether a step is given what it takes: in C the compiler would say so."""

import inspect
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mmviz.engine import Step
from mmviz.engine.text import quoted


def misfit(step: Step[Any]) -> str:
    """Return what is wrong with an argument of a step; "" if each is of its type."""
    try:
        given = inspect.signature(step.body).bind(step.on, *step.args, **step.kwargs)
    except TypeError:
        return ""  # one is missing, which the engine says
    hints = _hints(step.body)
    for name, value in given.arguments.items():
        if name in hints and not fits(value, hints[name]):
            return f"{name} is {quoted(value)}, and the step takes {_words(hints[name])}"
    return ""


@cache
def _hints(body: Any) -> dict[str, Any]:
    try:
        return get_type_hints(body)
    except Exception:  # a name that only the type checker imports
        return {}


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value is of a type; a type that says little fits every value."""
    origin = get_origin(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(fits(value, each) for each in get_args(hint))
    if origin is Literal:
        return any(type(value) is type(each) and value == each for each in get_args(hint))
    if hint is None or hint is NoneType:
        return value is None
    kind = hint if isinstance(hint, type) else origin
    if not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return True
    if kind in (bool, int, float):
        return isinstance(value, int | float)
    return isinstance(value, kind)


def _words(hint: Any) -> str:
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(_words, get_args(hint)))
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    return "None" if hint is NoneType else getattr(hint, "__name__", str(hint))
