"""The program of an x86 litmus test: rows of instructions, a column a thread.

In an X86 test the destination comes first, `MOV EAX,[x]`; in an X86_64 test last, `movl (x),%eax`,
as herd7 has it.  An X86_64 test in the other order is read so where its operands show it.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mmviz.engine.text import quoted
from mmviz.reading.litmus_program import (
    END,
    FENCE,
    LOAD,
    LOCAL,
    LOCKED,
    MOST_THREADS,
    NOTHING,
    OPERATIONS,
    STORE,
    Action,
    Done,
    Expression,
    Get,
    Jump,
    Program,
    Thread,
    number,
    wrapped,
)
from mmviz.reading.litmus_text import X86, Parts, Place, Value
from mmviz.reading.litmus_tokens import Unread, integer

FLAGS, FOUND = "flags", "found"
LONGEST_CELL = 200  # characters
BASES = {"ax", "bx", "cx", "dx", "si", "di", "bp", "sp"}
NARROW = {"al", "ah", "bl", "bh", "cl", "ch", "dl", "dh", "sil", "dil", "bpl", "spl"} | BASES
OTHER = {"rip", "eip", "cs", "eflags"}
HEADS = re.compile(r"\s*P(\d+)\s*(?:@\S*)?\s*$")
LABEL = re.compile(r"\s*([A-Za-z_.][\w.]*)\s*:(?!:)\s*")
MNEMONIC = re.compile(r"([A-Za-z][\w]*)\s*(.*)", re.S)
SYMBOL = r"[A-Za-z_][\w.]*"
ADDRESS = re.compile(
    rf"(?:(?:d|q)word\s+ptr\s*)?(?:\[\s*(?P<box>%?{SYMBOL})\s*\]"
    rf"|(?P<offset>-?\w+)?\s*\(\s*(?P<round>%?{SYMBOL})\s*\)|(?P<rip>{SYMBOL})\s*\(\s*%?rip\s*\))$",
    re.I,
)
PARTED = re.compile(r",(?![^(\[]*[)\]])")
ARITHMETIC = {"add": "+", "sub": "-", "and": "&", "or": "|", "xor": "^"}
SINGLE = {"inc": ("+", 1), "dec": ("-", 1)}
JUMPS: dict[str, Callable[[int], bool]] = {
    **dict.fromkeys(("je", "jz"), lambda flags: wrapped(flags) == 0),
    **dict.fromkeys(("jne", "jnz"), lambda flags: wrapped(flags) != 0),
    **dict.fromkeys(("jl", "jlt", "jnge"), lambda flags: flags < 0),
    **dict.fromkeys(("jle", "jng"), lambda flags: flags <= 0),
    **dict.fromkeys(("jg", "jgt", "jnle"), lambda flags: flags > 0),
    **dict.fromkeys(("jge", "jnl"), lambda flags: flags >= 0),
    "js": lambda flags: wrapped(flags) < 0,
    "jns": lambda flags: wrapped(flags) >= 0,
}
FENCES = {"mfence": FENCE, "sfence": NOTHING, "lfence": NOTHING}
IDLE = {"nop", "nopl", "nopw", "endbr64"}
TWO = {"mov", "xchg", "cmpxchg", "xadd", "cmp", "test", *ARITHMETIC}
STACK = re.compile(
    r"(?:(?:d|q)word\s+ptr\s*)?(?:-?(?:0x)?[\da-f]*\(\s*%?[er]sp\s*\)"
    r"|\[\s*%?[er]sp\s*(?:[-+]\s*(?:0x)?[\da-f]+\s*)?\])$",
    re.I,
)
ZERO = re.compile(r"\$?\s*0(?:x0+)?$", re.I)
SIZES = {"l": 32, "q": 64}
NON_TEMPORAL = {"movnti", "movntdqa", "movntq", "movntdq", "clflush", "clflushopt", "clwb"}


def register(arch: str) -> Callable[[str, int], str]:
    """Return what gives a register's name as herd7 writes it: "EAX" of X86, "rax" of X86_64."""

    def name(written: str, line: int) -> str:
        base = _register_of(written.lower(), line)
        if base is None:
            raise Unread(f"x86 has no register {quoted(written)}", line)
        if arch == X86:
            return f"E{base.upper()}" if base in BASES else base.upper()
        return f"r{base}" if base in BASES else base

    return name


def _register_of(word: str, line: int) -> str | None:
    """Return the register that a word names, without its width; None for no register."""
    if word in OTHER:
        return word
    if word in NARROW or re.fullmatch(r"r(?:[89]|1[0-5])[wb]", word):
        raise Unread(f"the 8-bit and 16-bit register {word} is not read", line)
    if word[:1] in ("e", "r") and word[1:] in BASES:
        return word[1:]
    found = re.fullmatch(r"(r(?:[89]|1[0-5]))d?", word)
    return found[1] if found else None


def _bits(word: str) -> int:
    """Return the width of a register."""
    return 32 if word.startswith("e") or word.endswith("d") else 64


class Operand(NamedTuple):
    """An operand: a number, a register, or a location, given by its name or by a register.

    Attributes:
        kind: "number", "register" or "memory".
        words: as written.
        value: what the operand is; of memory, its address.
        register: its name.
        bits: its width; 0 where it does not say.
    """

    kind: str
    words: str
    value: Expression
    register: str = ""
    bits: int = 0


class Cell(NamedTuple):
    """An instruction: its thread's number, its text and its line."""

    thread: int
    text: str
    line: int


def program(parts: Parts) -> Program:
    """Read the program of an X86 or X86_64 test.

    Raises:
        Unread: an instruction is not read.
    """
    threads, cells = _table(parts)
    is_destination_first, notes = _order(parts, cells)
    reader = _Reader(parts, threads, is_destination_first)
    for cell in cells:
        reader.read(cell)
    for thread in threads:
        thread.labels[END] = len(thread.nodes)
        thread.check()
    return Program(threads, list(reader.locations), [], notes)


def _table(parts: Parts) -> tuple[list[Thread], list[Cell]]:
    text = re.sub(r"(?i)\block(\s*);", r"lock\1 ", parts.program)
    rows, line = [], parts.line
    for row in text.split(";"):
        at = line + row[: len(row) - len(row.lstrip())].count("\n")
        rows.append((at, row))
        line += row.count("\n")
    if rows and not rows[-1][1].strip():
        rows.pop()
    rows = [(at, row) for number, (at, row) in enumerate(rows) if row.strip() or number]
    if not rows:
        raise Unread("there is no program: its first row is P0 | P1 ;", parts.line)
    heads = [HEADS.match(cell) for cell in rows[0][1].split("|")]
    if not all(heads):
        raise Unread("the first row of the program is P0 | P1 ; and has a ; at its end", rows[0][0])
    names = [f"P{int(head[1])}" for head in heads if head]
    if len(set(names)) < len(names):
        raise Unread("two columns of the program have the same name", rows[0][0])
    if len(names) > MOST_THREADS:
        raise Unread(f"more than {MOST_THREADS} threads are not read", rows[0][0])
    threads = [Thread(name) for name in names]
    cells: list[Cell] = []
    for at, row in rows[1:]:
        columns = row.split("|")
        if max(map(len, columns)) > LONGEST_CELL:
            raise Unread(f"an instruction of more than {LONGEST_CELL} characters is not read", at)
        if len(columns) > len(threads):
            raise Unread(f"a row has {len(columns)} columns, and the first {len(threads)}", at)
        cells += [
            Cell(thread, " ".join(cell.split()), at)
            for thread, cell in enumerate(columns)
            if cell.strip()
        ]
    return threads, sorted(cells, key=lambda cell: cell.thread)


def _order(parts: Parts, cells: list[Cell]) -> tuple[bool, list[str]]:
    """Tell whether the destination comes first, and what a reader is told of it."""
    if parts.arch == X86:
        return True, []
    first = last = None
    for cell in cells:
        found = MNEMONIC.match(re.sub(LABEL, "", cell.text))
        operands = [each.strip() for each in PARTED.split(found[2])] if found else []
        if len(operands) == 2:
            is_number = [re.match(r"\$|-?\d+\w*$", each) is not None for each in operands]
            first = first or (cell if is_number == [True, False] else None)
            last = last or (cell if is_number == [False, True] else None)
    if last is None:
        return False, []
    if first is not None:
        raise Unread(
            f"{last.text} has its destination first, and {first.text} last: write X86_64 tests "
            "as movl $1,(x)",
            last.line,
        )
    return True, ["Its instructions have the destination first, and are read so."]


class _Reader:
    """Reads instructions, one after the other.

    Attributes:
        locations: those met so far, in their order.
    """

    def __init__(self, parts: Parts, threads: list[Thread], is_destination_first: bool) -> None:
        self.parts, self.threads = parts, threads
        self.is_destination_first = is_destination_first
        self.locations = {
            place.name: None for place in parts.init if place.thread is None
        } | dict.fromkeys(value for value in parts.init.values() if isinstance(value, str))
        self.name = register(parts.arch)
        self.sizes: dict[str, tuple[int, int]] = {}

    def read(self, cell: Cell) -> None:
        """Read the instruction of a cell, its label included."""
        self.thread, self.cell = self.threads[cell.thread], cell
        text = cell.text
        while (label := LABEL.match(text)) and _register_of(label[1].lower(), cell.line) is None:
            if label[1] in self.thread.labels:
                raise Unread(f"{self.thread.name} has the label {label[1]} twice", cell.line)
            self.thread.labels[label[1]] = len(self.thread.nodes)
            text = text[label.end() :]
        if text:
            self._instruction(text)

    def _refuse(self, why: str) -> Unread:
        return Unread(f"{quoted(self.cell.text)}: {why}", self.cell.line)

    def _instruction(self, text: str) -> None:
        is_locked = False
        found = MNEMONIC.match(text)
        if found and found[1].lower() == "lock":
            is_locked = True
            found = MNEMONIC.match(found[2])
        if found is None:
            raise self._refuse("there is no instruction")
        word = found[1].lower()
        operands = [each.strip() for each in PARTED.split(found[2])] if found[2] else []
        if word in IDLE:
            return
        if word in FENCES and not operands:
            self._add(Action(FENCES[word], word, (), self.cell.text, self.cell.line))
        elif word in ("ret", "retq") and not operands:
            self.thread.nodes.append(Jump(END, self.cell.line))
        elif word == "jmp" or word in JUMPS:
            self._jump(word, operands)
        else:
            self._sized(word, operands, is_locked)

    def _jump(self, word: str, operands: list[str]) -> None:
        if len(operands) != 1 or not re.fullmatch(r"[A-Za-z_.][\w.]*", operands[0]):
            raise self._refuse("a jump goes to a label")
        test = None
        if word in JUMPS:
            holds = JUMPS[word]

            def effect(_: Value, get: Get) -> Done:
                return Done(answer=holds(number(get(FLAGS))))

            self._uses(FLAGS)
            test = Action(
                LOCAL, word, (operands[0],), self.cell.text, self.cell.line, effect=effect
            )
        self.thread.nodes.append(Jump(operands[0], self.cell.line, test))

    def _sized(self, word: str, written: list[str], is_locked: bool) -> None:
        plain, bits = word, 0
        names = TWO | {*SINGLE}
        if word not in names and word[-1] in SIZES and word[:-1] in names:
            plain, bits = word[:-1], SIZES[word[-1]]
        if word not in names and word[-1:] in ("b", "w") and word[:-1] in names:
            raise self._refuse("8-bit and 16-bit accesses are not read")
        if word in NON_TEMPORAL or word.rstrip("lq") in NON_TEMPORAL:
            raise self._refuse(f"{word} is weaker than x86-TSO, and is not read")
        if plain not in names:
            raise self._refuse(f"the instruction {word} is not read")
        if len(written) != (1 if plain in SINGLE else 2):
            raise self._refuse(f"{word} has another number of operands")
        if any(map(STACK.match, written)) and not self._points("sp"):
            if not (is_locked and plain in ("add", "or") and any(map(ZERO.match, written))):
                raise self._refuse("the stack is not read, but for lock addl $0,(%rsp), a barrier")
            self._add(Action(FENCE, f"lock_{word}", tuple(written), self.cell.text, self.cell.line))
            return
        operands = [self._operand(each) for each in written]
        given = {each.bits for each in operands if each.bits} | ({bits} if bits else set())
        if len(given) > 1:
            raise self._refuse("its operands have different sizes")
        bits = given.pop() if given else 0
        target = operands[0 if self.is_destination_first or plain in SINGLE else -1]
        source = operands[-1 if self.is_destination_first else 0]
        if plain in ("xchg", "cmpxchg", "xadd") and source.kind == "memory" != target.kind:
            target, source = source, target
        memory = [each for each in operands if each.kind == "memory"]
        if len(memory) > 1:
            raise self._refuse("two operands in memory: an instruction has one")
        if target.kind == "number":
            raise self._refuse("its destination is a number")
        if plain in ("xchg", "cmpxchg", "xadd") and source.kind != "register":
            raise self._refuse(f"{word} takes a register")
        self._check_size(memory, bits)
        if is_locked and (not memory or target.kind != "memory" or plain in ("mov", "cmp", "test")):
            raise self._refuse("lock stands before an instruction that changes memory")
        self._do(word, plain, target, source, is_locked, bits or 32)

    def _do(
        self, word: str, plain: str, target: Operand, source: Operand, is_locked: bool, bits: int
    ) -> None:
        function = f"lock_{word}" if is_locked else word
        words = (target.words,) if plain in SINGLE else self._words(target, source)
        change = _change(plain, target, source, bits)
        if plain in ARITHMETIC or plain in SINGLE or plain in ("cmp", "test", "cmpxchg", "xadd"):
            self._uses(FLAGS)
        if plain == "cmpxchg":
            self._uses(self.name("eax", 0))
        make = (self.cell.text, self.cell.line)
        if target.kind == "memory":
            where = target.value
            if plain == "mov":
                self._add(Action(STORE, function, words, *make, where, change))
            elif plain in ("cmp", "test"):
                self._add(Action(LOAD, function, words, *make, where, change))
            elif is_locked or plain == "xchg":
                self._add(Action(LOCKED, function, words, *make, where, change))
            else:  # two accesses, and between them the other threads
                self._uses(FOUND)
                self._add(Action(LOAD, function, (*words, "load"), *make, where, _found))

                def later(_: Value, get: Get) -> Done:
                    return change(get(FOUND), get)

                self._add(Action(STORE, function, (*words, "store"), *make, where, later))
        elif source.kind == "memory" and plain not in SINGLE:

            def loaded(old: Value, get: Get) -> Done:
                return _into(plain, target, old, get, bits)

            self._add(Action(LOAD, function, words, *make, source.value, loaded))
        else:

            def local(_: Value, get: Get) -> Done:
                if plain in SINGLE:
                    done = change(target.value(get), get)
                    return Done(None, {**done.registers, target.register: done.new or 0})
                if plain in ("xchg", "cmpxchg", "xadd"):
                    done = change(target.value(get), get)
                    new = done.new if done.new is not None else target.value(get)
                    return Done(None, {target.register: new, **done.registers})
                return _into(plain, target, source.value(get), get, bits)

            self._add(Action(LOCAL, function, words, *make, effect=local))

    def _words(self, target: Operand, source: Operand) -> tuple[str, str]:
        pair = (target.words, source.words)
        return pair if self.is_destination_first else pair[::-1]

    def _points(self, base: str) -> bool:
        """Tell whether the thread gives a register a value of its own."""
        name = self.name(f"e{base}", self.cell.line)
        place = Place(self.thread.number, name)
        return place in self.parts.init or name in self.thread.registers

    def _add(self, action: Action) -> None:
        self.thread.nodes.append(action)

    def _uses(self, name: str) -> str:
        place = Place(self.thread.number, name)
        self.thread.registers.setdefault(name, self.parts.init.get(place, 0))
        return name

    def _check_size(self, memory: list[Operand], bits: int) -> None:
        for each in memory:
            name = each.register
            line, before = self.sizes.setdefault(name, (self.cell.line, bits))
            if name and bits and before and bits != before:
                raise self._refuse(
                    f"mixed sizes are not read: {name} is accessed with {bits} bits here and with "
                    f"{before} in line {line}"
                )

    def _operand(self, text: str) -> Operand:
        line = self.cell.line
        if found := re.fullmatch(r"\$?\s*(-?(?:0[xX][0-9a-fA-F]+|\d+))", text):
            value = integer(found[1], line)
            return Operand("number", text, lambda get: value)
        if found := re.fullmatch(rf"\$\s*({SYMBOL})", text):
            return Operand("number", text, self._location(found[1]))
        if found := re.fullmatch(rf"%?({SYMBOL})", text):
            if _register_of(found[1].lower(), line) is not None:
                name = self._uses(self.name(found[1], line))
                return Operand("register", text, _get(name), name, _bits(found[1].lower()))
            if text.startswith("%"):
                raise self._refuse(f"{text} is no register that is read")
            return Operand("memory", text, self._location(text), text)
        if found := ADDRESS.fullmatch(text):
            if found["rip"] or found["offset"]:
                name = found["rip"] or ""
                offset = found["offset"] or ""
                if not name and found["round"].strip("%").lower() == "rip":
                    name = offset
                elif not name and (not re.fullmatch(r"0|0x0+", offset)):
                    raise self._refuse("an address with an offset is not read")
                if name:
                    return Operand("memory", text, self._location(name), name)
            inside = (found["box"] or found["round"]).removeprefix("%")
            if _register_of(inside.lower(), line) is not None:
                return Operand("memory", text, _get(self._uses(self.name(inside, line))))
            return Operand("memory", text, self._location(inside), inside)
        raise self._refuse(f"the operand {quoted(text)} is not read")

    def _location(self, name: str) -> Expression:
        self.locations.setdefault(name)
        return lambda get: name


def _get(name: str) -> Expression:
    return lambda get: get(name)


def _found(old: Value, get: Get) -> Done:
    return Done(None, {FOUND: old}, old)


def _change(
    plain: str, target: Operand, source: Operand, bits: int
) -> Callable[[Value, Get], Done]:
    """Return what an instruction does to its destination, of which it finds a value."""

    def change(old: Value, get: Get) -> Done:
        if plain == "mov":
            value = source.value(get)
            return Done(value if isinstance(value, str) else wrapped(value, bits))
        if plain == "xchg":
            return Done(source.value(get), {source.register: old}, old)
        if plain == "cmpxchg":
            name = "EAX" if source.register.isupper() else "rax"
            flags = _difference(get(name), old)
            if flags == 0:
                return Done(source.value(get), {FLAGS: 0}, old)
            return Done(None, {FLAGS: flags, name: old}, old)
        if plain == "xadd":
            total = number(old) + number(source.value(get))
            registers: Mapping[str, Value] = {FLAGS: total, source.register: old}
            return Done(wrapped(total, bits), registers, old)
        if plain in ("cmp", "test"):
            return Done(None, {FLAGS: _flags(plain, old, source.value(get))}, old)
        sign, by = SINGLE[plain] if plain in SINGLE else (ARITHMETIC[plain], source.value(get))
        total = OPERATIONS[sign](number(old), number(by))
        return Done(wrapped(total, bits), {FLAGS: total}, wrapped(total, bits))

    return change


def _into(plain: str, target: Operand, value: Value, get: Get, bits: int) -> Done:
    """Return what an instruction does to a register, or to the flags, with a value."""
    if plain == "mov":
        new = value if isinstance(value, str) else wrapped(value, bits)
        return Done(None, {target.register: new}, new)
    if plain in ("cmp", "test"):
        return Done(None, {FLAGS: _flags(plain, target.value(get), value)}, value)
    total = OPERATIONS[ARITHMETIC[plain]](number(target.value(get)), number(value))
    return Done(None, {FLAGS: total, target.register: wrapped(total, bits)}, value)


def _flags(plain: str, left: Value, right: Value) -> int:
    if plain == "test":
        return number(left) & number(right)
    return _difference(left, right)


def _difference(left: Value, right: Value) -> int:
    """Return what a comparison leaves: 0 for equal values, and of addresses only that."""
    if isinstance(left, str) or isinstance(right, str):
        return int(left != right)
    return left - right
