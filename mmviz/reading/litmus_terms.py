"""The expressions of a C litmus test: a local variable or a number, and the accesses before it.

Each access to memory becomes an action of the thread, in the order of the text; its result is kept
in a register.  So what is left of an expression needs registers only.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from mmviz.engine.text import quoted
from mmviz.reading.litmus_calls import BARRIERS, RETIRED, Call, call_of, missing
from mmviz.reading.litmus_program import (
    IS_LOCKED,
    LOAD,
    LOCAL,
    LOCK,
    OPERATIONS,
    PLAIN_LOAD,
    RCU_BEGIN,
    TRYLOCK,
    UNLOCK,
    Action,
    Done,
    Expression,
    Get,
    Jump,
    Thread,
    number,
    wrapped,
)
from mmviz.reading.litmus_text import Parts, Place, Value
from mmviz.reading.litmus_tokens import Tokens, Unread, integer

TOKENS = re.compile(
    r"\s*(?:(?P<number>0[xX][0-9a-fA-F]+[uUlL]*|\d+[uUlL]*)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign><<|>>|&&|\|\||[-+*&|^=!<>]=|->|\+\+|--|\S))"
)
BASE_TYPES = {"int", "long", "short", "char", "unsigned", "signed", "void", "bool", "_Bool"}
TYPE_WORDS = BASE_TYPES | {"const", "volatile", "struct", "static", "_Atomic"}
TYPE_NAME = re.compile(r"(?:\w+_t|[us](?:8|16|32|64)|__[us](?:8|16|32|64))$")
LOCK_TYPES = {"spinlock_t", "raw_spinlock_t"}
REFUSED_TYPES = {
    "srcu_struct": "SRCU is not read: only RCU is",
    "rwlock_t": "rwlock_t is not read: only spinlock_t is",
    "seqlock_t": "seqlock_t is not read",
    "seqcount_t": "seqcount_t is not read",
    "mutex": "struct mutex is not read: only spinlock_t is",
}
LEVELS = (("|",), ("^",), ("&",), ("==", "!="), ("<", ">", "<=", ">="), ("<<", ">>"), ("+", "-"))
COMPARE: dict[str, Callable[[int, int], bool]] = {
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
}
MOST_SHIFT = 31
MOST_OPERATORS = 60  # of a statement
MOST_REGISTERS = 100


class Term(NamedTuple):
    """A part of an expression.

    Attributes:
        value: what it is worth.
        words: how it is written.
        place: what it names: "local", "global" or "at", where `value` is the address; "" for none.
        name: of a variable.
    """

    value: Expression
    words: str
    place: str = ""
    name: str = ""


class Terms:
    """Reads expressions, and adds their accesses to a thread.

    Attributes:
        thread: the thread.
        globals: location or lock -> its type, of the whole test.
        parameters: those that the thread names.
        notes: what a reader is told.
        source: the statement that is being read.
        line: where it begins.
    """

    thread: Thread

    def __init__(
        self, parts: Parts, tokens: Tokens, globals_: dict[str, str], notes: dict[str, None]
    ) -> None:
        self.parts, self.tokens, self.globals, self.notes = parts, tokens, globals_, notes
        self.parameters: dict[str, str] = {}
        self.source, self.line, self.temporaries, self.jumps = "", 0, 0, 0
        self.operators = 0

    def _is_type(self) -> bool:
        word = self.tokens.now
        return word.kind == "word" and (
            word.text in TYPE_WORDS or TYPE_NAME.match(word.text) is not None
        )

    def _type(self) -> tuple[str, int]:
        """Take a type; return its words, and how many stars follow."""
        tokens, stars = self.tokens, 0
        words: list[str] = []
        while self._is_type() or (words and words[-1] == "struct"):
            word = tokens.word("a type")
            if word in REFUSED_TYPES:
                raise Unread(REFUSED_TYPES[word], tokens.all[tokens.at - 1].line)
            words += [word] if word not in ("const", "volatile", "static", "_Atomic") else []
        if not words:
            if re.match(r"_?[Aa]tomic_\w+$", tokens.now.text):
                tokens.refuse(f"{tokens.now.text}: C11's atomics are not read, the kernel's are")
            tokens.refuse(f"a type is missing before {quoted(tokens.now.text)}")
        if words[0] == "struct":
            raise Unread(
                f"{' '.join(words)} is not read: write a location for each member",
                tokens.all[tokens.at - 1].line,
            )
        while tokens.accept("*", "const", "volatile"):
            stars += tokens.all[tokens.at - 1].text == "*"
        return " ".join(words), stars

    def _label(self) -> str:
        self.jumps += 1
        return f"label {self.jumps}"

    def _here(self, label: str) -> None:
        self.thread.labels[label] = len(self.thread.nodes)

    def _jump(self, test: Term, label: str, when: bool = False) -> None:
        """Add a jump to a label, taken if the test comes out so."""

        def effect(_: Value, get: Get) -> Done:
            return Done(answer=bool(test.value(get)))

        action = Action(LOCAL, "test", (test.words,), self.source, self.line, effect=effect)
        self.thread.nodes.append(Jump(label, self.line, action, when))

    def _add(
        self,
        kind: str,
        function: str,
        words: tuple[str, ...],
        where: Expression | None = None,
        effect: Callable[[Value, Get], Done] | None = None,
        is_plain: Callable[[Value, Get], bool] | None = None,
    ) -> None:
        self.thread.nodes.append(
            Action(kind, function, words, self.source, self.line, where, effect, is_plain)
        )

    # -- expressions -----------------------------------------------------------------------------

    def _expression(self) -> Term:
        found = self._logical("||")
        if self.tokens.now.text == "?":
            self.tokens.refuse("?: is not read: write if (…) … else …")
        return found

    def _logical(self, sign: str) -> Term:
        """Read || or &&, whose right side is only evaluated if need be."""
        below: Callable[[], Term] = (
            (lambda: self._logical("&&")) if sign == "||" else (lambda: self._binary(0))
        )
        left = below()
        while self.tokens.accept(sign):
            self._count()
            left = self._value(left)
            before = len(self.thread.nodes)
            end = self._label()
            right = self._value(below())
            words = f"{left.words} {sign} {right.words}"
            if len(self.thread.nodes) == before:
                left = _both(sign, left, right, words)
                continue
            later = self.thread.nodes[before:]
            del self.thread.nodes[before:]
            moved = [name for name, at in self.thread.labels.items() if at > before]
            name = self._temporary()
            set_left = self._set(name, left)
            self.thread.nodes.append(set_left)
            self._jump(left, end, when=sign == "||")
            shift = len(self.thread.nodes) - before
            self.thread.nodes += later
            for each in moved:
                self.thread.labels[each] += shift
            self.thread.nodes.append(self._set(name, right))
            self._here(end)
            left = Term(_get(name), name, "kept", name)
        return left

    def _count(self) -> None:
        """Count an operator of the statement."""
        self.operators += 1
        if self.operators > MOST_OPERATORS:
            self.tokens.refuse(f"a statement with more than {MOST_OPERATORS} operators is not read")

    def _set(self, name: str, term: Term) -> Action:
        def effect(_: Value, get: Get) -> Done:
            new = int(bool(term.value(get)))
            return Done(None, {name: new}, new)

        return Action(LOCAL, "set", (name, term.words), self.source, self.line, effect=effect)

    def _binary(self, level: int) -> Term:
        if level == len(LEVELS):
            return self._product()
        left = self._binary(level + 1)
        while sign := self.tokens.accept(*LEVELS[level]):
            self._count()
            left = self._value(left)
            right = self._value(self._binary(level + 1))
            left = _operation(sign, left, right, self.line)
        return left

    def _product(self) -> Term:
        left = self._unary()
        while self.tokens.now.text in ("*", "/", "%"):
            sign = self.tokens.take().text
            self._count()
            if sign != "*":
                self.tokens.refuse(f"the operator {sign} is not read")
            left = self._value(left)
            left = _operation(sign, left, self._value(self._unary()), self.line)
        return left

    def _unary(self) -> Term:
        tokens = self.tokens
        sign = tokens.accept("!", "-", "+", "~", "&", "*", "++", "--")
        if not sign:
            return self._primary()
        tokens.deeper()
        inside = self._unary()
        tokens.depth -= 1
        if sign == "*":
            where = self._value(inside)
            if where.name in self.globals and self.globals[where.name] in LOCK_TYPES:
                tokens.refuse(f"{where.name} is a lock, and used as a value")
            return Term(where.value, f"*{where.words}", "at", where.name)
        if sign == "&":
            if inside.place == "global":
                return inside
            if inside.place == "at":
                return inside._replace(place="", words=inside.words.removeprefix("*"))
            tokens.refuse(f"&{inside.words}: the address of a local variable is not read")
        if sign in ("++", "--"):
            tokens.refuse(f"{sign} before a variable is not read: write r0 = r0 + 1")
        value = self._value(inside)
        return _unary(sign, value)

    def _primary(self) -> Term:
        tokens = self.tokens
        if tokens.now.kind == "number":
            text = tokens.now.text.rstrip("uUlL")
            found = integer(text, tokens.take().line)
            return Term(lambda get: found, text)
        if tokens.accept("("):
            tokens.deeper()
            if self._is_type():
                self._type()
                tokens.expect(")", "a cast")
                inside = self._unary()
            else:
                inside = self._expression()
                tokens.expect(")", "an expression")
                if inside.place != "at" and not inside.words.isalnum():
                    inside = inside._replace(words=f"({inside.words})")
            tokens.depth -= 1
            return inside
        if tokens.now.kind != "word":
            tokens.refuse(f"{quoted(tokens.now.text)} is not read in an expression")
        name = tokens.take().text
        if tokens.now.text == "(":
            return self._call(name)
        if tokens.now.text in ("[", "->", "."):
            what = "arrays" if tokens.now.text == "[" else "members of structures"
            tokens.refuse(f"{name}{tokens.now.text}: {what} are not read")
        if name in ("true", "false", "NULL"):
            value = int(name == "true")
            return Term(lambda get: value, name)
        if name in self.parameters:
            return Term(lambda get: name, name, "global", name)
        if name in self.thread.registers:
            return Term(_get(name), name, "local", name)
        if name in self.globals:
            raise Unread(
                f"{name} is no parameter of {self.thread.name}: write "
                f"{self.thread.name}({self.globals[name]} *{name}, …)",
                self.line,
            )
        raise Unread(f"{self.thread.name} has no variable {name}: declare it", self.line)

    def _value(self, term: Term) -> Term:
        """Return a term whose value needs no more access to memory."""
        return self._loaded(term) if term.place == "at" else term

    def _loaded(self, term: Term) -> Term:
        """Load a plain access."""
        self.notes.setdefault(
            "Plain accesses (*x) are judged as one load or store each; a compiler may do else."
        )
        return self._access(LOAD, PLAIN_LOAD, (term.words,), term.value, term.words)

    def _access(
        self,
        kind: str,
        function: str,
        words: tuple[str, ...],
        where: Expression,
        written: str,
        effect: Callable[[Value, Get], Done] | None = None,
        is_plain: Callable[[Value, Get], bool] | None = None,
    ) -> Term:
        """Add an access whose result goes to a temporary register."""
        name = self._temporary()

        def keep(old: Value, get: Get) -> Done:
            done = Done(answer=old) if effect is None else effect(old, get)
            answer = done.answer if done.answer is not None else 0
            return Done(done.new, {**done.registers, name: answer}, answer)

        self._add(kind, function, words, where, keep, is_plain)
        return Term(_get(name), written, "temporary", name)

    def declare(self, name: str) -> None:
        """Give the thread a local variable."""
        registers = self.thread.registers
        place = Place(self.thread.number, name)
        registers.setdefault(name, self.parts.init.get(place, 0))
        if len(registers) > MOST_REGISTERS:
            self.tokens.refuse(f"{self.thread.name} has more than {MOST_REGISTERS} variables")

    def _temporary(self) -> str:
        self.temporaries += 1
        name = f"t{self.temporaries}"
        while name in self.thread.registers or name in self.parameters:
            name += "_"
        self.declare(name)
        return name

    # -- calls -----------------------------------------------------------------------------------

    def _call(self, name: str) -> Term:
        tokens, line = self.tokens, self.tokens.all[self.tokens.at - 1].line
        if name in RETIRED or (call := call_of(name)) is None:
            raise Unread(RETIRED.get(name) or missing(name), line)
        tokens.expect("(", name)
        tokens.deeper()
        arguments: list[Term] = []
        while not tokens.accept(")"):
            if len(arguments) == call.back:
                arguments.append(self._local(name))
            else:
                term = self._expression()
                arguments.append(term if not arguments and call.is_lvalue else self._value(term))
            if tokens.now.text != ")":
                tokens.expect(",", name)
        tokens.depth -= 1
        if len(arguments) != call.takes:
            raise Unread(f"{name}() takes {call.takes} arguments, not {len(arguments)}", line)
        if name in BARRIERS:
            self._add(BARRIERS[name], name, ())
            return _nothing()
        return self._called(name, call, arguments, line)

    def _local(self, name: str) -> Term:
        """Read the address of a local variable, `&old`, as the variable."""
        tokens = self.tokens
        if not tokens.accept("&"):
            tokens.refuse(f"{name}(): write &old, a local variable, for what is expected")
        term = self._primary()
        if term.place != "local":
            tokens.refuse(f"{name}(): &{term.words} is no local variable")
        return term

    def _called(self, name: str, call: Call, arguments: list[Term], line: int) -> Term:
        words = tuple(each.words for each in arguments)
        written = f"{name}({', '.join(words)})"
        if not call.takes:
            for kind in call.kinds:
                self._add(kind, "start_" + name if kind == RCU_BEGIN else name, ())
            return _nothing()
        back = arguments[call.back].name if call.back >= 0 else ""
        where = arguments.pop(call.at)
        if call.is_lvalue and where.place != "at":
            raise Unread(f"{name}(): write {name}(*{where.words}, …), what it accesses", line)
        is_lock = self.globals.get(where.name) in LOCK_TYPES
        if call.kinds[0] in (LOCK, UNLOCK, TRYLOCK, IS_LOCKED):
            if where.place != "global" or not is_lock:
                raise Unread(f"{name}(): {where.words} is no spinlock_t *", line)
        elif is_lock:
            raise Unread(f"{name}(): {where.words} is a lock, and used as a value", line)
        values = [each.value for each in arguments]

        def effect(old: Value, get: Get) -> Done:
            done = call.effect(old, [value(get) for value in values])
            return done._replace(registers={back: old}) if back and not done.answer else done

        plain = call.is_plain

        def is_plain(old: Value, get: Get) -> bool:
            assert plain is not None
            return plain(old, [value(get) for value in values])

        given = None if plain is None else is_plain
        if call.answers:
            return self._access(call.kinds[0], name, words, where.value, written, effect, given)
        self._add(call.kinds[0], name, words, where.value, effect, given)
        return _nothing()


def _nothing() -> Term:
    def value(get: Get) -> Value:
        raise Unread("what returns nothing is used as a value")

    return Term(value, "()")


def _get(name: str) -> Expression:
    return lambda get: get(name)


def storing(value: Expression) -> Callable[[Value, Get], Done]:
    """Return the effect of storing a value."""
    return lambda old, get: Done(value(get))


def renamed(
    effect: Callable[[Value, Get], Done], old_name: str, name: str
) -> Callable[[Value, Get], Done]:
    """Return an effect that puts its result into another register."""

    def renamed(old: Value, get: Get) -> Done:
        done = effect(old, get)
        registers = {name if each == old_name else each: v for each, v in done.registers.items()}
        registers.pop("", None)
        return Done(done.new, registers, done.answer)

    return renamed


def _both(sign: str, left: Term, right: Term, words: str) -> Term:
    if sign == "&&":
        return Term(lambda get: int(bool(left.value(get)) and bool(right.value(get))), words)
    return Term(lambda get: int(bool(left.value(get)) or bool(right.value(get))), words)


def _operation(sign: str, left: Term, right: Term, line: int) -> Term:
    def value(get: Get) -> Value:
        one, other = left.value(get), right.value(get)
        if sign in ("==", "!="):
            return int((one == other) == (sign == "=="))
        if sign in COMPARE:
            return int(COMPARE[sign](number(one), number(other)))
        if sign in ("<<", ">>"):
            by = number(other)
            if not 0 <= by <= MOST_SHIFT:
                raise Unread(f"a shift by {by} is not read", line)
            return wrapped(number(one) << by if sign == "<<" else number(one) >> by, 64)
        if isinstance(one, str) or isinstance(other, str):
            return _with_address(sign, one, other)
        return wrapped(OPERATIONS[sign](one, other), 64)

    return Term(value, f"{left.words} {sign} {right.words}")


def _with_address(sign: str, one: Value, other: Value) -> Value:
    """Return what is left of arithmetic with an address, where it cannot lead to another place."""
    if one == other and sign in "-^":
        return 0
    if 0 in (one, other) and sign in "&*":
        return 0
    if other == 0 and sign in "+-|^":
        return one
    if one == 0 and sign in "+|^":
        return other
    return number(one) + number(other)  # refused


def _unary(sign: str, inside: Term) -> Term:
    def value(get: Get) -> Value:
        found = inside.value(get)
        if sign == "!":
            return int(not found)
        return {"-": -number(found), "+": number(found), "~": ~number(found)}[sign]

    return Term(value, f"{sign}{inside.words}")
