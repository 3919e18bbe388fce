"""Two abstract machines for litmus tests, written apart from the models of mmviz.

TSO is the machine of Owens, Sarkar, Sewell, A Better x86 Memory Model: x86-TSO, TPHOLs 2009, and of
Sewell and others, x86-TSO, CACM 53 (7), 2010: a buffer a thread, and a lock of the machine, which a
locked instruction holds from its read until its buffer is empty.  There are no shortcuts here: each
rule of the paper is a transition, and all orders are walked.
"""

from typing import NamedTuple

# operations of a thread
WRITE, READ, COPY, FENCE = "write", "read", "copy", "fence"
XCHG, INC, CMPXCHG = "xchg", "inc", "cmpxchg"
FETCH_ADD, ADD_RETURN, SUB_AND_TEST = "fetch_add", "add_return", "sub_and_test"
ADD_UNLESS = "add_unless"
LOCK, UNLOCK, SKIP = "lock", "unlock", "skip"
TRYLOCK, IS_LOCKED = "trylock", "is_locked"
OF_LOCKS = {LOCK, UNLOCK, TRYLOCK, IS_LOCKED}
LOADS = {READ, IS_LOCKED}
RETURNS = {XCHG, CMPXCHG, FETCH_ADD, ADD_RETURN, SUB_AND_TEST, ADD_UNLESS, TRYLOCK}


class Thread(NamedTuple):
    """A thread: its next operation, registers, buffer, and part of a locked instruction."""

    at: int
    registers: tuple
    buffer: tuple
    part: int = 0


class State(NamedTuple):
    threads: tuple
    memory: tuple
    holder: int = -1


def changed(pairs, name, value):
    return tuple((each, value if each == name else old) for each, old in pairs)


def finals(program, memory, model):
    """Return every final state: the registers of each thread, and memory.

    Args:
        program: for each thread a tuple of operations.
        memory: location -> first value.
        model: "sc" or "tso".
    """
    start = State(
        tuple(
            Thread(0, tuple((name, 0) for name in sorted(registers(each))), ()) for each in program
        ),
        tuple(sorted(memory.items())),
    )
    seen, waiting, found = {start}, [start], set()
    while waiting:
        state = waiting.pop()
        after = list(moves(program, state, model))
        if not after and all(
            thread.at == len(own) and not thread.buffer
            for thread, own in zip(state.threads, program, strict=True)
        ):
            found.add((tuple(thread.registers for thread in state.threads), state.memory))
        for each in after:
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return found


def registers(operations):
    """Yield the registers that a thread writes."""
    for operation, *rest in operations:
        if operation in LOADS | RETURNS:
            yield rest[-1]


def moves(program, state, model):
    for number, own in enumerate(program):
        thread = state.threads[number]
        is_blocked = state.holder not in (-1, number)
        if thread.buffer and not is_blocked:  # the oldest store reaches memory
            (place, value), *rest = thread.buffer
            moved = put(state, number, thread._replace(buffer=tuple(rest)))
            yield moved._replace(memory=changed(state.memory, place, value))
        if thread.at < len(own):
            yield from (sc if model == "sc" else tso)(state, number, thread, own[thread.at])


def put(state, number, thread):
    threads = state.threads
    return state._replace(threads=(*threads[:number], thread, *threads[number + 1 :]))


def new_value(operation, rest, old):
    """Return what a locked instruction stores; None for nothing."""
    if operation == XCHG:
        return rest[1]
    if operation == INC:
        return old + 1
    if operation in (FETCH_ADD, ADD_RETURN):
        return old + rest[1]
    if operation == SUB_AND_TEST:
        return old - rest[1]
    if operation == ADD_UNLESS:
        return None if old == rest[2] else old + rest[1]
    if operation in (LOCK, TRYLOCK):
        return None if old else 1
    return rest[2] if old == rest[1] else None


def returned(operation, rest, old):
    """Return what an operation gives its caller, as Documentation/atomic_t.txt has it."""
    match operation:
        case "add_return":
            return old + rest[1]
        case "sub_and_test":
            return int(old - rest[1] == 0)
        case "add_unless":
            return int(old != rest[2])
        case "trylock":
            return int(old == 0)
    return old


def finds_nothing(operation, rest, old):
    """Tell whether a load is all that x86 does: it never comes to the locked instruction."""
    return operation in (ADD_UNLESS, TRYLOCK) and new_value(operation, rest, old) is None


def sc(state, number, thread, operation):
    what, *rest = operation
    memory, on = dict(state.memory), thread._replace(at=thread.at + 1)
    if what == SKIP:
        register, value, count = rest
        if dict(thread.registers)[register] != value:
            on = on._replace(at=on.at + count)
    elif what in (WRITE, COPY, UNLOCK):
        value = 0 if what == UNLOCK else rest[1]
        value = dict(thread.registers)[value] if what == COPY else value
        state = state._replace(memory=changed(state.memory, rest[0], value))
    elif what in LOADS:
        on = on._replace(registers=changed(thread.registers, rest[1], memory[rest[0]]))
    elif what in RETURNS | {INC, LOCK}:
        old = memory[rest[0]]
        if what == LOCK and old:
            return
        value = new_value(what, rest, old)
        if value is not None:
            state = state._replace(memory=changed(state.memory, rest[0], value))
        if what in RETURNS:
            answer = returned(what, rest, old)
            on = on._replace(registers=changed(thread.registers, rest[-1], answer))
    yield put(state, number, on)


def seen(state, number, thread, place):
    """Return what a load finds: the newest store of its own buffer, or memory; None for a wait."""
    own = [value for each, value in thread.buffer if each == place]
    if own:
        return own[-1]
    return dict(state.memory)[place] if state.holder in (-1, number) else None


def tso(state, number, thread, operation):
    what, *rest = operation
    on = thread._replace(at=thread.at + 1)
    if what == SKIP:
        yield from sc(state, number, thread, operation)
    elif what in (WRITE, COPY, UNLOCK):
        value = 0 if what == UNLOCK else rest[1]
        value = dict(thread.registers)[value] if what == COPY else value
        yield put(state, number, on._replace(buffer=(*thread.buffer, (rest[0], value))))
    elif what in LOADS:
        value = seen(state, number, thread, rest[0])
        if value is not None:
            yield put(
                state, number, on._replace(registers=changed(thread.registers, rest[1], value))
            )
    elif what == FENCE:
        if not thread.buffer:
            yield put(state, number, on)
    elif thread.part == 0:  # take the lock of the machine
        if state.holder == -1 and not thread.buffer:
            yield put(state, number, thread._replace(part=1))._replace(holder=number)
        value = seen(state, number, thread, rest[0])
        if value is not None and finds_nothing(what, rest, value):
            answer = returned(what, rest, value)
            registers = changed(thread.registers, rest[-1], answer)
            yield put(state, number, on._replace(registers=registers))
    elif thread.part == 1:  # read, and put the new value into the buffer
        old = dict(state.memory)[rest[0]]
        if what == LOCK and old:  # it spins: the lock of the machine is free in between
            yield put(state, number, thread._replace(part=0))._replace(holder=-1)
            return
        value = new_value(what, rest, old)
        after = thread._replace(part=2)
        if value is not None:
            after = after._replace(buffer=(*thread.buffer, (rest[0], value)))
        if what in RETURNS:
            answer = returned(what, rest, old)
            after = after._replace(registers=changed(thread.registers, rest[-1], answer))
        yield put(state, number, after)
    elif not thread.buffer:  # release it
        yield put(state, number, on._replace(part=0))._replace(holder=-1)
