"""Diagrams without columns: scripts, and blocks of steps under a name."""

import pytest

from mmviz.reading.reader import read


def steps(text):
    found = read(text)
    assert not found.refused
    return [(found.columns[step.column - 1], step.text) for step in found.steps]


def test_a_script_is_in_the_order_of_its_rows():
    text = "CPU0: lock(A)\nCPU1: lock(B)\nCPU0: lock(B) // waits\nCPU1: lock(A)\n"
    found = read(text)

    assert steps(text) == [
        ("CPU0", "lock(A)"),
        ("CPU1", "lock(B)"),
        ("CPU0", "lock(B)"),
        ("CPU1", "lock(A)"),
    ]
    assert found.ordered
    assert found.questions == []
    assert [(c.row, c.text) for c in found.rows if c.kind == "remark"] == [(3, "// waits")]


@pytest.mark.parametrize(
    "text",
    [
        "> T1: a();\n> T2: b();\n> T1: c();\n",
        " * [T1] a();\n * [T2] b();\n * [T1] c();\n",
        "T1 - a();\nT2 - b();\nT1 - c();\n",
        "T1> a();\nT2> b();\nT1> c();\n",
        "(1) T1: a();\n(2) T2: b();\n(3) T1: c();\n",
    ],
)
def test_a_script_may_be_marked_in_several_ways(text):
    assert [(name, said[-4:]) for name, said in steps(text)] == [
        ("T1", "a();"),
        ("T2", "b();"),
        ("T1", "c();"),
    ]


def test_blocks_give_no_order_and_it_is_said():
    found = read("CPU 0:\n  foo(a)\n  bar(b)\n\nCPU 1:\n  baz(c)\n    inner(d)\n  qux()\n")

    assert not found.ordered
    assert found.questions[0].readings == [
        "every order that keeps the order within each block: 10 in all"
    ]
    assert [(step.column, step.function, step.depth) for step in found.steps] == [
        (1, "foo", 0),
        (1, "bar", 0),
        (2, "baz", 0),
        (2, "inner", 1),
        (2, "qux", 0),
    ]


def test_numbers_order_the_steps_of_blocks():
    text = (
        "Thread A:\n (1) spin_lock(&x)\n (4) spin_lock(&y)\n"
        "Thread B:\n (2) spin_lock(&y)\n (3) spin_lock(&x)\n"
    )
    found = read(text)

    assert found.ordered
    assert [step.column for step in found.steps] == [1, 2, 2, 1]
    assert [step.rows for step in found.steps] == [[2], [5], [6], [3]]
    assert {c.row: c.step for c in found.rows if c.kind == "step"} == {2: 1, 3: 4, 5: 2, 6: 3}


def test_a_sentence_that_is_wrapped_is_one_step():
    found = read(
        "  (1) CPU0 reads the entry and\n      finds it present\n"
        "  (2) CPU1 clears the entry\n  (3) CPU0 uses the page\n"
    )

    assert [step.rows for step in found.steps] == [[1, 2], [3], [4]]
    assert [found.columns[step.column - 1] for step in found.steps] == ["CPU0", "CPU1", "CPU0"]


def test_prose_about_threads_is_no_diagram():
    found = read(
        "Thread 1 is waiting for the lock that Thread 2 holds, and so\n"
        "Thread 2 can never finish. We have seen this in production with\n"
        "several machines, all of them with more than 64 CPUs.\n"
    )

    assert found.refused


def test_prose_below_the_blocks_belongs_to_none():
    found = read(
        "CPU0:\n  foo()\n\nCPU1:\n  bar()\n\nSo this deadlocks when both of them run at once.\n"
    )

    assert [step.function for step in found.steps] == ["foo", "bar"]
    assert found.rows[-1].kind == "prose"
