"""The program of one of the kernel's C litmus tests: P0(int *x, int *y) { … }.

The kernel's functions are those of tools/memory-model/linux-kernel.def, as x86 has them: an atomic
operation that changes memory is a locked instruction, and a barrier that is not full does nothing.
"""

import re

from mmviz.engine.text import quoted
from mmviz.reading.litmus_program import (
    END,
    LOCAL,
    MOST_NODES,
    MOST_THREADS,
    OPERATIONS,
    PLAIN_STORE,
    STORE,
    Action,
    Done,
    Get,
    Jump,
    Program,
    Thread,
    number,
    wrapped,
)
from mmviz.reading.litmus_terms import (
    LOCK_TYPES,
    REFUSED_TYPES,
    TOKENS,
    Term,
    Terms,
    renamed,
    storing,
)
from mmviz.reading.litmus_text import Parts, Value
from mmviz.reading.litmus_tokens import Tokens, Unread

LOOPS = {"while", "for", "do", "goto", "break", "continue", "switch"}


def program(parts: Parts) -> Program:
    """Read the program of a C test.

    Raises:
        Unread: a statement is not read.
    """
    tokens = Tokens(TOKENS, parts.program, parts.line)
    globals_: dict[str, str] = {
        place.name: parts.types[place.name] for place in parts.init if place.thread is None
    }
    _check_types(parts)
    threads: list[Thread] = []
    notes: dict[str, None] = {}
    if tokens.now.kind == "end":
        raise Unread("there is no program: write P0(int *x) { … }", tokens.now.line)
    while tokens.now.kind != "end":
        thread = _Function(parts, tokens, globals_, notes)
        thread.read(len(threads))
        threads.append(thread.thread)
    locks = [name for name, kind in globals_.items() if kind in LOCK_TYPES]
    values = [value for value in parts.init.values() if isinstance(value, str)]
    locations = [name for name in dict.fromkeys((*globals_, *values)) if name not in locks]
    return Program(threads, locations, locks, [*notes])


def register(name: str, line: int) -> str:
    """Return the name of a local variable, which is as it is written."""
    return name


def _check_types(parts: Parts) -> None:
    for name, kind in parts.types.items():
        for word, why in REFUSED_TYPES.items():
            if word in kind.split():
                raise Unread(f"{name}: {why}", 0)


class _Function(Terms):
    """Reads one function: the code of a thread."""

    def read(self, place: int) -> None:
        """Read the function.

        Args:
            place: how many came before.
        """
        tokens = self.tokens
        if tokens.now.text == "#":
            tokens.refuse("#include and #define are not read: no file is read here")
        while tokens.accept("static", "void"):
            pass
        name = tokens.word("program")
        if not re.fullmatch(r"P\d+", name):
            tokens.at -= 1
            tokens.refuse(f"{quoted(name)} is no thread: the functions are P0, P1, …")
        if int(name[1:]) != place:
            tokens.at -= 1
            tokens.refuse(f"{name} stands where P{place} is expected")
        if place >= MOST_THREADS:
            tokens.refuse(f"more than {MOST_THREADS} threads are not read")
        self.thread = Thread(name)
        self._parameters()
        tokens.expect("{", name)
        while not tokens.accept("}"):
            self._statement()
        self.thread.labels[END] = len(self.thread.nodes)
        self.thread.check()

    def _parameters(self) -> None:
        tokens = self.tokens
        tokens.expect("(", self.thread.name)
        if tokens.now.text == "void" and tokens.after().text == ")":
            tokens.take()
        while not tokens.accept(")"):
            kind, stars = self._type()
            name = tokens.word(self.thread.name)
            if tokens.now.text == "[":
                tokens.refuse(f"the array {name} is not read: write a location for each element")
            if not stars:
                tokens.refuse(f"{name} is passed by value: write {kind} *{name}")
            whole = kind + "*" * (stars - 1)
            before = self.globals.setdefault(name, whole)
            if before in LOCK_TYPES or whole in LOCK_TYPES:
                self.globals[name] = whole if whole in LOCK_TYPES else before
            self.parameters[name] = whole
            if tokens.now.text != ")":
                tokens.expect(",", self.thread.name)

    # -- statements ------------------------------------------------------------------------------

    def _statement(self) -> None:
        tokens = self.tokens
        self.line, begin, self.operators = tokens.now.line, tokens.at, 0
        if len(self.thread.nodes) > MOST_NODES:
            tokens.refuse(f"{self.thread.name} has more than {MOST_NODES} steps")
        if tokens.now.kind == "end":
            tokens.refuse(f"{self.thread.name} has no end: }} is missing")
        self.source = self._source(begin)
        if tokens.accept(";"):
            return
        if tokens.accept("{"):
            tokens.deeper()
            while not tokens.accept("}"):
                self._statement()
            tokens.depth -= 1
        elif tokens.now.text in LOOPS:
            tokens.refuse(f"{tokens.now.text}: loops and jumps are not read")
        elif tokens.now.text == "if":
            self._if()
        elif tokens.now.text == "return" and tokens.after().text == ";":
            tokens.take(), tokens.take()
            self.thread.nodes.append(Jump(END, self.line))
        elif tokens.now.kind == "word" and tokens.after().text == ":":
            tokens.refuse(f"the label {tokens.now.text}: jumps are not read")
        elif self._is_type():
            self._declaration()
        else:
            self._assignment()
            tokens.expect(";", self.source or "a statement")

    def _source(self, begin: int) -> str:
        """Return the statement that begins at a token, up to its semicolon or its brace."""
        words: list[str] = []
        depth = 0
        for token in self.tokens.all[begin : begin + 80]:
            depth += (token.text == "(") - (token.text == ")")
            if token.kind == "end" or token.text in (";", "{", "}") or token.line > self.line + 5:
                break
            words.append(token.text)
            if token.text == ")" and not depth and words[0] == "if":
                break
        return _joined(words)

    def _if(self) -> None:
        tokens = self.tokens
        tokens.take()
        tokens.deeper()
        tokens.expect("(", "if")
        whole, self.source = self.source, ""  # an access in the test is no `if` itself
        test = self._value(self._expression())
        tokens.expect(")", "if")
        self.source = whole
        otherwise, end = self._label(), self._label()
        self._jump(test, otherwise)
        self._statement()
        if tokens.accept("else"):
            self.thread.nodes.append(Jump(end, self.line))
            self._here(otherwise)
            self._statement()
        else:
            self._here(otherwise)
        self._here(end)
        tokens.depth -= 1

    def _declaration(self) -> None:
        tokens = self.tokens
        kind, stars = self._type()
        if kind in LOCK_TYPES:
            tokens.refuse(f"{kind} as a local variable is not read")
        while True:
            while tokens.accept("*"):
                stars += 1
            name = tokens.word(self.thread.name)
            if tokens.now.text in ("[", "("):
                tokens.refuse(f"{name}{tokens.now.text} is not read: declare plain variables")
            if name in self.parameters:
                tokens.refuse(f"{name} is a parameter, and declared again as a local variable")
            self.declare(name)
            if tokens.accept("="):
                self._assign(name, "=", self._expression())
            if not tokens.accept(","):
                break
        tokens.expect(";", self.source)

    def _is_new(self, name: str) -> bool:
        return not (name in self.parameters or name in self.globals)

    def _assignment(self) -> None:
        """Read an assignment, or an expression for what it does."""
        tokens = self.tokens
        if tokens.now.text == "(" and tokens.after().text == "void" and tokens.after(2).text == ")":
            tokens.take(), tokens.take(), tokens.take()
        first = tokens.now.text
        if tokens.now.kind == "word" and tokens.after().text == "=" and self._is_new(first):
            self.declare(first)  # herd7 takes it for a local variable, too
        left = self._expression()
        sign = tokens.now.text
        if sign in ("=", "+=", "-=", "*=", "&=", "|=", "^="):
            tokens.take()
            if left.place == "local":
                self._assign(left.name, sign, self._expression())
            elif left.place == "at" and sign == "=":
                self._plain_store(left)
            elif left.place == "global":
                tokens.refuse(f"{left.name} is shared: write *{left.name} = …, or WRITE_ONCE()")
            else:
                tokens.refuse(f"{quoted(left.words)} is nothing that {sign} can change")
        elif sign in ("++", "--"):
            tokens.take()
            if left.place != "local":
                tokens.refuse(f"{sign} is read for local variables only")
            one = Term(lambda get: 1, "1")
            self._assign(left.name, f"{sign[0]}=", one)
        elif left.place == "at":
            self._forget(self._loaded(left))
        elif left.place == "temporary":
            self._forget(left)

    def _forget(self, term: Term) -> None:
        """Drop the result of the last access."""
        last = self.thread.nodes[-1]
        if isinstance(last, Action) and last.effect is not None:
            self.thread.nodes[-1] = last._replace(effect=renamed(last.effect, term.name, ""))
            del self.thread.registers[term.name]

    def _assign(self, name: str, sign: str, right: Term) -> None:
        """Give a local variable a value; a load puts it there at once."""
        nodes = self.thread.nodes
        value = self._value(right)
        last = nodes[-1] if nodes else None
        here = len(nodes) in self.thread.labels.values()
        is_load = isinstance(last, Action) and value.place == "temporary" and not here
        if sign == "=" and is_load and isinstance(last, Action) and last.effect is not None:
            nodes[-1] = last._replace(effect=renamed(last.effect, value.name, name))
            del self.thread.registers[value.name]
            return
        operation = OPERATIONS.get(sign[:-1])

        def effect(_: Value, get: Get) -> Done:
            new = value.value(get)
            if operation is not None:
                new = wrapped(operation(number(get(name)), number(new)), 64)
            return Done(None, {name: new}, new)

        words = (name, value.words) if sign == "=" else (f"{name} {sign} {value.words}",)
        nodes.append(Action(LOCAL, "set", words, self.source, self.line, effect=effect))

    def _plain_store(self, left: Term) -> None:
        self.notes.setdefault(
            "Plain accesses (*x) are judged as one load or store each; a compiler may do else."
        )
        right = self._value(self._expression())
        self._add(STORE, PLAIN_STORE, (left.words, right.words), left.value, storing(right.value))


def _joined(words: list[str]) -> str:
    text = " ".join(words)
    text = re.sub(r" ?([(\[]) ?", r"\1", re.sub(r" ([)\],;])", r"\1", text))
    return re.sub(r"^if\(", "if (", re.sub(r"([(=,!] ?)([*&]) ", r"\1\2", text))
