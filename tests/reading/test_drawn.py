"""A diagram on a stage: its own steps in its own order, or the case that it matches."""

import json
from pathlib import Path

import pytest

import mmviz
from mmviz.cli import main
from mmviz.engine import MmvizError, Run
from mmviz.reading.diagram import Diagram
from mmviz.reading.drawn import CLAIM, MOST_STEPS, drawn_case
from mmviz.reading.reader import read
from mmviz.reading.skeleton import skeleton
from mmviz.scene.check import problems
from mmviz.scene.film import Film
from mmviz.scene.memory import memory
from mmviz.scene.searched import SearchedCase
from mmviz.writing.brought import written

SAMPLES = sorted((Path(__file__).parent / "diagrams").glob("*.txt"))
MAILED = (Path(__file__).parent / "diagrams" / "seed004.txt").read_text("utf-8")
UNKNOWN = """\
It goes like this:
CPU0                     CPU1
----                     ----
frob_open(f)
                         frob_close(f)
                           kfree(f)   // the last one
p->x = NULL;
                         frob_close(f)
"""


def staged(text, race=None):
    found = mmviz.diagram(text, race)
    return found, SearchedCase(found.case)


def test_an_unmatched_diagram_has_its_own_steps_in_its_own_order():
    found, searched = staged(UNKNOWN)
    run = searched.run(found.schedule)

    assert found.match is None
    assert [(f.actor, f.label) for f in run.frames[1:]] == [
        ("CPU0", "frob_open(f)"),
        ("CPU1", "frob_close(f)"),
        ("CPU1", "kfree(f)"),
        ("CPU0", "p->x = NULL;"),
        ("CPU1", "frob_close(f)"),
    ]
    assert [len(frame.enabled) for frame in run.frames] == [1, 1, 1, 1, 1, 0]
    assert run.frames[2].next["CPU1"].doc == "// the last one"
    assert run.frames[2].next["CPU1"].cite == "line 6 of the diagram"


def test_nothing_is_claimed_of_it():
    _, searched = staged(UNKNOWN)
    head = Film(searched, memory(searched)).head()

    assert head["claims"] is False
    assert head["promise"] == CLAIM
    assert list(searched.runs()) == ["as it is drawn"]
    assert head["bads"] == []


def test_steps_without_an_order_come_in_every_order():
    found, searched = staged("CPU0:\n  frob_a()\n  frob_b()\nCPU1:\n  frob_c()\n")

    assert not found.ordered
    assert searched.report.states == 6


@pytest.mark.parametrize("file", SAMPLES, ids=lambda each: each.stem)
def test_every_sample_is_a_legible_stage(file):
    found = read(file.read_text("utf-8"))
    if not found.steps:
        return
    searched = SearchedCase(drawn_case(found))
    picture = memory(searched)
    run = searched.run(SearchedCase.runs(searched)["as it is drawn"])

    assert [frame.label for frame in run.frames[1:]] == [
        " ".join(step.text.split())[:160] for step in found.steps
    ]
    for k in {0, len(found.steps) // 2, len(found.steps)}:
        scene = picture.scene(run, k)
        assert problems(scene) == []
        keys = [mark.key for mark in picture.marks(run.frames[k].state)]
        assert len(keys) == len(set(keys))


def test_the_line_that_is_reached_is_lit():
    found, searched = staged(UNKNOWN)
    run, picture = searched.run(found.schedule), memory(searched)
    lit = [
        [mark.text for mark in picture.scene(run, k).texts if mark.role == "now"] for k in (1, 3, 4)
    ]

    assert lit == [["frob_open(f)"], ["kfree(f)"], ["p->x = NULL;"]]


def test_a_matched_diagram_says_beside_each_step_which_line_it_is():
    found, _ = staged(MAILED, "iommu_group/release_order:ReleaseUnderMutex")
    beside = found.beside()

    assert found.case.name == "ReleaseUnderMutex"
    assert beside[4] == "line 2 of the diagram: iommu_release_device(a)"
    assert beside[1] == "filled in: it is on no line of the diagram."
    assert "Infeasible at line 6" in beside[len(found.schedule)]
    assert "held by CPU0" in beside[len(found.schedule)]


def test_a_stage_that_would_be_too_long_is_not_made():
    many = "".join(f"CPU{n % 2}: frob_{n}()\n" for n in range(MOST_STEPS + 1))

    assert mmviz.diagram(many).case is None
    with pytest.raises(MmvizError, match="no stage"):
        written(mmviz.diagram(many), "html")


def test_columns_that_are_called_alike_are_different_actors():
    case = drawn_case(read("CPU0     CPU0\n----     ----\na_b()\n         c_d()\n"))

    assert list(case.actors) == ["CPU0", "CPU0_2"]


@pytest.mark.parametrize("form", ["html", "svg", "txt"])
def test_the_command_writes_the_stage(form, tmp_path):
    text = tmp_path / "mail.txt"
    text.write_text(UNKNOWN.replace("kfree(f)", "</script><b>kfree</b>(f)"))
    out = tmp_path / f"out.{form}"

    assert main(["diagram", str(text), "-o", str(out)]) == 0
    written_text = out.read_text("utf-8")
    assert "frob_open(f)" in written_text
    assert "the last one" in written_text or form == "svg"
    assert "<b>kfree" not in written_text.replace("<\\u002fscript>", "") or form == "txt"
    assert "</script><b>" not in written_text or form == "txt"


def test_a_form_that_is_none_is_refused(tmp_path, capsys):
    text = tmp_path / "mail.txt"
    text.write_text(UNKNOWN)

    assert main(["diagram", str(text), "-o", str(tmp_path / "out.doc")]) == 2
    assert "known are .html" in capsys.readouterr().err


def test_what_is_written_as_text_reads_back():
    found = mmviz.diagram(UNKNOWN)
    again = read(written(found, "txt").decode())

    assert [(s.column, s.text) for s in again.steps] == [(s.column, s.text) for s in found.steps]


def test_without_widgets_it_is_a_table(monkeypatch):
    found = mmviz.diagram(UNKNOWN)
    monkeypatch.setattr(Diagram, "display", None)

    with pytest.raises(NotImplementedError):
        found._ipython_display_()
    assert "<table>" in found._repr_html_()
    assert "mathjax_ignore" in found._repr_html_()


# -- the skeleton ------------------------------------------------------------------------------


@pytest.mark.parametrize("file", SAMPLES, ids=lambda each: each.stem)
def test_a_skeleton_is_valid_at_once_and_happens_as_drawn(file, tmp_path):
    text = file.read_text("utf-8")
    found = read(text)
    if not found.steps:
        return
    race = tmp_path / "mine.py"
    race.write_text(skeleton(found), "utf-8")

    for case in mmviz.load(str(race)).cases:
        assert mmviz.explore(case).differences() == []
    assert mmviz.diagram(text, str(race)).match.verdict == "feasible"


def test_locks_that_a_diagram_takes_plainly_are_real(tmp_path):
    text = (
        "CPU0                    CPU1\nmutex_lock(&a)\n                        mutex_lock(&b)\n"
        "mutex_lock(&b)\n                        mutex_lock(&a)\n"
    )
    race = tmp_path / "mine.py"
    race.write_text(skeleton(read(text)))
    found = mmviz.diagram(text, str(race)).match

    assert 'a: Mutex = field(\n        default_factory=lambda: Mutex(name="a"),' in race.read_text()
    assert (found.verdict, found.violated, found.line) == ("feasible", ("deadlock",), 4)
    assert main(["check", str(race)]) == 0


@pytest.mark.parametrize(
    "text",
    [
        "CPU0: mutex_lock(&a)\nCPU1: mutex_lock(&a)\nCPU0: f_g()\nCPU0: mutex_unlock(&a)\n",
        "CPU0: mutex_unlock(&a)\nCPU1: mutex_lock(&a)\n",
        "CPU0: spin_lock(&s)\nCPU0: mutex_lock(&a)\nCPU1: f_g()\n",
        "CPU0: mutex_lock(&a)\nCPU0: mutex_lock(&a)\nCPU1: f_g()\n",
    ],
)
def test_locks_with_which_it_could_not_happen_are_not(text):
    assert "name=" not in skeleton(read(text)).replace('name="AsDrawn"', "")


def test_texts_are_literals_in_a_skeleton(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        skeleton(read('CPU0: say("a\'b\\n")\nCPU1: \u00e9t\u00e9_()\nCPU0: x = "\u202e"\n'))
    )

    assert mmviz.load(str(file)).cases
    assert file.read_text().isascii()


def test_a_diagram_is_data(tmp_path):
    found, _ = staged('CPU0: frob(__import__("os"))\nCPU1: k.columns[1].at = 7\n')
    run = Run(found.case)
    run.step("CPU0")

    assert json.loads(json.dumps(found.json()))
    assert run.tip.label == 'frob(__import__("os"))'
