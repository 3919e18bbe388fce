"""What the code of a case shows before it runs: slips that a search would not notice.

A search replays actors and remembers what steps do, so everything that changes must lie in the
world.  State outside it, random numbers, clocks, and steps that are described but never awaited
give a verdict over another model than the one on the page.  `check_code` reads the instructions
of the actors, of the functions they reach by name, of the variant's methods, of the steps and
guards of the world's classes, and of the bad states, and refuses the first slip it finds.

It cannot see what is reached through `getattr` with a computed name or through a container, what
a C extension does, and what is hidden behind `__dict__` or an argument.  A part of that is found
after the search (mmviz/engine/relearn.py); CONTRIBUTING.md, "What Python hides", says what neither
finds.
"""

import inspect
from collections.abc import Collection, Iterable
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from mmviz.engine.bytecode import GLOBAL, MUTATORS, Load, Store, Unused
from mmviz.engine.case import SENTENCES, Case
from mmviz.engine.errors import ModelError
from mmviz.engine.race import Playing
from mmviz.engine.reached import (
    MISSING,
    MUTABLE,
    Function,
    class_of,
    function_of,
    functions_of,
    is_async,
    is_step,
    keeps,
    parts,
    stored,
)
from mmviz.engine.struct import Struct

_FIELD = (
    "which lies outside the world, so the search neither restores it nor tells its values apart. "
    "Make it a field of the world, and write it in an @atomic method"
)
_LOCAL = (
    "between two steps. Only a step changes the world: put the write into an @atomic method and "
    "await it. What only the actor needs is a local variable"
)
_CHOOSE = (
    "A step does the same each time the state is the same. For what the model leaves open, write "
    "await choose('what is open'): the search explores every answer"
)
_CONSTANT = (
    "A step depends on the world alone. Make what it needs a field of the world, or a constant"
)
_NO_LOOP = (
    "No event loop runs here: an actor awaits @atomic methods and async functions of the model. "
    "To wait for something, give a step a guard, @atomic(…, when=lambda …)"
)
_RANDOM, _CLOCK, _LOOP = "a random number", "a clock", "an event loop"
_WRITE = {_RANDOM: _CHOOSE, _CLOCK: _CHOOSE, _LOOP: _NO_LOOP}
_STATE, _OUTSIDE = "state of the process", "the outside of the model"
_MODULES = {
    **dict.fromkeys(("random", "_random", "secrets", "uuid", "numpy.random"), _RANDOM),
    **dict.fromkeys(("time", "datetime"), _CLOCK),
    **dict.fromkeys(("asyncio", "_asyncio", "trio", "anyio", "curio"), _LOOP),
    **dict.fromkeys(("threading", "_thread", "multiprocessing", "concurrent"), "threads"),
    **dict.fromkeys(("queue", "_queue", "contextvars", "_contextvars"), _STATE),
    **dict.fromkeys(("_io", "socket", "subprocess", "tempfile"), _OUTSIDE),
}
_PARTLY = {
    ("os", "posix", "nt"): {
        **dict.fromkeys(("urandom", "getrandom"), _RANDOM),
        **dict.fromkeys(("times", "stat"), _CLOCK),
        **dict.fromkeys(("getpid", "getenv", "environ", "listdir"), _OUTSIDE),
    },
    ("datetime",): dict.fromkeys(("now", "today", "utcnow"), _CLOCK),
    ("uuid",): dict.fromkeys(("uuid1", "uuid4", "uuid6", "uuid7", "uuid8", "getnode"), _RANDOM),
}
_IN_PART = {module: found for modules, found in _PARTLY.items() for module in modules}
_BUILTINS = {
    **dict.fromkeys(("id", "hash"), "which differs from run to run"),
    **dict.fromkeys(("input", "open"), _OUTSIDE),
    **dict.fromkeys(("globals", "exec", "eval"), _STATE),
}
_OF_CONTAINERS = frozenset().union(*map(dir, (list, dict, set, str, tuple, frozenset)))
_READABLE = (FunctionType, Struct)


def check_code(case: Case, structs: Iterable[Struct]) -> None:
    """Refuse a case whose code breaks a rule.

    Args:
        case: the case.
        structs: every object of its world.

    Raises:
        ModelError: the message names function, file, line, rule, and what to write.
    """
    reached: dict[int, Function] = {}
    variants: dict[type, Any] = {}
    for name, actor in case.actors.items():
        try:
            for function in functions_of(actor):
                _check_actor(function)
                _reach(function, reached)
        except ModelError as error:
            raise error.add(actor=name) from None
        if isinstance(actor, Playing) and not isinstance(actor.variant, FunctionType | type):
            variants[type(actor.variant)] = actor.variant
    for bad_state in case.bad:
        if isinstance(bad_state, FunctionType):
            _reach(function_of(bad_state), reached)
    classes = [_class(each) for each in {type(struct) for struct in structs}]
    known = _Known(classes, variants, reached)
    for function in reached.values():
        known.check_unused(function)
    for each in classes:
        for function in each.unsure:
            known.check_unused(function)
        for method, similar in each.misspelt:
            known.check_override(each.type, method, similar)
    for variant in variants:
        known.check_variant(variant)
    for bad_state in case.bad:
        if isinstance(bad_state, str) and bad_state not in SENTENCES:
            known.check_complaint(case, bad_state)


def _reach(function: Function, reached: dict[int, Function]) -> None:
    """Check a function and everything that it reaches by name.

    Raises:
        ModelError: a function breaks a rule.
    """
    waiting = [function]
    while waiting:
        each = waiting.pop()
        if id(each.function) in reached:
            continue
        if not each.checked or not each.is_current:
            each = function_of(each.function, each.bound, each.at)
            _check(each)
            each.follow()
            each.checked = True
        reached[id(each.function)] = each
        waiting += each.nexts


def _check_actor(function: Function) -> None:
    """Check what holds for the function that an actor starts with."""
    code = function.function.__code__
    if code.co_flags & inspect.CO_GENERATOR:
        raise _slip(
            code,
            code.co_firstlineno,
            f"{code.co_name}() has `yield` in it, which makes it a generator",
            "Write `async def`, and await before each step",
        )


def _check(function: Function) -> None:
    """Check one function by itself."""
    code = function.function.__code__
    if code.co_flags & inspect.CO_ASYNC_GENERATOR:
        raise _slip(
            code,
            code.co_firstlineno,
            f"{code.co_name}() has `yield` in an `async def`, which makes it a generator",
            "Write await before each step, and return for a result",
        )
    if _may_matter(function):
        scan = function.known.scan
        for store in scan.stores:
            _check_store(function, store)
        for load in scan.loads:
            _check_load(function, load)
        for where, line, module in scan.imports:
            if what := _of_module(module):
                raise _uses(where, line, module, what)
    if function.known.drops and _may_await(function):
        function.unsure = tuple(_unsure(function))


def _may_matter(function: Function) -> bool:
    """Tell whether the instructions have to be read one by one: they may break a rule."""
    code, bound = function.known, function.bound
    if code.writes or (code.sets and code.is_async):
        return True
    held = function.held()
    sets_class = code.sets and code.sets_global
    if any(not isinstance(value, _READABLE) and _matters(value, sets_class) for value in held):
        return True
    if bound is not MISSING:
        if code.sets and not isinstance(bound, type):
            return True
        if code.mutates and keeps(bound):
            return True
    return not code.names.isdisjoint(_BUILTINS)


def _matters(value: Any, sets: bool) -> bool:
    """Tell whether what a function holds may differ, or be changed."""
    if isinstance(value, type):
        return sets or value.__module__ in _MODULES or value.__module__ in _IN_PART
    return True


def _check_store(function: Function, store: Store) -> None:
    """Refuse a store to what lies outside the world."""
    code, line, what, chain, attribute = store
    if what == "variable":
        assert chain is not None
        whose = "the module's" if chain.kind == GLOBAL else "the enclosing function's"
        raise _slip(code, line, f"this line sets {whose} variable {chain.name}, {_FIELD}")
    if what == "attribute" and code.co_flags & inspect.CO_COROUTINE:
        name = f"{chain}.{attribute}" if chain else f"the attribute {attribute}"
        raise _slip(code, line, f"this line sets {name} {_LOCAL}")
    value = MISSING if chain is None or not chain.kind else function.value(chain, code)
    if value is MISSING or isinstance(value, Struct):
        return
    if what == "item" and isinstance(value, MUTABLE):
        raise _slip(code, line, f"this line changes {chain}, a {type(value).__name__} {_FIELD}")
    if what == "attribute" and value is not function.bound:
        raise _slip(code, line, f"this line sets {chain}.{attribute}, {_FIELD}")
    if what == "attribute" and not isinstance(value, type):
        raise _slip(code, line, f"this line sets {chain}.{attribute}, {_FIELD}")


def _check_load(function: Function, load: Load) -> None:
    """Refuse the use of a source of change that lies outside the world."""
    code, line, chain = load
    name = chain.attributes[-1] if chain.attributes else chain.name
    value = function.value(chain, code)
    if chain.attributes:
        owner = function.value(chain._replace(attributes=chain.attributes[:-1]), code)
        if name in MUTATORS and isinstance(owner, MUTABLE):
            of = f"a {type(owner).__name__} {_FIELD}"
            raise _slip(code, line, f"{chain}() changes {chain.owner}, {of}")
        if isinstance(owner, type) and name in _IN_PART.get(owner.__module__, ()):
            raise _uses(code, line, f"{chain}()", _IN_PART[owner.__module__][name])
    elif chain.kind == GLOBAL and name in _BUILTINS and isinstance(value, BuiltinFunctionType):
        raise _uses(code, line, f"{name}()", _BUILTINS[name])
    if value is MISSING or isinstance(value, _READABLE):
        return
    what = _source(value, name)
    if what is not None:
        raise _uses(code, line, str(chain), what)
    if hasattr(type(value), "__next__"):
        raise _slip(
            code,
            line,
            f"{chain} is an iterator outside the world, and remembers how far it is",
            "Make a field of the world of what it counts",
        )


def _source(value: Any, name: str) -> str | None:
    """Return what makes a value differ from run to run, None if nothing does."""
    if isinstance(value, ModuleType):
        module = value.__name__
        return None if module in _IN_PART else _of_module(module)
    if isinstance(value, str | bytes | int | float | tuple | frozenset):
        return None
    if isinstance(value, type) or callable(value):
        module = str(getattr(value, "__module__", None) or type(value).__module__)
    else:
        module = type(value).__module__
    if module in _IN_PART:
        return _IN_PART[module].get(name)
    return _of_module(module)


def _of_module(module: str) -> str | None:
    return _MODULES.get(module) or _MODULES.get(module.partition(".")[0])


# -- steps that are never taken --------------------------------------------------------------------


def _may_await(function: Function) -> bool:
    """Tell whether a function can call what has to be awaited."""
    if function.known.is_async or any(is_async(value) for _, value in function.links):
        return True
    if function.bound is MISSING:
        return False
    methods = (stored(function.bound, name) for name in function.known.names)
    return any(is_step(method) or is_async(method) for method in methods)


def _unsure(function: Function) -> Iterable[Unused]:
    """Yield the results that a function does not await, and may have to.

    Raises:
        ModelError: one that it has to.
    """
    for each in function.known.scan.unused:
        value = MISSING if each.chain is None else function.value(each.chain, each.code)
        if value is MISSING:
            method = each.chain is None or bool(each.chain.attributes)
            in_actor = bool(each.code.co_flags & inspect.CO_COROUTINE)
            if method and in_actor and each.name not in _OF_CONTAINERS:
                yield each
        elif is_step(value) or is_async(value):
            raise _not_awaited(each, is_step(value))


def _not_awaited(unused: Unused, step: bool) -> ModelError:
    call = f"{unused.chain or unused.name}()"
    kind = "the step" if step else "the async function"
    does = "and drops it" if unused.use == "dropped" else "and tests it, which is always true"
    if unused.code.co_flags & inspect.CO_COROUTINE:
        write = f"Write await {call}"
    else:
        write = f"Write {call}.do()" if step else "Call it in an async function, with await"
    return _slip(
        unused.code,
        unused.line,
        f"this line only describes {kind} {call} {does}; it never happens",
        write,
    )


# -- a class of the world, and what a case knows ---------------------------------------------------


class _Checked:
    """A class of the world whose methods, steps and guards have been checked.

    Attributes:
        type: the class.
        reached: its functions, and those that they reach by name.
        unsure: those of them with results that they may have to await.
        misspelt: (method, similar method of a base) where it overrides nothing.
    """

    def __init__(self, owner: type) -> None:
        self.type = owner
        reached: dict[int, Function] = {}
        for each in owner.__mro__:
            for function in class_of(each).functions:
                _reach(function, reached)
            for step in class_of(each).guards:
                _check_guard(*step)
        self.reached = tuple(reached.values())
        self.unsure = [function for function in self.reached if function.unsure]
        self.misspelt = list(_misspelt(owner))


_CHECKED: dict[type, _Checked] = {}


def _class(owner: type) -> _Checked:
    known = _CHECKED.get(owner)
    if known is None:
        known = _CHECKED[owner] = _Checked(owner)
    return known


def _check_guard(step: FunctionType, guard: FunctionType) -> None:
    """Check that a guard can take what its step takes."""
    code, body = guard.__code__, parts(step)[0]
    least, most = _arity(guard)
    few, many = _arity(body)
    if least > many or most < few:
        count = body.__code__.co_argcount + body.__code__.co_kwonlyargcount
        names = body.__code__.co_varnames[:count]
        raise _slip(
            code,
            code.co_firstlineno,
            f"the guard of {step.__name__}() cannot take the arguments of the step",
            f"Write when=lambda {', '.join(names)}: …",
        )


def _arity(function: FunctionType) -> tuple[float, float]:
    """Return how many arguments a function takes, at least and at most."""
    code, keywords = function.__code__, function.__kwdefaults__ or {}
    most = code.co_argcount + code.co_kwonlyargcount
    least = most - len(function.__defaults__ or ()) - len(keywords)
    more = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    return least, float("inf") if more else most


def _misspelt(owner: type) -> Iterable[tuple[str, str]]:
    """Yield the methods that a class adds, and that are spelt nearly as one of its bases."""
    if len(owner.__mro__) < 3:
        return
    inherited = _methods(owner.__mro__[1:])
    for name, value in owner.__dict__.items():
        if isinstance(value, FunctionType) and name not in inherited and name[0] != "_":
            for other in inherited:
                if other not in owner.__dict__ and _one_slip_apart(name, other):
                    yield name, other


def _methods(owners: Iterable[type]) -> set[str]:
    """Return the names of the methods of some classes."""
    return {
        name
        for owner in owners
        for name, value in owner.__dict__.items()
        if isinstance(value, FunctionType) and name[0] != "_"
    }


def _one_slip_apart(one: str, other: str) -> bool:
    """Tell whether two names differ in one letter, or in the order of two neighbours."""
    if one == other or abs(len(one) - len(other)) > 1 or min(len(one), len(other)) < 4:
        return False
    if one[0] != other[0] or one[0] == "_" or one[:-1] == other[:-1]:
        return False  # free and kfree, map_a and map_b, read1 and read2 are two names
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if at is None:  # a letter more at the end
        return True
    if at and one[at - 1] == "_":
        return False  # synchronize_rcu and synchronize_srcu
    if (one[at : at + 1] + other[at : at + 1]).isdigit():
        return False
    rest = one[at + 1 :], other[at + 1 :]
    if len(one) == len(other):
        swapped = one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
        return rest[0] == rest[1] or swapped
    return one[at:] == rest[1] or rest[0] == other[at:]


def _has_other(value: Any, name: str) -> bool:
    """Tell whether a class has a method of a name that is neither a step nor async."""
    method = getattr(value, name, None) if isinstance(value, type) else None
    return not (method is None or is_step(method) or is_async(method))


class _Known:
    """What the code of one case knows: its classes, its variants, and what its actors reach."""

    def __init__(
        self, classes: list[_Checked], variants: Collection[type], reached: dict[int, Function]
    ) -> None:
        self.classes, self.reached = classes, reached
        self.variants = variants
        self._names: set[str] = set()

    def functions(self) -> Iterable[Function]:
        """Yield every function that the case can run."""
        yield from self.reached.values()
        for each in self.classes:
            yield from each.reached

    @property
    def names(self) -> set[str]:
        """Every name that some code looks up."""
        if not self._names:
            self._names = set().union(*(each.known.names for each in self.functions()))
        return self._names

    def check_unused(self, function: Function) -> None:
        """Refuse results of a coroutine's calls that it does not await.

        Only the name of what is called is known, so it must be one that is a step or an async
        function in every class that has it.
        """
        if not function.unsure:
            return
        owners = [*(each.type for each in self.classes), *self.variants]
        kinds = {base: class_of(base) for owner in owners for base in owner.__mro__}
        for each in function.unsure:
            found = [base for base, kind in kinds.items() if each.name in kind.steps]
            if found and not any(each.name in kind.others for kind in kinds.values()):
                values = function.function.__globals__.values()
                if not any(_has_other(value, each.name) for value in [*values]):
                    raise _not_awaited(each, is_step(getattr(found[0], each.name)))

    def check_override(self, owner: type, method: str, similar: str) -> None:
        """Refuse a method that overrides nothing, is never called, and is nearly one of a base."""
        if method not in self.names and similar in self.names:
            raise _never_called(owner, method, similar)

    def check_variant(self, variant: type) -> None:
        """Refuse a method of a variant that is never called, and is nearly one that is."""
        for owner in variant.__mro__[:-1]:
            added = _methods((owner,)) - _methods(owner.__mro__[1:])
            for function in self.reached.values():
                if not added:
                    break
                added -= function.known.names
            for name in sorted(added):
                called = {each for known in self.reached.values() for each in known.known.names}
                called -= {each for known in self.classes for each in dir(known.type)}
                others = called | _methods(owner.__mro__[1:])
                for other in sorted(others - owner.__dict__.keys()):
                    if _one_slip_apart(name, other):
                        raise _never_called(owner, name, other)

    def check_complaint(self, case: Case, name: str) -> None:
        """Refuse the name of a complaint that no code raises."""
        written = set().union(*(each.known.strings() for each in self.functions()))
        if name in written:
            return
        import difflib  # only a mistake needs it

        words = [each for each in written if each.isidentifier()]
        close = difflib.get_close_matches(name, [*SENTENCES, *words], n=3, cutoff=0.6)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise ModelError(
            f"{case.name}: no code of this model raises the complaint {name!r}{hint or '.'} "
            f"Write a predicate of the world, or raise it in a step with warn({name!r}, …) or "
            f"Oops({name!r}, …)."
        )


def _never_called(owner: type, method: str, similar: str) -> ModelError:
    value = owner.__dict__[method]
    code = (parts(value)[0] if is_step(value) else value).__code__
    return _slip(
        code,
        code.co_firstlineno,
        f"{method}() of {owner.__name__} overrides nothing, and no code calls it; did you mean "
        f"{similar}()?",
        f"Write {similar}, or remove it",
    )


def _uses(code: CodeType, line: int, what: str, source: str) -> ModelError:
    return _slip(code, line, f"this line uses {what}, {source}", _WRITE.get(source, _CONSTANT))


def _slip(code: CodeType, line: int, what: str, write: str = "") -> ModelError:
    """Return the error for a line of a function."""
    stop = "" if what.endswith("?") else "."
    text = f"{what}{stop}" + (f" {write}." if write else "")
    return ModelError(text, line=(code.co_filename, code.co_name, line))
