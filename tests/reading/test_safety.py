"""What is pasted is data: limited in size, and escaped wherever it is shown."""

import json
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmviz
from mmviz.cli import main
from mmviz.reading.reader import read
from mmviz.reading.skeleton import skeleton

SIGNS = ["|", "---", "...", "}", "{", "/* x", "*/", "//", "(1)", "=3D", "=\n", "\u00a0", "\x1b[31m"]
BLANKS = ["  ", "\t", "        ", "\n", "\n", "> ", " * ", "\r", "\x00", "\u202e"]
CELLS = [
    "CPU0",
    "CPU1",
    "Thread A:",
    "lock(&a);",
    "a = b",
    "*** X ***",
    "-->",
    "`---->",
    "é",
    "[ x",
]
PIECES = st.sampled_from([*SIGNS, *BLANKS, *CELLS])


NAMES = "CPU0\t\tCPU1\t\tCPU2\n"
MANY = range(1980)
TABS = ["\t" * (n % 9) + " " * (n % 5) for n in MANY]
SLOW = {
    "tabs, quoted": f"> {NAMES}" + "".join(f"> {tabs}f(a)\tg()\n" for tabs in TABS),
    "each row apart": NAMES + "1) these are some words\n\n" * 990,
    "far to the right": (NAMES + "".join(f"{' ' * (n * 7 % 380)}f(a)\n" for n in MANY))[:65_000],
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_a_long_text_is_answered_within_a_second(text):
    start = process_time()
    read(text)

    assert process_time() - start < 1


@given(st.lists(PIECES, max_size=60).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_text_is_answered(text):
    found = read(text)

    assert found.refused or found.steps or not found.columns or found.rows
    json.dumps(found.json())
    assert str(found).replace("\n", "").isprintable()
    compile(skeleton(found), "skeleton", "exec")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x" * 70_000, "larger than 64 KiB"),
        ("é" * 40_000, "larger than 64 KiB"),
        ("CPU0   CPU1\n" + "x" * 500, "wider than 400 columns"),
        (" \n\t\n", "nothing but blanks"),
        ("", "nothing but blanks"),
        ("f()\ng()\n", "no columns"),
    ],
)
def test_what_cannot_be_read_is_refused_with_why(text, why):
    assert why in read(text).refused


def test_nothing_of_a_text_is_markup():
    found = mmviz.diagram(
        "<b>CPU0</b>   CPU1\n----   ----\n<script>alert(1)</script>()      free(\x1b[31mx)\n"
        "f()              $x$\n"
    )

    assert "<script>" not in found._repr_html_()
    assert "\x1b" not in str(found) + found._repr_html_()


def test_a_skeleton_holds_a_text_as_a_literal_only():
    found = read('CPU0: a("""); import os  # \\\nCPU1: b()\nCPU0: class_(): pass\n')
    tree = compile(skeleton(found), "skeleton", "exec")

    assert "os" not in tree.co_names


def test_the_command_reads_a_file(tmp_path, capsys):
    file = tmp_path / "diagram.txt"
    file.write_text("CPU0: iommu_domain_free(d)\nCPU1: f()\nCPU0: g()\n")

    assert main(["diagram", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["columns"] == ["CPU0", "CPU1"]
    assert [step["function"] for step in found["steps"]] == ["iommu_domain_free", "f", "g"]
    assert found["refused"] is None

    file.write_text("nothing here\n")
    assert main(["diagram", str(file)]) == 1
    assert "Refused: no columns" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["missing.txt", ".", "\0"])
def test_the_command_says_what_it_cannot_read(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert main(["diagram", name]) == 2
    said = capsys.readouterr().err
    assert said.startswith("mmviz: ")
    assert said.count("\n") == 1


def test_a_skeleton_is_a_race(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(skeleton(read("CPU0: get(p)\nCPU1: free(p)\nCPU0: *p = 1\n")))
    report = mmviz.explore(str(file), "AsDrawn")

    assert not report.differences()
    assert report.counterexamples["happens_as_drawn"].shortest == ("CPU0", "CPU1", "CPU0")


@pytest.mark.parametrize("reads", [mmviz.diagram, mmviz.lockdep, mmviz.litmus])
def test_half_a_character_in_a_mail_is_a_character(reads):
    text = "CPU0 \ud800     CPU1\n----         ----\nlock(&a) =3D=\n             unlock(&a) =3D\n"

    assert str(reads(text))


def test_names_that_a_bar_joins_are_one_piece():
    found = read("a.b | c_d\n\nfoo()\n            bar()\n")
    assert [step.function for step in found.steps][-2:] == ["foo", "bar"]
