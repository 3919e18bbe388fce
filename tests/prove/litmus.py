"""Random litmus tests, judged by mmviz and by the machines of litmus_machine.py.

    python -m tests.prove.litmus [NUMBER [SEED]]

Each random program is written as an X86, an X86_64 and a C test where it can be, and every final
state has to be the same, registers and memory, under both memory models; each schedule has to
replay to its final state.  A difference ends with status 1.
"""

import random
import sys
import time

import mmviz
from tests.prove.litmus_machine import (
    ADD_RETURN,
    ADD_UNLESS,
    CMPXCHG,
    COPY,
    FENCE,
    FETCH_ADD,
    INC,
    IS_LOCKED,
    LOCK,
    OF_LOCKS,
    READ,
    SKIP,
    SUB_AND_TEST,
    TRYLOCK,
    UNLOCK,
    WRITE,
    XCHG,
    finals,
    registers,
)

PLACES = ("x", "y", "z")
NAMES = ("b", "c", "d", "si")  # rax is cmpxchg's
OF_C = [CMPXCHG, LOCK, TRYLOCK, TRYLOCK, IS_LOCKED, FETCH_ADD, ADD_RETURN, SUB_AND_TEST, ADD_UNLESS]
LANGUAGES = ("X86", "X86_64", "C")


def random_program(choose, language, counts=(2, 2, 2, 3, 3, 4)):
    """Return a program of so many threads as one of `counts` that the language can write."""
    count = choose.choice(counts)
    places = PLACES[: choose.choice((1, 2, 2, 2, 3))]
    return tuple(
        random_thread(choose, language, places, choose.randint(1, 5 - count // 2))
        for _ in range(count)
    )


def random_thread(choose, language, places, length):
    found, values = [], [1, 2, 3]
    free = list(NAMES)
    for _ in range(length):
        place = choose.choice(places)
        kinds = [WRITE] * 4 + [READ] * 4 + [FENCE, XCHG, INC]
        kinds += OF_C if language == "C" else [CMPXCHG, FETCH_ADD]
        known = [name for name in NAMES if name not in free]
        kinds += [COPY] if known else []
        kind = choose.choice(kinds)
        if kind in {READ, XCHG, *OF_C} - {LOCK} and not free:
            kind = WRITE
        value = choose.choice(values)
        match kind:
            case "read":
                found.append((READ, place, free.pop(0)))
                if choose.random() < 0.3:
                    found.append((SKIP, found[-1][2], choose.randint(0, 1), 1))
                    found.append((WRITE, choose.choice(places), value))
            case "xchg":
                found.append((XCHG, place, value, free.pop(0)))
            case "cmpxchg":
                found.append((CMPXCHG, place, choose.choice((0, 1)), value, free.pop(0)))
            case "copy":
                found.append((COPY, place, choose.choice(known)))
            case "fetch_add" | "add_return" | "sub_and_test":
                found.append((kind, place, value, free.pop(0)))
            case "add_unless":
                found.append((kind, place, value, choose.choice((0, 1, 2)), free.pop(0)))
            case "is_locked":
                found.append((kind, "l", free.pop(0)))
            case "trylock":
                taken = free.pop(0)
                found.append((TRYLOCK, "l", taken))
                found.append((SKIP, taken, 1, 2))
                found += [(WRITE, place, value), (UNLOCK, "l")]
            case "lock":
                found += [(LOCK, "l"), (WRITE, place, value), (UNLOCK, "l")]
            case "write" | "inc":
                found.append((WRITE, place, value) if kind == WRITE else (INC, place))
            case _:
                found.append((FENCE,))
    return tuple(found)


# -- written as a test ----------------------------------------------------------------------------


def written(program, language, places):
    """Return a program as a litmus test that asks for all registers and locations."""
    own = [sorted(set(registers(thread))) for thread in program]
    name = {"X86": lambda each: f"E{each}X".upper() if each != "si" else "ESI"}.get(
        language, lambda each: each
    )
    if language == "X86_64":
        name = lambda each: f"r{each}x" if each != "si" else "rsi"  # noqa: E731
    asked = [f"{k}:{name(each)}" for k, names in enumerate(own) for each in names]
    condition = f"locations [{'; '.join([*asked, *places])};]\nexists ({places[0]}=0)"
    if language == "C":
        has_lock = any(step[0] in OF_LOCKS for thread in program for step in thread)
        bodies = [c_thread(k, thread, places, has_lock) for k, thread in enumerate(program)]
        return "\n".join(["C random", "{}", *bodies, condition])
    columns = [x86_thread(thread, language, name) for thread in program]
    rows = max(map(len, columns))
    lines = [
        " | ".join(column[row] if row < len(column) else "" for column in columns) + " ;"
        for row in range(rows)
    ]
    heads = " | ".join(f"P{k}" for k in range(len(program))) + " ;"
    return "\n".join([f"{language} random", "{}", heads, *lines, condition])


def x86_thread(thread, language, name):
    rows, labels = [], {}
    is_intel = language == "X86"

    def two(word, target, source):
        pair = (target, source) if is_intel else (source, target)
        return f"{word if is_intel else word.lower() + 'l'} {','.join(pair)}"

    def register(each):
        return name(each) if is_intel else f"%e{name(each)[1:]}"

    def at(place):
        return f"[{place}]" if is_intel else f"({place})"

    def locked(word, place, each):
        return ("LOCK " if is_intel else "lock ") + two(word, at(place), each)

    for number, (what, *rest) in enumerate(thread):
        label = labels.pop(number, "")
        begin = len(rows)
        match what:
            case "write":
                rows.append(two("MOV", at(rest[0]), f"${rest[1]}"))
            case "copy":
                rows.append(two("MOV", at(rest[0]), register(rest[1])))
            case "read":
                rows.append(two("MOV", register(rest[1]), at(rest[0])))
            case "fence":
                rows.append("MFENCE" if is_intel else "mfence")
            case "xchg":
                rows.append(two("MOV", register(rest[2]), f"${rest[1]}"))
                rows.append(two("XCHG", register(rest[2]), at(rest[0])))
            case "fetch_add":
                rows.append(two("MOV", register(rest[2]), f"${rest[1]}"))
                rows.append(locked("XADD", rest[0], register(rest[2])))
            case "cmpxchg":
                accumulator = "EAX" if is_intel else "%eax"
                rows.append(two("MOV", accumulator, f"${rest[1]}"))
                rows.append(two("MOV", register(rest[3]), f"${rest[2]}"))
                rows.append(locked("CMPXCHG", rest[0], register(rest[3])))
                rows.append(two("MOV", register(rest[3]), accumulator))
            case "inc":
                rows.append(f"LOCK INC {at(rest[0])}" if is_intel else f"lock incl {at(rest[0])}")
            case "skip":
                rows.append(two("CMP", register(rest[0]), f"${rest[1]}"))
                labels[number + 1 + rest[2]] = f"L{number}"
                rows.append(f"{'JNE' if is_intel else 'jne'} L{number}")
        if label:
            rows[begin] = f"{label}: {rows[begin]}"
    rows += [f"{label}: nop" for label in labels.values()]
    return rows


def c_thread(number, thread, places, has_lock):
    lines, ends = [], []
    for at, (what, *rest) in enumerate(thread):
        lines += ["}"] * ends.count(at)
        match what:
            case "write":
                lines.append(f"WRITE_ONCE(*{rest[0]}, {rest[1]});")
            case "copy":
                lines.append(f"smp_store_release({rest[0]}, {rest[1]});")
            case "read":
                lines.append(f"int {rest[1]} = READ_ONCE(*{rest[0]});")
            case "fence":
                lines.append("smp_mb();")
            case "xchg":
                lines.append(f"int {rest[2]} = xchg({rest[0]}, {rest[1]});")
            case "cmpxchg":
                lines.append(f"int {rest[3]} = cmpxchg({rest[0]}, {rest[1]}, {rest[2]});")
            case "inc":
                lines.append(f"atomic_inc({rest[0]});")
            case "fetch_add" | "add_return":
                lines.append(f"int {rest[2]} = atomic_{what}({rest[1]}, {rest[0]});")
            case "sub_and_test":
                lines.append(f"int {rest[2]} = atomic_sub_and_test({rest[1]}, {rest[0]});")
            case "add_unless":
                place, value, unless, register = rest
                lines.append(f"int {register} = atomic_add_unless({place}, {value}, {unless});")
            case "trylock" | "is_locked":
                lines.append(f"int {rest[1]} = spin_{what}(l);")
            case "lock" | "unlock":
                lines.append(f"spin_{what}(l);")
            case "skip":
                lines.append(f"if ({rest[0]} == {rest[1]}) {{")
                ends.append(at + 1 + rest[2])
    lines += ["}"] * sum(end >= len(thread) for end in ends)
    given = [f"int *{place}" for place in places] + ["spinlock_t *l"] * has_lock
    return f"P{number}({', '.join(given)})\n{{\n" + "\n".join(lines) + "\n}"


# -- compared -------------------------------------------------------------------------------------


def difference(program, language, model):
    """Return how mmviz and the machine differ, "" where they agree."""
    places = sorted(
        {step[1] for thread in program for step in thread if len(step) > 1 and step[1] in PLACES}
    )
    if not places:
        return ""
    memory = dict.fromkeys(places, 0)
    if any(step[0] in OF_LOCKS for thread in program for step in thread):
        memory["l"] = 0
    text = written(program, language, places)
    test = mmviz.litmus(text, model)
    if test.refused.startswith("not decided"):
        return ""
    if test.refused:
        return f"refused in line {test.line}: {test.refused}\n{text}"
    expected = {
        (
            *(value for own in threads for _, value in own),
            *(value for name, value in held if name != "l"),
        )
        for threads, held in finals(program, memory, model)
    }
    order = [
        *(
            f"{k}:{name}"
            for k, thread in enumerate(program)
            for name in sorted(set(registers(thread)))
        ),
        *places,
    ]
    found = {values(each, order) for each in test.states}
    if found != expected:
        return f"{model}: too many {found - expected}, missing {expected - found}\n{text}"
    return replayed(test)


def values(state, order):
    """Return the values of a final state, in an order of places."""
    short = {}
    for name, value in state.items():
        thread, colon, register = name.partition(":")
        plain = register.lower()
        if colon and len(plain) == 3:
            plain = plain[1:].removesuffix("x")
        short[f"{thread}:{plain}" if colon else name] = value
    return tuple(short[name] for name in order)


def replayed(test):
    """Return a schedule that does not end in its final state, "" if all do."""
    for state in test.states[:2]:
        run = mmviz.replay(test.case, state.schedule)
        if not run.finished or ("condition_holds" in run.frames[-1].violated) != state.holds:
            return f"the schedule {state.schedule} does not end in {state}"
    return ""


def main(count, seed):
    choose, since, states = random.Random(seed), time.monotonic(), 0
    for number in range(count):
        language = LANGUAGES[number % len(LANGUAGES)]
        program = random_program(choose, language)
        for model in ("tso", "sc"):
            if wrong := difference(program, language, model):
                print(f"litmus test {number} of seed {seed}: {wrong}")
                return 1
            states += 1
    seconds = time.monotonic() - since
    print(f"{count:,} random litmus tests, {states:,} answers, all the same; {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [3_000, 1][len(given) :])))
