"""What the code of one function does to names: read from its instructions, never by running it.

A name with the attributes looked up on it is a *chain*, `k.lock.owner`.  `scan` lists the chains
that a function loads, and the ones it stores to; what they stand for is decided elsewhere
(mmviz/engine/code_rules.py).  Code objects are scanned once, and only if something in them could
matter.

Source: the `dis` module of CPython; the names of instructions differ from version to version, so
they are taken from `dis` when this file is loaded.
"""

import dis
import inspect
import re
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

GLOBAL, FREE, LOCAL = "global", "free", "local"

MUTATORS = frozenset(
    [
        "append",
        "appendleft",
        "extend",
        "extendleft",
        "insert",
        "remove",
        "pop",
        "popleft",
        "popitem",
        "clear",
        "sort",
        "reverse",
        "rotate",
        "add",
        "discard",
        "update",
        "setdefault",
        "subtract",
        "difference_update",
        "intersection_update",
        "symmetric_difference_update",
        "move_to_end",
        "__setitem__",
        "__delitem__",
        "__iadd__",
    ]
)
"""The methods that change a list, a dict, a set or the like in place."""


class Chain(NamedTuple):
    """A name, and the attributes looked up on it.

    Attributes:
        kind: whose name: a global, a variable of an enclosing function, or a local one.
        name: the name.
        attributes: those looked up on it, in order.
    """

    kind: str
    name: str
    attributes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.name, *self.attributes))

    @property
    def owner(self) -> "Chain":
        """What the last attribute is looked up on."""
        return self._replace(attributes=self.attributes[:-1])


class Load(NamedTuple):
    """A chain is loaded in a line of a function."""

    code: CodeType
    line: int
    chain: Chain


class Store(NamedTuple):
    """Something is stored in a line of a function.

    Attributes:
        what: "variable", "attribute" or "item".
        chain: the variable; or what the attribute or the item belongs to, if that is a chain.
        attribute: the attribute stored, "" for others.
    """

    code: CodeType
    line: int
    what: str
    chain: Chain | None
    attribute: str = ""


class Unused(NamedTuple):
    """A function is called, and what it returns is not awaited.

    Attributes:
        chain: what is called, if that is a chain; else only the last attribute is known.
        name: the last part of what is called.
        use: what happens to the result: "dropped" or "tested".
    """

    code: CodeType
    line: int
    chain: Chain | None
    name: str
    use: str


class Scan(NamedTuple):
    """What a function does, the functions written inside it included.

    Attributes:
        loads, stores, unused: see there.
        imports: (function, line, module) of each import in it.
    """

    loads: tuple[Load, ...]
    stores: tuple[Store, ...]
    unused: tuple[Unused, ...]
    imports: tuple[tuple[CodeType, int, str], ...]


def _numbers(*names: str) -> bytes:
    return bytes(dis.opmap[name] for name in names if name in dis.opmap)


_CALLS = _numbers("CALL", "CALL_KW", "CALL_FUNCTION_EX")
_OPERATORS = ("COMPARE_OP", "BINARY_OP", "CONTAINS_OP")
_TESTS = frozenset(
    name
    for name in dis.opmap
    if (name.startswith(("POP_JUMP", "JUMP_IF")) and "NONE" not in name)
    or name in ("TO_BOOL", "UNARY_NOT", "UNARY_NEGATIVE", *_OPERATORS)
)
_ENDS = re.compile(
    b"[" + re.escape(_CALLS) + b"]\\x00*[" + re.escape(_numbers("POP_TOP", *_TESTS)) + b"]"
)
_OPERANDS = re.compile(
    b"[" + re.escape(_CALLS) + b"]\\x00*[^\\x00]\\x00*[" + re.escape(_numbers(*_OPERATORS)) + b"]"
)
_WRITES = re.compile(
    b"["
    + re.escape(
        _numbers(
            "STORE_GLOBAL",
            "DELETE_GLOBAL",
            "STORE_SUBSCR",
            "DELETE_SUBSCR",
            "STORE_SLICE",
            "STORE_DEREF",
            "DELETE_DEREF",
            "IMPORT_NAME",
        )
    )
    + b"]"
)
_SETS = re.compile(b"[" + re.escape(_numbers("STORE_ATTR", "DELETE_ATTR")) + b"]")
_ON_GLOBAL = re.compile(
    b"["
    + re.escape(_numbers("LOAD_GLOBAL", "LOAD_NAME"))
    + b"]\\x00*["
    + re.escape(_numbers("STORE_ATTR", "DELETE_ATTR", "COPY"))
    + b"]"
)
# the argument of LOAD_GLOBAL is twice the number of the name, and one if it is called
_LOADS_GLOBAL = ((dis.opmap["LOAD_GLOBAL"], 1), (dis.opmap["LOAD_NAME"], 0))
_FAST = tuple(name for name in dis.opmap if name.startswith("LOAD_FAST"))
_TRANSPARENT = frozenset(("PUSH_NULL", "PRECALL", "NOP", "EXTENDED_ARG", "CACHE", "KW_NAMES"))


class Code:
    """What is known of a code object: a little at once, and the rest when it is asked for.

    Attributes:
        code: the code object.
        names: every name that it, and the functions inside it, look up.
        globals: those among them that are no attributes: names of the module, or of Python.
        is_async: it is an `async def`, or has one inside.
        writes: it may store to a global, to a variable of another function, or to an item.
        sets: it sets an attribute.
        sets_global: it may set one on what a global name stands for.
        drops: it may drop or test what a call returns.
        mutates: it looks up the name of a method that changes something in place.
        may_change: any of these: what its arguments are makes a difference.
    """

    names: frozenset[str]
    globals: frozenset[str]
    is_async: bool
    writes: bool
    sets: bool
    sets_global: bool
    drops: bool

    def __init__(self, code: CodeType) -> None:
        self.code = code
        inner: list[Code] = [known(part) for part in code.co_consts if isinstance(part, CodeType)]
        operations = code.co_code[::2]
        self.names = frozenset(code.co_names).union(*(each.names for each in inner))
        found = frozenset(_globals(code, operations))
        self.globals = found.union(*(each.globals for each in inner))
        self.is_async = bool(code.co_flags & inspect.CO_COROUTINE) or any(
            each.is_async for each in inner
        )
        self.writes = _WRITES.search(operations) is not None or any(each.writes for each in inner)
        self.sets = _SETS.search(operations) is not None or any(each.sets for each in inner)
        self.sets_global = _ON_GLOBAL.search(operations) is not None or any(
            each.sets_global for each in inner
        )
        self.drops = (
            _ENDS.search(operations) is not None
            or _OPERANDS.search(operations) is not None
            or any(each.drops for each in inner)
        )
        self.mutates = not self.names.isdisjoint(MUTATORS)
        self.may_change = self.sets or self.writes or self.mutates or self.drops
        self._scan: Scan | None = None

    @property
    def scan(self) -> Scan:
        """Everything that the instructions show."""
        if self._scan is None:
            self._scan = _scan(self.code, frozenset(self.code.co_freevars))
        return self._scan

    def strings(self) -> set[str]:
        """Return every string written in the code."""
        found = set()
        for part in self.code.co_consts:
            if isinstance(part, str):
                found.add(part)
            elif isinstance(part, CodeType):
                found |= known(part).strings()
        return found


def _globals(code: CodeType, operations: bytes) -> Iterator[str]:
    """Yield the global names that a code object loads."""
    arguments = code.co_code[1::2]
    for number, shift in _LOADS_GLOBAL:
        at = operations.find(number)
        while at >= 0:
            argument = arguments[at]
            if at and operations[at - 1] == dis.EXTENDED_ARG:
                argument += arguments[at - 1] << 8
            yield code.co_names[argument >> shift]
            at = operations.find(number, at + 1)


_KNOWN: dict[int, Code] = {}  # by address: equal code may stand in two places


def known(code: CodeType) -> Code:
    """Return what is known of a code object."""
    found = _KNOWN.get(id(code))
    if found is None:
        found = _KNOWN[id(code)] = Code(code)
    return found


def _scan(code: CodeType, outer: frozenset[str]) -> Scan:
    """Scan the instructions of a code object.

    Args:
        code: the code.
        outer: the variables that belong to a function around the outermost one scanned.
    """
    loads: list[Load] = []
    stores: list[Store] = []
    unused: list[Unused] = []
    imports: list[tuple[CodeType, int, str]] = []
    starts: dict[tuple[int, int], list[tuple[tuple[int, int], Chain]]] = {}
    chain: Chain | None = None  # on top of the stack
    callee: tuple[Chain | None, str] | None = None  # of the call that has just returned
    waited = 0  # instructions since
    stored: list[str] = []
    aliases: dict[str, Chain] = {}
    line = code.co_firstlineno
    for each in dis.get_instructions(code):
        name, place = each.opname, each.positions
        if name in _TRANSPARENT:
            continue
        start = end = None
        if place is not None and place.lineno is not None:
            line = place.lineno
            if place.col_offset is not None and place.end_lineno is not None:
                start = (line, place.col_offset)
                end = (place.end_lineno, place.end_col_offset or 0)
        before = chain
        chain = None
        if name in ("LOAD_GLOBAL", "LOAD_NAME"):
            chain = Chain(GLOBAL, each.argval)
        elif name in ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"):
            chain = Chain(FREE if each.argval in outer else LOCAL, each.argval)
        elif name in _FAST:
            last = each.argval[-1] if isinstance(each.argval, tuple) else each.argval
            chain = Chain(LOCAL, last)
        elif name in ("LOAD_ATTR", "LOAD_METHOD"):
            if before is not None:
                chain = before._replace(attributes=(*before.attributes, each.argval))
            elif start is not None and end is not None:
                # looked up on something that is no chain: `k.locks[0].take`
                starts.setdefault(start, []).append((end, Chain("", "", (each.argval,))))
        elif name == "STORE_FAST":
            stored.append(each.argval)
            if before is not None:
                aliases[each.argval] = before
        elif "STORE_FAST" in name:
            stored += each.argval if isinstance(each.argval, tuple) else (each.argval,)
        elif name in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            stores.append(Store(code, line, "variable", Chain(GLOBAL, each.argval)))
        elif name in ("STORE_DEREF", "DELETE_DEREF"):
            if each.argval in outer:
                stores.append(Store(code, line, "variable", Chain(FREE, each.argval)))
        elif name in ("STORE_ATTR", "DELETE_ATTR"):
            owner = before or _starting(starts, start, end)
            stores.append(Store(code, line, "attribute", owner, each.argval))
        elif name in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"):
            stores.append(Store(code, line, "item", _starting(starts, start, end)))
        elif name == "IMPORT_NAME":
            imports.append((code, line, each.argval))
        if chain is not None:
            loads.append(Load(code, line, chain))
            if start is not None and end is not None and not isinstance(each.argval, tuple):
                starts.setdefault(start, []).append((end, chain))
        waited += 1
        if callee is not None:
            at_once = waited == 1 and (name in _TESTS or name == "POP_TOP")
            if at_once or (waited == 2 and name in _OPERATORS):
                use = "dropped" if name == "POP_TOP" else "tested"
                unused.append(Unused(code, line, *callee, use))
            if waited >= 2 or not (name in _FAST or name.startswith(("LOAD_CONST", "LOAD_SMALL"))):
                callee = None
        if name in ("CALL", "CALL_KW", "CALL_FUNCTION_EX"):
            called = _starting(starts, start, end)
            callee, waited = None, 0
            if called is not None:
                last = called.attributes[-1] if called.attributes else called.name
                callee = (called if called.kind else None, last)
    for part in code.co_consts:
        if isinstance(part, CodeType):
            inner = _scan(part, outer & frozenset(part.co_freevars))
            loads += inner.loads
            stores += inner.stores
            unused += inner.unused
            imports += inner.imports
    once = {name: aliases[name] for name in aliases if stored.count(name) == 1}
    return Scan(
        tuple(each._replace(chain=_unaliased(each.chain, once)) for each in loads),
        tuple(each._replace(chain=each.chain and _unaliased(each.chain, once)) for each in stores),
        tuple(unused),
        tuple(imports),
    )


def _starting(
    starts: dict[tuple[int, int], list[tuple[tuple[int, int], Chain]]],
    start: tuple[int, int] | None,
    end: tuple[int, int] | None,
) -> Chain | None:
    """Return the longest chain that begins where an expression does, and ends before it does."""
    if start is None or end is None:
        return None
    found = [(last, chain) for last, chain in starts.get(start, ()) if last < end]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _unaliased(chain: Chain, aliases: dict[str, Chain]) -> Chain:
    """Return a chain with a local variable, set once, replaced by what it was set to."""
    for _ in range(4):  # a chain of aliases; two that name each other end it
        if chain.kind != LOCAL or chain.name not in aliases:
            break
        root = aliases[chain.name]
        chain = root._replace(attributes=(*root.attributes, *chain.attributes))
    return chain
