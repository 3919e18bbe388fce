"""A reader's answer, before it is run: is it the code that the exercise asks for?

What a class says of itself decides nothing: world, actors, bad states and jobs are the exercise's.
So what is refused here is what would make the run one of another model: methods that the exercise
does not ask for, state outside the world, caught exceptions, steps of one's own, and kernel code
that differs from its source.

It cannot be prevented that code in the same process changes the judge, the engine, or the files
that are installed.  Who grades does it in a process of its own (`mmviz judge FILE.py`).
"""

import ast
import dis
import inspect
import linecache
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

import mmviz.engine
from mmviz.engine import Model, ModelError, Step
from mmviz.engine.piece import Line
from mmviz.engine.reached import function_of
from mmviz.engine.text import listed, quoted
from mmviz.lessons.arguments import misfit
from mmviz.lessons.exercise import Exercise
from mmviz.lessons.sources import method_of, names_of

PACKAGE = str(Path(mmviz.engine.__file__).parents[1])
QUIET = {  # what Python itself writes into a class
    "__module__",
    "__qualname__",
    "__doc__",
    "__annotations__",
    "__firstlineno__",
    "__static_attributes__",
    "__dict__",
    "__weakref__",
    "__classdictcell__",
}
SHUT = {  # built-in functions that reach what an actor does not touch
    *("setattr", "delattr", "getattr", "vars", "globals", "locals", "eval", "exec", "compile"),
    *("__import__", "open", "type", "object", "memoryview", "breakpoint", "exit", "quit"),
}
STORES = ("STORE_ATTR", "DELETE_ATTR", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_SUBSCR")
INSIDES = ("_values", "_ledger", "_write", "_at", "_piece")
BUILT_IN = (
    BuiltinFunctionType,
    WrapperDescriptorType,
    MethodDescriptorType,
    MethodWrapperType,
    ClassMethodDescriptorType,
)
REACHING = {  # modules by which code gets at what it was not given
    *("builtins", "ctypes", "gc", "importlib", "inspect", "operator", "os", "sys", "types"),
    *("functools", "weakref", "pickle", "copy", "traceback", "linecache"),
}
REPLACED = (
    "is not as mmviz has it: something has replaced it. Restart Jupyter's kernel, and leave what "
    "is modelled alone"
)
WORLD = "What several actors know is a field of the world k, and only its steps change it"


def check_class(mine: type, exercise: Exercise) -> None:
    """Refuse a class that is no answer to an exercise.

    Raises:
        ModelError: the message names the line, the rule, and what to write.
    """
    given = exercise.given
    own = [each for each in mine.__mro__ if each not in given.__mro__]
    for owner in own:
        if type(owner) is not type:
            raise ModelError(
                f"{owner.__name__} has a metaclass; write class Mine({exercise.words}.given)"
            )
        for name, value in vars(owner).items():
            if name not in QUIET:
                _check_member(owner, name, value, exercise, own)
    for function in _functions(own):
        _check_code(function)
        _check_reach(function)


def _check_member(owner: type, name: str, value: Any, exercise: Exercise, own: list[type]) -> None:
    """Refuse what is no method of the exercise, or has another form."""
    plain = _written(owner, name)
    asked = f"the exercise asks for {listed(exercise.writes)}"
    if not isinstance(value, FunctionType):
        line = _line_of_name(owner, plain)
        kind = isinstance(value, staticmethod | classmethod | property)
        shown = f"a {type(value).__name__}" if kind else quoted(value)
        raise ModelError(
            f"{owner.__name__}.{plain} is {shown}, which is no method; {asked}. {WORLD}",
            line=line,
        )
    code = value.__code__
    inner = inspect.unwrap(value).__code__
    line = (inner.co_filename, inner.co_name, inner.co_firstlineno)
    if hasattr(value, "__wrapped__") or code.co_name not in (plain, "<lambda>"):
        raise ModelError(
            f"{plain} has a decorator; {asked}, each a plain async def. A step of your own would "
            "be atomic only because you say so: await the steps that the world has",
            line=line,
        )
    if plain not in exercise.writes:
        near = get_close_matches(plain, exercise.writes, n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]}?" if near else ""
        if hasattr(exercise.given, plain) or (plain.startswith("__") and plain.endswith("__")):
            raise ModelError(f"{plain} is not yours to write: {asked}{hint}", line=line)
        calls = {each for f in _functions(own) if f is not value for each in names_of(f.__code__)}
        if name not in calls:
            raise ModelError(
                f"{plain} is called by none of your methods: {asked}"
                f"{hint or '; call it, or leave it out'}",
                line=line,
            )
        return
    wanted = method_of(exercise.variant(exercise.case), plain)
    _check_form(value, wanted, line)


def _check_form(value: FunctionType, wanted: FunctionType, line: tuple[str, str, int]) -> None:
    """Refuse a method that cannot be called as the race calls it."""
    code, like = value.__code__, wanted.__code__
    arguments = ", ".join(like.co_varnames[: like.co_argcount])
    word = "async def" if inspect.iscoroutinefunction(wanted) else "def"
    form = f"Write: {word} {wanted.__name__}({arguments})"
    if inspect.iscoroutinefunction(wanted) != inspect.iscoroutinefunction(value):
        lacks = "is a plain def" if word != "def" else "is async"
        if inspect.isasyncgenfunction(value):
            lacks = "has a yield"
        raise ModelError(f"{wanted.__name__} {lacks}. {form}", line=line)
    most, least = code.co_argcount, code.co_argcount - len(value.__defaults__ or ())
    wants = like.co_argcount - len(wanted.__defaults__ or ()), like.co_argcount
    if least > wants[0] or most < wants[1] or code.co_kwonlyargcount:
        got = ", ".join(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]) or "nothing"
        raise ModelError(f"{wanted.__name__} takes {got}. {form}", line=line)


def _check_code(function: FunctionType) -> None:
    """Refuse code that catches exceptions, or reaches what an actor does not touch.

    Raises:
        ModelError: the message names the line, and what to write.
    """
    for code in _codes(function.__code__):
        handler: Line | None = None  # where a handler begins that is no `with`
        for each in dis.get_instructions(code):
            number = each.positions.lineno if each.positions else None
            at = (code.co_filename, code.co_name, number or code.co_firstlineno)
            name = each.argval if isinstance(each.argval, str) else ""
            if each.opname == "WITH_EXCEPT_START":
                handler = None
            elif handler is not None:
                raise ModelError(
                    "a try holds up what is raised here, and an error of the model would be lost. "
                    "Write error paths as the kernel does, one after the other",
                    line=at if number else handler,
                )
            if each.opname == "PUSH_EXC_INFO":
                handler = at
            if each.opname in STORES:
                raise ModelError(
                    f"an assignment to {name or 'an item'} changes what lies outside of this "
                    f"function. {WORLD}: await one of them. What only this actor needs is a local "
                    "variable",
                    line=at,
                )
            if each.opname == "BEFORE_WITH":
                raise ModelError(
                    "a with holds up what is raised here. Take a lock and drop it as the kernel "
                    "does, one step after the other",
                    line=at,
                )
            if each.opname.startswith("IMPORT"):
                raise ModelError("import at the top of the cell, not in a method", line=at)
            if each.opname in ("LOAD_GLOBAL", "LOAD_NAME") and name in SHUT:
                raise ModelError(f"{name} reaches what an actor does not touch. {WORLD}", line=at)
            if each.opname in ("LOAD_ATTR", "LOAD_METHOD") and (
                name.startswith("__") or name in INSIDES
            ):
                raise ModelError(f"{name} is no field of the world. {WORLD}", line=at)


def _check_reach(function: FunctionType) -> None:
    """Refuse what a function holds on to, if that reaches what an actor does not touch.

    Raises:
        ModelError: the message names the function and the name.
    """
    code = function.__code__
    known = function.__globals__
    held = [(name, known[name]) for name in names_of(code) if name in known]
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    held += [(name, cell.cell_contents) for name, cell in cells if name != "__class__"]
    for name, value in held:
        home = value.__name__ if isinstance(value, ModuleType) else ""
        if home.partition(".")[0] in REACHING or isinstance(value, BUILT_IN):
            raise ModelError(
                f"{name} reaches what an actor does not touch. {WORLD}",
                line=(code.co_filename, code.co_name, code.co_firstlineno),
            )


def _functions(own: list[type]) -> list[FunctionType]:
    """Return the reader's functions that an answer can run, those outside its class included."""
    found: dict[int, FunctionType] = {}
    waiting = [each for owner in own for each in vars(owner).values() if _is_own(each)]
    while waiting:
        function = waiting.pop()
        if id(function) in found:
            continue
        found[id(function)] = function
        known = function_of(function)
        known.follow()
        waiting += [each.function for each in known.nexts if _is_own(each.function)]
    return list(found.values())


def _is_own(value: Any) -> bool:
    return isinstance(value, FunctionType) and not value.__code__.co_filename.startswith(PACKAGE)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _written(owner: type, name: str) -> str:
    """Return a name as it is written in the class: a private one is stored with the class's."""
    mangled = f"_{owner.__name__.lstrip('_')}__"
    return name[len(mangled) - 2 :] if name.startswith(mangled) else name


def _line_of_name(owner: type, name: str) -> tuple[str, str, int] | None:
    """Return where a class sets a name; None where its source is not available.

    A class of a notebook's cell has no file: the file is that of a method.
    """
    codes = [each.__code__ for each in vars(owner).values() if isinstance(each, FunctionType)]
    for file in {code.co_filename for code in codes}:
        try:
            tree = ast.parse("".join(linecache.getlines(file)))
        except (SyntaxError, ValueError):
            continue
        for made in ast.walk(tree):
            if isinstance(made, ast.ClassDef) and made.name == owner.__name__:
                for node in ast.walk(made):
                    if isinstance(node, ast.Name) and node.id == name:
                        return file, owner.__name__, node.lineno
    return None


# -- after the search: what was run ----------------------------------------------------------


def check_steps(model: Model, exercise: Exercise) -> None:
    """Refuse steps that are the reader's own, and kernel code that differs from its source.

    Raises:
        ModelError: the message names the step and what to write.
    """
    roles = (getattr(actor, "role", actor) for actor in model.case.actors.values())
    asked = (*exercise.jobs, *exercise.outcomes, *exercise.alone.values(), *exercise.bad)
    for function in (*roles, *asked, *model.case.bad):
        if not isinstance(function, FunctionType) or _is_ours(function):
            continue
        if function.__module__.startswith("mmviz."):
            raise ModelError(f"{function.__name__} {REPLACED}")
    for p, known in enumerate(model.locations):
        for location in known.values():
            step = location.step
            if step is None or step.cite == "environment":
                continue
            if step.cite == "hardware" and not location.lines[-1].file.startswith(PACKAGE):
                raise ModelError(
                    "this step is one that the hardware takes by itself; your code cannot. Await "
                    "a step of the kernel or of the driver",
                    actor=model.actors[p],
                    step=step.label,
                    line=tuple(location.lines[-1]),  # type: ignore[arg-type]
                )
            if not location.lines[-1].file.startswith(PACKAGE) and (wrong := misfit(step)):
                raise ModelError(
                    wrong,
                    actor=model.actors[p],
                    step=step.label,
                    line=tuple(location.lines[-1]),  # type: ignore[arg-type]
                )
            if not _is_known(step):
                line = next(
                    (e for e in location.lines[::-1] if not e.file.startswith(PACKAGE)), None
                )
                raise ModelError(
                    "this step is your own, and would be atomic only because you say so. Await "
                    "the steps that the world has",
                    actor=model.actors[p],
                    step=step.label,
                    line=line and tuple(line),  # type: ignore[arg-type]
                )
    for owner in {each for struct in model.ledger.structs for each in type(struct).__mro__}:
        for name, value in vars(owner).items():
            if isinstance(value, FunctionType) and not _is_as_written(owner, value):
                raise ModelError(f"{owner.__name__}.{name} {REPLACED}")


def _is_known(step: Step[Any]) -> bool:
    """Tell whether a step is mmviz's, or a method of the class that an exercise's world brings."""
    if step.body.__module__.startswith("mmviz."):
        return _is_ours(step.body) and (step.when is None or _is_ours(step.when))
    owners = (each for each in type(step.on).__mro__ if not each.__module__.startswith("mmviz."))
    methods = (each for owner in owners for each in vars(owner).values())
    return any(isinstance(e, FunctionType) and inspect.unwrap(e) is step.body for e in methods)


def _is_ours(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and _in_source(code, function.__globals__.get("__name__", ""))


def _is_as_written(owner: type, function: FunctionType) -> bool:
    """Tell whether a method of a class of mmviz has the code that its file has."""
    if not owner.__module__.startswith("mmviz."):
        return True
    return _is_ours(inspect.unwrap(function))


@cache
def _sources(module: str) -> frozenset[CodeType] | None:
    """Return all code of a module of mmviz as its file has it; None where there is no file."""
    found = sys.modules.get(module)
    try:
        text = Path(found.__file__ or "").read_bytes()  # type: ignore[union-attr]
        return frozenset(_codes(compile(text, "source", "exec", dont_inherit=True)))
    except (OSError, AttributeError, ValueError):
        return None


def _in_source(code: CodeType, module: str) -> bool:
    if not module.startswith("mmviz."):
        return False
    known = _sources(module)
    return known is None or code in known
