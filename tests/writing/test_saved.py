"""Every form in which a run can be saved: what it is, and that it is the run."""

import re
import sys
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from mmviz.cli import main
from mmviz.engine import MmvizError
from mmviz.scenarios import find
from mmviz.scene.searched import SearchedCase
from mmviz.scene.theme import PAPER, THEMES
from mmviz.scene.timeline import MOST_ROWS
from mmviz.writing.forms import FORMS
from mmviz.writing.pictures import Picture
from mmviz.writing.saved import saved

RACE, CASE, ORDER = "iommu_group/release_order", "DelistThenRelease", "CPU0*3 CPU1*4"
STEPS = 7
BEGINS = {
    "png": b"\x89PNG\r\n",
    "pdf": b"%PDF-1.",
    "gif": b"GIF89a",
    "svg": b"<svg ",
    "md": b"### A",
}
BEGINS |= {"html": b"<!doctype html>", "txt": b"CPU0  ", "mmd": b"sequenceDiagram\n"}
BEGINS |= {"tex": b"% iommu_group", "pml": b"/*"}


@pytest.fixture(scope="module")
def case():
    return SearchedCase(find(RACE, CASE))


def test_each_form_is_what_it_says(case):
    assert BEGINS.keys() == FORMS.keys()
    for form, kind in FORMS.items():
        data = saved(case, "" if form == "pml" else ORDER, form)
        assert data.startswith(BEGINS[form]), form
        assert kind.lacks == ""
        if kind.text:
            assert data.decode().endswith("\n"), form


def test_the_same_run_gives_the_same_file(case):
    for form in ("png", "pdf", "svg", "tex"):
        assert saved(case, ORDER, form) == saved(case, ORDER, form), form


def size_of(svg):
    root = ElementTree.fromstring(svg)
    return float(root.get("width")), float(root.get("height"))


def test_a_picture_in_pixels_is_twice_as_sharp_as_the_screen(case):
    wide, high = size_of(saved(case, ORDER, "svg"))
    drawn = Image.open(BytesIO(saved(case, ORDER, "png")))
    assert drawn.size == (pytest.approx(2 * wide, abs=2), pytest.approx(2 * high, abs=2))
    assert len(drawn.convert("RGB").getcolors(1_000_000)) > 20


def test_a_picture_follows_step_theme_and_views(case):
    pictures = {
        saved(case, ORDER, "png", **more)
        for more in ({}, {"at": 2}, {"look": "dark"}, {"views": "memory"}, {"views": ["locks"]})
    }
    assert len(pictures) == 5
    dark = Image.open(BytesIO(saved(case, ORDER, "png", look="dark"))).convert("L")
    light = Image.open(BytesIO(saved(case, ORDER, "png"))).convert("L")
    assert dark.getpixel((1, 1)) < 40 < 200 < light.getpixel((1, 1))


def test_an_animation_has_a_frame_a_step_and_starts_again(case):
    drawn = Image.open(BytesIO(saved(case, ORDER, "gif")))
    times = []
    for number in range(drawn.n_frames):
        drawn.seek(number)
        times.append(drawn.info["duration"])
    assert drawn.n_frames == STEPS + 1
    assert drawn.info["loop"] == 0
    assert 500 <= min(times) < times[-1] <= 5_000
    assert len(saved(case, ORDER, "gif")) < 1_000_000


@pytest.mark.parametrize("look", ["light", "dark"])
def test_an_animation_has_each_main_colour_of_the_picture(look):
    copied = find("exclusive/copy_at_fork", "EntryCopied")
    named = {
        f"#{each}"
        for each in re.findall('fill="#(.{6})"', saved(copied, "", "svg", look=look).decode())
    }
    still = Image.open(BytesIO(saved(copied, "", "png", look=look))).convert("RGB")
    area = {"#" + bytes(c).hex(): n for n, c in still.getcolors(still.width * still.height)}
    main_ones = {colour for colour in named if area.get(colour, 0) > 100}
    assert {THEMES[look]["cpu"].fill, THEMES[look]["dma"].fill, PAPER[look]} < main_ones

    moving = Image.open(BytesIO(saved(copied, "", "gif", look=look)))
    moving.seek(moving.n_frames - 1)
    shown = moving.convert("RGB").getcolors(moving.width * moving.height)
    assert main_ones <= {"#" + bytes(colour).hex() for _, colour in shown}


def test_a_picture_has_the_whole_run_and_an_animation_a_window_about_the_step():
    searched = SearchedCase(find("swap/skip_swapcache", "SkipSwapcache"))
    run = searched.run(next(iter(searched.runs().values())))
    steps = run.tip.index
    assert steps > MOST_ROWS
    drawn = Picture(searched, run, "light", "timeline")
    for k in (0, steps // 2, steps):
        still = drawn.scene(k)
        assert {f"step:{each}" for each in range(1, steps + 1)} <= {box.key for box in still.boxes}
        assert not [text for text in still.texts if text.text.startswith("…")]
        low = max(box.y + box.h for box in still.boxes)
        assert still.height - low < 1

    last = drawn.scene(steps, whole=False)
    tops = [box.y for box in last.boxes if box.key.startswith("step:")]
    (earlier,) = [
        text for text in last.texts if text.text == f"… {steps - MOST_ROWS} earlier steps"
    ]
    assert earlier.y < min(tops)
    assert last.height - max(tops) < 6
    first = drawn.scene(1, whole=False)
    (later,) = [text for text in first.texts if text.text == f"… {steps - MOST_ROWS} later steps"]
    assert later.y > max(box.y for box in first.boxes if box.key.startswith("step:"))


def test_a_step_and_a_card_write_an_entry_alike():
    copied = saved(find("exclusive/copy_at_fork", "EntryCopied"), "", "svg").decode()
    assert "PTE" in copied
    assert ">= exclusive page 7 ro<" in copied
    assert ">exclusive ro<" in copied


def test_the_text_of_a_paper_is_text_in_the_font_of_the_picture(case):
    data = saved(case, ORDER, "pdf")
    assert b"DejaVuSansMono" in data
    assert data.count(b"/Type/Page") + data.count(b"/Type /Page") >= 1
    assert not re.search(rb"/Type3|/CreationDate", data)


def test_the_diagram_of_a_paper_marks_locks_race_and_bad_state(case):
    tex = saved(case, ORDER, "tex").decode()
    assert tex.count(r"\fill[lock]") == 2
    assert tex.count(r"\node[said, race]") == 2
    assert tex.count(r"\node[bad]") == 1
    assert r"7 iommu\_domain\_free(domain V)" in tex


def test_the_sequence_has_a_message_a_step_and_balanced_bars(case):
    text = saved(case, ORDER, "mmd").decode()
    assert text.count("->>") == STEPS
    assert text.count("\n    activate ") == text.count("\n    deactivate ") == 2
    cut = saved(case, "CPU0*2", "mmd").decode()
    assert cut.count("\n    activate ") == cut.count("\n    deactivate ") == 1


def test_the_report_has_verdict_replay_source_and_small_print(case):
    text = saved(case, ORDER, "md").decode()
    assert f"mmviz replay {RACE} {CASE} '{ORDER}'" in text
    for part in ("Step 7 by CPU1: ", "Source: proposed", "Small print: memory is sequentially"):
        assert part in text


def test_tabs_stand_for_the_same_columns(case):
    plain, tabs = (saved(case, ORDER, "txt", tabs=each).decode() for each in (False, True))
    assert "\t" in tabs
    assert tabs.expandtabs(8) == plain


def test_a_page_has_the_other_views_of_its_run(case):
    page = saved(case, ORDER, "html", look="").decode()
    assert '"name":"locks"' in page
    assert page.count('"twins":[') >= 8
    assert len(page) < 1_500_000


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"form": "docx"}, "there is no form 'docx'"),
        ({"form": "svg", "at": 8}, "this run has 7 steps"),
        ({"form": "png", "at": -1}, "write a number from 0 to 7"),
        ({"form": "pdf", "look": "blue"}, "there is no theme 'blue'"),
        ({"form": "gif", "views": "lokcs"}, "did you mean locks"),
        ({"form": "svg", "views": "foo"}, "no view 'foo'; there are memory, timeline, code"),
        ({"form": "svg", "views": []}, "needs one view or more; write views="),
        ({"form": "svg", "views": "entry"}, "has nothing for 'entry'"),
    ],
)
def test_what_cannot_be_saved_says_why(case, more, said):
    form = more.pop("form")
    with pytest.raises(MmvizError, match=re.escape(said)):
        saved(case, ORDER, form, **more)


@pytest.mark.parametrize(("package", "form"), [("typst", "png"), ("PIL", "gif"), ("typst", "pdf")])
def test_a_package_that_is_missing_is_named_with_what_to_install(monkeypatch, case, package, form):
    monkeypatch.setitem(sys.modules, package, None)
    assert "pip install 'mmviz[pictures]'" in FORMS[form].lacks
    with pytest.raises(MmvizError, match=rf"needs {package}: pip install 'mmviz\[pictures\]'"):
        saved(case, ORDER, form)
    assert saved(case, ORDER, "svg")


def test_the_command_writes_what_the_name_ends_in(capsys, tmp_path):
    for form in ("png", "md", "mmd"):
        path = Path(tmp_path / f"run.{form}")
        assert main(["export", RACE, CASE, ORDER, "-o", str(path)]) == 0
        assert path.read_bytes() == saved(find(RACE, CASE), ORDER, form)
        assert "bytes" in capsys.readouterr().err
    assert main(["export", RACE, CASE, ORDER, "--form=png"]) == 2
    assert "write -o FILE" in capsys.readouterr().err
    assert main(["export", RACE, CASE, "--form=md", "--step=2"]) == 2
    assert "--step does not go with a report in Markdown" in capsys.readouterr().err
