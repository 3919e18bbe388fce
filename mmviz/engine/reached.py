"""Which functions a case can run, found by name, and what the names in them stand for.

From an actor on: the functions its code names, the methods of its variant and of every other
object that it holds on to, and the functions that these name in turn.  Nothing is run, and no
attribute is computed.  The interpreter's own functions and the engine's are not followed.
"""

import builtins
import sys
from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType, NoneType
from typing import Any, TypeGuard

from mmviz.engine.bytecode import FREE, GLOBAL, Chain, Code, Unused
from mmviz.engine.bytecode import known as known_code
from mmviz.engine.race import Playing
from mmviz.engine.step import atomic
from mmviz.engine.struct import Struct

MISSING: Any = object()
MUTABLE = (list, dict, set, bytearray, deque)
_CONSTANT = (bool, int, str, float, bytes, tuple, frozenset, Enum, NoneType, Struct)
_LEADS = (*MUTABLE, type, ModuleType, partial, MethodType, Playing)
_RUN = frozenset(
    [
        "__call__",
        "__getattr__",
        "__getitem__",
        "__contains__",
        "__iter__",
        "__next__",
        "__bool__",
        "__enter__",
        "__exit__",
        "__aenter__",
        "__aexit__",
        "__await__",
    ]
)
_DESCRIBE = atomic("")(len).__code__  # type: ignore[type-var]
_COROUTINE = 0x80  # inspect.CO_COROUTINE
_READ: dict[Any, bool] = {}


class Function:
    """A function that a case can run.

    Attributes:
        function: the function.
        bound: what one of its arguments is known to be: the variant, or a class of the world.
        at: the number of that argument.
        known: what its code shows.
        links: the globals it names that may run, change, or differ from run to run.
        nexts: the functions that it reaches by name, once it has been followed.
        unsure: the results it drops that it may have to await, once it has been checked.
        checked: it has been checked, and breaks no rule by itself.
    """

    __slots__ = ("at", "bound", "checked", "function", "known", "links", "nexts", "unsure")

    def __init__(self, function: FunctionType, bound: Any = MISSING, at: int = 0) -> None:
        self.function, self.bound, self.at = function, bound, at
        self.known: Code = known_code(function.__code__)
        outside = function.__globals__
        named = ((name, outside.get(name)) for name in self.known.globals)
        self.links = [(name, value) for name, value in named if _leads_on(value) and name[0] != "@"]
        self.nexts: tuple[Function, ...] = ()
        self.unsure: tuple[Unused, ...] = ()
        self.checked = False

    @property
    def is_current(self) -> bool:
        """Whether its names still mean the same: a notebook's cell may have been run again."""
        outside = self.function.__globals__
        return all(outside.get(name) is value for name, value in self.links)

    def held(self) -> list[Any]:
        """Return what it keeps from call to call: its links, its cells and its defaults."""
        function = self.function
        defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        return [*(value for _, value in self.links), *cells(function).values(), *defaults]

    def follow(self) -> None:
        """Find the functions that it reaches by name."""
        values = [value for _, value in self.links] + list(cells(self.function).values())
        if any(isinstance(value, ModuleType) for value in values):
            values += [self.value(each.chain, each.code) for each in self.known.scan.loads]
        self.nexts = tuple(function for value in values for function in functions_of(value))

    def value(self, chain: Chain, code: CodeType) -> Any:
        """Return what a chain in some code of the function stands for; `MISSING` if unknown."""
        found = self._root(chain, code)
        for attribute in chain.attributes:
            if found is MISSING:
                break
            found = stored(found, attribute)
        return found

    def _root(self, chain: Chain, code: CodeType) -> Any:
        function = self.function
        if chain.kind == GLOBAL:
            found = function.__globals__.get(chain.name, MISSING)
            return vars(builtins).get(chain.name, MISSING) if found is MISSING else found
        if chain.kind == FREE:
            return cells(function).get(chain.name, MISSING)
        own = function.__code__
        if code is not own and chain.name not in code.co_freevars:
            return MISSING
        if chain.name in own.co_varnames[: own.co_argcount]:
            at = own.co_varnames.index(chain.name)
            if at == self.at and self.bound is not MISSING:
                return self.bound
            defaults = function.__defaults__ or ()
            behind = at - (own.co_argcount - len(defaults))
            return defaults[behind] if behind >= 0 else MISSING
        return (function.__kwdefaults__ or {}).get(chain.name, MISSING)


_FUNCTIONS: dict[tuple[int, int], Function] = {}  # by function, and by what it is bound to


def function_of(function: FunctionType, bound: Any = MISSING, at: int = 0) -> Function:
    """Return a function bound to something; the same one each time, while its names stand."""
    if not known_code(function.__code__).may_change:
        bound = MISSING  # whatever it is, the function does nothing to it
    same = bound
    if not isinstance(bound, FunctionType) and getattr(bound, "__dict__", None) == {}:
        same = type(bound)  # two variants of a class, neither of which keeps anything
    key = (id(function), id(same))
    known = _FUNCTIONS.get(key)
    if known is None or not known.is_current:
        known = _FUNCTIONS[key] = Function(function, bound, at)
    return known


def _leads_on(value: Any) -> bool:
    """Tell whether what a global stands for may run, change, or differ from run to run."""
    if isinstance(value, FunctionType):
        return value.__code__ is not _DESCRIBE and _is_read(value.__module__)
    if isinstance(value, _CONSTANT):
        return False
    if isinstance(value, _LEADS):
        return True
    return hasattr(type(value), "__next__") or not _is_typing(value)


def _is_typing(value: Any) -> bool:
    """Tell whether a value is an alias of a type, or a read-only view, and cannot matter."""
    return type(value).__module__ in ("typing", "types") or type(value).__name__ == "mappingproxy"


def _is_read(module: Any) -> bool:
    """Tell whether the functions of a module are followed."""
    known = _READ.get(module)
    if known is None:
        name = str(module)
        known = _READ[module] = not name.startswith("mmviz.engine") and (
            name == "__main__" or name.partition(".")[0] not in sys.stdlib_module_names
        )
    return known


def cells(function: FunctionType) -> dict[str, Any]:
    """Return the variables of enclosing functions that a function uses, with their values."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    return found


def stored(value: Any, name: str) -> Any:
    """Return an attribute of a value if it is stored as such, `MISSING` if it is computed."""
    if isinstance(value, ModuleType):
        return vars(value).get(name, MISSING)
    if not isinstance(value, type | Struct):
        found = getattr(value, "__dict__", {}).get(name, MISSING)
        if found is not MISSING:
            return found
    for each in value.__mro__ if isinstance(value, type) else type(value).__mro__:
        if name in each.__dict__:
            found = each.__dict__[name]
            computed = hasattr(type(found), "__get__")
            return found if not computed or callable(found) else plain(found) or MISSING
    return MISSING


def plain(method: Any) -> FunctionType | None:
    """Return the function behind a method of any kind; None if there is none."""
    if isinstance(method, staticmethod | classmethod):
        method = method.__func__
    if isinstance(method, property):
        method = method.fget
    return method if isinstance(method, FunctionType) else None


def is_step(value: Any) -> bool:
    """Tell whether a value is an @atomic method."""
    return isinstance(value, FunctionType) and value.__code__ is _DESCRIBE


def parts(step: FunctionType) -> tuple[FunctionType, Callable[..., Any] | None]:
    """Return the body and the guard of an @atomic method."""
    inside = cells(step)
    return inside["body"], inside["when"]


def functions_of(value: Any) -> list[Function]:
    """Return the functions that may run when a value is called, or one of its methods is."""
    if isinstance(value, FunctionType):
        followed = not is_step(value) and _is_read(value.__module__)
        return [function_of(value)] if followed else []
    if isinstance(value, partial):
        return functions_of(value.func)
    if isinstance(value, Playing):
        found = [function_of(value.role, value.variant, 1)] if _is_function(value.role) else []
        return found + functions_of(value.variant)
    if isinstance(value, MethodType):
        return methods_of(type(value.__self__), value.__self__) + (
            [function_of(value.__func__, value.__self__)] if _is_function(value.__func__) else []
        )
    if value is MISSING or isinstance(value, (*_CONSTANT, *MUTABLE, type, ModuleType)):
        return []
    return methods_of(type(value), value)


def _is_function(value: Any) -> TypeGuard[FunctionType]:
    return isinstance(value, FunctionType)


_MUTABLE_PARTS: dict[type, bool] = {}


def keeps(bound: Any) -> bool:
    """Tell whether an object, or a class, holds something that can be changed in place."""
    if not isinstance(bound, type):
        inside = getattr(bound, "__dict__", None)
        if inside is None or any(isinstance(value, MUTABLE) for value in inside.values()):
            return True
        bound = type(bound)
    known = _MUTABLE_PARTS.get(bound)
    if known is None:
        known = _MUTABLE_PARTS[bound] = any(
            isinstance(value, MUTABLE) and not name.startswith("__")
            for each in bound.__mro__
            if _is_read(each.__module__)
            for name, value in each.__dict__.items()
            if name != "_fields"
        )
    return known


class Class:
    """What a class itself has, its bases left out.

    Attributes:
        functions: its methods, and the bodies of its steps, bound to the class; and the guards.
        guards: each step that has a guard, with the guard.
        methods: its methods that are no steps, not bound to anything.
        steps: the names of its steps and async functions.
        others: the names of all else it has.
    """

    def __init__(self, owner: type) -> None:
        self.functions: list[Function] = []
        self.guards: list[tuple[FunctionType, FunctionType]] = []
        self.methods: list[FunctionType] = []
        self.steps, self.others = set[str](), set[str]()
        if not _is_read(owner.__module__):
            self.others.update(owner.__dict__)
            return
        for name, value in owner.__dict__.items():
            if is_step(value):
                self.steps.add(name)
                body, guard = parts(value)
                if isinstance(body, FunctionType):
                    self.functions.append(function_of(body, owner))
                if isinstance(guard, FunctionType):
                    self.functions.append(function_of(guard))
                    self.guards.append((value, guard))
                continue
            (self.steps if is_async(value) else self.others).add(name)
            function = plain(value)
            special = name.startswith("__") and name.endswith("__") and name not in _RUN
            if function is not None and not special:
                self.methods.append(function)
                self.functions.append(function_of(function, owner))


_CLASSES: dict[type, Class] = {}


def class_of(owner: type) -> Class:
    """Return what a class itself has."""
    known = _CLASSES.get(owner)
    if known is None:
        known = _CLASSES[owner] = Class(owner)
    return known


def methods_of(owner: type, bound: Any) -> list[Function]:
    """Return the methods of a class and its bases that are followed."""
    return [
        function_of(function, bound)
        for each in owner.__mro__
        for function in class_of(each).methods
    ]


def is_async(value: Any) -> bool:
    """Tell whether a value is an `async def`."""
    return isinstance(value, FunctionType) and bool(value.__code__.co_flags & _COROUTINE)
