"""Liveness: which of a waiting actor's variables can its code still use.

Two histories of an actor are at one location when they wait at the same place of the code, and
every variable that the code can still use holds the same value; what is dead does not count.  So an
answer that no later line uses does not split states, and neither does a loop that has come round.

What counts is read from the waiting coroutine, one function at a time: the place of the `await`,
the live variables, and the temporaries of the expression (a `for` loop's iterator, a call's
arguments).  Where the interpreter does not show all of it, `continuation` says so, and the engine
tells locations apart by the results received instead, which needs no inspection.

Source: live variables, Aho, Lam, Sethi, Ullman, Compilers, 9.2.5; `dis` and `gc` of CPython.
"""

import dis
import functools
import gc
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import islice
from types import (
    BuiltinFunctionType,
    CodeType,
    CoroutineType,
    FunctionType,
    MethodType,
    ModuleType,
)
from typing import Any, NamedTuple

from mmviz.engine.bits import SIMPLE, token
from mmviz.engine.step import Step
from mmviz.engine.struct import Struct

MOST_VALUES = 2_000  # looked at for one location; an actor's variables are few and small
BORROWS = sys.version_info >= (3, 14)  # a temporary may stand for a variable, and be invisible
READABLE = sys.version_info < (3, 15)  # the interpreter's stack as this file knows it


class Unreadable(Exception):
    """The interpreter does not show all that the code can still use."""


class Function:
    """What is known of the code of one function.

    Attributes:
        code: its code.
        handles: it handles exceptions: `try`, `finally`, `with`.
        places: the place in the source of the instructions it was asked for.
    """

    def __init__(self, code: CodeType) -> None:
        self.code = code
        # A `finally` block is written twice, and the code goes on differently after each.
        self.handles = dis.opmap["PUSH_EXC_INFO"] in code.co_code[::2]
        self.places: dict[int, Any] = {}
        self._awaits: dict[int, tuple[frozenset[str], int]] | None = None

    def place(self, offset: int) -> Any:
        """Return the place of an instruction in the source, or the instruction itself.

        A compiler may write a loop's condition twice; both copies are one place.
        """
        found = self.places.get(offset)
        if found is None:
            if not self.handles:
                found = next(islice(self.code.co_positions(), offset // 2, None))
            if found is None or None in found:
                found = offset
            self.places[offset] = found
        return found

    def at(self, offset: int) -> tuple[frozenset[str] | None, int]:
        """Return the live variables and the number of temporaries where the function waits."""
        if self._awaits is None:
            self._awaits = _awaits(self.code)
        return self._awaits.get(offset, (None, 0))


_FUNCTIONS: dict[int, Function] = {}  # by address; equal code may have other globals


def _function(code: CodeType) -> Function:
    known = _FUNCTIONS.get(id(code))
    if known is None:
        known = _FUNCTIONS[id(code)] = Function(code)
    return known


class Frame(NamedTuple):
    """One function of a waiting actor.

    Attributes:
        function: its code.
        offset: the instruction it waits at.
        values: its variables now.
        held: all that it refers to; ends with the temporaries of the expression that waits.
    """

    function: Function
    offset: int
    values: dict[str, Any]
    held: list[Any]

    @property
    def place(self) -> Any:
        """The function, and the place in it."""
        return (self.function, self.function.place(self.offset))


def frames_of(coroutine: Any) -> tuple[Frame, ...] | None:
    """Return the functions of a waiting actor, outermost first; None if they cannot be read."""
    found = []
    while isinstance(coroutine, CoroutineType):
        frame: Any = coroutine.cr_frame
        inner: Any = coroutine.cr_await
        held = gc.get_referents(coroutine)
        if not held or held.pop() is not inner:
            return None
        values = frame.f_locals
        held = [each for each in held if each is not frame and each is not values]
        function = _function(coroutine.cr_code)
        found.append(Frame(function, frame.f_lasti, dict(values), held))
        coroutine = inner
    if getattr(coroutine, "gi_code", None) is not Step.__await__.__code__:
        return None
    return tuple(found)


_CONSTANT = (Struct, Enum, type, CodeType, FunctionType, BuiltinFunctionType, ModuleType)


def lasts(frame: Frame) -> bool:
    """Return whether what was read of a function stays as it is when the function goes on."""
    return not frame.function.handles and all(
        type(value) in SIMPLE
        or isinstance(value, _CONSTANT)
        or not getattr(value, "__dict__", True)
        or (type(value) is tuple and all(type(part) in SIMPLE for part in value))
        for value in frame.held
    )


def continuation(frames: tuple[Frame, ...]) -> Any:
    """Return a key that is equal for two histories at one place only if the same code follows.

    Raises:
        Unreadable: something that the code can still use is not visible.
    """
    return _tokens(frames, {})


def live(frame: Frame) -> Iterator[tuple[str, Any]]:
    """Yield the variables that a function can still use, with their values."""
    names, count = frame.function.at(frame.offset)
    if names is None or (count and BORROWS):
        names = frozenset(frame.values)
    for name, value in frame.values.items():
        if name in names:
            yield name, value


def temporaries(frame: Frame) -> list[Any]:
    """Return the temporaries of the expression that waits.

    An invisible NULL among them brings in a variable or two, which does no harm.

    Raises:
        Unreadable: not all of them can be seen.
    """
    names, count = frame.function.at(frame.offset)
    if names is None or (count and not READABLE):
        raise Unreadable
    return frame.held[len(frame.held) - count :]


def _awaits(code: CodeType) -> dict[int, tuple[frozenset[str], int]]:
    """Return, for each instruction that waits, the live variables and the number of temporaries."""
    instructions = list(dis.get_instructions(code))
    number = {each.offset: i for i, each in enumerate(instructions)}
    bit: dict[str, int] = {}
    ahead: list[list[int]] = []
    uses, keeps = [], []  # sets of variables, one bit each
    for i, each in enumerate(instructions):
        name = each.opname
        jump = each.opcode in _JUMPS
        leaves = name in _LEAVES or (jump and name in _ALWAYS_JUMP)
        nexts = [] if leaves or i + 1 == len(instructions) else [i + 1]
        if jump:
            nexts.append(number[each.argval])
        ahead.append(nexts)
        used = given = 0
        if "FAST" in name:
            for variable, is_set in _variables(name, each.argval):
                mask = bit.setdefault(variable, 1 << len(bit))
                if is_set:
                    given |= mask
                else:
                    used |= mask & ~given
        uses.append(used)
        keeps.append(~given)
    depth = _depths(instructions, ahead)
    for entry in _handlers(code):
        for i, each in enumerate(instructions):
            if entry.start <= each.offset < entry.end:
                ahead[i].append(number[entry.target])
    alive = [0] * len(instructions)
    changed = True
    while changed:
        changed = False
        for i in range(len(instructions) - 1, -1, -1):
            after = 0
            for j in ahead[i]:
                after |= alive[j]
            now = uses[i] | (after & keeps[i])
            if now != alive[i]:
                alive[i], changed = now, True
    found = {}
    for i, each in enumerate(instructions):
        if each.opname == "YIELD_VALUE" and i in depth:
            after = 0
            for j in ahead[i]:
                after |= alive[j]
            names = (name for name, mask in bit.items() if after & mask)
            variables = frozenset((*names, *code.co_cellvars, *code.co_freevars))
            # without what is awaited, and what it yields; 3.13 points to the next instruction
            found[each.offset] = found[instructions[i + 1].offset] = variables, depth[i] - 2
    return found


_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))
_LEAVES = frozenset(("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"))
_ALWAYS_JUMP = frozenset(
    ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_NO_INTERRUPT", "JUMP")
)


def _variables(opname: str, argval: Any) -> list[tuple[str, bool]]:
    """Return the variables of an instruction in order, and whether each is set."""
    names = argval if isinstance(argval, tuple) else (argval,)
    kinds = [word for word in opname.split("_") if word in ("LOAD", "STORE", "DELETE")]
    if "CLEAR" in opname or len(kinds) != len(names):
        return [(name, False) for name in names]
    return [(name, kind == "STORE") for kind, name in zip(kinds, names, strict=True)]


def _handlers(code: CodeType) -> list[Any]:
    parse: Callable[[CodeType], list[Any]] = dis._parse_exception_table  # type: ignore[attr-defined]
    return parse(code)


def _depths(instructions: list[dis.Instruction], ahead: list[list[int]]) -> dict[int, int]:
    """Return the height of the stack before each instruction that is reached without exceptions."""
    begin = next(i for i, each in enumerate(instructions) if each.opname == "RESUME")
    depth = {begin: 0}
    work = [begin]
    while work:
        i = work.pop()
        each = instructions[i]
        for k, after in enumerate(ahead[i]):
            jumps = k > 0 or (each.opname in _ALWAYS_JUMP)
            height = depth[i] + dis.stack_effect(each.opcode, each.arg, jump=jumps)
            if after not in depth:
                depth[after] = height
                work.append(after)
    return depth


class _Same:
    """An object that is told apart by identity; kept, so that its address is not used again."""

    __slots__ = ("it",)

    def __init__(self, it: Any) -> None:
        self.it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.it is other.it

    def __hash__(self) -> int:
        return id(self.it)


_ITERABLES: tuple[Any, ...] = ((), [], range(0), range(1 << 70), {}, {}.values(), {}.items())
_ITERATORS: tuple[type, ...] = (
    *(type(iter(each)) for each in _ITERABLES),
    enumerate,
    zip,
    reversed,
)


Seen = dict[int, tuple[int, Any]]  # address -> which one it is, and the object, kept alive
_PLAIN = (bool, int, str, float, bytes, range, Enum)
_ITSELF = (Struct, type, ModuleType, BuiltinFunctionType)


def _tokens(frames: tuple[Frame, ...], seen: Seen) -> Any:
    """Return a key for what the functions of a waiting coroutine can still use."""
    return tuple(
        (
            tuple((name, _token(value, seen)) for name, value in live(frame)),
            tuple(_token(value, seen) for value in temporaries(frame)),
        )
        for frame in frames
    )


def _token(value: Any, seen: Seen) -> Any:
    """Return a key for a value: its type and content, and which mutable parts are the same one."""
    if type(value) in SIMPLE:
        return (type(value), value)
    if isinstance(value, _ITSELF):
        return _Same(value)
    if isinstance(value, _PLAIN):
        return token(value)
    if isinstance(value, tuple):
        return (type(value), *(_token(part, seen) for part in value))
    if isinstance(value, frozenset):
        return (type(value), frozenset(_token(part, seen) for part in value))
    if isinstance(value, _Same):
        return value
    if id(value) in seen:
        return ("again", seen[id(value)][0])
    seen[id(value)] = (len(seen), value)
    if len(seen) > MOST_VALUES:
        raise Unreadable
    if isinstance(value, CoroutineType):
        frames = frames_of(value)
        if frames is None:
            raise Unreadable
        return (CoroutineType, tuple(frame.place for frame in frames), _tokens(frames, seen))
    return (type(value), *(_token(part, seen) for part in _parts(value)))


def _parts(value: Any) -> tuple[Any, ...]:
    """Return what makes up a value that may change: two with equal parts behave the same."""
    if isinstance(value, Step):
        return (value.on, value.body.__code__, value.args, value.kwargs)
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return tuple(value.items())
    if isinstance(value, set):
        return (frozenset(value),)
    if isinstance(value, MethodType):
        return (value.__func__, value.__self__)
    if isinstance(value, FunctionType):
        cells = tuple(_content(cell) for cell in value.__closure__ or ())
        return (_Same(value.__code__), value.__defaults__, value.__kwdefaults__, cells)
    if isinstance(value, functools.partial):
        return (value.func, value.args, value.keywords)
    if isinstance(value, _ITERATORS):
        return tuple(value.__reduce__())
    inside = getattr(value, "__dict__", None)
    if isinstance(inside, dict) and not type(value).__module__.startswith("mmviz.engine"):
        return (inside,)
    return (_Same(value),)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty
        return None
