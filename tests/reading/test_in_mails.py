"""What stands around a diagram in a mail, and other things that are no step."""

import pytest

from mmviz.reading.reader import read

HEAD = "CPU0                CPU1\n----                ----\n"
BODY = "foo_close()\n                    foo_work()\nkfree(foo)\n                    foo->x = 1\n"
FUNCTIONS = ["foo_close", "foo_work", "kfree", None]


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("Hi,\n\nsyzbot found a race in foo. It is this one:\n\n", ""),
        ("On CPU0 we have the worker and on CPU1 the umount of it:\n\n", ""),
        ("", "\nFix it by deferring the free.\n\nSigned-off-by: X <x@y.z>\n"),
        ("", "\nFixes: 0123456789ab (foo)\nCc: stable\n---\n foo.c | 3 ++-\n"),
        ("", "\nSo foo is used after it was freed, which is what\nthe report shows.\n"),
        ("", "\nThanks,\nJoe\n"),
        ("", "Then everything explodes.\n"),
    ],
)
def test_text_around_a_diagram_is_no_step(above, below):
    found = read(above + HEAD + BODY + below)

    assert [step.function for step in found.steps] == FUNCTIONS
    assert found.columns == ["CPU0", "CPU1"]
    assert found.questions == []


def test_what_others_wrote_below_a_quoted_diagram_is_theirs():
    quoted = "".join(f"> {row}\n" for row in (HEAD + BODY).splitlines())
    found = read(f"{quoted}>\nMakes sense to me.\nAnd it is old, too.\n")

    assert [step.function for step in found.steps] == FUNCTIONS
    assert [cell.kind for cell in found.rows[-2:]] == ["prose", "prose"]


def test_a_second_diagram_is_not_read_and_it_is_said():
    found = read(f"First race:\n\n{HEAD}{BODY}\nSecond race:\n\n{HEAD}bar()\n")

    assert [step.function for step in found.steps] == FUNCTIONS
    assert "another diagram begins here" in found.questions[0].ask
    assert found.questions[0].ask.startswith("line 12: ")


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("CPU0                kworker\n", ["CPU0", "kworker"]),
        ("CPU0                timer (softirq)\n", ["CPU0", "timer (softirq)"]),
        ("=> CPU0             => CPU1\n", ["=> CPU0", "=> CPU1"]),
    ],
)
def test_a_header_needs_no_rule(header, names):
    found = read(header + BODY)

    assert found.columns == names
    assert [step.function for step in found.steps] == FUNCTIONS


def test_a_column_of_step_numbers_is_no_actor():
    rows = "step  CPU0            CPU1\n----  ----            ----\n"
    rows += "1     a_one()\n2                     b_two()\n3     a_three()\n"
    found = read(rows)

    assert found.columns == ["CPU0", "CPU1"]
    assert [(step.column, step.function) for step in found.steps] == [
        (1, "a_one"),
        (2, "b_two"),
        (1, "a_three"),
    ]


def test_a_table_of_markdown_has_no_bars_in_its_names():
    found = read(
        "| CPU0          | CPU1          |\n|---------------|---------------|\n"
        "| lock(&a)      |               |\n|               | list_del(&n)  |\n"
        "| unlock(&a)    |               |\n"
    )

    assert found.columns == ["CPU0", "CPU1"]
    assert [(step.column, step.text) for step in found.steps] == [
        (1, "lock(&a)"),
        (2, "list_del(&n)"),
        (1, "unlock(&a)"),
    ]


def test_a_remark_that_goes_on_below_is_one():
    found = read(
        HEAD + "pte_same(p)  <--- passes, for the\n                  entry is the same\n"
        "swap_free(e)\n                    set_pte_at(p)\n"
    )

    assert [step.function for step in found.steps] == ["pte_same", "swap_free", "set_pte_at"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("int f(void)\n{\n\tgo(&a);\n\treturn 0;\n}\n", "within braces: this is nested code"),
        ("archive.example        lists  /  one  two\nof a list             of mails\n", "no code"),
    ],
    ids=["code", "a web page"],
)
def test_what_names_no_actors_and_is_no_diagram_is_refused(text, why):
    found = read(text)

    assert why in found.refused
    assert found.steps == []
