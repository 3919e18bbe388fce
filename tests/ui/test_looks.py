"""What is on the screen can be read: measured in the browser, in both themes."""

import pytest

from mmviz.scene.theme import INK, contrast

pytestmark = pytest.mark.ui

NOTEBOOK = """
import mmviz
player = mmviz.Player("iommu_group/release_order")
player
"""
HOSTILE = """
from dataclasses import replace
from mmviz.widgets.player import Player
from tests.scene.toys import STORY, TOY
text = "<img src=x onerror=document.title='broken'><b>bold</b>"
player = Player(replace(TOY, name="x", title=text, promise=text), STORY, moments={text: "GPU"})
player.notes = {"0": text}
player
"""
LEAST = 10.9  # px of type

TEXTS = """root => [...root.querySelectorAll("[data-pane] *, [data-pane]")].flatMap((part) => {
    const own = [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const box = part.getBoundingClientRect();
    if (!own || !box.width || part.closest("[hidden], option, .mm-live")) return [];
    const svg = part.ownerSVGElement;
    const scale = svg ? svg.getScreenCTM().a : 1;
    const size = parseFloat(getComputedStyle(part).fontSize) * scale;
    return [{text: part.textContent.trim(), size}];
})"""


@pytest.fixture
def stage(notebook):
    notebook.run("looks", NOTEBOOK)
    return notebook.stage()


def test_no_text_is_small(notebook, stage):
    notebook.widen()
    stage.press("End")
    texts = stage.evaluate(TEXTS)
    assert len(texts) > 60
    assert [each for each in texts if each["size"] < LEAST] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_follows_the_theme_at_once_and_stays_readable(notebook, stage, theme):
    notebook.widen()
    stage.press("End")
    if theme == "dark":
        notebook.dark()
    fill, ink, paper, words = map(
        as_hex,
        stage.evaluate(
            """root => {
                const cell = root.querySelector('[data-key="cell:v.freed"], .mm-cell.is-now');
                const text = root.querySelector(".mm-picture text.is-now");
                const style = getComputedStyle(root);
                return [getComputedStyle(cell).fill, getComputedStyle(text).fill,
                    style.backgroundColor, style.color];
            }"""
        ),
    )

    assert fill == INK[theme]["now"]
    assert contrast(fill, ink) >= 4.5
    assert contrast(paper, words) >= 4.5


def as_hex(rgb):
    """Return "rgb(1, 2, 3)" as "#010203"."""
    return "#" + "".join(f"{int(part):02x}" for part in rgb[4:-1].split(","))


def test_text_from_a_scenario_is_shown_and_never_run(notebook):
    notebook.run("hostile", HOSTILE)
    root = notebook.stage()

    assert "<img src=x" in root.locator('[data-pane="promise"]').inner_text()
    assert root.locator("img, b").count() == 0
    assert "<img" in root.locator(".mm-runs").inner_text()
    assert "broken" not in notebook.page.title()


def test_larger_type_moves_no_pane_out_of_the_stage(notebook, stage):
    notebook.widen()
    stage.focus()
    for _ in range(4):
        notebook.page.keyboard.press("+")
    notebook.page.wait_for_function("document.querySelector('.mm-stage').style.length")
    outer = stage.bounding_box()
    assert outer["height"] == 560
    for pane in stage.locator("[data-pane]").all():
        box = pane.bounding_box()
        assert box["y"] >= outer["y"] - 1
        assert box["y"] + box["height"] <= outer["y"] + outer["height"] + 1
    assert int(notebook.python("player.zoom")) > 150
