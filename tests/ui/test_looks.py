"""What is on the screen can be read: measured in the browser, in both themes."""

import pytest

from mmviz.scene.theme import THEMES, contrast

pytestmark = pytest.mark.ui

NOTEBOOK = """
from mmviz.widgets.player import Player
player = Player("iommu_group/release_order")
player
"""
HOSTILE = """
from dataclasses import replace
from mmviz.widgets.player import Player
from tests.scene.toys import STORY, TOY
text = "<img src=x onerror=document.title='broken'><b>bold</b>"
player = Player(replace(TOY, name="x", title=text, promise=text), STORY)
player
"""


@pytest.fixture
def stage(notebook):
    notebook.run("looks", NOTEBOOK)
    return notebook.stage()


def test_no_text_is_small_touches_another_or_is_cut_off(notebook, stage):
    for _ in range(8):
        boxes = notebook.page.evaluate(
            """() => [...document.querySelectorAll(".mm-canvas")].map((canvas) => {
                const sheet = canvas.getBoundingClientRect();
                const labels = [...canvas.querySelectorAll("text.label")];
                const seen = (t) => t.textContent && t.style.fill != "transparent";
                return labels.filter(seen).map((t) => {
                    const {left, right, top, bottom} = t.getBoundingClientRect();
                    const size = parseFloat(getComputedStyle(t).fontSize);
                    const inside = left >= sheet.left && right <= sheet.right + 1;
                    return {text: t.textContent, left, right, top, bottom, size, inside};
                });
            })"""
        )
        for texts in boxes:
            assert texts
            assert [t["text"] for t in texts if t["size"] < 12 or not t["inside"]] == []
            touching = [
                (one["text"], other["text"])
                for n, one in enumerate(texts)
                for other in texts[n + 1 :]
                if one["left"] < other["right"]
                and other["left"] < one["right"]
                and one["top"] + 2 < other["bottom"] - 2
                and other["top"] + 2 < one["bottom"] - 2
            ]
            assert touching == []
        stage.press("ArrowRight")


def test_everything_fits_across_the_notebook(notebook, stage):
    wide = notebook.page.evaluate(
        """() => [...document.querySelectorAll(".mm-pane")]
            .map((pane) => pane.scrollWidth - pane.clientWidth)"""
    )

    assert len(wide) >= 3
    assert max(wide) <= 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_follows_the_theme_at_once_and_stays_readable(notebook, stage, theme):
    stage.press("End")
    if theme == "dark":
        notebook.dark()
    lit = notebook.page.evaluate(
        """() => {
            const row = [...document.querySelectorAll(".mm-canvas path.line")]
                .find((path) => path.style.fill.includes("--mm-now-fill"));
            const text = [...document.querySelectorAll(".mm-canvas text.label")]
                .find((label) => label.style.fill.includes("--mm-now-text"));
            return [getComputedStyle(row).fill, getComputedStyle(text).fill];
        }"""
    )
    fill, ink = map(as_hex, lit)

    assert (fill, ink) == (THEMES[theme]["now"].fill, THEMES[theme]["now"].text)
    assert contrast(fill, ink) >= 4.5


def as_hex(rgb):
    """Return "rgb(1, 2, 3)" as "#010203"."""
    return "#" + "".join(f"{int(part):02x}" for part in rgb[4:-1].split(","))


def test_text_from_a_scenario_is_shown_and_never_run(notebook):
    notebook.run("hostile", HOSTILE)
    root = notebook.stage()

    assert "<img src=x" in root.locator(".mm-title").inner_text()
    assert root.locator("img, b").count() == 0
    assert "broken" not in notebook.page.title()


EVERY = """
from mmviz.scene.views import VIEWS
from mmviz.widgets.player import Player
player = Player("iommu_group/release_order", views=list(VIEWS))
player
"""
SIZES = {
    "a small window": (1000, 800, 100),
    "a slide": (1920, 1080, 175),
    "a laptop": (1280, 720, 150),
}


def test_panes_never_overlap_and_what_does_not_fit_scrolls(notebook):
    notebook.run("every", EVERY)
    root = notebook.stage()
    for name, (width, height, zoom) in SIZES.items():
        notebook.page.set_viewport_size({"width": width, "height": height})
        notebook.python(f"setattr(player.controls, 'zoom', {zoom})")
        notebook.settled()
        panes = notebook.page.evaluate(
            """() => [...document.querySelectorAll(".mm-view")].map((pane) => {
                const {left, right, top, bottom} = pane.getBoundingClientRect();
                const body = pane.querySelector(".mm-pane");
                const style = getComputedStyle(body);
                const cut = body.scrollWidth > body.clientWidth + 1
                    || body.scrollHeight > body.clientHeight + 1;
                const scrolls = style.overflowX == "auto" && style.overflowY == "auto";
                const canvas = body.querySelector(".mm-canvas");
                const drawn = canvas && canvas.querySelector("svg").getBoundingClientRect();
                const whole = !canvas || Math.abs(drawn.width - canvas.clientWidth) < 4;
                const head = pane.querySelector(".mm-pane-title").textContent;
                return {head, left, right, top, bottom, ok: scrolls || !cut, whole,
                        high: body.clientHeight, resize: getComputedStyle(pane).resize};
            })"""
        )
        sheet = root.bounding_box()
        assert len(panes) >= 5, name
        for pane in panes:
            assert pane["ok"], (name, pane)
            assert pane["whole"], (name, pane)  # the picture is as large as its canvas
            assert pane["high"] > 60, (name, pane)
            assert pane["resize"] == "both", (name, pane)
            assert pane["right"] <= sheet["x"] + sheet["width"] + 8, (name, pane)
        for number, one in enumerate(panes):
            for other in panes[number + 1 :]:
                apart = (
                    one["right"] <= other["left"] + 1
                    or other["right"] <= one["left"] + 1
                    or one["bottom"] <= other["top"] + 1
                    or other["bottom"] <= one["top"] + 1
                )
                assert apart, (name, one, other)
