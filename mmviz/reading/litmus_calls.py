"""The kernel's functions that a C litmus test may call, and what each does on x86.

Source: tools/memory-model/linux-kernel.def for the names; arch/x86/include/asm/barrier.h, atomic.h,
cmpxchg.h and spinlock.h, include/asm-generic/barrier.h, for what x86 makes of them.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mmviz.engine.text import quoted
from mmviz.reading.litmus_program import (
    FENCE,
    IS_LOCKED,
    LOAD,
    LOCK,
    LOCKED,
    NOTHING,
    OPERATIONS,
    RCU_BEGIN,
    RCU_END,
    RCU_LOCK,
    RCU_UNLOCK,
    STORE,
    TRYLOCK,
    UNLOCK,
    Done,
    number,
    wrapped,
)
from mmviz.reading.litmus_text import Value
from mmviz.reading.litmus_tokens import Unread

Effect = Callable[[Value, Sequence[Value]], Done]


class Call(NamedTuple):
    """A function.

    Attributes:
        kinds: its steps.
        takes: how many arguments it takes.
        at: which of them is the location.
        is_lvalue: whether it is written *x, and not x.
        answers: whether it returns something.
        effect: from what the location holds and the other arguments, what it does.
        is_plain: tells that it finds nothing to change, and so only loads.
        back: which of them is the address of a local variable, `&old`, into which it writes what
            it found where it answers 0; -1 for none.
    """

    kinds: tuple[str, ...]
    takes: int
    at: int = 0
    is_lvalue: bool = False
    answers: bool = False
    effect: Effect = lambda old, given: Done(answer=old)
    is_plain: Callable[[Value, Sequence[Value]], bool] | None = None
    back: int = -1


BARRIERS = {
    **dict.fromkeys(("smp_mb", "mb"), FENCE),
    **dict.fromkeys(("smp_wmb", "smp_rmb", "wmb", "rmb", "barrier", "dma_wmb", "dma_rmb"), NOTHING),
    **dict.fromkeys(("smp_mb__before_atomic", "smp_mb__after_atomic"), NOTHING),
    **dict.fromkeys(("smp_mb__after_spinlock", "smp_mb__after_unlock_lock"), NOTHING),
    **dict.fromkeys(("smp_read_barrier_depends", "smp_acquire__after_ctrl_dep"), NOTHING),
}
"""A full barrier waits for the store buffer; the others only keep the compiler from reordering."""

BITS = {"atomic": 32, "atomic64": 64, "atomic_long": 64}
"""A kind of atomic -> how many bits it has."""

WORD = 64  # bits of an unsigned long

SRCU = "SRCU is not read, and {} is a part of it: only RCU is"
RETIRED = {
    "READ_ONCE_NOCHECK": "READ_ONCE_NOCHECK() is not read: write READ_ONCE()",
    **{
        f"__{name}_bit": f"__{name}_bit() is not read: it is no single step; write {name}_bit()"
        for name in ("set", "clear", "change", "test_and_set", "test_and_clear")
    },
    "ACCESS_ONCE": "ACCESS_ONCE() is not read: write READ_ONCE() or WRITE_ONCE()",
    "call_rcu": "call_rcu() is not read: write a thread that calls synchronize_rcu()",
    "smp_cond_load_acquire": "smp_cond_load_acquire() is a loop, and loops are not read",
    "smp_cond_load_relaxed": "smp_cond_load_relaxed() is a loop, and loops are not read",
    "atomic_cond_read_acquire": "atomic_cond_read_acquire() is a loop, and loops are not read",
}
"""Names that people write, and why they are not read."""


def _store(old: Value, given: Sequence[Value]) -> Done:
    return Done(given[0])


def _exchange(old: Value, given: Sequence[Value]) -> Done:
    return Done(given[0], answer=old)


def _compare(old: Value, given: Sequence[Value]) -> Done:
    return Done(given[1] if old == given[0] else None, answer=old)


def _try_compare(old: Value, given: Sequence[Value]) -> Done:
    return Done(given[1] if old == given[0] else None, answer=int(old == given[0]))


def _bit(sign: str, answers: bool) -> Effect:
    """Return the effect of an operation on one bit of a word of 64.

    Args:
        sign: of the operation with the bit: "|", "&~", "^", or "" for none.
        answers: whether it answers what the bit was.
    """

    def effect(old: Value, given: Sequence[Value]) -> Done:
        which, word = number(given[0]), number(old)
        if not 0 <= which < WORD:
            raise Unread(f"bit {which} is not read: a location has the bits 0 to {WORD - 1}")
        bit = 1 << which
        new = wrapped(OPERATIONS[sign](word, bit), WORD) if sign else None
        return Done(new, answer=int(bool(word & bit)) if answers else None)

    return effect


def _bits() -> dict[str, Call]:
    """Return the operations on one bit, which take its number before the location."""
    locked = Call((LOCKED,), 2, 1)
    test = Call((LOAD,), 2, 1, answers=True, effect=_bit("", answers=True))
    made = {"test_bit": test, "test_bit_acquire": test}
    for name, sign in (("set", "|"), ("clear", "&~"), ("change", "^")):
        told = locked._replace(answers=True, effect=_bit(sign, answers=True))
        made[f"{name}_bit"] = locked._replace(effect=_bit(sign, answers=False))
        made[f"test_and_{name}_bit"] = told
    return made | {
        "test_and_set_bit_lock": made["test_and_set_bit"],
        "clear_bit_unlock": made["clear_bit"],
    }


def _unless(result: str, bits: int) -> Effect:
    """Return the effect of adding a number unless the value is another one.

    Args:
        result: "old", or "whether" it was added.
        bits: how many the atomic has.
    """

    def effect(old: Value, given: Sequence[Value]) -> Done:
        by, unless = given or (1, 0)
        new = None if old == unless else wrapped(number(old) + number(by), bits)
        return Done(new, answer=old if result == "old" else int(new is not None))

    return effect


def _if_positive(bits: int) -> Effect:
    """Return the effect of taking one away unless less than 0 is left; it answers what is left."""

    def effect(old: Value, given: Sequence[Value]) -> Done:
        left = wrapped(number(old) - 1, bits)
        return Done(None if left < 0 else left, answer=left)

    return effect


def _arithmetic(sign: str, result: str, amount: int | None, bits: int) -> Effect:
    """Return an operation's effect.

    Args:
        sign: of the operation.
        result: "old", "new", "zero", "negative", or "" for none.
        amount: what it adds; None where an argument says it.
        bits: how many the atomic has.
    """

    def effect(old: Value, given: Sequence[Value]) -> Done:
        by = number(given[0]) if amount is None else amount
        new = wrapped(OPERATIONS[sign](number(old), by), bits)
        answers = {
            "": None,
            "old": old,
            "new": new,
            "zero": int(new == 0),
            "negative": int(new < 0),
        }
        return Done(new, answer=answers[result])

    return effect


def _table() -> dict[str, Call]:
    load = Call((LOAD,), 1, answers=True)
    store = Call((STORE,), 2, effect=_store)
    exchange = Call((LOCKED,), 2, answers=True, effect=_exchange)
    compare = Call((LOCKED,), 3, answers=True, effect=_compare)
    made = {
        **dict.fromkeys(("READ_ONCE", "rcu_dereference"), load._replace(is_lvalue=True)),
        **dict.fromkeys(("WRITE_ONCE", "rcu_assign_pointer"), store._replace(is_lvalue=True)),
        "smp_load_acquire": load,
        "smp_store_release": store,
        "smp_store_mb": Call((LOCKED,), 2, is_lvalue=True, effect=_store),
        "spin_lock": Call((LOCK,), 1),
        "spin_unlock": Call((UNLOCK,), 1),
        "spin_trylock": Call(
            (TRYLOCK,), 1, answers=True, effect=lambda old, given: Done(answer=int(not old))
        ),
        "spin_is_locked": Call((IS_LOCKED,), 1, answers=True),
        "rcu_read_lock": Call((RCU_LOCK,), 0),
        "rcu_read_unlock": Call((RCU_UNLOCK,), 0),
        **dict.fromkeys(
            ("synchronize_rcu", "synchronize_rcu_expedited"), Call((RCU_BEGIN, RCU_END), 0)
        ),
    }
    made |= _bits()
    tried = compare._replace(effect=_try_compare, back=1)
    for end in ("", "_relaxed", "_acquire", "_release"):
        made |= {f"xchg{end}": exchange, f"cmpxchg{end}": compare, f"try_cmpxchg{end}": tried}
    for atomic in BITS:
        made |= {f"{atomic}_read": load, f"{atomic}_read_acquire": load}
        made |= {f"{atomic}_set": store, f"{atomic}_set_release": store}
        bits = BITS[atomic]
        made |= {
            f"{atomic}_add_unless": _conditional(3, _unless("whether", bits)),
            f"{atomic}_fetch_add_unless": _conditional(3, _unless("old", bits)),
            f"{atomic}_inc_not_zero": _conditional(1, _unless("whether", bits)),
            f"{atomic}_dec_if_positive": _conditional(1, _if_positive(bits)),
        }
        for end in ("", "_relaxed", "_acquire", "_release"):
            made |= {f"{atomic}_xchg{end}": exchange, f"{atomic}_cmpxchg{end}": compare}
            made[f"{atomic}_try_cmpxchg{end}"] = tried
            made |= _operations(atomic, end)
    return made


def _conditional(takes: int, effect: Effect) -> Call:
    """Return an operation that only loads where it finds nothing to change."""
    return Call(
        (LOCKED,),
        takes,
        answers=True,
        effect=effect,
        is_plain=lambda old, given: effect(old, given).new is None,
    )


def _operations(atomic: str, end: str) -> dict[str, Call]:
    """Return the arithmetic on one kind of atomic, with one kind of ordering."""
    made, bits = {}, BITS[atomic]
    signs = {"add": "+", "sub": "-", "and": "&", "or": "|", "xor": "^", "andnot": "&~"}
    forms = [(name, sign, None) for name, sign in signs.items()]
    for name, sign, amount in [*forms, ("inc", "+", 1), ("dec", "-", 1)]:
        at, count = (0, 1) if amount is not None else (1, 2)

        def call(
            result: str, sign: str = sign, amount: int | None = amount, at: int = at, n: int = count
        ) -> Call:
            effect = _arithmetic(sign, result, amount, bits)
            return Call((LOCKED,), n, at, answers=bool(result), effect=effect)

        made[f"{atomic}_fetch_{name}{end}"] = call("old")
        if sign in "+-":
            made[f"{atomic}_{name}_return{end}"] = call("new")
        if name == "add":
            made[f"{atomic}_add_negative{end}"] = call("negative")
        if not end:
            made[f"{atomic}_{name}"] = call("")
            if name in ("sub", "inc", "dec"):
                made[f"{atomic}_{name}_and_test"] = call("zero")
    return made


CALLS = _table() | {name: Call((kind,), 0) for name, kind in BARRIERS.items()}


def call_of(name: str) -> Call | None:
    """Return a function that is read; None for any other."""
    return CALLS.get(name)


def missing(name: str) -> str:
    """Return why a function is not read."""
    if re.match(r"(?:__)?srcu|synchronize_srcu|smp_mb__after_srcu", name):
        return SRCU.format(f"{name}()")
    if re.search(r"_explicit$|^atomic_(?:load|store|exchange|compare|thread_fence)", name):
        return f"{quoted(name)}: C11's atomics are not read, the kernel's are"
    close = difflib.get_close_matches(name[:60], CALLS, n=1, cutoff=0.8)
    hint = f"; did you mean {close[0]}()?" if close else ""
    return f"the function {quoted(name)} is not read{hint}"
