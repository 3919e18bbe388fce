"""A scene as an SVG file."""

from xml.etree import ElementTree

import pytest

from mmviz.engine import UnknownName, explore, replay
from mmviz.scenarios import find
from mmviz.scene.marks import Box, Flow, Line, Text, sheet
from mmviz.scene.reach import reach
from mmviz.scene.svg import svg
from mmviz.scene.theme import PAPER, THEMES
from mmviz.scene.timeline import columns, timeline

SVG = "{http://www.w3.org/2000/svg}"


def drawn(theme="light"):
    marks = [
        Box(1, 1, 8, 2, "now"),
        Box(1, 4, 8, 2, "clear"),
        Text(2, 1, "a < b", "now", bold=True),
        Line(((9, 2), (12, 2)), "dangling", arrow=True),
    ]
    return ElementTree.fromstring(svg(sheet(20, 8, marks), theme, "a & b"))


def test_visible_marks_are_drawn_and_clear_ones_are_not():
    root = drawn()

    assert len(root.findall(f"{SVG}rect")) == 2  # the paper, and the one visible box
    assert [text.text for text in root.findall(f"{SVG}text")] == ["a < b"]
    assert root.find(f"{SVG}title").text == "a & b"
    assert len(root.findall(f"{SVG}polygon")) == 1


@pytest.mark.parametrize(("end", "last"), [("pass", "cpu"), ("bounce", "cpu"), ("fall", "bad")])
def test_only_an_access_that_is_lost_ends_in_red(end, last):
    path = ((1, 1), (5, 1), (9, 1), (19, 1))
    root = ElementTree.fromstring(svg(sheet(20, 8, [Flow(path, "cpu", end, "cpu:mm", 0.8)])))
    fills = [dot.get("fill") for dot in root.findall(f"{SVG}circle")]
    looks = THEMES["light"]
    assert len(fills) > 3
    assert set(fills[:-1]) == {looks["cpu"].fill}
    assert fills[-1] == {"cpu": looks["cpu"].fill, "bad": looks["bad"].stroke}[last]


@pytest.mark.parametrize("theme", THEMES)
def test_the_colours_are_those_of_the_theme(theme):
    root = drawn(theme)
    paper, box = root.findall(f"{SVG}rect")

    assert paper.get("fill") == PAPER[theme]
    assert box.get("fill") == THEMES[theme]["now"].fill
    assert root.find(f"{SVG}polyline").get("stroke-dasharray")


def test_a_frame_of_a_real_run_is_a_well_formed_small_picture_that_fetches_nothing():
    case = find("iommu_group/release_order", "DelistThenRelease")
    run = replay(case, explore(case).counterexamples["use_after_free"].fewest_preemptions)
    scene = timeline(run.frames, len(run.frames) - 1, columns(reach(run.model)))

    text = svg(scene, title=str(run))
    root = ElementTree.fromstring(text)

    assert len(text) < 300_000
    assert "href" not in text
    assert "url(" not in text
    words = [node.text for node in root.findall(f"{SVG}text")]
    assert words == [mark.text for mark in scene.texts if mark.role != "clear" and mark.text]


def test_on_a_narrow_page_a_picture_shrinks_instead_of_being_cut():
    root = ElementTree.fromstring(svg(sheet(200, 4, [Text(190, 1, "far right", "plain")])))

    assert root.get("style") == "max-width:100%"
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"


@pytest.mark.parametrize("theme", ["x", "lihgt", "", None, 5, ["light"], "light" * 1000])
def test_an_unknown_theme_is_refused_with_those_there_are(theme):
    with pytest.raises(UnknownName, match=r"there is no theme .*; did you mean .*light"):
        drawn(theme)
