"""The parts of a litmus test: head, initial state, program, and the condition on final states.

The format is herd7's.  The text is data: what does not fit the grammar is refused with its line.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from mmviz.engine.text import quoted
from mmviz.reading.litmus_tokens import Token, Tokens, Unread
from mmviz.reading.mail import is_too_large

X86, X86_64, C = "X86", "X86_64", "C"
OTHERS = ("AArch64", "ARM", "PPC", "RISCV", "MIPS", "LISA", "Bell", "JAVA", "CPP", "ASL", "BPF")
OTHERS_WORDS = {each.lower(): each for each in (*OTHERS, "PTX", "LoongArch")}
MOST_PLACES = 40  # registers and locations that are asked about
MOST_FIRST = 100  # first values
MOST_COMPARED, MOST_IMPLIED = 400, 20  # comparisons of a condition, and of them in a row of =>
HEAD = re.compile(r"\s*(\w+)[ \t]+([^\s\"]+)")
CONDITION = re.compile(
    r"(?<![\w.$%])(?:(?:~\s*)?exists|not\s+exists|forall|locations|filter|final)\b"
)
PROGRAM = re.compile(r"^[ \t]*(P\d+)[ \t]*[(|;]", re.MULTILINE)
OPENS = re.compile(r"\(\*|/\*|//|\"")
NUMBER = r"-?(?:0[xX][0-9a-fA-F]+|\d+)"
WORD = r"[A-Za-z_.$][\w.$]*"
STATE = re.compile(
    rf"\s*(?:(?P<number>{NUMBER})|(?P<word>{WORD})|(?P<sign>/\\|\\/|=>|==|!=|<>|\S))"
)
QUANTIFIERS = {"exists": "exists", "final": "exists", "forall": "forall"}
ATOMIC_INIT = "ATOMIC_INIT"

Value: TypeAlias = int | str
"""An integer, or the name of the location that it is the address of."""


class Place(NamedTuple):
    """A register of a thread, or a location of memory, whose thread is None."""

    thread: int | None
    name: str

    def __str__(self) -> str:
        return self.name if self.thread is None else f"{self.thread}:{self.name}"


class Prop(NamedTuple):
    """A condition: an operator and its parts; of "=", a place and a value or a place."""

    operator: str
    parts: tuple["Prop | Place | Value", ...] = ()


TRUE = Prop("and")


class Parts(NamedTuple):
    """A litmus test, its program not yet read.

    Attributes:
        arch: "X86", "X86_64" or "C".
        name: of the test.
        init: place -> first value, as far as the test gives one.
        types: location -> its C type, "int" or "spinlock_t".
        program: the text of the program, comments blanked.
        line: of the first line of the program.
        shown: the places that `locations` asks for.
        filter: which final states count.
        quantifier: "exists", "~exists" or "forall".
        prop: what is asked.
        condition: what is asked, as written.
        asked: place -> the line on which a condition names it.
    """

    arch: str
    name: str
    init: dict[Place, Value]
    types: dict[str, str]
    program: str
    line: int
    shown: tuple[Place, ...]
    filter: Prop | None
    quantifier: str
    prop: Prop
    condition: str
    asked: dict[Place, int]


def parts(text: str, register: Mapping[str, Callable[[str, int], str]]) -> Parts:
    """Return the parts of a test.

    Args:
        text: of at most 64 KiB.
        register: architecture -> a register's own name of the one written, or Unread.

    Raises:
        Unread: the text is no litmus test, or of another architecture.
    """
    if is_too_large(text):
        raise Unread("the text is larger than 64 KiB: that is no litmus test")
    text = _unquoted(text.replace("\r", ""))
    clean = blanked(text, 0, len(text), until="{")
    head = HEAD.match(clean)
    if head is None:
        raise Unread("there is no litmus test: its first line is X86_64 NAME, or C NAME", 1)
    line = clean.count("\n", 0, head.start(1)) + 1
    arch = _arch(head[1], line)
    opening = clean.find("{", head.end())
    begun = PROGRAM.search(clean, head.end(), opening if opening >= 0 else len(clean))
    if begun:
        line = clean.count("\n", 0, begun.start(1)) + 1
    if opening < 0 or begun:
        raise Unread("the initial state is missing: write {} before the program", line)
    closing = _closing(clean, opening)
    inside = blanked(clean, opening, closing)[opening + 1 : closing]
    end = _condition_at(clean := blanked(clean, closing, len(clean), arch), closing + 1)
    tail = blanked(clean, end, len(clean))[end:]
    at = clean.count("\n", 0, opening) + 1
    init, types = _initial(Tokens(STATE, inside, at), register[arch])
    question = _Question(Tokens(STATE, tail, clean.count("\n", 0, end) + 1), register[arch])
    question.read()
    where = clean.count("\n", 0, closing) + 1
    return Parts(
        arch,
        head[2][:100],
        init,
        types,
        clean[closing + 1 : end],
        where,
        tuple(question.shown),
        question.filter,
        question.quantifier,
        question.prop,
        question.condition,
        question.asked,
    )


def _arch(name: str, line: int) -> str:
    known = {each.lower(): each for each in (X86, X86_64, C)}
    if name.lower() in known:
        return known[name.lower()]
    if name.lower() in OTHERS_WORDS:
        raise Unread(
            f"{OTHERS_WORDS[name.lower()]} is a weaker machine, and the models here are "
            "sequential consistency and x86-TSO: only X86, X86_64 and C tests are read",
            line,
        )
    raise Unread(
        f"{quoted(name)} is no architecture of a litmus test: the first line is X86_64 NAME, or "
        "C NAME",
        line,
    )


def _unquoted(text: str) -> str:
    """Return a text without the quoting of a mail."""
    rows = text.split("\n")
    if all(not row.strip() or row.lstrip().startswith(">") for row in rows):
        return "\n".join(re.sub(r"^\s*(?:> ?)+", "", row) for row in rows)
    return text


def blanked(text: str, start: int, end: int, arch: str = "", until: str = "") -> str:
    """Return a text whose comments and quoted strings are blanks.

    Args:
        text: the text.
        start: where to begin.
        end: where to end.
        arch: of "C" a bracket and a star are no comment.
        until: stop where this stands outside of a comment.

    Raises:
        Unread: a comment has no end.
    """
    found, at = list(text), start
    while opens := OPENS.search(text, at, end):
        if until and text.find(until, at, opens.start()) >= 0:
            break
        if opens[0] == "(*" and arch == C:
            at = opens.end()
            continue
        at = _end_of(text, opens, end)
        found[opens.start() : at] = [
            each if each == "\n" else " " for each in text[opens.start() : at]
        ]
    return "".join(found)


def _end_of(text: str, opens: re.Match[str], end: int) -> int:
    if opens[0] == "(*":
        depth = 0
        for each in re.compile(r"\(\*|\*\)").finditer(text, opens.start(), end):
            depth += 1 if each[0] == "(*" else -1
            if not depth:
                return each.end()
    else:
        close = {"/*": "*/", "//": "\n", '"': '"'}[opens[0]]
        at = text.find(close, opens.end(), end)
        if at >= 0:
            return at + len(close) * (close != "\n")
        if close == "\n":
            return end
    line = text.count("\n", 0, opens.start()) + 1
    raise Unread(f"what begins with {opens[0]} has no end", line)


def _closing(text: str, opening: int) -> int:
    depth = 0
    for each in re.compile("[{}]").finditer(text, opening):
        depth += 1 if each[0] == "{" else -1
        if not depth:
            return each.start()
    raise Unread("the initial state has no end: } is missing", text.count("\n", 0, opening) + 1)


def _condition_at(text: str, start: int) -> int:
    """Return where the program ends: at the first word of a condition outside of braces."""
    depth, last = 0, start
    for found in CONDITION.finditer(text, start):
        depth += text.count("{", last, found.start()) - text.count("}", last, found.start())
        last = found.start()
        if depth <= 0:
            return last
    return len(text)


# -- the initial state ----------------------------------------------------------------------------


def _initial(
    tokens: Tokens, register: Callable[[str, int], str]
) -> tuple[dict[Place, Value], dict[str, str]]:
    init: dict[Place, Value] = {}
    types: dict[str, str] = {}
    where = "initial state"
    while tokens.now.kind != "end":
        if tokens.accept(";"):
            continue
        if tokens.now.text == "#":
            tokens.refuse("#include is for klitmus7, and no file is read here: delete the line")
        line, kind, pointers = tokens.now.line, _type(tokens), 0
        while tokens.accept("*"):
            pointers += 1
        place = _place(tokens, register, where, brackets=True)
        if tokens.now.text == "[":
            tokens.refuse(f"the array {place} is not read: write a location for each element")
        if place.thread is None:
            types[place.name] = f"{kind or types.get(place.name) or 'int'}{'*' * pointers}"
        init[place] = _first(tokens, where) if tokens.accept("=") else 0
        if len(init) > MOST_FIRST:
            tokens.refuse(f"more than {MOST_FIRST} registers and locations have first values")
        if tokens.now.kind != "end":
            if tokens.now.line == line and tokens.now.text != ";":
                tokens.expect(";", where)
            tokens.accept(";")
    return init, types


def _type(tokens: Tokens) -> str:
    """Take the C type before a location, if there is one; its stars stay."""
    words: list[str] = []
    while tokens.now.kind == "word" and (
        tokens.after().kind == "word" or tokens.after().text in ("*", "[") or _is_typed(tokens)
    ):
        if tokens.after().text == "[" and tokens.after(3).text != "]":
            break
        if tokens.after().text == "[" and tokens.after(2).kind != "word":
            break
        word = tokens.take().text
        if word == "struct":
            tokens.refuse("struct is not read: write a location for each member")
        words += [] if word in ("volatile", "const", "_Atomic", "unsigned", "signed") else [word]
    return " ".join(words)


def _is_typed(tokens: Tokens) -> bool:
    """Tell whether "int 0:rax" follows."""
    return tokens.after().kind == "number" and tokens.after(2).text == ":"


def _first(tokens: Tokens, where: str) -> Value:
    if tokens.accept("{"):
        tokens.refuse("an array is not read: write a location for each element")
    if tokens.now.text == ATOMIC_INIT:
        tokens.take()
        tokens.expect("(", where)
        found: Value = tokens.number(where)
        tokens.expect(")", where)
        return found
    tokens.accept("&")
    return tokens.word(where) if tokens.now.kind == "word" else tokens.number(where)


def _place(
    tokens: Tokens, register: Callable[[str, int], str], where: str, brackets: bool = False
) -> Place:
    """Take a place: x, [x], *x, 0:rax or P0:rax."""
    line = tokens.now.line
    if tokens.accept("["):
        found = Place(None, tokens.word(where))
        tokens.expect("]", where)
        return found
    if not brackets:
        tokens.accept("*")
    thread = tokens.now.text
    if re.fullmatch(r"P?\d{1,3}", thread) and tokens.after().text == ":":
        tokens.take(), tokens.take()
        tokens.accept("%")
        return Place(int(thread.removeprefix("P")), register(tokens.word(where), line))
    return Place(None, tokens.word(where))


# -- the question ---------------------------------------------------------------------------------


class _Question:
    """What follows the program: locations, filter, quantifier and condition."""

    def __init__(self, tokens: Tokens, register: Callable[[str, int], str]) -> None:
        self.tokens, self.register = tokens, register
        self.shown: list[Place] = []
        self.asked: dict[Place, int] = {}
        self.filter: Prop | None = None
        self.compared = 0
        self.quantifier, self.prop, self.condition = "forall", TRUE, "forall (true)"

    def read(self) -> None:
        """Read all of it."""
        tokens = self.tokens
        if tokens.accept("locations"):
            tokens.expect("[", "locations")
            while not tokens.accept("]"):
                self.shown.append(self._place())
                while tokens.now.kind == "word" or tokens.now.text == "*":
                    tokens.take()  # a type
                if tokens.now.text != "]":
                    tokens.expect(";", "locations")
        if tokens.accept("filter"):
            self.filter = self._or()
        if tokens.now.kind != "end":
            first = tokens.at
            negated = bool(tokens.accept("~", "not"))
            word = tokens.word("condition")
            if word not in QUANTIFIERS or (negated and word != "exists"):
                tokens.at -= 1
                tokens.refuse(f"{quoted(word)} is no quantifier: write exists, ~exists or forall")
            self.quantifier = "~exists" if negated else QUANTIFIERS[word]
            begin = tokens.at
            self.prop = self._or()
            words = _written(tokens.all[begin : tokens.at])
            self.condition = f"{self.quantifier} {words}"
            tokens.accept(";")
            if tokens.now.text == "with":
                tokens.refuse("'with' gives a condition for each model: delete it")
            if tokens.now.kind != "end" and first >= 0:
                tokens.refuse(f"{quoted(tokens.now.text)} follows the condition")

    def _or(self) -> Prop:
        found = [self._and()]
        while self.tokens.accept("\\/"):
            found.append(self._and())
        return found[0] if len(found) == 1 else Prop("or", tuple(found))

    def _and(self) -> Prop:
        found = [self._implies()]
        while self.tokens.accept("/\\"):
            found.append(self._implies())
        return found[0] if len(found) == 1 else Prop("and", tuple(found))

    def _implies(self) -> Prop:
        """An implication: in herd7's grammar it binds more than a conjunction, and to the right."""
        found = [self._not()]
        while self.tokens.accept("=>"):
            found.append(self._not())
            if len(found) > MOST_IMPLIED:
                self.tokens.refuse(f"more than {MOST_IMPLIED} conditions imply each other")
        last = found.pop()
        while found:
            last = Prop("implies", (found.pop(), last))
        return last

    def _not(self) -> Prop:
        tokens, count = self.tokens, 0
        while tokens.accept("~", "not"):
            count += 1
        found = self._atom()
        return Prop("not", (found,)) if count % 2 else found

    def _atom(self) -> Prop:
        tokens = self.tokens
        if tokens.accept("("):
            tokens.deeper()
            found = self._or()
            tokens.expect(")", "condition")
            tokens.depth -= 1
            return found
        if tokens.now.text in ("true", "false"):
            return Prop("and" if tokens.take().text == "true" else "or")
        if tokens.now.text.lower() == "fault":
            tokens.refuse("fault() is not read: the models here have no faults")
        self.compared += 1
        if self.compared > MOST_COMPARED:
            tokens.refuse(f"a condition with more than {MOST_COMPARED} comparisons is not read")
        place = self._place()
        sign = tokens.accept("=", "==", "!=", "<>")
        if not sign:
            tokens.refuse(f"condition: = is missing before {quoted(tokens.now.text)}")
        found = Prop("=", (place, self._value()))
        return Prop("not", (found,)) if sign in ("!=", "<>") else found

    def _value(self) -> Place | Value:
        tokens = self.tokens
        if tokens.accept("&"):
            return tokens.word("condition")
        if tokens.now.text in ("[", "*") or tokens.after().text == ":":
            return self._place()
        if tokens.now.kind == "word":
            return tokens.take().text
        return tokens.number("condition")

    def _place(self) -> Place:
        line = self.tokens.now.line
        found = _place(self.tokens, self.register, "condition")
        if self.tokens.now.text == "[":
            self.tokens.refuse(f"the array {found} is not read: write a location for each element")
        self.asked.setdefault(found, line)
        if len(self.asked) > MOST_PLACES:
            self.tokens.refuse(f"more than {MOST_PLACES} registers and locations are asked about")
        return found


def _written(tokens: Sequence[Token]) -> str:
    """Return tokens as a condition is usually written."""
    words = " ".join(token.text for token in tokens)
    words = re.sub(r" ?(:|(?<!=)=(?![=>])|==|!=|<>) ?", r"\1", words)
    words = re.sub(r"([(~\[]) ", r"\1", re.sub(r" ([)\]])", r"\1", words))
    words = words.replace("not(", "not (")
    return words if _is_enclosed(words) else f"({words})"


def _is_enclosed(words: str) -> bool:
    """Tell whether the first bracket closes at the end."""
    depth = 0
    for at, each in enumerate(words):
        depth += (each == "(") - (each == ")")
        if not depth:
            return at == len(words) - 1 and each == ")"
    return False


def holds(prop: Prop, look: Callable[[Place], Value]) -> bool:
    """Tell whether a condition holds.

    Args:
        prop: the condition.
        look: returns what a place holds.
    """
    values = (holds(each, look) for each in prop.parts if isinstance(each, Prop))
    match prop.operator:
        case "and":
            return all(values)
        case "or":
            return any(values)
        case "not":
            return not next(values)
        case "implies":
            return not next(values) or next(values)
    place, value = prop.parts
    assert isinstance(place, Place)
    assert not isinstance(value, Prop)
    return _is_same(look(place), look(value) if isinstance(value, Place) else value)


def _is_same(one: Value, other: Value) -> bool:
    """Tell whether two values have the same bits: -1 and 0xffffffff have."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    bits = 32 if all(-(1 << 31) <= each < 1 << 32 for each in (one, other)) else 64
    return (one - other) % (1 << bits) == 0


def places(prop: Prop | None) -> Iterator[Place]:
    """Yield the places of a condition."""
    for each in prop.parts if prop is not None else ():
        if isinstance(each, Prop):
            yield from places(each)
        elif isinstance(each, Place):
            yield each
