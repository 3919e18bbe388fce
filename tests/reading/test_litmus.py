"""Litmus tests: the classics with the verdicts of the literature, the grammar, and the refusals.

Verdicts under x86-TSO: Sewell, Sarkar, Owens, Nardelli, Myreen, x86-TSO, CACM 53 (7), 2010 (SB, n6
as n6, IRIW as amd6, MP and LB as Intel's examples 8-1 and 8-2); Alglave, Maranget, Tautschnig,
Herding Cats, TOPLAS 36 (2), 2014, for R, S, 2+2W, WRC, RWC, WWC, ISA2 and the names.  Verdicts of
the kernel's memory model: Alglave, Maranget, McKenney, Parri, Stern, Frightening Small Children and
Disconcerting Grown-ups, ASPLOS 2018; tools/memory-model/Documentation/litmus-tests.txt.  The texts
are written here.
"""

import itertools
import json
import random
import time

import pytest

import mmviz
from mmviz.cli import main
from mmviz.engine import MmvizError, Verdict
from mmviz.widgets.brought import player
from tests.prove.litmus import LANGUAGES, difference, random_program
from tests.prove.litmus_machine import FENCE, READ, WRITE

NEVER, SOMETIMES, ALWAYS = "Never", "Sometimes", "Always"


def x86_64(threads, condition, init=""):
    """Return a test: threads are columns of rows, "W x 1", "R x a", "F" or an instruction."""
    columns = [[_instruction(row) for row in column.split("; ")] for column in threads]
    rows = itertools.zip_longest(*columns, fillvalue="")
    body = "\n".join(" | ".join(row) + " ;" for row in rows)
    heads = " | ".join(f"P{k}" for k in range(len(threads))) + " ;"
    return f"X86_64 test\n{{{init}}}\n{heads}\n{body}\n{condition}\n"


def _instruction(row):
    match row.split():
        case ["W", place, value]:
            return f"movl ${value},({place})"
        case ["R", place, register]:
            return f"movl ({place}),%e{register}x"
        case ["F"]:
            return "mfence"
    return row


X86 = {
    # name: (threads, condition, under x86-TSO); under sequential consistency each is Never
    "SB": (["W x 1; R y a", "W y 1; R x a"], "0:rax=0 /\\ 1:rax=0", SOMETIMES),
    "SB+mfence+po": (["W x 1; F; R y a", "W y 1; R x a"], "0:rax=0 /\\ 1:rax=0", SOMETIMES),
    "SB+mfences": (["W x 1; F; R y a", "W y 1; F; R x a"], "0:rax=0 /\\ 1:rax=0", NEVER),
    "SB+xchgs": (
        ["movl $1,%ebx; xchgl %ebx,(x); R y a", "movl $1,%ebx; xchgl %ebx,(y); R x a"],
        "0:rax=0 /\\ 1:rax=0",
        NEVER,
    ),
    "SB+locked": (
        ["W x 1; lock incl (z); R y a", "W y 1; lock incl (z); R x a"],
        "0:rax=0 /\\ 1:rax=0",
        NEVER,
    ),
    "SB+sfences": (
        ["W x 1; sfence; R y a", "W y 1; sfence; R x a"],
        "0:rax=0 /\\ 1:rax=0",
        SOMETIMES,
    ),
    "MP": (["W x 1; W y 1", "R y a; R x b"], "1:rax=1 /\\ 1:rbx=0", NEVER),
    "LB": (["R x a; W y 1", "R y a; W x 1"], "0:rax=1 /\\ 1:rax=1", NEVER),
    "R": (["W x 1; W y 1", "W y 2; R x a"], "y=2 /\\ 1:rax=0", SOMETIMES),
    "R+po+mfence": (["W x 1; W y 1", "W y 2; F; R x a"], "y=2 /\\ 1:rax=0", NEVER),
    "S": (["W x 2; W y 1", "R y a; W x 1"], "x=2 /\\ 1:rax=1", NEVER),
    "2+2W": (["W x 2; W y 1", "W y 2; W x 1"], "x=2 /\\ y=2", NEVER),
    "CoRR": (["W x 1", "R x a; R x b"], "1:rax=1 /\\ 1:rbx=0", NEVER),
    "CoRR2": (
        ["W x 1", "W x 2", "R x a; R x b", "R x a; R x b"],
        "2:rax=1 /\\ 2:rbx=2 /\\ 3:rax=2 /\\ 3:rbx=1",
        NEVER,
    ),
    "CoWW": (["W x 1; W x 2"], "x=1", NEVER),
    "WRC": (["W x 1", "R x a; W y 1", "R y a; R x b"], "1:rax=1 /\\ 2:rax=1 /\\ 2:rbx=0", NEVER),
    "RWC": (
        ["W x 1", "R x a; R y b", "W y 1; R x a"],
        "1:rax=1 /\\ 1:rbx=0 /\\ 2:rax=0",
        SOMETIMES,
    ),
    "RWC+po+mfence": (
        ["W x 1", "R x a; R y b", "W y 1; F; R x a"],
        "1:rax=1 /\\ 1:rbx=0 /\\ 2:rax=0",
        NEVER,
    ),
    "WWC": (["W x 2", "R x a; W y 1", "R y a; W x 1"], "x=2 /\\ 1:rax=2 /\\ 2:rax=1", NEVER),
    "ISA2": (
        ["W x 1; W y 1", "R y a; W z 1", "R z a; R x b"],
        "1:rax=1 /\\ 2:rax=1 /\\ 2:rbx=0",
        NEVER,
    ),
    "IRIW": (
        ["W x 1", "W y 1", "R x a; R y b", "R y a; R x b"],
        "2:rax=1 /\\ 2:rbx=0 /\\ 3:rax=1 /\\ 3:rbx=0",
        NEVER,
    ),
    "n6": (["W x 1; R x a; R y b", "W y 2; W x 2"], "x=1 /\\ 0:rax=1 /\\ 0:rbx=0", SOMETIMES),
    "two plain increments": (["incl (x)", "incl (x)"], "x=1", SOMETIMES),
    "two locked increments": (["lock incl (x)", "lock incl (x)"], "x=1", NEVER),
    "two exchanges": (
        ["movl $1,%eax; xchgl (x),%eax", "movl $1,%eax; xchgl (x),%eax"],
        "0:rax=0 /\\ 1:rax=0",
        NEVER,
    ),
}


@pytest.mark.parametrize("name", X86)
def test_x86_classics_have_the_verdicts_of_the_literature(name):
    threads, condition, expected = X86[name]
    text = x86_64(threads, f"exists ({condition})")
    test = mmviz.litmus(text)
    assert (test.refused, test.observation) == ("", expected)
    assert test.holds == (expected != NEVER)
    if name != "two plain increments":
        assert mmviz.litmus(text, model="sc").observation == NEVER


def test_a_mistaken_forbidden_says_so():
    test = mmviz.litmus(x86_64(X86["SB"][0], "~exists (0:rax=0 /\\ 1:rax=0)"))
    assert (test.holds, test.observation, test.positive, test.negative) == (False, SOMETIMES, 1, 3)
    assert "It is allowed, and the test says it is not" in test.headline
    assert "Test test Forbidden" in str(test)


def test_every_schedule_ends_in_its_state_and_the_stage_judges_alike():
    test = mmviz.litmus(x86_64(X86["R"][0], "exists (y=2 /\\ 1:rax=0)"))
    for state in test.states:
        run = mmviz.replay(test.case, state.schedule)
        world = run.frames[-1]
        assert run.finished
        assert ("condition_holds" in world.violated) == state.holds
    report = mmviz.explore(test.case)
    assert report.verdicts["condition_holds"] == Verdict.SOMETIMES
    assert test.case.memory_model == "x86-TSO, total store order"
    assert mmviz.replay(test.case, test.schedule).finished


def test_a_schedule_is_as_short_as_any():
    test = mmviz.litmus(x86_64(X86["SB"][0], "exists (0:rax=0 /\\ 1:rax=0)"))
    shortest = mmviz.explore(test.case).counterexamples["condition_holds"].shortest
    assert len(test.schedule) == len(shortest)


# -- C --------------------------------------------------------------------------------------------


def c(threads, condition, init="", types=()):
    """Return a C test; `types` gives the type of what is no int."""
    types = dict(types)
    names = ["x", "y", "z", "p", "l", "v"]
    given = ", ".join(f"{types.get(name, 'int')} *{name}" for name in names)
    bodies = [f"P{k}({given})\n{{\n{body}\n}}" for k, body in enumerate(threads)]
    return "\n".join(["C test", f"{{ {init} }}", *bodies, condition, ""])


R, W = "int r{} = READ_ONCE(*{});".format, "WRITE_ONCE(*{}, {});".format
LOCK = {"l": "spinlock_t"}
MP_READER = R(0, "y") + R(1, "x")
C_TESTS = {
    # name: (threads, condition, under x86-TSO, of the kernel's memory model)
    "SB": (
        [W("x", 1) + R(0, "y"), W("y", 1) + R(0, "x")],
        "0:r0=0 /\\ 1:r0=0",
        SOMETIMES,
        SOMETIMES,
    ),
    "SB+mbs": (
        [W("x", 1) + "smp_mb();" + R(0, "y"), W("y", 1) + "smp_mb();" + R(0, "x")],
        "0:r0=0 /\\ 1:r0=0",
        NEVER,
        NEVER,
    ),
    "SB+store_mb": (
        ["smp_store_mb(*x, 1);" + R(0, "y"), "smp_store_mb(*y, 1);" + R(0, "x")],
        "0:r0=0 /\\ 1:r0=0",
        NEVER,
        NEVER,
    ),
    "SB+release+acquire": (
        [
            "smp_store_release(x, 1); int r0 = smp_load_acquire(y);",
            "smp_store_release(y, 1); int r0 = smp_load_acquire(x);",
        ],
        "0:r0=0 /\\ 1:r0=0",
        SOMETIMES,
        SOMETIMES,
    ),
    "SB+atomic_inc": (
        [W("x", 1) + "atomic_inc(v);" + R(0, "y"), W("y", 1) + "atomic_inc(v);" + R(0, "x")],
        "0:r0=0 /\\ 1:r0=0",
        NEVER,  # locked instructions, which LKMM does not promise
        SOMETIMES,
    ),
    "MP": ([W("x", 1) + W("y", 1), MP_READER], "1:r0=1 /\\ 1:r1=0", NEVER, SOMETIMES),
    "MP+wmb+rmb": (
        [
            W("x", 1) + "smp_wmb();" + W("y", 1),
            R(0, "y") + "smp_rmb();" + R(1, "x"),
        ],
        "1:r0=1 /\\ 1:r1=0",
        NEVER,
        NEVER,
    ),
    "MP+locks": (
        [
            W("x", 1) + "spin_lock(l);" + W("y", 1) + "spin_unlock(l);",
            "spin_lock(l);" + R(0, "y") + "spin_unlock(l);" + R(1, "x"),
        ],
        "1:r0=1 /\\ 1:r1=0",
        NEVER,
        NEVER,
    ),
    "unlock does not wait for the buffer": (
        [
            "spin_lock(l);" + W("x", 1) + "spin_unlock(l);" + R(0, "y"),
            W("y", 1) + "smp_mb();" + R(0, "x"),
        ],
        "0:r0=0 /\\ 1:r0=0",
        SOMETIMES,
        SOMETIMES,
    ),
    "what a lock protects": (
        [
            "spin_lock(l);" + R(0, "x") + "WRITE_ONCE(*x, r0 + 1); spin_unlock(l);",
            "spin_lock(l);" + R(0, "x") + "WRITE_ONCE(*x, r0 + 1); spin_unlock(l);",
        ],
        "~(x=2)",
        NEVER,
        NEVER,
    ),
    "two trylocks": (
        ["int r0 = spin_trylock(l);", "int r0 = spin_trylock(l);"],
        "0:r0=1 /\\ 1:r0=1",
        NEVER,
        NEVER,
    ),
    "two trylocks fail": (
        ["int r0 = spin_trylock(l);", "int r0 = spin_trylock(l);"],
        "0:r0=0 /\\ 1:r0=0",
        NEVER,
        NEVER,
    ),
    "what a trylock protects": (
        2 * ["if (spin_trylock(l)) {" + R(0, "x") + "WRITE_ONCE(*x, r0 + 1); spin_unlock(l);}"],
        "x=0",
        NEVER,
        NEVER,
    ),
    "LB+ctrl": (
        [R(0, "x") + "if (r0)" + W("y", 1), R(0, "y") + "smp_mb();" + W("x", 1)],
        "0:r0=1 /\\ 1:r0=1",
        NEVER,
        NEVER,
    ),
    "cmpxchg takes one": (
        ["int r0 = cmpxchg(x, 0, 1);", "int r0 = cmpxchg(x, 0, 2);"],
        "0:r0=0 /\\ 1:r0=0",
        NEVER,
        NEVER,
    ),
    "add_unless": (
        ["int r0 = atomic_add_unless(v, 1, 0);", "atomic_set(v, 3);"],
        "v=4",
        SOMETIMES,
        SOMETIMES,
    ),
    "RCU reader sees both": (
        [
            "rcu_read_lock();" + W("x", 1) + W("y", 1) + "rcu_read_unlock();",
            R(0, "x") + "synchronize_rcu();" + R(1, "y"),
        ],
        "1:r0=1 /\\ 1:r1=0",
        NEVER,
        NEVER,
    ),
    "RCU reader sees neither": (
        [
            "rcu_read_lock();" + R(0, "x") + R(1, "y") + "rcu_read_unlock();",
            W("y", 1) + "synchronize_rcu();" + W("x", 1),
        ],
        "0:r0=1 /\\ 0:r1=0",
        NEVER,
        NEVER,
    ),
    "RCU reader reads late first": (
        [
            "rcu_read_lock();" + R(0, "y") + R(1, "x") + "rcu_read_unlock();",
            W("y", 1) + "synchronize_rcu();" + W("x", 1),
        ],
        "0:r0=0 /\\ 0:r1=1",
        NEVER,
        NEVER,
    ),
    "RCU without a grace period": (
        [
            "rcu_read_lock();" + R(0, "y") + R(1, "x") + "rcu_read_unlock();",
            W("y", 1) + W("x", 1),
        ],
        "0:r0=0 /\\ 0:r1=1",
        SOMETIMES,
        SOMETIMES,
    ),
    "two sections, one grace period": (
        [
            "rcu_read_lock();" + R(0, "y") + "rcu_read_unlock(); rcu_read_lock();" + R(1, "x")
            + "rcu_read_unlock();",
            W("y", 1) + "synchronize_rcu();" + W("x", 1),
        ],
        "0:r0=0 /\\ 0:r1=1",
        SOMETIMES,
        SOMETIMES,
    ),
    "nested sections are one": (
        [
            "rcu_read_lock(); rcu_read_lock();" + R(0, "y") + "rcu_read_unlock();" + R(1, "x")
            + "rcu_read_unlock();",
            W("y", 1) + "synchronize_rcu();" + W("x", 1),
        ],
        "0:r0=0 /\\ 0:r1=1",
        NEVER,
        NEVER,
    ),
    "a section that follows another is no barrier": (
        [
            "rcu_read_lock();" + W("x", 1) + "rcu_read_unlock(); rcu_read_lock();" + R(0, "y")
            + "rcu_read_unlock();",
            "rcu_read_lock();" + W("y", 1) + "rcu_read_unlock(); rcu_read_lock();" + R(0, "x")
            + "rcu_read_unlock();",
        ],
        "0:r0=0 /\\ 1:r0=0",
        SOMETIMES,
        SOMETIMES,
    ),
}  # fmt: skip
TYPED = LOCK | {"v": "atomic_t"}


@pytest.mark.parametrize("name", C_TESTS)
def test_c_tests_stay_within_the_kernels_memory_model(name):
    threads, condition, expected, lkmm = C_TESTS[name]
    text = c(threads, f"exists ({condition})", types=TYPED)
    init = "atomic_t v = ATOMIC_INIT(1);" if name == "add_unless" else ""
    text = text.replace("{  }", f"{{ {init} }}")
    test = mmviz.litmus(text)
    assert (test.refused, test.observation) == ("", expected)
    assert lkmm == SOMETIMES or test.observation == NEVER
    assert "not under the kernel's memory model (LKMM)" in " ".join(test.notes)
    assert mmviz.litmus(text, "sc").positive <= test.positive


POINTERS = """C publish
{ int x = 1; int z = 5; int *p = &x; }

P0(int **p, int *z)
{
	WRITE_ONCE(*z, 7);
	rcu_assign_pointer(*p, z);
}

P1(int **p)
{
	int *r0;
	int r1;

	r0 = rcu_dereference(*p);
	r1 = READ_ONCE(*r0);
}
"""


def test_pointers_are_addresses_of_locations():
    test = mmviz.litmus(POINTERS + "exists (1:r0=z /\\ 1:r1=5)")
    assert [dict(each) for each in test.states] == [
        {"1:r0": "x", "1:r1": 1},
        {"1:r0": "z", "1:r1": 7},
    ]
    assert test.observation == NEVER
    assert mmviz.litmus(POINTERS + "exists (1:r0=x)").observation == SOMETIMES


def test_an_address_dependency_that_leads_to_the_same_place_is_read():
    reader = "int r0 = READ_ONCE(*y); int r1 = READ_ONCE(*(x + (r0 ^ r0)));"
    test = mmviz.litmus(c([W("x", 1) + W("y", 1), reader], "exists (1:r0=1 /\\ 1:r1=0)"))
    assert (test.refused, test.observation) == ("", NEVER)


def test_both_sides_of_and_are_read_only_if_need_be():
    body = "if (READ_ONCE(*x) == 0 || READ_ONCE(*y) == 0) r0 = 1; else r0 = 2;"
    test = mmviz.litmus(c([f"int r0; {body}", W("y", 1)], "exists (0:r0=1)", "y = 1;"))
    assert [dict(each) for each in test.states] == [{"0:r0": 1}]
    run = mmviz.replay(test.case, test.schedule)
    labels = [frame.label for frame in run.frames[1:] if frame.actor == "P0"]
    assert labels[0] == "READ_ONCE(*x)"
    assert "READ_ONCE(*y)" not in labels


ARITHMETIC = {
    "r0 = 1 + 2 * 3;": 7,
    "r0 = (1 + 2) * 3;": 9,
    "r0 = 7 & 3 ^ 1;": 2,
    "r0 = 1 << 3 | 1;": 9,
    "r0 = !5 + ~0;": -1,
    "r0 = 3; r0 += 2; r0 -= 1; r0++;": 5,
    "r0 = 5 == 5 && 3 > 4;": 0,
    "r0 = 5 != 5 || 3 <= 4;": 1,
    "if (0) r0 = 1; else if (2) r0 = 2; else r0 = 3;": 2,
    "if (1) { if (0) { r0 = 1; } } else r0 = 2;": 0,
    "r0 = atomic_add_return(5, v);": 6,
    "r0 = atomic_fetch_sub(5, v); r0 = atomic_read(v);": -4,
    "r0 = atomic_dec_and_test(v);": 1,
    "r0 = xchg(x, 4) + READ_ONCE(*x);": 4,
    "(void)xchg_release(x, 4); r0 = *x;": 4,
    "r0 = READ_ONCE(*x) ? 1 : 2;": None,
    "return; r0 = 1;": 0,
    "if (*x) r0 = 1; else r0 = 2;": 2,
    "if (!*x && !(*y)) r0 = 1; else r0 = 2;": 1,
    "while_ = 4; r0 = while_;": 4,
}


@pytest.mark.parametrize("code", ARITHMETIC)
def test_c_expressions_are_evaluated_as_c_does(code):
    types = {"v": "atomic_t"}
    test = mmviz.litmus(c([f"int r0; {code}"], "exists (0:r0=0)", "v = 1;", types))
    if ARITHMETIC[code] is None:
        assert test.refused
    else:
        assert (test.refused, [each["0:r0"] for each in test.states]) == ("", [ARITHMETIC[code]])


RESULTS = {
    # expression of the kernel -> (first value, what it returns, what is left)
    "xchg(x, 5)": (3, 3, 5),
    "xchg_acquire(x, 5)": (3, 3, 5),
    "cmpxchg(x, 3, 5)": (3, 3, 5),
    "cmpxchg(x, 4, 5)": (3, 3, 3),
    "cmpxchg_release(x, 4, 5)": (3, 3, 3),
    "atomic_xchg(v, 5)": (3, 3, 5),
    "atomic_cmpxchg(v, 3, 5)": (3, 3, 5),
    "atomic_cmpxchg(v, 4, 5)": (3, 3, 3),
    "atomic_read(v)": (3, 3, 3),
    "atomic_read_acquire(v)": (3, 3, 3),
    "READ_ONCE(*x)": (3, 3, 3),
    "smp_load_acquire(x)": (3, 3, 3),
    "rcu_dereference(*x)": (3, 3, 3),
    "atomic_add_return(2, v)": (3, 5, 5),
    "atomic_sub_return(2, v)": (3, 1, 1),
    "atomic_inc_return(v)": (3, 4, 4),
    "atomic_dec_return(v)": (3, 2, 2),
    "atomic_add_return_relaxed(2, v)": (3, 5, 5),
    "atomic_fetch_add(2, v)": (3, 3, 5),
    "atomic_fetch_sub(2, v)": (3, 3, 1),
    "atomic_fetch_inc(v)": (3, 3, 4),
    "atomic_fetch_dec(v)": (3, 3, 2),
    "atomic_fetch_and(6, v)": (3, 3, 2),
    "atomic_fetch_or(4, v)": (3, 3, 7),
    "atomic_fetch_xor(6, v)": (3, 3, 5),
    "atomic_fetch_andnot(2, v)": (3, 3, 1),
    "atomic_fetch_add_release(2, v)": (3, 3, 5),
    "atomic_sub_and_test(3, v)": (3, 1, 0),
    "atomic_sub_and_test(2, v)": (3, 0, 1),
    "atomic_dec_and_test(v)": (1, 1, 0),
    "atomic_dec_and_test(v) + 0": (2, 0, 1),
    "atomic_inc_and_test(v)": (-1, 1, 0),
    "atomic_inc_and_test(v) + 0": (0, 0, 1),
    "atomic_add_negative(-4, v)": (3, 1, -1),
    "atomic_add_negative(-3, v)": (3, 0, 0),
    "atomic_add_unless(v, 2, 3)": (3, 0, 3),
    "atomic_add_unless(v, 2, 4)": (3, 1, 5),
    "atomic_fetch_add_unless(v, 2, 3)": (3, 3, 3),
    "atomic_fetch_add_unless(v, 2, 4)": (3, 3, 5),
    "atomic_inc_not_zero(v)": (3, 1, 4),
    "atomic_inc_not_zero(v) + 0": (0, 0, 0),
    "atomic_dec_if_positive(v)": (3, 2, 2),
    "atomic_dec_if_positive(v) + 0": (0, -1, 0),
    "atomic_inc_return(v) + 0": (2**31 - 1, -(2**31), -(2**31)),
    "atomic64_inc_return(v)": (2**31 - 1, 2**31, 2**31),
    "atomic_long_add_unless(v, 1, 0)": (2**31 - 1, 1, 2**31),
    "test_bit(1, x)": (2, 1, 2),
    "test_bit(0, x)": (2, 0, 2),
    "test_bit_acquire(63, x)": (-1, 1, -1),
    "test_and_set_bit(2, x)": (3, 0, 7),
    "test_and_set_bit(1, x)": (3, 1, 3),
    "test_and_set_bit_lock(63, x)": (0, 0, -(2**63)),
    "test_and_clear_bit(1, x)": (3, 1, 1),
    "test_and_clear_bit(2, x)": (3, 0, 3),
    "test_and_change_bit(0, x)": (3, 1, 2),
    "spin_trylock(l)": (0, 1, 0),
    "!spin_trylock(l)": (0, 0, 0),
    "spin_is_locked(l)": (0, 0, 0),
}


@pytest.mark.parametrize("model", ["tso", "sc"])
@pytest.mark.parametrize("call", RESULTS)
def test_what_a_function_returns_is_what_the_kernel_returns(call, model):
    first, answer, left = RESULTS[call]
    place = "x" if "x)" in call or "x," in call else "v"
    text = c([f"int r0 = {call};"], f"exists (0:r0={answer})", f"{place} = {first};", TYPED)
    test = mmviz.litmus(text.replace("exists", f"locations [{place};] exists"), model)
    assert test.refused == ""
    assert [dict(each) for each in test.states] == [{"0:r0": answer, place: left}]


TAKEN = {
    # what one thread does -> what y is then
    "if (spin_trylock(l)) WRITE_ONCE(*y, 1); else WRITE_ONCE(*y, 2);": 1,
    "if (!spin_trylock(l)) WRITE_ONCE(*y, 1); else WRITE_ONCE(*y, 2);": 2,
    "spin_lock(l); int r0 = spin_trylock(l); WRITE_ONCE(*y, r0 + 5);": 5,
    "spin_lock(l); int r0 = spin_is_locked(l); WRITE_ONCE(*y, r0 + 5);": 6,
    "spin_lock(l); spin_unlock(l); int r0 = spin_trylock(l); WRITE_ONCE(*y, r0 + 5);": 6,
    "spin_lock(l); spin_unlock(l); int r0 = spin_is_locked(l); WRITE_ONCE(*y, r0 + 5);": 5,
    "if (atomic_dec_and_test(v)) WRITE_ONCE(*y, 1); else WRITE_ONCE(*y, 2);": 2,
    "if (cmpxchg(x, 0, 1) == 0) WRITE_ONCE(*y, 1); else WRITE_ONCE(*y, 2);": 1,
    "set_bit(3, x); clear_bit(0, x); change_bit(1, x); WRITE_ONCE(*y, READ_ONCE(*x));": 10,
    "set_bit(3, x); clear_bit_unlock(3, x); WRITE_ONCE(*y, READ_ONCE(*x) + 1);": 1,
    "int r0 = 0; if (try_cmpxchg(x, &r0, 1)) WRITE_ONCE(*y, r0 + 5);": 5,
    "int r0 = 2; if (try_cmpxchg(x, &r0, 1)) WRITE_ONCE(*y, 1); else WRITE_ONCE(*y, r0 + 3);": 3,
    "int r0 = 2; int r1 = !try_cmpxchg_release(x, &r0, 1); WRITE_ONCE(*y, 10 * r0 + r1);": 1,
    "int r0 = 2; if (!atomic_try_cmpxchg(v, &r0, 7)) atomic_try_cmpxchg_acquire(v, &r0, 7);"
    " WRITE_ONCE(*y, r0 + 10 * atomic_read(v));": 70,
    "if (atomic_add_unless(v, 1, 0)) WRITE_ONCE(*y, 1); else WRITE_ONCE(*y, 2);": 2,
}


@pytest.mark.parametrize("code", TAKEN)
def test_the_way_that_a_result_leads_is_taken(code):
    test = mmviz.litmus(c([code], "locations [y;] exists (y=0)", types=TYPED))
    assert (test.refused, [each["y"] for each in test.states]) == ("", [TAKEN[code]])


ASSEMBLY = {
    "movl $3,%eax; addl $4,%eax": 7,
    "movl $3,%eax; subl $4,%eax": -1,
    "movl $3,%eax; andl $6,%eax; orl $8,%eax; xorl $1,%eax": 11,
    "movl $3,%ebx; xaddl %ebx,(x); movl (x),%eax": 3,
    "movl $0,%eax; movl $7,%ebx; lock cmpxchgl %ebx,(x); movl (x),%eax": 7,
    "movl $1,%eax; movl $7,%ebx; lock cmpxchgl %ebx,(x); movl (x),%ebx": 0,
    "movl $1,(x); cmpl $1,(x); jne L; movl $5,%eax; L: nop": 5,
    "movl $2,%ebx; decl %ebx; cmpl $1,%ebx; je L; movl $5,%eax; L: movl (x),%ecx": 0,
    "movl $1,%ebx; cmpl $2,%ebx; jg L; movl $5,%eax; L:": 5,
    "movq x@GOTPCREL(%rip),%rax": None,
    "movl x(%rip),%eax; incl %eax": 1,
    "movl $x,%eax": "x",
    "jmp L; movl $1,%eax; L: ret": 0,
}


@pytest.mark.parametrize("code", ASSEMBLY)
def test_instructions_do_what_the_manual_says(code):
    test = mmviz.litmus(x86_64([code], "locations [0:rax;]"))
    if ASSEMBLY[code] is None:
        assert test.refused
    else:
        assert (test.refused, [each["0:rax"] for each in test.states]) == ("", [ASSEMBLY[code]])


BARRIER = ["lock addl $0,(%rsp)", "lock; addl $0,-4(%rsp)", "lock orq $0x0,0(%rsp)"]


@pytest.mark.parametrize("barrier", BARRIER)
def test_a_locked_change_of_nothing_on_the_stack_is_a_full_barrier(barrier):
    threads = [f"W x 1; {barrier}; R y a".replace("lock; ", "lock "), "W y 1; F; R x a"]
    test = mmviz.litmus(x86_64(threads, "exists (0:rax=0 /\\ 1:rax=0)"))
    assert (test.refused, test.observation) == ("", NEVER)
    intel = (
        "X86 SB\n{}\nP0 | P1 ;\nMOV [x],$1 | MOV [y],$1 ;\nLOCK ADD [ESP],$0 | MFENCE ;\n"
        "MOV EAX,[y] | MOV EAX,[x] ;\nexists (0:EAX=0 /\\ 1:EAX=0)"
    )
    assert mmviz.litmus(intel).observation == NEVER


def test_another_use_of_the_stack_is_refused():
    for code in ("lock addl $1,(%rsp)", "addl $0,(%rsp)", "movl (%rsp),%eax"):
        assert "stack" in mmviz.litmus(x86_64([code], "exists (x=1)", "int x = 0;")).refused
    own = mmviz.litmus(x86_64(["lock addl $1,(%rsp)"], "exists (x=1)", "0:rsp=x;"))
    assert own.observation == ALWAYS


def test_an_x86_test_has_its_destination_first():
    text = (
        "X86 SB\n{ 0:EAX=3; }\nP0 | P1 ;\nMOV [x],$1 | MOV [y],$1 ;\nMOV EAX,[y] | MOV EAX,[x] ;\n"
    )
    test = mmviz.litmus(text + "exists (0:EAX=0 /\\ 1:EAX=0)")
    assert (test.refused, test.observation) == ("", SOMETIMES)
    assert list(test.states[0]) == ["0:EAX", "1:EAX"]


def test_an_x86_64_test_in_the_other_order_is_read_so_and_said():
    text = "X86_64 SB\n{}\nP0 | P1 ;\nmov [x], 1 | mov [y], 1 ;\nmov eax, [y] | mov eax, [x] ;\n"
    test = mmviz.litmus(text + "exists (0:rax=0 /\\ 1:rax=0)")
    assert (test.refused, test.observation) == ("", SOMETIMES)
    assert "destination first" in test.notes[0]
    mixed = mmviz.litmus(text.replace("mov [y], 1", "movl $1, (y)") + "exists (0:rax=0)")
    assert "has its destination first" in mixed.refused


CONDITIONS = {
    "exists (x=1 /\\ ~(y=1) \\/ x=2)": "exists (x=1 /\\ ~(y=1) \\/ x=2)",
    "~exists x=1": "~exists (x=1)",
    "forall (true)": "forall (true)",
    "exists ( not (x=1) )": "exists (not (x=1))",
    "exists (x=0x1 /\\ [y]=1)": "exists (x=0x1 /\\ [y]=1)",
    "forall (x=1 => y=1)": "forall (x=1 => y=1)",
    "exists (x=1) \\/ (y=1)": "exists ((x=1) \\/ (y=1))",
}


@pytest.mark.parametrize("written", CONDITIONS)
def test_conditions_are_those_of_herd(written):
    test = mmviz.litmus(x86_64(["W x 1; W y 1"], written))
    assert (test.refused, test.condition) == ("", CONDITIONS[written])


@pytest.mark.parametrize(
    ("condition", "observation", "holds"),
    [
        ("exists (x=1 => y=2 /\\ x=3)", NEVER, False),  # (x=1 => y=2) and x=3, as in herd7
        ("exists (x=2 \\/ x=1 /\\ y=1)", ALWAYS, True),
        ("exists (x<>1)", NEVER, False),
        ("forall (x=1 /\\ y=1)", ALWAYS, True),
        ("~exists (false)", NEVER, True),
        ("exists (0:rax=0:rbx)", ALWAYS, True),
        ("exists (x=0x100000001)", NEVER, False),
        ("filter (x=2) exists (x=1)", NEVER, False),
        ("filter (x=1) forall (y=1)", ALWAYS, True),
        ("", ALWAYS, True),
    ],
)
def test_what_a_condition_says_of_the_final_states(condition, observation, holds):
    test = mmviz.litmus(x86_64(["W x 1; W y 1"], condition))
    assert (test.refused, test.observation, test.holds) == ("", observation, holds)


def test_locations_are_shown_beside_what_is_asked():
    test = mmviz.litmus(x86_64(["W x 1", "R x b"], "locations [1:rbx; x;] exists (x=1)"))
    assert [dict(each) for each in test.states] == [{"1:rbx": 0, "x": 1}, {"1:rbx": 1, "x": 1}]


def test_a_deadlock_has_no_final_state_and_is_told():
    twice = c(["spin_lock(l); spin_lock(l);", W("x", 1)], "exists (x=1)", types=LOCK)
    test = mmviz.litmus(twice)
    assert mmviz.replay(test.case, test.deadlock).deadlock


@pytest.mark.parametrize("asked", ["exists", "~exists", "forall"])
def test_where_all_runs_deadlock_nothing_is_claimed(asked):
    stuck = c(["spin_lock(l); spin_lock(l);" + W("x", 1)], f"{asked} (x=1)", types=LOCK)
    test = mmviz.litmus(stuck)
    words = str(test)
    assert (test.states, test.observation, test.holds, test.refused) == ([], "", None, "")
    assert words.splitlines()[0] == "test under x86-TSO: no run ends: all deadlock."
    assert "no run ends: all deadlock" in test._repr_html_()
    assert "\nOk" not in words
    assert "Never" not in words
    assert "Some runs" not in words
    assert test.json()["positive"] is None
    assert test.schedule == test.deadlock
    assert mmviz.replay(test.case, test.deadlock).deadlock


def test_where_some_runs_deadlock_the_first_line_says_so():
    one, two = "spin_lock(l); spin_lock(m);", "spin_lock(m); spin_lock(l);"
    drop = "spin_unlock(l); spin_unlock(m);"
    text = c([one + drop + W("x", 1), two + drop + W("y", 1)], "forall (x=1)", types=LOCK)
    test = mmviz.litmus(text.replace("*z", "*m").replace("int *m", "spinlock_t *m"))
    assert (test.refused, test.observation, test.holds) == ("", ALWAYS, True)
    assert test.headline.endswith("Some runs deadlock.")
    assert mmviz.replay(test.case, test.deadlock).deadlock


def test_a_filter_that_lets_nothing_through_is_no_deadlock():
    test = mmviz.litmus(c([W("x", 1)], "filter (x=2) exists (x=1)"))
    assert (test.states, test.observation, test.deadlock) == ([], NEVER, None)


def test_only_functions_that_a_reader_wrote_are_named():
    body = "*x = 1; smp_wmb();" + W("y", 1) + "rcu_read_lock(); int r0 = *z; rcu_read_unlock();"
    note = " ".join(mmviz.litmus(c([body], "exists (x=1)")).notes)
    assert "there plain accesses and WRITE_ONCE() may take effect" in note
    assert "smp_wmb" not in note
    assert "rcu_read" not in note


@pytest.mark.parametrize("code", ["int r1 = (r0 & 4) ? 7 : 9;", "WRITE_ONCE(*x, r0 ? 1 : 2);"])
def test_a_choice_is_refused_by_name(code):
    test = mmviz.litmus(HEAD + f"r0 = 1;\n\t{code}\n}}\nexists (x=1)")
    assert (test.refused, test.line) == ("?: is not read: write if (…) … else …", 7)


# -- refused --------------------------------------------------------------------------------------

HEAD = "C test\n{}\nP0(int *x, int *y)\n{\n\tint r0;\n\t"
HELD = "C test\n{}\nP0(spinlock_t *l, int *x)\n{ WRITE_ONCE(*x, 1);\n\t"
REFUSED = {
    # what is written: (words of the reason, line)
    "": ("no litmus test", 1),
    "AArch64 MP\n{}\n": ("AArch64 is a weaker machine", 1),
    "PPC MP\n{}\n": ("PPC is a weaker machine", 1),
    "Hello world\n": ("no architecture", 1),
    "C test\nP0(int *x) { }": ("the initial state is missing: write {}", 2),
    "X86_64 t\nP0 ;\nmfence ;": ("the initial state is missing", 2),
    "C test\n{ x = 1;": ("initial state has no end", 2),
    "C test\n{}\n": ("no program", 2),
    HEAD + "while (1) { }\n}": ("while", 6),
    HEAD + "for (;;) { }\n}": ("for", 6),
    HEAD + "goto out;\n}": ("goto", 6),
    HEAD + "r0 = srcu_read_lock(x);\n}": ("SRCU", 6),
    HEAD + "call_rcu(x);\n}": ("call_rcu", 6),
    HEAD + "frobnicate(x);\n}": ("frobnicate", 6),
    HEAD + "r0 = READ_ONCE(x);\n}": ("write READ_ONCE(*x", 6),
    HEAD + "r0 = READ_ONCE(x[1]);\n}": ("arrays", 6),
    HEAD + "r0 = READ_ONCE(x->next);\n}": ("members of structures", 6),
    HEAD + "r0 = READ_ONCE(*z);\n}": ("no variable z", 6),
    HEAD + "x = 1;\n}": ("x is shared", 6),
    HEAD + "r0 = 1 / 0;\n}": ("operator /", 6),
    HEAD + "spin_lock(x);\n}": ("no spinlock_t", 6),
    HEAD + "mutex_lock(x);\n}": ("mutex_lock", 6),
    HEAD + "set_bit(64, x);\n}\nexists (x=1)": ("bit 64", None),
    HEAD + "__set_bit(1, x);\n}": ("write set_bit()", 6),
    HEAD + "r0 = try_cmpxchg(x, r0, 1);\n}": ("write &old", 6),
    HEAD + "r0 = try_cmpxchg(x, &y, 1);\n}": ("&y is no local variable", 6),
    HELD + "spin_unlock(l);\n}\nexists (x=1)": ("P0 does not hold the lock", 5),
    HELD + "spin_lock(l);\n\tspin_unlock(l);\n\tspin_unlock(l);\n}\nexists (x=1)": (
        "P0 does not hold the lock",
        7,
    ),
    HELD + "spin_lock(l);\n}\nP1(spinlock_t *l)\n{\n\tspin_unlock(l);\n}\nexists (x=1)": (
        "P1 does not hold the lock",
        9,
    ),
    HELD + "rcu_read_unlock();\n}\nexists (x=1)": ("outside of a read-side section of P0", 5),
    HEAD + "atomic_load_explicit(x, 1);\n}": ("C11", 6),
    HEAD + "smp_mb(1);\n}": ("takes 0 arguments", 6),
    HEAD + "r0 = smp_mb();\n}\nexists (0:r0=1)": ("returns nothing", None),
    HEAD + "r0 = x + 1;\n}\nexists (0:r0=1)": ("address of x", None),
    HEAD + "r0 = READ_ONCE(*r0);\n}\nexists (0:r0=1)": ("used as an address", None),
    HEAD + "r0 = 1;\n}\nexists (0:r1=1)": ("no variable r1", 8),
    HEAD + "r0 = 1;\n}\nexists (q=1)": ("no thread uses q", 8),
    HEAD + "r0 = 1;\n}\nexists (3:r0=1)": ("no thread P3", 8),
    HEAD + "r0 = 1;\n}\nexists (0:r0=1": ("')' is missing", 8),
    HEAD + "r0 = 1;\n}\nexists (fault(P0, x))": ("fault()", 8),
    "C t\n{ int a[2]; }\nP0(int *a) { }": ("array a", 2),
    "C t\n{ struct foo s; }\nP0(int *s) { }": ("struct", 2),
    "C t\n{\n#include <linux/rcupdate.h>\n}\nP0(int *s) { }": ("#include", 3),
    "C t\n{}\nP0(int x) { }": ("passed by value", 3),
    "C t\n{}\nP0(struct srcu_struct *s) { }": ("SRCU", 3),
    "C t\n{}\nP1(int *x) { }": ("P0 is expected", 3),
    "C t\n{}\nfoo(int *x) { }": ("no thread", 3),
    x86_64(["movb $1,(x)"], ""): ("8-bit", 4),
    x86_64(["movl %al,(x)"], ""): ("8-bit", 4),
    x86_64(["movl 4(%eax),%ebx"], ""): ("offset", 4),
    x86_64(["W x 1; movnti %eax,(x)"], ""): ("weaker than x86-TSO", 5),
    x86_64(["W x 1; movl $1,(x),(y)"], ""): ("number of operands", 5),
    x86_64(["movl (x),(y)"], ""): ("two operands in memory", 4),
    x86_64(["movq $1,(x); movl (x),%eax"], ""): ("mixed sizes", 5),
    x86_64(["L: movl $1,(x); jmp L"], ""): ("loops are not read", 5),
    x86_64(["jmp M"], ""): ("no label M", 4),
    x86_64(["lock movl $1,(x)"], ""): ("lock stands before", 4),
    x86_64(["call f"], ""): ("the instruction call", 4),
    x86_64(["movl $1,(x)"], "exists (0:foo=1)"): ("no register 'foo'", 5),
    x86_64(["movl $1,(x)"], "exists (x=1) with tso: forall"): ("'with'", 5),
    "X86_64 t\n{}\nmovl $1,(x);": ("P0 | P1", 3),
    "X86_64 t\n{}\nP0 ;\nmovl $1,(x) | mfence ;": ("2 columns", 4),
    "X86_64 t\n(* no end\n{}": ("has no end", 2),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_read_is_refused_by_name_with_its_line(text):
    words, line = REFUSED[text]
    test = mmviz.litmus(text)
    assert words in test.refused
    assert test.line == line or line is None
    assert (test.case, test.holds, test.observation) == (None, None, "")
    assert str(test).startswith("Refused")


def test_a_test_with_too_many_states_is_not_decided_and_says_so_at_once():
    threads = ["".join(W(name, k) + R(k, name) for name in "xyz") for k in range(1, 7)]
    since = time.process_time()
    test = mmviz.litmus(c(threads, "exists (x=9)"))
    assert time.process_time() - since < 2  # alone it is below one
    assert (test.observation, test.holds) == ("", None)
    assert "not decided" in test.refused


SLOW = {
    "too large": "C t\n{}\n" + "P0(int *x) { }" * 6_000,
    "brackets": HEAD + "r0 = " + "(" * 60_000,
    "stars": HEAD + "r0 = " + "*" * 60_000,
    "braces": HEAD + "{" * 60_000,
    "ifs": HEAD + "if (r0) " * 7_000,
    "elses": HEAD + "if (r0) ; else " * 4_000,
    "or": "X86_64 t\n{}\nP0 ;\nmovl $1,(x) ;\nexists (" + "x=1 \\/ " * 8_000 + "x=1)",
    "not": "X86_64 t\n{}\nP0 ;\nmovl $1,(x) ;\nexists (" + "~" * 60_000 + "x=1)",
    "implies": "X86_64 t\n{}\nP0 ;\nmovl $1,(x) ;\nexists (" + "x=1 => " * 8_000 + "x=1)",
    "open brackets": "X86_64 t\n{}\nP0 ;\nmovl $1,(x) ;\nexists " + "(" * 60_000,
    "comments": "X86_64 t\n" + "(*" * 30_000,
    "quotes": "> " * 30_000 + "\n" + ">" * 2_000,
    "columns": "X86_64 t\n{}\n" + "P0 |" * 15_000 + ";",
    "rows": "X86_64 t\n{}\nP0 ;\n" + "mfence ;\n" * 6_000,
    "statements": HEAD + "r0 = 1;" * 8_000 + "}",
    "declarations": HEAD + "int " + ", ".join(f"a{k}" for k in range(8_000)) + ";}",
    "locations": "X86_64 t\n{}\nP0 ;\nnop ;\nlocations [" + "".join(f"x{k};" for k in range(8_000)),
    "init": "X86_64 t\n{" + "".join(f"x{k}=1;" for k in range(8_000)) + "}\nP0 ;\nnop ;\n",
    "number": HEAD + "r0 = " + "9" * 60_000 + ";}",
    "shifts": HEAD + "r0 = 1" + " << 31" * 8_000 + ";}\nexists (0:r0=0)",
    "products": HEAD + "r0 = 3" + " * 3" * 12_000 + ";}\nexists (0:r0=0)",
    "labels": "X86_64 t\n{}\nP0 ;\n" + "".join(f"L{k}: " for k in range(8_000)) + "nop ;\n",
    "commas": "X86_64 t\n{}\nP0 ;\nmovl " + "," * 60_000 + ";",
    "spaces": "X86_64 t\n{}\nP0 ;\nlock" + " " * 60_000 + ";",
    "blanks": "C t\n{}\n" + " " * 60_000,
    "controls": "C t\x1b[31m\n{}\nP0(int *x)\n{\n\u202e;\n}",
    "surrogate": "C \ud800\n{}\nP0(int *x) { }",
}


@pytest.mark.parametrize("name", SLOW)
def test_any_text_is_answered_within_a_second(name):
    since = time.process_time()
    test = mmviz.litmus(SLOW[name])
    answer = str(test) + json.dumps(test.json()) + test._repr_html_()
    assert time.process_time() - since < 2  # a machine under load; alone it is below one
    assert "\x1b" not in answer
    assert "\u202e" not in answer.replace("\\u202e", "")


def test_nothing_of_a_text_is_markup():
    text = "C <script>alert(1)</script>\n{}\nP0(int *x)\n{\n\tWRITE_ONCE(*x, 1);\n}\nexists (x=1)"
    html = mmviz.litmus(text)._repr_html_()
    assert "<script" not in html
    assert "&lt;script" in html


def test_a_quoted_test_is_read():
    text = "\n".join(f"> {row}" for row in x86_64(X86["SB"][0], "exists (0:rax=0)").split("\n"))
    assert mmviz.litmus(text).observation == SOMETIMES


def test_in_jupyter_it_is_a_stage_above_a_table():
    test = mmviz.litmus(x86_64(X86["SB"][0], "exists (0:rax=0 /\\ 1:rax=0)"))
    made = player(test)
    assert made.case is test.case
    assert "<th" in test._repr_html_()
    assert player(mmviz.litmus("")) is None


@pytest.mark.parametrize("model", ["lkmm", "TSO", None, 5])
def test_another_model_is_an_error_that_names_the_two(model):
    with pytest.raises(MmvizError, match='write model="tso"'):
        mmviz.litmus("", model)


# -- the command ----------------------------------------------------------------------------------


def test_the_command_prints_herds_words_and_data(tmp_path, capsys):
    file = tmp_path / "SB.litmus"
    file.write_text(x86_64(X86["SB"][0], "exists (0:rax=0 /\\ 1:rax=0)"))
    assert main(["litmus", str(file)]) == 0
    out = capsys.readouterr().out
    assert "Test test Allowed\nStates 4\n" in out
    assert "Observation test Sometimes 1 3" in out
    assert max(map(len, out.splitlines())) <= 80
    assert main(["litmus", str(file), "--model", "sc", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["observation"], found["positive"], found["negative"]) == (NEVER, 0, 3)
    assert found["states"][0] == {"values": {"0:rax": 0, "1:rax": 1}, "schedule": "P0*2 P1*2"}
    file.write_text(HEAD + "while (1) { }\n}")
    assert main(["litmus", str(file)]) == 1
    assert capsys.readouterr().out.startswith(
        "Refused: while: loops and jumps are not read (line 6)"
    )


def test_the_command_writes_the_run_that_is_asked_about(tmp_path, capsys):
    file, out = tmp_path / "SB.litmus", tmp_path / "SB"
    hostile = "</script><img src=x onerror=alert(1)>"
    text = x86_64(X86["SB"][0], "exists (0:rax=0 /\\ 1:rax=0)").replace("test", hostile, 1)
    file.write_text(text)
    asked = " ".join(mmviz.litmus(text).schedule)
    for form in ("html", "svg", "txt"):
        assert main(["litmus", str(file), "-o", f"{out}.{form}"]) == 0
    page = out.with_suffix(".html").read_text("utf-8")
    assert "<img" not in page
    assert "4 final states" in page
    assert asked in page
    assert "<img" not in out.with_suffix(".svg").read_text("utf-8")
    assert asked in out.with_suffix(".txt").read_text("utf-8")
    assert main(["litmus", str(file), "--model", "sc", "-o", f"{out}.txt"]) == 0
    assert asked not in out.with_suffix(".txt").read_text("utf-8")
    assert main(["litmus", str(file), "-o", f"{out}.doc"]) == 2
    file.write_text("no test")
    capsys.readouterr()
    assert main(["litmus", str(file), "-o", f"{out}.html"]) == 1
    assert capsys.readouterr().out.startswith("Refused")


# -- another machine ------------------------------------------------------------------------------


def test_random_tests_have_the_outcomes_of_another_machine():
    """A share of `python -m tests.prove.litmus`."""
    choose = random.Random(20)
    for number in range(45):
        language = LANGUAGES[number % 3]
        program = random_program(choose, language, (2, 2, 2, 3))
        for model in ("tso", "sc"):
            assert difference(program, language, model) == ""


def test_the_other_machine_would_notice(monkeypatch):
    program = (((WRITE, "x", 1), (READ, "y", "b")), ((WRITE, "y", 1), (READ, "x", "b")))
    assert difference(program, "C", "tso") == ""
    fenced = tuple((own[0], (FENCE,), own[1]) for own in program)
    real = mmviz.litmus
    monkeypatch.setattr(
        mmviz, "litmus", lambda text, model: real(text.replace("smp_mb", "smp_wmb"), model)
    )
    assert "too many" in difference(fenced, "C", "tso")
