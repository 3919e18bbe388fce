"""Links: what a mail does to one is undone or noticed, and a run that has changed is told."""

import json
import quopri
import re
import textwrap
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

import mmviz
from mmviz.cli import main
from mmviz.cli.examples import LINK
from mmviz.engine import link as links
from mmviz.engine.version import VERSION
from mmviz.scenarios.link import is_link, opened
from mmviz.scene.qr import PIXELS, code, qr

RACE, CASE = "iommu_group/release_order", "DelistThenRelease"
SCHEDULE, AT = ("CPU0",) * 3 + ("CPU1",) * 4, 5
TEXT = mmviz.link(f"{RACE}:{CASE}", SCHEDULE, AT)


def leads_home(text):
    """Tell whether a text opens as what was linked."""
    found = opened(text)
    return (found.case.name, found.schedule, found.at, found.remark) == (CASE, SCHEDULE, AT, "")


def signed(body):
    """Return the link that has this body, with the checksum that goes with it."""
    return f"mmviz:{body}.{links._letters(body, links.CHECKED)}"


def body(**changes):
    parts = {"version": VERSION, "place": f"{RACE}:{CASE}", "schedule": "CPU0:3,CPU1:4", "at": "5"}
    parts |= {"marks": TEXT.rpartition("/")[2].partition(".")[0]} | changes
    return "{version}/{place}/{schedule}/at{at}/{marks}".format(**parts)


def test_a_link_is_one_short_line_that_says_what_it_names():
    assert signed(body()) == TEXT
    assert len(TEXT) < 90
    assert re.fullmatch(r"[A-Za-z0-9_.:,/%]+", TEXT)  # none of which a shell or Markdown obeys


def test_a_link_of_each_race_leads_to_its_run():
    for name in mmviz.names():
        case = mmviz.load(name).cases[-1]
        run = mmviz.Run(case)
        while run.enabled() and run.tip.index < 15:
            run.step(run.enabled()[run.tip.index % len(run.enabled())])
        found = opened(links.link(run, run.tip.index // 2))
        assert found.case is case
        assert found[1:3] == (run.schedule, run.tip.index // 2)
        assert found.remark == ""


BREAKS = st.sampled_from(
    [
        *"\n\t\u00ad\u200b\u00a0",
        "\r\n",
        "\n> ",
        "\n>> ",
        " \n",
        "\n | ",
        "\n * ",
        "=\n",
        "=20\n",
        "\\\n",
    ]
)


CALM = settings(deadline=None, suppress_health_check=list(HealthCheck))  # other tests run, too


@CALM
@given(st.lists(st.tuples(st.integers(0, len(TEXT)), BREAKS), max_size=4))
def test_what_a_mail_puts_into_a_link_is_taken_out(breaks):
    text = TEXT
    for at, what in sorted(breaks, reverse=True):
        text = text[:at] + what + text[at:]
    assert leads_home(f"see {text}, and then\nwhat CPU1 does")


@pytest.mark.parametrize(
    "mail",
    [
        f"<{TEXT}>",
        f"Look at [{TEXT}].",
        f"`{TEXT}`",
        f"{TEXT}<{TEXT}>",  # what Outlook makes of an address
        f"JG> see {TEXT[:60]}\nJG> {TEXT[60:]}\n",
        f"&gt; {TEXT[:50]}\n&gt; {TEXT[50:]}\n",
        "\n".join(f"> > {line}" for line in textwrap.wrap(TEXT, 30)),
        quopri.encodestring(f"ü {'x' * 40} {TEXT} \n".encode()).decode(),
        " \n".join(textwrap.wrap(f"> {TEXT}", 40)),  # format=flowed
        f"mmviz replay {TEXT}",
        TEXT.replace("mmviz:", "Mmviz:"),
    ],
)
def test_a_mail_with_a_link_leads_to_its_run(mail):
    assert is_link(mail)
    assert leads_home(mail)


LETTERS = st.sampled_from("abCPU0123456789_.:,/% >")


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 3), st.text(LETTERS, max_size=3))
@example(TEXT.index("CPU0:3") + 5, 1, "2")
@example(TEXT.index("/at5/") + 3, 1, "1")
@example(len(TEXT) - 1, 1, "")
@settings(CALM, max_examples=300)
def test_damage_is_noticed_and_never_another_run(at, cut, put):
    damaged = TEXT[:at] + put + TEXT[at + cut :]
    said = ""
    try:
        assert leads_home(damaged)
    except mmviz.MmvizError as error:
        said = str(error)
    assert not said or "damaged" in said or "no link" in said


def test_two_links_are_not_chosen_from():
    other = mmviz.link(f"{RACE}:{CASE}", "CPU0")
    with pytest.raises(mmviz.MmvizError, match="2 links"):
        opened(f"{TEXT}\n{other}")
    with pytest.raises(mmviz.MmvizError, match="damaged"):
        opened(f"{TEXT.replace('CPU0:3', 'CPU0:2')}\n{other}")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"place": f"{RACE}:DelistThenReleased"}, "did you mean DelistThenRelease"),
        ({"place": "iommu_group/released_order:A"}, "did you mean iommu_group/release_order"),
        ({"schedule": "CPU0,CPU1"}, "step 2: CPU1 is blocked"),
        ({"schedule": "CPU9"}, "step 1: 'CPU9' is not an actor"),
    ],
)
@pytest.mark.parametrize("version", ["0.1.0", VERSION, "1.7"])
def test_a_link_that_cannot_happen_here_says_at_which_step_and_why(changes, said, version):
    with pytest.raises(mmviz.MmvizError, match=said) as error:
        opened(signed(body(version=version, **changes)))
    says = "race has changed" if version == VERSION else f"written by mmviz {version}, and this"
    assert says in str(error.value)


@pytest.mark.parametrize(("marks", "step"), [("x3od3bu", 1), ("w3odxbu", 5), ("w3od3b", 7)])
def test_a_run_that_does_something_else_is_told_although_it_happens(marks, step, capsys):
    text = signed(body(marks=marks, version="0.1.0"))
    found = opened(text)
    assert found.schedule == SCHEDULE
    assert f"step {step}, " in found.remark
    assert found.run.frames[step].label in found.remark
    with pytest.warns(UserWarning, match=f"step {step}, "):
        assert mmviz.replay(text).schedule == SCHEDULE
    assert main(["replay", text]) == 1
    assert f"Step {step}, " in capsys.readouterr().err


def test_the_marks_change_with_what_a_step_does():
    one, other = (mmviz.find(RACE, name) for name in (CASE, "ReleaseUnderMutex"))
    runs = [mmviz.replay(one, "CPU0*3"), mmviz.replay(other, "CPU0*3")]
    labels = [[frame.label for frame in run.frames] for run in runs]
    assert labels[0][:3] == labels[1][:3]
    assert labels[0] != labels[1]
    marks = [links.marks(run) for run in runs]
    assert marks[0][:2] == marks[1][:2]
    assert marks[0][2] != marks[1][2]


@pytest.mark.parametrize("place", ["my_race.py:A", "..%2Fx.py:A", "a:b:c", "%FF:A", "a/b:"])
def test_a_link_names_no_file(place, tmp_path, monkeypatch):
    (tmp_path / "my_race.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(mmviz.MmvizError):
        opened(signed(body(place=place)))


def test_a_race_of_ones_own_has_no_link(tmp_path):
    file = tmp_path / "mine.py"
    assert main(["new", str(file)]) == 0
    with pytest.raises(mmviz.MmvizError, match="a case of your own; send its file"):
        mmviz.link(mmviz.load(str(file)).cases[0])


def test_a_link_is_a_name_wherever_a_race_is_taken(capsys):
    case = mmviz.find(RACE, CASE)
    assert mmviz.replay(TEXT).schedule == SCHEDULE
    assert mmviz.replay(TEXT, "CPU1").schedule == ("CPU1",)
    assert mmviz.explore(TEXT).case is case
    assert mmviz.Driver(TEXT).case is case
    player = mmviz.Player(TEXT)
    assert (player.schedule, player.cursor) == (SCHEDULE, AT)
    assert mmviz.Player(TEXT, start=2).cursor == 2
    for words in (["list"], ["check"]):
        assert main([*words, TEXT]) == 0
        assert CASE in capsys.readouterr().out
    with pytest.raises(mmviz.MmvizError, match="names its case"):
        mmviz.explore(TEXT, "ReleaseUnderMutex")


def test_replay_takes_the_link_of_a_mail_and_prints_it(capsys, monkeypatch, tmp_path):
    assert main(["replay", *f"<{TEXT[:50]} > {TEXT[50:]}>".split()]) == 0
    out = capsys.readouterr().out
    assert TEXT in out.splitlines()
    assert "The link looks at step 5: CPU1 iommu_group_set_core_domain" in out
    mail = tmp_path / "mail.txt"
    mail.write_text(f"Hi,\n> {TEXT[:60]}\n> {TEXT[60:]}\n")
    with mail.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["replay", "-"]) == 0


def test_replay_of_a_schedule_links_to_the_step_that_breaks_the_promise_or_to_its_end(capsys):
    for schedule, at in (
        ("the thread's own run", 7),
        ("CPU0*6 CPU1*10", 16),
        ("CPU0*2", 2),
        ("", 0),
    ):
        assert main(["replay", RACE, CASE, schedule]) == 0
        out = capsys.readouterr().out
        assert re.findall(r"^mmviz:\S+/at(\d+)/", out, re.M) == [str(at)], schedule
        assert main(["replay", RACE, CASE, schedule, "--json"]) == 0
        assert f"/at{at}/" in json.loads(capsys.readouterr().out)["link"]


def test_the_links_of_the_help_and_of_the_documents_open():
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    written = re.findall(r"mmviz:\d\S+", f"{text}\n{links.__doc__}")
    assert len(written) >= 3
    for each in (*written, LINK):
        assert opened(each).remark == ""


def test_a_long_text_is_refused_at_once(monkeypatch):
    for text in (f"{'x' * 70_000}{TEXT}", TEXT + "é" * 33_000):
        with pytest.raises(mmviz.MmvizError, match="larger than 64 KiB"):
            opened(text)
    with pytest.raises(mmviz.MmvizError, match="damaged"):
        opened("mmviz:1" + "/at1/a.bbbbbb" * 5_000)
    monkeypatch.setattr(links, "LONGEST", 60)
    with pytest.raises(mmviz.MmvizError, match="7 steps is too long for a link"):
        mmviz.link(f"{RACE}:{CASE}", SCHEDULE)


def test_a_qr_code_has_the_modules_of_the_code():
    import segno

    size, path = code(TEXT)
    dark = set()
    for x, y, run in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path):
        dark |= {(int(x) + k, int(y)) for k in range(int(run))}
    rows = list(segno.make(TEXT, error="m", micro=False).matrix_iter(border=4))
    assert size == len(rows)
    assert dark == {(x, y) for y, row in enumerate(rows) for x, one in enumerate(row) if one}


def test_a_qr_code_escapes_its_label_and_has_a_limit():
    assert "<b>" not in qr(TEXT, "<b>")
    for text in ("", "x" * 1_201):
        with pytest.raises(mmviz.MmvizError, match="cannot be read from a slide"):
            qr(text)


def squares(png):
    """Return the dark modules of a code in pixels, each as (x, y)."""
    picture = Image.open(BytesIO(png)).convert("L")
    size = picture.width // PIXELS
    middle = [
        (x * PIXELS + PIXELS // 2, y * PIXELS + PIXELS // 2)
        for y in range(size)
        for x in range(size)
    ]
    return {(x // PIXELS, y // PIXELS) for x, y in middle if picture.getpixel((x, y)) < 128}


def test_a_code_of_a_run_is_the_same_in_pixels_in_blocks_and_as_a_drawing(tmp_path, capsys):
    words = ["export", RACE, CASE, "CPU0*3 CPU1*4", "--qr"]
    files = [tmp_path / f"code.{form}" for form in ("svg", "png", "txt")]
    for file in files:
        assert main([*words, "-o", str(file)]) == 0
    drawn, pixels, text = (file.read_bytes() for file in files)
    said = capsys.readouterr().err.splitlines()
    link = mmviz.link(f"{RACE}:{CASE}", SCHEDULE, 7)
    assert [line.partition(", the link ")[2] for line in said] == [link] * 3
    assert drawn.decode() == qr(link) + "\n"
    dark = {
        (int(x) + k, int(y))
        for x, y, run in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", code(link).path)
        for k in range(int(run))
    }
    assert squares(pixels) == dark
    rows = text.decode().splitlines()
    halves = {
        (x, 2 * y) for y, row in enumerate(rows) for x, sign in enumerate(row) if sign in "█▀"
    }
    halves |= {
        (x, 2 * y + 1) for y, row in enumerate(rows) for x, sign in enumerate(row) if sign in "█▄"
    }
    assert {(x + 2, y + 2) for x, y in halves} == dark  # a border of two modules instead of four
    assert main([*words, "--theme", "dark"]) == 0
    inverse = capsys.readouterr().out.splitlines()
    assert all(
        one != other
        for a, b in zip(rows, inverse, strict=True)
        for one, other in zip(a, b, strict=False)
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tabs"], "--tabs does not go with --qr"),
        (["--form=pdf"], "--qr does not go with a picture to print"),
        (["--form=svg", "--theme=dark"], "--theme does not go with --qr"),
        (["--step=8"], "this run has no step 8"),
        (["-o", "x.doc"], "known are .svg, .png, .txt"),
    ],
)
def test_what_does_not_go_with_a_code_is_said(words, said, capsys):
    assert main(["export", RACE, CASE, "CPU0*3 CPU1*4", "--qr", *words]) == 2
    assert said in capsys.readouterr().err


def test_export_takes_a_link(tmp_path, capsys):
    file = tmp_path / "run.txt"
    assert main(["export", TEXT, "-o", str(file)]) == 0
    assert file.read_text("utf-8").rstrip().endswith(f"/* {RACE}:{CASE}, CPU0*3 CPU1*4 */")
    assert main(["export", *f"<{TEXT[:40]} > {TEXT[40:]}>".split(), "--form", "pml"]) == 0
    assert "proctype" in capsys.readouterr().out
